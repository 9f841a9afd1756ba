/**
 * NDJSON that makes or changes tables: an object on each line.
 *
 * Line 3 makes room for as many rows as there are line breaks, and one more;
 * objects that aren't separated by line breaks are written beyond it (ENGINE
 * 6.4). So the last line needn't end with a line break, and may; `\r\n`, blank
 * lines and an object on several lines are fine on both lines of engines. A lone
 * `\r` separates nothing.
 *
 * Of other things the engine makes what it makes of them in `from_rows`, see
 * `json.ts`: a line that is a string traps. It reads up to the first line that
 * isn't JSON, drops the rest and answers success.
 *
 * @module
 */

import type { ListFlatten } from "./cells.ts";
import type { PayloadLimits, Refusal } from "./payload.ts";
import { RowScanner } from "./row_scanner.ts";
import { checkText } from "./text.ts";

const LINE_FEED = 0x0a;

/**
 * Checks `from_ndjson`. `flatten` is what the table was made with; the default
 * fears the worst.
 */
export function checkNdjson(
  bytes: Uint8Array,
  limits: PayloadLimits,
  flatten: ListFlatten = "cartesian",
): Refusal | undefined {
  const refusal = checkText(bytes);
  if (refusal !== undefined) return refusal;
  const rows = new RowScanner(bytes, limits, flatten);
  const { json } = rows;
  while (json.next() !== -1) {
    const refusal = rows.row();
    if (refusal !== undefined) return `${lineOf(bytes, json.at)}, ${refusal}`;
    if (!endsLine(bytes, json.at)) {
      return `${lineOf(bytes, json.at)}: after an object comes a line break, ` +
        `at byte ${json.at}`;
    }
  }
  return undefined;
}

/** Whether nothing but blanks stands between `at` and the end of the line. */
function endsLine(bytes: Uint8Array, at: number): boolean {
  for (; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === LINE_FEED) return true;
    if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0d) return false;
  }
  return true;
}

function lineOf(bytes: Uint8Array, at: number): string {
  let line = 1;
  let end = bytes.indexOf(LINE_FEED);
  while (end >= 0 && end < at) {
    line++;
    end = bytes.indexOf(LINE_FEED, end + 1);
  }
  return `line ${line}`;
}
