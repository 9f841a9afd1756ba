// @ts-check
/** What a server can compute: pivots that nobody else looks at. */
import { DEFAULTS, toPeers } from "../defaults.mjs";
import { heavySuperstore } from "../heavy.mjs";

const CONNECTIONS = 8;

/** @type {import("../types.ts").Row} */
export const row = {
  ...DEFAULTS,
  name: "heavy",
  about: `${CONNECTIONS} connections make, read and delete one heavy view ` +
    "after the other, each view different; that is a cycle",
  connections: CONNECTIONS,
  unit: "cycles",
  bare: true,
  byDefault: true,
  seconds: 5,
  warmup: 1,
  goals: [toPeers("rate", 1.4)],
  scripts: (run) =>
    Array.from(
      { length: CONNECTIONS },
      (_, index) => heavySuperstore(run, index, true),
    ),
};
