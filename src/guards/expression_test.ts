import { assertEquals, assertMatch } from "@std/assert";
import type { Line } from "../protocol/kinds.ts";
import { ORDINARY_EXPRESSIONS } from "../testing/guards/ordinary.ts";
import { forAll, type Random } from "../testing/random.ts";
import {
  checkExpression,
  DEFAULT_EXPRESSION_LIMITS,
  measureExpression,
} from "./expression.ts";

const LINES = ["3", "5"] as const;

function check(text: string, line: Line = "5"): string | undefined {
  return checkExpression(text, DEFAULT_EXPRESSION_LIMITS[line]);
}

function assertRefused(text: string, why: RegExp, line: Line = "5"): void {
  assertMatch(check(text, line) ?? `not refused: ${text}`, why);
}

Deno.test("checkExpression() lets through what people write", () => {
  for (const line of LINES) {
    for (const text of ORDINARY_EXPRESSIONS) {
      assertEquals(check(text, line), undefined, text);
    }
  }
});

Deno.test("checkExpression() lets through what people combine", async () => {
  await forAll(500, (random) => {
    const parts = random.some(
      ORDINARY_EXPRESSIONS.filter((it) => !/[;#{]|\/\/|var|''/.test(it)),
      random.between(2, 6),
    );
    const operator = random.pick([" + ", " and ", ", ", " == "]);
    const all = `sum(${parts.join(operator)})`;
    assertEquals(check(all), undefined, all);
  });
});

Deno.test("checkExpression() lets mistakes through to the engine", () => {
  for (
    const text of [
      ...["", " ", "1 +", "(1", "1)", "}", "]]", "if (", "if (1 > 0) 5"],
      ...["'open", '"open', "concat('', \"a\"", "5 5", "nope", "/* open", "é"],
      ...["else", ": :", "case", "1 ? 2", ",", ";;", "var", "var x :=", "\\"],
    ]
  ) assertEquals(check(text), undefined, text);
});

// -- Nesting --------------------------------------------------------------------

/** What nests: the text before, after, and how many of them break line 5. */
const NESTING: readonly (readonly [string, string, number])[] = [
  ["(", ")", 26],
  ["{", "}", 26],
  ["[", "]", 26],
  ["1+(", ")", 16],
  ["(1+", ")", 16],
  ["(1+(", "))", 10],
  ["abs(", ")", 26],
  ["ABS (", ")", 26],
  ["max(1,", ")", 20],
  ["concat('a',", ")", 20],
  ["sum(1,", ")", 26],
  ["if(1>0,", ",2)", 26],
  ["if (1 > 0) {", "} else {2}", 20],
  ["if (1 > 0) ", "; else 2", 20],
  ["(1>0 ? ", " : 2)", 16],
  ['"x">0 ? ', " : 2", 32],
  ["1>0 ? 2 : ", "", 32],
  ["switch { case 1 > 0 : ", "; default: 0; }", 26],
  ["~{", "}", 20],
  ["[*] { case 1: ", "; }", 26],
  ["2^", "", 40],
  ["'a' in ", "", 32],
  ["not(", ")", 20],
  ["$f00(1,1,", ")", 26],
  ["x := (", ")", 16],
  ["x := ", "", 40],
  ["- ", "", 40],
];

Deno.test("checkExpression() refuses what overflows the engine's stack", async () => {
  await forAll(1000, (random) => {
    const [before, after, breaking] = random.pick(NESTING);
    const levels = breaking + random.below(breaking);
    const text = spaced(random, before.repeat(levels)) + "1" +
      after.repeat(levels);
    assertRefused(`${random.pick(["", "var x := 1; ", "1; "])}${text}`, /nest/);
  });
});

Deno.test("checkExpression() adds up what nests in different ways", async () => {
  await forAll(1000, (random) => {
    let text = "1";
    for (let level = 0; level < 40; level++) {
      const [before, after] = random.pick(NESTING.slice(0, 15));
      text = before + text + after;
    }
    assertRefused(text, /nest/, random.pick(LINES));
  });
});

Deno.test("checkExpression() counts long chains, and few levels of many", () => {
  const chain = (length: number) => "x+".repeat(length) + "x";
  for (const line of LINES) {
    assertEquals(check(chain(500), line), undefined);
    assertRefused(chain(2000), /nest/, line);
    assertEquals(check("abs(1)+".repeat(300) + "1", line), undefined);
    const elses = ' else if ("x" == 2) {2}'.repeat(20);
    assertEquals(check(`if ("x" == 1) {1}${elses} else {3}`, line), undefined);
    const cases = " case 1: 2;".repeat(300);
    assertEquals(check(`switch {${cases} default: 0; }`, line), undefined);
  }
});

Deno.test("checkExpression() isn't deceived by quotes and comments", () => {
  const deep = "(".repeat(40) + "1" + ")".repeat(40);
  for (
    const text of [
      `'a' + ${deep}`,
      `"a" + ${deep}`,
      `'a\\'b' == 'c' ? ${deep} : 1`,
      `/* ' */ ${deep}`,
      `# x\n${deep}`,
      `// "\n${deep}`,
      `/* // */ ${deep}`,
      `"x#" + ${deep}`,
      `'//' == 'a' ? 1 : ${deep}`,
      `"'" + ${deep} + "'"`,
      `"/*" + ${deep} + "*/"`,
    ]
  ) assertMatch(check(text) ?? text, /nest|two ways/, text);
  // The engine's own reading and ExprTK's differ.
  for (
    const text of [
      `'a\\\\' + ${deep} + 'b'`,
      `'' + ${deep} + ''`,
      `// it's\n${deep} == 'a'\n`,
      `/* ' */ ${deep} + ' '`,
      `match("x", 'a\\') + ${deep} + 'b')`,
    ]
  ) assertMatch(check(text) ?? text, /nest|two ways/, text);
});

Deno.test("checkExpression() says where and what to do", () => {
  assertEquals(
    check("1 + " + "(".repeat(30) + "1" + ")".repeat(30)),
    "Cannot use expression: it must nest at most 20 levels deep, received " +
      'more at 24; split it into several expressions or into "var" statements',
  );
  assertEquals(
    check('"a" + foo(1)'),
    'Cannot use expression: "foo" at 7 is no function that the engine has',
  );
});

Deno.test("checkExpression() refuses buckets of no numbers, which trap line 5", () => {
  const columns = new Map([
    ...[["s", "string"], ["x", "float"], ["t", "datetime"]] as const,
    ...[["d", "date"], ["b", "boolean"]] as const,
  ]);
  const of = (text: string) =>
    checkExpression(text, DEFAULT_EXPRESSION_LIMITS["5"], columns);
  for (
    const text of [
      ...['bucket("s", 5)', 'bucket(upper("s"), 5)', "bucket('a', 5)"],
      ...[
        'bucket("d", 5)',
        'bucket("b", 5)',
        'bucket("t", -1)',
        "bucket(today(), -1)",
      ],
      ...['var v := "s"; bucket(v, 5)', 'BUCKET (("s"), 5)', "bucket(null, 5)"],
      ...["bucket(1 > 0, 5)", 'bucket("no", 1)', 'bucket(abs("x"), "x")'],
      ...["bucket(\"d\", true ? 5 : 'M')", '1 + bucket(true, "x")'],
      ...["bucket(bucket(\"d\", 5), 'M')", 'bucket("d")', 'bucket("d"'],
    ]
  ) assertMatch(of(text) ?? `not refused: ${text}`, /must be of a column/);
  for (
    const text of [
      ...['bucket("x", 5)', "bucket(\"t\", 'M')", "bucket(\"d\", 'M')"],
      ...['bucket("x" + 1, 5)', 'bucket(("x" - 1) / 2, "x")', "bucket"],
      ...["bucket(date(2020, 1, 1), 'Y')", "bucket("],
    ]
  ) assertEquals(of(text), undefined, text);
  assertEquals(check("bucket(today(), 5)", "3"), undefined);
});

// -- Other harm -------------------------------------------------------------------

Deno.test("checkExpression() refuses loops", async () => {
  await forAll(200, (random) => {
    const text = random.pick([
      "while (true) { 1; }",
      "for (var i := 0; i < 10; i -= 1) { i; }",
      "repeat 1; until (false)",
      "var i := 0; while (i < 1e12) { i += 1; }; i",
    ]);
    const before = random.pick(["", '"x" + ', "// a\n", "/* a */", "1; ", "("]);
    const written = random.chance(0.5) ? text : text.toUpperCase();
    assertRefused(before + spaced(random, written), /loop/);
    const allowed = { ...DEFAULT_EXPRESSION_LIMITS[5], allowLoops: true };
    assertEquals(checkExpression(before + text, allowed), undefined);
  });
});

Deno.test("checkExpression() knows that words in strings and columns aren't loops", () => {
  for (
    const text of ["'while (1)'", '"for" + 1', "// while\n1", "/* for */ 1"]
  ) assertEquals(check(text), undefined);
});

Deno.test("checkExpression() refuses indices that the engine doesn't check", async () => {
  await forAll(200, (random) => {
    const index = random.pick(
      ['"x"', "i", "1 + 1", "-1", "1.5", "1e9", "v[0]", "(1)", "abs(1)", "0:1"],
    );
    const write = random.chance(0.5) ? " := 5" : "";
    assertRefused(
      spaced(random, `var v[3]; v[${index}]${write}; v[0]`),
      /whole number/,
      random.pick(LINES),
    );
  });
});

Deno.test("checkExpression() refuses large vectors, and too short ones", async () => {
  await forAll(200, (random) => {
    const size = 1025 + random.below(1e9);
    assertRefused(`var v[${size}]; v[0]`, /elements/);
    const many = Array.from({ length: 9 }, (_, i) => `var v${i}[128];`).join(
      "",
    );
    assertRefused(`${many} 1`, /elements/);
    const name = random.pick(
      ["cross_product3", "norm3", "diff3", "dot_product3"],
    );
    const short = random.between(1, 2);
    assertRefused(`var v[${short}]; ${name}(v, v, v)`, /at least 3/);
  });
  assertRefused("var v[1]; indexof('a', '(a)', v)", /at least 2/);
});

Deno.test("checkExpression() refuses strings that grow", async () => {
  await forAll(200, (random) => {
    const step = random.pick([
      "s := concat(s, s);",
      "s := concat(s, s, s, s);",
      "s := replace_all(s, 'a', 'bbbbbbbb');",
      "t := concat(s, 'x', s); s := t;",
      "s := true ? concat(s, s) : s;",
      "if (true) { s := concat(s, s); };",
      "v[0] := concat(s, s); s := v[0];",
      "t := concat(s, s); swap(s, t);",
      "t := concat(s, s); s <=> t;",
    ]);
    const text = "var s := 'ab'; var t := s; var v[1]; " +
      step.repeat(random.between(20, 60)) + " s";
    assertRefused(text, /strings of at most/, random.pick(LINES));
  });
  const nested = "concat(".repeat(3) + "'a'" + ",'b','c')".repeat(3);
  assertEquals(check(nested), undefined);
});

Deno.test("checkExpression() refuses what is too long, unknown or the engine's own", async () => {
  assertRefused("1".repeat(8193), /at most 8192 characters, received 8193/);
  await forAll(200, (random) => {
    const name = Array.from(
      { length: random.between(3, 9) },
      () => random.pick([..."qxzjw_"]),
    ).join("");
    assertRefused(`${name}(1)`, /no function/);
  });
  assertRefused("intern('a')", /intern/);
  assertRefused("coalesce(1, 2)", /no function/, "3");
  assertEquals(check("coalesce(1, 2)", "5"), undefined);
});

Deno.test("measureExpression() measures without limits, however long", () => {
  const limits = {
    ...DEFAULT_EXPRESSION_LIMITS[3],
    maxLength: Infinity,
    maxDepth: Infinity,
    maxStringLength: Infinity,
    maxVectorElements: Infinity,
  };
  const count = 20_000;
  for (
    const text of [
      "(",
      "'",
      '"',
      '"\\',
      "'\\",
      "/*",
      "a,",
      "concat(",
      "?:",
      "-",
    ]
  ) {
    measureExpression(text.repeat(count), limits);
  }
  const size = measureExpression("(".repeat(count), limits);
  assertEquals(typeof size === "string" ? size : size.depth, count);
});

/** Spaces where they make no difference. */
function spaced(random: Random, text: string): string {
  return text.replaceAll(
    /([()[\]{};,])/g,
    (it) => random.chance(0.1) ? ` ${it}\n` : it,
  );
}
