import { assertEquals, assertMatch } from "@std/assert";
import type { Line } from "../protocol/kinds.ts";
import { forAll } from "../testing/random.ts";
import {
  checkColumnPaths,
  checkJoin,
  checkSchema,
  checkValidation,
  checkViewport,
  checkViewState,
} from "./view_requests.ts";

Deno.test("checkColumnPaths() refuses a start behind the end or the columns", async () => {
  await forAll(300, (random) => {
    const columns = random.between(1, 50);
    const end = random.chance(0.5) ? undefined : random.id();
    const most = Math.min(end ?? Infinity, columns);
    const first = random.between(0, most);
    for (const start of [undefined, first]) {
      assertEquals(checkColumnPaths({ start, end }, columns, false), undefined);
    }
    const start = most + 1 + random.below(1000);
    const refused = checkColumnPaths({ start, end }, columns, false);
    assertMatch(refused!, /received \d+/);
    // A split makes more columns.
    const many = { start, end: start + random.below(9) };
    assertEquals(checkColumnPaths(many, columns, true), undefined);
    const none = checkColumnPaths({ ...many, start: first }, 0, true);
    assertMatch(none!, /without a range/);
    assertEquals(checkColumnPaths({}, 0, true), undefined);
  });
});

Deno.test("checkViewport() and checkViewState() refuse what is negative in the engine", async () => {
  await forAll(300, (random) => {
    const large = 2 ** 31 + random.below(2 ** 31 - 1);
    const small = random.below(2 ** 31);
    assertMatch(checkViewport({ startRow: large }, 9)!, /must start before/);
    assertMatch(
      checkViewport({ startColumn: large }, Infinity)!,
      /must start before/,
    );
    assertMatch(checkViewState(large)!, /must be below/);
    assertEquals(checkViewport({ startRow: small }, 9), undefined);
    assertEquals(checkViewState(small), undefined);
  });
  assertEquals(checkViewport({}, 0), undefined);
});

const of = (line: Line) => ({
  columns: new Map([["s", "string"] as const]),
  line,
});

Deno.test("checkViewport() refuses what ends before it begins, and no columns", async () => {
  await forAll(300, (random) => {
    const columns = random.between(1, 100);
    const startRow = random.below(1000);
    const startColumn = random.below(columns);
    const endRow = startRow + random.below(1000);
    const endColumn = startColumn + random.below(1000);
    const viewport = { startRow, endRow, startColumn, endColumn };
    assertEquals(checkViewport(viewport, columns), undefined);
    const less = 1 + random.below(50);
    assertMatch(
      checkViewport({ startRow: endRow + less, endRow }, columns)!,
      /first row/,
    );
    assertMatch(
      checkViewport({ startColumn: endColumn + less, endColumn }, columns)!,
      /first column/,
    );
    const behind = { startColumn: columns + less };
    assertMatch(checkViewport(behind, columns)!, /before column/);
    assertEquals(checkViewport(behind, Infinity), undefined);
  });
});

Deno.test("checkValidation() checks each expression, and their number", async () => {
  await forAll(50, (random) => {
    const expressions = new Map<string, string>();
    for (let i = random.below(20); i > 0; i--) {
      expressions.set(`e${i}`, `"x" + ${i}`);
    }
    assertEquals(checkValidation(expressions, of("3")), undefined);
    expressions.set("bad", "(".repeat(random.between(69, 900)));
    assertMatch(checkValidation(expressions, of("3"))!, /"bad": .*nest/);
    expressions.set("bad", 'bucket("s", 5)');
    assertMatch(checkValidation(expressions, of("5"))!, /must be of a column/);
    expressions.delete("bad");
    for (let i = 0; i < 129; i++) expressions.set(`f${i}`, "1");
    assertMatch(checkValidation(expressions, of("5"))!, /at most 128/);
  });
});

Deno.test("checkSchema() refuses too many columns and the engine's own names", async () => {
  await forAll(50, (random) => {
    const columns = Array.from(
      { length: random.between(0, 2047) },
      (_, i) => `c${i}`,
    );
    assertEquals(checkSchema(columns), undefined);
    const own = random.pick(["psp_okey", "psp_pkey", "psp_op"]);
    assertMatch(checkSchema([...columns, own])!, /engine's own/);
    const many = 2049 - columns.length + random.below(100);
    assertMatch(
      checkSchema([...columns, ...new Array<string>(many).fill("c")])!,
      /at most 2048/,
    );
  });
});

Deno.test("checkJoin() lets a unique key pair with anything, and bounds the rest", async () => {
  await forAll(100, (random) => {
    const left = { rows: random.between(3000, 100_000), column: "k" };
    const right = { rows: random.between(3000, 100_000), column: "k" };
    assertEquals(checkJoin({ ...left, index: "k" }, right), undefined);
    assertEquals(checkJoin(left, { ...right, index: "k" }), undefined);
    const unknown = checkJoin(left, { ...right, index: "other" });
    assertEquals(unknown, { distinct: ["k", "k"], types: [] });
    const some = { left: left.rows, right: 5 };
    assertEquals(checkJoin(left, right, undefined, some), undefined);
    const few = { left: left.rows - 1, right: 5 };
    const refused = checkJoin(left, right, undefined, few);
    assertMatch(String(refused), /at most 4194304 rows/);
    assertEquals(checkJoin(left, right, Infinity, few), undefined);
  });
  const small = { rows: 2000, column: "k" };
  assertEquals(checkJoin(small, small), undefined);
});
