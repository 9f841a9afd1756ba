// @ts-check
/**
 * Somebody scrolls: a flat view of their own, 50 rows of all columns, then the
 * next 50. Nobody reads a window twice before all that are prepared have been,
 * so a server that remembers its answers has little use for that if only one
 * scrolls.
 */
import { MILLION, TABLE, TABLE_COLUMNS, TABLE_ROWS } from "./data.mjs";
import {
  columnsString,
  deleteView,
  makeFlatView,
  stringField,
} from "./wire.mjs";

/** How many rows are read at once. */
export const WINDOW_ROWS = 50;

/** From one window to the next; no divisor in common with their numbers. */
const STEP = 49;

/** How many windows are prepared at most. */
const MOST = 20_000;

/**
 * A table to scroll.
 *
 * @typedef {object} Scrolled
 * @property {number} rows
 * @property {number} columns
 * @property {string} id the column that counts the rows
 * @property {number} firstId what it counts from
 */

/** @type {Scrolled} */
const SUPERSTORE = {
  rows: TABLE_ROWS,
  columns: TABLE_COLUMNS,
  id: "Row ID",
  firstId: 1,
};

/** @type {Scrolled} */
const LARGE = {
  rows: MILLION.rows,
  columns: Object.keys(MILLION.columns).length,
  id: MILLION.index,
  firstId: 0,
};

/**
 * One who scrolls superstore.
 *
 * @param {string} view its name
 */
export function scrollSuperstore(view) {
  return script(SUPERSTORE, view);
}

/**
 * One who scrolls the table of a million rows.
 *
 * @param {string} view its name
 */
export function scrollMillion(view) {
  return script(LARGE, view);
}

/**
 * @param {Scrolled} table
 * @param {string} view
 * @returns {import("./types.ts").Script}
 */
function script(table, view) {
  const windows = table.rows - WINDOW_ROWS + 1;
  const length = Math.min(windows, MOST);
  const loop = Array.from(
    { length },
    (_, nth) => read(table, view, nth + 3, nth * STEP % windows),
  );
  return {
    open: [makeFlatView(1, TABLE, view)],
    loop,
    first: 0,
    close: [deleteView(2, view)],
    counted: true,
  };
}

/**
 * @param {Scrolled} table
 * @param {string} view
 * @param {number} msgId
 * @param {number} start
 */
function read(table, view, msgId, start) {
  return columnsString(
    msgId,
    view,
    start,
    start + WINDOW_ROWS,
    (body) => check(table, stringField(body, 1), start),
  );
}

/**
 * @param {Scrolled} table
 * @param {string} json
 * @param {number} start
 */
function check({ columns: wanted, id: name, firstId }, json, start) {
  /** @type {Record<string, unknown[]>} */
  const columns = JSON.parse(json);
  const lists = Object.values(columns);
  if (lists.length !== wanted) return `${lists.length} columns`;
  const odd = lists.find((list) => list.length !== WINDOW_ROWS);
  if (odd) return `a column of ${odd.length} rows`;
  const id = columns[name]?.[0];
  return id === start + firstId ? undefined : `row ${start} has the id ${id}`;
}
