import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { forAll, type Random } from "../testing/random.ts";
import { checkColumns, checkKeys, checkRows } from "./json.ts";
import { DEFAULT_PAYLOAD_LIMITS, payloadLimits } from "./payload.ts";
import {
  anyColumns,
  anyNames,
  anyRows,
  anyScalar,
} from "../testing/payloads.ts";

const encoder = new TextEncoder();
const LIMITS = DEFAULT_PAYLOAD_LIMITS;

const rows = (text: string, limits = LIMITS) =>
  checkRows(encoder.encode(text), limits);
const columns = (text: string, limits = LIMITS) =>
  checkColumns(encoder.encode(text), limits);
const keys = (text: string, limits = LIMITS) =>
  checkKeys(encoder.encode(text), limits);

const nested = (depth: number) => "[".repeat(depth) + 1 + "]".repeat(depth);
const objects = (depth: number) =>
  '{"a":'.repeat(depth) + 1 + "}".repeat(depth);

/** Things that aren't objects. */
const NO_OBJECTS = [
  ...["null", "true", "false", "0", "-1.5", "1e300", '""', '"a"', "[]", "[1]"],
  ...['"abcabcabcabcabcabcabcabc"', '[{"k":1}]', "[[]]", '["k",1]', "[null]"],
];

/** Texts that aren't JSON. */
const NO_JSON = [
  ...[
    "",
    " ",
    "[",
    "]",
    "{",
    "[{",
    '[{"',
    '[{"k',
    '[{"k"',
    '[{"k":',
    '[{"k":1',
  ],
  ...['[{"k":1}', '[{"k":1},', '[{"k":1},]', '[{"k":1}]]', '[{"k":1}] x'],
  ...["[{k:1}]", "[{'k':1}]", '[{"k":1,}]', '[{"k":,}]', '[{"k" 1}]', "nul"],
  ...['[{"k":NaN}]', '[{"k":01}]', '[{"k":+1}]', '[{"k":1.}]', '[{"k":1e400}]'],
  ...['[{"k":"\n"}]', '[{"k":"\\x"}]', '[{"k":"\\ud800"}]', '[{"k":1}{"k":2}]'],
  ...["\ufeff[]", "[/**/]", '[{"k":undefined}]', '[{"k":.5}]', '[{"k":0x1}]'],
];

Deno.test("checkRows() lets through what clients write", async () => {
  await forAll(3000, (random) => {
    const written = anyRows(random, anyNames(random));
    const text = `[${written.join(random.pick([",", ", ", ",\n"]))}]`;
    assertEquals(rows(text), undefined, text);
  });
});

Deno.test("checkRows() lets through what is hardly there", () => {
  for (const text of ["[]", " [ ] ", "[{}]", "[{},{}]", '[{"":null}]']) {
    assertEquals(rows(text), undefined, text);
  }
});

Deno.test("checkRows() refuses a row that isn't an object, wherever it stands", async () => {
  for (const bad of NO_OBJECTS) {
    assertEquals(
      rows(`[${bad}]`),
      "row 1: expected an object, the columns of a row by name, at byte 1",
    );
  }
  await forAll(500, (random) => {
    const written = anyRows(random, anyNames(random));
    const at = random.below(written.length + 1);
    written.splice(at, 0, random.pick(NO_OBJECTS));
    const refusal = rows(`[${written.join()}]`);
    assert(refusal?.startsWith(`row ${at + 1}: expected an object`), refusal);
  });
});

Deno.test("checkRows() refuses what isn't an array of JSON", () => {
  for (const text of [...NO_JSON, ...NO_OBJECTS, "{}"]) {
    if (text === "[]" || text === '[{"k":1}]') continue;
    assert(rows(text) !== undefined, text);
  }
  assertEquals(rows('{"k":1}'), "expected an array of rows, at byte 0");
});

Deno.test("checkRows() refuses what is nested too deep, in any column and row", async () => {
  await forAll(60, (random) => {
    const [name = "k"] = anyNames(random);
    const depth = random.pick([17, 18, 65, 1000, 20_000, 100_000]);
    const value = random.pick([nested, objects])(depth);
    const before = anyRows(random, anyNames(random)).map((row) => `${row},`);
    const text = `[${before.join("")}{${JSON.stringify(name)}:${value}}]`;
    const refusal = rows(text)!;
    assertStringIncludes(refusal, `row ${before.length + 1}, column `);
    assertStringIncludes(refusal, "too deep in each other, at byte ");
  });
  assertEquals(rows(`[{"k":${nested(16)}}]`), undefined);
  assertEquals(rows(`[{"k":${objects(16)}}]`), undefined);
  const flat = payloadLimits({ maxDepth: 0 });
  assertEquals(
    rows('[{"k":1,"l":[]}]', flat),
    'row 1, column "l": arrays and objects lie too deep in each other, at byte 12',
  );
});

Deno.test("checkRows() says where", () => {
  const cases: readonly (readonly [string, string])[] = [
    ['[{"k":1},{"k":tru}]', 'row 2, column "k": expected a value, at byte 14'],
    ['[{"k":1 "l":2}]', 'row 1, column "k": expected "," or "}", at byte 8'],
    ['[{"k":1}{"k":2}]', 'expected "," or "]", at byte 8'],
    ['[{"k":1,}]', "row 1: expected the name of a column in quotes, at byte 8"],
    [
      '[{"k\\u0065":NaN}]',
      'row 1, column "ke": JSON has no NaN and no ' +
      "Infinity; send null, at byte 12",
    ],
    [
      '[{"k":1,"l":2,"\\u006b":3}]',
      'row 1, column "k": the name stands there ' +
      "twice, at byte 14",
    ],
    [
      '[{"psp_okey":1}]',
      'row 1: column "psp_okey": the engine uses this name ' +
      "itself",
    ],
    [
      '[{"a\\u0000b":1}]',
      'row 1: column "a\\u0000b": a name can\'t hold the ' +
      "character U+0000",
    ],
  ];
  for (const [text, refusal] of cases) assertEquals(rows(text), refusal, text);
});

Deno.test("checkRows() finds a name that stands there twice in any order of columns", async () => {
  await forAll(500, (random) => {
    const names = anyNames(random);
    if (names.length === 0) return;
    const all = random.shuffled([...names, random.pick(names)]);
    const row = all.map((name) => `${JSON.stringify(name)}:1`).join();
    const before = anyRows(random, names).map((row) => `${row},`).join("");
    const refusal = rows(`[${before}{${row}}]`)!;
    assertStringIncludes(refusal, "the name stands there twice");
  });
});

Deno.test("checkRows() keeps to its limits", () => {
  const limits = payloadLimits({
    maxRows: 2,
    maxColumns: 2,
    maxStringLength: 3,
    maxNameLength: 3,
  });
  assertEquals(rows('[{"k":"abc"},{"l":123}]', limits), undefined);
  assertEquals(rows("[{},{},{}]", limits), "there are more than 2 rows");
  assertEquals(
    rows('[{"a":1},{"b":1,"c":1}]', limits),
    "row 2: there are more than 2 columns",
  );
  assertStringIncludes(
    rows('[{"a":"abcd"}]', limits)!,
    "at most 3 are allowed",
  );
  assertStringIncludes(rows('[{"abcd":1}]', limits)!, "at most 3 are allowed");
  assertEquals(
    rows('[{"a":1}]', payloadLimits({ maxRows: 0 })),
    "there are more than 0 rows",
  );
  assertEquals(
    rows("[]", payloadLimits({ maxRows: 0, maxColumns: 0 })),
    undefined,
  );
});

Deno.test("checkRows() counts the rows that line 5 makes of arrays", () => {
  const list = (length: number) => `[${Array(length).fill(1).join()}]`;
  const text = encoder.encode(
    `[{"a":${list(30)},"b":{"c":${list(30)},"d":[${list(10)},2,[]]}}]`,
  );
  const check = (
    maxRows: number,
    flatten?: "zip" | "cartesian" | "stringify",
  ) => checkRows(text, payloadLimits({ maxRows }), flatten);
  const tooMany = (maxRows: number) => `there are more than ${maxRows} rows`;
  assertEquals(check(30 * 30 * 12), undefined);
  assertEquals(check(30 * 30 * 12 - 1), tooMany(30 * 30 * 12 - 1));
  assertEquals(check(30, "zip"), undefined);
  assertEquals(check(29, "zip"), tooMany(29));
  assertEquals(check(1, "stringify"), undefined);
  // 27 million for 3 KB.
  const bomb = `[{"a":${list(300)},"b":${list(300)},"c":${list(300)}}]`;
  assertEquals(rows(bomb), tooMany(LIMITS.maxRows));
});

Deno.test("checkRows() counts the columns that line 5 makes of objects", () => {
  const fields = (count: number) =>
    Array.from({ length: count }, (_, i) => `"f${i}":1`).join();
  assertEquals(rows(`[{"k":{${fields(4000)}}}]`), undefined);
  assertEquals(
    rows(`[{"k":{${fields(5000)}}}]`),
    'row 1, column "k": there are more than 4096 columns',
  );
  const apart = Array.from({ length: 5000 }, (_, i) => `{"k":[{"f${i}":1}]}`);
  assertStringIncludes(rows(`[${apart.join()}]`)!, "more than 4096 columns");
});

Deno.test("checkRows() refuses what the engine would make far larger", () => {
  const limits = payloadLimits({ maxExpandedSize: 100_000 });
  const tooLarge = "the engine would make more than 100000 bytes of this";
  // Each row has a name of its own, and so all have all.
  const apart = (count: number) =>
    `[${Array.from({ length: count }, (_, i) => `{"c${i}":1}`).join()}]`;
  assertEquals(rows(apart(55), limits), undefined);
  assertEquals(rows(apart(60), limits), tooLarge);
  // A long value beside an array.
  const beside = (length: number) =>
    `{"a":"${"x".repeat(1000)}","b":[${Array(length).fill(1).join()}]}`;
  assertEquals(rows(`[${beside(50)}]`, limits), undefined);
  assertEquals(rows(`[${beside(100)}]`, limits), tooLarge);
  assertEquals(
    columns(beside(50).replaceAll(/:("x*"|\[.*\])/g, ":[$1]"), limits),
    undefined,
  );
  assertEquals(
    columns(beside(100).replaceAll(/:("x*"|\[.*\])/g, ":[$1]"), limits),
    tooLarge,
  );
});

Deno.test("checkColumns() lets through what clients write", async () => {
  await forAll(3000, (random) => {
    const text = anyColumns(random, anyNames(random), random.below(8));
    assertEquals(columns(text), undefined, text);
  });
  for (const text of ["{}", " { } ", '{"a":[]}', '{"a":[],"b":[]}']) {
    assertEquals(columns(text), undefined, text);
  }
});

Deno.test("checkColumns() refuses columns of unequal length", async () => {
  await forAll(500, (random) => {
    const names = anyNames(random);
    if (names.length < 2) return;
    const lengths = names.map(() => random.pick([0, 1, 2, 3, 100, 5000]));
    if (new Set(lengths).size === 1) lengths[0]! += 1;
    const at = lengths.findIndex((length) => length !== lengths[0]);
    const text = `{${
      names.map((name, i) =>
        `${JSON.stringify(name)}:[${Array(lengths[i]).fill("null").join()}]`
      ).join()
    }}`;
    assertEquals(
      columns(text),
      `column ${JSON.stringify(names[at])} has ${lengths[at]} values, but ` +
        `column ${JSON.stringify(names[0])} has ${lengths[0]}: columns have ` +
        "to be of equal length",
    );
  });
});

Deno.test("checkColumns() refuses a column that isn't an array", () => {
  for (const bad of [...NO_OBJECTS, '{"a":1}', "{}"]) {
    if (bad.startsWith("[")) continue;
    assertEquals(
      columns(`{"k":[1],"l":${bad}}`),
      'column "l": expected an array, at byte 13',
    );
    assertStringIncludes(columns(`{"k":${bad}}`)!, "expected an array");
  }
});

Deno.test("checkColumns() refuses what isn't an object of JSON", () => {
  for (const text of [...NO_JSON, ...NO_OBJECTS]) {
    assert(columns(text) !== undefined, text);
    // The same within.
    const inside = text.replace(/^\[\{(.*)\}\]$/, "$1");
    assert(
      columns(`{${inside}}`) !== undefined || inside.trim() === "",
      inside,
    );
  }
  assertEquals(columns("[]"), "expected an object of columns, at byte 0");
});

Deno.test("checkColumns() says where", () => {
  const cases: readonly (readonly [string, string])[] = [
    ['{"k":[1,tru]}', 'column "k", row 2: expected a value, at byte 8'],
    ['{"k":[1 2]}', 'column "k", row 1: expected "," or "]", at byte 8'],
    ['{"k":[1],"k":[1]}', 'column "k": the name stands there twice, at byte 9'],
    [
      `{"k":[1,${nested(17)}]}`,
      'column "k", row 2: arrays and objects lie too ' +
      "deep in each other, at byte 24",
    ],
    ['{"psp_pkey":[1]}', 'column "psp_pkey": the engine uses this name itself'],
  ];
  for (const [text, refusal] of cases) {
    assertEquals(columns(text), refusal, text);
  }
});

Deno.test("checkColumns() keeps to its limits", () => {
  const limits = payloadLimits({ maxRows: 4, maxColumns: 2 });
  assertEquals(columns('{"a":[1,2,3,4],"b":[1,2,3,4]}', limits), undefined);
  assertStringIncludes(
    columns('{"a":[1,2,3,4,5]}', limits)!,
    "more than 4 rows",
  );
  assertStringIncludes(
    columns('{"a":[],"b":[],"c":[]}', limits)!,
    "more than 2 columns",
  );
  assertEquals(
    columns('{"a":[[1,2],1],"b":[[1,2],1]}', limits),
    "there are more than 4 rows",
  );
  assertEquals(columns('{"a":[[1,2],1],"b":[1,[1,2]]}', limits), undefined);
});

Deno.test("checkKeys() lets keys through and nothing else", async () => {
  await forAll(500, (random: Random) => {
    const all = Array.from(
      { length: random.below(9) },
      () => anyScalar(random),
    );
    assertEquals(keys(JSON.stringify(all)), undefined);
  });
  const bad = ["[[1]]", '[{"k":1}]', '{"k":[1]}', "1", "null", nested(5000)];
  for (const text of [...bad, "[1,", "[1 2]", "[1,]", "[NaN]", "[1]]", ""]) {
    assert(keys(text) !== undefined, text);
  }
  assertEquals(
    keys('["a",[1]]'),
    "row 2: arrays and objects lie too deep in each other, at byte 5",
  );
  assertEquals(
    keys("[1,2]", payloadLimits({ maxRows: 1 })),
    "there are more than 1 rows",
  );
});

Deno.test("The guards of JSON refuse bytes that aren't UTF-8", () => {
  const text = encoder.encode('[{"k":"aXb"}]');
  text[text.indexOf(0x58)] = 0xff;
  assertEquals(
    checkRows(text, LIMITS),
    "text must be UTF-8, and isn't at byte 8",
  );
  const cols = encoder.encode('{"k":["aXb"]}');
  cols[cols.indexOf(0x58)] = 0;
  assertEquals(
    checkColumns(cols, LIMITS),
    "text can't hold the character U+0000, at byte 8",
  );
});

Deno.test("The guards of JSON read a part of a buffer as they read all of it", () => {
  const text = '[{"long name":1},{"long name":[}]';
  const whole = encoder.encode(`xxxx${text}`);
  assertEquals(checkRows(whole.subarray(4), LIMITS), rows(text));
  assertStringIncludes(rows(text)!, 'row 2, column "long name"');
});
