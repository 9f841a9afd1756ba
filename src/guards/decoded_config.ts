/**
 * A `ViewConfig` in all its parts.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { forEachField } from "../protocol/fields.ts";

/** A filter; of its values, only how many there are and what they are made of. */
export interface DecodedFilter {
  readonly column: string;
  readonly op: string;
  readonly values: number;
}

/** `WindowSpec` of line 5, as far as it names columns. */
export interface DecodedWindow {
  readonly source: string;
  readonly partitionBy: readonly string[];
  readonly orderBy: string;
}

/** What a view is to be made of. */
export interface DecodedConfig {
  readonly groupBy: readonly string[];
  readonly splitBy: readonly string[];
  /** Without it, the default ones: those of the table and the expressions. */
  readonly columns: readonly string[] | undefined;
  readonly filters: readonly DecodedFilter[];
  /** The columns that are sorted by, and how. */
  readonly sorts: readonly { readonly column: string; readonly op: number }[];
  readonly expressions: ReadonlyMap<string, string>;
  /** The name of an aggregate and the columns that are its arguments. */
  readonly aggregates: ReadonlyMap<string, readonly string[]>;
  readonly windows: ReadonlyMap<string, DecodedWindow>;
}

/**
 * Takes a `ViewConfig` apart. Fields that the engine passes over are passed
 * over here, too.
 *
 * @throws If it can't be read.
 */
export function decodeConfig(config: Uint8Array): DecodedConfig {
  const groupBy: string[] = [];
  const splitBy: string[] = [];
  let columns: string[] | undefined;
  const filters: DecodedFilter[] = [];
  const sorts: { column: string; op: number }[] = [];
  const expressions = new Map<string, string>();
  const aggregates = new Map<string, string[]>();
  const windows = new Map<string, DecodedWindow>();
  forEachField(config, (field, reader, wireType) => {
    if (wireType !== 2) {
      reader.skip(wireType, field);
      return;
    }
    if (field === 1) groupBy.push(reader.string());
    else if (field === 2) splitBy.push(reader.string());
    else {
      const bytes = reader.bytes();
      if (field === 3) columns = columnsOf(bytes, columns);
      else if (field === 4) filters.push(filterOf(bytes));
      else if (field === 5) sorts.push(sortOf(bytes));
      else if (field === 6) {
        const { name, values } = entryOf(bytes);
        expressions.set(name, textOf(values));
      } else if (field === 7) {
        const { name, values } = entryOf(bytes);
        aggregates.set(name, stringsOf(merged(values), 1));
      } else if (field === 11) {
        const { name, values } = entryOf(bytes);
        windows.set(name, windowOf(merged(values)));
      }
    }
  });
  return {
    groupBy,
    splitBy,
    columns,
    filters,
    sorts,
    expressions,
    aggregates,
    windows,
  };
}

const NOTHING: Uint8Array = new Uint8Array(0);

/**
 * The name and the value of a map's entry. What is given twice is one after
 * the other: protobuf merges messages so.
 */
function entryOf(entry: Uint8Array): { name: string; values: Uint8Array[] } {
  let name = "";
  const values: Uint8Array[] = [];
  forEachField(entry, (field, reader, wireType) => {
    if (field === 1 && wireType === 2) name = reader.string();
    else if (field === 2 && wireType === 2) values.push(reader.bytes());
    else reader.skip(wireType, field);
  });
  return { name, values };
}

/** The last of several strings. */
function textOf(values: readonly Uint8Array[]): string {
  return new TextDecoder().decode(values.at(-1) ?? NOTHING);
}

/** Several messages as one. */
function merged(values: readonly Uint8Array[]): Uint8Array {
  return values.length === 1 ? values[0]! : Buffer.concat(values);
}

function columnsOf(
  update: Uint8Array,
  before: string[] | undefined,
): string[] | undefined {
  let columns = before;
  forEachField(update, (field, reader, wireType) => {
    if (field === 2 && wireType === 2) {
      columns = [...columns ?? [], ...stringsOf(reader.bytes(), 1)];
    } else {
      if (field === 1) columns = undefined;
      reader.skip(wireType, field);
    }
  });
  return columns;
}

function stringsOf(message: Uint8Array, wanted: number): string[] {
  const found: string[] = [];
  forEachField(message, (field, reader, wireType) => {
    if (field === wanted && wireType === 2) found.push(reader.string());
    else reader.skip(wireType, field);
  });
  return found;
}

function filterOf(filter: Uint8Array): DecodedFilter {
  let values = 0;
  forEachField(filter, (field, reader, wireType) => {
    if (field === 3 && wireType === 2) values++;
    reader.skip(wireType, field);
  });
  const column = stringsOf(filter, 1).at(-1) ?? "";
  return { column, op: stringsOf(filter, 2).at(-1) ?? "", values };
}

function sortOf(sort: Uint8Array): { column: string; op: number } {
  let op = 0;
  forEachField(sort, (field, reader, wireType) => {
    if (field === 2 && wireType === 0) op = reader.int32();
    else reader.skip(wireType, field);
  });
  return { column: stringsOf(sort, 1).at(-1) ?? "", op };
}

function windowOf(spec: Uint8Array): DecodedWindow {
  const orders: Uint8Array[] = [];
  forEachField(spec, (field, reader, wireType) => {
    if (field === 5 && wireType === 2) orders.push(reader.bytes());
    else reader.skip(wireType, field);
  });
  return {
    source: stringsOf(spec, 2).at(-1) ?? "",
    partitionBy: stringsOf(spec, 4),
    orderBy: stringsOf(merged(orders), 1).at(-1) ?? "",
  };
}

/** The map of `table_validate_expr`, whose entries are in field 1. */
export function decodeValidation(content: Uint8Array): Map<string, string> {
  const expressions = new Map<string, string>();
  const reader = new BinaryReader(content);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field !== 1 || wireType !== 2) {
      reader.skip(wireType, field);
      continue;
    }
    const { name, values } = entryOf(reader.bytes());
    expressions.set(name, textOf(values));
  }
  return expressions;
}
