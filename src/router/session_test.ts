import {
  assert,
  assertEquals,
  assertNotEquals,
  assertStringIncludes,
} from "@std/assert";
import { Kind, kindInfo } from "../protocol/kinds.ts";
import {
  errorOf,
  type Fill,
  frame,
  hex,
  makeView,
  message,
  parts,
  text,
  uint,
} from "../testing/frames.ts";
import { forAll } from "../testing/random.ts";
import {
  type Routing,
  routing,
  TestClient,
  timedRouting,
  tinyRouting,
} from "../testing/routing.ts";

/** Makes a view and forgets the answer. Returns the engine's name for it. */
function view(
  { engine }: Routing,
  client: TestClient,
  name: string,
  table = "t",
): string {
  const before = engine.requests.length;
  client.ask(1, table, Kind.TABLE_MAKE_VIEW, makeView(name));
  const request = engine.requests[before]!;
  if (client.frames.length === 0) engine.answer(request);
  client.take();
  return firstString(request.content);
}

/** Field 1, which is short. */
function firstString(content: Uint8Array): string {
  return new TextDecoder().decode(content.subarray(2, 2 + content[1]!));
}

// -- What is refused ---------------------------------------------------------

Deno.test("Session.handleRequest() answers a malformed frame", () => {
  const { engine, router, open } = routing();
  const client = open();
  const cases: [string, string][] = [
    ["", "it holds no request"],
    ["08 05", "it holds no request"],
    ["08 05 12 01 74", "it holds no request"],
    ["08 05 42 00 42 00", "two requests"],
    ["08 05 42 7f", "needs 127 bytes, 0 are left"],
    ["08 05 40 01", "field 8 at byte 2 has wire type 0"],
    ["08 05 12 01 74 42", "cut short"],
  ];
  for (const [bytes, why] of cases) {
    client.session.handleRequest(hex(bytes));
    const [answer] = client.take();
    assertStringIncludes(errorOf(answer!).message, "Cannot read request: ");
    assertStringIncludes(errorOf(answer!).message, why);
    assertEquals(parts(answer!).msgId, bytes === "" ? 0 : 5);
  }
  assertEquals(engine.requests, []);
  assertEquals(router.stats().refused, cases.length);
  assertEquals(router.stats().requests, cases.length);
});

Deno.test("Session.handleRequest() answers an unknown kind and never guesses", () => {
  const { engine, router, open } = routing({ line: "5" });
  const client = open();
  for (const kind of [41, 49, 50, 51, 99, 100_000]) {
    client.ask(3, "t", kind, text(1, "?"));
    const [answer] = client.take();
    assertEquals(parts(answer!).msgId, 3);
    assertEquals(parts(answer!).entity, "t");
    assertStringIncludes(errorOf(answer!).message, `kind ${kind} is not known`);
  }
  assertEquals(engine.requests, []);
  assertEquals(router.stats().refused, 6);
});

Deno.test("Session.handleRequest() answers kinds that only the other line has", () => {
  const three = routing({ line: "3" });
  const client = three.open();
  for (
    const kind of [
      Kind.MAKE_JOIN_TABLE,
      Kind.VIEW_ON_REMOVE,
      Kind.VIEW_REMOVE_ON_REMOVE,
    ]
  ) {
    client.ask(3, "t", kind);
    const { message } = errorOf(client.take()[0]!);
    assertStringIncludes(message, "needs an engine of line 5");
    assertStringIncludes(message, kindInfo(kind)!.name);
  }
  assertEquals(three.engine.requests, []);
  const five = routing({ line: "5" });
  five.open().ask(3, "joined", Kind.MAKE_JOIN_TABLE, text(1, "a"));
  assertEquals(five.engine.steps, ["make_join_table+"]);
});

Deno.test("Session.handleRequest() answers a payload that it has to read and can't", () => {
  const { engine, router, open } = routing();
  const client = open();
  const cutShort = hex("0a 7f 00");
  for (
    const kind of [
      Kind.TABLE_MAKE_VIEW,
      Kind.TABLE_UPDATE,
      Kind.MAKE_TABLE,
      Kind.TABLE_DELETE,
      Kind.GET_HOSTED_TABLES,
      Kind.TABLE_REMOVE_DELETE,
    ]
  ) {
    client.ask(8, "t", kind, cutShort);
    const [answer] = client.take();
    assertEquals(parts(answer!).msgId, 8);
    assertStringIncludes(
      errorOf(answer!).message,
      `Cannot read ${kindInfo(kind)!.name}: `,
    );
  }
  assertEquals(engine.requests, []);
  const { views, pending, waitingDeletes, refused } = router.stats();
  assertEquals({ views, pending, waitingDeletes, refused }, {
    views: 0,
    pending: 0,
    waitingDeletes: 0,
    refused: 6,
  });
});

Deno.test("Session.handleRequest() answers a name that isn't UTF-8", () => {
  const { engine, router, open } = routing();
  const client = open();
  client.session.handleRequest(hex("08 05 12 02 c3 28 7a 00"));
  client.session.handleRequest(hex("08 06 12 02 c3 28 e2 01 00"));
  assertEquals(parts(client.frames[0]!).msgId, 5);
  assertStringIncludes(errorOf(client.frames[0]!).message, "view_schema");
  assertStringIncludes(errorOf(client.frames[1]!).message, "table_delete");
  assertEquals(engine.requests, []);
  assertEquals(router.stats().pending, 0);
});

Deno.test("Session.handleRequest() takes random bytes without throwing", async () => {
  const it = tinyRouting({ line: "5" });
  await forAll(3000, (random) => {
    const client = it.open();
    client.session.handleRequest(random.bytes(random.below(40)));
    client.session.handleRequest(
      frame(1, "t", 3 + random.below(38), random.bytes(random.below(20))),
    );
    client.session.close();
  });
  assertEquals(it.errors, []);
  const { pending, waitingDeletes, views, subscriptions } = it.router.stats();
  assertEquals([pending, waitingDeletes, views, subscriptions], [0, 0, 0, 0]);
});

// -- Views -------------------------------------------------------------------

Deno.test("Session names views by the router's own names", () => {
  // Invariant 9
  const it = routing();
  const [a, b] = [it.open(), it.open()];
  const config = hex("0a 01 61");
  a.ask(1, "t", Kind.TABLE_MAKE_VIEW, makeView("v", config));
  b.ask(1, "t", Kind.TABLE_MAKE_VIEW, makeView("v"));
  const [first, second] = it.engine.requests;
  const [idA, idB] = [
    firstString(first!.content),
    firstString(second!.content),
  ];
  assertNotEquals(idA, idB);
  assertEquals(first!.content, message(makeView(idA, config)));
  it.engine.answer(first!, text(1, idA));
  it.engine.answer(second!, text(1, idB));
  // A client is told of its own name.
  assertEquals(a.frames, [frame(1, "t", Kind.TABLE_MAKE_VIEW, text(1, "v"))]);
  assertEquals(a.roles, ["answer"]);
  a.ask(2, "v", Kind.VIEW_TO_ARROW);
  assertEquals(it.engine.last.entity, idA);
  b.ask(2, "v", Kind.VIEW_TO_ARROW);
  assertEquals(it.engine.last.entity, idB);
});

Deno.test("Session doesn't find a view by the engine's name for it", () => {
  // Invariant 9
  const it = routing();
  const [a, b] = [it.open(), it.open()];
  const id = view(it, a, "v");
  const before = it.engine.requests.length;
  for (const client of [a, b]) {
    for (const kind of [Kind.VIEW_TO_ARROW, Kind.VIEW_DELETE]) {
      client.ask(2, id, kind);
      assertEquals(errorOf(client.take()[0]!).status, 1);
    }
  }
  assertEquals(it.engine.requests.length, before);
});

Deno.test("Session answers for a view that it doesn't have", () => {
  const it = routing({ line: "5" });
  const client = it.open();
  const other = it.open();
  view(it, other, "v");
  const before = it.engine.requests.length;
  const kinds = Object.values(Kind).filter((kind) =>
    kindInfo(kind)!.entity === "view"
  );
  for (const kind of kinds) {
    client.ask(6, "v", kind);
    const answers = client.take();
    if (kind === Kind.VIEW_ON_DELETE) {
      assertEquals(answers, [], "a subscription isn't answered");
    } else if (kindInfo(kind)!.effect === "unsubscribe") {
      // Line 5 has an error for view_remove_on_remove, which fails the deletion
      // of a table that followed a view.
      assertEquals(answers, [frame(6, "v", kind)]);
    } else {
      assertEquals(answers.length, 1, kindInfo(kind)!.name);
      const { msgId, entity } = parts(answers[0]!);
      assertEquals([msgId, entity], [6, "v"]);
      assertEquals(errorOf(answers[0]!), {
        message: "View not found",
        status: 1,
      });
    }
  }
  assertEquals(it.engine.requests.length, before);
  assertEquals(it.router.stats().subscriptions, 0);
});

Deno.test("Session refuses a second view of the same name", () => {
  const it = routing();
  const client = it.open();
  view(it, client, "v");
  client.ask(2, "t", Kind.TABLE_MAKE_VIEW, makeView("v"));
  assertStringIncludes(errorOf(client.frames[0]!).message, `"v"`);
  assertEquals(parts(client.frames[0]!).entity, "t");
  assertEquals(it.engine.requests.length, 1);
  assertEquals(it.router.stats().views, 1);
  assertEquals(it.router.stats().refused, 1);
});

Deno.test("Session takes requests on a view whose making isn't answered yet", () => {
  const it = routing();
  const client = it.open();
  client.ask(1, "t", Kind.TABLE_MAKE_VIEW, makeView("v"));
  client.ask(2, "v", Kind.VIEW_SCHEMA);
  assertEquals(
    it.engine.last.entity,
    firstString(it.engine.requests[0]!.content),
  );
});

Deno.test("Session frees the name of a view that couldn't be made", () => {
  const it = routing();
  const client = it.open();
  client.ask(1, "t", Kind.TABLE_MAKE_VIEW, makeView("v"));
  client.ask(2, "v", Kind.VIEW_ON_UPDATE);
  it.engine.refuse(it.engine.requests[0]!, "Invalid column 'x'");
  assertEquals(errorOf(client.take()[0]!).message, "Invalid column 'x'");
  const { views, subscriptions, pending } = it.router.stats();
  assertEquals([views, subscriptions, pending], [0, 0, 0]);
  client.ask(3, "t", Kind.TABLE_MAKE_VIEW, makeView("v"));
  it.engine.answer(it.engine.last);
  assertEquals(parts(client.frames[0]!).kind, Kind.TABLE_MAKE_VIEW);
  // The first one is nothing to this session any more.
  client.session.close();
  assertEquals(it.engine.steps.filter((step) => step === "view_delete"), [
    "view_delete",
  ]);
});

Deno.test("Session frees a view's name as soon as it is to be deleted", () => {
  const it = routing();
  const client = it.open();
  const first = view(it, client, "v");
  client.ask(2, "v", Kind.VIEW_DELETE);
  const deletion = it.engine.last;
  client.ask(3, "v", Kind.VIEW_SCHEMA);
  assertEquals(errorOf(client.take()[0]!).status, 1);
  client.ask(4, "t", Kind.TABLE_MAKE_VIEW, makeView("v"));
  const making = it.engine.last;
  assertNotEquals(firstString(making.content), first);
  it.engine.answer(deletion);
  it.engine.answer(making);
  assertEquals(client.got.map((it) => [it.msgId, it.entity, it.kind]), [
    [2, "v", Kind.VIEW_DELETE],
    [4, "t", Kind.TABLE_MAKE_VIEW],
  ]);
  assertEquals(it.router.stats().views, 1);
  client.ask(5, "v", Kind.VIEW_SCHEMA);
  assertEquals(it.engine.last.entity, firstString(making.content));
});

Deno.test("Session passes on what is pushed before the answer to view_delete", () => {
  // Invariant 3
  const it = routing();
  const client = it.open();
  view(it, client, "v");
  client.ask(2, "v", Kind.VIEW_ON_DELETE);
  const subscription = it.engine.last;
  client.ask(3, "v", Kind.VIEW_DELETE);
  it.engine.answer(subscription);
  it.engine.answer(it.engine.last);
  assertEquals(client.frames, [
    frame(2, "v", Kind.VIEW_ON_DELETE),
    frame(3, "v", Kind.VIEW_DELETE),
  ]);
  assertEquals(client.roles, ["push", "answer"]);
  const { views, subscriptions } = it.router.stats();
  assertEquals([views, subscriptions], [0, 0]);
});

// -- Subscriptions -----------------------------------------------------------

Deno.test("Session pushes to every subscription, each with its own msg_id", () => {
  const it = tinyRouting();
  const [a, b] = [it.open(), it.open()];
  view(it, a, "v");
  view(it, b, "v");
  a.ask(5, "v", Kind.VIEW_ON_UPDATE);
  a.ask(6, "v", Kind.VIEW_ON_UPDATE);
  b.ask(5, "v", Kind.VIEW_ON_UPDATE);
  assertEquals([a.frames, b.frames], [[], []]);
  b.ask(9, "t", Kind.TABLE_UPDATE);
  const push = (msgId: number) =>
    frame(msgId, "v", Kind.VIEW_ON_UPDATE, uint(2, 3));
  assertEquals(a.frames, [push(5), push(6)]);
  // For the updating client its own answer comes first (ENGINE 1.7).
  assertEquals(b.frames, [frame(9, "t", Kind.TABLE_UPDATE), push(5)]);
});

Deno.test("Session keeps what it needs of a subscription's frame", () => {
  // A frame needn't stay as it is once the request is dealt with.
  const it = routing();
  const client = it.open();
  const request = frame(5, "t", Kind.TABLE_ON_DELETE);
  client.session.handleRequest(request);
  request.fill(0xee);
  it.engine.answer(it.engine.last);
  assertEquals(client.frames, [frame(5, "t", Kind.TABLE_ON_DELETE)]);
  client.session.close();
  assertEquals(it.engine.last.entity, "t");
});

Deno.test("Session ends a subscription under the engine's msg_id", () => {
  const it = routing();
  const client = it.open();
  const id = view(it, client, "v");
  client.ask(5, "v", Kind.VIEW_ON_UPDATE);
  const subscription = it.engine.last;
  client.ask(6, "v", Kind.VIEW_REMOVE_ON_UPDATE, uint(1, 5));
  const { entity, kind, content } = it.engine.last;
  assertEquals({ entity, kind, content }, {
    entity: id,
    kind: Kind.VIEW_REMOVE_ON_UPDATE,
    content: message(uint(1, subscription.msgId)),
  });
  it.engine.answer(it.engine.last);
  it.engine.answer(subscription);
  assertEquals(client.frames, [frame(6, "v", Kind.VIEW_REMOVE_ON_UPDATE)]);
  assertEquals(it.router.stats().subscriptions, 0);
  assertEquals(it.router.stats().dropped, 1);
});

Deno.test("Session ends all subscriptions of one msg_id and answers once", () => {
  // Invariant 3
  const it = tinyRouting();
  const client = it.open();
  view(it, client, "v");
  for (let i = 0; i < 3; i++) client.ask(5, "v", Kind.VIEW_ON_UPDATE);
  client.ask(5, "v", Kind.VIEW_ON_DELETE);
  client.ask(7, "t", Kind.TABLE_UPDATE);
  assertEquals(client.got.map((it) => it.msgId), [7, 5, 5, 5]);
  client.take();
  client.ask(8, "v", Kind.VIEW_REMOVE_ON_UPDATE, uint(1, 5));
  assertEquals(client.frames, [frame(8, "v", Kind.VIEW_REMOVE_ON_UPDATE)]);
  client.take();
  client.ask(9, "t", Kind.TABLE_UPDATE);
  assertEquals(client.frames, [frame(9, "t", Kind.TABLE_UPDATE)]);
  assertEquals(it.router.stats().subscriptions, 1, "on_delete still lives");
  assertEquals(it.router.stats().pending, 0);
});

Deno.test("Session answers an unsubscribing from what isn't there itself", () => {
  const it = routing();
  const [client, other] = [it.open(), it.open()];
  view(it, client, "v");
  view(it, client, "w");
  view(it, other, "v");
  other.ask(9, "v", Kind.VIEW_ON_UPDATE);
  client.ask(5, "w", Kind.VIEW_ON_UPDATE);
  client.ask(5, "v", Kind.VIEW_ON_DELETE);
  client.ask(5, "t", Kind.TABLE_ON_DELETE);
  const before = it.engine.requests.length;
  // Of another session, of another view, of another kind, of another table.
  const cases: [number, string, number][] = [
    [9, "v", Kind.VIEW_REMOVE_ON_UPDATE],
    [5, "v", Kind.VIEW_REMOVE_ON_UPDATE],
    [5, "w", Kind.VIEW_REMOVE_DELETE],
    [5, "u", Kind.TABLE_REMOVE_DELETE],
    [5, "", Kind.REMOVE_HOSTED_TABLES_UPDATE],
  ];
  for (const [id, entity, kind] of cases) {
    client.ask(6, entity, kind, uint(1, id));
    assertEquals(client.take(), [frame(6, entity, kind)]);
  }
  assertEquals(it.engine.requests.length, before);
  assertEquals(it.router.stats().subscriptions, 4);
});

Deno.test("Session ends a subscription that couldn't be had", () => {
  const it = routing();
  const client = it.open();
  client.ask(5, "nope", Kind.TABLE_ON_DELETE);
  it.engine.refuse(it.engine.last, "Couldn't find key.");
  assertEquals(client.got.map((it) => [it.msgId, it.kind]), [[5, 50]]);
  assertEquals(client.roles, ["answer"]);
  assertEquals(it.router.stats().subscriptions, 0);
  client.session.close();
  assertEquals(it.engine.steps, ["table_on_delete"]);
});

Deno.test("Session subscribes to hosted tables only when the request says so", () => {
  const it = routing();
  const client = it.open();
  client.ask(5, "", Kind.GET_HOSTED_TABLES);
  it.engine.answer(it.engine.last, text(1, "t"));
  client.ask(6, "", Kind.GET_HOSTED_TABLES, uint(1, 1));
  const subscription = it.engine.last;
  assertEquals(it.router.stats().subscriptions, 1);
  // Such a push has no content at all.
  const push = message((it) => it.tag(1, 0).uint32(subscription.msgId));
  it.engine.say(push, push);
  assertEquals(client.frames.slice(1), [hex("08 06"), hex("08 06")]);
  assertEquals(client.roles[1], client.roles[2]);
  assertEquals(typeof client.roles[1], "number");
  // What is no table's carries no name that counts.
  client.ask(7, "any", Kind.REMOVE_HOSTED_TABLES_UPDATE, uint(1, 6));
  assertEquals(it.engine.last.content, message(uint(1, subscription.msgId)));
  assertEquals(it.router.stats().subscriptions, 0);
});

Deno.test("Session tells notifications that say the same from other pushes", () => {
  const it = routing();
  const client = it.open();
  view(it, client, "v");
  client.ask(5, "v", Kind.VIEW_ON_UPDATE);
  const five = it.engine.last;
  client.ask(6, "v", Kind.VIEW_ON_UPDATE);
  const six = it.engine.last;
  const delta: Fill = (it) =>
    it.tag(1, 2).bytes(hex("01 02")).tag(2, 0).uint32(1);
  it.engine.answer(five, uint(2, 1));
  it.engine.answer(five, uint(2, 1));
  it.engine.answer(five, uint(2, 2));
  it.engine.answer(six, uint(2, 1));
  it.engine.answer(five, delta);
  it.engine.answer(five);
  it.engine.answer(five, uint(2, 65_536));
  const [a, b, otherPort, otherSubscription, push, port0, farPort] =
    client.roles;
  assertEquals(typeof a, "number");
  assertEquals(a, b);
  assertEquals(new Set([a, otherPort, otherSubscription, port0]).size, 4);
  assertEquals(push, "push");
  assertEquals(farPort, "push", "it has no room beside the msg_id");
});

Deno.test("Session.close() leaves nothing behind", () => {
  const it = tinyRouting();
  const client = it.open();
  const [v, w] = [view(it, client, "v"), view(it, client, "w")];
  client.ask(2, "v", Kind.VIEW_ON_UPDATE);
  client.ask(3, "v", Kind.VIEW_ON_DELETE);
  client.ask(4, "t", Kind.TABLE_ON_DELETE);
  client.ask(5, "", Kind.GET_HOSTED_TABLES, uint(1, 1));
  const [onDelete, hosted] = it.engine.requests.slice(-2);
  const before = it.engine.requests.length;
  client.session.close();
  assertEquals(client.session.closed, true);
  const after = it.engine.requests.slice(before);
  assertEquals(after.map((it) => [it.kind, it.entity]), [
    [Kind.TABLE_REMOVE_DELETE, "t"],
    [Kind.REMOVE_HOSTED_TABLES_UPDATE, ""],
    [Kind.VIEW_DELETE, v],
    [Kind.VIEW_DELETE, w],
  ]);
  assertEquals(after[0]!.content, message(uint(1, onDelete!.msgId)));
  assertEquals(after[1]!.content, message(uint(1, hosted!.msgId)));
  const { sessions, views, subscriptions, pending } = it.router.stats();
  assertEquals([sessions, views, subscriptions, pending], [0, 0, 0, 0]);
  client.session.close();
  assertEquals(it.engine.requests.length, before + 4, "twice is once");
});

Deno.test("Session.close() makes answers and pushes be for nobody", () => {
  const it = routing();
  const client = it.open();
  view(it, client, "v");
  client.ask(2, "v", Kind.VIEW_ON_UPDATE);
  const subscription = it.engine.last;
  client.ask(3, "t", Kind.TABLE_SIZE);
  const read = it.engine.last;
  client.session.close();
  it.engine.answer(subscription);
  it.engine.answer(read);
  assertEquals(client.frames, []);
  assertEquals(it.router.stats().dropped, 2);
});

Deno.test("Session.close() while a view is being made deletes it afterwards", () => {
  const it = routing();
  const client = it.open();
  client.ask(1, "t", Kind.TABLE_MAKE_VIEW, makeView("v"));
  client.session.close();
  assertEquals(it.engine.steps, ["table_make_view", "view_delete"]);
  it.engine.refuse(it.engine.requests[0]!, "no");
  it.engine.answer(it.engine.requests[1]!);
  assertEquals(it.router.stats().views, 0);
});

Deno.test("Session.close() while a view is being deleted deletes it once", () => {
  const it = routing();
  const client = it.open();
  view(it, client, "v");
  client.ask(2, "v", Kind.VIEW_ON_UPDATE);
  client.ask(3, "v", Kind.VIEW_DELETE);
  client.session.close();
  assertEquals(it.engine.steps.slice(-1), ["view_delete"]);
  assertEquals(it.engine.steps.length, 3);
  it.engine.answer(it.engine.last);
  const { views, subscriptions, pending } = it.router.stats();
  assertEquals([views, subscriptions, pending], [0, 0, 0]);
});

// -- Callbacks ---------------------------------------------------------------

Deno.test("Session whose send throws is closed, and only that", () => {
  const it = tinyRouting();
  const rude = it.open({
    onFrame: () => {
      throw new Error("gone");
    },
  });
  const other = it.open();
  rude.ask(1, "t", Kind.TABLE_MAKE_VIEW, makeView("v"));
  assertEquals(rude.session.closed, true);
  assertEquals(it.errors, ["write: gone"]);
  assertEquals(it.engine.steps, ["table_make_view", "view_delete"]);
  rude.ask(2, "t", Kind.TABLE_SIZE);
  assertEquals(rude.frames.length, 1);
  other.ask(1, "t", Kind.TABLE_SIZE);
  assertEquals(other.frames.length, 1);
  assertEquals(it.router.stats().sessions, 1);
});

Deno.test("Session whose send rejects is closed and reported once", async () => {
  const it = tinyRouting();
  const rude = it.open({ onFrame: () => Promise.reject(new Error("gone")) });
  const other = it.open();
  rude.ask(1, "t", Kind.TABLE_SIZE);
  rude.ask(2, "t", Kind.TABLE_SIZE);
  assertEquals(rude.session.closed, false);
  await new Promise<void>((resolve) => queueMicrotask(resolve));
  await Promise.resolve();
  assertEquals(rude.session.closed, true);
  assertEquals(it.errors, ["write: gone"]);
  other.ask(1, "t", Kind.TABLE_SIZE);
  assertEquals(other.frames.length, 1);
});

Deno.test("Session takes whatever else send returns for nothing", () => {
  // Such as the new length of an array, in a program without types.
  const it = tinyRouting();
  const client = it.open({ onFrame: (() => 3) as unknown as () => void });
  client.ask(1, "t", Kind.TABLE_SIZE);
  assertEquals(client.session.closed, false);
  assertEquals(it.errors, []);
});

// -- Changes -----------------------------------------------------------------

Deno.test("Session hands every change to the sequencer, and nothing else", () => {
  const it = routing({ line: "5" });
  const client = it.open();
  view(it, client, "v");
  const before = it.engine.steps.length;
  for (const kind of Object.values(Kind)) {
    if (kind === Kind.VIEW_DELETE) continue;
    const info = kindInfo(kind)!;
    const name = info.entity === "view" ? "v" : "t";
    const content = kind === Kind.TABLE_MAKE_VIEW ? makeView("w") : undefined;
    client.ask(2, name, kind, content);
  }
  const changes = it.engine.steps.slice(before).filter((step) =>
    step.endsWith("+")
  );
  assertEquals(changes, [
    "table_make_port+",
    "make_table+",
    "table_delete+",
    "table_remove+",
    "table_replace+",
    "table_update+",
    "make_join_table+",
  ]);
  assertEquals(it.router.stats().changes, 7);
});

/** The content of a change whose data come from `viewId`. */
function fromView(viewId: string, more: Fill = () => {}): Fill {
  return (it) => {
    it.tag(1, 2).bytes(message(text(6, viewId)));
    more(it);
  };
}

Deno.test("Session rewrites the view that data come from", () => {
  // Invariant 9
  const it = routing();
  const client = it.open();
  const id = view(it, client, "v");
  const rest: Fill = (it) => it.tag(2, 0).uint32(7);
  for (
    const kind of [
      Kind.MAKE_TABLE,
      Kind.TABLE_UPDATE,
      Kind.TABLE_REPLACE,
      Kind.TABLE_REMOVE,
    ]
  ) {
    client.ask(2, "t2", kind, fromView("v", rest));
    const { entity, kind: sent, content } = it.engine.last;
    assertEquals({ entity, sent, content }, {
      entity: "t2",
      sent: kind,
      content: message(fromView(id, rest)),
    });
    it.engine.answer(it.engine.last);
    assertEquals(client.take(), [frame(2, "t2", kind)]);
  }
});

Deno.test("Session refuses data from a view that isn't its own", () => {
  // Invariant 9
  const it = routing();
  const [client, other] = [it.open(), it.open()];
  const id = view(it, other, "v");
  const before = it.engine.requests.length;
  for (const name of ["v", id, ""]) {
    client.ask(2, "t2", Kind.MAKE_TABLE, fromView(name));
    assertEquals(errorOf(client.frames[0]!), {
      message: "View not found",
      status: 1,
    });
    assertEquals(client.got[0]!.entity, "t2");
    client.take();
  }
  assertEquals(it.engine.requests.length, before);
  assertEquals(it.router.stats().pending, 0);
});

Deno.test("Session doesn't overlook a view's name behind fields of a wrong type", () => {
  // Invariant 9. The engine skips field 1 as a varint, and reads the next.
  const it = routing();
  const [client, other] = [it.open(), it.open()];
  const id = view(it, other, "v");
  const before = it.engine.requests.length;
  const data = message(fromView(id));
  const smuggled = message((it) => it.tag(1, 0).uint32(data.length).raw(data));
  client.ask(2, "t2", Kind.MAKE_TABLE, smuggled);
  assertEquals(client.frames.length, 1);
  assertEquals(parts(client.frames[0]!).kind, 50);
  assertEquals(it.engine.requests.length, before);
});

Deno.test("Session answers a from_view among fields that it can't pass on", () => {
  // A group that isn't ended by its own number.
  const it = routing();
  const client = it.open();
  view(it, client, "v");
  const content = message(fromView("v", (it) => it.raw(hex("1b 24"))));
  client.ask(2, "t2", Kind.MAKE_TABLE, content);
  assertEquals(client.got.map((it) => [it.msgId, it.kind]), [[2, 50]]);
  assertEquals(it.router.stats().pending, 0);
});

// -- Clients of the other line -----------------------------------------------

const STRINGIFY = hex("12 02 20 02");

Deno.test("Session of line 3 on an engine of line 5 gets list columns as text", () => {
  const it = routing({ line: "5" });
  const content = message((it) =>
    it.tag(1, 2).bytes(message(text(2, "x\n1"))).tag(2, 2).bytes(
      message(text(1, "x")),
    )
  );
  const client = it.open({ line: "3" });
  client.ask(2, "t", Kind.MAKE_TABLE, content);
  assertEquals(
    it.engine.last.content,
    new Uint8Array([...content, ...STRINGIFY]),
  );
  client.ask(3, "t", Kind.TABLE_UPDATE, content);
  assertEquals(it.engine.last.content, content);
  it.open({ line: "5" }).ask(2, "t", Kind.MAKE_TABLE, content);
  assertEquals(it.engine.last.content, content);
});

const schema: Fill = (it) => {
  for (const [name, type] of [["when", 2], ["day", 1], ["price", 4]] as const) {
    it.tag(1, 2).bytes(
      message((it) => it.tag(1, 2).string(name).tag(2, 0).int32(type)),
    );
  }
};

/** The content of an answer of line 5 with two numbers. */
const numbers = (min: number, max: number): Fill => (it) => {
  for (const [field, value] of [[1, min], [2, max]] as const) {
    it.tag(field, 2).bytes(message((it) => it.tag(4, 1).double(value)));
  }
};

Deno.test("Session translates view_get_min_max, with the schema asked for first", () => {
  const it = routing({ line: "5" });
  const client = it.open({ line: "3" });
  const id = view(it, client, "v");
  client.ask(2, "v", Kind.VIEW_GET_MIN_MAX, text(1, "when"));
  client.ask(3, "v", Kind.VIEW_GET_MIN_MAX, text(1, "price"));
  assertEquals(
    it.engine.requests.slice(1, 3).map((it) => [it.entity, it.kind]),
    [[id, Kind.VIEW_SCHEMA], [id, Kind.VIEW_GET_MIN_MAX]],
  );
  for (const request of it.engine.requests.slice(1)) {
    if (request.kind === Kind.VIEW_SCHEMA) it.engine.answer(request, schema);
    else it.engine.answer(request, numbers(0, 1_700_000_000_000));
  }
  const json = (min: string, max: string): Fill => (it) =>
    it.tag(1, 2).string(min).tag(2, 2).string(max);
  assertEquals(client.frames, [
    frame(
      2,
      "v",
      Kind.VIEW_GET_MIN_MAX,
      json('"1970-01-01 00:00:00.000"', '"2023-11-14 22:13:20.000"'),
    ),
    frame(3, "v", Kind.VIEW_GET_MIN_MAX, json("0", "1700000000000")),
  ]);
  // The types are known now.
  const before = it.engine.requests.length;
  client.ask(4, "v", Kind.VIEW_GET_MIN_MAX, text(1, "day"));
  assertEquals(it.engine.requests.length, before + 1);
  it.engine.refuse(it.engine.last, "no such column");
  assertEquals(errorOf(client.frames[2]!).message, "no such column");
  assertEquals(parts(client.frames[2]!).msgId, 4);
  assertEquals(it.router.stats().pending, 0);
});

Deno.test("Session translates view_get_min_max without a schema where it can't be had", () => {
  const it = routing({ line: "5" });
  const client = it.open({ line: "3" });
  view(it, client, "v");
  client.ask(2, "v", Kind.VIEW_GET_MIN_MAX, text(1, "price"));
  const [schema, minMax] = it.engine.requests.slice(-2);
  it.engine.refuse(schema!, "no");
  it.engine.answer(minMax!, numbers(1, 2));
  assertEquals(client.frames.length, 1);
  assertEquals(parts(client.frames[0]!).kind, Kind.VIEW_GET_MIN_MAX);
});

Deno.test("Session of the engine's own line gets view_get_min_max as it is", () => {
  const it = routing({ line: "5" });
  const client = it.open();
  view(it, client, "v");
  client.ask(2, "v", Kind.VIEW_GET_MIN_MAX, text(1, "price"));
  assertEquals(it.engine.requests.length, 2);
  it.engine.answer(it.engine.last, numbers(1, 2));
  assertEquals(client.frames, [
    frame(2, "v", Kind.VIEW_GET_MIN_MAX, numbers(1, 2)),
  ]);
  assert(it.errors.length === 0);
});

for (const sharing of [false, true]) {
  Deno.test(`Session.handleRequest() deletes a table after its last view, sharing ${sharing}`, () => {
    const { router, run } = timedRouting(2, { sharing });
    const client = new TestClient(router);
    client.ask(1, "t", Kind.TABLE_MAKE_VIEW, makeView("v"));
    run();
    client.ask(2, "v", Kind.VIEW_DELETE);
    client.ask(3, "t", Kind.TABLE_DELETE, uint(1, 1));
    run();
    assertEquals(client.got.map(({ msgId, kind }) => [msgId, kind]), [
      [1, Kind.TABLE_MAKE_VIEW],
      [2, Kind.VIEW_DELETE],
      [3, Kind.TABLE_DELETE],
    ]);
  });

  Deno.test(`Session.close() lets others delete the table of its last view, sharing ${sharing}`, () => {
    const { router, run } = timedRouting(2, { sharing });
    const [client, other] = [new TestClient(router), new TestClient(router)];
    client.ask(1, "t", Kind.TABLE_MAKE_VIEW, makeView("v"));
    run();
    client.session.close();
    other.ask(1, "t", Kind.TABLE_DELETE, uint(1, 1));
    run();
    assertEquals(other.got.map(({ kind }) => kind), [Kind.TABLE_DELETE]);
  });
}
