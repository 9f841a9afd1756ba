// @ts-check
/** The data that every contestant serves: superstore, under this name. */

/** The table's name. */
export const TABLE = "data_source_one";

/** How many rows it has. */
export const TABLE_ROWS = 9994;

/** How many columns it has. */
export const TABLE_COLUMNS = 21;
