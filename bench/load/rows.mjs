// @ts-check
/** All rows. A new one is a file in `rows/` and a line here. */
import { row as tableSize } from "./rows/table_size.mjs";
import { row as window } from "./rows/window.mjs";

/** @type {readonly import("./types.ts").Row[]} */
export const rows = [tableSize, window];

/**
 * Finds a row.
 *
 * @param {string} name
 */
export function rowNamed(name) {
  const row = rows.find((row) => row.name === name);
  if (!row) throw new TypeError(`Cannot find a row called "${name}"`);
  return row;
}
