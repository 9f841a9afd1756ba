// @ts-check
/** What the rows have in common in which viewers and a writer take turns. */
import { bytesField, stringField, uint32Field } from "./wire.mjs";

/** @typedef {import("./types.ts").Part} Part */
/** @typedef {import("./types.ts").Scene} Scene */

/** How many rows a viewer sees at once. */
export const WINDOW_ROWS = 50;

/** Numbers of viewers that are measured. */
export const VIEWERS = Object.freeze([1, 20, 100, 400]);

/**
 * For how many rounds a viewer has frames, before it takes the first ones
 * again: answers of two rounds must not be taken for one another.
 */
export const ROUNDS = 4;

/** The first `msg_id`, as long as those that Perspective's clients draw. */
export const FIRST_ID = 0x9000_0000;

/** How many characters a client's name for a view has. */
const VIEW_ID_CHARS = 21;

/**
 * The name of a viewer's view, as long as those that a client draws.
 *
 * @param {string} run
 * @param {number} index of the viewer
 */
export function viewId(run, index) {
  return `${run}_${index}_`.padEnd(VIEW_ID_CHARS, "x");
}

/**
 * Several viewers of a view that means the same for all of them.
 *
 * @param {number} count
 * @param {string} run
 * @param {(view: string) => Part} part
 */
export function viewers(count, run, part) {
  return Array.from({ length: count }, (_, index) => part(viewId(run, index)));
}

/**
 * Says what is wrong with what a viewer sees.
 *
 * @param {Uint8Array} body of the answer
 * @param {readonly string[]} columns that must be there
 */
export function checkWindow(body, columns) {
  /** @type {Record<string, unknown[]>} */
  const seen = JSON.parse(stringField(body, 1));
  const missing = columns.find((name) => !seen[name]);
  if (missing) return `there is no column "${missing}"`;
  const odd = Object.values(seen).find(({ length }) => length !== WINDOW_ROWS);
  return odd && `a column of ${odd.length} rows`;
}

/**
 * A push that says that something has changed, and not what.
 *
 * @param {Uint8Array} body
 */
export function withoutRows(body) {
  const { length } = bytesField(body, 1);
  return length === 0 ? undefined : `${length} bytes that nobody asked for`;
}

/**
 * A push with the rows that have changed.
 *
 * @param {Uint8Array} body
 */
export function withRows(body) {
  return bytesField(body, 1).length > 0 ? undefined : "no rows";
}

/**
 * @param {Uint8Array} body of `table_size`
 * @param {number} rows how many there must be
 */
export function checkSize(body, rows) {
  const size = uint32Field(body, 2);
  return size === rows ? undefined : `the table has ${size} rows`;
}
