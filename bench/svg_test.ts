import { assertEquals } from "@std/assert";
import { ticks } from "./svg.ts";

Deno.test("ticks() are 1, 2 and 5 of each power of ten", () => {
  assertEquals(ticks(0.5, 30), [0.5, 1, 2, 5, 10, 20]);
  assertEquals(ticks(3, 4), []);
});

Deno.test("ticks() over a wide range are powers of ten", () => {
  assertEquals(ticks(0.01, 1_000), [0.01, 0.1, 1, 10, 100, 1_000]);
});
