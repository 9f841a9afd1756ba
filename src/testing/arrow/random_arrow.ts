/**
 * Random tables as the JavaScript library of Arrow writes them. For tests only.
 *
 * @module
 */

import {
  Bool,
  type DataType,
  DateDay,
  DateMillisecond,
  Decimal,
  Dictionary,
  Field,
  Float32,
  Float64,
  Int16,
  Int32,
  Int64,
  Int8,
  LargeUtf8,
  List,
  Null,
  Struct,
  Table,
  tableToIPC,
  TimestampMicrosecond,
  TimestampMillisecond,
  TimestampNanosecond,
  TimestampSecond,
  Uint16,
  Uint32,
  Uint64,
  Uint8,
  Utf8,
  type Vector,
  vectorFromArray,
} from "apache-arrow";
import type { Random } from "../random.ts";

/** A type and values of it. */
interface Kind {
  readonly type: DataType;
  value(random: Random): unknown;
}

const WORDS = [
  "",
  "a",
  "bc",
  "Zoë",
  "日本",
  "x,y",
  '"q"',
  "👍",
  "a".repeat(300),
];

const int = (type: DataType, bits: number, isSigned: boolean): Kind => ({
  type,
  value: (random) =>
    isSigned
      ? random.between(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) | 0
      : random.uint32() >>> (32 - bits),
});
const big = (type: DataType): Kind => ({
  type,
  value: (random) => BigInt(random.uint32()),
});
const float = (type: DataType): Kind => ({
  type,
  value: (random) => random.pick([0, -1.5, 1e10, NaN, 0.1]),
});
const text = (type: DataType): Kind => ({
  type,
  value: (random) => random.pick(WORDS),
});
const date = (type: DataType): Kind => ({
  type,
  value: (random) => random.below(40_000) * 86_400_000,
});
const time = (type: DataType): Kind => ({
  type,
  value: (random) => random.uint32() * 1000,
});

/** Kinds without parts. */
function plainKinds(): Kind[] {
  return [
    int(new Int8(), 8, true),
    int(new Int16(), 16, true),
    int(new Int32(), 31, true),
    big(new Int64()),
    int(new Uint8(), 8, false),
    int(new Uint16(), 16, false),
    int(new Uint32(), 32, false),
    big(new Uint64()),
    float(new Float32()),
    float(new Float64()),
    { type: new Bool(), value: (random) => random.chance(0.5) },
    text(new Utf8()),
    text(new LargeUtf8()),
    date(new DateDay()),
    date(new DateMillisecond()),
    time(new TimestampSecond()),
    time(new TimestampMillisecond("Europe/Zürich")),
    time(new TimestampMicrosecond()),
    time(new TimestampNanosecond()),
    {
      type: new Decimal(2, 10, 128),
      value: (random) => Uint32Array.of(random.uint32(), 0, 0, 0),
    },
    { type: new Null(), value: () => null },
  ];
}

/** The same and lists, structs and dictionaries of them. */
function randomKind(random: Random): Kind {
  const plain = random.pick(plainKinds());
  switch (random.below(6)) {
    case 0: {
      const index = random.pick([
        new Int8(),
        new Uint8(),
        new Int16(),
        new Int32(),
        new Uint32(),
      ]);
      return text(new Dictionary(new Utf8(), index));
    }
    case 1: {
      const item = random.pick([
        text(new Utf8()),
        float(new Float64()),
        int(new Int32(), 31, true),
      ]);
      return {
        type: new List(new Field("item", item.type, true)),
        value: (random) =>
          Array.from({ length: random.below(4) }, () => item.value(random)),
      };
    }
    case 2: {
      if (plain.type instanceof Null) return plain;
      return {
        type: new Struct([new Field("x", plain.type, true)]),
        value: (random) => ({ x: plain.value(random) }),
      };
    }
    default:
      return plain;
  }
}

/** A payload that any engine may be given. */
export interface RandomArrow {
  readonly bytes: Uint8Array;
  /** For messages. */
  readonly about: string;
  /** Whether 3.8.0 has no such columns, and says so. */
  readonly isNewer: boolean;
}

/** A few columns, with nulls, in some batches, of which one may be a slice. */
export function randomArrow(random: Random): RandomArrow {
  const kinds = Array.from(
    { length: random.between(1, 5) },
    () => randomKind(random),
  );
  const nulls = random.pick([0, 0.2, 1]);
  let table = tableOf(random, kinds, nulls);
  for (let more = random.below(3); more > 0; more--) {
    table = table.concat(tableOf(random, kinds, nulls));
  }
  // Files can't replace a dictionary, and the library doesn't merge them.
  const needsStream = table.batches.length > 1 &&
    kinds.some(({ type }) => type instanceof Dictionary);
  const format = needsStream || random.chance(0.5) ? "stream" : "file";
  return {
    bytes: tableToIPC(table, format),
    about: `${format} of ${kinds.map(({ type }) => type).join(", ")}`,
    isNewer: kinds.some(({ type }) => type instanceof Struct),
  };
}

function tableOf(random: Random, kinds: readonly Kind[], nulls: number): Table {
  // The library leaves a dictionary out where there are no rows, and then C++
  // misses it at the start of a stream.
  const hasDictionary = kinds.some(({ type }) => type instanceof Dictionary);
  const length = random.pick([hasDictionary ? 2 : 0, 1, 7, 8, 9, 30]);
  const columns: Record<string, Vector> = {};
  kinds.forEach(({ type, value }, i) => {
    const values = Array.from(
      { length },
      () => random.chance(nulls) ? null : value(random),
    );
    columns[`c${i}`] = vectorFromArray(values, type);
  });
  const table = new Table(columns);
  return random.chance(0.3) ? table.slice(random.below(length + 1)) : table;
}
