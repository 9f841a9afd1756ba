// @ts-check
/** How long somebody who scrolls waits for other people's pivots. */
import { DEFAULTS, toPeers } from "../defaults.mjs";
import { heavySuperstore } from "../heavy.mjs";
import { scrollSuperstore, WINDOW_ROWS } from "../scroll.mjs";

const HEAVY = 4;

/** @type {import("../types.ts").Row} */
export const row = {
  ...DEFAULTS,
  name: "scroll_beside_heavy",
  about: `1 connection reads ${WINDOW_ROWS} rows after ${WINDOW_ROWS} rows ` +
    `of a flat view of its own, beside ${HEAVY} that make, read and delete ` +
    "heavy views, each view different",
  connections: 1 + HEAVY,
  beside: "heavy cycles",
  byDefault: true,
  seconds: 5,
  warmup: 1,
  goals: [toPeers("p99", 0.1), toPeers("beside")],
  scripts: (run) => [
    scrollSuperstore(`${run}_scroll`),
    ...Array.from(
      { length: HEAVY },
      (_, index) => heavySuperstore(run, index, false),
    ),
  ],
};
