import { assert, assertEquals } from "@std/assert";
import { forAll, type Random } from "../testing/random.ts";
import { anyJson } from "../testing/payloads.ts";
import { JsonScanner } from "./json_scanner.ts";

const encoder = new TextEncoder();

/** What is wrong with `text`, `""` if nothing is. */
function scan(text: string, depth = 64, maxStringLength = Infinity): string {
  const json = new JsonScanner(encoder.encode(text), maxStringLength);
  if (json.value(depth) && json.end()) {
    assertEquals(json.problem, "");
    return "";
  }
  assert(json.problem !== "");
  return json.problem;
}

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Where `JSON.parse` takes more: it knows infinity, and halves of pairs. */
function isMore(text: string): boolean {
  const strings = /"(?:[^"\\]|\\.)*"/gs;
  const numbers = text.replaceAll(strings, "").match(/-?\d[\d.eE+-]*/g) ?? [];
  return numbers.some((number) => !isFinite(Number(number))) ||
    (text.match(strings) ?? []).some((it) => !JSON.parse(it).isWellFormed());
}

/** Another text that is hardly another one. */
function mutated(random: Random, text: string): string {
  const characters = [...text];
  const at = random.below(characters.length + 1);
  const piece = random.pick([
    ...'{}[]",:0123456789.eE+-\\ubtnf tru',
    ...[
      "null",
      "\\ud800",
      "\\u00e9",
      "\\u12",
      "1e999",
      "\n",
      "\x01",
      "é",
      "NaN",
    ],
  ]);
  switch (random.below(4)) {
    case 0:
      characters.splice(at, 1);
      break;
    case 1:
      characters.splice(at, 0, piece);
      break;
    case 2:
      characters.splice(at, 1, piece);
      break;
    default:
      characters.length = at;
  }
  return characters.join("");
}

Deno.test("JsonScanner takes what JSON.parse takes and nothing else", async () => {
  let right = 0;
  let wrong = 0;
  await forAll(20_000, (random) => {
    let text = anyJson(random);
    assertEquals(scan(text), "", text);
    for (let i = random.between(1, 3); i > 0; i--) text = mutated(random, text);
    const expected = parses(text) && !isMore(text);
    assertEquals(scan(text) === "", expected, JSON.stringify(text));
    if (expected) right++;
    else wrong++;
  });
  // Both have been tried.
  assert(right > 1000 && wrong > 1000, `${right} were right, ${wrong} wrong`);
});

Deno.test("JsonScanner says what is wrong and at which byte", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["", "expected a value, but the data end, at byte 0"],
    ["  ", "expected a value, but the data end, at byte 2"],
    ["[1,", "expected a value, but the data end, at byte 3"],
    ["[1 2]", 'expected "," or "]", at byte 3'],
    ['{"a" 1}', 'expected ":", at byte 5'],
    ["{a:1}", "expected a name in quotes, at byte 1"],
    ['{"a":1,}', "expected a name in quotes, at byte 7"],
    ['"abc', "this string doesn't end, at byte 0"],
    ['["é","abc', "this string doesn't end, at byte 6"],
    ['"a\\x"', "there is no such escape, at byte 2"],
    ['"\\u12g4"', 'expected four hex digits after "\\u", at byte 1'],
    [
      '"a\tb"',
      "a control character in a string has to be written as an escape, at byte 2",
    ],
    ["1.", "expected a digit, but the data end, at byte 2"],
    ["-", "expected a digit, but the data end, at byte 1"],
    ["1e+]", "expected a digit, at byte 3"],
    ["01", "the JSON is over here, at byte 1"],
    ["1e400", "this number is too large for a 64-bit float, at byte 0"],
    ["1".repeat(400), "this number is too large for a 64-bit float, at byte 0"],
    ["[NaN]", "JSON has no NaN and no Infinity; send null, at byte 1"],
    ["Infinity", "JSON has no NaN and no Infinity; send null, at byte 0"],
    ["nul", "expected a value, at byte 0"],
    ["[] x", "the JSON is over here, at byte 3"],
    ['"\\ud800"', "half of a surrogate pair isn't a character, at byte 1"],
    ['"a\\udc00"', "half of a surrogate pair isn't a character, at byte 2"],
    [
      '"\\ud800\\ud800"',
      "half of a surrogate pair isn't a character, at byte 1",
    ],
    ['"\\ud83dx"', "half of a surrogate pair isn't a character, at byte 1"],
  ];
  for (const [text, problem] of cases) assertEquals(scan(text), problem, text);
});

Deno.test("JsonScanner.value() goes as deep as it may", () => {
  const arrays = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
  const objects = (depth: number) =>
    '{"a":'.repeat(depth) + 1 + "}".repeat(depth);
  for (const depth of [0, 1, 2, 7, 64]) {
    for (const nested of [arrays, objects]) {
      assertEquals(scan(nested(depth) || "1", depth), "");
      for (const more of [1, 2, 100, 100_000]) {
        const problem = scan(nested(depth + more), depth);
        assert(problem.startsWith("arrays and objects lie too deep"), problem);
      }
    }
  }
  assert(scan("[".repeat(1_000_000), 8).endsWith("at byte 8"));
});

Deno.test("JsonScanner.value() measures values without their escapes", () => {
  assertEquals(scan('"abcd"', 0, 4), "");
  assertEquals(scan('"\\u00e9\\n\\/"', 0, 4), "");
  assertEquals(scan('"é€"', 0, 5), "");
  assertEquals(
    scan('["abcd","abcde"]', 1, 4),
    "this value has 5 bytes, at most 4 are allowed, at byte 8",
  );
  assertEquals(
    scan("12345", 0, 4),
    "this value has 5 bytes, at most 4 are allowed, at byte 0",
  );
});
