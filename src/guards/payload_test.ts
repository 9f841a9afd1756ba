import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import {
  checkName,
  DEFAULT_PAYLOAD_LIMITS,
  MAX_DEPTH,
  payloadLimits,
  quoted,
} from "./payload.ts";

Deno.test("payloadLimits() fills in the defaults and leaves the given ones alone", () => {
  assertEquals(payloadLimits(), DEFAULT_PAYLOAD_LIMITS);
  const given = { maxRows: 0, maxColumns: Infinity };
  assertEquals(payloadLimits(given), { ...DEFAULT_PAYLOAD_LIMITS, ...given });
  assertEquals(given, { maxRows: 0, maxColumns: Infinity });
});

Deno.test("payloadLimits() names the limit that is wrong", () => {
  const wrong = [
    [{ maxRows: -1 }, '"maxRows" must be from 0 to Infinity, received -1'],
    [{ maxColumns: NaN }, '"maxColumns" must be from 0 to Infinity'],
    [{ maxDepth: MAX_DEPTH + 1 }, `"maxDepth" must be from 0 to ${MAX_DEPTH}`],
    [{ maxDepth: Infinity }, "received Infinity"],
  ] as const;
  for (const [limits, message] of wrong) {
    assertThrows(() => payloadLimits(limits), RangeError, message);
  }
});

Deno.test("checkName() refuses the engine's own names, U+0000 and long ones", () => {
  const limits = payloadLimits({ maxNameLength: 6 });
  for (const name of ["", "a", "__INDEX__", "__proto__", "psp_key", "é😀"]) {
    assertEquals(checkName(name, payloadLimits()), undefined);
  }
  for (const name of ["psp_pkey", "psp_okey", "psp_op"]) {
    assertEquals(
      checkName(name, limits),
      `column "${name}": the engine uses this name itself`,
    );
  }
  assertStringIncludes(checkName("a\0b", limits)!, "U+0000");
  assertEquals(checkName("abcdef", limits), undefined);
  assertEquals(checkName("ééé", limits), undefined);
  assertEquals(
    checkName("éééa", limits),
    'column "éééa": its name has 7 bytes, at most 6 are allowed',
  );
});

Deno.test("quoted() is short and on one line", () => {
  assertEquals(quoted('a"b\n'), '"a\\"b\\n"');
  assertEquals(quoted("x".repeat(50)), `"${"x".repeat(40)}…"`);
});
