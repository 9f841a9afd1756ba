/**
 * The types of columns.
 *
 * @module
 */

import { forEachField } from "./fields.ts";

/** A column's type, by the name that clients have for it. */
export type ColumnType = typeof TYPES[number];

/** By the number of `ColumnType` in the protocol. */
const TYPES = [
  "string",
  "date",
  "datetime",
  "integer",
  "float",
  "boolean",
] as const;

/** The columns in the content of an answer to `table_schema`. */
export function columnTypes(content: Uint8Array): Map<string, ColumnType> {
  const types = new Map<string, ColumnType>();
  forEachField(content, (field, reader, wireType) => {
    if (field !== 1 || wireType !== 2) return void reader.skip(wireType, field);
    addEntries(types, reader.bytes());
  });
  return types;
}

/** The columns of a `Schema`. */
export function schemaColumns(schema: Uint8Array): Map<string, ColumnType> {
  const types = new Map<string, ColumnType>();
  addEntries(types, schema);
  return types;
}

/** The columns that `table_validate_expr` found, in the content of its answer. */
export function expressionTypes(content: Uint8Array): Map<string, ColumnType> {
  const types = new Map<string, ColumnType>();
  addEntries(types, content);
  return types;
}

/** Adds the names and types of field 1, which comes once for each. */
function addEntries(
  types: Map<string, ColumnType>,
  message: Uint8Array,
): void {
  forEachField(message, (field, reader, wireType) => {
    if (field !== 1 || wireType !== 2) return void reader.skip(wireType, field);
    let name = "";
    let type = 0;
    forEachField(reader.bytes(), (inner, entry, innerType) => {
      if (inner === 1 && innerType === 2) name = entry.string();
      else if (inner === 2 && innerType === 0) type = entry.int32();
      else entry.skip(innerType, inner);
    });
    types.set(name, TYPES[type] ?? "string");
  });
}
