// @ts-check
/** The smallest request there is, so all that counts is the way there. */
import { TABLE, TABLE_ROWS } from "../data.mjs";
import { DEFAULTS, toPeers } from "../defaults.mjs";
import { tableSize, uint32Field } from "../wire.mjs";

const CONNECTIONS = 8;
const FRAMES = 256;

/** @type {import("../types.ts").Row} */
export const row = {
  ...DEFAULTS,
  name: "table_size",
  about: `${CONNECTIONS} connections ask for the size of the table`,
  connections: CONNECTIONS,
  echo: "request",
  bare: true,
  byDefault: true,
  goals: [toPeers("rate")],
  scripts: () => Array.from({ length: CONNECTIONS }, script),
};

/** @returns {import("../types.ts").Script} */
export function script() {
  const loop = Array.from(
    { length: FRAMES },
    (_, index) => tableSize(index + 1, TABLE, check),
  );
  return { open: [], loop, first: 0, close: [], counted: true };
}

/** @param {Uint8Array} body */
function check(body) {
  const size = uint32Field(body, 2);
  return size === TABLE_ROWS ? undefined : `the table has ${size} rows`;
}
