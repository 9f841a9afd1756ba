// @ts-check
/** The pivot that everybody looks at. */
import { DEFAULTS, toPeers } from "../defaults.mjs";
import { sameSuperstore } from "../heavy.mjs";

const CONNECTIONS = 8;

/** @type {import("../types.ts").Row} */
export const row = {
  ...DEFAULTS,
  name: "heavy_same",
  about: `${CONNECTIONS} connections make, read and delete the same heavy ` +
    "view again and again; that is a cycle",
  connections: CONNECTIONS,
  unit: "cycles",
  bare: true,
  seconds: 5,
  warmup: 1,
  goals: [toPeers("rate", 10)],
  scripts: (run) =>
    Array.from(
      { length: CONNECTIONS },
      (_, index) => sameSuperstore(run, index),
    ),
};
