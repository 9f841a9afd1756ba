/**
 * Expressions that an engine doesn't survive, or not soon. For tests only.
 *
 * @module
 */

import type { Random } from "../random.ts";

/** Ways to nest an expression in itself so many times. */
const NESTS: readonly ((n: number) => string)[] = [
  (n) => `${"(".repeat(n)}1${")".repeat(n)}`,
  (n) => `${"(1 + ".repeat(n)}1${")".repeat(n)}`,
  (n) => `${"[".repeat(n)}1${"]".repeat(n)}`,
  (n) => `${"{".repeat(n)}1${"}".repeat(n)}`,
  (n) => `${"~{".repeat(n)}1${"}".repeat(n)}`,
  (n) => `${"abs(".repeat(n)}"k"${")".repeat(n)}`,
  (n) => `${"max(1, ".repeat(n)}1${")".repeat(n)}`,
  (n) => `${"min(".repeat(n)}1${", 2)".repeat(n)}`,
  (n) => `${"upper(".repeat(n)}'a'${")".repeat(n)}`,
  (n) => `${"concat('a', ".repeat(n)}'b'${")".repeat(n)}`,
  (n) => `${"integer(".repeat(n)}1${")".repeat(n)}`,
  (n) => `${"bucket(".repeat(n)}"k"${", 2)".repeat(n)}`,
  (n) => `${"1 > 0 ? 1 : ".repeat(n)}1`,
  (n) => `${"1 > 0 ? (".repeat(n)}1${") : 1".repeat(n)}`,
  (n) => `${"if (1 > 0) { ".repeat(n)}1${" } else { 1 }".repeat(n)}`,
  (n) => `${"if (1 > 0, ".repeat(n)}1${", 1)".repeat(n)}`,
  (n) => `${"if (1 > 0) 1; else ".repeat(4 * n)}1`,
  (n) =>
    `${"switch { case 1 > 0 : ".repeat(n)}1${"; default : 1; }".repeat(n)}`,
  (n) => `${"-(".repeat(n)}1${")".repeat(n)}`,
  (n) => `${"not(".repeat(n)}true${")".repeat(n)}`,
  (n) => `${"2 ^ ".repeat(4 * n)}1`,
  (n) => `var x := 1; ${"x := ".repeat(4 * n)}1`,
  (n) => `${"1 + (2 * [3 - {".repeat(n)}1${"}])".repeat(n)}`,
];

/** One that is nested so deep that the engine's stack isn't enough. */
export function nested(random: Random): string {
  // Both lines break long before; and a text has its limit, too.
  return random.pick(NESTS)(random.between(80, random.pick([120, 400, 3000])));
}

const LOOPS: readonly ((random: Random) => string)[] = [
  () => "while (true) { 1 }",
  () => "var i := 0; while (i < 1e12) { i += 1 }; i",
  () => "for (var i := 0; i < 1e12; i += 1) { i }",
  () => "for (var i := 0; true; i) { }",
  () => "var i := 0; repeat i += 1 until (i > 1e12); i",
  () => "repeat until (false)",
  () => "var s := 'x'; while (length(s) < 1e12) { s := concat(s, s) }; s",
  () => "var s := 'x'; for (var i := 0; i < 60; i += 1) { s += s }; s",
  () => "if (1 > 0) { while (1) { 1 } } else { 2 }",
  () => "while(while(1){1}){1}",
];

/** One with a loop, in whichever way it is written. */
export function loop(random: Random): string {
  const text = random.pick(LOOPS)(random);
  switch (random.below(5)) {
    case 0:
      return text.replace(/while|for|repeat/, (it) => it.toUpperCase());
    case 1:
      return text.replace(/while|for|repeat/, (it) => `${it} /* \n */ `);
    case 2:
      return `// while\n${text}`;
    case 3:
      return `'while'; ${text}`;
    default:
      return text;
  }
}

/** One that builds a string of millions of letters without a loop. */
export function doubling(random: Random): string {
  const n = random.between(22, 60);
  const start = random.pick([`'abcd'`, `"s"`, `upper('abcd')`]);
  switch (random.below(3)) {
    case 0:
      return `var s := ${start}; ${"s := concat(s, s); ".repeat(n)}s`;
    case 1: {
      const steps = Array.from(
        { length: n },
        (_, i) => `var s${i + 1} := concat(s${i}, s${i}, s${i}); `,
      );
      return `var s0 := ${start}; ${steps.join("")}s${n}`;
    }
    default:
      return `var s := 'aaaaaaaa'; ${
        "s := replace_all(s, 'a', 'aaaaaaaa'); ".repeat(n)
      }s`;
  }
}

/** One with vectors that are too large, or read and written anywhere. */
export function vectors(random: Random): string {
  const size = random.pick([1025, 100_000, 100_000_000, 4_294_967_297]);
  const at = random.pick(["-1", "1e9", `"k"`, "i", "v[0]", "1 + 1", "0.5"]);
  return random.pick([
    `var v[${size}]; v[0]`,
    `var v[${size}] := [1]; sum(v)`,
    Array.from(
      { length: 20 },
      (_, i) => `var v${i}[${random.between(100, 900)}]`,
    )
      .join("; ") + "; v0[0]",
    `var i := 1e9; var v[4]; v[${at}]`,
    `var i := 1e9; var v[4]; v[${at}] := 1; v[0]`,
    `var i := 3; var v[2] := [1, 2]; v[i * 1e6] := 7`,
    `var v[${at === "0.5" ? "2.5" : at}]; v[0]`,
    `var a[1]; var b[1]; var c[1]; cross_product3(a, b, c); c[0]`,
    `var v[2]; norm3(v)`,
    `var v[1]; indexof("s", '(a)(b)', v); v[0]`,
  ]);
}
