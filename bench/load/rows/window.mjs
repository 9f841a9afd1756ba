// @ts-check
/** What a grid sends while somebody scrolls. */
import { DEFAULTS, toPeers } from "../defaults.mjs";
import { scrollSuperstore, WINDOW_ROWS } from "../scroll.mjs";

const CONNECTIONS = 8;

/** @type {import("../types.ts").Row} */
export const row = {
  ...DEFAULTS,
  name: "window",
  about: `${CONNECTIONS} connections, each with a flat view of its own, ` +
    `read ${WINDOW_ROWS} rows after ${WINDOW_ROWS} rows as columns`,
  connections: CONNECTIONS,
  echo: "answer",
  bare: true,
  byDefault: true,
  goals: [toPeers("rate")],
  scripts: (run) =>
    Array.from(
      { length: CONNECTIONS },
      (_, index) => scrollSuperstore(`${run}_${index}`, index / CONNECTIONS),
    ),
};
