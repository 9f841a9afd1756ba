import { assertEquals } from "@std/assert";
import { Kind } from "../../protocol/kinds.ts";
import { makeView, uint } from "../../testing/frames.ts";
import {
  flush,
  type LogTimedEngine,
  type RecoveringOptions,
  recoveringTable,
  rows,
  rowsIn,
  type TestClient,
  through,
} from "../../testing/routing.ts";

const {
  GET_HOSTED_TABLES,
  MAKE_TABLE,
  TABLE_DELETE,
  TABLE_ON_DELETE,
  TABLE_MAKE_VIEW,
  TABLE_SCHEMA,
  TABLE_SIZE,
  TABLE_UPDATE,
  VIEW_DELETE,
  VIEW_ON_UPDATE,
  VIEW_SCHEMA,
  VIEW_TO_ARROW,
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

type Viewing = Awaited<ReturnType<typeof recoveringTable>>;

/** Has all that there is done, and engines replaced. */
async function settleAll({ settle, clock, states }: Viewing): Promise<void> {
  for (let i = 0; i < 3; i++) {
    await settle();
    clock.advance(60_000);
  }
  await settle();
  assertEquals(states().filter((it) => it !== "up"), []);
}

/** Has engines work until `engine` has something of `kind` in front. */
async function until(
  { engines }: Viewing,
  engine: () => LogTimedEngine | undefined,
  kind: number,
): Promise<void> {
  await flush();
  while (engine()?.waiting[0]?.kind !== kind) {
    const busy = engines.find((it) => it !== engine() && it.waiting.length > 0);
    (busy ?? engine()!).step(50);
    await flush();
  }
}

/** Answers and pushes by `msg_id`. */
const idsOf = ({ got }: TestClient) => got.map(({ msgId }) => msgId);

const pushesOf = ({ got }: TestClient, msgId: number) =>
  got.filter((it) => it.msgId === msgId).length;

// -- Whose changes a read has to see -------------------------------------------

Deno.test("A read that waits for a change sees it, though another shares its poll", async () => {
  // Invariant 2
  const { client, engines, settle, open } = await recoveringTable(2);
  // The other one is at something that takes long: what comes next waits there.
  const other = open();
  for (let i = 0; i < 2; i++) {
    other.ask(1, "t", TABLE_UPDATE, rows("z"));
    engines[0]!.step(1e5);
    if (i === 0) engines[1]!.step(1e5);
  }
  other.ask(2, "t", TABLE_SIZE); // this is suspected
  client.ask(2, "t", TABLE_UPDATE, rows("b"));
  client.ask(3, "t", TABLE_SIZE);
  client.ask(4, "t", TABLE_UPDATE, rows("c"));
  engines[0]!.die("x");
  await settle();
  assertEquals(idsOf(client).toSorted(), [2, 3, 4]);
  const read = client.got.find(({ msgId }) => msgId === 3)!;
  assertEquals(rowsIn(read).slice(0, 4), ["a", "z", "z", "b"]);
});

Deno.test("Who reads after a change that was tried again sees it", async () => {
  // Invariant 2: it isn't given the answer to a read from before that.
  const it = await recoveringTable(3, { sharing: true });
  const { client, engines, open, router } = it;
  const reader = open();
  for (const name of ["v", "w", "x"]) {
    // One on each engine, the last on the primary.
    const config = new TextEncoder().encode(name);
    client.ask(client.got.length + 2, "t", TABLE_MAKE_VIEW, (w) => {
      w.tag(1, 2).string(name).tag(2, 2).bytes(
        new Uint8Array([0x1a, config.length, ...config]),
      );
    });
    await it.settle();
  }
  const onPrimary = engines[0]!.log.views.length;
  assertEquals(onPrimary, 1);
  client.take();
  reader.ask(1, "t", TABLE_UPDATE, rows("b"));
  engines[0]!.die("x");
  client.ask(5, "x", VIEW_TO_ROWS_STRING);
  // The change is made by another one, while the read is under way.
  await until(it, () => engines[3], VIEW_TO_ROWS_STRING);
  assertEquals(idsOf(reader), [1]);
  client.ask(6, "x", VIEW_TO_ROWS_STRING);
  await settleAll(it);
  assertEquals(router.stats().recovery.lost, 1);
  const second = client.got.find(({ msgId }) => msgId === 6)!;
  assertEquals(rowsIn(second), ["a", "b"]);
});

Deno.test("What waited for a view comes before what is asked when it has moved", async () => {
  const it = await viewing(2);
  const { client, engines, failSpawns } = it;
  failSpawns(1);
  engines[1]!.die("x");
  await flush();
  client.ask(4, "v", VIEW_TO_ROWS_STRING);
  client.ask(5, "t", TABLE_UPDATE, rows("b"));
  client.ask(6, "v", VIEW_DELETE);
  await settleAll(it);
  const got = client.got.filter(({ msgId }) => msgId !== 3);
  assertEquals(
    got.map(({ msgId, kind }) => [msgId, kind]).toSorted(),
    [[4, VIEW_TO_ROWS_STRING], [5, TABLE_UPDATE], [6, VIEW_DELETE]],
  );
});

// -- What is there before all of it is -----------------------------------------

/** A view of `t` is there again, and `u` is about to be copied. */
async function halfFilled() {
  const it = await viewing(3);
  const { client, engines } = it;
  client.ask(4, "u", MAKE_TABLE, rows("u"));
  await it.settle();
  engines[2]!.die("x");
  await until(it, () => engines[3], TABLE_MAKE_VIEW);
  await until(it, () => engines[1], TABLE_SCHEMA);
  client.take();
  return { ...it, filling: engines[3]! };
}

Deno.test("A view is asked as soon as its table is there, whatever else is copied", async () => {
  const it = await halfFilled();
  const { client, filling, states } = it;
  client.ask(5, "v", VIEW_TO_ROWS_STRING);
  filling.run();
  assertEquals([states()[2], idsOf(client)], ["filling", [5]]);
  await settleAll(it);
});

Deno.test("Who subscribes to a view while other tables are copied is told of what comes", async () => {
  const it = await halfFilled();
  const { client } = it;
  client.ask(5, "v", VIEW_ON_UPDATE);
  client.ask(6, "t", TABLE_UPDATE, rows("b"));
  await settleAll(it);
  assertEquals([pushesOf(client, 3), pushesOf(client, 5)], [1, 1]);
});

Deno.test("What a view was asked while other tables were copied is asked again", async () => {
  for (const victim of ["it", "its donor"]) {
    const it = await halfFilled();
    const { client, engines, filling } = it;
    client.ask(5, "v", VIEW_TO_ROWS_STRING);
    client.ask(6, "v", VIEW_SCHEMA);
    if (victim === "it") filling.die("y");
    else engines[1]!.die("y");
    await settleAll(it);
    assertEquals(idsOf(client), [5, 6], victim);
  }
});

for (const how of ["moves", "is made again"]) {
  Deno.test(`Who subscribes while the next view ${how} is told of what comes`, async () => {
    const it = await viewing(2);
    const { client, engines, failSpawns, open } = it;
    const other = open();
    other.ask(1, "t", TABLE_MAKE_VIEW, makeView("o1")); // on the other engine
    other.ask(2, "t", TABLE_MAKE_VIEW, makeView("o2"));
    await it.settle();
    if (how === "moves") failSpawns(1);
    engines[1]!.die("x");
    const target = () => how === "moves" ? engines[0] : engines[2];
    await until(it, target, VIEW_ON_UPDATE);
    client.ask(4, "v", VIEW_ON_UPDATE);
    client.ask(5, "t", TABLE_UPDATE, rows("b"));
    await settleAll(it);
    assertEquals([pushesOf(client, 3), pushesOf(client, 4)], [1, 1]);
  });

  Deno.test(`Who subscribes to a view that is yet to be made when it ${how} is told of all`, async () => {
    const it = await recoveringTable(2);
    const { client, engines, failSpawns } = it;
    if (how === "moves") failSpawns(1);
    client.ask(2, "t", TABLE_MAKE_VIEW, makeView("v"));
    client.ask(3, "v", VIEW_ON_UPDATE);
    engines[1]!.die("x");
    client.ask(4, "t", TABLE_UPDATE, rows("b"));
    engines[0]!.run();
    await settleAll(it);
    assertEquals(idsOf(client), [4, 2, 3]);
  });
}

// -- Changes that are in between -------------------------------------------------

Deno.test("A change that is refused after all isn't told of, where it would have been copied", async () => {
  const it = await viewing(3);
  const { client, engines } = it;
  // The donor is the primary, and stays it because of this subscription.
  client.ask(4, "t", TABLE_MAKE_VIEW, makeView("w"));
  client.ask(5, "none", TABLE_ON_DELETE);
  await it.settle();
  client.take();
  client.ask(6, "t", TABLE_UPDATE, rows("b"));
  engines[2]!.die("x");
  await flush();
  client.ask(7, "t", TABLE_UPDATE, through(1, "c"));
  engines[0]!.step(50);
  await flush();
  const under = engines[0]!.waiting.map(({ step }) => step);
  assertEquals(under, ["table_update", "poll", "server_system_info"]);
  engines[0]!.die("y", true);
  await settleAll(it);
  assertEquals(client.got.map(({ msgId, kind }) => [msgId, kind]), [
    [6, TABLE_UPDATE],
    [7, 50],
    [3, VIEW_ON_UPDATE],
  ]);
  assertEquals(client.got[2]!.content.length, 0, "of the first change");
});

Deno.test("A change that is refused after all isn't told of, where views would have moved", async () => {
  const it = await viewing(3);
  const { client, engines, failSpawns } = it;
  client.ask(4, "t", TABLE_MAKE_VIEW, makeView("w"));
  await it.settle();
  client.take();
  client.ask(5, "t", TABLE_UPDATE, through(1, "b"));
  failSpawns(1);
  engines[2]!.die("x");
  await flush();
  assertEquals(engines[0]!.steps.at(-1), "table_make_view");
  engines[0]!.die("y", true);
  await settleAll(it);
  assertEquals(client.got.map(({ msgId, kind }) => [msgId, kind]), [[5, 50]]);
});

Deno.test("A change is told of that is answered right when the engine that is filled is lost", async () => {
  const it = await viewing(3);
  const { client, engines } = it;
  engines[2]!.die("x");
  await until(it, () => engines[1], VIEW_TO_ARROW);
  client.ask(4, "t", TABLE_UPDATE, rows("b"));
  engines[3]!.die("y");
  engines[0]!.run(); // before anybody has noticed
  await settleAll(it);
  assertEquals(idsOf(client), [4, 3]);
});

Deno.test("A view that was made right before its engine was lost is made again", async () => {
  const it = await viewing(3);
  const { client, engines } = it;
  engines[2]!.die("x");
  await until(it, () => engines[3], TABLE_MAKE_VIEW);
  client.ask(4, "t", TABLE_UPDATE, rows("b"));
  engines[0]!.run();
  engines[3]!.step(50);
  engines[3]!.die("y"); // before anybody has noticed
  client.ask(5, "v", VIEW_SCHEMA);
  await settleAll(it);
  assertEquals(idsOf(client), [4, 3, 5]);
  assertEquals(client.got.at(-1)!.kind, VIEW_SCHEMA);
});

Deno.test("An engine that is lost before its copy can begin is replaced all the same", async () => {
  const it = await viewing(3);
  const { client, engines, clock } = it;
  client.ask(4, "t", TABLE_MAKE_VIEW, makeView("w"));
  await it.settle();
  client.ask(5, "t", TABLE_UPDATE, rows("b"));
  engines[2]!.die("x");
  await flush(); // another one is to be the primary, when this is done
  engines[3]!.die("y");
  clock.advance(1000);
  await settleAll(it);
});

Deno.test("Whenever an engine or its donor is lost, it is replaced", async () => {
  for (const victim of [1, 3]) {
    for (let moments = 0; moments < 20; moments++) {
      const it = await viewing(3);
      const { client, engines } = it;
      engines[2]!.die("x");
      await until(it, () => engines[3], TABLE_MAKE_VIEW);
      engines[3]!.step(50);
      // Something is yet to come of that.
      for (let i = 0; i < moments; i++) await Promise.resolve();
      engines[victim]!.die("y");
      await flush();
      if (victim === 3) assertEquals(it.states()[2], "down");
      client.ask(4, "t", TABLE_UPDATE, rows("b"));
      await settleAll(it);
      const alive = engines.filter(({ closes }) => closes === 0);
      for (const { log } of alive) {
        assertEquals(log.tables, { t: ["a", "b"] }, `${victim}, ${moments}`);
      }
      assertEquals(alive.flatMap(({ log }) => log.views).length, 1);
      assertEquals(idsOf(client), [4, 3]);
    }
  }
});

// -- Who follows tables ------------------------------------------------------------

/** A table is made or deleted, whose primary dies when it has said so much of it. */
async function following(kind: number, said: number, answersFirst: boolean) {
  const it = await recoveringTable(3);
  const { client, engines, open } = it;
  for (const { log } of engines) log.answersFirst = answersFirst;
  const follower = open();
  follower.ask(1, "", GET_HOSTED_TABLES, uint(1, 1));
  follower.ask(2, "t", TABLE_ON_DELETE);
  await it.settle();
  if (kind === MAKE_TABLE) client.ask(2, "u", kind, rows("b"));
  else client.ask(2, "t", kind);
  engines[0]!.breakOff(said, "x", false);
  await settleAll(it);
  assertEquals(client.got.map(({ msgId, kind }) => [msgId, kind]), [[2, kind]]);
  return { list: pushesOf(follower, 1), deleted: pushesOf(follower, 2) };
}

for (const answersFirst of [false, true]) {
  const when = answersFirst ? "after" : "before";
  Deno.test(`Who follows tables is told once, though an engine died ${when} it answered`, async () => {
    // Invariant 3
    for (const said of [0, 1, 2]) {
      const told = await following(MAKE_TABLE, said, answersFirst);
      assertEquals(told, { list: 1, deleted: 0 }, `${said} were said`);
    }
    for (const said of [0, 1, 2, 3]) {
      const told = await following(TABLE_DELETE, said, answersFirst);
      assertEquals(told, { list: 1, deleted: 1 }, `${said} were said`);
    }
  });
}

for (const isBegun of [true, false]) {
  Deno.test(`Who ${isBegun ? "follows" : "is about to follow"} tables is told, however busy the next engine is`, async () => {
    const it = await recoveringTable(3);
    const { client, engines, open } = it;
    const writer = open();
    for (let i = 0; i < 2; i++) {
      writer.ask(i + 1, "t", TABLE_UPDATE, rows("z"));
      engines[0]!.step(1e5);
      // The second one waits there.
      if (i === 0) { for (const other of engines.slice(1)) other.step(1e5); }
    }
    client.ask(2, "", GET_HOSTED_TABLES, uint(1, 1));
    client.ask(3, "t", TABLE_ON_DELETE);
    if (isBegun) engines[0]!.run();
    client.ask(4, "t", TABLE_DELETE);
    engines[0]!.die("x");
    await settleAll(it);
    assertEquals(idsOf(client).toSorted(), [2, 3, 4]);
  });
}
