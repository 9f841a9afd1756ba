// @ts-check
/**
 * What a grid sends while somebody scrolls. All begin at the first row, so a
 * server that knows that their views are the same may read a window once.
 */
import { DEFAULTS, toPeers } from "../defaults.mjs";
import { scrollSuperstore, WINDOW_ROWS } from "../scroll.mjs";

const CONNECTIONS = 8;

/** @type {import("../types.ts").Row} */
export const row = {
  ...DEFAULTS,
  name: "window",
  about: `${CONNECTIONS} connections, each with a view of its own of the ` +
    `same flat config, all read ${WINDOW_ROWS} rows after ${WINDOW_ROWS} ` +
    "rows as columns, from the first one on",
  connections: CONNECTIONS,
  echo: "answer",
  bare: true,
  byDefault: true,
  goals: [toPeers("rate", 1.5)],
  scripts: (run) =>
    Array.from(
      { length: CONNECTIONS },
      (_, index) => scrollSuperstore(`${run}_${index}`),
    ),
};
