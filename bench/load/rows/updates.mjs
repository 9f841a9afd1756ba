// @ts-check
/** How fast a table takes updates. */
import { ON_A_MILLION, onBothLines, toPeers } from "../defaults.mjs";
import { IN_FLIGHT, UPDATE_ROWS, writer } from "../stream.mjs";

/** @type {import("../types.ts").Row} */
export const row = {
  ...ON_A_MILLION,
  name: "updates",
  about: "A million rows with an index: 1 connection updates " +
    `${UPDATE_ROWS} of them at once, with ${IN_FLIGHT} updates in flight`,
  connections: 1,
  unit: "updates",
  bare: true,
  seconds: 5,
  warmup: 1,
  goals: [
    { measure: "rate", against: "bare", wanted: onBothLines(0.9) },
    toPeers("rate"),
  ],
  scripts: () => [writer()],
};
