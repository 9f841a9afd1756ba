import { assertEquals, assertStringIncludes } from "@std/assert";
import { Kind } from "../../protocol/kinds.ts";
import {
  errorOf,
  type Fill,
  makeView,
  message,
  parts,
  text,
  uint,
} from "../../testing/frames.ts";
import {
  flush,
  type RecoveringOptions,
  recoveringTable,
  rows,
  rowsIn,
  type TestClient,
  through,
} from "../../testing/routing.ts";

const {
  TABLE_MAKE_VIEW,
  TABLE_UPDATE,
  VIEW_DELETE,
  VIEW_ON_DELETE,
  VIEW_ON_UPDATE,
  VIEW_REMOVE_ON_UPDATE,
  VIEW_SCHEMA,
  VIEW_TO_CSV,
  VIEW_TO_ROWS_STRING,
} = Kind;

const BY_CITY = message(text(1, "City"));
const WITH_ROWS: Fill = uint(1, 0);

/** What a client got of a subscription: a port each, with `+` if with rows. */
function pushes(client: TestClient, msgId: number): string[] {
  return client.frames.map(parts).filter((it) => it.msgId === msgId)
    .map(({ content }) => {
      const hasRows = content[0] === 0x0a;
      const port = hasRows ? content.subarray(2 + content[1]!) : content;
      return `${port.length > 0 ? port[1] : 0}${hasRows ? "+" : ""}`;
    });
}

/** A client with a view `v` on the second of two engines. */
async function viewing(options?: RecoveringOptions) {
  const it = await recoveringTable(2, options);
  it.client.ask(2, "t", TABLE_MAKE_VIEW, makeView("v"));
  await it.settle();
  it.client.take();
  /** Loses the engine with the view, so that changes are made in between. */
  const lose = () =>
    it.engines.findLast(({ log }) => log.views.length > 0)!.die("x");
  return { ...it, lose };
}

for (const sharing of [false, true]) {
  const how = sharing ? "shared" : "unshared";

  Deno.test(`Subscriptions on a view come back with it, once (${how})`, async () => {
    const { client, lose, settle, engines, router } = await viewing({
      sharing,
    });
    client.ask(3, "v", VIEW_ON_UPDATE);
    client.ask(4, "v", VIEW_ON_UPDATE, WITH_ROWS);
    client.ask(5, "v", VIEW_ON_DELETE);
    client.ask(6, "v", VIEW_ON_UPDATE);
    client.ask(7, "v", VIEW_REMOVE_ON_UPDATE, uint(1, 6));
    await settle();
    assertEquals(client.take().length, 1);
    lose();
    await settle();
    assertEquals(client.frames, [], "nobody notices");
    client.ask(8, "t", TABLE_UPDATE, rows("b"));
    client.ask(9, "v", VIEW_DELETE);
    await settle();
    assertEquals([pushes(client, 3).length, pushes(client, 4)], [1, ["0+"]]);
    const ids = client.got.map((it) => it.msgId);
    assertEquals(ids.toSorted(), [3, 4, 5, 8, 9]);
    assertEquals(ids.indexOf(5) < ids.indexOf(9), true);
    assertEquals(engines.at(-1)!.log.subscriptions, []);
    const { subscriptions, engineViews, views } = router.stats();
    assertEquals([subscriptions, engineViews, views], [0, 0, 0]);
  });

  Deno.test(`What views weren't told of is told once for each port (${how})`, async () => {
    const { client, lose, settle, open } = await viewing({ sharing });
    client.ask(3, "v", VIEW_ON_UPDATE);
    client.ask(4, "v", VIEW_ON_UPDATE, WITH_ROWS);
    await settle();
    client.take();
    const writer = open();
    lose();
    for (let i = 0; i < 3; i++) {
      writer.ask(2 * i, "t", TABLE_UPDATE, rows("b"));
      writer.ask(2 * i + 1, "t", TABLE_UPDATE, through(7, "c"));
    }
    await settle();
    assertEquals(pushes(client, 3).toSorted(), ["0", "7"]);
    assertEquals(pushes(client, 4).toSorted(), ["0+", "7+"]);
    client.take();
    writer.ask(10, "t", TABLE_UPDATE, through(8, "d"));
    await settle();
    assertEquals(pushes(client, 4), ["8+"], "from here on the view pushes");
    client.ask(5, "v", VIEW_TO_ROWS_STRING);
    await settle();
    assertEquals(rowsIn(client.got.at(-1)!).length, 8);
  });

  Deno.test(`A view has what it missed in front of a change that it is told of (${how})`, async () => {
    const { client, settle, engines } = await viewing({ sharing });
    client.ask(3, "v", VIEW_ON_UPDATE);
    await settle();
    client.take();
    client.ask(4, "t", TABLE_UPDATE, rows("b"));
    engines[0]!.run();
    // It is on its way to the view's engine, which has not told of it.
    engines[1]!.die("x");
    await settle();
    client.ask(5, "t", TABLE_UPDATE, rows("c"));
    await settle();
    assertEquals(client.got.map((it) => it.msgId).toSorted(), [3, 3, 4, 5]);
  });

  Deno.test(`A subscription that is owed isn't begun twice (${how})`, async () => {
    const { client, settle, engines, open } = await viewing({ sharing });
    client.ask(3, "v", VIEW_ON_UPDATE);
    engines[1]!.die("x");
    client.ask(4, "v", VIEW_ON_UPDATE, WITH_ROWS);
    await settle();
    assertEquals(client.frames, []);
    open().ask(1, "t", TABLE_UPDATE, rows("b"));
    await settle();
    assertEquals(
      [pushes(client, 3), pushes(client, 4)].map((it) => it.length),
      [
        1,
        1,
      ],
    );
  });
}

Deno.test("Clients that share a view keep it, each with what it subscribed to", async () => {
  // Invariant 5
  const { client, lose, settle, open, router } = await viewing({
    sharing: true,
  });
  const other = open();
  other.ask(2, "t", TABLE_MAKE_VIEW, makeView("w"));
  client.ask(3, "v", VIEW_ON_UPDATE);
  other.ask(3, "w", VIEW_ON_UPDATE, WITH_ROWS);
  await settle();
  other.take();
  lose();
  client.ask(4, "t", TABLE_UPDATE, rows("b"));
  await settle();
  assertEquals([pushes(client, 3), pushes(other, 3)], [["0"], ["0+"]]);
  client.ask(5, "v", VIEW_DELETE);
  client.ask(6, "t", TABLE_UPDATE, rows("c"));
  await settle();
  assertEquals([pushes(client, 3), pushes(other, 3)], [["0"], ["0+", "0+"]]);
  assertEquals(router.stats().engineViews, 1);
});

Deno.test("A view that lingers isn't made again", async () => {
  const { client, lose, settle, engines, router, clock } = await viewing({
    sharing: true,
    viewLinger: 10_000,
  });
  client.ask(3, "v", VIEW_DELETE);
  await settle();
  assertEquals(router.stats().lingeringViews, 1);
  lose();
  const { lingeringViews, engineViews } = router.stats();
  assertEquals([lingeringViews, engineViews, clock.pauses], [0, 0, []]);
  await settle();
  assertEquals(engines.at(-1)!.log.views, []);
  // Nobody can tell.
  client.ask(4, "t", TABLE_MAKE_VIEW, makeView("v"));
  client.ask(5, "v", VIEW_SCHEMA);
  await settle();
  assertEquals(client.got.map((it) => it.kind), [
    VIEW_DELETE,
    TABLE_MAKE_VIEW,
    VIEW_SCHEMA,
  ]);
});

Deno.test("The delete of a view that went with its engine is answered", async () => {
  const { client, settle, engines, router } = await viewing();
  client.ask(3, "v", VIEW_DELETE);
  engines[1]!.die("x");
  assertEquals(client.got.map((it) => [it.msgId, it.kind]), [[3, VIEW_DELETE]]);
  await settle();
  const { engineViews, views, pending } = router.stats();
  assertEquals([engineViews, views, pending], [0, 0, 0]);
});

Deno.test("A closed session's views go with their engine, or after it", async () => {
  for (const sharing of [false, true]) {
    for (const isBefore of [false, true]) {
      const { client, lose, settle, engines, router } = await viewing({
        sharing,
      });
      client.ask(3, "v", VIEW_ON_UPDATE);
      client.ask(4, "v", VIEW_TO_CSV);
      if (isBefore) client.session.close();
      lose();
      if (!isBefore) client.session.close();
      await settle();
      const { engineViews, views, subscriptions, pending, replicas } = router
        .stats();
      assertEquals([engineViews, views, subscriptions, pending], [0, 0, 0, 0]);
      assertEquals(replicas.map((it) => it.views), [0, 0]);
      assertEquals(engines.at(-1)!.log.views, []);
    }
  }
});

/** Has the engine with the view die of it, `count` times, and be replaced. */
async function killWith(
  it: Awaited<ReturnType<typeof viewing>>,
  count: number,
  pause = 10_000,
): Promise<void> {
  const { client, settle, engines, clock } = it;
  for (let i = 0; i < count; i++) {
    client.ask(100 + i, "t", TABLE_UPDATE, rows(String(i)));
    engines[0]!.run();
    // It is answered, so only the poll after it can be to blame.
    engines.at(-1)!.breakOff(0, "in the poll", false);
    await settle();
    clock.advance(pause);
    await settle();
  }
}

Deno.test("A view that three engines were lost at is taken away", async () => {
  const it = await viewing();
  const { client, errors, router, settle, open } = it;
  client.ask(3, "v", VIEW_ON_UPDATE);
  await settle();
  const other = open();
  other.ask(1, "t", TABLE_MAKE_VIEW, makeView("w", BY_CITY));
  await settle();
  other.take();
  await killWith(it, 2);
  assertEquals(router.stats().recovery.removedViews, 0);
  client.take();
  await killWith(it, 1);
  assertEquals(router.stats().recovery.removedViews, 1);
  const told = errors.filter((it) => it.includes("is removed"));
  assertEquals(told.length, 1);
  assertStringIncludes(told[0]!, `A view of table "t" is removed: 3 engines`);
  client.take();
  client.ask(4, "v", VIEW_SCHEMA);
  client.ask(5, "v", VIEW_SCHEMA);
  client.ask(6, "t", TABLE_MAKE_VIEW, makeView("v")); // the name is free
  other.ask(2, "w", VIEW_SCHEMA);
  client.ask(7, "t", TABLE_UPDATE, rows("z"));
  await settle();
  assertEquals(client.frames.slice(0, 2).map(errorOf), [
    { message: "View not found", status: 1 },
    { message: "View not found", status: 1 },
  ]);
  // Of its subscription nothing is left.
  assertEquals(client.got.map((it) => it.msgId).toSorted(), [4, 5, 6, 7]);
  assertEquals(other.got.map((it) => it.kind), [VIEW_SCHEMA]);
  assertEquals([router.stats().views, router.stats().subscriptions], [2, 0]);
});

Deno.test("Three deaths that are far apart don't count against a view", async () => {
  const it = await viewing();
  await killWith(it, 4, 31_000);
  assertEquals(it.router.stats().recovery.removedViews, 0);
});

Deno.test("A view that can't be made again is taken away from all who have it", async () => {
  const { client, lose, settle, open, bad, router, errors, engines } =
    await viewing({ sharing: true });
  const other = open();
  other.ask(2, "t", TABLE_MAKE_VIEW, makeView("w"));
  client.ask(3, "t", TABLE_MAKE_VIEW, makeView("x", BY_CITY));
  client.ask(4, "v", VIEW_ON_UPDATE);
  await settle();
  client.take();
  other.take();
  bad.add(""); // the config of what they share
  lose();
  client.ask(5, "v", VIEW_TO_CSV); // has to wait
  await settle();
  client.ask(6, "v", VIEW_SCHEMA);
  other.ask(5, "w", VIEW_SCHEMA);
  client.ask(7, "x", VIEW_SCHEMA);
  await settle();
  assertEquals(client.got.map((it) => [it.msgId, it.kind]), [
    [5, 50],
    [6, 50],
    [7, VIEW_SCHEMA],
  ]);
  assertEquals(errorOf(other.frames[0]!), {
    message: "View not found",
    status: 1,
  });
  const { recovery, engineViews, subscriptions } = router.stats();
  assertEquals([recovery.removedViews, recovery.replaced], [1, 1]);
  assertEquals([engineViews, subscriptions], [1, 0]);
  const told = errors.filter((it) => it.includes("it can't be made again"));
  assertEquals(told.length, 1);
  assertStringIncludes(told[0]!, "Bad config");
  assertEquals(engines.at(-1)!.log.views, []);
});

Deno.test("Views of one table are there before those of the next are copied", async () => {
  const { client, lose, settle, engines } = await viewing();
  client.ask(3, "u", Kind.MAKE_TABLE, rows("b"));
  await settle();
  lose();
  await settle();
  assertEquals(engines[2]!.steps, [
    "make_table+",
    "table_make_view",
    "make_table+",
  ]);
});

Deno.test({
  name: "A read in front of its view's delete is answered",
  fn: async () => {
    const { client, settle, engines } = await viewing();
    client.ask(3, "v", VIEW_TO_ROWS_STRING);
    client.ask(4, "v", VIEW_DELETE);
    engines[1]!.die("x");
    await settle();
    assertEquals(client.got.map((it) => [it.msgId, it.kind]), [
      [3, VIEW_TO_ROWS_STRING],
      [4, VIEW_DELETE],
    ]);
  },
});

Deno.test({
  name: "A view that is deleted while its engine is away is deleted",
  fn: async () => {
    const { client, settle, lose } = await viewing();
    lose();
    client.ask(3, "v", VIEW_DELETE);
    await settle();
    assertEquals(client.got.map((it) => it.kind), [VIEW_DELETE]);
  },
});

Deno.test({
  name:
    "A subscription that is asked for while its view is made again isn't begun twice",
  fn: async () => {
    const { client, settle, engines } = await viewing();
    engines[1]!.die("x");
    await flush();
    const isMaking = () =>
      engines[2]?.waiting.some((it) => it.kind === TABLE_MAKE_VIEW) === true;
    while (!isMaking()) {
      const busy = engines.find((it) => it.waiting.length > 0);
      busy!.step(50);
      await flush();
    }
    client.ask(3, "v", VIEW_ON_UPDATE);
    await settle();
    client.ask(4, "t", TABLE_UPDATE, rows("b"));
    await settle();
    assertEquals(client.got.map((it) => it.msgId).toSorted(), [3, 4]);
  },
});

Deno.test({
  name: "A subscription that is owed is told of what changes behind it",
  fn: async () => {
    const { client, settle, engines } = await viewing();
    client.ask(3, "v", VIEW_ON_UPDATE);
    engines[1]!.die("x");
    client.ask(4, "t", TABLE_UPDATE, rows("b"));
    await settle();
    assertEquals(client.got.map((it) => it.msgId).toSorted(), [3, 4]);
  },
});

Deno.test({
  name: "Whom the last poll told is not told again",
  fn: async () => {
    const { client, settle, engines } = await viewing();
    client.ask(3, "v", VIEW_ON_UPDATE);
    client.ask(4, "v", VIEW_ON_UPDATE);
    await settle();
    client.ask(5, "t", TABLE_UPDATE, rows("b"));
    engines[0]!.run();
    engines[1]!.breakOff(2, "x"); // its answer to the change, and one push
    assertEquals(client.got.map((it) => it.msgId), [5, 3]);
    await settle();
    assertEquals(client.got.map((it) => it.msgId), [5, 3, 4]);
  },
});

Deno.test({
  name:
    "A subscription to what is pushed already is told of what changes behind it",
  // With sharing it isn't begun in the engine but waits for its place, which is
  // asked for only when the engine is there, behind the change.
  fn: async () => {
    const { client, settle, lose } = await viewing({ sharing: true });
    client.ask(3, "v", VIEW_ON_UPDATE);
    await settle();
    lose();
    client.ask(4, "v", VIEW_ON_UPDATE);
    client.ask(5, "t", TABLE_UPDATE, rows("b"));
    await settle();
    assertEquals(client.got.map((it) => it.msgId).toSorted(), [3, 4, 5]);
  },
});

Deno.test({
  name: "A subscription that is asked for once its view is there is told, too",
  // It waits until all tables are there, but changes of its own don't.
  fn: async () => {
    const { client, settle, engines, lose } = await viewing();
    client.ask(3, "u", Kind.MAKE_TABLE, rows("b"));
    await settle();
    client.take();
    lose();
    await flush();
    // The view is there, and the other table is about to be copied.
    while (engines[2]!.log.views.length === 0) {
      engines.find((it) => it.waiting.length > 0)!.step(50);
      await flush();
    }
    client.ask(4, "v", VIEW_ON_UPDATE);
    client.ask(5, "t", TABLE_UPDATE, rows("c"));
    await settle();
    assertEquals(client.got.map((it) => it.msgId).toSorted(), [4, 5]);
  },
});

Deno.test("A view that is deleted before it was made is made once, for its answer", async () => {
  const { client, settle, engines, open } = await recoveringTable(2);
  client.ask(2, "t", TABLE_MAKE_VIEW, makeView("v"));
  client.ask(3, "v", VIEW_ON_UPDATE);
  client.ask(4, "v", VIEW_DELETE);
  engines[1]!.die("x");
  open().ask(1, "t", TABLE_UPDATE, rows("b"));
  await settle();
  assertEquals(client.got.map((it) => it.msgId), [2, 4]);
  const makings = engines[2]!.steps.filter((it) => it === "table_make_view");
  assertEquals(makings.length, 1);
});
