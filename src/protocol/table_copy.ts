/**
 * Copying a table to another engine, in requests and answers.
 *
 * A view of all columns is read on the donor in ranges of rows, as Arrow. The
 * first range makes the table on the other engine, the others are updates.
 * After each of them that engine polls, as it does after any change. Then both
 * hold the same and go on alike: same answers, same deltas, byte for byte
 * (ENGINE 3, 9.10).
 *
 * What isn't the same:
 *
 * - rows of an indexed table whose key is null or NaN
 * - on line 3, groups of null in views: an engine has one or several, and which
 *   rows are in which depends on how they came
 * - on line 5, sums over nulls that stood in the first update of an empty
 *   table, which are wrong there and right in the copy (ENGINE 9.10)
 * - the last bits of sums, which were added up in another order
 * - the row counter, where it isn't what {@linkcode nextIndex} says, or what it
 *   was can't be had: see {@linkcode surplusOf}
 *
 * @module
 */

import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { Buffer } from "node:buffer";
import { simpleRequest } from "./answers.ts";
import { forEachField } from "./fields.ts";
import { NO_BYTES, Reframed } from "./frame.ts";
import { Kind } from "./kinds.ts";
import { makeViewRequest } from "./requests.ts";

/** What makes a table again, but for its rows. */
export interface TableMeta {
  /**
   * Its `MakeTableOptions` as they were given, with those of line 5 that
   * matter for what comes later, `page_to_disk` and `list_flatten`.
   */
  readonly options: Uint8Array;
  /** Whether rows have a key of the client's; otherwise they are numbered. */
  readonly isIndexed: boolean;
  /** How many rows it is to have at most, if it was made so. */
  readonly limit?: number;
}

/** A request for an engine. */
export interface CopyStep {
  /** It, as the engine is to have it. */
  readonly frame: Reframed;
  /** What it is. */
  readonly kind: number;
}

/** By this name an engine takes and gives the numbers of rows. */
const INDEX = "__INDEX__";

/** A port that no table has: its rows are counted and dropped (ENGINE 1.5). */
export const NO_PORT = 0xffff_fff0;

/** Rows that are only counted, in one request: 6 to 25 ms in both engines. */
const MOST_COUNTED = 200_000;

/** More rows than any table has. */
const ALL_ROWS = 0xffff_ffff;

/** Values that one range of rows holds: see {@linkcode rangeRows}. */
const RANGE_VALUES = 150_000;

/**
 * What the content of a `make_table` says of the table; its data are passed over.
 *
 * @throws If the options or a schema can't be read. Engines take a schema as far
 * as they can read it, with none of the options behind it: such a table isn't
 * what it says, and couldn't be made again.
 */
export function readTableMeta(content: Uint8Array): TableMeta {
  let options = NO_BYTES;
  forEachField(content, (field, reader, wireType) => {
    if (field === 1 && wireType === 2) return checkSchema(reader.bytes());
    if (field !== 2 || wireType !== 2) return void reader.skip(wireType, field);
    // A message that is given twice is merged: one after the other means that.
    options = joined(options, reader.bytes());
  });
  let isIndexed = false;
  let limit: number | undefined;
  forEachField(options, (field, reader, wireType) => {
    // Index and limit are one choice, of which the last counts.
    if (field === 1 && wireType === 2) {
      isIndexed = reader.string() !== "";
      limit = undefined;
    } else if (field === 2 && wireType === 0) {
      isIndexed = false;
      limit = reader.uint32();
    } else reader.skip(wireType, field);
  });
  return { options, isIndexed, ...limit !== undefined && { limit } };
}

/** Checks the schema in a `MakeTableData`, if there is one. */
function checkSchema(data: Uint8Array): void {
  forEachField(data, (kind, reader, wireType) => {
    if (kind !== 1 || wireType !== 2) return void reader.skip(wireType, kind);
    forEachField(reader.bytes(), (field, pairs, type) => {
      if (field !== 1 || type !== 2) return void pairs.skip(type, field);
      forEachField(
        pairs.bytes(),
        (field, pair, type) => pair.skip(type, field),
      );
    });
  });
}

/** The names of the columns in the content of an answer to `table_schema`. */
export function columnsOf(content: Uint8Array): string[] {
  return columnsIn(bytesOf(content));
}

/** The same in a `Schema`. */
function columnsIn(schemaBytes: Uint8Array): string[] {
  const names: string[] = [];
  forEachField(schemaBytes, (_, schema, wireType) => {
    if (wireType !== 2) return void schema.skip(wireType);
    let name = ""; // which is left out, as protobuf does
    forEachField(schema.bytes(), (field, reader, innerType) => {
      if (field === 1 && innerType === 2) name = reader.string();
      else reader.skip(innerType, field);
    });
    names.push(name);
  });
  return names;
}

/** How many rows the content of an answer to `table_size` says there are. */
export function rowsOf(content: Uint8Array): number {
  let rows = 0;
  forEachField(content, (field, reader, wireType) => {
    if (field === 2 && wireType === 0) rows = reader.uint32();
    else reader.skip(wireType, field);
  });
  return rows;
}

/**
 * Whether a table of these columns can be copied: not if one has the name by
 * which engines take the numbers of rows. Such a table keeps both, and no
 * request tells them apart.
 */
export function isCopyable(columns: readonly string[]): boolean {
  return !columns.includes(INDEX);
}

/**
 * Whether the content of a `make_table` makes a column of that name, as far as
 * can be seen. CSV and Arrow don't: they say which numbers the rows have. No
 * update ever writes to such a column, so it is of no use anyway.
 */
export function makesUncopyable(content: Uint8Array): boolean {
  const all = bufferOf(content);
  if (!all.includes(INDEX) && !ESCAPES.some((it) => all.includes(it))) {
    return false;
  }
  let found = false;
  forEachField(bytesOf(content), (field, reader, wireType) => {
    if (wireType !== 2) return void reader.skip(wireType, field);
    const bytes = reader.bytes();
    if (field === 1) found = !isCopyable(columnsIn(bytes));
    else if (FROM_JSON.has(field)) {
      found = INDEX_KEY.test(bufferOf(bytes).toString("latin1"));
    }
  });
  return found;
}

/** Fields of `MakeTableData`: rows, columns, and rows by line. */
const FROM_JSON: ReadonlySet<number> = new Set([4, 5, 7]);

/** How its letters are escaped, which nobody does who means no harm. */
const ESCAPES = ["\\u004", "\\u005"];

/** The name as a key in JSON, where any letter may be escaped. */
const INDEX_KEY = new RegExp(
  `"${
    [...INDEX].map((it) => {
      const code = it.charCodeAt(0).toString(16);
      return `(?:${it}|\\\\u00${
        code.replace(/[a-f]/, (d) => `[${d}${d.toUpperCase()}]`)
      })`;
    }).join("")
  }"\\s*:`,
);

/**
 * Whether the content of a change is CSV or Arrow that gives rows keys of its
 * own, whatever is in the column that is the table's index.
 */
export function givesKeys(content: Uint8Array): boolean {
  let found = false;
  forEachField(bytesOf(content), (field, reader, wireType) => {
    if (wireType !== 2) return void reader.skip(wireType, field);
    const bytes = bufferOf(reader.bytes());
    if (field === 2 || field === 3) found = bytes.includes(INDEX);
  });
  return found;
}

function bufferOf({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length);
}

/**
 * Makes the view that is read for the copy. If it is `numbered`, the numbers of
 * rows, or their keys, are a column of it, which is computed. Without an index
 * it has to be, and with one where these aren't just what the index says.
 * Otherwise there is no need for it, and the view costs a fifth on line 5, two
 * thirds on line 3. All numbers may be raised by `shift`.
 */
export function copyViewRequest(
  msgId: number,
  table: Uint8Array,
  viewId: string,
  columns: readonly string[],
  isNumbered: boolean,
  shift = 0,
): Reframed {
  const config = new BinaryWriter().tag(3, 2).fork().tag(2, 2).fork();
  for (const name of columns) config.tag(1, 2).string(name);
  if (isNumbered) config.tag(1, 2).string(INDEX);
  config.join().join();
  if (isNumbered) {
    config.tag(6, 2).fork()
      .tag(1, 2).string(INDEX)
      .tag(2, 2).string(shift > 0 ? `integer(index() + ${shift})` : "index()")
      .join();
  }
  return makeViewRequest(msgId, table, viewId, config.finish());
}

/**
 * How many rows of so many columns are best read, and written, at a time. Of a
 * table of 1,000,000 rows and 6 columns these are 21,428, which take 5 to 15
 * ms to read and 15 to 45 ms to write.
 */
export function rangeRows(columns: number, isKeyed = false): number {
  // Keys that are text can't be written but when the table is made.
  if (isKeyed) return ALL_ROWS;
  return Math.max(1, Math.floor(RANGE_VALUES / (columns + 1)));
}

/** Reads rows from `start` to `end`, without `end`, of the copy's view. */
export function copyReadRequest(
  msgId: number,
  view: Uint8Array,
  start: number,
  end: number,
): Reframed {
  const body = new BinaryWriter().tag(Kind.VIEW_TO_ARROW, 2).fork();
  body.tag(1, 2).fork().tag(1, 0).uint32(start).tag(3, 0).uint32(end).join();
  return new Reframed(msgId, view, body.join().finish());
}

/** The Arrow in the content of its answer, a part of it. */
export function copiedArrow(content: Uint8Array): Uint8Array {
  return bytesOf(content);
}

/**
 * Reads the number of the last of `rows` rows, of a table with `columns`
 * columns and without index. They are in the order of their numbers.
 */
export function lastIndexRequest(
  msgId: number,
  view: Uint8Array,
  columns: number,
  rows: number,
): Reframed {
  const body = new BinaryWriter().tag(Kind.VIEW_TO_COLUMNS_STRING, 2).fork();
  body.tag(1, 2).fork()
    .tag(1, 0).uint32(Math.max(0, rows - 1))
    .tag(2, 0).uint32(columns)
    .tag(3, 0).uint32(rows)
    .tag(4, 0).uint32(columns + 1)
    .join();
  return new Reframed(msgId, view, body.join().finish());
}

/**
 * The number that the next row gets, as the content of the answer to
 * {@linkcode lastIndexRequest} tells: one more than the last row has.
 *
 * An engine counts every row that it is ever sent, so this isn't so after a
 * clear, and after rows for a port that isn't there or that named an
 * `__INDEX__` (see {@linkcode numberedRows}), until another row is appended.
 */
export function nextIndex(content: Uint8Array): number {
  const text = new TextDecoder().decode(bytesOf(content));
  const { [INDEX]: [last] = [] } = JSON.parse(text) as {
    [INDEX]?: (number | null)[];
  };
  return typeof last === "number" ? last + 1 : 0;
}

/** How the rows of a table with more than its limit are numbered in a copy. */
export interface Surplus {
  /** How many rows come before those within the limit. */
  readonly rows: number;
  /** What is added to the number of each row behind them. */
  readonly shift: number;
}

/**
 * What to do about the first `rows` rows, the last of them before number
 * `until`, of a table that has so many more than its `limit`, and gives its next
 * row the number `next`. On line 5 one that is made of CSV keeps them all, and
 * those beyond the limit for ever: what comes later only replaces the others.
 *
 * So they can't be what the copy is made with, which keeps no more than the
 * limit: they are written to it last. Then it removes as many rows as it is
 * given, from the number on that is `limit` before the next; these mustn't be
 * among them. Where they would be, it counts on from a higher number, which
 * nothing shows but `index()`.
 */
export function surplusOf(
  rows: number,
  until: number,
  limit: number,
  next: number,
): Surplus {
  return { rows, shift: Math.max(0, until + limit + rows - next) };
}

/** How far into a change the name of a column is looked for. */
const NAMES_WITHIN = 65_536;

/** A text above this many bytes isn't counted. */
const MOST_COUNTABLE = 1 << 20;

/**
 * How many rows the content of a `table_update` brings that say which number
 * they have, as an edited cell does. They are counted by the engine as any
 * others are, though the last number in the table doesn't show it. Rows of
 * Arrow aren't counted here.
 */
export function numberedRows(content: Uint8Array): number {
  const start = content.subarray(0, NAMES_WITHIN);
  if (!bufferOf(start).includes(INDEX)) return 0;
  let rows = 0;
  forEachField(bytesOf(content), (field, reader, wireType) => {
    const count = COUNTS[field];
    if (count === undefined || wireType !== 2) {
      return void reader.skip(wireType, field);
    }
    const bytes = reader.bytes();
    if (bytes.length > MOST_COUNTABLE) return;
    try {
      rows = count(new TextDecoder().decode(bytes)) || 0;
    } catch {
      // The engine will say what is wrong with it.
    }
  });
  return rows;
}

/** Counts rows of `MakeTableData`, by its fields. */
const COUNTS: Readonly<Record<number, (text: string) => number>> = {
  2: (csv) => csv.trim().split("\n").length - 1,
  4: (json) => (JSON.parse(json) as unknown[]).length,
  5: (json) =>
    Object.values(JSON.parse(json) as Record<string, unknown[]>)[0]?.length ??
      0,
  7: (ndjson) => ndjson.trim().split("\n").length,
};

/** Makes the table with the first range of rows, which may have none. */
export function makeCopyRequest(
  msgId: number,
  table: Uint8Array,
  { options }: TableMeta,
  arrow: Uint8Array,
): Reframed {
  const body = new BinaryWriter().tag(Kind.MAKE_TABLE, 2).fork();
  body.tag(1, 2).fork().tag(3, 2).bytes(arrow).join();
  if (options.length > 0) body.tag(2, 2).bytes(options);
  return new Reframed(msgId, table, body.join().finish());
}

/** Adds another range of rows. */
export function addCopyRequest(
  msgId: number,
  table: Uint8Array,
  arrow: Uint8Array,
): Reframed {
  const body = new BinaryWriter().tag(Kind.TABLE_UPDATE, 2).fork();
  body.tag(1, 2).fork().tag(3, 2).bytes(arrow).join();
  return new Reframed(msgId, table, body.join().finish());
}

/** Has `rows` rows counted that don't come. */
export function countRequest(
  msgId: number,
  table: Uint8Array,
  rows: number,
): Reframed {
  const body = new BinaryWriter().tag(Kind.TABLE_UPDATE, 2).fork();
  const json = `[${"{},".repeat(Math.max(0, rows - 1))}{}]`;
  body.tag(1, 2).fork().tag(4, 2).string(json).join();
  body.tag(2, 0).uint32(NO_PORT);
  return new Reframed(msgId, table, body.join().finish());
}

/** What there is to restore of a table. */
export interface TableCopy {
  /** Its name. */
  readonly table: Uint8Array;
  /** How it was made. */
  readonly meta: TableMeta;
  /** Its rows, in ranges: one at least. */
  readonly ranges: readonly Uint8Array[];
  /** How many rows these are. */
  readonly rows: number;
  /** What the next row's number is to be, for a table without index. */
  readonly next: number;
  /** How often `table_make_port` was answered. */
  readonly ports: number;
}

/** The changes that make `copy` on an engine that doesn't have it, each to be polled after. */
export function* restoreSteps(
  { table, meta, ranges, rows, next, ports }: TableCopy,
  msgId = 0,
): Generator<CopyStep, void> {
  for (const [i, arrow] of ranges.entries()) {
    yield i === 0
      ? {
        frame: makeCopyRequest(msgId, table, meta, arrow),
        kind: Kind.MAKE_TABLE,
      }
      : {
        frame: addCopyRequest(msgId, table, arrow),
        kind: Kind.TABLE_UPDATE,
      };
  }
  yield* countSteps(table, meta.isIndexed ? 0 : next - rows, msgId);
  yield* portSteps(table, ports, msgId);
}

/** Makes `ports` ports. */
export function* portSteps(
  table: Uint8Array,
  ports: number,
  msgId = 0,
): Generator<CopyStep, void> {
  for (let i = 0; i < ports; i++) {
    const kind = Kind.TABLE_MAKE_PORT;
    yield { frame: simpleRequest(msgId, table, kind), kind };
  }
}

/** Has rows counted that don't come, in requests that are short. */
export function* countSteps(
  table: Uint8Array,
  rows: number,
  msgId = 0,
): Generator<CopyStep, void> {
  for (let left = rows; left > 0; left -= MOST_COUNTED) {
    const frame = countRequest(msgId, table, Math.min(left, MOST_COUNTED));
    yield { frame, kind: Kind.TABLE_UPDATE };
  }
}

/** Field 1 of a message, bytes or a message. */
function bytesOf(content: Uint8Array): Uint8Array {
  let bytes = NO_BYTES;
  forEachField(content, (field, reader, wireType) => {
    if (field === 1 && wireType === 2) bytes = reader.bytes();
    else reader.skip(wireType, field);
  });
  return bytes;
}

function joined(one: Uint8Array, other: Uint8Array): Uint8Array {
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}
