// @ts-check
/** What the contestants serve: one table, under the same name in every row. */

/** The table's name. */
export const TABLE = "data_source_one";

/** How many rows superstore has. */
export const TABLE_ROWS = 9994;

/** How many columns it has. */
export const TABLE_COLUMNS = 21;

/** The column that counts its rows, from 1. */
export const TABLE_INDEX = "Row ID";

/**
 * The large table's rows and columns, by name and the protocol's number of
 * their type. Its rows have the ids 0, 1, 2, ..., which are its index.
 */
export const MILLION = Object.freeze({
  rows: 1_000_000,
  index: "id",
  columns: Object.freeze({
    id: 3,
    symbol: 0,
    venue: 0,
    quantity: 3,
    price: 4,
    time: 2,
  }),
});

/** How many values each of its columns of strings has. */
export const SYMBOLS = 100;
export const VENUES = 10;
