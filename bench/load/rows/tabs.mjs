// @ts-check
/** A large table in one tab after the other, as the viewer first shows it. */
import { MILLION, TABLE } from "../data.mjs";
import { ON_A_MILLION } from "../defaults.mjs";
import { perspectiveViewer } from "../perspective_viewer.mjs";
import {
  checkSize,
  FIRST_ID,
  viewers,
  WINDOW_ROWS,
  withoutRows,
} from "../scene.mjs";
import { tableSize, updateColumns } from "../wire.mjs";

/** Numbers of tabs that are measured. */
const TABS = [1, 4, 16, 100];

/** How many rows an update has. */
const UPDATE_ROWS = 50;

/** How many updates are prepared. */
const UPDATES = 500;

/** How many rows they go to: each is changed again and again. */
const POOL = 10_000;

/** From one id to the next, so that an update is spread over the table. */
const STEP = 7_919;

/** Numbers that no row has from the start, so that every update shows. */
const NEW_QUANTITY = 10_000;

/** What a viewer makes of a table by itself: all columns, nothing else. */
const CONFIG = {
  columns: Object.keys(MILLION.columns),
  aggregates: {
    id: "sum",
    symbol: "count",
    venue: "count",
    quantity: "sum",
    price: "sum",
    time: "count",
  },
};

/** @type {import("../types.ts").SceneRow[]} */
export const rows = TABS.map((count) => ({
  ...ON_A_MILLION,
  name: `tabs_${count}`,
  about: `A million rows: ${count} <perspective-viewer> with all of it, ` +
    `opened one after the other; 1 connection updates ${UPDATE_ROWS} rows, ` +
    "then each viewer gets a push and repaints; that is a repaint of all",
  connections: count + 1,
  unit: "repaints",
  pushes: true,
  seconds: 10,
  warmup: 0.1,
  patience: 400,
  scene: (run) => ({
    viewers: viewers(
      count,
      run,
      (view) => perspectiveViewer(view, CONFIG, MILLION.rows, false),
    ),
    oneByOne: true,
    updates: Array.from({ length: UPDATES }, (_, nth) => update(nth)),
    close: [
      tableSize(
        FIRST_ID + UPDATES,
        TABLE,
        (body) => checkSize(body, MILLION.rows),
      ),
    ],
    leastRounds: 3,
    checkPush: withoutRows,
  }),
}));

/**
 * One of the rows that the viewers see, and others all over the table.
 *
 * @param {number} nth
 */
function update(nth) {
  const ids = Array.from({ length: UPDATE_ROWS }, (_, index) => {
    if (index === 0) return nth % WINDOW_ROWS;
    const slot = (nth * UPDATE_ROWS + index) % POOL;
    return WINDOW_ROWS + slot * STEP % (MILLION.rows - WINDOW_ROWS);
  });
  return updateColumns(FIRST_ID + nth, TABLE, {
    id: ids,
    quantity: ids.map(() => NEW_QUANTITY + nth),
    price: ids.map((id) => (id + nth) % 100_000 / 100 + 0.005),
  });
}
