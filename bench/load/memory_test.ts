import { assertEquals } from "@std/assert";
import { family, memoryOf, shortage } from "./memory.mjs";

Deno.test("family() is a process with its children's children", () => {
  const statuses = new Map([
    [1, "Name:\tinit\nPPid:\t0"],
    [2, "PPid:\t1"],
    [3, "PPid:\t2"],
    [4, "PPid:\t3"],
    [5, "PPid:\t1"],
  ]);
  assertEquals(family(2, statuses), ["PPid:\t1", "PPid:\t2", "PPid:\t3"]);
  assertEquals(family(9, statuses), []);
});

Deno.test({
  name: "memoryOf() reads what a process holds",
  ignore: Deno.build.os !== "linux",
  fn() {
    const memory = memoryOf(Deno.pid)!;
    assertEquals(memory.now > 2 ** 20 && memory.now <= memory.peak, true);
  },
});

Deno.test("memoryOf() is null without a process", () => {
  assertEquals(memoryOf(undefined), null);
});

Deno.test("shortage() is silent while there is memory", () => {
  const said = shortage();
  assertEquals(said === undefined || / are left /.test(said), true);
});
