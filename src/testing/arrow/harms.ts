/**
 * Payloads of Arrow, each with one thing in it that an engine doesn't survive
 * or that would harm other sessions. For tests only.
 *
 * @module
 */

import {
  type DataType,
  Dictionary,
  Field,
  Int16,
  Int32,
  Int8,
  LargeUtf8,
  List,
  makeVector,
  Null,
  Table,
  tableToIPC,
  Uint32,
  Utf8,
  vectorFromArray,
} from "apache-arrow";
import type { Random } from "../random.ts";
import { type Piece, piecesOf } from "./anatomy.ts";

/** A way to do harm. */
export interface Harm {
  /** What the refusal must say. */
  readonly says: RegExp;
  /** One of its variants. */
  make(random: Random): Uint8Array;
}

/** A payload to break, and where its things are. */
interface Victim {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly pieces: readonly Piece[];
  /** The last of its batches. */
  readonly batch: Piece;
  /** How many rows it has. */
  readonly rows: number;
}

const utf8 = new Utf8();
const texts = [utf8, new LargeUtf8()];
const indices = [new Int8(), new Int16(), new Int32(), new Uint32()];
const list = (item: DataType) => new List(new Field("item", item, true));

function victim(columns: Record<string, unknown>): Victim {
  // deno-lint-ignore ban-types
  const table = new Table(columns as {});
  const bytes = tableToIPC(table, "stream");
  const pieces = piecesOf(bytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const batch = pieces.at(-1)!;
  return { bytes, view, pieces, batch, rows: table.numRows };
}

/** A column of texts, none of which are empty or alike. */
function words(random: Random, rows: number): string[] {
  return Array.from(
    { length: rows },
    (_, i) => `${i}ü`.padStart(random.between(8, 20), "word"),
  );
}

/** One column of strings: its buffers are bits, offsets and text. */
function strings(random: Random, type: DataType = random.pick(texts)): Victim {
  const rows = random.between(3, 40);
  return victim({ c: vectorFromArray(words(random, rows), type) });
}

/** One column with a dictionary: buffers are bits and indices. */
function dictionary(random: Random): Victim & { width: number } {
  const index = random.pick(indices);
  const values = words(random, random.between(3, 40));
  const type = new Dictionary(utf8, index);
  const width = index.bitWidth / 8;
  return { ...victim({ c: vectorFromArray(values, type) }), width };
}

/** One column of lists: buffers are bits and offsets, and those of the items. */
function lists(random: Random): Victim {
  const rows = Array.from(
    { length: random.between(3, 20) },
    () => [random.below(9), random.below(9)],
  );
  return random.chance(0.5)
    ? victim({ c: vectorFromArray(rows, list(new Int32())) })
    : victim({
      c: vectorFromArray(rows.map((row) => row.map(String)), list(utf8)),
    });
}

/** How wide offsets into `span` are, of a column of strings. */
function offsetWidth({ batch, rows }: Victim): 4 | 8 {
  const { start, end } = batch.spans[1]!;
  return end - start >= (rows + 1) * 8 ? 8 : 4;
}

function setOffset(
  { view, batch }: Victim,
  width: 4 | 8,
  i: number,
  value: number,
): void {
  const at = batch.spans[1]!.start + i * width;
  if (width === 4) view.setInt32(at, value, true);
  else view.setBigInt64(at, BigInt(value), true);
}

/** Text that isn't UTF-8 in the last span of `piece`. */
function spoil({ bytes }: Victim, piece: Piece, random: Random): Uint8Array {
  const { start } = piece.spans.at(-1)!;
  // The first eight bytes are ASCII and followed by more.
  bytes[start + random.below(7)] = random.pick([0x80, 0xc3, 0xed, 0xff]);
  return bytes;
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, it) => sum + it.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function without({ bytes, pieces }: Victim, kind: Piece["kind"]): Uint8Array {
  const kept = pieces.filter((piece) => piece.kind !== kind);
  return joined(...kept.map(({ start, end }) => bytes.subarray(start, end)));
}

/** Replaces one name by another that is as long. */
function rename({ bytes }: Victim, from: string, to: Uint8Array): Uint8Array {
  const name = new TextEncoder().encode(from);
  for (let at = 0; at + name.length <= bytes.length; at++) {
    if (name.every((byte, i) => bytes[at + i] === byte)) {
      bytes.set(to, at);
      return bytes;
    }
  }
  throw new Error(`There is no ${from}`);
}

const far = (random: Random) =>
  random.pick([100, 1000, 1_000_000, 0x7000_0000]) + random.below(1000);

/** All of them, by what is wrong. */
export const HARMS: Readonly<Record<string, Harm>> = {
  "a string ends beyond the text": {
    says: /record batch 0, column "c": its strings need \d+ bytes, but have/,
    make(random) {
      const it = strings(random);
      const { start, end } = it.batch.spans[2]!;
      const beyond = end - start + far(random);
      const width = offsetWidth(it);
      for (let i = random.between(1, it.rows); i <= it.rows; i++) {
        setOffset(it, width, i, beyond);
      }
      return it.bytes;
    },
  },
  "offsets of strings go backwards": {
    says: /record batch 0, column "c", row \d+: its offsets aren't in order/,
    make(random) {
      const it = strings(random);
      const row = random.between(2, it.rows);
      setOffset(it, offsetWidth(it), row, random.below(3));
      return it.bytes;
    },
  },
  "an offset is negative": {
    says: /row \d+: its offsets aren't in order/,
    make(random) {
      const it = strings(random);
      const row = random.below(it.rows + 1);
      setOffset(it, offsetWidth(it), row, -far(random));
      return it.bytes;
    },
  },
  "an index isn't in the dictionary": {
    says: /record batch 0, column "c", row \d+: its index -?\d+ isn't in/,
    make(random) {
      const it = dictionary(random);
      const at = it.batch.spans[1]!.start + random.below(it.rows) * it.width;
      const index = random.pick([-1, -2, it.rows, it.rows + 1, 127]);
      if (it.width === 1) it.view.setInt8(at, index);
      else if (it.width === 2) it.view.setInt16(at, index, true);
      else it.view.setInt32(at, index, true);
      return it.bytes;
    },
  },
  "a dictionary has a value twice": {
    says: /dictionary batch 0, column "c", row \d+: its dictionary has a value/,
    make(random) {
      const size = random.pick([2, 10, 1000]);
      const values = Array.from({ length: size }, (_, i) => `value${i}`);
      values.fill(values[0]!, 0, random.between(2, size));
      const vector = makeVector({
        type: new Dictionary(utf8, new Int32()),
        data: Int32Array.of(0, size - 1),
        dictionary: vectorFromArray(values, utf8),
      });
      const text = vectorFromArray(["foo", "bar"], utf8);
      return victim({ c: vector, text }).bytes;
    },
  },
  "a dictionary is missing": {
    says: /record batch 0, column "c": its dictionary is missing/,
    make: (random) => without(dictionary(random), "dictionary"),
  },
  "a dictionary comes after its batch": {
    says: /record batch 0, column "c": its dictionary is missing/,
    make(random) {
      const it = dictionary(random);
      const [schema, values, batch] = it.pieces.map(({ start, end }) =>
        it.bytes.subarray(start, end)
      );
      return joined(schema!, batch!, values!);
    },
  },
  "a dictionary of numbers": {
    says: /column "c": its dictionary must hold utf8/,
    make(random) {
      const type = new Dictionary(new Int32(), random.pick(indices));
      const rows = random.between(1, 30);
      const values = Array.from({ length: rows }, () => random.uint32() | 0);
      return victim({ c: vectorFromArray(values, type) }).bytes;
    },
  },
  "strings of a dictionary end beyond the text": {
    says: /dictionary batch 0, column "c": its strings need/,
    make(random) {
      const it = dictionary(random);
      const { spans } = it.pieces[1]!;
      const at = spans[1]!.start + 4 * it.rows;
      it.view.setInt32(at, spans[2]!.end + far(random), true);
      return it.bytes;
    },
  },
  "a list ends beyond its values": {
    says: /record batch 0, column "c": its lists have \d+ values, but there/,
    make(random) {
      const it = lists(random);
      const values = 2 * it.rows + random.pick([1, 2, far(random)]);
      setOffset(it, 4, it.rows, values);
      return it.bytes;
    },
  },
  "offsets of lists go backwards": {
    says: /record batch 0, column "c", row \d+: its offsets aren't in order/,
    make(random) {
      const it = lists(random);
      const row = random.between(2, it.rows);
      setOffset(it, 4, row, random.pick([0, 1, -1, -1000]));
      return it.bytes;
    },
  },
  "strings in a list end beyond the text": {
    says: /column "c.item": its strings need/,
    make(random) {
      const rows = words(random, random.between(2, 20)).map((word) => [word]);
      const it = victim({ c: vectorFromArray(rows, list(utf8)) });
      const at = it.batch.spans[3]!.start + 4 * it.rows;
      it.view.setInt32(at, it.bytes.length + far(random), true);
      return it.bytes;
    },
  },
  "text isn't UTF-8": {
    says: /column "c", row 0: a string isn't UTF-8/,
    make(random) {
      const it = strings(random);
      return spoil(it, it.batch, random);
    },
  },
  "a dictionary isn't UTF-8": {
    says: /dictionary batch 0, column "c", row 0: a string isn't UTF-8/,
    make(random) {
      const it = dictionary(random);
      return spoil(it, it.pieces[1]!, random);
    },
  },
  "a character is cut in two": {
    says: /column "c", row \d+: a string isn't UTF-8/,
    make(random) {
      const rows = Array.from({ length: random.between(2, 30) }, () => "üü");
      const it = victim({ c: vectorFromArray(rows, random.pick(texts)) });
      const row = random.between(1, it.rows - 1);
      setOffset(it, offsetWidth(it), row, row * 4 + random.pick([-1, 1]));
      return it.bytes;
    },
  },
  "a name isn't UTF-8": {
    says: /a name in its schema isn't UTF-8/,
    make(random) {
      const name = "n".repeat(random.between(8, 30));
      const it = victim({ [name]: vectorFromArray([1, 2], new Int32()) });
      const broken = new Uint8Array(name.length).fill(0x61);
      broken[random.below(name.length)] = random.pick([0x80, 0xc3, 0xff]);
      return rename(it, name, broken);
    },
  },
  "a name with a NUL character": {
    says: /its name has a NUL character/,
    make(random) {
      const name = `a\0${random.uint32()}`;
      return victim({ [name]: vectorFromArray([1], new Int32()) }).bytes;
    },
  },
  "a name of the engine's own": {
    says: /the engine keeps this name/,
    make(random) {
      const name = random.pick(["psp_pkey", "psp_okey", "psp_op"]);
      const rows = random.between(1, 30);
      const column = vectorFromArray(words(random, rows), utf8);
      return victim({ c: column, [name]: column }).bytes;
    },
  },
  "two columns of one name": {
    says: /it has two columns named "another"/,
    make(random) {
      const rows = words(random, random.between(1, 30));
      const column = vectorFromArray(rows, utf8);
      const it = victim({ another: column, another2: column });
      // Its length is the byte before.
      const from = new TextEncoder().encode("\x08\0\0\0another2");
      const to = new TextEncoder().encode("\x07\0\0\0another\0");
      return rename(it, new TextDecoder().decode(from), to);
    },
  },
  "a buffer lies outside of the body": {
    says: /lie outside of the body/,
    make(random) {
      const it = strings(random);
      const at = it.batch.buffers[random.between(1, 2)]!;
      const where = random.pick([0, 8]);
      const value = random.pick([-8, it.bytes.length, 0x7fff_fff8]);
      it.view.setBigInt64(at + where, BigInt(value), true);
      return it.bytes;
    },
  },
  "a buffer is too short": {
    says: /its (offsets|strings) need \d+ bytes, but have/,
    make(random) {
      const it = strings(random);
      const buffer = random.between(1, 2);
      const length = random.below(24 * (buffer === 1 ? 1 : 0) + 8);
      const needed = buffer === 1
        ? (it.rows + 1) * offsetWidth(it)
        : it.rows * 8;
      const short = Math.min(length, needed - 1);
      it.view.setBigInt64(it.batch.buffers[buffer]! + 8, BigInt(short), true);
      return it.bytes;
    },
  },
  "buffers overlap": {
    says: /overlap other buffers/,
    make(random) {
      const it = strings(random);
      const { start, end } = it.batch.body;
      for (const at of it.batch.buffers) {
        it.view.setBigInt64(at, 0n, true);
        it.view.setBigInt64(at + 8, BigInt(end - start), true);
      }
      return it.bytes;
    },
  },
  "a column has another length": {
    says: /it has \d+ values instead of \d+/,
    make(random) {
      const it = strings(random);
      const rows = random.pick([0, it.rows - 1, it.rows + 1, 4_000_000_000]);
      if (random.chance(0.5)) {
        it.view.setBigInt64(it.batch.nodes[0]!, BigInt(rows), true);
      } else {
        const few = random.pick([0, it.rows - 1, it.rows + 1, 900_000]);
        it.view.setBigInt64(it.batch.lengthAt, BigInt(few), true);
      }
      return it.bytes;
    },
  },
  "nulls that aren't there": {
    says: /its null bits need|it can't have -?\d+ nulls/,
    make(random) {
      const it = strings(random);
      const nulls = random.pick([1, it.rows, it.rows + 1, -2, -1_000_000]);
      it.view.setBigInt64(it.batch.nodes[0]! + 8, BigInt(nulls), true);
      return it.bytes;
    },
  },
  "rows without bytes": {
    says: /it has more than 1000000 rows/,
    make(random) {
      const column = vectorFromArray([null, null], new Null());
      const it = victim({ c: column });
      const rows = BigInt(1_000_001 + random.uint32());
      it.view.setBigInt64(it.batch.lengthAt, rows, true);
      it.view.setBigInt64(it.batch.nodes[0]!, rows, true);
      return it.bytes;
    },
  },
  "lists that multiply": {
    says: /it has more than 1000000 rows, those counted to which lists expand/,
    make(random) {
      const columns = random.between(3, 6);
      const row = Array.from({ length: random.between(101, 200) }, () => "a");
      const column = vectorFromArray([row], list(utf8));
      return victim(Object.fromEntries(
        Array.from({ length: columns }, (_, i) => [`c${i}`, column]),
      )).bytes;
    },
  },
  "a batch before the schema": {
    says: /it comes before the schema|no column has such a dictionary/,
    make: (random) => without(strings(random), "schema"),
  },
  "two schemas": {
    says: /it has two schemas/,
    make(random) {
      const { bytes, pieces } = strings(random);
      const { start, end } = pieces[0]!;
      return joined(bytes.subarray(start, end), bytes);
    },
  },
  "the end is missing": {
    says: /cut off|damaged/,
    make(random) {
      const it = random.chance(0.5) ? strings(random) : dictionary(random);
      const { start, end } = random.pick(it.pieces.slice(1));
      return it.bytes.subarray(0, random.between(start + 1, end - 1));
    },
  },
};
