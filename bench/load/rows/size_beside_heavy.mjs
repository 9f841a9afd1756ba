// @ts-check
/** How long the smallest request waits for other people's pivots. */
import { DEFAULTS, toPeers } from "../defaults.mjs";
import { heavySuperstore } from "../heavy.mjs";
import { script as askForSize } from "./table_size.mjs";

const HEAVY = 4;

/** @type {import("../types.ts").Row} */
export const row = {
  ...DEFAULTS,
  name: "size_beside_heavy",
  about: "1 connection asks for the size of the table, beside " +
    `${HEAVY} that make, read and delete heavy views, each view different`,
  connections: 1 + HEAVY,
  beside: "heavy cycles",
  byDefault: true,
  seconds: 5,
  warmup: 1,
  goals: [toPeers("p99", 0.5), toPeers("beside")],
  scripts: (run) => [
    askForSize(),
    ...Array.from(
      { length: HEAVY },
      (_, index) => heavySuperstore(run, index, false),
    ),
  ],
};
