import { assert, assertEquals } from "@std/assert";
import { checkExpression, DEFAULT_EXPRESSION_LIMITS } from "./expression.ts";

const COLUMNS = new Map([
  ["s", "string"],
  ["t", "string"],
  ["x", "float"],
  ["d", "date"],
  ["b", "boolean"],
]);

function check(text: string): string | undefined {
  return checkExpression(text, DEFAULT_EXPRESSION_LIMITS["5"], COLUMNS);
}

/** What people write: always text, or never. */
const CLEAR = [
  `if ("s" == 'Texas') 1; else 0`,
  `if ("s" == 'Texas') 'south'; else 'north'`,
  `if ("x" > 1) { 'much' } else { 'little' }`,
  `if ("x" > 1) 'a'; else if ("x" > 0) 'b'; else 'c'`,
  `if ("x" > 1, 'a', "s")`,
  `if ("x" > 1) { 2 } else { 3 }`,
  `if ("x" > 1) 2.5`,
  `"x" > 1 ? 'a' : 'b'`,
  `"x" > 1 ? "s" : upper("t")`,
  `"s" == 'a' and "x" > 1 ? 1 : 0`,
  `switch { case "x" > 2 : 'a'; case "x" > 1 : 'b'; default : 'c'; }`,
  `var y := "x" * 2; if (y > 1) 'a'; else 'b'`,
  `var y := upper("s"); y := lower("t"); concat(y, 'z')`,
  `var v[2] := {1, 2}; if ("s" == 'a') v[0]; else v[1]`,
  `var v[3] := {'abc', 123, today()}; v[0]`,
  `var v[2] := {'a', 1}; if ("x" > 1) v[1]; else 2`,
  `concat("s", if ("x" > 1) ', '; else '')`,
  `length(if ("x" > 1) "s"; else "t")`,
  `coalesce("s", 'none')`,
  `min("x", 2, length("s"))`,
  `bucket("d", 'M')`,
  `if ("b") bucket("d", 'Y'); else "d"`,
  `day_of_week("d") == '1 Sunday' ? 0 : 1`,
  `if (not ("s" == 'a')) -1; else +1`,
  `if (match("s", '[a-z]')) substring("s", 0, 2); else 'x'`,
  `col('s')`,
];

/** Text at one time and something else at another, or nobody knows. */
const UNCLEAR = [
  `if ("x" > 1) 'a'; else 2.5`,
  `if ("x" > 1) 2.5; else 'a'`,
  `if ("x" > 1, 'a', 2.5)`,
  `if ("x" > 1) 'a'`,
  `if ("x" > 1) 'a'; else if ("x" > 0) 1; else 'b'`,
  `"x" > 1 ? 'a' : 2.5`,
  `"x" > 1 ? "s" : "x"`,
  `"x" > 1 ? "s" : "d"`,
  `"x" > 1 ? 'a' : 'b' + 'c'`,
  `if ("x" > 1) { 1; 'a' } else { 'a'; 1 }`,
  `switch { case "x" > 1 : 'a'; default : 1; }`,
  `switch { case "x" > 1 : 1; default : 'a'; }`,
  `[*] { case "x" > 1 : 'a'; case "x" > 2 : 1; }`,
  `var y := 1; y := 'a'; y`,
  `var y := 'a'; if ("x" > 1) { y := 1; }; y`,
  `var y := 'a'; var z := 1; y <=> z; y`,
  `var y := 'a'; var z := 1; swap(y, z); y`,
  `var y; y := 'a'; y`,
  `var y := 'a'; y += 1; y`,
  `var v[2] := {'a', 1}; if ("x" > 1) v[0]; else v[1]`,
  `var v[2] := {'a', 1}; v[0] := 5; v[0]`,
  `coalesce("s", 1)`,
  `min("s", 1)`,
  `if ("x" > 1) (if ("b") 'a'; else 1); else 'b'`,
  `concat("s", if ("x" > 1) 'a'; else 1)`,
  `if ("x" > 1) "unknown"; else 'a'`,
  `if ("x" > 1) vlookup('s', 1); else 'a'`,
  `if ("x" > 1) index(); else 'a'`,
  `col(concat('s', ''))`,
  `vlookup(if ("x" > 1) 's'; else 'x', 1)`,
  `~{ 'a'; 1 }`,
  `if ("x" > 1) return ['a']; else 1`,
  `if ("x" > 1) 'a' 'b'; else 'c'`,
  `if ("x" > 1) 2 'a'; else 'c'`,
];

Deno.test("checkExpression() lets through what is always text, or never", () => {
  for (const text of CLEAR) assertEquals(check(text), undefined, text);
});

Deno.test("checkExpression() refuses what may be text or not, on line 5", () => {
  for (const text of UNCLEAR) assert(check(text) !== undefined, text);
  const mixed = UNCLEAR[0]!;
  assertEquals(
    check(mixed),
    "Cannot use expression: at 24 it can't be told whether this is text: " +
      "where an expression chooses between values, all must be text, or none",
  );
  const { "3": limits } = DEFAULT_EXPRESSION_LIMITS;
  assertEquals(checkExpression(mixed, limits, COLUMNS), undefined);
});
