// @ts-check
/** Somebody writes as fast as the server takes it: existing rows, 50 at once. */
import { MILLION, TABLE } from "./data.mjs";
import { tableSize, uint32Field, updateColumns } from "./wire.mjs";

/** How many rows an update has. */
export const UPDATE_ROWS = 50;

/** How many updates are under way at a time. */
export const IN_FLIGHT = 32;

/** How many updates are prepared. */
const UPDATES = 1_000;

/** How many rows they go to: each is changed again and again. */
const POOL = 10_000;

/** From one id to the next, so that an update is spread over the table. */
const STEP = 7_919;

/** @returns {import("./types.ts").Script} */
export function writer() {
  return {
    open: [],
    loop: Array.from({ length: UPDATES }, (_, nth) => update(nth)),
    first: 0,
    inFlight: IN_FLIGHT,
    strict: true,
    close: [tableSize(UPDATES + 1, TABLE, checkSize)],
    counted: true,
  };
}

/** @param {number} nth */
function update(nth) {
  const ids = Array.from(
    { length: UPDATE_ROWS },
    (_, index) => (nth * UPDATE_ROWS + index) % POOL * STEP % MILLION.rows,
  );
  return updateColumns(nth + 1, TABLE, {
    id: ids,
    quantity: ids.map((id) => (id + nth) % 10_000),
    price: ids.map((id) => (id + nth) % 100_000 / 100),
  });
}

/** @param {Uint8Array} body */
function checkSize(body) {
  const size = uint32Field(body, 2);
  return size === MILLION.rows ? undefined : `the table has ${size} rows`;
}
