// @ts-check
/**
 * Somebody looks at one pivot after the other: a grouped, split and sorted
 * view is made, read as a whole and deleted. The three count as one cycle.
 */
import { TABLE } from "./data.mjs";
import {
  allColumnsString,
  deleteView,
  makeView,
  stringField,
} from "./wire.mjs";

/** @typedef {import("./types.ts").Script} Script */
/** @typedef {import("./types.ts").ViewConfig} ViewConfig */

/** How many requests a cycle has. */
const CYCLE = 3;

/** How many cycles are prepared for a connection. */
const CYCLES = 400;

/** At most so many connections have filters of their own. */
const CONNECTIONS = 64;

/**
 * A view that takes long, and what must be in it.
 *
 * @typedef {object} Pivot
 * @property {ViewConfig} config
 * @property {string} filtered column of the filter, has no negative values
 * @property {number} rows
 * @property {number} columns the path of the row is one
 */

/** @type {Pivot} 649 groups of two levels, 17 times 2 columns: 0.1 s. */
const SUPERSTORE = {
  config: {
    groupBy: ["State", "City"],
    splitBy: ["Sub-Category"],
    columns: ["Sales", "Profit"],
    sort: "Sales",
  },
  filtered: "Sales",
  rows: 654,
  columns: 35,
};

/** @type {Pivot} 100 groups, 10 times 2 columns: 2 s. */
const MILLION = {
  config: {
    groupBy: ["symbol"],
    splitBy: ["venue"],
    columns: ["quantity", "price"],
    sort: "price",
  },
  filtered: "price",
  rows: 101,
  columns: 21,
};

/**
 * One whose views are all different, on superstore.
 *
 * @param {string} run
 * @param {number} index of the connection
 * @param {boolean} counted
 */
export function heavySuperstore(run, index, counted) {
  return script(
    SUPERSTORE,
    `${run}_${index}`,
    (nth) => ownFilter(index, nth),
    counted,
  );
}

/**
 * One who looks at the same view as the others each time, on superstore.
 *
 * @param {string} run
 * @param {number} index of the connection
 */
export function sameSuperstore(run, index) {
  return script(SUPERSTORE, `${run}_${index}`, () => 0, true);
}

/**
 * One whose views are all different, on a million rows.
 *
 * @param {string} run
 * @param {number} index of the connection
 */
export function heavyMillion(run, index) {
  return script(
    MILLION,
    `${run}_${index}`,
    (nth) => ownFilter(index, nth),
    false,
  );
}

/**
 * A value that no other view filters by. Since it is negative all rows pass,
 * so each view takes as long as the other.
 *
 * @param {number} index of the connection
 * @param {number} nth view
 */
function ownFilter(index, nth) {
  return -1 - index - CONNECTIONS * nth;
}

/**
 * @param {Pivot} pivot
 * @param {string} name of the views
 * @param {(nth: number) => number} filter
 * @param {boolean} counted
 * @returns {Script}
 */
function script(pivot, name, filter, counted) {
  const { config, filtered } = pivot;
  const loop = Array.from({ length: CYCLES }, (_, nth) => {
    const view = `${name}_${nth}`;
    const msgId = nth * CYCLE + 1;
    const atLeast = { column: filtered, value: filter(nth) };
    return [
      makeView(msgId, TABLE, view, { ...config, atLeast }),
      allColumnsString(
        msgId + 1,
        view,
        (body) => check(pivot, stringField(body, 1)),
      ),
      deleteView(msgId + 2, view),
    ];
  }).flat();
  return {
    open: [],
    loop,
    first: 0,
    cycle: CYCLE,
    strict: true,
    close: [],
    counted,
  };
}

/**
 * @param {Pivot} pivot
 * @param {string} json
 */
function check(pivot, json) {
  const lists = Object.values(JSON.parse(json));
  const [rows, columns] = [lists[0]?.length, lists.length];
  return rows === pivot.rows && columns === pivot.columns
    ? undefined
    : `${rows} rows and ${columns} columns`;
}
