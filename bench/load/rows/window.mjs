// @ts-check
/**
 * What a grid sends while somebody scrolls: 50 rows, then the next ones.
 *
 * No window is read twice before all 9,945 have been read, and each connection
 * begins elsewhere, so a server that remembers its answers has little use for
 * that here.
 */
import { TABLE, TABLE_COLUMNS, TABLE_ROWS } from "../data.mjs";
import {
  columnsString,
  deleteView,
  makeFlatView,
  stringField,
} from "../wire.mjs";

const CONNECTIONS = 8;
const ROWS = 50;
const WINDOWS = TABLE_ROWS - ROWS + 1;

/** From one window to the next; has no divisor in common with `WINDOWS`. */
const STEP = 49;

/** @type {import("../types.ts").Row} */
export const row = {
  name: "window",
  about: `${CONNECTIONS} connections, each with a flat view of its own, ` +
    `read ${ROWS} rows after ${ROWS} rows as columns`,
  connections: CONNECTIONS,
  echo: "answer",
  scripts: (run) =>
    Array.from({ length: CONNECTIONS }, (_, index) => script(run, index)),
};

/**
 * @param {string} run
 * @param {number} index of the connection
 * @returns {import("../types.ts").Script}
 */
function script(run, index) {
  const view = `${run}_${index}`;
  return {
    open: [makeFlatView(1, TABLE, view)],
    loop: Array.from({ length: WINDOWS }, (_, nth) => windowRead(view, nth)),
    first: Math.floor(index * WINDOWS / CONNECTIONS),
    close: [deleteView(2, view)],
    counted: true,
  };
}

/**
 * @param {string} view
 * @param {number} nth
 */
function windowRead(view, nth) {
  const start = nth * STEP % WINDOWS;
  return columnsString(
    nth + 3,
    view,
    start,
    start + ROWS,
    (body) => check(stringField(body, 1), start),
  );
}

/**
 * @param {string} json
 * @param {number} start
 */
function check(json, start) {
  /** @type {Record<string, unknown[]>} */
  const columns = JSON.parse(json);
  const lists = Object.values(columns);
  if (lists.length !== TABLE_COLUMNS) return `${lists.length} columns`;
  const odd = lists.find((list) => list.length !== ROWS);
  if (odd) return `a column of ${odd.length} rows`;
  const id = columns["Row ID"]?.[0];
  return id === start + 1 ? undefined : `row ${start} has the id ${id}`;
}
