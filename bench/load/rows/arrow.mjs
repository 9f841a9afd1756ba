// @ts-check
/** What an export sends: large answers. */
import { TABLE } from "../data.mjs";
import { DEFAULTS, toPeers } from "../defaults.mjs";
import { bytesField, deleteView, makeFlatView, viewToArrow } from "../wire.mjs";

const CONNECTIONS = 8;
const FRAMES = 16;

/** The whole table takes more than that, in bytes. */
const LEAST = 1_000_000;

/** @type {import("../types.ts").Row} */
export const row = {
  ...DEFAULTS,
  name: "arrow",
  about: `${CONNECTIONS} connections, each with a flat view of its own, ` +
    "read the whole table as Arrow",
  connections: CONNECTIONS,
  echo: "answer",
  bare: true,
  seconds: 5,
  warmup: 1,
  goals: [toPeers("rate", 1.8)],
  scripts: (run) =>
    Array.from(
      { length: CONNECTIONS },
      (_, index) => script(`${run}_${index}`),
    ),
};

/**
 * @param {string} view
 * @returns {import("../types.ts").Script}
 */
function script(view) {
  return {
    open: [makeFlatView(1, TABLE, view)],
    loop: Array.from(
      { length: FRAMES },
      (_, nth) => viewToArrow(nth + 3, view, check),
    ),
    first: 0,
    strict: true,
    close: [deleteView(2, view)],
    counted: true,
  };
}

/** @param {Uint8Array} body */
function check(body) {
  const { length } = bytesField(body, 1);
  return length > LEAST ? undefined : `${length} bytes of Arrow`;
}
