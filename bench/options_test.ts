import { assertEquals, assertThrows } from "@std/assert";
import { choose, runOptions } from "./options.ts";

Deno.test("runOptions() has defaults", () => {
  const { timing, rows, contestants, markdown } = runOptions([]);
  assertEquals(timing, { rounds: 5, seconds: 2, warmup: 0.5 });
  assertEquals([rows, contestants, markdown], [undefined, undefined, false]);
});

Deno.test("runOptions() splits lists", () => {
  const args = ["--rows", "a,b", "--contestants=x", "--seed", "7"];
  const { rows, contestants, seed } = runOptions(args);
  assertEquals([rows, contestants, seed], [["a", "b"], ["x"], 7]);
});

Deno.test("runOptions() refuses what it can't use", () => {
  for (const value of ["0", "-1", "many", "", "Infinity"]) {
    assertThrows(
      () => runOptions([`--rounds=${value}`]),
      TypeError,
      "Cannot use --rounds",
    );
  }
  assertThrows(() => runOptions(["--unknown"]), TypeError);
});

Deno.test("choose() takes the named ones in their own order", () => {
  const items = [{ name: "a" }, { name: "b" }, { name: "c" }];
  assertEquals(choose(items, ["c", "a"]), [{ name: "a" }, { name: "c" }]);
  assertEquals(choose(items, undefined), items);
  assertThrows(
    () => choose(items, ["a", "d"]),
    TypeError,
    'Cannot find "d": there is a, b, c',
  );
});
