import { assertEquals, assertThrows } from "@std/assert";
import { DEFAULTS } from "./load/defaults.mjs";
import type { RowInfo } from "./load/types.ts";
import { choose, chooseRows, runOptions, timingOf } from "./options.ts";

/** A row that is measured for 10 s unless something else is said. */
function row(name: string, byDefault: boolean): RowInfo {
  const about = "A row";
  const connections = 1;
  return { ...DEFAULTS, name, about, connections, byDefault, seconds: 10 };
}

Deno.test("runOptions() has defaults", () => {
  const { rounds, rows, contestants, markdown } = runOptions([]);
  assertEquals(
    [rounds, rows, contestants, markdown],
    [5, undefined, undefined, false],
  );
});

Deno.test("timingOf() asks the row where the command line says nothing", () => {
  const args = ["--rounds=3", "--warmup=4"];
  assertEquals(
    timingOf(row("a", true), runOptions(args)),
    { rounds: 3, seconds: 10, warmup: 4, pause: 0 },
  );
  const timing = timingOf(row("a", true), runOptions(["--seconds=1.5"]));
  assertEquals(timing.seconds, 1.5);
  const beside = { ...row("b", true), beside: "others" };
  assertEquals(timingOf(beside, runOptions(["--pause=5"])).pause, 5);
});

Deno.test("chooseRows() leaves the slow ones out unless they are named", () => {
  const rows = [row("quick", true), row("slow", false)];
  const chosen = (...args: string[]) =>
    chooseRows(rows, runOptions(args)).map(({ name }) => name);
  assertEquals(chosen(), ["quick"]);
  assertEquals(chosen("--rows=all"), ["quick", "slow"]);
  assertEquals(chosen("--rows=slow"), ["slow"]);
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
