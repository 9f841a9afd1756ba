/**
 * The functions of Perspective's expressions.
 *
 * @module
 */

import type { Line } from "../protocol/kinds.ts";

/** ExprTK's own functions, and Perspective's of both lines. */
const COMMON =
  "abs acos acosh asin asinh atan atanh atan2 avg bucket boolean " +
  "ceil clamp col concat cos cosh cot cross_product3 csc date datetime " +
  "day_of_week deg2grad deg2rad diff3 dot_product3 equal erf erfc exp expm1 " +
  "float floor frac grad2deg hour_of_day hypot iclamp index indexof inrange " +
  "integer is_not_null is_null length log log10 log1p log2 logn lower mand " +
  "match match_all max min mod month_of_year mor mul ncdf norm3 not now " +
  "order percent_of pow rad2deg random replace replace_all root round roundn " +
  "search sec sgn shl shr sin sinc sinh sqrt string substring sum swap tan " +
  "tanh today trunc upper vlookup";

/** What each line's engine knows; found by trying all of them on both. */
export const FUNCTIONS: Readonly<Record<Line, ReadonlySet<string>>> = {
  "3": new Set(COMMON.split(" ")),
  "5": new Set(`${COMMON} coalesce contains`.split(" ")),
};

/** Words that may stand before a parenthesis and aren't functions. */
export const KEYWORDS: ReadonlySet<string> = new Set(
  ("if else switch case default var and or not in like ilike nand nor xor " +
    "xnor return break continue const true false null none")
    .split(" "),
);

/**
 * Loops. On line 3 one that doesn't end hangs the engine, on line 5 only the
 * validation of an expression counts iterations (ENGINE 6.4, 9.17).
 */
export const LOOPS: ReadonlySet<string> = new Set([
  "while",
  "for",
  "repeat",
  "until",
]);

/**
 * How many elements a function takes for granted that a vector has. Line 3
 * writes behind a shorter one.
 */
export const VECTOR_FUNCTIONS: ReadonlyMap<string, number> = new Map([
  ["cross_product3", 3],
  ["dot_product3", 3],
  ["diff3", 3],
  ["norm3", 3],
  ["indexof", 2],
]);
