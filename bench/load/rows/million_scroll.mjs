// @ts-check
/** The same on a million rows, where a pivot takes seconds. */
import { ON_A_MILLION, onBothLines, toPeers } from "../defaults.mjs";
import { heavyMillion } from "../heavy.mjs";
import { scrollMillion, WINDOW_ROWS } from "../scroll.mjs";

const HEAVY = 2;

/** @type {import("../types.ts").Row} */
export const row = {
  ...ON_A_MILLION,
  name: "million_scroll",
  about: "A million rows: " +
    `1 connection reads ${WINDOW_ROWS} rows after ${WINDOW_ROWS} rows ` +
    `of a flat view of its own, beside ${HEAVY} that make, read and delete ` +
    "heavy views, each view different",
  connections: 1 + HEAVY,
  beside: "heavy cycles",
  seconds: 40,
  warmup: 5,
  goals: [
    toPeers("p99", 0.1),
    { measure: "beside", against: "node", wanted: onBothLines(0.7) },
  ],
  scripts: (run) => [
    scrollMillion(`${run}_scroll`),
    ...Array.from({ length: HEAVY }, (_, index) => heavyMillion(run, index)),
  ],
};
