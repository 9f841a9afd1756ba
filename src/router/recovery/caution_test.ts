import { assertEquals } from "@std/assert";
import { Kind } from "../../protocol/kinds.ts";
import { makeView, text } from "../../testing/frames.ts";
import {
  type LogTimedEngine,
  type RecoveringOptions,
  recoveringTable,
  rows,
} from "../../testing/routing.ts";

const {
  TABLE_MAKE_VIEW,
  TABLE_SIZE,
  TABLE_UPDATE,
  VIEW_SCHEMA,
  VIEW_TO_ROWS_STRING,
} = Kind;

/** How many requests of `kind` engines have been sent, and haven't executed. */
const waiting = (engines: readonly LogTimedEngine[], kind: number) =>
  engines.flatMap((it) => it.waiting).filter((it) => it.kind === kind).length;

/** How many steps `step` they have been sent so far. */
const sent = (engines: readonly LogTimedEngine[], step: string) =>
  engines.flatMap((it) => it.steps).filter((it) => it === step).length;

// -- Who is suspected ------------------------------------------------------------

/** A client at whose request one of two engines was lost. */
async function suspected(options?: RecoveringOptions) {
  const it = await recoveringTable(2, options);
  const { client, engines, settle, clock } = it;
  client.ask(2, "t", TABLE_SIZE);
  engines[0]!.die("x", false);
  await settle();
  clock.advance(10_000); // so that the next is replaced at once
  assertEquals(client.take().length, 1);
  return it;
}

Deno.test("Who is suspected asks one thing at a time, until it was answered a hundred times", async () => {
  // Invariant 6
  const { client, engines, settle, open } = await suspected();
  const other = open();
  for (const msgId of [3, 4, 5]) client.ask(msgId, "t", TABLE_SIZE);
  other.ask(1, "t", TABLE_SIZE);
  other.ask(2, "t", TABLE_SIZE);
  assertEquals(waiting(engines, TABLE_SIZE), 3, "others ask what they like");
  await settle();
  assertEquals(client.got.map(({ msgId }) => msgId), [3, 4, 5]);
  assertEquals(other.got.map(({ msgId }) => msgId), [1, 2]);
  // One was the answer to what was tried again.
  for (let msgId = 6; msgId <= 100; msgId++) {
    client.ask(msgId, "t", TABLE_SIZE);
    await settle();
  }
  client.ask(101, "t", TABLE_SIZE);
  client.ask(102, "t", TABLE_SIZE);
  assertEquals(waiting(engines, TABLE_SIZE), 1);
  await settle();
  client.ask(103, "t", TABLE_SIZE);
  client.ask(104, "t", TABLE_SIZE);
  assertEquals(waiting(engines, TABLE_SIZE), 2);
  await settle();
  assertEquals(client.got.length, 102);
});

Deno.test("Who is suspected doesn't ask the last engine, as long as another may come", async () => {
  for (const comes of [true, false]) {
    const { client, engines, settle, failSpawns, states, open } =
      await suspected();
    if (!comes) failSpawns(1);
    engines[1]!.die("y");
    client.ask(3, "t", TABLE_SIZE);
    const other = open();
    other.ask(1, "t", TABLE_SIZE);
    assertEquals(waiting(engines, TABLE_SIZE), 1, "others may");
    await settle();
    assertEquals(states()[1], comes ? "up" : "down");
    assertEquals(client.got.map(({ msgId }) => msgId), [3]);
  }
});

Deno.test("Nothing more is done of what a session has asked that is ended for its strikes", async () => {
  // Invariant 6
  const { client, engines, settle, open, router } = await recoveringTable(3, {
    maxStrikes: 1,
  });
  client.ask(2, "t", TABLE_MAKE_VIEW, makeView("v"));
  await settle();
  client.take();
  const other = open();
  client.ask(3, "t", TABLE_UPDATE, rows("fatal"));
  client.ask(4, "t", TABLE_UPDATE, rows("given"));
  client.ask(5, "v", VIEW_TO_ROWS_STRING); // held, for these
  client.ask(6, "t", TABLE_UPDATE, rows("held"));
  other.ask(1, "t", TABLE_UPDATE, rows("other"));
  const before = sent(engines, "view_to_rows_string");
  engines[0]!.die("x", true);
  await settle();
  assertEquals(client.ended, "too many strikes");
  assertEquals(client.got.map(({ msgId, kind }) => [msgId, kind]), [[3, 50]]);
  assertEquals(other.got.map(({ msgId, kind }) => [msgId, kind]), [
    [1, TABLE_UPDATE],
  ]);
  for (const { log } of engines.slice(1)) {
    assertEquals(log.tables, { t: ["a", "other"] });
  }
  assertEquals(sent(engines, "view_to_rows_string"), before);
  const { pending, sessions, views, collectedChanges } = router.stats();
  assertEquals([pending, sessions, views, collectedChanges], [0, 1, 0, 0]);
});

// -- Whose client has gone ---------------------------------------------------------

/** Two engines that are at something long, and will be for all that comes. */
async function busy(sharing: boolean) {
  const it = await recoveringTable(2, { sharing, cacheSize: 0 });
  const { client, engines, open } = it;
  const { TABLE_VALIDATE_EXPR } = Kind;
  client.ask(2, "t", TABLE_VALIDATE_EXPR);
  engines[0]!.step(1e6); // as all like it will take
  client.take();
  const hog = open();
  for (let i = 1; i <= 4; i++) {
    hog.ask(i, "t", TABLE_VALIDATE_EXPR, text(1, String(i)));
  }
  return it;
}

Deno.test("What a session wanted to read that has ended isn't read, unless somebody has joined it", async () => {
  for (const isJoined of [false, true]) {
    const { engines, settle, open, router } = await busy(true);
    const [reader, joiner] = [open(), open()];
    const before = sent(engines, "table_size");
    reader.ask(1, "t", TABLE_SIZE);
    if (isJoined) joiner.ask(1, "t", TABLE_SIZE);
    assertEquals(sent(engines, "table_size"), before, "it waits");
    reader.session.close();
    await settle();
    assertEquals(sent(engines, "table_size") - before, isJoined ? 1 : 0);
    assertEquals(
      joiner.got.map(({ kind }) => kind),
      isJoined ? [TABLE_SIZE] : [],
    );
    assertEquals(reader.frames, []);
    assertEquals(router.stats().pending, 0);
  }
});

Deno.test("A change is made though its session has ended", async () => {
  const { engines, settle, open } = await busy(false);
  const writer = open();
  writer.ask(1, "t", TABLE_UPDATE, rows("b"));
  writer.session.close();
  await settle();
  for (const { log } of engines) assertEquals(log.tables, { t: ["a", "b"] });
});

Deno.test("A view is made whose maker has gone, if others have it, too", async () => {
  for (const isShared of [false, true]) {
    const { engines, settle, open, router } = await busy(true);
    const [maker, sharer] = [open(), open()];
    maker.ask(1, "t", TABLE_MAKE_VIEW, makeView("v"));
    if (isShared) {
      sharer.ask(1, "t", TABLE_MAKE_VIEW, makeView("s"));
      sharer.ask(2, "s", VIEW_SCHEMA);
    }
    assertEquals(sent(engines, "table_make_view"), 0, "it waits");
    maker.session.close();
    await settle();
    assertEquals(sent(engines, "table_make_view"), isShared ? 1 : 0);
    assertEquals(
      sharer.got.map(({ kind }) => kind),
      isShared ? [TABLE_MAKE_VIEW, VIEW_SCHEMA] : [],
    );
    const { views, engineViews, pending } = router.stats();
    const left = isShared ? 1 : 0;
    assertEquals([views, engineViews, pending], [left, left, 0]);
  }
});
