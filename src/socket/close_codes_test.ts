import { assert, assertEquals, assertThrows } from "@std/assert";
import { forAll } from "../testing/random.ts";
import { assertCloseCode, Close, fitReason } from "./close_codes.ts";

Deno.test("assertCloseCode() takes the codes that a close frame can carry", () => {
  for (const code of [1000, 1001, 1003, 1011, 1012, 1013, 3000, 4999]) {
    assertCloseCode(code);
  }
});

Deno.test("assertCloseCode() refuses the others by name", () => {
  for (const code of [0, 999, 1004, 1005, 1006, 1015, 5000, 1000.5, NaN, -1]) {
    assertThrows(
      () => assertCloseCode(code),
      RangeError,
      `"code" must be a close code from 1000 to 4999, received ${code}`,
    );
  }
});

Deno.test("Close has codes and reasons that can be sent", () => {
  for (const { code, reason } of Object.values(Close)) {
    assertCloseCode(code);
    assertEquals(fitReason(reason), reason);
  }
});

Deno.test("fitReason() cuts at 123 bytes and at no half character", async () => {
  assertEquals(fitReason(""), "");
  assertEquals(fitReason("x".repeat(123)), "x".repeat(123));
  assertEquals(fitReason("x".repeat(124)), "x".repeat(123));
  assertEquals(fitReason("é".repeat(62)), "é".repeat(61));
  assertEquals(fitReason("x" + "🦕".repeat(31)), "x" + "🦕".repeat(30));
  await forAll(500, (random) => {
    const reason = Array.from(
      { length: random.below(100) },
      () => random.pick(["a", "é", "表", "🦕"]),
    ).join("");
    const fitted = fitReason(reason);
    const { length } = new TextEncoder().encode(fitted);
    assert(reason.startsWith(fitted));
    assert(length <= 123);
    assert(fitted === reason || length > 119);
  });
});
