import { assertEquals, assertStringIncludes } from "@std/assert";
import { Kind } from "../../protocol/kinds.ts";
import { errorOf, makeView, uint } from "../../testing/frames.ts";
import {
  flush,
  type LogTimedEngine,
  type RecoveringOptions,
  recoveringTable,
  rows,
  rowsIn,
} from "../../testing/routing.ts";

const {
  GET_HOSTED_TABLES,
  MAKE_TABLE,
  TABLE_MAKE_VIEW,
  TABLE_SIZE,
  TABLE_UPDATE,
  TABLE_REPLACE,
  VIEW_SCHEMA,
} = Kind;

/** The engines that live, which are the last ones. */
const live = (engines: readonly LogTimedEngine[], count: number) =>
  engines.slice(-count);

/** A writer's and another's changes, three and two, with an update at the end. */
async function changing(count: number, options?: RecoveringOptions) {
  const it = await recoveringTable(count, options);
  const [a, b] = [it.open(), it.open()];
  a.ask(1, "t", TABLE_UPDATE, rows("a1"));
  b.ask(1, "t", TABLE_UPDATE, rows("b1"));
  a.ask(2, "t", TABLE_REPLACE, rows("a2"));
  a.ask(3, "t", TABLE_UPDATE, rows("a3"));
  b.ask(2, "t", TABLE_UPDATE, rows("b2"));
  return { ...it, a, b };
}

for (const count of [2, 3]) {
  Deno.test(`Wherever a primary of ${count} dies, each change is made once on all`, async () => {
    // Invariants 1, 3 and 6
    for (let steps = 0; steps <= 5; steps++) {
      const { engines, settle, a, b, router } = await changing(count);
      const [primary] = engines;
      for (let i = 0; i < steps && primary!.waiting.length > 0; i++) {
        primary!.step(50);
      }
      primary!.die("x");
      await settle();
      const why = `after ${steps} steps`;
      assertEquals(a.got.map((it) => it.msgId), [1, 2, 3], why);
      assertEquals(b.got.map((it) => it.msgId), [1, 2], why);
      assertEquals([...a.got, ...b.got].some((it) => it.kind === 50), false);
      const [first, ...others] = engines.filter((it) => it !== primary)
        .map(({ log }) => log.tables);
      const own = first!["t"]!.filter((it) => it.startsWith("a"));
      assertEquals(own, ["a2", "a3"], why);
      for (const other of others) assertEquals(other, first, why);
      assertEquals(router.stats().pending, 0);
    }
  });
}

Deno.test("Changes that had collected are made by the next primary", async () => {
  const { engines, settle, open, router, client } = await recoveringTable(3);
  // A poll that takes so long that nobody can be given another batch.
  client.ask(2, "t", TABLE_UPDATE, rows("slow"));
  for (const engine of engines) engine.step(1e6);
  const writer = open();
  for (let i = 1; i <= 6; i++) {
    const kind = i % 2 === 0 ? TABLE_REPLACE : TABLE_UPDATE;
    writer.ask(i, "t", kind, rows(String(i)));
  }
  assertEquals(router.stats().collectedChanges > 0, true);
  engines[0]!.die("x");
  await settle();
  assertEquals(writer.got.map((it) => it.msgId), [1, 2, 3, 4, 5, 6]);
  for (const { log } of live(engines, 3)) {
    assertEquals(log.tables, { t: ["6"] });
  }
});

Deno.test("A guilty change is refused, and never made", async () => {
  // Invariant 6
  const { engines, settle, a, b, router, errors } = await changing(3);
  engines[0]!.step(50);
  engines[0]!.die("unreachable", true); // at what b asked
  await settle();
  assertEquals(a.got.map((it) => [it.msgId, it.kind]), [
    [1, TABLE_UPDATE],
    [2, TABLE_REPLACE],
    [3, TABLE_UPDATE],
  ]);
  assertEquals(b.got.map((it) => [it.msgId, it.kind]), [
    [1, 50],
    [2, TABLE_UPDATE],
  ]);
  assertStringIncludes(errorOf(b.frames[0]!).message, "isn't tried again");
  assertStringIncludes(errorOf(b.frames[0]!).message, "unreachable");
  for (const { log } of live(engines, 3)) {
    assertEquals(log.tables, { t: ["a2", "a3", "b2"] });
  }
  const { lost, replaced, poisonous, removedViews } = router.stats().recovery;
  assertEquals([lost, replaced, poisonous, removedViews], [1, 1, 1, 0]);
  assertEquals(errors.length, 1);
  assertStringIncludes(errors[0]!, "Engine 0 is lost, at table_update (33)");
});

/** Has the primary, whichever it is, execute all but the change that it is at. */
function atChange(engines: readonly LogTimedEngine[]): LogTimedEngine {
  for (;;) {
    const at = engines.find(({ waiting: [first] }) =>
      first?.kind === TABLE_UPDATE
    );
    if (at !== undefined) return at;
    engines.find(({ waiting }) => waiting.length > 0)!.step(50);
  }
}

Deno.test("A change that was under way at two deaths isn't tried a third time", async () => {
  const { engines, settle, client, router } = await recoveringTable(4);
  client.ask(2, "t", TABLE_UPDATE, rows("b"));
  client.ask(3, "t", TABLE_UPDATE, rows("c"));
  atChange(engines).die("x", false);
  assertEquals(client.frames, []);
  atChange(engines).die("y", false);
  assertEquals(client.got.map((it) => [it.msgId, it.kind]), [[2, 50]]);
  await settle();
  assertEquals(client.got.map((it) => it.kind), [50, TABLE_UPDATE]);
  for (const { log } of live(engines, 4)) {
    assertEquals(log.tables, { t: ["a", "c"] });
  }
  assertEquals(router.stats().recovery.lost, 2);
});

Deno.test("Deaths that may have come of anything count half", async () => {
  const { engines, client } = await recoveringTable(6);
  client.ask(2, "t", TABLE_UPDATE, rows("b"));
  for (let i = 0; i < 4; i++) {
    assertEquals(client.frames, []);
    atChange(engines).die("x");
  }
  assertEquals(client.got.map((it) => it.kind), [50]);
});

Deno.test("A change that may have been fatal waits until there are two engines", async () => {
  const { engines, settle, client, open, states } = await recoveringTable(2);
  const other = open();
  client.ask(2, "t", TABLE_UPDATE, rows("b"));
  client.ask(3, "t", TABLE_UPDATE, rows("c"));
  engines[0]!.die("x", false);
  other.ask(1, "t", TABLE_UPDATE, rows("d"));
  await flush();
  while (states()[0] !== "up") {
    assertEquals(client.frames, []);
    assertEquals(engines[1]!.log.rowsOf("t").includes("b"), false);
    for (const engine of engines) if (engine.waiting.length > 0) engine.step(1);
    await flush();
  }
  // Others don't wait for it.
  assertEquals(other.got.map((it) => it.kind), [TABLE_UPDATE]);
  await settle();
  assertEquals(client.got.map((it) => it.msgId), [2, 3]);
  for (const { log } of live(engines, 2)) {
    assertEquals(log.tables, { t: ["a", "d", "b", "c"] });
  }
});

Deno.test("A change that an engine answered isn't to blame for the poll after it", async () => {
  const { engines, settle, client, router } = await recoveringTable(2);
  client.ask(2, "t", TABLE_UPDATE, rows("b"));
  engines[0]!.breakOff(1, "in the poll", false);
  assertEquals(client.got.map((it) => it.kind), [TABLE_UPDATE]);
  await settle();
  for (const { log } of live(engines, 2)) {
    assertEquals(log.tables, { t: ["a", "b"] });
  }
  assertEquals([client.frames.length, router.stats().recovery.poisonous], [
    1,
    0,
  ]);
});

Deno.test("A change that was answered is seen by who reads next", async () => {
  // Invariant 2
  const { engines, settle, client, open } = await recoveringTable(3);
  client.ask(2, "t", TABLE_UPDATE, rows("b"));
  engines[0]!.step(50);
  engines[0]!.die("x");
  const reader = open();
  reader.ask(1, "t", TABLE_SIZE);
  await settle();
  assertEquals(rowsIn(reader.got[0]!), ["a", "b"]);
});

Deno.test("An engine that misses a change which others have made is replaced", async () => {
  // Invariant 1
  const { engines, settle, client, router, errors } = await recoveringTable(2);
  client.ask(2, "t", TABLE_UPDATE, rows("b"));
  engines[0]!.run();
  engines[1]!.failFirst("no memory");
  await settle();
  assertEquals(router.stats().recovery.replaced, 1);
  assertStringIncludes(errors[0]!, "has missed a change that others have made");
  for (const { log } of [engines[0]!, engines[2]!]) {
    assertEquals(log.tables, { t: ["a", "b"] });
  }
});

Deno.test({
  name: "A change that is tried again isn't overtaken by its session's reads",
  fn: async () => {
    const { engines, settle, client } = await recoveringTable(2);
    client.ask(2, "t", TABLE_UPDATE, rows("b"));
    client.ask(3, "t", TABLE_SIZE);
    engines[0]!.die("x", false);
    await settle();
    const [read] = client.got.filter((it) => it.kind === TABLE_SIZE);
    assertEquals(rowsIn(read!), ["a", "b"]);
  },
});

Deno.test("What the next primary makes, those hear of who had subscribed to the last", async () => {
  // Invariant 7
  const { engines, settle, open, client } = await recoveringTable(3);
  const reader = open();
  reader.ask(1, "", GET_HOSTED_TABLES, uint(1, 1));
  for (const [i, name] of ["v", "w"].entries()) {
    client.ask(6 + i, "t", TABLE_MAKE_VIEW, makeView(name));
    await settle();
  }
  client.take();
  // It is at something long, after which reads and changes take turns.
  client.ask(3, "w", VIEW_SCHEMA);
  engines[1]!.step(1e5);
  client.ask(4, "w", VIEW_SCHEMA);
  client.ask(8, "w", VIEW_SCHEMA);
  client.ask(5, "u", MAKE_TABLE, rows("u"));
  engines[0]!.die("x");
  await settle();
  assertEquals(client.got.map((it) => it.msgId).toSorted(), [3, 4, 5, 8]);
  assertEquals(reader.got.map((it) => it.msgId), [1]);
});

Deno.test("What is made in the moment in which a new engine is lost isn't made on the next one before its copy", async () => {
  // Invariant 1
  const { engines, settle, clock, client } = await recoveringTable(3);
  engines[2]!.die("x");
  await flush();
  assertEquals(engines.map(({ waiting }) => waiting.length), [0, 1, 0, 0]);
  client.ask(2, "u", MAKE_TABLE, rows("u"));
  engines[3]!.die("y");
  engines[0]!.run();
  await settle();
  clock.advance(1000);
  await settle();
  const { log } = engines[4]!;
  assertEquals([log.tables, log.faults], [{ t: ["a"], u: ["u"] }, []]);
});
