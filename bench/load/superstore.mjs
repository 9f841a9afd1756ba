// @ts-check
/** A dashboard of superstore, and somebody who changes what it shows. */
import { TABLE, TABLE_INDEX, TABLE_ROWS } from "./data.mjs";
import { checkSize, FIRST_ID } from "./scene.mjs";
import { tableSize, updateColumns } from "./wire.mjs";

/** How many rows an update has. */
export const UPDATE_ROWS = 50;

/** How many updates are prepared. */
const UPDATES = 400;

/**
 * How many parts of the table they go to, one after the other. It doesn't
 * divide the number of updates: what an update finds is never what it writes.
 */
const PARTS = Math.floor(TABLE_ROWS / UPDATE_ROWS);

/** From one row of an update to the next: they are all over the table. */
const STEP = PARTS;

/** @type {import("./types.ts").NamedColumns} 4 regions, 49 states, 54 rows. */
export const DASHBOARD = {
  groupBy: ["Region", "State"],
  columns: ["Sales", "Quantity", "Profit"],
  aggregates: { Sales: "sum", Quantity: "sum", Profit: "avg" },
};

/**
 * Existing rows, by their index: the table stays as long as it is.
 *
 * @param {string} run gives them values that no other run has written
 */
export function updates(run) {
  const from = numberOf(run) * UPDATES;
  return Array.from({ length: UPDATES }, (_, nth) => update(nth, from + nth));
}

/** What the writer asks at the end. */
export function close() {
  return [
    tableSize(
      FIRST_ID + UPDATES,
      TABLE,
      (body) => checkSize(body, TABLE_ROWS),
    ),
  ];
}

/**
 * @param {number} nth
 * @param {number} value
 */
function update(nth, value) {
  const ids = Array.from(
    { length: UPDATE_ROWS },
    (_, index) => 1 + nth % PARTS + index * STEP,
  );
  return updateColumns(FIRST_ID + nth, TABLE, {
    [TABLE_INDEX]: ids,
    Sales: ids.map((id) => value + 0.25 + id % 10),
    Quantity: ids.map((id) => 1 + (value + id) % 14),
    Profit: ids.map((id) => value / 2 + 0.125 - id % 10),
  });
}

/**
 * A number below 1,000 that differs between runs.
 *
 * @param {string} run
 */
function numberOf(run) {
  let number = 0;
  for (const char of run) number = (number * 31 + char.charCodeAt(0)) % 1_000;
  return number;
}
