import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Kind, kindInfo } from "../protocol/kinds.ts";
import { viewKey } from "../protocol/view_config.ts";
import {
  errorOf,
  fields,
  type Fill,
  frame,
  makeView,
  message,
  type Parts,
  parts,
  serverError,
  text,
  uint,
} from "../testing/frames.ts";
import { type Script, TinyEngine } from "../testing/fake_engine.ts";
import { forAll, type Random } from "../testing/random.ts";
import {
  ManualClock,
  recoveringTable,
  type Routing,
  routing,
  type TestClient,
  timedRouting,
  tinyRouting,
} from "../testing/routing.ts";
import type { Session } from "./session.ts";

const {
  MAKE_TABLE,
  TABLE_DELETE,
  TABLE_MAKE_VIEW,
  TABLE_SIZE,
  TABLE_UPDATE,
  VIEW_COLLAPSE,
  VIEW_DELETE,
  VIEW_DIMENSIONS,
  VIEW_EXPAND,
  VIEW_ON_DELETE,
  VIEW_ON_REMOVE,
  VIEW_ON_UPDATE,
  VIEW_REMOVE_DELETE,
  VIEW_REMOVE_ON_REMOVE,
  VIEW_REMOVE_ON_UPDATE,
  VIEW_SCHEMA,
  VIEW_SET_DEPTH,
  VIEW_TO_ARROW,
} = Kind;

/** Configs of views that may be shared, and of one that may not. */
const BY_STATE = message(text(1, "State"));
const BY_CITY = message(text(1, "City"));
const HIGHEST = message((it) =>
  it.tag(7, 2).bytes(
    message((entry) =>
      entry.tag(1, 2).string("Sales").tag(2, 2).bytes(message(text(1, "high")))
    ),
  )
);

/** The content of `view_on_update` that asks for rows. */
const WITH_ROWS = uint(1, 0);

/** Pushes of `view_on_update`, without rows and with. */
const CHANGED = message(uint(2, 3));
const ROWS = message((it) =>
  it.tag(1, 2).bytes(Uint8Array.of(9)).tag(2, 0).uint32(3)
);

/** Its own view of table `t`, as `client` asks for it. */
function make(
  client: TestClient,
  msgId: number,
  viewId: string,
  config = BY_STATE,
  table = "t",
): void {
  client.ask(msgId, table, TABLE_MAKE_VIEW, makeView(viewId, config));
}

/** Two clients or more that have the same view, as `a`, `b` and so on. */
function sharers(it: Routing, count: number): TestClient[] {
  const clients = Array.from({ length: count }, () => it.open());
  clients.forEach((client, i) => make(client, 1, "abcd"[i]!));
  const [request] = it.engine.requests.splice(0);
  if (clients[0]!.frames.length === 0) it.engine.answer(request!);
  for (const client of clients) client.take();
  it.engine.steps.length = 0;
  return clients;
}

/** What `client` got since the last call: `msg_id`, kind and content. */
function news(client: TestClient): [number, number, string][] {
  return client.take().map(parts).map(({ msgId, kind, content }) => [
    msgId,
    kind,
    content.toHex(),
  ]);
}

/** The `msg_id`s of what `client` got since the last call. */
function ids(client: TestClient): number[] {
  return client.take().map((it) => parts(it).msgId);
}

/** The name that a request gives the view which it has made. */
function nameOf({ content }: Parts): string {
  return new TextDecoder().decode(content.subarray(2, 2 + content[1]!));
}

// -- Making ------------------------------------------------------------------

Deno.test("A view that means the same is one in the engine, and each client's own", () => {
  // Invariant 5
  const { engine, router, open } = tinyRouting({ sharing: true });
  const [a, b, c] = [open(), open(), open()];
  make(a, 1, "mine");
  make(b, 2, "another's");
  make(c, 1, "mine");
  assertEquals(engine.steps, ["table_make_view"]);
  assertEquals(a.frames, [frame(1, "t", TABLE_MAKE_VIEW, text(1, "mine"))]);
  assertEquals(b.frames, [
    frame(2, "t", TABLE_MAKE_VIEW, text(1, "another's")),
  ]);
  assertEquals(c.frames, a.frames);
  const { views, engineViews, replicas, pending } = router.stats();
  assertEquals([views, engineViews, replicas[0]!.views, pending], [3, 1, 1, 0]);
  b.take();
  b.ask(3, "another's", VIEW_SCHEMA);
  assertEquals(b.got.map((it) => [it.msgId, it.entity, it.kind]), [
    [3, "another's", VIEW_SCHEMA],
  ]);
});

Deno.test("One client can have the same view twice", () => {
  const { engine, router, open } = tinyRouting({ sharing: true });
  const client = open();
  make(client, 1, "v");
  make(client, 2, "w");
  make(client, 3, "v"); // that name is taken
  assertEquals(engine.steps, ["table_make_view"]);
  assertStringIncludes(errorOf(client.frames[2]!).message, `view "v"`);
  client.ask(4, "v", VIEW_DELETE);
  client.take();
  client.ask(5, "w", VIEW_SCHEMA);
  client.ask(6, "v", VIEW_SCHEMA);
  assertEquals(client.got.map((it) => it.kind), [VIEW_SCHEMA, 50]);
  assertEquals(router.stats().views, 1);
});

Deno.test("Map entries in another order are the same view", () => {
  // ENGINE 4.6
  const { engine, open } = tinyRouting({ sharing: true });
  const entry = (name: string) => (it: Parameters<Fill>[0]) =>
    it.tag(6, 2).bytes(message((inner) => {
      inner.tag(1, 2).string(name).tag(2, 2).string(`"${name}"`);
    }));
  const [x, y] = [entry("x"), entry("y")];
  make(open(), 1, "v", message((it) => (x(it), y(it))));
  make(open(), 1, "v", message((it) => (y(it), x(it))));
  assertEquals(engine.steps.length, 1);
});

Deno.test("A view of another config or another table is another view", () => {
  const { engine, router, open } = tinyRouting({ sharing: true });
  const [a, b] = [open(), open()];
  make(a, 1, "v");
  make(b, 1, "v", BY_CITY);
  make(b, 2, "w", BY_STATE, "u");
  // A name that runs into the config.
  make(b, 3, "x", new Uint8Array(0), `t${viewKey(BY_STATE)}`);
  assertEquals(engine.steps.length, 4);
  assertEquals(router.stats().engineViews, 4);
});

Deno.test("A view that depends on when it was made isn't shared", () => {
  // ENGINE 4.2
  const { engine, router, open } = tinyRouting({ sharing: true });
  const [a, b] = [open(), open()];
  make(a, 1, "v", HIGHEST);
  make(b, 1, "v", HIGHEST);
  assertEquals(engine.steps, ["table_make_view", "table_make_view"]);
  assertEquals(router.stats().engineViews, 2);
  a.ask(2, "v", VIEW_DELETE);
  assertEquals(router.stats().engineViews, 1);
});

Deno.test("sharing: false makes each view in the engine", () => {
  const { engine, router, open } = tinyRouting({ sharing: false });
  const [a, b] = [open(), open()];
  make(a, 1, "v");
  make(b, 1, "v");
  a.ask(2, "v", VIEW_ON_UPDATE);
  b.ask(2, "v", VIEW_ON_UPDATE);
  a.ask(3, "v", VIEW_EXPAND);
  a.ask(4, "v", VIEW_SCHEMA);
  a.ask(5, "v", VIEW_SCHEMA);
  a.ask(6, "v", VIEW_DELETE);
  assertEquals(
    engine.steps,
    [
      "table_make_view",
      "table_make_view",
      "view_on_update",
      "view_on_update",
      "view_expand",
      "view_schema",
      "view_schema",
      "view_delete",
    ].filter((step) => engine.steps.includes(step)),
  );
  assertEquals(router.stats().engineViews, 1);
});

Deno.test("Who asks for a view under way gets it when it is made", () => {
  const { engine, router, open } = routing({ sharing: true });
  const [a, b] = [open(), open()];
  make(a, 1, "v");
  make(b, 2, "w");
  make(b, 3, "x", BY_CITY);
  assertEquals(engine.requests.length, 2);
  assertEquals([a.frames, b.frames], [[], []]);
  assertEquals(router.stats().pending, 3);
  engine.answer(engine.requests[0]!);
  assertEquals(a.frames, [frame(1, "t", TABLE_MAKE_VIEW, text(1, "v"))]);
  assertEquals(b.frames, [frame(2, "t", TABLE_MAKE_VIEW, text(1, "w"))]);
  assertEquals(router.stats().pending, 1);
});

Deno.test("A view that can't be made is everyone's own error, and asked for again", () => {
  // Invariants 3 and 5
  for (const how of ["refuse", "fail"] as const) {
    const { engine, router, open } = routing({ sharing: true });
    const [a, b, c] = [open(), open(), open()];
    make(a, 1, "v");
    make(b, 2, "w");
    b.ask(3, "w", VIEW_SCHEMA); // it has to wait
    engine[how](engine.last, "no such column");
    assertEquals(a.got.map((it) => [it.msgId, it.entity]), [[1, "t"]]);
    assertEquals(b.got.map((it) => [it.msgId, it.entity]), [
      [2, "t"],
      [3, "w"],
    ]);
    for (const bytes of [a.frames[0]!, b.frames[0]!]) {
      assertStringIncludes(errorOf(bytes).message, "no such column");
    }
    assertEquals(errorOf(b.frames[1]!).message, "View not found");
    const { views, engineViews, pending } = router.stats();
    assertEquals([views, engineViews, pending], [0, 0, 0]);
    make(c, 1, "v");
    assertEquals(engine.requests.length, 2);
    engine.answer(engine.last);
    assertEquals(c.got.map((it) => it.kind), [TABLE_MAKE_VIEW]);
    make(a, 2, "v"); // the name is free
    assertEquals(a.got.at(-1)!.kind, TABLE_MAKE_VIEW);
    assertEquals(engine.requests.length, 2);
  }
});

Deno.test("A view that couldn't be made may be asked for again when that is told", () => {
  const { engine, router, open } = routing({ sharing: true });
  const a = open({
    onFrame: (bytes) => {
      if (parts(bytes).kind === 50) make(a, 2, "v");
    },
  });
  const b = open();
  make(a, 1, "v");
  make(b, 1, "v");
  engine.refuse(engine.last, "no memory");
  assertEquals(engine.requests.length, 2);
  engine.answer(engine.last);
  assertEquals(a.got.map((it) => [it.msgId, it.kind]), [
    [1, 50],
    [2, TABLE_MAKE_VIEW],
  ]);
  assertEquals(b.got.map((it) => it.kind), [50]);
  assertEquals(router.stats().engineViews, 1);
});

Deno.test("A view may be asked of from within the answer that it is made", () => {
  const { engine, open } = tinyRouting({ sharing: true });
  const read = (client: TestClient, bytes: Uint8Array) => {
    const { msgId } = parts(bytes);
    if (msgId < 3) client.ask(msgId + 1, "v", VIEW_SCHEMA);
  };
  const a = open({
    onFrame: (bytes) => {
      if (parts(bytes).msgId === 1) make(b, 1, "v");
      read(a, bytes);
    },
  });
  const b = open({ onFrame: (bytes) => read(b, bytes) });
  make(a, 1, "v");
  assertEquals([ids(a), ids(b)], [[1, 2, 3], [1, 2, 3]]);
  assertEquals(engine.steps, ["table_make_view", "view_schema"]);
});

Deno.test("Who had a view made may go before it is", () => {
  const { engine, router, open } = routing({ sharing: true });
  const [a, b] = [open(), open()];
  make(a, 1, "v");
  make(b, 2, "w");
  a.session.close();
  b.ask(3, "w", VIEW_SCHEMA);
  assertEquals(engine.steps, ["table_make_view"]);
  engine.answer(engine.last);
  assertEquals(engine.steps, ["table_make_view", "view_schema"]);
  engine.answer(engine.last);
  assertEquals([a.frames.length, ids(b)], [0, [2, 3]]);
  assertEquals(router.stats().views, 1);
});

Deno.test("A view that nobody wants any more when it is made goes at once", () => {
  const { engine, router, open } = routing({ sharing: true });
  const [a, b] = [open(), open()];
  make(a, 1, "v");
  make(b, 2, "w");
  a.session.close();
  b.session.close();
  assertEquals(engine.steps, ["table_make_view"]);
  engine.answer(engine.last);
  assertEquals(engine.steps, ["table_make_view", "view_delete"]);
  // It isn't given to anyone any more.
  const c = open();
  make(c, 1, "v");
  assertEquals(engine.steps.at(-1), "table_make_view");
  for (const request of engine.requests.slice(1)) engine.answer(request);
  const { views, engineViews, pending } = router.stats();
  assertEquals([views, engineViews, pending], [1, 1, 0]);
});

// -- Leaving -----------------------------------------------------------------

Deno.test("The engine's view goes when the last client leaves", () => {
  const it = tinyRouting({ sharing: true });
  const { engine, router } = it;
  const [a, b, c] = sharers(it, 3);
  a!.ask(2, "a", VIEW_DELETE);
  assertEquals(a!.frames, [frame(2, "a", VIEW_DELETE)]);
  b!.session.close();
  assertEquals(engine.steps, []);
  a!.ask(3, "a", VIEW_SCHEMA);
  assertEquals(errorOf(a!.frames[1]!).message, "View not found");
  c!.ask(2, "c", VIEW_SCHEMA);
  assertEquals(c!.got.map((it) => it.kind), [VIEW_SCHEMA]);
  c!.ask(3, "c", VIEW_DELETE);
  assertEquals(engine.steps, ["view_schema", "view_delete"]);
  const { views, engineViews, pending, replicas } = router.stats();
  assertEquals([views, engineViews, pending], [0, 0, 0]);
  assertEquals(replicas[0]!.views, 0);
  make(a!, 4, "a");
  assertEquals(engine.steps.at(-1), "table_make_view");
});

Deno.test("The engine's view goes with the last session that closes", () => {
  const it = tinyRouting({ sharing: true });
  const { engine, router } = it;
  const [a, b] = sharers(it, 2);
  a!.session.close();
  assertEquals(engine.steps, []);
  b!.session.close();
  assertEquals(engine.steps, ["view_delete"]);
  const { views, engineViews, sessions } = router.stats();
  assertEquals([views, engineViews, sessions], [0, 0, 0]);
});

Deno.test("The engine's view stays until what was asked of it is answered", () => {
  // Invariant 3
  const { engines: [engine], router, open, run } = timedRouting(1, {
    sharing: true,
  });
  const [a, b] = [open(), open()];
  const content = makeView("v", BY_STATE);
  a.session.handleRequest(frame(1, "t", TABLE_MAKE_VIEW, content));
  b.session.handleRequest(frame(1, "t", TABLE_MAKE_VIEW, content));
  run();
  a.session.handleRequest(frame(2, "v", VIEW_SCHEMA));
  b.session.handleRequest(frame(2, "v", VIEW_DIMENSIONS));
  a.session.handleRequest(frame(3, "v", VIEW_DELETE));
  b.session.close();
  assertEquals(engine!.steps.includes("view_delete"), false);
  engine!.step(50);
  assertEquals(engine!.steps.includes("view_delete"), false);
  run();
  assertEquals(engine!.steps, [
    "table_make_view",
    "view_schema",
    "view_dimensions",
    "view_remove_on_update", // marks the place of the client's delete
    "view_delete",
  ]);
  assertEquals(a.frames.map((it) => parts(it).msgId), [1, 2, 3]);
  assertEquals(b.frames.length, 1);
  const { views, engineViews, pending } = router.stats();
  assertEquals([views, engineViews, pending], [0, 0, 0]);
});

Deno.test("A view that is about to go is given to who asks for it", () => {
  const { engines: [engine], router, open, run } = timedRouting(1, {
    sharing: true,
  });
  const [a, b] = [open(), open()];
  const content = makeView("v", BY_STATE);
  a.session.handleRequest(frame(1, "t", TABLE_MAKE_VIEW, content));
  run();
  a.session.handleRequest(frame(2, "v", VIEW_SCHEMA));
  a.session.handleRequest(frame(3, "v", VIEW_DELETE));
  b.session.handleRequest(frame(1, "t", TABLE_MAKE_VIEW, content));
  run();
  assertEquals(engine!.steps.slice(1), [
    "view_schema",
    "view_remove_on_update",
  ]);
  // One that is on its way out isn't.
  b.session.handleRequest(frame(2, "v", VIEW_DELETE));
  a.session.handleRequest(frame(4, "t", TABLE_MAKE_VIEW, content));
  run();
  assertEquals(engine!.steps.slice(3), ["view_delete", "table_make_view"]);
  assertEquals(router.stats().engineViews, 1);
});

// -- Reading -----------------------------------------------------------------

Deno.test("A shared view is read once until its table changes", () => {
  // Invariants 2 and 5
  const it = tinyRouting({ sharing: true });
  const { engine, router } = it;
  const [a, b] = sharers(it, 2);
  a!.ask(2, "a", VIEW_TO_ARROW);
  b!.ask(3, "b", VIEW_TO_ARROW);
  assertEquals(engine.steps, ["view_to_arrow"]);
  const [first] = a!.take();
  assertEquals(b!.take().map(parts), [
    { ...parts(first!), msgId: 3, entity: "b" },
  ]);
  a!.ask(4, "u", TABLE_UPDATE); // another table
  b!.ask(5, "b", VIEW_TO_ARROW);
  assertEquals(engine.steps.slice(1), ["table_update+"]);
  a!.ask(6, "t", TABLE_UPDATE);
  b!.ask(7, "b", VIEW_TO_ARROW);
  a!.ask(8, "a", VIEW_TO_ARROW);
  a!.ask(9, "a", VIEW_TO_ARROW, text(2, "lz4"));
  assertEquals(engine.steps.slice(2), [
    "table_update+",
    "view_to_arrow",
    "view_to_arrow",
  ]);
  assertEquals(a!.got[2]!.content, b!.got[1]!.content);
  assert(a!.got[2]!.content.toHex() !== parts(first!).content.toHex());
  const { computed, remembered } = router.stats().reads;
  assertEquals([computed, remembered], [3, 3]);
});

Deno.test("A read of a shared view waits for another client's that is under way", () => {
  const it = routing({ sharing: true });
  const { engine, router } = it;
  const [a, b] = sharers(it, 2);
  a!.ask(2, "a", VIEW_TO_ARROW);
  b!.ask(3, "b", VIEW_TO_ARROW);
  assertEquals(engine.steps, ["view_to_arrow"]);
  engine.answer(engine.last, text(1, "arrow"));
  assertEquals(a!.frames, [frame(2, "a", VIEW_TO_ARROW, text(1, "arrow"))]);
  assertEquals(b!.frames, [frame(3, "b", VIEW_TO_ARROW, text(1, "arrow"))]);
  assertEquals(router.stats().reads.joined, 1);
});

Deno.test("What is remembered of a view goes with it", () => {
  const it = tinyRouting({ sharing: true });
  const [a] = sharers(it, 1);
  a!.ask(2, "a", VIEW_TO_ARROW);
  assert(it.router.stats().reads.cacheSize > 0);
  a!.ask(3, "a", VIEW_DELETE);
  assertEquals(it.router.stats().reads.cacheSize, 0);
});

// -- Changing its state ------------------------------------------------------

Deno.test("Who expands a shared view gets one of its own first, in one turn", () => {
  // Invariant 5
  for (const kind of [VIEW_EXPAND, VIEW_COLLAPSE, VIEW_SET_DEPTH]) {
    const it = routing({ sharing: true });
    const { engine, router } = it;
    const [a, b] = sharers(it, 2);
    b!.ask(2, "b", VIEW_ON_UPDATE);
    engine.answer(engine.last); // the marker
    const shared = engine.requests[0]!.entity;
    engine.requests.length = 0;
    b!.ask(3, "b", kind, uint(1, 5));
    const [made, subscribed, marker, changed] = engine.requests;
    assertEquals(engine.requests.map((it) => it.kind), [
      TABLE_MAKE_VIEW,
      VIEW_ON_UPDATE,
      VIEW_REMOVE_ON_UPDATE,
      kind,
    ]);
    assertEquals(made!.entity, "t");
    const own = nameOf(made!);
    assert(own !== shared);
    assertEquals(made!.content, message(makeView(own, BY_STATE)));
    for (const request of [subscribed!, marker!, changed!]) {
      assertEquals(request.entity, own);
    }
    assertEquals(changed!.content, message(uint(1, 5)));
    assertEquals(b!.frames, []);
    for (const request of [made!, marker!, changed!]) {
      engine.answer(request, request === changed ? uint(1, 7) : undefined);
    }
    // Of all that it hears of its own request alone.
    assertEquals(b!.take(), [frame(3, "b", kind, uint(1, 7))]);
    const { views, engineViews } = router.stats();
    assertEquals([views, engineViews], [2, 2]);
    b!.ask(4, "b", VIEW_TO_ARROW);
    assertEquals(engine.last.entity, own);
    a!.ask(2, "a", VIEW_TO_ARROW);
    assertEquals(engine.last.entity, shared);
  }
});

Deno.test("A read that was asked before expanding is of the shared view", () => {
  const it = routing({ sharing: true });
  const { engine } = it;
  const [, b] = sharers(it, 2);
  b!.ask(2, "b", VIEW_TO_ARROW);
  b!.ask(3, "b", VIEW_EXPAND);
  b!.ask(4, "b", VIEW_TO_ARROW); // not the same any more
  assertEquals(engine.steps, [
    "view_to_arrow",
    "table_make_view",
    "view_expand",
    "view_to_arrow",
  ]);
  const [before, made, , after] = engine.requests;
  assertEquals(after!.entity, nameOf(made!));
  assert(before!.entity !== after!.entity);
});

Deno.test("A client that has expanded doesn't get, or give, others' reads", () => {
  const it = tinyRouting({ sharing: true });
  const { engine } = it;
  const [a, b, c] = sharers(it, 3);
  a!.ask(2, "a", VIEW_TO_ARROW);
  b!.ask(3, "b", VIEW_EXPAND);
  engine.steps.length = 0;
  b!.ask(4, "b", VIEW_TO_ARROW);
  assertEquals(engine.steps, ["view_to_arrow"]);
  b!.ask(5, "b", VIEW_TO_ARROW);
  c!.ask(2, "c", VIEW_TO_ARROW);
  assertEquals(engine.steps.length, 1, "each is remembered");
  b!.ask(6, "b", VIEW_COLLAPSE);
  b!.ask(7, "b", VIEW_TO_ARROW);
  assertEquals(engine.steps.slice(1), ["view_collapse", "view_to_arrow"]);
  c!.ask(3, "c", VIEW_TO_ARROW);
  assertEquals(engine.steps.length, 3);
});

Deno.test("The only one who has a view expands that, which is then nobody else's", () => {
  const it = tinyRouting({ sharing: true });
  const { engine, router } = it;
  const [a] = sharers(it, 1);
  a!.ask(2, "a", VIEW_TO_ARROW);
  a!.ask(3, "a", VIEW_EXPAND);
  a!.ask(4, "a", VIEW_TO_ARROW);
  assertEquals(engine.steps, ["view_to_arrow", "view_expand", "view_to_arrow"]);
  const b = it.open();
  make(b, 1, "b");
  assertEquals(engine.steps.at(-1), "table_make_view");
  make(it.open(), 1, "c");
  assertEquals(engine.steps.length, 4, "that one is shared");
  const { views, engineViews } = router.stats();
  assertEquals([views, engineViews], [3, 2]);
});

Deno.test("The last of several sharers expands the view that is there", () => {
  const it = tinyRouting({ sharing: true });
  const { engine } = it;
  const [a, b] = sharers(it, 2);
  a!.ask(2, "a", VIEW_EXPAND);
  assertEquals(engine.steps, ["table_make_view", "view_expand"]);
  b!.ask(2, "b", VIEW_EXPAND);
  a!.ask(3, "a", VIEW_EXPAND);
  assertEquals(engine.steps.slice(2), ["view_expand", "view_expand"]);
  const entities = engine.requests.map((it) => it.entity);
  assertEquals(entities[1], entities[3]);
  assert(entities[1] !== entities[2]);
});

Deno.test("A view that another's read is still under way of is left as it is", () => {
  // Invariant 5: that read was asked before.
  const it = routing({ sharing: true });
  const { engine } = it;
  const [a, b] = sharers(it, 2);
  b!.ask(2, "b", VIEW_TO_ARROW);
  b!.session.close();
  a!.ask(2, "a", VIEW_EXPAND);
  assertEquals(engine.steps, [
    "view_to_arrow",
    "table_make_view",
    "view_expand",
  ]);
  for (const request of [...engine.requests]) engine.answer(request);
  // The one that nobody has goes.
  assertEquals(engine.steps.slice(3), ["view_delete"]);
  assertEquals(engine.last.entity, engine.requests[0]!.entity);
  assertEquals(ids(a!), [2]);
});

Deno.test("A push reaches who gets a view of its own once, from the one or the other", () => {
  // Invariant 3
  const it = routing({ sharing: true });
  const { engine, router } = it;
  const [a, b] = sharers(it, 2);
  a!.ask(2, "a", VIEW_ON_UPDATE);
  const [old, firstMarker] = engine.requests;
  engine.answer(firstMarker!);
  b!.ask(3, "b", VIEW_ON_UPDATE);
  engine.answer(engine.last);
  engine.requests.length = 0;
  b!.ask(4, "b", VIEW_EXPAND);
  const [made, own, marker, expanded] = engine.requests;
  const changed = CHANGED.toHex();
  const toA = [2, VIEW_ON_UPDATE, changed];
  const toB = [3, VIEW_ON_UPDATE, changed];

  engine.answer(old!, CHANGED); // a poll before
  assertEquals<unknown>([news(a!), news(b!)], [[toA], [toB]]);
  engine.answer(made!);
  for (const request of [marker!, expanded!]) engine.answer(request);
  assertEquals(ids(b!), [4]);
  engine.answer(old!, CHANGED); // a poll after
  engine.answer(own!, CHANGED);
  assertEquals<unknown>([news(a!), news(b!)], [[toA], [toB]]);
  assertEquals(router.stats().subscriptions, 2);
  // It is ended where it is now.
  b!.ask(5, "b", VIEW_REMOVE_ON_UPDATE, uint(1, 3));
  assertEquals(engine.last.kind, VIEW_REMOVE_ON_UPDATE);
  assertEquals(engine.last.entity, own!.entity);
  assertEquals(engine.last.content, message(uint(1, own!.msgId)));
});

Deno.test("Subscriptions go to a client's own view with what they asked for", () => {
  const it = routing({ sharing: true, line: "5" });
  const { engine } = it;
  const [a, b] = sharers(it, 2);
  a!.ask(2, "a", VIEW_ON_UPDATE);
  b!.ask(2, "b", VIEW_ON_UPDATE, WITH_ROWS);
  for (const request of [...engine.requests]) {
    if (request.kind !== VIEW_ON_UPDATE) engine.answer(request);
  }
  for (const request of engine.requests.slice(2)) {
    if (request.kind !== VIEW_ON_UPDATE) engine.answer(request);
  }
  b!.ask(3, "b", VIEW_ON_REMOVE);
  engine.answer(engine.last);
  b!.ask(4, "b", VIEW_ON_DELETE);
  engine.requests.length = 0;
  b!.take();
  b!.ask(5, "b", VIEW_EXPAND);
  assertEquals(engine.requests.map((it) => it.kind), [
    TABLE_MAKE_VIEW,
    VIEW_ON_UPDATE,
    VIEW_REMOVE_ON_UPDATE,
    VIEW_ON_REMOVE,
    VIEW_REMOVE_ON_UPDATE,
    VIEW_EXPAND,
  ]);
  const [made, updates, , removals] = engine.requests;
  assertEquals(updates!.content, message(WITH_ROWS));
  for (const request of [...engine.requests]) {
    if (request !== updates && request !== removals) engine.answer(request);
  }
  // Nobody is told of what was removed there any more.
  const [ended] = engine.requests.slice(6);
  assertEquals(ended!.kind, VIEW_REMOVE_ON_REMOVE);
  assert(ended!.entity !== nameOf(made!));
  b!.take();
  engine.answer(removals!, ROWS);
  engine.answer(updates!, ROWS);
  assertEquals(news(b!), [
    [3, VIEW_ON_REMOVE, ROWS.toHex()],
    [2, VIEW_ON_UPDATE, ROWS.toHex()],
  ]);
  b!.ask(6, "b", VIEW_DELETE);
  for (const request of engine.requests.slice(6)) {
    if (request.kind !== VIEW_DELETE) engine.answer(request);
  }
  assertEquals(ids(b!), [4, 6]);
});

Deno.test("A client whose own view can't be made keeps the one that it has", () => {
  // Invariant 3
  const it = routing({ sharing: true });
  const { engine, router } = it;
  const [a, b] = sharers(it, 2);
  b!.ask(2, "b", VIEW_ON_UPDATE);
  const [old, firstMarker] = engine.requests;
  engine.answer(firstMarker!);
  engine.requests.length = 0;
  b!.ask(3, "b", VIEW_EXPAND);
  const [made, own, marker, expanded] = engine.requests;
  engine.refuse(made!, "bad_alloc");
  // As an engine goes on.
  for (const request of [own!, marker!, expanded!]) {
    engine.refuse(request, "View not found", 1);
  }
  assertEquals(b!.got.map((it) => [it.msgId, it.entity]), [[3, "b"]]);
  assertEquals(errorOf(b!.frames[0]!), { message: "bad_alloc", status: 0 });
  b!.take();
  engine.answer(old!, CHANGED);
  assertEquals(ids(b!), [2]);
  const { views, engineViews, pending, subscriptions } = router.stats();
  assertEquals([views, engineViews, pending, subscriptions], [2, 1, 0, 1]);
  b!.ask(4, "b", VIEW_TO_ARROW);
  assertEquals(engine.last.entity, old!.entity);
  engine.answer(engine.last);
  // And may try again.
  engine.requests.length = 0;
  b!.ask(5, "b", VIEW_EXPAND);
  for (const request of [...engine.requests]) {
    if (request.kind !== VIEW_ON_UPDATE) engine.answer(request);
  }
  assertEquals(ids(b!), [4, 5]);
  assertEquals(router.stats().engineViews, 2);
  a!.session.close();
});

Deno.test("A client may leave, or close, before its own view is made", () => {
  for (const how of ["delete", "close"]) {
    for (const answer of ["answer", "refuse"] as const) {
      const it = routing({ sharing: true });
      const { engine, router } = it;
      const [a, b] = sharers(it, 2);
      b!.ask(2, "b", VIEW_ON_UPDATE);
      engine.answer(engine.last);
      b!.ask(3, "b", VIEW_EXPAND);
      const made = engine.requests.find((it) => it.kind === TABLE_MAKE_VIEW)!;
      if (how === "delete") b!.ask(4, "b", VIEW_DELETE);
      else b!.session.close();
      if (answer === "answer") engine.answer(made);
      else engine.refuse(made, "bad_alloc");
      for (let i = 2; i < engine.requests.length; i++) {
        const request = engine.requests[i]!;
        if (request === made || request.kind === VIEW_ON_UPDATE) continue;
        if (
          answer === "answer" || request.entity === engine.requests[0]!.entity
        ) {
          engine.answer(request);
        } else engine.refuse(request, "View not found", 1);
      }
      const expected = how === "delete" ? [3, 4] : [];
      assertEquals(ids(b!).sort(), expected);
      const { views, engineViews, pending, subscriptions } = router.stats();
      assertEquals([views, engineViews, pending, subscriptions], [1, 1, 0, 0]);
      a!.ask(2, "a", VIEW_SCHEMA);
      assertEquals(engine.last.kind, VIEW_SCHEMA);
      engine.answer(engine.last);
      a!.ask(3, "a", VIEW_DELETE);
      assertEquals(engine.last.kind, VIEW_DELETE);
      engine.answer(engine.last);
      assertEquals(router.stats().engineViews, 0);
    }
  }
});

Deno.test("A client may unsubscribe before its own view is made", () => {
  // Invariant 3
  const it = routing({ sharing: true });
  const { engine, router } = it;
  const [, b] = sharers(it, 2);
  b!.ask(2, "b", VIEW_ON_UPDATE);
  const [old, firstMarker] = engine.requests;
  engine.answer(firstMarker!);
  engine.requests.length = 0;
  b!.ask(3, "b", VIEW_EXPAND);
  b!.ask(4, "b", VIEW_REMOVE_ON_UPDATE, uint(1, 2));
  assertEquals(ids(b!), [4]);
  const [made, own, marker, expanded, ended] = engine.requests;
  assertEquals([ended!.kind, ended!.entity, ended!.content], [
    VIEW_REMOVE_ON_UPDATE,
    old!.entity,
    message(uint(1, old!.msgId)),
  ]);
  engine.answer(old!, CHANGED);
  for (const request of [made!, marker!, expanded!, ended!]) {
    engine.answer(request);
  }
  engine.answer(own!, CHANGED);
  assertEquals(ids(b!), [3]);
  // What was begun for it ends, too.
  assertEquals([engine.last.kind, engine.last.entity, engine.last.content], [
    VIEW_REMOVE_ON_UPDATE,
    own!.entity,
    message(uint(1, own!.msgId)),
  ]);
  engine.answer(engine.last);
  assertEquals(router.stats().subscriptions, 0);
  assertEquals(router.stats().pending, 0);
});

// -- Subscribing -------------------------------------------------------------

Deno.test("One subscription in the engine feeds all who have the view", () => {
  const it = tinyRouting({ sharing: true });
  const { engine, router } = it;
  const [a, b] = sharers(it, 2);
  a!.ask(10, "a", VIEW_ON_UPDATE);
  b!.ask(20, "b", VIEW_ON_UPDATE);
  assertEquals(
    engine.steps.filter((it) => it === "view_on_update").length,
    1,
  );
  b!.ask(21, "t", TABLE_UPDATE);
  // Invariant 3: its own answer first, ENGINE 1.7.
  assertEquals(ids(b!), [21, 20]);
  assertEquals(a!.frames, [frame(10, "a", VIEW_ON_UPDATE, CHANGED)]);
  const { subscriptions, pushes } = router.stats();
  assertEquals(subscriptions, 2);
  assertEquals(pushes, { computed: 1, sent: 2 });
});

Deno.test("Notifications of one subscription have one role, and of another another", () => {
  const it = routing({ sharing: true });
  const { engine } = it;
  const [a, b] = sharers(it, 2);
  a!.ask(2, "a", VIEW_ON_UPDATE, WITH_ROWS);
  const [feed, marker] = engine.requests;
  engine.answer(marker!);
  b!.ask(2, "b", VIEW_ON_UPDATE);
  b!.ask(3, "b", VIEW_ON_UPDATE);
  for (const request of engine.requests.slice(2)) engine.answer(request);
  engine.answer(feed!, ROWS);
  engine.answer(feed!, ROWS);
  assertEquals(a!.roles, ["push", "push"]);
  const [first, second, ...again] = b!.roles;
  assertEquals(typeof first, "number");
  assert(first !== second);
  assertEquals(again, [first, second]);
});

Deno.test("Who wants rows replaces the subscription, with nothing between", () => {
  const it = routing({ sharing: true });
  const { engine, router } = it;
  const [a, b] = sharers(it, 2);
  a!.ask(2, "a", VIEW_ON_UPDATE);
  const [plain, marker] = engine.requests;
  assertEquals(plain!.content, message(() => {}));
  engine.answer(marker!);
  engine.requests.length = 0;
  b!.ask(3, "b", VIEW_ON_UPDATE, WITH_ROWS);
  const [rows, ended, ...more] = engine.requests;
  assertEquals(more, []);
  assertEquals([rows!.kind, rows!.content], [
    VIEW_ON_UPDATE,
    message(WITH_ROWS),
  ]);
  assertEquals([ended!.kind, ended!.content], [
    VIEW_REMOVE_ON_UPDATE,
    message(uint(1, plain!.msgId)),
  ]);
  // A poll before that; then it isn't b's turn yet.
  engine.answer(plain!, CHANGED);
  assertEquals([ids(a!), ids(b!)], [[2], []]);
  engine.answer(ended!);
  engine.answer(rows!, ROWS);
  assertEquals(news(a!), [[2, VIEW_ON_UPDATE, CHANGED.toHex()]]);
  assertEquals(news(b!), [[3, VIEW_ON_UPDATE, ROWS.toHex()]]);
  assertEquals(router.stats().subscriptions, 2);
  assertEquals(router.stats().pending, 0);
  // Another who wants them has nothing to replace.
  engine.requests.length = 0;
  a!.ask(4, "a", VIEW_ON_UPDATE, WITH_ROWS);
  assertEquals(engine.requests.map((it) => it.kind), [VIEW_REMOVE_ON_UPDATE]);
  engine.answer(engine.last);
  engine.answer(rows!, ROWS);
  assertEquals(news(a!), [
    [2, VIEW_ON_UPDATE, CHANGED.toHex()],
    [4, VIEW_ON_UPDATE, ROWS.toHex()],
  ]);
});

Deno.test("Who subscribes later isn't told of what came before", () => {
  // Invariant 3
  const it = routing({ sharing: true });
  const { engine } = it;
  const [a, b] = sharers(it, 2);
  a!.ask(2, "a", VIEW_ON_UPDATE);
  const [feed, marker] = engine.requests;
  engine.answer(marker!);
  b!.ask(3, "b", VIEW_ON_UPDATE);
  // The engine comes to a poll, and then to b's place.
  engine.answer(feed!, CHANGED);
  engine.answer(engine.last);
  engine.answer(feed!, CHANGED);
  assertEquals([ids(a!), ids(b!)], [[2, 2], [3]]);
});

Deno.test("Who subscribes while another's subscription begins waits for that", () => {
  const it = routing({ sharing: true });
  const { engine } = it;
  const [a, b] = sharers(it, 2);
  a!.ask(2, "a", VIEW_ON_UPDATE);
  const [feed, marker] = engine.requests;
  b!.ask(3, "b", VIEW_ON_UPDATE, WITH_ROWS);
  b!.ask(4, "t", TABLE_SIZE); // behind it
  assertEquals(engine.requests.length, 2);
  a!.ask(4, "a", VIEW_ON_UPDATE); // its own
  assertEquals(engine.requests.length, 3);
  engine.answer(marker!);
  assertEquals(engine.steps.slice(3), [
    "view_on_update",
    "view_remove_on_update",
    "table_size",
  ]);
  for (const request of engine.requests.slice(2)) {
    if (request.kind !== VIEW_ON_UPDATE) engine.answer(request);
  }
  assertEquals(ids(b!), [4]);
  engine.answer(engine.requests[3]!, ROWS);
  assertEquals([ids(a!), ids(b!)], [[2, 4], [3]]);
  engine.answer(feed!, CHANGED); // it has ended
  assertEquals([ids(a!), ids(b!)], [[], []]);
});

Deno.test("The last to unsubscribe ends the engine's subscription", () => {
  const it = tinyRouting({ sharing: true });
  const { engine, router } = it;
  const [a, b] = sharers(it, 2);
  a!.ask(2, "a", VIEW_ON_UPDATE);
  b!.ask(2, "b", VIEW_ON_UPDATE);
  const [feed] = engine.requests;
  engine.requests.length = 0;
  a!.ask(3, "a", VIEW_REMOVE_ON_UPDATE, uint(1, 2));
  assertEquals(a!.take(), [frame(3, "a", VIEW_REMOVE_ON_UPDATE)]);
  assertEquals(engine.requests, []);
  a!.ask(4, "t", TABLE_UPDATE);
  assertEquals([ids(a!), ids(b!)], [[4], [2]]);
  engine.requests.length = 0;
  b!.ask(3, "b", VIEW_REMOVE_ON_UPDATE, uint(1, 2));
  assertEquals(engine.requests.map((it) => [it.kind, it.content]), [
    [VIEW_REMOVE_ON_UPDATE, message(uint(1, feed!.msgId))],
  ]);
  a!.ask(5, "t", TABLE_UPDATE);
  assertEquals([ids(a!), ids(b!)], [[5], [3]]);
  assertEquals(router.stats().subscriptions, 0);
  // It begins anew.
  b!.ask(6, "b", VIEW_ON_UPDATE);
  a!.ask(7, "t", TABLE_UPDATE);
  assertEquals([ids(a!), ids(b!)], [[7], [6]]);
});

Deno.test("A subscription with rows goes on in the engine, for nobody", () => {
  const it = tinyRouting({ sharing: true });
  const { engine, router } = it;
  const [a, b] = sharers(it, 2);
  a!.ask(2, "a", VIEW_ON_UPDATE, WITH_ROWS);
  engine.requests.length = 0;
  a!.ask(3, "a", VIEW_REMOVE_ON_UPDATE, uint(1, 2));
  assertEquals(engine.requests, []);
  a!.ask(4, "t", TABLE_UPDATE);
  assertEquals(ids(a!), [3, 4]);
  assertEquals(router.stats().pushes, { computed: 1, sent: 0 });
  engine.requests.length = 0;
  b!.ask(5, "b", VIEW_ON_UPDATE);
  assertEquals(engine.requests.map((it) => it.kind), [VIEW_REMOVE_ON_UPDATE]);
  a!.ask(6, "t", TABLE_UPDATE);
  assertEquals(ids(b!), [5]);
});

Deno.test("A subscription under way that nobody wants any more ends when it has begun", () => {
  const it = routing({ sharing: true });
  const { engine, router } = it;
  const [a, b] = sharers(it, 2);
  a!.ask(2, "a", VIEW_ON_UPDATE);
  const [feed, marker] = engine.requests;
  a!.session.close();
  assertEquals(engine.steps.slice(2), ["view_remove_on_update"]);
  assertEquals(engine.last.content, message(uint(1, feed!.msgId)));
  b!.ask(3, "b", VIEW_ON_UPDATE); // while it ends
  assertEquals(engine.requests.length, 3);
  engine.answer(marker!);
  assertEquals(engine.requests.length, 3);
  engine.answer(engine.last);
  assertEquals(engine.steps.slice(3), [
    "view_on_update",
    "view_remove_on_update",
  ]);
  engine.answer(engine.last);
  engine.answer(engine.requests[3]!, CHANGED);
  assertEquals(ids(b!), [3]);
  assertEquals(router.stats().subscriptions, 1);
});

Deno.test("Who subscribes again while the last subscription ends begins another", () => {
  const it = routing({ sharing: true });
  const { engine } = it;
  const [a] = sharers(it, 1);
  a!.ask(2, "a", VIEW_ON_UPDATE);
  engine.answer(engine.last);
  a!.ask(3, "a", VIEW_REMOVE_ON_UPDATE, uint(1, 2));
  a!.ask(4, "a", VIEW_ON_UPDATE);
  const [first, , ended, second, marker, ...more] = engine.requests;
  assertEquals(more, []);
  assertEquals([ended!.kind, second!.kind], [
    VIEW_REMOVE_ON_UPDATE,
    VIEW_ON_UPDATE,
  ]);
  engine.answer(first!, CHANGED);
  engine.answer(ended!);
  engine.answer(marker!);
  engine.answer(second!, CHANGED);
  assertEquals(ids(a!), [3, 4]);
  a!.ask(5, "a", VIEW_REMOVE_ON_UPDATE, uint(1, 4));
  assertEquals(engine.last.content, message(uint(1, second!.msgId)));
});

Deno.test("A msg_id that was subscribed with twice ends both", () => {
  const it = tinyRouting({ sharing: true });
  const { engine, router } = it;
  const [a] = sharers(it, 1);
  a!.ask(2, "a", VIEW_ON_UPDATE);
  a!.ask(2, "a", VIEW_ON_UPDATE);
  a!.ask(3, "t", TABLE_UPDATE);
  assertEquals(ids(a!), [3, 2, 2]);
  a!.ask(4, "a", VIEW_REMOVE_ON_UPDATE, uint(1, 2));
  assertEquals(engine.steps.at(-1), "view_remove_on_update");
  a!.ask(5, "t", TABLE_UPDATE);
  assertEquals(ids(a!), [4, 5]);
  assertEquals(router.stats().subscriptions, 0);
});

Deno.test("What is removed is another subscription than what is changed", () => {
  const it = routing({ sharing: true, line: "5" });
  const { engine } = it;
  const [a, b] = sharers(it, 2);
  a!.ask(2, "a", VIEW_ON_UPDATE);
  a!.ask(3, "a", VIEW_ON_REMOVE);
  b!.ask(3, "b", VIEW_ON_REMOVE); // it waits for a's
  assertEquals(engine.steps, [
    "view_on_update",
    "view_remove_on_update",
    "view_on_remove",
    "view_remove_on_update",
  ]);
  const [updates, one, removals, two] = engine.requests;
  engine.answer(one!);
  engine.answer(two!);
  engine.answer(engine.last);
  engine.answer(removals!, ROWS);
  engine.answer(updates!, CHANGED);
  assertEquals(news(a!), [
    [3, VIEW_ON_REMOVE, ROWS.toHex()],
    [2, VIEW_ON_UPDATE, CHANGED.toHex()],
  ]);
  assertEquals(news(b!), [[3, VIEW_ON_REMOVE, ROWS.toHex()]]);
  a!.ask(4, "a", VIEW_REMOVE_ON_REMOVE, uint(1, 3));
  b!.ask(4, "b", VIEW_REMOVE_ON_REMOVE, uint(1, 3));
  assertEquals(engine.last.kind, VIEW_REMOVE_ON_REMOVE);
  assertEquals(engine.last.content, message(uint(1, removals!.msgId)));
});

Deno.test("on_delete comes before the answer, when the client's own view is deleted", () => {
  const it = tinyRouting({ sharing: true });
  const { engine, router } = it;
  const [a, b] = sharers(it, 2);
  a!.ask(10, "a", VIEW_ON_DELETE);
  a!.ask(11, "a", VIEW_ON_DELETE);
  a!.ask(12, "a", VIEW_ON_DELETE);
  a!.ask(13, "a", VIEW_REMOVE_DELETE, uint(1, 11));
  b!.ask(20, "b", VIEW_ON_DELETE);
  assertEquals(engine.steps, []);
  assertEquals(ids(a!), [13]);
  a!.ask(14, "a", VIEW_DELETE);
  assertEquals(a!.take(), [
    frame(10, "a", VIEW_ON_DELETE),
    frame(12, "a", VIEW_ON_DELETE),
    frame(14, "a", VIEW_DELETE),
  ]);
  assertEquals(b!.frames, [], "its own is still there");
  b!.ask(21, "b", VIEW_DELETE);
  assertEquals(ids(b!), [20, 21]);
  assertEquals(router.stats().subscriptions, 0);
});

Deno.test("What was pushed before a view is deleted comes before the answer", () => {
  // Invariants 3 and 4
  const it = routing({ sharing: true });
  const { engine } = it;
  const [a, b] = sharers(it, 2);
  a!.ask(2, "a", VIEW_ON_UPDATE);
  const [feed, marker] = engine.requests;
  engine.answer(marker!);
  a!.ask(3, "a", VIEW_ON_DELETE);
  b!.ask(3, "b", VIEW_ON_UPDATE);
  engine.answer(engine.last);
  a!.ask(4, "a", VIEW_DELETE);
  const { last } = engine;
  assertEquals(a!.frames, []);
  engine.answer(feed!, CHANGED);
  engine.answer(last);
  engine.answer(feed!, CHANGED); // not its any more
  assertEquals(ids(a!), [2, 3, 4]);
  assertEquals(ids(b!), [3, 3]);
});

// -- Holding -----------------------------------------------------------------

Deno.test("What another asks of a view under way waits, and is answered in order", () => {
  // Invariant 4
  const { engines: [engine], open, run } = timedRouting(1, { sharing: true });
  const [a, b] = [open(), open()];
  const content = makeView("v", BY_STATE);
  a.session.handleRequest(frame(1, "t", TABLE_MAKE_VIEW, content));
  b.session.handleRequest(frame(1, "t", TABLE_MAKE_VIEW, content));
  a.session.handleRequest(frame(2, "v", VIEW_SCHEMA));
  b.session.handleRequest(frame(2, "v", VIEW_DIMENSIONS));
  b.session.handleRequest(frame(3, "t", TABLE_SIZE));
  b.session.handleRequest(frame(4, "v", VIEW_EXPAND));
  b.session.handleRequest(frame(5, "v", VIEW_DIMENSIONS));
  // Its maker's come after it anyway.
  assertEquals(engine!.steps, ["table_make_view", "view_schema"]);
  run();
  assertEquals(a.frames.map((it) => parts(it).msgId), [1, 2]);
  assertEquals(b.frames.map((it) => parts(it).msgId), [1, 2, 3, 4, 5]);
});

Deno.test("A closed session's requests that wait are made, and it goes then", () => {
  const it = routing({ sharing: true });
  const { engine, router, open } = it;
  const [a, b] = [open(), open()];
  make(a, 1, "a");
  make(b, 1, "b");
  b.ask(2, "b", VIEW_ON_UPDATE);
  b.ask(3, "t", TABLE_UPDATE);
  b.session.close();
  assertEquals(engine.steps, ["table_make_view"]);
  assertEquals(router.stats().views, 2);
  engine.answer(engine.last);
  assertEquals(engine.steps.includes("table_update+"), true);
  for (const request of engine.requests.slice(1)) {
    if (request.kind !== VIEW_ON_UPDATE) engine.answer(request);
  }
  const { views, engineViews, subscriptions } = router.stats();
  assertEquals([views, engineViews, subscriptions], [1, 1, 0]);
  assertEquals(b.frames, []);
});

Deno.test("Nobody waits for a view for ever, if the engine is lost", () => {
  // Invariant 3
  const { engine, router, open } = routing({ sharing: true });
  const [a, b] = [open(), open()];
  make(a, 1, "a");
  make(b, 1, "b");
  b.ask(2, "b", VIEW_SCHEMA);
  engine.die("unreachable");
  assertEquals([ids(a), ids(b)], [[1], [1, 2]]);
  assertEquals([a.ended, b.ended], ["engine lost", "engine lost"]);
  const { views, engineViews, pending } = router.stats();
  assertEquals([views, engineViews, pending], [0, 0, 0]);
});

// -- Deleting tables ---------------------------------------------------------

Deno.test("A table that somebody has a view of can't be deleted at once", () => {
  // ENGINE 5.1
  const it = tinyRouting({ sharing: true });
  const { engine } = it;
  const [a, b] = sharers(it, 2);
  const c = it.open();
  a!.ask(2, "a", VIEW_DELETE);
  c.ask(1, "t", TABLE_DELETE, uint(1, 1));
  assertEquals(errorOf(c.take()[0]!).message, "Cannot delete table with views");
  assertEquals(engine.steps, []);
  b!.ask(2, "b", VIEW_DELETE);
  c.ask(2, "t", TABLE_DELETE, uint(1, 1));
  assertEquals(c.frames, [frame(2, "t", TABLE_DELETE)]);
  assertEquals(engine.steps, ["view_delete", "table_delete+"]);
});

Deno.test("A table isn't deleted before a view that clients have left has gone", () => {
  const { engines: [engine], open, run } = timedRouting(1, { sharing: true });
  const client = open();
  const content = makeView("v", BY_STATE);
  client.session.handleRequest(frame(1, "t", TABLE_MAKE_VIEW, content));
  run();
  client.session.handleRequest(frame(2, "v", VIEW_SCHEMA));
  client.session.handleRequest(frame(3, "v", VIEW_DELETE));
  client.session.handleRequest(frame(4, "t", TABLE_DELETE, uint(1, 1)));
  run();
  assertEquals(engine!.steps, [
    "table_make_view",
    "view_schema",
    "view_remove_on_update",
    "view_delete",
    "table_delete+",
  ]);
  assertEquals(client.frames.map((it) => parts(it).msgId), [1, 2, 3, 4]);
});

Deno.test("A lazy delete is answered once, when the last who shares a view has left", () => {
  // Invariant 3, ENGINE 5.2
  for (const count of [1, 2]) {
    const { engines, router, open, run } = timedRouting(count, {
      sharing: true,
    });
    const [a, b, c] = [open(), open(), open()];
    for (const client of [a, b]) {
      client.session.handleRequest(
        frame(1, "t", TABLE_MAKE_VIEW, makeView("v", BY_STATE)),
      );
    }
    run();
    c.session.handleRequest(frame(1, "t", TABLE_DELETE));
    c.session.handleRequest(frame(2, "t", TABLE_SIZE));
    const deletes = () =>
      engines.map((it) =>
        it.steps.filter((step) => step === "table_delete+").length
      );
    // One engine alone waits itself; this one doesn't, so it isn't run yet.
    if (count > 1) run();
    a.session.handleRequest(frame(2, "v", VIEW_DELETE));
    if (count > 1) {
      run();
      assertEquals(deletes(), [0, 0]);
      assertEquals(c.frames.map((it) => parts(it).msgId), [2]);
      assertEquals(router.stats().waitingDeletes, 1);
    }
    assertEquals(a.frames.map((it) => parts(it).msgId), [1, 2]);
    b.session.handleRequest(frame(2, "v", VIEW_DELETE));
    run();
    assertEquals(deletes(), engines.map(() => 1));
    assertEquals(c.frames.map((it) => parts(it).msgId).sort(), [1, 2]);
    assertEquals(b.frames.map((it) => parts(it).msgId), [1, 2]);
    const { waitingDeletes, pending, engineViews } = router.stats();
    assertEquals([waitingDeletes, pending, engineViews], [0, 0, 0]);
  }
});

Deno.test("The last view of a table that goes with it is deleted when it has gone", () => {
  const it = routing({ sharing: true });
  const { engine, router } = it;
  const [a, b] = sharers(it, 2);
  const c = it.open();
  c.ask(1, "t", TABLE_DELETE);
  const { last: lazy } = engine;
  a!.ask(2, "a", VIEW_DELETE);
  assertEquals(ids(a!), [2]);
  b!.ask(2, "b", VIEW_DELETE);
  assertEquals(ids(b!), []);
  // Another of that name waits, or it would go, too.
  c.ask(3, "t", MAKE_TABLE);
  assertEquals(engine.steps, ["table_delete+", "view_delete"]);
  const { last: deleted } = engine;
  engine.answer(lazy);
  engine.answer(deleted);
  assertEquals(ids(b!), [2]);
  assertEquals(engine.steps.slice(2), ["make_table+"]);
  engine.answer(engine.last);
  assertEquals(ids(c), [1, 3]);
  assertEquals(router.stats().pending, 0);
});

Deno.test("A view that couldn't be made doesn't keep a table", () => {
  const it = routing({ sharing: true });
  const { engine } = it;
  const [a, b] = sharers(it, 1).concat(it.open());
  make(a!, 2, "x", BY_CITY);
  make(b!, 2, "x", BY_CITY);
  engine.refuse(engine.last, "no memory");
  b!.ask(3, "t", TABLE_DELETE);
  const { last: lazy } = engine;
  a!.take();
  a!.ask(4, "a", VIEW_DELETE);
  assertEquals(ids(a!), [], "it goes with that view");
  engine.answer(lazy);
  engine.answer(engine.last);
  assertEquals(ids(a!), [4]);
});

// -- Isolation ---------------------------------------------------------------

Deno.test("A view that is shared can be named only by those who have it, each by its own name", () => {
  // Invariant 9
  const it = tinyRouting({ sharing: true });
  const { engine, router } = it;
  const [a, b] = sharers(it, 2);
  const c = it.open();
  a!.ask(2, "a", VIEW_SCHEMA);
  const { entity } = engine.last;
  engine.steps.length = 0;
  a!.take();
  const kinds = [
    VIEW_TO_ARROW,
    VIEW_SCHEMA,
    VIEW_EXPAND,
    VIEW_ON_UPDATE,
    VIEW_DELETE,
  ];
  for (const kind of kinds) {
    for (
      const [client, names] of [
        [a!, ["b", entity]],
        [b!, ["a", entity]],
        [c, ["a", "b", entity]],
      ] as const
    ) {
      for (const name of names) {
        client.ask(3, name, kind);
        const [answer] = client.take();
        assertEquals(errorOf(answer!), {
          message: "View not found",
          status: 1,
        });
        assertEquals(parts(answer!).entity, name);
      }
    }
  }
  c.ask(4, "a", VIEW_REMOVE_ON_UPDATE, uint(1, 2));
  assertEquals(c.take(), [frame(4, "a", VIEW_REMOVE_ON_UPDATE)]);
  assertEquals(engine.steps, []);
  assertEquals(router.stats().views, 2);
});

Deno.test("A client can't end another's subscription on the view that they share", () => {
  // Invariant 9
  const it = tinyRouting({ sharing: true });
  const [a, b] = sharers(it, 2);
  a!.ask(2, "a", VIEW_ON_UPDATE);
  b!.ask(2, "b", VIEW_ON_UPDATE);
  const [{ msgId: engines }] = it.engine.requests as [Parts];
  for (const id of [2, engines]) {
    b!.ask(3, "a", VIEW_REMOVE_ON_UPDATE, uint(1, id));
  }
  b!.ask(3, "b", VIEW_REMOVE_ON_UPDATE, uint(1, engines));
  b!.take();
  b!.ask(4, "t", TABLE_UPDATE);
  assertEquals([ids(a!), ids(b!)], [[2], [4, 2]]);
  b!.ask(5, "b", VIEW_REMOVE_ON_UPDATE, uint(1, 2));
  b!.ask(6, "t", TABLE_UPDATE);
  assertEquals([ids(a!), ids(b!)], [[2], [5, 6]]);
});

// -- Against engines of their own --------------------------------------------

/** A config that engines of this test take for wrong. */
const WRONG = message(text(1, "wrong"));

/** An engine in which a view of the config {@linkcode WRONG} can't be made. */
function tinyEngine() {
  const engine = new TinyEngine();
  const wrong = WRONG.toHex();
  const script: Script = (request) => {
    const { msgId, entity, kind, content } = request;
    const isWrong = kind === TABLE_MAKE_VIEW && content.toHex().includes(wrong);
    return isWrong
      ? [frame(msgId, entity, 50, serverError("Bad config"))]
      : engine.script(request);
  };
  return { script, onPoll: engine.onPoll };
}

const TABLES = ["t", "prices"];
const VIEWS = ["v", "w", "x"];
const CONFIGS = [BY_STATE, BY_STATE, BY_CITY, HIGHEST, WRONG];

type Ask = [msgId: number, entity: string, kind: number, content?: Fill];

/** Something that a client asks; views that it has had made are in `views`. */
function randomAsk(random: Random, views: Set<string>): Ask {
  const msgId = 1 + random.below(6);
  const view = random.pick(VIEWS);
  const table = random.pick(TABLES);
  switch (random.below(12)) {
    case 0:
    case 1:
    case 2: {
      const config = random.pick(CONFIGS);
      // A second view of one name is what only the router refuses.
      if (views.has(view)) return [msgId, table, TABLE_SIZE];
      if (config !== WRONG) views.add(view);
      return [msgId, table, TABLE_MAKE_VIEW, makeView(view, config)];
    }
    case 3:
      views.delete(view);
      return [msgId, view, VIEW_DELETE];
    case 4:
    case 5: {
      const kind = random.pick([
        VIEW_ON_UPDATE,
        VIEW_ON_UPDATE,
        VIEW_ON_DELETE,
      ]);
      const withRows = kind === VIEW_ON_UPDATE && random.chance(0.3);
      return [msgId, view, kind, withRows ? WITH_ROWS : () => {}];
    }
    case 6: {
      const kind = random.pick([VIEW_REMOVE_ON_UPDATE, VIEW_REMOVE_DELETE]);
      return [msgId, view, kind, uint(1, 1 + random.below(6))];
    }
    case 7:
    case 8:
      return [msgId, table, TABLE_UPDATE, text(2, "x")];
    case 9: {
      const kind = random.pick([VIEW_EXPAND, VIEW_COLLAPSE, VIEW_SET_DEPTH]);
      return [msgId, view, kind, uint(1, random.below(3))];
    }
    default: {
      const kind = random.pick([VIEW_TO_ARROW, VIEW_SCHEMA]);
      return [msgId, view, kind, uint(1, random.below(2))];
    }
  }
}

/** Pushes of one poll come view by view, in whichever order views were made. */
function sorted(frames: readonly Uint8Array[]): string[] {
  const isPush = (it: Uint8Array) => parts(it).kind === VIEW_ON_UPDATE;
  const hex = (it: Uint8Array) => it.toHex();
  return [
    ...frames.filter((it) => !isPush(it)).map(hex),
    ...frames.filter(isPush).map(hex).sort(),
  ];
}

Deno.test("Each client gets what an engine of its own would give it, though they share views", async () => {
  // Invariants 3, 5 and 9
  await forAll(200, (random) => {
    const { router, errors, open } = routing({
      sharing: true,
      ...tinyEngine(),
    });
    const changes: Parts[] = [];
    const newClient = () => {
      const reference = tinyEngine();
      for (const change of changes) {
        reference.script(change);
        reference.onPoll();
      }
      return { client: open(), reference, views: new Set<string>() };
    };
    const clients = [newClient(), newClient(), newClient()];
    for (let i = 0; i < 150; i++) {
      const at = random.below(clients.length);
      if (random.chance(0.02)) {
        clients[at]!.client.session.close();
        clients[at] = newClient();
        continue;
      }
      const own = clients[at]!;
      const ask = randomAsk(random, own.views);
      own.client.ask(...ask);
      const request = parts(frame(...ask));
      const isChange = request.kind === TABLE_UPDATE;
      if (isChange) changes.push(request);
      for (const it of clients) {
        const expected = it === own || isChange
          ? [...it.reference.script(request)]
          : [];
        if (isChange) {
          if (it !== own) expected.length = 0;
          expected.push(...it.reference.onPoll());
        }
        assertEquals(sorted(it.client.take()), sorted(expected));
      }
      const { views, engineViews, pending } = router.stats();
      assert(engineViews <= views);
      assertEquals(pending, 0);
    }
    assertEquals(errors, []);
    for (const { client } of clients) client.session.close();
    const { views, engineViews, subscriptions } = router.stats();
    assertEquals([views, engineViews, subscriptions], [0, 0, 0]);
  });
});

// -- Against an engine that takes its time -----------------------------------

/** What an {@linkcode numberingEngine} has. */
interface NumberedView {
  readonly table: string;
  readonly config: string;
  state: number;
  hasRows: boolean;
}

/**
 * An engine that numbers the polls in which a table has changed, which pushes
 * tell, and the changes, which reads do. Rows go only where ENGINE 4.4 says.
 */
function numberingEngine() {
  const views = new Map<string, NumberedView>();
  const polls = new Map<string, number>();
  const updates = new Map<string, number>();
  const changed = new Set<string>();
  let subscriptions: Array<Parts & { withRows: boolean }> = [];
  const script: Script = (request) => {
    const { msgId, entity, kind, content } = request;
    const info = kindInfo(kind)!;
    const answer = (fill?: Fill) => [frame(msgId, entity, kind, fill)];
    const view = views.get(entity);
    if (info.effect === "unsubscribe") {
      const [wanted] = fields(content);
      subscriptions = subscriptions.filter((it) =>
        it.msgId !== wanted!.value || it.kind !== info.ends
      );
      return answer();
    }
    if (kind === TABLE_MAKE_VIEW) {
      const [name, config] = fields(content);
      if ((config!.value as Uint8Array).toHex() === WRONG.toHex()) {
        return [frame(msgId, entity, 50, serverError("Bad config"))];
      }
      views.set(new TextDecoder().decode(name!.value as Uint8Array), {
        table: entity,
        config: (config!.value as Uint8Array).toHex(),
        state: 0,
        hasRows: false,
      });
      return answer(text(1, "made"));
    }
    if (info.effect === "change") {
      changed.add(entity);
      updates.set(entity, (updates.get(entity) ?? 0) + 1);
      return answer();
    }
    if (view === undefined) {
      return [frame(msgId, entity, 50, serverError("View not found", 1))];
    }
    if (info.effect === "subscribe") {
      const withRows = content.length > 0;
      view.hasRows ||= withRows;
      subscriptions.push({ ...request, withRows });
      return [];
    }
    if (kind === VIEW_DELETE) {
      views.delete(entity);
      subscriptions = subscriptions.filter((it) => it.entity !== entity);
      return answer();
    }
    if (info.effect === "view_state") view.state++;
    return answer((it) => {
      it.tag(1, 0).uint32(updates.get(view.table) ?? 0);
      it.tag(2, 0).uint32(view.state);
      it.tag(3, 2).string(view.config);
    });
  };
  const onPoll = () => {
    for (const table of changed) polls.set(table, (polls.get(table) ?? 0) + 1);
    const pushes: Uint8Array[] = [];
    for (const [id, { table, hasRows }] of views) {
      if (!changed.has(table)) continue;
      const own = subscriptions.filter((it) => it.entity === id);
      const first = own.find((it) => it.withRows);
      for (const it of own) {
        pushes.push(frame(it.msgId, id, VIEW_ON_UPDATE, (push) => {
          if (hasRows) push.tag(1, 2).string(it === first ? "rows" : "");
          push.tag(2, 0).uint32(polls.get(table)!);
        }));
      }
    }
    changed.clear();
    return pushes;
  };
  return { script, onPoll, views, polls };
}

/** A view of a client in the test below. */
interface ModelView {
  readonly name: string;
  readonly table: string;
  readonly config: Uint8Array;
  /** How often the client has asked to change its state. */
  state: number;
}

/** A subscription of a client in the test below. */
interface ModelSubscription {
  readonly view: ModelView;
  readonly withRows: boolean;
  /** The numbers of the polls that it was told of. */
  readonly told: number[];
  /** All polls after this one have to be told of, if it is known. */
  since: number | undefined;
  hasEnded: boolean;
}

/** Changes of each table. */
class Changes {
  readonly #counts = new Map<string, number>();

  of(table: string): number {
    return this.#counts.get(table) ?? 0;
  }

  add(table: string): void {
    this.#counts.set(table, this.of(table) + 1);
  }
}

/** A client that checks whatever it gets. */
class CheckingClient {
  readonly views = new Map<string, ModelView>();
  readonly subscriptions = new Map<number, ModelSubscription>();
  /** What was wrong first. */
  failure: unknown;
  readonly #session: Session;
  readonly #open = new Map<number, (answer: Parts) => void>();
  /** Changes that were answered to anybody. */
  readonly #answered: Changes;
  /** Its own changes. */
  readonly #own = new Changes();
  #nextId = 1;
  #closed = false;

  constructor(
    answered: Changes,
    openSession: (send: (bytes: Uint8Array) => void) => Session,
  ) {
    this.#answered = answered;
    this.#session = openSession((bytes) => {
      try {
        this.#take(parts(bytes));
      } catch (reason) {
        this.failure ??= reason; // the router would take it for a broken socket
      }
    });
  }

  /** How many requests it waits for. */
  get waiting(): number {
    return this.#open.size;
  }

  close(): void {
    this.#closed = true;
    this.#session.close();
  }

  ask(random: Random): void {
    const name = random.pick(VIEWS);
    const view = this.views.get(name);
    const what = random.below(12);
    if (what < 2) {
      const table = random.pick(TABLES);
      this.#own.add(table);
      this.#ask(table, TABLE_UPDATE, undefined, ({ kind }) => {
        assertEquals(kind, TABLE_UPDATE);
        this.#answered.add(table);
      });
    } else if (view === undefined) this.#make(random, name);
    else if (what === 2) this.#delete(view);
    else if (what < 5) this.#subscribe(view, random.chance(0.3));
    else if (what === 5) this.#unsubscribe(random, view);
    else this.#read(random, view);
  }

  #make(random: Random, name: string): void {
    const table = random.pick(TABLES);
    const config = random.pick(CONFIGS);
    const made = { name, table, config, state: 0 };
    this.views.set(name, made);
    this.#ask(table, TABLE_MAKE_VIEW, makeView(name, config), (answer) => {
      assertEquals(answer.entity, table);
      if (config === WRONG) assertEquals(answer.kind, 50);
      else assertEquals(answer.content, message(text(1, name)));
    });
  }

  #read(random: Random, view: ModelView): void {
    const kind = random.pick(
      [VIEW_TO_ARROW, VIEW_TO_ARROW, VIEW_SCHEMA, VIEW_EXPAND, VIEW_SET_DEPTH],
    );
    if (kind === VIEW_EXPAND || kind === VIEW_SET_DEPTH) view.state++;
    const { state, table } = view;
    const seen = Math.max(this.#answered.of(table), this.#own.of(table));
    this.#askOf(view, kind, uint(1, 1), ({ content }) => {
      const [changes, read, config] = fields(content).map((it) => it.value);
      assert(changes as number >= seen, `${changes} of ${seen} changes`);
      assertEquals(read, state);
      assertEquals(
        new TextDecoder().decode(config as Uint8Array),
        view.config.toHex(),
      );
    });
  }

  #subscribe(view: ModelView, withRows: boolean): void {
    const told: number[] = [];
    this.subscriptions.set(this.#nextId, {
      view,
      withRows,
      told,
      since: undefined,
      hasEnded: view.config === WRONG,
    });
    const content = withRows ? WITH_ROWS : undefined;
    this.#session.handleRequest(
      frame(this.#nextId++, view.name, VIEW_ON_UPDATE, content),
    );
  }

  #unsubscribe(random: Random, view: ModelView): void {
    const live = [...this.subscriptions].filter(([, it]) => it.view === view);
    if (live.length === 0) return;
    const [id, subscription] = random.pick(live);
    this.#askOf(view, VIEW_REMOVE_ON_UPDATE, uint(1, id), () => {
      subscription.hasEnded = true;
    });
  }

  #delete(view: ModelView): void {
    this.views.delete(view.name);
    this.#askOf(view, VIEW_DELETE, undefined, () => {
      for (const it of this.subscriptions.values()) {
        if (it.view === view) it.hasEnded = true;
      }
    });
  }

  #askOf(
    view: ModelView,
    kind: number,
    content: Fill | undefined,
    answered: (answer: Parts) => void,
  ): void {
    this.#ask(view.name, kind, content, (answer) => {
      assertEquals(answer.entity, view.name);
      if (view.config !== WRONG) assertEquals(answer.kind, kind);
      if (answer.kind === kind) answered(answer);
    });
  }

  #ask(
    entity: string,
    kind: number,
    content: Fill | undefined,
    answered: (answer: Parts) => void,
  ): void {
    const msgId = this.#nextId++;
    this.#open.set(msgId, answered);
    this.#session.handleRequest(frame(msgId, entity, kind, content));
  }

  #take(answer: Parts): void {
    assert(!this.#closed, "it has closed");
    const { msgId, kind } = answer;
    const subscription = this.subscriptions.get(msgId);
    if (subscription === undefined) {
      const answered = this.#open.get(msgId);
      assert(answered !== undefined, `${msgId} is answered twice`);
      this.#open.delete(msgId);
      return answered(answer);
    }
    const { view, withRows, told, hasEnded } = subscription;
    if (view.config === WRONG) return assertEquals(kind, 50);
    assertEquals([kind, answer.entity], [VIEW_ON_UPDATE, view.name]);
    assert(!hasEnded, "it has ended");
    const [first, second] = fields(answer.content);
    assertEquals(second === undefined, !withRows, "rows for who wants them");
    if (withRows) {
      assertEquals(
        new TextDecoder().decode(first!.value as Uint8Array),
        "rows",
      );
    }
    const number = (second ?? first)!.value as number;
    // Each once, in order, and none left out.
    if (told.length > 0) assertEquals(number, told.at(-1)! + 1);
    else if (subscription.since !== undefined) {
      assertEquals(number, subscription.since + 1);
    }
    told.push(number);
  }
}

Deno.test("Clients that share views are answered once and miss no push, whatever the engines are at", async () => {
  // Invariants 2, 3, 5 and 9
  await forAll(150, (random) => {
    const numbering: ReturnType<typeof numberingEngine>[] = [];
    const { engines, router, run } = timedRouting(random.between(1, 3), {
      sharing: true,
      behaviour: () => {
        const engine = numberingEngine();
        numbering.push(engine);
        return engine;
      },
    });
    const answered = new Changes();
    const newClient = () =>
      new CheckingClient(answered, (send) => router.openSession({ send }));
    const clients = [newClient(), newClient(), newClient(), newClient()];
    /** All is done: what is subscribed by now misses nothing from here on. */
    const settle = () => {
      run();
      for (const client of clients) {
        if (client.failure !== undefined) throw client.failure;
        assertEquals(client.waiting, 0);
        for (const subscription of client.subscriptions.values()) {
          if (subscription.hasEnded) continue;
          const polls = numbering[0]!.polls.get(subscription.view.table) ?? 0;
          const last = subscription.told.at(-1) ?? subscription.since;
          assertEquals(last ?? polls, polls);
          subscription.since = polls;
        }
      }
      assertEquals(router.stats().pending, 0);
    };
    // Requests wait in front of busy engines, and are chosen from there.
    const settling = random.pick([0.005, 0.05]);
    const asking = random.pick([0.5, 0.8, 0.95]);
    const micros = random.pick([[10], [10, 100, 20_000], [20_000]]);
    for (let i = 0; i < 200; i++) {
      const at = random.below(clients.length);
      const engine = random.pick(engines);
      if (random.chance(0.02)) {
        clients[at]!.close();
        clients[at] = newClient();
      } else if (random.chance(settling)) settle();
      else if (random.chance(asking)) clients[at]!.ask(random);
      else if (engine.waiting.length > 0) engine.step(random.pick(micros));
    }
    settle();
    for (const client of clients) client.close();
    run();
    const { views, engineViews, subscriptions, pending } = router.stats();
    assertEquals([views, engineViews, subscriptions, pending], [0, 0, 0, 0]);
    for (const engine of numbering) assertEquals(engine.views.size, 0);
  });
});

Deno.test("A view_delete that waits for its table is answered, though another makes a view of it", () => {
  // Invariant 3
  for (const count of [1, 2]) {
    for (const config of [BY_STATE, BY_CITY]) {
      const { open, run } = timedRouting(count, { sharing: true });
      const [a, b, c] = [open(), open(), open()];
      const make = (name: string, config: Uint8Array) =>
        frame(1, "t", TABLE_MAKE_VIEW, makeView(name, config));
      a.session.handleRequest(make("v", BY_STATE));
      run();
      c.session.handleRequest(frame(1, "t", TABLE_DELETE)); // lazily
      a.session.handleRequest(frame(2, "v", VIEW_SCHEMA));
      a.session.handleRequest(frame(3, "v", VIEW_DELETE));
      c.session.handleRequest(frame(2, "t", MAKE_TABLE));
      b.session.handleRequest(make("w", config));
      run();
      assertEquals(a.frames.map((it) => parts(it).msgId).sort(), [1, 2, 3]);
      assert(c.frames.some((it) => parts(it).msgId === 2));
    }
  }
});

Deno.test("A view that comes to linger makes way for who waits to delete its table", async () => {
  const { client, engines, open, settle } = await recoveringTable(2, {
    sharing: true,
    viewLinger: 10_000,
  });
  const other = open();
  other.ask(1, "t", Kind.TABLE_MAKE_VIEW, makeView("v"));
  await settle();
  other.ask(2, "v", Kind.VIEW_TO_CSV);
  other.session.close(); // the view stays until that is answered
  client.ask(2, "t", Kind.TABLE_DELETE, uint(1, 1));
  assertEquals(client.got, []);
  await settle();
  assertEquals(client.got.map(({ kind }) => kind), [Kind.TABLE_DELETE]);
  for (const { log } of engines) assertEquals(log.tables, {});
});

Deno.test("What a closed session is done with doesn't linger when the server is closed", async () => {
  const clock = new ManualClock();
  const { open, router, engines } = await recoveringTable(2, {
    sharing: true,
    viewLinger: 10_000,
    later: clock.later,
  });
  const client = open();
  client.ask(1, "t", Kind.TABLE_MAKE_VIEW, makeView("v"));
  for (const engine of engines) engine.run();
  const [view] = [0, 1].flatMap((i) => router.views.on(router.replicas[i]!));
  client.session.close();
  await router.close();
  assertEquals(clock.pauses, []);
  router.views.released(view!);
  assertEquals(clock.pauses, []);
});
