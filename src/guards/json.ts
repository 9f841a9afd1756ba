/**
 * JSON that makes or changes tables.
 *
 * What the engine does with JSON that isn't what it expects, on both lines
 * where nothing else is said:
 *
 * - A row that isn't an object is read as one. A string or an array writes to
 *   or reads from wherever its bytes point (`memory access out of bounds`);
 *   `null`, a number or a boolean becomes an empty row.
 * - On line 3 a column that isn't an array is read as one (`null function`),
 *   and columns longer than the first one are written beyond their end
 *   (ENGINE 6.4).
 * - What doesn't end, is followed by something, or holds a number beyond a
 *   64-bit float, isn't executed at all, and answered with success (ENGINE 1.3).
 * - Objects and arrays that lie in each other use up the stack, in columns
 *   that the table doesn't have, too: a thousand pass, of 5,000 line 5 dies, of
 *   20,000 both (ENGINE 6.4, 9.18).
 * - Line 5 takes arrays and objects as values: it makes rows of the elements
 *   and columns of the fields (see `cells.ts`). Line 3 answers with an error.
 * - Numbers and dates of any size are right, cut off, or answered with an error.
 *
 * There is no schema in JSON: `from_schema` is a protobuf message.
 *
 * @module
 */

import type { ListFlatten } from "./cells.ts";
import { ColumnScanner } from "./column_scanner.ts";
import { JsonScanner } from "./json_scanner.ts";
import { type PayloadLimits, type Refusal, tooManyRows } from "./payload.ts";
import { RowScanner } from "./row_scanner.ts";
import { checkText } from "./text.ts";

const COMMA = 0x2c;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;

/**
 * Checks `from_rows` of a table that is made or changed: an array of objects.
 * `flatten` is what the table was made with; the default fears the worst.
 */
export function checkRows(
  bytes: Uint8Array,
  limits: PayloadLimits,
  flatten: ListFlatten = "cartesian",
): Refusal | undefined {
  const refusal = checkText(bytes);
  if (refusal !== undefined) return refusal;
  const rows = new RowScanner(bytes, limits, flatten);
  return checkList(rows.json, "an array of rows", () => rows.row());
}

/** Checks `from_rows` or `from_cols` of a `table_remove`: an array of keys. */
export function checkKeys(
  bytes: Uint8Array,
  limits: PayloadLimits,
): Refusal | undefined {
  const refusal = checkText(bytes);
  if (refusal !== undefined) return refusal;
  const json = new JsonScanner(bytes, limits.maxStringLength);
  let keys = 0;
  return checkList(json, "an array of keys", () => {
    if (++keys > limits.maxRows) return tooManyRows(limits);
    return json.value(0) ? undefined : `row ${keys}: ${json.problem}`;
  });
}

/**
 * Checks `from_cols`: an object of arrays of equal length. `flatten` is what
 * the table was made with; the default fears the worst.
 */
export function checkColumns(
  bytes: Uint8Array,
  limits: PayloadLimits,
  flatten: ListFlatten = "cartesian",
): Refusal | undefined {
  return checkText(bytes) ??
    new ColumnScanner(bytes, limits, flatten).columns();
}

/** Reads all of a text that is an array; `element` reads one element. */
function checkList(
  json: JsonScanner,
  what: string,
  element: () => Refusal | undefined,
): Refusal | undefined {
  if (!json.take(OPEN_LIST, what)) return json.problem;
  if (json.next() === CLOSE_LIST) json.at++;
  else {
    for (;;) {
      const refusal = element();
      if (refusal !== undefined) return refusal;
      const byte = json.next();
      if (byte !== COMMA && byte !== CLOSE_LIST) {
        json.expected('"," or "]"');
        return json.problem;
      }
      json.at++;
      if (byte === CLOSE_LIST) break;
    }
  }
  return json.end() ? undefined : json.problem;
}
