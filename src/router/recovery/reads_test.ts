import { assertEquals, assertStringIncludes } from "@std/assert";
import { Kind } from "../../protocol/kinds.ts";
import { errorOf, makeView, uint } from "../../testing/frames.ts";
import { flush, recoveringTable, rows, rowsIn } from "../../testing/routing.ts";

const {
  TABLE_MAKE_VIEW,
  TABLE_SCHEMA,
  TABLE_SIZE,
  TABLE_UPDATE,
  VIEW_SCHEMA,
  VIEW_TO_CSV,
  VIEW_TO_ROWS_STRING,
} = Kind;

Deno.test("What a lost engine was asked is asked again, each answered once", async () => {
  // Invariants 3 and 7
  const { engines, settle, open, router, clock } = await recoveringTable(2);
  const [a, b] = [open(), open()];
  for (const client of [a, b]) {
    client.ask(1, "t", TABLE_MAKE_VIEW, makeView("v"));
  }
  await settle();
  a.take();
  b.take();
  for (let steps = 0; steps <= 4; steps++) {
    // Views live on both.
    a.ask(10, "v", VIEW_TO_ROWS_STRING);
    b.ask(10, "v", VIEW_TO_ROWS_STRING);
    a.ask(11, "t", TABLE_SIZE);
    a.ask(12, "v", VIEW_SCHEMA);
    b.ask(12, "w", VIEW_SCHEMA); // there is none
    const [victim] = engines.filter(({ closes }) => closes === 0);
    for (let i = 0; i < steps && victim!.waiting.length > 0; i++) {
      victim!.step(50);
    }
    victim!.die("x");
    await settle();
    clock.advance(60_000);
    await settle();
    assertEquals(a.got.map((it) => it.msgId).sort(), [10, 11, 12]);
    assertEquals(b.got.map((it) => it.msgId).sort(), [10, 12]);
    assertEquals(a.got.some((it) => it.kind === 50), false);
    a.take();
    b.take();
  }
  assertEquals(router.stats().recovery.lost, 5);
});

Deno.test("A view that was being made when its engine was lost is made by the next", async () => {
  const { engines, settle, client, router } = await recoveringTable(2);
  client.ask(2, "t", TABLE_MAKE_VIEW, makeView("v"));
  client.ask(3, "v", VIEW_TO_ROWS_STRING);
  engines[1]!.die("x");
  client.ask(4, "v", VIEW_SCHEMA);
  await settle();
  assertEquals(client.got.map((it) => [it.msgId, it.kind]), [
    [2, TABLE_MAKE_VIEW],
    [3, VIEW_TO_ROWS_STRING],
    [4, VIEW_SCHEMA],
  ]);
  const { engineViews, replicas } = router.stats();
  assertEquals([engineViews, replicas.map((it) => it.views)], [1, [0, 1]]);
});

/** Two clients that have the same view, on the second engine. */
async function sharing() {
  const it = await recoveringTable(2, { sharing: true });
  const [a, b] = [it.open(), it.open()];
  for (const client of [a, b]) {
    client.ask(1, "t", TABLE_MAKE_VIEW, makeView("v"));
  }
  await it.settle();
  a.take();
  b.take();
  return { ...it, a, b };
}

Deno.test("Who waited for somebody's read is answered when that is asked again", async () => {
  const { engines, settle, a, b, router } = await sharing();
  for (const client of [a, b]) client.ask(2, "v", VIEW_TO_ROWS_STRING);
  b.ask(3, "t", TABLE_SIZE);
  assertEquals(router.stats().reads.joined, 1);
  engines[1]!.die("x");
  await settle();
  assertEquals(a.got.map((it) => it.msgId), [2]);
  assertEquals(b.got.map((it) => it.msgId).sort(), [2, 3]);
  assertEquals(rowsIn(a.got[0]!), ["a"]);
  assertEquals(
    rowsIn(b.got.find((it) => it.kind === VIEW_TO_ROWS_STRING)!),
    ["a"],
  );
});

Deno.test("What is remembered is answered while the engine is away", async () => {
  const { engines, settle, a, b, router } = await sharing();
  a.ask(2, "v", VIEW_TO_ROWS_STRING);
  await settle();
  engines[1]!.die("x");
  b.ask(2, "v", VIEW_TO_ROWS_STRING);
  assertEquals(b.got.map((it) => it.msgId), [2]);
  assertEquals(router.stats().reads.remembered, 1);
  await settle();
  b.ask(3, "v", VIEW_TO_ROWS_STRING);
  await settle();
  assertEquals(b.got.map(rowsIn), [["a"], ["a"]]);
});

Deno.test({
  name: "What is remembered isn't answered once it has changed",
  fn: async () => {
    const { engines, settle, a, b, open } = await sharing();
    a.ask(2, "v", VIEW_TO_ROWS_STRING);
    await settle();
    engines[1]!.die("x");
    const writer = open();
    writer.ask(1, "t", TABLE_UPDATE, rows("b"));
    engines[0]!.run();
    assertEquals(writer.got.map((it) => it.msgId), [1]);
    b.ask(2, "v", VIEW_TO_ROWS_STRING);
    await settle();
    b.ask(3, "v", VIEW_TO_ROWS_STRING);
    await settle();
    assertEquals(b.got.map(rowsIn), [["a", "b"], ["a", "b"]]);
  },
});

Deno.test("A request that was under way at two deaths is refused", async () => {
  const { engines, settle, client, router, clock, open } =
    await recoveringTable(2, { maxStrikes: 2 });
  client.ask(2, "t", TABLE_MAKE_VIEW, makeView("v"));
  await settle();
  client.take();
  const other = open();
  /** Asks what kills an engine, and has it do so twice. */
  const kill = async (msgId: number) => {
    client.ask(msgId, "v", VIEW_TO_CSV);
    for (let i = 0; i < 2; i++) {
      const view = () =>
        engines.find(({ waiting: [first] }) => first?.kind === VIEW_TO_CSV);
      await flush();
      while (view() === undefined) {
        for (const engine of engines) {
          if (engine.waiting.length > 0) engine.step(50);
          if (view() !== undefined) break;
        }
        await flush();
        if (!engines.some(({ waiting }) => waiting.length > 0)) {
          clock.advance(60_000);
        }
        await flush();
      }
      view()!.die("x", true);
    }
  };
  await kill(3);
  assertEquals(client.got.map((it) => [it.msgId, it.kind]), [[3, 50]]);
  assertStringIncludes(
    errorOf(client.frames[0]!).message,
    "lost at view_to_csv (25), which isn't tried again",
  );
  assertEquals([client.ended, router.stats().recovery.poisonous], [
    undefined,
    1,
  ]);
  clock.advance(100_000); // so that the view isn't to blame
  await settle();
  client.ask(4, "v", VIEW_SCHEMA);
  await settle();
  assertEquals(client.got.at(-1)?.kind, VIEW_SCHEMA);
  client.ask(5, "v", VIEW_SCHEMA);
  await settle();
  await kill(6);
  // That was the second strike.
  assertEquals(client.ended, "too many strikes");
  assertEquals(client.session.closed, true);
  clock.advance(100_000);
  await settle();
  other.ask(1, "t", TABLE_SIZE);
  await settle();
  assertEquals(other.got.map((it) => it.kind), [TABLE_SIZE]);
  assertEquals([other.ended, router.stats().engineViews], [undefined, 0]);
});

Deno.test("Who is asked one by one may end what its delete waits for", async () => {
  // Invariant 3
  const { engines, settle, client } = await recoveringTable(2);
  client.ask(2, "t", TABLE_MAKE_VIEW, makeView("v"));
  await settle();
  client.ask(3, "t", Kind.TABLE_DELETE, uint(1, 0));
  client.ask(4, "v", VIEW_TO_CSV);
  await flush();
  engines[1]!.die("x", false);
  await settle();
  client.ask(5, "v", VIEW_SCHEMA);
  client.ask(6, "v", Kind.VIEW_DELETE);
  await settle();
  assertEquals(client.got.map((it) => it.msgId), [2, 4, 5, 6, 3]);
});

Deno.test("A read that may have been fatal isn't asked where one engine is left", async () => {
  const { engines, settle, client, states } = await recoveringTable(2);
  // Two reads of tables, the second on the other engine.
  client.ask(2, "t", TABLE_SCHEMA);
  client.ask(3, "t", TABLE_SIZE);
  assertEquals(engines[0]!.waiting.length, 2);
  engines[0]!.die("x", true);
  await flush();
  // The one that wasn't under way is asked there at once.
  while (states()[0] !== "up") {
    assertEquals(client.got.some((it) => it.msgId === 2), false);
    for (const engine of engines) if (engine.waiting.length > 0) engine.step(1);
    await flush();
  }
  assertEquals(client.got.map((it) => it.msgId), [3]);
  await settle();
  assertEquals(client.got.map((it) => it.msgId), [3, 2]);
});

Deno.test("A read that may have been fatal doesn't wait for an engine that can't be replaced", async () => {
  // Invariant 3
  const { engines, settle, client, failSpawns, states } = await recoveringTable(
    3,
  );
  failSpawns(1);
  client.ask(2, "t", TABLE_SIZE);
  await flush();
  const isAsked = ({ waiting: [first] }: (typeof engines)[number]) =>
    first?.kind === TABLE_SIZE;
  engines.find(isAsked)!.die("x", true);
  await settle();
  assertEquals(states().filter((it) => it === "up").length, 2);
  assertEquals(client.got.map((it) => [it.msgId, it.kind]), [[2, TABLE_SIZE]]);
});

Deno.test("Subscriptions to tables go to the next primary, and tell once", async () => {
  const { TABLE_DELETE, TABLE_ON_DELETE, TABLE_REMOVE_DELETE } = Kind;
  const { engines, settle, client, open } = await recoveringTable(3);
  const other = open();
  client.ask(2, "t", TABLE_ON_DELETE);
  other.ask(2, "t", TABLE_ON_DELETE);
  await settle();
  other.ask(3, "t", TABLE_REMOVE_DELETE, (it) => it.tag(1, 0).uint32(2));
  await settle();
  other.take();
  engines[0]!.die("x");
  await settle();
  client.ask(3, "t", TABLE_DELETE);
  await settle();
  assertEquals(client.got.map((it) => it.msgId), [2, 3]);
  assertEquals(other.frames, []);
});

Deno.test({
  name: "A subscription to a table that a primary died at goes to the next one",
  fn: async () => {
    const { TABLE_DELETE, TABLE_ON_DELETE } = Kind;
    const { engines, settle, client } = await recoveringTable(2);
    client.ask(2, "t", TABLE_ON_DELETE);
    engines[0]!.die("x");
    await settle();
    client.ask(3, "t", TABLE_DELETE);
    await settle();
    assertEquals(client.got.map((it) => it.msgId), [2, 3]);
  },
});

Deno.test("Who waited for somebody's read sees its own changes nevertheless", async () => {
  const { engines, settle, open } = await recoveringTable(2, {
    sharing: true,
  });
  const [a, b] = [open(), open()];
  b.ask(1, "t", TABLE_UPDATE, rows("b"));
  a.ask(1, "t", TABLE_SIZE);
  b.ask(2, "t", TABLE_SIZE);
  engines[0]!.die("x", false);
  await settle();
  assertEquals(b.got.map((it) => it.msgId).toSorted(), [1, 2]);
  const read = b.got.find((it) => it.kind === TABLE_SIZE)!;
  assertEquals(rowsIn(read), ["a", "b"]);
});
