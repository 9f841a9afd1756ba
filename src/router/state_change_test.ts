import { assertEquals } from "@std/assert";
import { Kind } from "../protocol/kinds.ts";
import { makeView, message, text, uint } from "../testing/frames.ts";
import {
  recoveringTable,
  rows,
  rowsIn,
  timedRouting,
} from "../testing/routing.ts";
import { frame } from "../testing/frames.ts";

const {
  TABLE_DELETE,
  TABLE_MAKE_VIEW,
  TABLE_UPDATE,
  VIEW_COLLAPSE,
  VIEW_DELETE,
  VIEW_EXPAND,
  VIEW_SET_DEPTH,
  VIEW_TO_ROWS_STRING,
} = Kind;

const GROUPED = message(text(1, "x"));

/** A view `v` that groups the rows `a` and `b`, on the second of two engines. */
async function grouping(sharing: boolean) {
  const it = await recoveringTable(2, { sharing });
  const { client, settle } = it;
  client.ask(2, "t", TABLE_UPDATE, rows("b"));
  client.ask(3, "t", TABLE_MAKE_VIEW, makeView("v", GROUPED));
  await settle();
  client.take();
  let msgId = 10;
  const read = async () => {
    client.take();
    client.ask(++msgId, "v", VIEW_TO_ROWS_STRING);
    await settle();
    return rowsIn(client.got.at(-1)!).map(String);
  };
  const steps = () => it.engines[1]!.steps.splice(0);
  const lose = async () => {
    it.engines[1]!.die("x");
    await settle();
  };
  steps();
  return { ...it, read, steps, lose };
}

for (const sharing of [false, true]) {
  const how = sharing ? "shared" : "unshared";

  Deno.test(`What was collapsed is collapsed on the next engine (${how})`, async () => {
    const { client, settle, read, steps, lose } = await grouping(sharing);
    assertEquals(await read(), ["", "a", "b"]);
    steps();
    client.ask(4, "v", VIEW_COLLAPSE, uint(1, 0));
    await settle();
    // Nothing comes between reading the paths and changing them.
    assertEquals(steps(), ["view_to_columns_string", "view_collapse"]);
    assertEquals(client.got.map((it) => it.msgId).slice(-1), [4]);
    assertEquals(await read(), [""]);
    await lose();
    assertEquals(await read(), [""]);
  });

  Deno.test(`What was expanded again is expanded on the next engine (${how})`, async () => {
    const { client, settle, read, lose } = await grouping(sharing);
    client.ask(4, "v", VIEW_COLLAPSE, uint(1, 0));
    client.ask(5, "v", VIEW_EXPAND, uint(1, 0));
    await settle();
    await lose();
    assertEquals(await read(), ["", "a", "b"]);
  });

  Deno.test(`The depth is the same on the next engine (${how})`, async () => {
    const { client, settle, read, steps, lose } = await grouping(sharing);
    client.ask(4, "v", VIEW_SET_DEPTH, uint(1, 0));
    await settle();
    assertEquals(
      steps(),
      ["view_set_depth"],
      "there is nothing to read before",
    );
    await lose();
    assertEquals(await read(), [""]);
  });
}

for (const kind of [VIEW_EXPAND, VIEW_COLLAPSE]) {
  Deno.test(`The last row that can be named is none, of kind ${kind}, and the view goes`, async () => {
    const { client, settle, router } = await grouping(false);
    client.ask(4, "v", kind, uint(1, 0xffff_ffff));
    client.ask(5, "v", VIEW_DELETE);
    client.ask(6, "t", TABLE_DELETE, uint(1, 1));
    await settle();
    // Invariant 3
    assertEquals(
      client.got.map((it) => it.kind),
      [kind, VIEW_DELETE, TABLE_DELETE],
    );
    assertEquals(router.stats().engineViews, 0);
  });
}

Deno.test("A change of state that is owed is done on the next engine, once", async () => {
  const { client, read, engines, settle } = await grouping(false);
  for (const kind of [VIEW_COLLAPSE, VIEW_EXPAND, VIEW_COLLAPSE]) {
    client.ask(kind, "v", kind, uint(1, 0));
  }
  engines[1]!.step(50); // the first paths
  engines[1]!.die("x");
  await settle();
  assertEquals(client.got.map((it) => it.kind), [
    VIEW_COLLAPSE,
    VIEW_EXPAND,
    VIEW_COLLAPSE,
  ]);
  assertEquals(await read(), [""]);
});

Deno.test("What an engine refuses to do isn't remembered", async () => {
  const { client, read, engines, settle, lose } = await grouping(false);
  for (const kind of [VIEW_SET_DEPTH, VIEW_COLLAPSE]) {
    client.ask(kind, "v", kind, uint(1, 0));
    while (engines[1]!.waiting[0]!.kind !== kind) engines[1]!.step(50);
    engines[1]!.refuse("no");
  }
  await settle();
  assertEquals(client.got.map((it) => it.kind), [50, 50]);
  await lose();
  assertEquals(await read(), ["", "a", "b"]);
});

Deno.test("A client that got a view of its own keeps it, and others theirs", async () => {
  // Invariant 5
  const { client, read, settle, lose, open, router } = await grouping(true);
  const other = open();
  other.ask(1, "t", TABLE_MAKE_VIEW, makeView("w", GROUPED));
  client.ask(4, "v", VIEW_COLLAPSE, uint(1, 0));
  await settle();
  assertEquals(router.stats().engineViews, 2);
  await lose();
  assertEquals(await read(), [""]);
  other.ask(2, "w", VIEW_TO_ROWS_STRING);
  await settle();
  assertEquals(rowsIn(other.got.at(-1)!).map(String), ["", "a", "b"]);
});

Deno.test("Nothing is remembered where no engine is replaced", () => {
  const { engines, open, run } = timedRouting(2);
  const { session } = open();
  session.handleRequest(frame(1, "t", TABLE_MAKE_VIEW, makeView("v", GROUPED)));
  run();
  session.handleRequest(frame(2, "v", VIEW_COLLAPSE, uint(1, 0)));
  run();
  assertEquals(engines.flatMap(({ steps }) => steps), [
    "table_make_view",
    "view_collapse",
  ]);
});
