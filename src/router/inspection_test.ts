import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { DEFAULT_VIEW_LIMITS } from "../guards/view_config.ts";
import { fullAccess } from "../policy/access.ts";
import { Kind, SERVER_ERROR } from "../protocol/kinds.ts";
import { schemaOf } from "../protocol/requests.ts";
import { configBytes, schemaOf as schema } from "../testing/bare_engine.ts";
import type { Config } from "../testing/bare_engine.ts";
import {
  errorOf,
  type Fill,
  frame,
  makeView,
  message,
  type Parts,
  parts,
  serverError,
  uint,
} from "../testing/frames.ts";
import {
  flush,
  ManualClock,
  recovering,
  recoveringTable,
  rows,
  TestClient,
  timedRouting,
  type TimedRoutingOptions,
} from "../testing/routing.ts";
import type { Behaviour } from "../testing/timed_engine.ts";
import type { Inspector, Verdict } from "./inspection.ts";

/** Looks at data as the test says. */
class TestInspector implements Inspector {
  readonly views = DEFAULT_VIEW_LIMITS;
  /** What is being looked at. */
  readonly looking: PromiseWithResolvers<Verdict>[] = [];
  /** How often it was asked to look. */
  looks = 0;

  data(): Promise<Verdict> {
    this.looks++;
    const looking = Promise.withResolvers<Verdict>();
    this.looking.push(looking);
    return looking.promise;
  }

  /** The first has been looked at. */
  async say(verdict: Verdict): Promise<void> {
    this.looking.shift()!.resolve(verdict);
    await flush();
  }
}

/** What engines say of their tables. */
interface World {
  rows: number;
  /** What is read instead of a count, too. */
  distinct: unknown;
  viewColumns: number;
}

/** An engine that has tables with columns, and says what a test wants of them. */
function knowing(world: World): Behaviour {
  const tables = new Map<string, Uint8Array>();
  const missing = ({ msgId, entity }: Parts) => [
    frame(msgId, entity, SERVER_ERROR, serverError("Couldn't find key.")),
  ];
  const content = ({ entity, kind }: Parts): Fill | undefined => {
    switch (kind) {
      case Kind.TABLE_SCHEMA:
        return (w) => w.tag(1, 2).bytes(tables.get(entity)!);
      case Kind.TABLE_SIZE:
        return uint(2, world.rows);
      case Kind.VIEW_TO_COLUMNS_STRING: {
        const counts = ["a", "b", "c"].map((it) => [it, [world.distinct]]);
        const json = JSON.stringify(Object.fromEntries(counts));
        return (w) => w.tag(1, 2).string(json);
      }
      case Kind.VIEW_DIMENSIONS:
        return uint(4, world.viewColumns);
      default:
        return undefined;
    }
  };
  return {
    script: (request) => {
      const { msgId, entity, kind } = request;
      if (kind === Kind.MAKE_TABLE) {
        tables.set(entity, schemaOf(request.content)!.slice());
      } else if (kind === Kind.TABLE_DELETE) tables.delete(entity);
      else if (kind === Kind.TABLE_SCHEMA || kind === Kind.TABLE_MAKE_VIEW) {
        if (!tables.has(entity)) return missing(request);
      }
      return [frame(msgId, entity, kind, content(request))];
    },
    onPoll: () => [],
  };
}

const STRING = 0;
const INTEGER = 3;
const FLOAT = 4;

/** A router over so many engines that know their tables, and who tries things. */
function start(count: number, options: TimedRoutingOptions = {}) {
  const inspector = new TestInspector();
  const world: World = { rows: 100_000, distinct: 10, viewColumns: 5 };
  const it = timedRouting(count, {
    inspector,
    behaviour: () => knowing(world),
    ...options,
  });
  /** Has them do all there is, and what comes of it. */
  const settle = async () => {
    await flush();
    while (it.engines.some(({ waiting }) => waiting.length > 0)) {
      it.run();
      await flush();
    }
  };
  return {
    ...it,
    inspector,
    world,
    settle,
    open: (access = fullAccess()) => new TestClient(it.router, { access }),
    /** What all engines were sent of `kind`. */
    sent: (kind: string) =>
      it.engines.flatMap(({ steps }) =>
        steps.filter((step) => step.replace("+", "") === kind)
      ).length,
  };
}

function make(
  client: TestClient,
  msgId: number,
  table: string,
  columns: Record<string, number>,
): void {
  const content: Fill = (w) => w.tag(1, 2).bytes(message(schema(columns)));
  client.ask(msgId, table, Kind.MAKE_TABLE, content);
}

function view(
  client: TestClient,
  msgId: number,
  table: string,
  config: Config = {},
): void {
  const content = makeView(`v${msgId}`, configBytes(config));
  client.ask(msgId, table, Kind.TABLE_MAKE_VIEW, content);
}

function remove(client: TestClient, msgId: number, table: string): void {
  client.ask(msgId, table, Kind.TABLE_DELETE, uint(1, 1));
}

/** What came for request `msgId`: an error's message, or the kind. */
function answerTo(client: TestClient, msgId: number): string | number {
  const bytes = client.frames.filter((it) => parts(it).msgId === msgId);
  assertEquals(bytes.length, 1, `${bytes.length} answers to ${msgId}`);
  const { kind } = parts(bytes[0]!);
  return kind === SERVER_ERROR ? errorOf(bytes[0]!).message : kind;
}

/** Whether request `msgId` isn't answered yet. */
function waits(client: TestClient, msgId: number): boolean {
  return !client.got.some((it) => it.msgId === msgId);
}

// -- What is held, and in what order ----------------------------------------------

for (const count of [1, 2]) {
  Deno.test(`A request that is looked at is held with all behind it, over ${count}`, async () => {
    const { engines, inspector, open, settle } = start(count);
    const client = open();
    client.ask(1, "t", Kind.TABLE_UPDATE, rows("a"));
    client.ask(2, "t", Kind.TABLE_SIZE);
    client.ask(3, "t", Kind.TABLE_UPDATE, rows("b"));
    client.ask(4, "", Kind.GET_FEATURES);
    await settle();
    assertEquals(engines.flatMap(({ steps }) => steps), []);
    await inspector.say(undefined);
    await settle();
    // The second update is looked at, and what is behind it waits.
    assertEquals(inspector.looks, 2);
    assertEquals(client.got.map(({ msgId }) => msgId), [1, 2]);
    await inspector.say(undefined);
    await settle();
    assertEquals(client.got.map(({ msgId }) => msgId), [1, 2, 3, 4]);
    const [primary] = engines;
    assertEquals(
      primary!.steps.filter((it) => it !== "poll").map((it) =>
        it.replace("+", "")
      ),
      ["table_update", "table_size", "table_update", "get_features"],
    );
  });
}

Deno.test("A request that is refused lets those behind it go on", async () => {
  const { engines, inspector, open, settle, router } = start(2);
  const client = open();
  client.ask(1, "t", Kind.TABLE_UPDATE, rows("a"));
  client.ask(2, "t", Kind.TABLE_SIZE);
  await inspector.say("row 1: no");
  await settle();
  assertEquals(
    answerTo(client, 1),
    "Cannot take table_update (33): row 1: no",
  );
  assertEquals(answerTo(client, 2), Kind.TABLE_SIZE);
  assertEquals(engines.flatMap(({ steps }) => steps), ["table_size"]);
  assertEquals(router.stats().refused, 1);
});

Deno.test("Other sessions go on while one's request is looked at", async () => {
  const { inspector, open, settle } = start(2);
  const [one, other] = [open(), open()];
  one.ask(1, "t", Kind.TABLE_UPDATE, rows("a"));
  other.ask(1, "t", Kind.TABLE_SIZE);
  other.ask(2, "t", Kind.TABLE_UPDATE, rows("b"));
  await settle();
  assertEquals(answerTo(other, 1), Kind.TABLE_SIZE);
  assert(waits(one, 1) && waits(other, 2));
  // The second is done first.
  inspector.looking.pop()!.resolve(undefined);
  await flush();
  await settle();
  assertEquals(answerTo(other, 2), Kind.TABLE_UPDATE);
  assert(waits(one, 1));
  await inspector.say(undefined);
  await settle();
  assertEquals(answerTo(one, 1), Kind.TABLE_UPDATE);
});

Deno.test("What a session has asked is done after it closes, when it was looked at", async () => {
  const { engines, inspector, open, settle, router } = start(2);
  const client = open();
  client.ask(1, "t", Kind.TABLE_UPDATE, rows("a"));
  client.ask(2, "t", Kind.TABLE_UPDATE, rows("bad"));
  client.ask(3, "t", Kind.TABLE_UPDATE, rows("c"));
  client.session.close();
  for (const verdict of [undefined, "no", undefined]) {
    await inspector.say(verdict);
  }
  await settle();
  assertEquals(client.frames, []);
  const updates = engines[0]!.steps.filter((it) => it.startsWith("table"));
  assertEquals(updates.length, 2);
  assertEquals(router.stats().pending, 0);
});

Deno.test("Views of a session that closes while its request is looked at go once", async () => {
  const { inspector, open, settle, router, sent } = start(1);
  const owner = new TestClient(router);
  make(owner, 1, "t", { a: INTEGER });
  const client = open();
  view(client, 1, "t");
  await settle();
  client.ask(2, "t", Kind.TABLE_UPDATE, rows("a"));
  client.session.close();
  assertEquals(sent("view_delete"), 0);
  await inspector.say(undefined);
  await settle();
  assertEquals(sent("view_delete"), 1);
  assertEquals(router.stats().views, 0);
  remove(owner, 2, "t");
  await settle();
  assertEquals(answerTo(owner, 2), Kind.TABLE_DELETE);
});

Deno.test("They linger once, too", async () => {
  const clock = new ManualClock();
  const { inspector, open, settle, router } = start(1, {
    sharing: true,
    viewLinger: 10_000,
    later: clock.later,
  });
  const owner = new TestClient(router);
  make(owner, 1, "t", { a: INTEGER });
  const client = open();
  view(client, 1, "t");
  await settle();
  client.ask(2, "t", Kind.TABLE_UPDATE, rows("a"));
  client.session.close();
  await inspector.say(undefined);
  await settle();
  const { views, lingeringViews } = router.stats();
  assertEquals([views, lingeringViews], [0, 1]);
  assertEquals(clock.pauses, [10_000]);
});

Deno.test("An access that is trusted meanwhile lets through what is looked at", async () => {
  const { engines, inspector, open, settle } = start(2);
  const access = fullAccess();
  const client = open(access);
  client.ask(1, "t", Kind.TABLE_UPDATE, rows("a"));
  client.ask(2, "t", Kind.TABLE_UPDATE, rows("b"));
  access.update({ ...fullAccess().rules, trusted: true });
  client.ask(3, "t", Kind.TABLE_UPDATE, rows("c"));
  await inspector.say("no");
  await settle();
  assertEquals(client.got.map(({ msgId, kind }) => [msgId, kind]), [
    [1, Kind.TABLE_UPDATE],
    [2, Kind.TABLE_UPDATE],
    [3, Kind.TABLE_UPDATE],
  ]);
  assertEquals(inspector.looks, 1);
  assertEquals(engines[0]!.waiting, []);
  access.update(fullAccess());
  client.ask(4, "t", Kind.TABLE_UPDATE, rows("d"));
  assertEquals(inspector.looks, 2);
  await inspector.say("no");
  assertStringIncludes(String(answerTo(client, 4)), "no");
});

Deno.test("Who is trusted, and the program itself, isn't looked at", async () => {
  const { inspector, open, settle, router, sent } = start(2);
  const trusted = open(fullAccess({ trusted: true }));
  const program = new TestClient(router);
  for (const client of [trusted, program]) {
    client.ask(1, "t", Kind.TABLE_UPDATE, rows("a"));
    // A view of a table that isn't there is for the engine to refuse.
    view(client, 2, "t", { groupBy: ["nope"] });
  }
  await settle();
  assertEquals(inspector.looks, 0);
  assertEquals(sent("table_schema"), 0);
  assertEquals(sent("table_make_view"), 2);
});

Deno.test("A request that can't be looked at is refused", async () => {
  const { engines, inspector, open } = start(1);
  const client = open();
  client.ask(1, "t", Kind.TABLE_UPDATE, rows("a"));
  inspector.looking[0]!.reject(new Error("out of order"));
  await flush();
  assertEquals(
    answerTo(client, 1),
    "Cannot look at the request: out of order",
  );
  assertEquals(engines[0]!.steps, []);
});

Deno.test("A request that was looked at is looked at again if it is sent again", async () => {
  const { inspector, open, settle } = start(1);
  const client = open();
  const request = frame(1, "t", Kind.TABLE_UPDATE, rows("a"));
  for (const verdict of [undefined, "no"]) {
    client.session.handleRequest(request);
    await inspector.say(verdict);
    await settle();
  }
  assertEquals(inspector.looks, 2);
  assertEquals(client.got.map(({ kind }) => kind), [
    Kind.TABLE_UPDATE,
    SERVER_ERROR,
  ]);
});

// -- Views, and what tables are like ------------------------------------------------

for (const count of [1, 3]) {
  Deno.test(`A view may follow its table in one go, over ${count}`, async () => {
    const { open, settle, sent } = start(count);
    const client = open();
    make(client, 1, "t", { a: INTEGER, b: FLOAT });
    view(client, 2, "t", { groupBy: ["a"] });
    view(client, 3, "t", { groupBy: ["nope"] });
    client.ask(4, "v2", Kind.VIEW_SCHEMA);
    await settle();
    assertEquals(client.got.map(({ msgId }) => msgId), [1, 2, 3, 4]);
    assertEquals(answerTo(client, 2), Kind.TABLE_MAKE_VIEW);
    assertStringIncludes(
      String(answerTo(client, 3)),
      '"group_by" names "nope"',
    );
    assertEquals(answerTo(client, 4), Kind.VIEW_SCHEMA);
    assertEquals(sent("table_schema"), 1);
  });

  Deno.test(`A table that is made anew is looked at anew, over ${count}`, async () => {
    const { open, settle } = start(count);
    const client = open();
    make(client, 1, "t", { a: INTEGER });
    await settle();
    view(client, 2, "t");
    await settle();
    client.ask(3, "v2", Kind.VIEW_DELETE);
    // All of it before the first answer.
    remove(client, 4, "t");
    make(client, 5, "t", { b: INTEGER });
    view(client, 6, "t", { columns: ["a"] });
    view(client, 7, "t", { columns: ["b"] });
    await settle();
    assertStringIncludes(String(answerTo(client, 6)), '"columns" names "a"');
    assertEquals(answerTo(client, 7), Kind.TABLE_MAKE_VIEW);
  });

  Deno.test(`A view of no table is refused, since there may be one soon, over ${count}`, async () => {
    const { open, settle, sent } = start(count);
    const client = open();
    view(client, 1, "t", { groupBy: ["nope"] });
    await settle();
    assertEquals(answerTo(client, 1), "Couldn't find key.");
    assertEquals(sent("table_make_view"), 0);
  });
}

Deno.test("A view waits while somebody else deletes its table and makes it anew", async () => {
  const { open, settle, router, engines } = start(2);
  const [one, other] = [open(), new TestClient(router)];
  make(other, 1, "t", { a: INTEGER });
  await settle();
  view(one, 1, "t"); // now its columns are known
  await settle();
  one.ask(2, "v1", Kind.VIEW_DELETE);
  await settle();
  remove(other, 2, "t");
  make(other, 3, "t", { b: INTEGER });
  view(one, 3, "t", { columns: ["a"] });
  await settle();
  assertEquals(answerTo(other, 3), Kind.MAKE_TABLE);
  assertStringIncludes(String(answerTo(one, 3)), '"columns" names "a"');
  assertEquals(engines.flatMap(({ waiting }) => waiting), []);
});

Deno.test("A view is looked at again if its table is deleted while an engine is asked", async () => {
  const { open, settle, router, engines } = start(1);
  const [one, other] = [open(), new TestClient(router)];
  make(other, 1, "t", { a: INTEGER });
  await settle();
  view(one, 1, "t", { groupBy: ["a"] });
  const engine = engines[0]!;
  engine.step(1); // table_schema
  await flush();
  assertEquals(engine.waiting.map(({ step }) => step), ["table_size"]);
  remove(other, 2, "t");
  make(other, 3, "t", { b: INTEGER });
  await settle();
  assertStringIncludes(String(answerTo(one, 1)), '"group_by" names "a"');
});

Deno.test("Columns that are told after the table was deleted aren't remembered", async () => {
  const { open, settle, router, engines } = start(2, { fastLane: false });
  const [one, other] = [open(), new TestClient(router)];
  make(other, 1, "t", { a: INTEGER });
  await settle();
  // The primary is busy, so that the other engine is asked.
  const [primary, second] = engines as [typeof engines[0], typeof engines[0]];
  for (let i = 0; i < 5; i++) view(other, 10 + i, "t");
  await settle();
  for (let i = 0; i < 5; i++) other.ask(20 + i, `v${10 + i}`, Kind.VIEW_DELETE);
  await settle();
  view(one, 1, "t");
  const asked = [primary, second].find(({ waiting }) => waiting.length > 0)!;
  assertEquals(asked.waiting.map(({ step }) => step), ["table_schema"]);
  remove(other, 2, "t");
  make(other, 3, "t", { b: INTEGER });
  await settle();
  assertStringIncludes(String(answerTo(other, 3)), "27");
  // It was made of one or the other, but what is known is right.
  view(one, 2, "t", { columns: ["b"] });
  view(one, 3, "t", { columns: ["a"] });
  await settle();
  assertEquals(answerTo(one, 2), Kind.TABLE_MAKE_VIEW);
  assertStringIncludes(String(answerTo(one, 3)), '"columns" names "a"');
});

Deno.test("Two sessions may have views looked at at once", async () => {
  const { open, settle, router, sent } = start(2);
  const owner = new TestClient(router);
  make(owner, 1, "t", { a: INTEGER, b: FLOAT });
  await settle();
  const clients = [open(), open(), open()];
  clients.forEach((it, i) =>
    view(it, 1, "t", { groupBy: [["a", "b", "nope"][i]!] })
  );
  await settle();
  const [first, second, third] = clients.map((it) => answerTo(it, 1));
  assertEquals([first, second], [Kind.TABLE_MAKE_VIEW, Kind.TABLE_MAKE_VIEW]);
  assertStringIncludes(String(third), '"nope"');
  assertEquals(sent("table_make_view"), 2);
});

Deno.test("Groups are counted where rows alone may be too many", async () => {
  const { open, settle, router, world, sent } = start(2);
  const owner = new TestClient(router);
  make(owner, 1, "t", { a: INTEGER, b: STRING });
  await settle();
  const client = open();
  const config = { groupBy: ["a"], splitBy: ["b"], columns: ["a"] };
  view(client, 1, "t", config);
  await settle();
  assertEquals(answerTo(client, 1), Kind.TABLE_MAKE_VIEW);
  // That which counts is made and deleted, and nobody sees it.
  assertEquals(sent("table_make_view"), 2);
  assertEquals(sent("view_delete"), 1);
  world.distinct = 50_000;
  view(client, 2, "t", config);
  await settle();
  assertStringIncludes(String(answerTo(client, 2)), "columns by its split");
  assertEquals(sent("table_make_view"), 3);
  assertEquals(sent("view_delete"), 2);
  assertEquals(router.stats().engineViews, 1);
  // Few rows can't be too many groups.
  world.rows = 100;
  view(client, 3, "t", config);
  await settle();
  assertEquals(answerTo(client, 3), Kind.TABLE_MAKE_VIEW);
  assertEquals(sent("view_delete"), 2);
});

Deno.test("Whatever isn't a count counts as unique", async () => {
  const { open, settle, router, world } = start(2);
  const owner = new TestClient(router);
  make(owner, 1, "t", { a: INTEGER, b: STRING });
  await settle();
  const client = open();
  const odd = [[], null, "10", undefined, {}];
  for (const [i, distinct] of odd.entries()) {
    world.distinct = distinct;
    view(client, i, "t", { splitBy: ["b"], columns: ["a"] });
    await settle();
    assertStringIncludes(String(answerTo(client, i)), "columns by its split");
  }
});

Deno.test("A view is counted again when the engine is lost that counts", async () => {
  const views = { ...DEFAULT_VIEW_LIMITS, maxGroups: 0 };
  const inspector = Object.assign(new TestInspector(), { views });
  const { engines, settle, router, open } = await recoveringTable(2, {
    inspector,
  });
  const hostile = open({ access: fullAccess() });
  view(hostile, 1, "t", { groupBy: ["x"] });
  const steps = () =>
    engines.flatMap(({ waiting }) => waiting.map(({ step }) => step));
  for (let left = 20; !steps().includes("view_to_columns_string"); left--) {
    assert(left > 0, "It isn't counted");
    engines.find(({ waiting }) => waiting.length > 0)?.step(1);
    await flush();
  }
  engines.find(({ waiting }) => waiting.length > 0)!.die("no memory");
  await settle();
  assertStringIncludes(String(answerTo(hostile, 1)), "at most 0 groups");
  assertEquals(router.stats().pending, 0);
  assertEquals(engines.flatMap(({ log }) => log.views), []);
});

Deno.test("The range of a read is compared with the view, as its session has changed it", async () => {
  const { open, settle, inspector, world } = start(2);
  const client = open();
  make(client, 1, "t", { a: INTEGER });
  view(client, 2, "t");
  const from = (msgId: number, column: number) =>
    client.ask(
      msgId,
      "v2",
      Kind.VIEW_TO_CSV,
      (w) => w.tag(1, 2).fork().tag(2, 0).uint32(column).join(),
    );
  from(3, 4);
  from(4, 5);
  await settle();
  assertEquals(answerTo(client, 3), Kind.VIEW_TO_CSV);
  assertEquals(
    answerTo(client, 4),
    "Cannot read view: its viewport must start before column 5, received 5",
  );
  client.ask(5, "t", Kind.TABLE_UPDATE, rows("a"));
  from(6, 5);
  client.ask(7, "v2", Kind.VIEW_COLUMN_PATHS, uint(1, 7));
  await inspector.say(undefined);
  // The update brings it.
  world.viewColumns = 6;
  await settle();
  assertEquals(answerTo(client, 6), Kind.VIEW_TO_CSV);
  assertEquals(
    answerTo(client, 7),
    "Cannot read column paths: the range must start at 6 or before, received 7",
  );
});

Deno.test("An engine isn't asked of its view's columns before it has seen the session's changes", async () => {
  const { open, settle, inspector, engines } = start(2, { fastLane: false });
  const client = open();
  make(client, 1, "t", { a: INTEGER });
  await settle();
  view(client, 2, "t");
  await settle();
  const holder = engines.findIndex(({ steps }) =>
    steps.includes("table_make_view")
  );
  assertEquals(holder, 1); // not the primary
  client.ask(3, "t", Kind.TABLE_UPDATE, rows("a"));
  await inspector.say(undefined);
  client.ask(4, "v2", Kind.VIEW_COLUMN_PATHS, uint(1, 5));
  await flush();
  assert(!engines[1]!.steps.includes("view_dimensions"));
  await settle();
  const { steps } = engines[1]!;
  const update = steps.findIndex((it) => it.startsWith("table_update"));
  assert(update >= 0 && update < steps.indexOf("view_dimensions"), `${steps}`);
  assertEquals(answerTo(client, 4), Kind.VIEW_COLUMN_PATHS);
});

Deno.test("What isn't text is refused in every request", async () => {
  const { open, engines } = start(1);
  const client = open();
  const bytes = frame(1, "tab", Kind.VIEW_ON_UPDATE);
  bytes[bytes.indexOf(0x61)] = 0xff;
  client.session.handleRequest(bytes);
  assertStringIncludes(String(answerTo(client, 1)), "must be UTF-8");
  client.ask(
    2,
    "v",
    Kind.VIEW_GET_MIN_MAX,
    (w) => w.tag(1, 2).string("a\0b"),
  );
  assertEquals(
    answerTo(client, 2),
    "Cannot take view_get_min_max (20): column_name: text can't hold the " +
      "character U+0000, at byte 1",
  );
  await flush();
  assertEquals(engines[0]!.steps, []);
});

// -- Engines that go ------------------------------------------------------------------

Deno.test("A view is looked at when the engine is lost that is asked", async () => {
  const { engines, client, settle, router, open } = await recoveringTable(2, {
    inspector: new TestInspector(),
  });
  const hostile = open({ access: fullAccess() });
  view(hostile, 1, "t", { groupBy: ["x"] });
  view(hostile, 2, "t", { groupBy: ["nope"] });
  const asked = engines.find(({ waiting }) => waiting.length > 0)!;
  assertEquals(asked.waiting.map(({ step }) => step), ["table_schema"]);
  asked.die("no memory");
  await settle();
  assertEquals(answerTo(hostile, 1), Kind.TABLE_MAKE_VIEW);
  assertStringIncludes(String(answerTo(hostile, 2)), '"nope"');
  client.ask(2, "t", Kind.TABLE_SIZE);
  await settle();
  assertEquals(answerTo(client, 2), Kind.TABLE_SIZE);
  assertEquals(router.stats().recovery.lost, 1);
});

Deno.test("What is looked at is answered when all engines are lost, and the server closes", async () => {
  for (const how of ["lost", "closed"]) {
    const inspector = new TestInspector();
    const { engines, router, open } = recovering(1, { inspector });
    const [client, other] = [
      open({ access: fullAccess() }),
      open({ access: fullAccess() }),
    ];
    client.ask(1, "t", Kind.TABLE_UPDATE, rows("a"));
    client.ask(2, "t", Kind.TABLE_SIZE);
    view(other, 1, "t", { groupBy: ["x"] });
    if (how === "lost") engines[0]!.die("no memory");
    else await router.close();
    for (
      const [who, msgId] of [[client, 1], [client, 2], [other, 1]] as const
    ) {
      assert(typeof answerTo(who, msgId) === "string", how);
    }
    await inspector.say(undefined);
    assertEquals([client.got.length, other.got.length], [2, 1]);
    assertEquals(router.stats().pending, 0);
  }
});

Deno.test("A session that has closed doesn't go on after the server, though it was looked at", async () => {
  let timers = 0;
  const { engines, inspector, open, settle, router } = start(1, {
    sharing: true,
    viewLinger: 1_000,
    later: () => {
      timers++;
      return () => {};
    },
  });
  const client = open();
  make(client, 1, "t", { a: INTEGER });
  view(client, 2, "t");
  await settle();
  client.ask(3, "t", Kind.TABLE_UPDATE, rows("a"));
  client.session.close();
  await router.close();
  const { length } = engines[0]!.steps;
  timers = 0;
  await inspector.say(undefined);
  assertEquals([engines[0]!.steps.length, timers], [length, 0]);
});
