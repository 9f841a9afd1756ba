/**
 * Where a client of one line would misunderstand an engine of the other.
 *
 * | | on an engine of line 3 | on an engine of line 5 |
 * |---|---|---|
 * | `view_get_min_max` answers | JSON text | a `Scalar` message |
 * | list columns of Arrow become | expanded rows | text, as `list_flatten` says |
 *
 * Everything else is the same in both lines, or is a kind that the other line
 * doesn't have.
 *
 * @module
 */

import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import { Reframed, utf8 } from "./frame.ts";
import type { Header } from "./header.ts";

/** The values of `ColumnType` that `view_get_min_max` has to know. */
const DATE = 1;
const DATETIME = 2;

/** The types of a view's columns, by name: values of `ColumnType`. */
export type ColumnTypes = ReadonlyMap<string, number>;

/** Reads the content of an answer to `view_schema`. */
export function readViewSchema(content: Uint8Array): ColumnTypes {
  const types = new Map<string, number>();
  const reader = new BinaryReader(content);
  while (reader.pos < reader.len) {
    reader.tag();
    const entry = new BinaryReader(reader.bytes());
    let name = "";
    let type = 0;
    while (entry.pos < entry.len) {
      const [field, wireType] = entry.tag();
      if (field === 1) name = entry.string();
      else if (field === 2) type = entry.int32();
      else entry.skip(wireType);
    }
    types.set(name, type);
  }
  return types;
}

/** The column that `view_get_min_max` asks about. */
export function minMaxColumn(content: Uint8Array): string {
  return new TextDecoder().decode(fields(content).get(1));
}

/** The answer of one line to `view_get_min_max` as the other line writes it. */
export function translateMinMax(
  content: Uint8Array,
  to: "3" | "5",
  type: number | undefined,
): { min: Uint8Array; max: Uint8Array } {
  const both = fields(content);
  const translate = to === "3" ? scalarToJson : jsonToScalar;
  return {
    min: translate(both.get(1) ?? EMPTY, type),
    max: translate(both.get(2) ?? EMPTY, type),
  };
}

/**
 * `make_table` from a client of line 3 for an engine of line 5: list columns
 * become text, as they do in `@finos/perspective` 3.8.0.
 *
 * A message field that stands twice is merged, so it is enough to append
 * `options { list_flatten: STRINGIFY }`.
 */
export function withStringifiedLists(
  msgId: number,
  table: Uint8Array,
  frame: Uint8Array,
  header: Header,
): Reframed {
  const body = new BinaryWriter().tag(header.kind, 2).fork()
    .raw(frame.subarray(header.contentStart, header.bodyEnd))
    .tag(2, 2).fork().tag(4, 0).int32(2).join()
    .join();
  return new Reframed(msgId, table, body.finish());
}

const EMPTY = new Uint8Array(0);

function fields(content: Uint8Array): Map<number, Uint8Array> {
  const found = new Map<number, Uint8Array>();
  const reader = new BinaryReader(content);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (wireType === 2) found.set(field, reader.bytes());
    else reader.skip(wireType);
  }
  return found;
}

function scalarToJson(bytes: Uint8Array, type: number | undefined): Uint8Array {
  return utf8(JSON.stringify(present(readScalar(bytes), type)));
}

function readScalar(bytes: Uint8Array): boolean | number | string | null {
  let value: boolean | number | string | null = null;
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1) value = reader.bool();
    else if (field === 4) value = reader.double();
    else if (field === 6) value = reader.string();
    else reader.skip(wireType);
  }
  return value;
}

/** What line 3 shows of a value: dates and times are text. */
function present(
  value: boolean | number | string | null,
  type: number | undefined,
): boolean | number | string | null {
  if (typeof value !== "number") return value;
  if (type === DATE) {
    const { year, month, day } = unpackDate(value);
    const two = (part: number) => String(part).padStart(2, "0");
    return `${String(year).padStart(4, "0")}-${two(month)}-${two(day)}`;
  }
  if (type === DATETIME) {
    const time = new Date(value);
    if (Number.isNaN(time.getTime())) return null;
    return time.toISOString().replace("T", " ").replace("Z", "");
  }
  return value;
}

function jsonToScalar(bytes: Uint8Array, type: number | undefined): Uint8Array {
  const json = new TextDecoder().decode(bytes);
  const value: unknown = json === "" ? null : JSON.parse(json);
  const scalar = new BinaryWriter();
  if (typeof value === "boolean") scalar.tag(1, 0).bool(value);
  else if (typeof value === "number") scalar.tag(4, 1).double(value);
  else if (typeof value !== "string") scalar.tag(7, 0).int32(0);
  else if (type === DATE) scalar.tag(4, 1).double(packDate(value));
  else if (type === DATETIME) {
    scalar.tag(4, 1).double(Date.parse(value.replace(" ", "T") + "Z"));
  } else scalar.tag(6, 2).string(value);
  return scalar.finish();
}

// Line 5 writes a date as the engine keeps it: year, month from 0 and day in
// 16, 8 and 8 bits. Measured on 5.5.1: 2024-01-01 is 132644865, 0x07e80001.

function unpackDate(packed: number): {
  year: number;
  month: number;
  day: number;
} {
  return {
    year: packed >>> 16,
    month: ((packed >>> 8) & 0xff) + 1,
    day: packed & 0xff,
  };
}

function packDate(text: string): number {
  const [year = 0, month = 1, day = 0] = text.split("-").map(Number);
  return year * 65536 + (month - 1) * 256 + day;
}
