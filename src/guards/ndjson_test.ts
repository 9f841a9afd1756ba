import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { forAll } from "../testing/random.ts";
import { checkNdjson } from "./ndjson.ts";
import { DEFAULT_PAYLOAD_LIMITS, payloadLimits } from "./payload.ts";
import { anyNames, anyRows } from "../testing/payloads.ts";

const encoder = new TextEncoder();

const check = (text: string, limits = DEFAULT_PAYLOAD_LIMITS) =>
  checkNdjson(encoder.encode(text), limits);

Deno.test("checkNdjson() lets lines of objects through, however they end", async () => {
  await forAll(3000, (random) => {
    const written = anyRows(random, anyNames(random));
    const between = random.pick(["\n", "\r\n", " \n", "\n\n", "\n \r\n\t\n"]);
    const text = random.pick(["", "\n", " "]) + written.join(between) +
      random.pick(["", between, between + between, "  "]);
    assertEquals(check(text), undefined, text);
  });
});

Deno.test("checkNdjson() lets an object on several lines through", () => {
  assertEquals(check('{"k":1,\n"l":\r\n[1,\n2]}\n{\n}\n'), undefined);
});

Deno.test("checkNdjson() refuses objects that no line break separates", async () => {
  await forAll(500, (random) => {
    const written = anyRows(random, anyNames(random));
    if (written.length < 2) return;
    const at = random.between(1, written.length - 1);
    const between = random.pick(["", " ", "\r", "\t", ",", ", ", ";", "\r\r"]);
    const text = written.slice(0, at).join("\n") + between +
      written.slice(at).join("\n");
    const refusal = check(text)!;
    assertStringIncludes(
      refusal,
      "after an object comes a line break, at byte ",
    );
    assert(refusal.startsWith("line "), refusal);
  });
  assertEquals(
    check('{"k":1}\n{"k":2}{"k":3}\n'),
    "line 2: after an object comes a line break, at byte 15",
  );
  assert(check('{"k":5,"s":"a"}'.repeat(3000)) !== undefined);
  assert(check('{"k":5,"s":"a"}\r'.repeat(3000)) !== undefined);
});

Deno.test("checkNdjson() refuses lines that aren't objects", () => {
  const bad = ["null", "1", "true", '"abcabcabcabcabcabcabcabc"', "[1]", "[]"];
  const broken = [
    "x",
    "{",
    '{"k":',
    '{"k":1',
    '{"k":1]',
    "NaN",
    "\ufeff{}",
    "]",
  ];
  const odd = [
    '{"k":1,}',
    "{'k':1}",
    '{"k":01}',
    '{"k":1e400}',
    '{"k":"\\ud800"}',
  ];
  const rows = [
    '"a"',
    '[{"k":1}]',
    "-1",
    "{]",
    "//",
    '{"psp_op":1}',
    '{"k":1,"k":2}',
  ];
  for (const line of [...bad, ...broken, ...odd, ...rows]) {
    for (const before of ["", '{"k":1}\n', '{"k":1}\n\n{"k":2}\r\n']) {
      const refusal = check(`${before}${line}\n`);
      assert(refusal !== undefined, line);
    }
  }
  assertEquals(
    check('{"k":1}\n\n"text"\n'),
    "line 3, row 2: expected an object, the columns of a row by name, at byte 9",
  );
  assertEquals(
    check('{"k":1}\n{"k":tru}'),
    'line 2, row 2, column "k": expected a value, at byte 13',
  );
});

Deno.test("checkNdjson() refuses what is nested too deep", () => {
  for (const depth of [17, 100, 5000, 100_000]) {
    for (const [open, close] of [["[", "]"], ['{"a":', "}"]] as const) {
      const value = open.repeat(depth) + 1 + close.repeat(depth);
      assertStringIncludes(check(`{"k":1}\n{"k":${value}}`)!, "too deep");
      assertStringIncludes(check(`{"k":${open.repeat(depth)}`)!, "too deep");
    }
  }
});

Deno.test("checkNdjson() keeps to its limits", () => {
  const limits = payloadLimits({ maxRows: 2, maxColumns: 1 });
  assertEquals(check('{"k":1}\n{"k":2}\n', limits), undefined);
  assertStringIncludes(check("{}\n{}\n{}\n", limits)!, "more than 2 rows");
  assertStringIncludes(
    check('{"k":1}\n{"l":2}\n', limits)!,
    "more than 1 columns",
  );
  const lists = encoder.encode('{"k":[1,2,3]}\n');
  assertEquals(checkNdjson(lists, limits, "stringify"), undefined);
  assertStringIncludes(checkNdjson(lists, limits, "zip")!, "more than 2 rows");
});

Deno.test("checkNdjson() refuses bytes that aren't UTF-8", () => {
  const text = Uint8Array.of(...encoder.encode('{"k":"'), 0xff, 0x22, 0x7d);
  assertEquals(
    checkNdjson(text, DEFAULT_PAYLOAD_LIMITS),
    "text must be UTF-8, and isn't at byte 6",
  );
});
