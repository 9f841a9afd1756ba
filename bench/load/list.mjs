// @ts-check
/** Tells the runner which rows there are, as one line of JSON. */
import { rows } from "./rows.mjs";

// Functions are left out of JSON; what remains is a row's `RowInfo`.
console.log(JSON.stringify({ rows }));
