// @ts-check
/** How fast a table takes updates while somebody wants to hear of them. */
import { TABLE } from "../data.mjs";
import { ON_A_MILLION, toPeers } from "../defaults.mjs";
import { IN_FLIGHT, UPDATE_ROWS, writer } from "../stream.mjs";
import { columnsString, deleteView, makeFlatView, onUpdate } from "../wire.mjs";

/** @type {import("../types.ts").Row} */
export const row = {
  ...ON_A_MILLION,
  name: "updates_viewer",
  about: "A million rows with an index: 1 connection updates " +
    `${UPDATE_ROWS} of them at once, with ${IN_FLIGHT} updates in flight, ` +
    "and 1 has a flat view and is told that it has changed",
  connections: 2,
  unit: "updates",
  pushes: true,
  bare: true,
  seconds: 10,
  warmup: 2,
  goals: [
    { measure: "rate", against: "node", wanted: { 3: 4, 5: 0.8 } },
    toPeers("rate"),
  ],
  scripts: (run) => [viewer(`${run}_viewer`), writer()],
};

/**
 * @param {string} view
 * @returns {import("../types.ts").Script}
 */
function viewer(view) {
  return {
    open: [makeFlatView(1, TABLE, view), onUpdate(2, view)],
    loop: [],
    first: 0,
    // A server that has only promised to update this view can't answer yet.
    close: [
      columnsString(3, view, 0, 1, () => undefined),
      deleteView(4, view),
    ],
    counted: false,
  };
}
