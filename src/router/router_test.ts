import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { ServerLostError } from "../errors.ts";
import { Kind, kindInfo } from "../protocol/kinds.ts";
import { BAD_CONFIG, FakeEngine, TinyEngine } from "../testing/fake_engine.ts";
import {
  errorOf,
  type Fill,
  frame,
  makeView,
  parts,
  text,
  uint,
} from "../testing/frames.ts";
import { forAll, type Random } from "../testing/random.ts";
import { routing, tinyRouting, UNWATCHED } from "../testing/routing.ts";
import { Router } from "./router.ts";

// -- Headers -----------------------------------------------------------------

Deno.test("Router keeps apart sessions that use the same msg_id", () => {
  const { engine, router, open } = routing();
  const [a, b] = [open(), open()];
  a.ask(7, "t", Kind.TABLE_SIZE);
  b.ask(7, "t", Kind.TABLE_SIZE);
  const [first, second] = engine.requests;
  assert(first!.msgId !== second!.msgId);
  // Answered the other way round.
  engine.answer(second!, uint(2, 22));
  engine.answer(first!, uint(2, 11));
  assertEquals(a.frames, [frame(7, "t", Kind.TABLE_SIZE, uint(2, 11))]);
  assertEquals(b.frames, [frame(7, "t", Kind.TABLE_SIZE, uint(2, 22))]);
  assertEquals(a.roles, ["answer"]);
  assertEquals(router.stats().pending, 0);
});

Deno.test("Router changes nothing of a request but its msg_id", async () => {
  const { engine, open } = routing();
  const client = open();
  await forAll(300, (random) => {
    const content = random.bytes(random.below(300));
    const table = "t".repeat(random.below(40));
    client.ask(random.id(), table, Kind.TABLE_VALIDATE_EXPR, content);
    const { entity, kind, content: sent } = engine.last;
    assertEquals({ entity, kind, sent }, {
      entity: table,
      kind: Kind.TABLE_VALIDATE_EXPR,
      sent: content,
    });
  });
});

Deno.test("Router changes nothing of an answer but its msg_id and the view's name", async () => {
  const { engine, open } = routing();
  const client = open();
  client.ask(1, "t", Kind.TABLE_MAKE_VIEW, makeView("my view"));
  engine.answer(engine.last, text(1, engine.requests[0]!.entity));
  await forAll(300, (random) => {
    client.take();
    const msgId = random.id();
    const content = random.bytes(random.below(300));
    const [entity, kind] = random.pick(
      [["my view", Kind.VIEW_TO_ARROW], ["t", Kind.TABLE_SCHEMA]] as const,
    );
    const answerKind = random.chance(0.2) ? 50 : kind;
    client.ask(msgId, entity, kind);
    engine.answer(engine.last, content, answerKind);
    assertEquals(client.frames, [frame(msgId, entity, answerKind, content)]);
  });
});

Deno.test("Router answers msg_id 0 as any other", () => {
  const { engine, open } = routing();
  const client = open();
  client.ask(0, "t", Kind.TABLE_SIZE);
  assert(engine.last.msgId !== 0);
  engine.answer(engine.last, uint(2, 5));
  assertEquals(client.frames, [frame(0, "t", Kind.TABLE_SIZE, uint(2, 5))]);
});

Deno.test("Router.frame() drops a second answer to the same request", () => {
  // Invariant 3
  const { engine, router, open } = routing();
  const client = open();
  client.ask(1, "t", Kind.TABLE_SIZE);
  engine.answer(engine.last);
  engine.answer(engine.last);
  assertEquals(client.frames.length, 1);
  assertEquals(router.stats().dropped, 1);
});

Deno.test("Router.frame() answers with an error where it can't read the engine's answer", () => {
  // Invariant 3. The client is of the other line, so the answer is translated.
  const { engine, router, errors, open } = routing({ line: "3" });
  const client = open({ line: "5" });
  client.ask(1, "t", Kind.TABLE_MAKE_VIEW, makeView("v"));
  engine.answer(engine.last);
  client.take();
  client.ask(2, "v", Kind.VIEW_GET_MIN_MAX, text(1, "x"));
  const [schema, minMax] = engine.requests.slice(-2);
  engine.answer(schema!);
  engine.answer(
    minMax!,
    (it) => text(2, "{not JSON")(text(1, "1")(it) as typeof it),
  );
  assertEquals(client.got.map((it) => it.msgId), [2]);
  assertStringIncludes(errorOf(client.frames[0]!).message, "Cannot read");
  assertEquals(errors.length, 1);
  assertStringIncludes(errors[0]!, "engine: ");
  assertEquals(router.stats().pending, 0);
});

Deno.test("Router gives clients bytes of their own", () => {
  // The engine overwrites what it lent.
  const { engine, open } = routing();
  const client = open();
  client.ask(1, "t", Kind.TABLE_SCHEMA);
  const content = new Uint8Array(1000).fill(7);
  engine.answer(engine.last, content);
  assertEquals(client.got[0]!.content, content);
});

// -- Errors of the engine ----------------------------------------------------

Deno.test("Router.failed() answers with a server_error and reports it once", () => {
  const { engine, router, errors, open } = routing();
  const client = open();
  client.ask(9, "t", Kind.TABLE_SIZE);
  engine.fail(engine.last, "out of range");
  assertEquals(client.got[0]!.msgId, 9);
  assertEquals(client.got[0]!.entity, "t");
  assertEquals(errorOf(client.frames[0]!), {
    message: "The engine failed: out of range",
    status: 0,
  });
  assertEquals(errors, ["request: table_size (8) failed: out of range"]);
  assertEquals(router.stats().failed, 1);
  assertEquals(router.stats().pending, 0);
});

Deno.test("Router.failed() reports a failure after the answer", () => {
  // Invariant 10: an engine that can't poll has answered already.
  const { engine, errors, open } = routing();
  const client = open();
  client.ask(9, "t", Kind.TABLE_UPDATE);
  engine.answer(engine.last);
  engine.fail(engine.last, "cannot poll");
  assertEquals(client.frames.length, 1);
  assertEquals(errors, ["engine: cannot poll"]);
});

Deno.test("Router.failed() of a table_make_view frees the name", () => {
  const { engine, router, open } = routing();
  const client = open();
  client.ask(1, "t", Kind.TABLE_MAKE_VIEW, makeView("v"));
  engine.fail(engine.last, "no memory");
  assertStringIncludes(errorOf(client.frames[0]!).message, "no memory");
  assertEquals(client.got[0]!.entity, "t");
  assertEquals(router.stats().views, 0);
  client.ask(2, "t", Kind.TABLE_MAKE_VIEW, makeView("v"));
  engine.answer(engine.last);
  assertEquals(client.got[1]!.kind, Kind.TABLE_MAKE_VIEW);
  assertEquals(router.stats().views, 1);
});

Deno.test("Router.failed() of a view_delete forgets the view", () => {
  const { engine, router, open } = routing();
  const client = open();
  client.ask(1, "t", Kind.TABLE_MAKE_VIEW, makeView("v"));
  engine.answer(engine.last);
  client.ask(2, "v", Kind.VIEW_ON_UPDATE);
  client.ask(3, "v", Kind.VIEW_DELETE);
  engine.fail(engine.last, "no memory");
  assertEquals(client.got[1]!.msgId, 3);
  assertEquals(client.got[1]!.entity, "v");
  const { views, subscriptions, pending } = router.stats();
  assertEquals({ views, subscriptions, pending }, {
    views: 0,
    subscriptions: 0,
    pending: 0,
  });
});

Deno.test("Router.failed() of a lazy table_delete answers those before it, too", () => {
  // Invariant 3
  const { engine, router, open } = routing();
  const [a, b] = [open(), open()];
  a.ask(1, "t", Kind.TABLE_DELETE);
  b.ask(2, "t", Kind.TABLE_DELETE);
  engine.fail(engine.last, "no memory");
  assertEquals([a.got[0]!.msgId, b.got[0]!.msgId], [1, 2]);
  assertEquals(router.stats().waitingDeletes, 0);
  assertEquals(router.stats().pending, 0);
});

Deno.test("Router.failed() of a subscription ends it", () => {
  const { engine, router, open } = routing();
  const client = open();
  client.ask(1, "t", Kind.TABLE_ON_DELETE);
  engine.fail(engine.last, "no memory");
  assertEquals(client.got.map((it) => it.kind), [50]);
  assertEquals(router.stats().subscriptions, 0);
  client.session.close();
  assertEquals(engine.requests.length, 1, "there is nothing to unsubscribe");
});

Deno.test("Router.fault() reports a fault of the engine", () => {
  const { engine, errors } = routing();
  engine.fault("Failed to insert node");
  assertEquals(errors, ["engine: Failed to insert node"]);
});

Deno.test("Router.fatal() answers what is open and ends the sessions", () => {
  // Invariant 3
  const { engine, router, errors, open } = routing();
  const [a, b, closed] = [open(), open(), open()];
  a.ask(1, "t", Kind.TABLE_SIZE);
  a.ask(2, "t", Kind.TABLE_MAKE_VIEW, makeView("v"));
  a.ask(3, "v", Kind.VIEW_ON_UPDATE);
  b.ask(1, "t", Kind.TABLE_UPDATE);
  b.ask(2, "t", Kind.TABLE_DELETE);
  closed.ask(1, "t", Kind.TABLE_SIZE);
  closed.session.close();
  engine.die("unreachable");
  const message = "The engine is lost, and its tables with it: unreachable";
  for (const client of [a, b]) {
    assertEquals(client.got.map((it) => it.msgId), [1, 2]);
    for (const bytes of client.frames) {
      assertEquals(errorOf(bytes), { message, status: 0 });
    }
    assertEquals(client.ended, "engine lost");
    assertEquals(client.session.closed, true);
  }
  assertEquals(closed.frames, []);
  assertEquals(closed.ended, undefined);
  assertEquals(errors, [`engine: ${message}`]);
  const { sessions, views, subscriptions, pending, waitingDeletes } = router
    .stats();
  assertEquals([sessions, views, subscriptions, pending, waitingDeletes], [
    0,
    0,
    0,
    0,
    0,
  ]);
});

Deno.test("Router.fatal() leaves sessions that ignore requests", () => {
  const { engine, router, open } = routing();
  const client = open();
  engine.die("unreachable");
  client.ask(1, "t", Kind.TABLE_SIZE);
  client.session.close();
  assertEquals(client.frames, []);
  assertEquals(engine.requests, []);
  assertEquals(router.stats().requests, 0);
});

Deno.test("Router.fatal() isn't held up by a client that asks again at once", () => {
  const { engine, open } = routing();
  let asked = 0;
  const client = open({
    onFrame: () => {
      if (++asked < 100) client.ask(asked, "t", Kind.TABLE_SIZE);
    },
  });
  client.ask(0, "t", Kind.TABLE_SIZE);
  engine.die("unreachable");
  assertEquals(asked, 1);
  assertEquals(engine.requests.length, 1);
  assertEquals(client.ended, "engine lost");
});

Deno.test("Router.fatal() ends every session even if one's callbacks throw", () => {
  // Invariant 10
  const { engine, errors, open } = routing();
  open({
    onEnd: () => {
      throw new Error("mine");
    },
  });
  const rude = open({
    onFrame: () => {
      throw new Error("gone");
    },
  });
  rude.ask(1, "t", Kind.TABLE_SIZE);
  const last = open();
  engine.die("unreachable");
  assertEquals(last.ended, "engine lost");
  assertEquals(errors.slice(1).sort(), ["hook: mine", "write: gone"]);
});

Deno.test("Router.openSession() throws once the engine is lost", () => {
  const { engine, router, open } = routing();
  assertEquals(router.lost, undefined);
  engine.die("unreachable");
  const error = assertThrows(() => open(), ServerLostError, "unreachable");
  assertInstanceOf(error.cause, Error);
  assertEquals(router.lost, error);
});

Deno.test("Router.close() answers what is open, ends the sessions and closes the engine", async () => {
  const { engine, router, errors, open } = routing();
  const client = open();
  client.ask(4, "t", Kind.TABLE_SIZE);
  client.ask(5, "t", Kind.TABLE_DELETE);
  await router.close();
  assertEquals(client.got.map((it) => it.msgId), [4, 5]);
  assertEquals(errorOf(client.frames[0]!).message, "The server is closed");
  assertEquals(client.ended, "server closed");
  assertEquals(engine.closes, 1);
  assertEquals(errors, []);
  assertEquals(router.stats().waitingDeletes, 0);
});

Deno.test("Router.close() rejects if the engine can't be closed", async () => {
  const engine = new FakeEngine();
  engine.close = () => {
    throw new Error("busy");
  };
  const router = new Router([engine], {
    onError: () => {},
    maxInFlight: 1000,
    maxInFlightSize: 1e9,
    shortRequest: 25,
    fastLane: true,
    sharing: false,
    cacheSize: 0,
    viewLinger: 0,
    ...UNWATCHED,
  });
  await assertRejects(() => router.close(), Error, "busy");
});

// -- Deleting tables ---------------------------------------------------------

Deno.test("Router answers every lazy table_delete, though the engine answers only the last", () => {
  // Invariant 3, ENGINE 5.2
  const { engine, router, open } = routing();
  const [a, b] = [open(), open()];
  a.ask(1, "t", Kind.TABLE_DELETE);
  b.ask(1, "other", Kind.TABLE_DELETE);
  b.ask(2, "t", Kind.TABLE_DELETE);
  a.ask(3, "t", Kind.TABLE_DELETE);
  assertEquals(router.stats().waitingDeletes, 4);
  engine.answer(engine.last);
  assertEquals(a.frames.map((it) => parts(it).msgId), [3, 1]);
  assertEquals(b.frames, [frame(2, "t", Kind.TABLE_DELETE)]);
  assertEquals(a.frames[1], frame(1, "t", Kind.TABLE_DELETE));
  assertEquals(router.stats().waitingDeletes, 1);
  engine.answer(engine.requests[1]!);
  assertEquals(b.frames[1], frame(1, "other", Kind.TABLE_DELETE));
  assertEquals(router.stats().waitingDeletes, 0);
  assertEquals(router.stats().pending, 0);
  assertEquals(router.stats().dropped, 0);
});

Deno.test("Router answers lazy deletes when the one that the engine answers has closed", () => {
  const { engine, router, open } = routing();
  const [a, b, c] = [open(), open(), open()];
  a.ask(1, "t", Kind.TABLE_DELETE);
  b.ask(2, "t", Kind.TABLE_DELETE);
  c.ask(3, "t", Kind.TABLE_DELETE);
  const { last } = engine;
  a.session.close();
  c.session.close();
  engine.answer(last);
  assertEquals([a.frames.length, b.frames.length, c.frames.length], [0, 1, 0]);
  assertEquals(router.stats().waitingDeletes, 0);
  assertEquals(router.stats().pending, 0);
});

Deno.test("Router passes the error of a lazy delete on to all that wait", () => {
  const { engine, open } = routing();
  const [a, b] = [open(), open()];
  a.ask(1, "t", Kind.TABLE_DELETE);
  b.ask(2, "t", Kind.TABLE_DELETE);
  engine.refuse(engine.last, "Couldn't find key.");
  for (const client of [a, b]) {
    assertEquals(errorOf(client.frames[0]!).message, "Couldn't find key.");
  }
});

Deno.test("Router finds the lazy deletes of a table though the answer doesn't name it", () => {
  const { engine, router, open } = routing();
  const [a, b] = [open(), open()];
  a.ask(1, "t", Kind.TABLE_DELETE);
  b.ask(2, "t", Kind.TABLE_DELETE);
  engine.say(frame(engine.last.msgId, "", Kind.TABLE_DELETE));
  assertEquals([a.frames.length, b.frames.length], [1, 1]);
  assertEquals(router.stats().waitingDeletes, 0);
});

Deno.test("Router doesn't take an immediate table_delete for a lazy one", () => {
  const { engine, router, open } = routing();
  const [a, b] = [open(), open()];
  a.ask(1, "t", Kind.TABLE_DELETE);
  b.ask(2, "t", Kind.TABLE_DELETE, uint(1, 1));
  engine.refuse(engine.last, "Cannot delete table with views");
  assertEquals([a.frames.length, b.frames.length], [0, 1]);
  assertEquals(router.stats().waitingDeletes, 1);
  engine.answer(engine.requests[0]!);
  assertEquals(a.frames.length, 1);
});

Deno.test("Router lets a client ask again while lazy deletes are answered", () => {
  // The header of the answer is still in use then.
  const { engine, open } = routing();
  const b = open();
  const a = open();
  const c = open({
    onFrame: (bytes) => {
      if (parts(bytes).msgId === 3) {
        c.ask(4, "some_other_table", Kind.TABLE_SIZE);
        b.ask(5, "nope", 41);
      }
    },
  });
  a.ask(1, "t", Kind.TABLE_DELETE);
  b.ask(2, "t", Kind.TABLE_DELETE);
  c.ask(3, "t", Kind.TABLE_DELETE);
  engine.answer(engine.last);
  assertEquals(a.frames, [frame(1, "t", Kind.TABLE_DELETE)]);
  assertEquals(b.got.map((it) => [it.msgId, it.kind]), [
    [5, 50],
    [2, Kind.TABLE_DELETE],
  ]);
});

// -- Re-entrancy -------------------------------------------------------------

Deno.test("Router takes requests from within a session's send", () => {
  const { router, open } = tinyRouting();
  const other = open();
  const client = open({
    onFrame: (bytes) => {
      const { msgId } = parts(bytes);
      if (msgId >= 50) return;
      // Another header is read before the first request is done with.
      other.ask(msgId + 1000, "other table", Kind.TABLE_UPDATE, text(2, "x"));
      client.ask(msgId + 1, "t", Kind.TABLE_SIZE, text(1, `${msgId}`));
    },
  });
  client.ask(1, "t", Kind.TABLE_SIZE);
  assertEquals(client.got.map((it) => it.msgId), range(1, 50));
  assertEquals(other.got.map((it) => it.msgId), range(1001, 1049));
  assert(client.got.every((it) => it.entity === "t"));
  assert(other.got.every((it) => it.entity === "other table"));
  assertEquals(router.stats().pending, 0);
});

Deno.test("Router takes requests from within an error of its own", () => {
  const { router, open } = tinyRouting();
  let left = 20;
  const client = open({
    onFrame: () => {
      if (left-- > 0) client.ask(left, "nobody's", Kind.VIEW_SCHEMA);
    },
  });
  client.ask(99, "t", 41);
  assertEquals(client.got.map((it) => it.msgId), [
    99,
    ...range(0, 19).reverse(),
  ]);
  assertEquals(router.stats().pending, 0);
});

Deno.test("Router lets a session close from within its send", () => {
  const { engine, router, open } = tinyRouting();
  const client = open({ onFrame: () => client.session.close() });
  client.ask(1, "t", Kind.TABLE_MAKE_VIEW, makeView("v"));
  assertEquals(client.frames.length, 1);
  assertEquals(engine.steps, ["table_make_view", "view_delete"]);
  assertEquals(router.stats().views, 0);
  assertEquals(router.stats().sessions, 0);
});

// -- onPollRequest -----------------------------------------------------------

Deno.test("Router with onPollRequest asks once until it is polled", () => {
  let asked = 0;
  const { engine, router, open } = tinyRouting({
    onPollRequest: () => asked++,
  });
  const client = open();
  client.ask(1, "t", Kind.TABLE_UPDATE);
  client.ask(2, "t", Kind.TABLE_UPDATE);
  assertEquals(asked, 1);
  router.poll();
  client.ask(3, "t", Kind.TABLE_UPDATE);
  assertEquals(asked, 2);
  assertEquals(engine.steps, [
    "table_update",
    "table_update",
    "poll",
    "table_update",
  ]);
});

Deno.test("Router with onPollRequest polls before anything but a change", () => {
  // Invariant 2, ENGINE 2.4
  const { engine, open } = tinyRouting({ onPollRequest: () => {} });
  const client = open();
  client.ask(1, "t", Kind.TABLE_SIZE);
  client.ask(2, "t", Kind.TABLE_UPDATE);
  client.ask(3, "t", Kind.TABLE_SIZE);
  client.ask(4, "t", Kind.TABLE_SIZE);
  client.ask(5, "t", Kind.TABLE_UPDATE);
  client.ask(6, "t", Kind.TABLE_MAKE_VIEW, makeView("v"));
  assertEquals(engine.steps, [
    "table_size",
    "table_update",
    "poll",
    "table_size",
    "table_size",
    "table_update",
    "poll",
    "table_make_view",
  ]);
});

Deno.test("Router with onPollRequest polls before a read from within the change's answer", () => {
  // Invariant 2
  let asked = 0;
  const { engine, open } = tinyRouting({ onPollRequest: () => asked++ });
  const client = open({
    onFrame: (bytes) => {
      if (parts(bytes).msgId === 1) client.ask(2, "t", Kind.TABLE_SIZE);
    },
  });
  client.ask(1, "t", Kind.TABLE_UPDATE);
  assertEquals(engine.steps, ["table_update", "poll", "table_size"]);
  assertEquals(asked, 0, "there is nothing left to poll for");
});

Deno.test("Router with onPollRequest may be polled from within the callback", () => {
  const it = tinyRouting({ onPollRequest: () => it.router.poll() });
  const client = it.open();
  client.ask(1, "t", Kind.TABLE_UPDATE);
  client.ask(2, "t", Kind.TABLE_UPDATE);
  assertEquals(it.engine.steps, [
    "table_update",
    "poll",
    "table_update",
    "poll",
  ]);
});

// -- Numbers -----------------------------------------------------------------

Deno.test("Router.stats() counts", () => {
  const { engine, router, open } = routing();
  const [a, b] = [open(), open()];
  const { replicas: _, predictions: __, recovery: ___, ...counts } = router
    .stats();
  assertEquals(counts, {
    sessions: 2,
    views: 0,
    engineViews: 0,
    lingeringViews: 0,
    subscriptions: 0,
    pending: 0,
    waitingDeletes: 0,
    changes: 0,
    joinedChanges: 0,
    collectedChanges: 0,
    unpolledChanges: 0,
    fullBatches: 0,
    reads: { asked: 0, computed: 0, joined: 0, remembered: 0, cacheSize: 0 },
    pushes: { computed: 0, sent: 0 },
    requests: 0,
    refused: 0,
    refusals: { invalid: 0, access: 0, limits: 0, guards: 0 },
    failed: 0,
    dropped: 0,
  });
  a.ask(1, "t", Kind.MAKE_TABLE);
  a.ask(2, "t", Kind.TABLE_MAKE_VIEW, makeView("v"));
  a.ask(3, "v", Kind.VIEW_ON_UPDATE);
  a.ask(4, "t", 41);
  b.ask(1, "t", Kind.TABLE_UPDATE);
  b.ask(2, "t", Kind.TABLE_DELETE);
  b.ask(3, "", Kind.GET_HOSTED_TABLES, uint(1, 1));
  engine.fail(engine.requests[0]!, "no memory");
  engine.say(frame(12345, "t", Kind.TABLE_SIZE));
  const { replicas, predictions, recovery: _____, ...later } = router.stats();
  assertEquals([replicas.length, replicas[0]!.views, predictions], [1, 1, []]);
  assertEquals(later, {
    sessions: 2,
    views: 1,
    engineViews: 1,
    lingeringViews: 0,
    subscriptions: 2,
    pending: 3,
    waitingDeletes: 1,
    changes: 3,
    joinedChanges: 0,
    collectedChanges: 0,
    unpolledChanges: 0,
    fullBatches: 0,
    reads: { asked: 0, computed: 0, joined: 0, remembered: 0, cacheSize: 0 },
    pushes: { computed: 0, sent: 0 },
    requests: 7,
    refused: 1,
    refusals: { invalid: 1, access: 0, limits: 0, guards: 0 },
    failed: 1,
    dropped: 1,
  });
  a.session.close();
  b.session.close();
  for (const request of engine.requests) engine.answer(request);
  const { sessions, views, subscriptions, pending, waitingDeletes } = router
    .stats();
  assertEquals([sessions, views, subscriptions, pending, waitingDeletes], [
    0,
    0,
    0,
    0,
    0,
  ]);
});

// -- Against engines of their own --------------------------------------------

/** One step of one client in the test below. */
interface Step {
  readonly ask: [msgId: number, entity: string, kind: number, content?: Fill];
  /** The view that it makes, or fails to make. */
  readonly makes?: string;
  readonly fails?: boolean;
  /** The view that it deletes. */
  readonly deletes?: string;
}

const TABLES = ["t", "prices"];
const VIEWS = ["v", "w", "table-like"];
const READS = [
  Kind.VIEW_TO_ARROW,
  Kind.VIEW_SCHEMA,
  Kind.VIEW_EXPAND,
  Kind.VIEW_DIMENSIONS,
];

function randomStep(random: Random, subscribed: number[]): Step {
  const msgId = random.below(4) === 0 ? random.id() : random.below(8);
  const view = random.pick(VIEWS);
  const table = random.pick(TABLES);
  switch (random.below(10)) {
    case 0:
    case 1: {
      const fails = random.chance(0.2);
      const config = fails ? BAD_CONFIG : random.bytes(random.below(5)).fill(1);
      return {
        ask: [msgId, table, Kind.TABLE_MAKE_VIEW, makeView(view, config)],
        makes: view,
        fails,
      };
    }
    case 2:
      return { ask: [msgId, view, Kind.VIEW_DELETE], deletes: view };
    case 3:
    case 4: {
      subscribed.push(msgId);
      const kind = random.pick([Kind.VIEW_ON_UPDATE, Kind.VIEW_ON_DELETE]);
      return { ask: [msgId, view, kind] };
    }
    case 5: {
      const kind = random.pick(
        [Kind.VIEW_REMOVE_ON_UPDATE, Kind.VIEW_REMOVE_DELETE],
      );
      const wanted = subscribed.length > 0 ? random.pick(subscribed) : 0;
      return { ask: [msgId, view, kind, uint(1, wanted)] };
    }
    case 6:
      return { ask: [msgId, table, Kind.TABLE_UPDATE, text(2, `${msgId}`)] };
    case 7:
      return { ask: [msgId, table, Kind.TABLE_SIZE, text(1, `${msgId}`)] };
    default: {
      const content = uint(1, random.below(9));
      return { ask: [msgId, view, random.pick(READS), content] };
    }
  }
}

Deno.test("Router gives each client what an engine of its own would", async () => {
  // Invariants 3, 4 and 9: all clients use the same msg_ids and the same
  // names for views, and share only the tables.
  await forAll(150, (random) => {
    const { router, errors, open } = tinyRouting();
    const clients = [0, 1, 2].map(() => {
      const reference = new TinyEngine();
      return {
        client: open(),
        reference,
        expected: [] as Uint8Array[],
        subscribed: [] as number[],
        views: new Set<string>(),
      };
    });
    for (let i = 0; i < 120; i++) {
      const own = random.pick(clients);
      const step = randomStep(random, own.subscribed);
      const { ask, makes, fails, deletes } = step;
      // A second view of one name is what only the router refuses.
      if (makes !== undefined && own.views.has(makes)) continue;
      if (makes !== undefined && !fails) own.views.add(makes);
      if (deletes !== undefined) own.views.delete(deletes);
      own.client.ask(...ask);
      const request = parts(frame(...ask));
      const isChange = kindInfo(request.kind)!.effect === "change";
      for (const it of clients) {
        if (it !== own && !isChange) continue;
        const answers = it.reference.script(request);
        if (it === own) it.expected.push(...answers);
        if (isChange) it.expected.push(...it.reference.onPoll());
      }
    }
    for (const { client, expected } of clients) {
      assertEquals(client.take(), expected);
    }
    assertEquals(errors, []);
    assertEquals(router.stats().pending, 0);
    for (const { client } of clients) client.session.close();
    const { sessions, views, subscriptions } = router.stats();
    assertEquals([sessions, views, subscriptions], [0, 0, 0]);
  });
});

Deno.test("Router answers each request once, whenever the engine answers", async () => {
  // Invariant 3, with an engine that answers late and in any order.
  await forAll(100, (random) => {
    const { engine, router, open } = routing();
    const clients = [open(), open()];
    const asked = clients.map(() => [] as number[]);
    const closed = new Set<number>();
    let next = 1;
    let waiting: number[] = [];
    for (let i = 0; i < 100; i++) {
      const which = random.below(2);
      if (random.chance(0.6) || waiting.length === 0) {
        const before = engine.requests.length;
        const kind = random.pick(
          [Kind.TABLE_SIZE, Kind.TABLE_UPDATE, Kind.TABLE_MAKE_VIEW, 41],
        );
        const msgId = next++;
        const content = kind === Kind.TABLE_MAKE_VIEW
          ? makeView(`v${msgId % 5}`)
          : undefined;
        if (!closed.has(which)) asked[which]!.push(msgId);
        clients[which]!.ask(msgId, "t", kind, content);
        for (let at = before; at < engine.requests.length; at++) {
          waiting.push(at);
        }
      } else if (random.chance(0.95)) {
        waiting = random.shuffled(waiting);
        const request = engine.requests[waiting.pop()!]!;
        const how = random.below(4);
        if (how === 0) engine.fail(request, "no memory");
        else if (how === 1) engine.refuse(request, "no");
        else engine.answer(request);
      } else if (closed.size === 0) {
        const before = engine.requests.length;
        closed.add(which);
        // What it still waits for is for nobody.
        asked[which] = clients[which]!.got.map((it) => it.msgId);
        clients[which]!.session.close();
        for (let at = before; at < engine.requests.length; at++) {
          waiting.push(at);
        }
      }
    }
    for (const at of waiting) engine.answer(engine.requests[at]!);
    clients.forEach((client, i) => {
      const answered = client.got.map((it) => it.msgId).sort((a, b) => a - b);
      assertEquals(answered, asked[i]!.sort((a, b) => a - b));
    });
    assertEquals(router.stats().pending, 0);
  });
});

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}
