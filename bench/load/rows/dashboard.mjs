// @ts-check
/** How many can look at one dashboard: as few frames as that takes. */
import { TABLE } from "../data.mjs";
import { IN_ROUNDS, onBothLines } from "../defaults.mjs";
import {
  checkWindow,
  FIRST_ID,
  ROUNDS,
  VIEWERS,
  viewers,
  WINDOW_ROWS,
  withRows,
} from "../scene.mjs";
import { close, DASHBOARD, UPDATE_ROWS, updates } from "../superstore.mjs";
import { columnsString, deleteView, makeView, onUpdateRows } from "../wire.mjs";

/** Of how many viewers something is wanted. */
const WANTED_OF = 100;

/** @type {import("../types.ts").SceneRow[]} */
export const rows = VIEWERS.map((count) => ({
  ...IN_ROUNDS,
  name: `dashboard_${count}`,
  about: `The same grouped view for ${count}, each told of what changes: ` +
    `1 connection updates ${UPDATE_ROWS} rows, then each viewer gets a push ` +
    `with rows and reads ${WINDOW_ROWS} rows; that is a round`,
  connections: count + 1,
  goals: count === WANTED_OF
    ? [{ measure: "rate", against: "node", wanted: onBothLines(10) }]
    : [],
  scene: (run) => ({
    viewers: viewers(count, run, viewer),
    oneByOne: false,
    updates: updates(run),
    close: close(),
    leastRounds: 1,
    checkPush: withRows,
  }),
}));

/**
 * @param {string} view
 * @returns {import("../types.ts").Part}
 */
function viewer(view) {
  const read = (/** @type {number} */ id) =>
    columnsString(
      id,
      view,
      0,
      WINDOW_ROWS,
      (body) => checkWindow(body, DASHBOARD.columns),
    );
  return {
    open: [
      [makeView(FIRST_ID, TABLE, view, DASHBOARD)],
      [onUpdateRows(FIRST_ID + 1, view), read(FIRST_ID + 2)],
    ],
    repaints: Array.from(
      { length: ROUNDS },
      (_, nth) => [[read(FIRST_ID + 4 + nth)]],
    ),
    close: [deleteView(FIRST_ID + 3, view)],
  };
}
