/**
 * Looking at the data of a request, in whatever form they come.
 *
 * @module
 */

import { forEachField } from "../protocol/fields.ts";
import { Kind, type Line } from "../protocol/kinds.ts";
import { checkArrow, type Lists } from "./arrow.ts";
import type { ListFlatten } from "./cells.ts";
import { checkCsv } from "./csv.ts";
import { checkColumns, checkKeys, checkRows } from "./json.ts";
import { checkNdjson } from "./ndjson.ts";
import type { PayloadLimits, Refusal } from "./payload.ts";

/** What data are looked at with. */
export interface DataRules {
  /** The line of the engine. */
  readonly line: Line;
  /** How large they may be. */
  readonly limits: PayloadLimits;
}

/** The forms that data come in: fields of `MakeTableData`. */
const Form = {
  SCHEMA: 1,
  CSV: 2,
  ARROW: 3,
  ROWS: 4,
  COLUMNS: 5,
  VIEW: 6,
  NDJSON: 7,
} as const;

const LISTS: Readonly<Record<ListFlatten, Lists>> = {
  zip: "zip",
  cartesian: "cartesian",
  stringify: "text",
};

/** `MakeTableOptions.list_flatten`, by its number. */
const FLATTEN: readonly ListFlatten[] = ["zip", "cartesian", "stringify"];

/**
 * Why an engine can't be given the data in `content`, that of a `make_table`,
 * `table_update`, `table_replace` or `table_remove`; `undefined` if it can.
 *
 * @throws {Error} If `content` can't be read.
 */
export function checkData(
  kind: number,
  content: Uint8Array,
  { line, limits }: DataRules,
): Refusal | undefined {
  const forms: Array<readonly [form: number, bytes: Uint8Array]> = [];
  // A table that is there may have been made with any; a new one says so.
  let flatten: ListFlatten = kind === Kind.MAKE_TABLE ? "zip" : "cartesian";
  forEachField(content, (field, reader, wireType) => {
    if (field === 1 && wireType === 2) {
      forEachField(reader.bytes(), (form, data, innerType) => {
        if (innerType === 2) forms.push([form, data.bytes()]);
        else data.skip(innerType, form);
      });
    } else if (field === 2 && wireType === 2 && kind === Kind.MAKE_TABLE) {
      forEachField(reader.bytes(), (option, options, innerType) => {
        if (option === 4 && innerType === 0) {
          flatten = FLATTEN[options.uint32()] ?? "cartesian";
        } else options.skip(innerType, option);
      });
    } else reader.skip(wireType, field);
  });
  // Which of several an engine takes is its own affair.
  if (forms.length > 1) return "the data come more than once";
  const [only] = forms;
  if (only === undefined) return undefined;
  const [form, bytes] = only;
  if (line === "3") flatten = "stringify";
  switch (form) {
    case Form.CSV:
      return checkCsv(bytes, limits);
    case Form.ARROW:
      return checkArrow(bytes, limits, LISTS[flatten]);
    case Form.ROWS:
      return kind === Kind.TABLE_REMOVE
        ? checkKeys(bytes, limits)
        : checkRows(bytes, limits, flatten);
    case Form.COLUMNS:
      return kind === Kind.TABLE_REMOVE
        ? checkKeys(bytes, limits)
        : checkColumns(bytes, limits, flatten);
    case Form.NDJSON:
      return checkNdjson(bytes, limits, flatten);
    default:
      return undefined; // a schema or a view, which others look at
  }
}
