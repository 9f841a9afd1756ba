/**
 * The strings of a request, wherever they stand in it.
 *
 * @module
 */

import { forEachField } from "../protocol/fields.ts";
import { Kind } from "../protocol/kinds.ts";
import type { Refusal } from "./payload.ts";
import { checkText } from "./text.ts";

/**
 * Where strings are in a message, by the numbers of its fields: a field is one
 * itself, by its name, or a message that has some.
 */
interface Strings {
  readonly [field: number]: string | Strings;
}

/** A map of names to something that has strings. */
const map = (name: string, value: string | Strings): Strings => ({
  1: name,
  2: value,
});

const VIEW_CONFIG: Strings = {
  1: "group_by",
  2: "split_by",
  3: { 2: { 1: "columns" } },
  4: { 1: "column", 2: "op", 3: { 6: "value" } },
  5: { 1: "sort" },
  6: map("expression", "expression"),
  7: map("aggregate", { 1: "aggregate" }),
  11: map("window", {
    2: "source",
    3: "op",
    4: "partition_by",
    5: { 1: "order_by" },
  }),
};

/** Text of data, and names in it, are looked at with the data. */
const DATA: Strings = {
  1: { 1: { 1: { 1: "column" } }, 6: "from_view" },
};

/** What has strings besides its `entity_id`. */
const OF_KIND: ReadonlyMap<number, Strings> = new Map<number, Strings>([
  [Kind.TABLE_MAKE_VIEW, { 1: "view_id", 2: VIEW_CONFIG }],
  [Kind.TABLE_VALIDATE_EXPR, { 1: map("expression", "expression") }],
  [Kind.VIEW_GET_MIN_MAX, { 1: "column_name" }],
  [Kind.VIEW_TO_ARROW, { 2: "compression" }],
  [Kind.MAKE_TABLE, { ...DATA, 2: { 1: "index" } }],
  [Kind.TABLE_UPDATE, DATA],
  [Kind.TABLE_REPLACE, DATA],
  [Kind.TABLE_REMOVE, DATA],
  [Kind.MAKE_JOIN_TABLE, {
    1: "left_table_id",
    2: "right_table_id",
    3: "on_column",
    5: "right_on_column",
  }],
]);

/**
 * Why an engine can't be given the strings in a request, its `entity_id` and
 * what `content` has; those in data of tables are looked at with the data.
 *
 * An engine keeps names of all kinds, and answers others with them.
 *
 * @throws {Error} If `content` can't be read.
 */
export function checkStrings(
  kind: number,
  entity: Uint8Array,
  content: Uint8Array,
): Refusal | undefined {
  const found = why("entity_id", entity);
  if (found !== undefined) return found;
  const strings = OF_KIND.get(kind);
  return strings && stringsOf(content, strings);
}

function stringsOf(
  message: Uint8Array,
  strings: Strings,
): Refusal | undefined {
  let refusal: Refusal | undefined;
  forEachField(message, (field, reader, wireType) => {
    const what = strings[field];
    if (what === undefined || wireType !== 2) {
      reader.skip(wireType, field);
      return;
    }
    const bytes = reader.bytes();
    refusal ??= typeof what === "string"
      ? why(what, bytes)
      : stringsOf(bytes, what);
  });
  return refusal;
}

function why(name: string, bytes: Uint8Array): Refusal | undefined {
  const refusal = checkText(bytes);
  return refusal && `${name}: ${refusal}`;
}
