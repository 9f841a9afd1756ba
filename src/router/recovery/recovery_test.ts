import { assertEquals, assertStringIncludes } from "@std/assert";
import { Kind } from "../../protocol/kinds.ts";
import { errorOf, makeView } from "../../testing/frames.ts";
import {
  flush,
  LogTimedEngine,
  type RecoveringOptions,
  recoveringTable,
  rows,
  rowsIn,
  UNWATCHED,
} from "../../testing/routing.ts";
import { LogEngine } from "../../testing/fake_engine.ts";
import { TimedEngine } from "../../testing/timed_engine.ts";
import { Router } from "../router.ts";

const {
  TABLE_MAKE_VIEW,
  TABLE_SIZE,
  TABLE_UPDATE,
  VIEW_ON_UPDATE,
  VIEW_SCHEMA,
  VIEW_TO_CSV,
  VIEW_TO_ROWS_STRING,
} = Kind;

/** A view `v` on the last of so many engines, and a subscription to it. */
async function viewing(count: number, options?: RecoveringOptions) {
  const it = await recoveringTable(count, options);
  it.client.ask(2, "t", TABLE_MAKE_VIEW, makeView("v"));
  it.client.ask(3, "v", VIEW_ON_UPDATE);
  await it.settle();
  it.client.take();
  return it;
}

// -- Engines that can't be started -------------------------------------------

Deno.test("Views move to another engine if none can be started, until one can", async () => {
  // Invariant 7
  const { client, engines, settle, failSpawns, router, clock, states, errors } =
    await viewing(3);
  failSpawns(2);
  client.ask(4, "v", VIEW_TO_ROWS_STRING);
  engines[2]!.die("x");
  client.ask(5, "t", TABLE_UPDATE, rows("b"));
  client.ask(6, "v", VIEW_SCHEMA);
  await settle();
  const views = () => router.stats().replicas.map((it) => it.views);
  assertEquals([states(), views()], [["up", "up", "down"], [0, 1, 0]]);
  assertEquals(client.got.map((it) => it.msgId).toSorted(), [3, 4, 5, 6]);
  assertEquals(errors.length, 2);
  assertStringIncludes(errors[1]!, "Engine 2 can't be replaced now");
  assertStringIncludes(errors[1]!, "no memory");
  clock.advance(250);
  await settle();
  // It fails again, of which the program has been told.
  assertEquals([errors.length, states()[2]], [2, "down"]);
  client.take();
  client.ask(7, "t", TABLE_UPDATE, rows("c"));
  client.ask(8, "v", VIEW_TO_ROWS_STRING);
  await settle();
  assertEquals(client.got.map((it) => it.msgId), [7, 3, 8]);
  clock.advance(500);
  await settle();
  assertEquals([states(), views()], [["up", "up", "up"], [0, 1, 0]]);
  assertEquals(engines.at(-1)!.log.tables, { t: ["a", "b", "c"] });
  assertEquals(router.stats().recovery.replaced, 1);
  // If it is lost once more, it is a new story.
  failSpawns(1);
  clock.advance(10_000);
  engines.at(-1)!.die("x");
  await settle();
  assertEquals(errors.length, 4);
});

Deno.test("Views move behind the changes of an engine, and changes come behind them", async () => {
  for (let steps = 0; steps < 8; steps++) {
    const { client, engines, failSpawns, settle, open } = await viewing(3);
    failSpawns(1);
    const writer = open();
    writer.ask(1, "t", TABLE_UPDATE, rows("b"));
    engines[0]!.run();
    engines[2]!.die("x");
    await flush();
    for (let i = 0; i < steps; i++) {
      for (const engine of engines) {
        if (engine.waiting.length > 0) engine.step(50);
      }
      await flush();
    }
    writer.ask(2, "t", TABLE_UPDATE, rows("c"));
    client.ask(4, "v", VIEW_TO_ROWS_STRING);
    await settle();
    const why = `after ${steps} steps`;
    assertEquals(writer.got.map((it) => it.msgId), [1, 2], why);
    const read = client.got.find((it) => it.msgId === 4)!;
    assertEquals(rowsIn(read)[1], "b", why);
    assertEquals(client.got.filter((it) => it.msgId === 3).length, 2, why);
  }
});

Deno.test("Replacements are put off longer and longer while engines don't live long", async () => {
  const { engines, settle, clock, states } = await recoveringTable(2);
  const pauses: number[] = [];
  const lose = async () => {
    engines.findLast(({ closes }) => closes === 0)!.die("x");
    await settle();
    pauses.push(clock.pauses[0] ?? 0);
    clock.advance(clock.pauses[0] ?? 0);
    await settle();
    assertEquals(states(), ["up", "up"]);
  };
  // The newest dies again and again.
  for (let i = 0; i < 10; i++) await lose();
  assertEquals(pauses, [
    ...[0, 250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000],
  ]);
  clock.advance(2000);
  await lose();
  assertEquals(pauses.at(-1), 30_000, "it hasn't lived long enough");
  clock.advance(2001);
  await lose();
  await lose();
  assertEquals(pauses.slice(-2), [0, 250]);
});

Deno.test("Engines are replaced one after the other", async () => {
  const { engines, settle, states, client } = await viewing(4);
  engines[3]!.die("x");
  engines[1]!.die("y");
  await flush();
  assertEquals(states(), ["up", "down", "up", "filling"]);
  client.ask(4, "v", VIEW_SCHEMA);
  await settle();
  assertEquals(states(), ["up", "up", "up", "up"]);
  assertEquals(client.got.map((it) => it.msgId), [4]);
  assertEquals(engines.slice(4).map(({ log }) => log.tables), [
    { t: ["a"] },
    { t: ["a"] },
  ]);
});

// -- Engines that are replaced though they live ------------------------------

Deno.test("An engine whose heap is too large goes when it is done with what it is at", async () => {
  const { client, engines, settle, router, errors } = await viewing(2, {
    maxHeapSize: 1000,
  });
  client.ask(4, "v", VIEW_TO_ROWS_STRING);
  client.ask(5, "v", VIEW_SCHEMA);
  const [, old] = engines;
  const under = old!.waiting.length;
  old!.growTo(1000);
  assertEquals([old!.closes, router.stats().recovery.lost], [0, 0]);
  old!.growTo(1001);
  old!.growTo(1002);
  client.ask(6, "v", VIEW_TO_CSV);
  assertEquals([old!.closes, old!.waiting.length], [0, under]);
  old!.run();
  assertEquals([old!.closes, router.stats().recovery.lost], [1, 1]);
  await settle();
  assertEquals(client.got.map((it) => it.msgId), [4, 5, 6]);
  assertEquals(client.got.some((it) => it.kind === 50), false);
  const { replaced, poisonous, removedViews } = router.stats().recovery;
  assertEquals([replaced, poisonous, removedViews], [1, 0, 0]);
  assertEquals(errors.length, 1);
  assertStringIncludes(errors[0]!, "(maxHeapSize)");
});

Deno.test("The only engine isn't recycled before there is another, nor one that was so large from the start", async () => {
  const { engines, settle, router, clock, client } = await recoveringTable(2, {
    maxHeapSize: 1000,
  });
  engines[1]!.die("x");
  engines[0]!.growTo(5000);
  assertEquals(router.stats().recovery.lost, 1);
  await flush();
  engines[2]!.growTo(4000);
  await settle();
  clock.advance(10_000);
  await settle();
  assertEquals(router.stats().recovery.lost, 2);
  engines[2]!.growTo(4999);
  assertEquals(router.stats().recovery.lost, 2);
  engines[2]!.growTo(5001);
  assertEquals(router.stats().recovery.lost, 3);
  client.ask(2, "t", TABLE_SIZE);
  await settle();
  assertEquals(client.got.map((it) => it.msgId), [2]);
});

Deno.test("An engine that hangs is given up, and what it was at isn't tried again", async () => {
  for (const ends of [true, false]) {
    const { client, engines, settle, router, clock, errors } = await viewing(
      2,
      {
        timeout: (kind) => kind === TABLE_UPDATE ? 1000 : Infinity,
      },
    );
    client.ask(4, "t", TABLE_UPDATE, rows("b"));
    client.ask(5, "t", TABLE_UPDATE, rows("c"));
    engines[0]!.endsAbandoned = ends;
    clock.advance(999);
    assertEquals(router.stats().recovery.lost, 0);
    clock.advance(1);
    const { recovery } = router.stats();
    assertEquals([recovery.lost, recovery.abandoned], [1, ends ? 0 : 1]);
    assertEquals([engines[0]!.abandons, engines[0]!.closes], [1, 0]);
    assertEquals(client.got.map((it) => [it.msgId, it.kind]), [[4, 50]]);
    clock.advance(500); // what comes next has begun only now
    await settle();
    assertEquals(client.got.filter((it) => it.msgId === 5).length, 1);
    assertEquals(engines.at(-1)!.log.tables, { t: ["a", "c"] });
    assertEquals(errors.length, 1);
    assertStringIncludes(errors[0]!, "(requestTimeout)");
    assertEquals(clock.pauses.filter((it) => it > 1000), []);
  }
});

/** An engine of two is lost, and the copy from the other one is under way. */
async function copying(timeout: (kind: number) => number) {
  const it = await viewing(2, { timeout });
  it.engines[1]!.die("x");
  await flush();
  const { lost } = it.router.stats().recovery;
  const under = () => it.engines.map(({ waiting }) => waiting.length);
  assertEquals([lost, under()], [1, [1, 0, 0]]);
  return { ...it, under };
}

Deno.test("A copy may take longer than what clients ask", async () => {
  const { client, engines, clock, router, settle, states, under } =
    await copying(() => 200);
  // Each step of it, on the donor as on the new engine.
  for (let step = 0; router.stats().recovery.replaced === 0; step++) {
    clock.advance(29_999);
    assertEquals(router.stats().recovery.lost, 1, `at step ${step}`);
    for (const it of engines) if (it.waiting.length > 0) it.step(50);
    await flush();
  }
  await settle();
  assertEquals([states(), under()], [["up", "up"], [0, 0, 0]]);
  // Clients have no more time than before.
  client.ask(4, "t", TABLE_SIZE);
  clock.advance(199);
  assertEquals(router.stats().recovery.lost, 1);
  clock.advance(1);
  assertEquals(router.stats().recovery.lost, 2);
});

Deno.test("A copy that doesn't come back loses the donor, unless no time is set", async () => {
  for (
    const [timeout, ms] of [[200, 30_000], [40_000, 40_000], [Infinity, 1e9]]
  ) {
    const { clock, router } = await copying(() => timeout!);
    clock.advance(ms! - 1);
    assertEquals(router.lost, undefined, `${timeout}`);
    clock.advance(1);
    const isLost = router.lost !== undefined;
    assertEquals(isLost, timeout !== Infinity, `${timeout}`);
  }
});

Deno.test("An engine with a fault is replaced, unless it is the only one", async () => {
  const { client, engines, settle, router, errors } = await viewing(2);
  engines[1]!.fault("stale");
  client.ask(4, "v", VIEW_SCHEMA);
  engines[0]!.fault("stale, too");
  assertEquals(router.stats().recovery.lost, 1);
  assertEquals(errors.at(-1), "engine: stale, too");
  await settle();
  assertEquals(client.got.map((it) => it.msgId), [4]);
  assertEquals(router.stats().recovery.replaced, 1);
});

// -- The end -----------------------------------------------------------------

Deno.test("When all engines are lost, everybody is told, once", async () => {
  // Invariants 3 and 10
  const lost: string[] = [];
  const { client, engines, settle, router, errors, open, clock } =
    await viewing(2, { onLost: ({ message }) => lost.push(message) });
  const other = open();
  client.ask(4, "t", TABLE_UPDATE, rows("b"));
  client.ask(5, "v", VIEW_SCHEMA);
  other.ask(1, "t", TABLE_SIZE);
  engines[1]!.die("x");
  client.ask(6, "v", VIEW_TO_CSV); // waits for another one
  await flush();
  engines[0]!.die("y");
  const message = "The engine is lost, and its tables with it: y";
  assertEquals(lost, [message]);
  assertEquals([router.lost?.message, errors.at(-1)], [
    message,
    `engine: ${message}`,
  ]);
  assertEquals(client.got.map((it) => it.msgId).toSorted(), [4, 5, 6]);
  for (const frame of [...client.frames, ...other.frames]) {
    assertEquals(errorOf(frame).message, message);
  }
  assertEquals(other.got.map((it) => it.msgId), [1]);
  assertEquals([client.ended, other.ended], ["engine lost", "engine lost"]);
  // Also the one that was being filled.
  for (const { closes } of engines) assertEquals(closes > 0, true);
  await settle();
  clock.advance(60_000);
  await settle();
  assertEquals([lost.length, engines.length, clock.pauses], [1, 3, []]);
  const { recovery, pending, sessions } = router.stats();
  assertEquals([recovery.lost, recovery.replaced], [2, 0]);
  assertEquals([pending, sessions], [0, 0]);
});

/** Engines that are started when the test says. */
function starts() {
  const started = Promise.withResolvers<LogTimedEngine>();
  const engine = new LogTimedEngine("3", new LogEngine());
  return {
    engine,
    spawn: () => started.promise,
    start: () => started.resolve(engine),
  };
}

Deno.test("Router.close() ends what is being replaced", async () => {
  for (const isStarted of [false, true]) {
    const { engine, spawn, start } = starts();
    const { client, engines, router, clock } = await viewing(2, { spawn });
    engines[1]!.die("x");
    client.ask(4, "v", VIEW_SCHEMA);
    if (isStarted) start();
    await flush();
    const closed = router.close();
    start();
    await flush();
    await closed;
    assertEquals(engine.closes > 0, true);
    assertEquals([client.got.map((it) => it.kind), client.ended], [
      [50],
      "server closed",
    ]);
    assertEquals(clock.pauses, []);
  }
});

Deno.test("Without spawn, one lost engine is the end", () => {
  const engines = [new TimedEngine(), new TimedEngine()];
  let lost = 0;
  const router = new Router(engines, {
    onError: () => {},
    maxInFlight: Infinity,
    maxInFlightSize: Infinity,
    shortRequest: 25,
    fastLane: true,
    sharing: false,
    cacheSize: 0,
    viewLinger: 0,
    ...UNWATCHED,
    onLost: () => lost++,
  });
  engines[1]!.die("x");
  engines[0]!.die("y");
  assertEquals([lost, router.lost?.message.endsWith(": x")], [1, true]);
});

Deno.test({
  name: "Two engines whose heaps are too large go one after the other",
  fn: async () => {
    const { client, engines, settle, states, router } = await viewing(2, {
      maxHeapSize: 1000,
    });
    client.ask(4, "t", TABLE_SIZE);
    client.ask(5, "v", VIEW_SCHEMA);
    for (const engine of engines) engine.growTo(1001);
    await settle();
    assertEquals([client.ended, states()], [undefined, ["up", "up"]]);
    assertEquals(router.stats().recovery.replaced, 2);
  },
});

Deno.test({
  name: "An engine isn't recycled if it has become the last one meanwhile",
  fn: async () => {
    const { client, engines, settle, states } = await viewing(2, {
      maxHeapSize: 1000,
    });
    client.ask(4, "v", VIEW_SCHEMA);
    engines[1]!.growTo(1001);
    engines[0]!.die("x");
    await settle();
    assertEquals([client.ended, states()], [undefined, ["up", "up"]]);
  },
});

Deno.test({
  name: "Views that move to the primary are told of what it was given before",
  fn: async () => {
    const { client, engines, settle, failSpawns } = await viewing(2);
    failSpawns(1);
    client.ask(4, "t", TABLE_UPDATE, rows("b"));
    engines[1]!.die("x");
    await settle();
    assertEquals(client.got.map((it) => it.msgId).toSorted(), [3, 4]);
  },
});

Deno.test({
  name: "Views that were moving when that engine was lost, too, miss nothing",
  fn: async () => {
    const { client, engines, settle, failSpawns, clock } = await viewing(3);
    failSpawns(1);
    engines[2]!.die("x");
    client.ask(4, "t", TABLE_UPDATE, rows("b"));
    engines[0]!.run();
    await flush();
    engines[1]!.die("y");
    for (let i = 0; i < 3; i++) {
      await settle();
      clock.advance(60_000);
    }
    assertEquals(client.got.map((it) => it.msgId).toSorted(), [3, 4]);
  },
});

Deno.test({
  name: "An engine that was started too late replaces none",
  fn: async () => {
    const { spawn, start } = starts();
    const { engines, router } = await viewing(2, { spawn });
    engines[1]!.die("x");
    await flush();
    engines[0]!.die("y");
    start();
    await flush();
    assertEquals(router.stats().recovery.replaced, 0);
  },
});

Deno.test({
  name: "A read that may have been fatal doesn't move to the last engine",
  fn: async () => {
    const { client, engines, settle, failSpawns, clock } = await viewing(2);
    failSpawns(1);
    client.ask(4, "v", VIEW_TO_CSV);
    engines[1]!.die("x", true);
    await settle();
    assertEquals(engines[0]!.steps.includes("view_to_csv"), false);
    clock.advance(60_000);
    await settle();
    assertEquals(client.got.map((it) => it.msgId), [4]);
  },
});

Deno.test({
  name: "Subscriptions of views that were moving aren't what that engine owes",
  // They are the client's, so they are asked again of its replacement, where
  // the view isn't: it says so, to the client, and the subscription is gone.
  fn: async () => {
    const { client, engines, settle, failSpawns, clock } = await viewing(3);
    failSpawns(1);
    engines[2]!.die("x");
    await flush();
    while (engines[1]!.waiting[0]?.kind !== VIEW_ON_UPDATE) {
      engines[1]!.step(50);
      await flush();
    }
    engines[1]!.die("y");
    for (let i = 0; i < 3; i++) {
      await settle();
      clock.advance(60_000);
    }
    assertEquals(client.frames, []);
    client.ask(4, "t", TABLE_UPDATE, rows("b"));
    await settle();
    assertEquals(client.got.map((it) => it.msgId), [4, 3]);
  },
});

Deno.test("What follows a request that may have been fatal waits with it", async () => {
  const { client, engines, settle, failSpawns, clock } = await recoveringTable(
    2,
  );
  failSpawns(1);
  client.ask(2, "t", TABLE_MAKE_VIEW, makeView("v"));
  client.ask(3, "v", VIEW_SCHEMA);
  engines[1]!.die("x", false);
  await settle();
  clock.advance(60_000);
  await settle();
  assertEquals(client.got.map((it) => [it.msgId, it.kind]), [
    [2, TABLE_MAKE_VIEW],
    [3, VIEW_SCHEMA],
  ]);
});

Deno.test("A view's delete doesn't overtake a read that may have been fatal", async () => {
  const { client, engines, settle, failSpawns, clock } = await viewing(2);
  failSpawns(1);
  client.ask(4, "v", VIEW_TO_CSV);
  client.ask(5, "v", Kind.VIEW_DELETE);
  engines[1]!.die("x", false);
  await settle();
  clock.advance(60_000);
  await settle();
  assertEquals(client.got.map((it) => [it.msgId, it.kind]), [
    [4, VIEW_TO_CSV],
    [5, Kind.VIEW_DELETE],
  ]);
});

Deno.test({
  name: "Subscriptions of views that were moving are begun once",
  // If the engine of the views is replaced before the one to which they moved,
  // what that one owes is asked of the views, which have it by then.
  fn: async () => {
    const { client, engines, settle, failSpawns, clock } = await viewing(3);
    engines[1]!.die("w"); // so that it will be replaced later
    await settle();
    failSpawns(1);
    engines[2]!.die("x");
    await flush();
    const target = engines[3]!;
    while (target.waiting[0]?.kind !== VIEW_ON_UPDATE) {
      target.step(50);
      await flush();
    }
    target.die("y");
    for (let i = 0; i < 3; i++) {
      await settle();
      clock.advance(60_000);
    }
    client.ask(4, "t", TABLE_UPDATE, rows("b"));
    await settle();
    assertEquals(client.got.map((it) => it.msgId), [4, 3]);
  },
});
