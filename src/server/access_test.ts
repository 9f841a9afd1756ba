import { assert, assertEquals, assertNotEquals } from "@std/assert";
import {
  Access,
  type AccessRules,
  fullAccess,
  readOnly,
} from "../policy/access.ts";
import { hasKind, Kind, type KnownKind, type Line } from "../protocol/kinds.ts";
import { Server } from "./server.ts";
import type { ServerSession } from "./server_session.ts";
import { ENGINES } from "../testing/engines.ts";
import {
  errorOf,
  type Fill,
  frame,
  makeView,
  message,
  parts,
} from "../testing/frames.ts";

/** A session that keeps what it gets from a server on this thread, at once. */
class Client {
  readonly frames: Uint8Array[] = [];
  readonly session: ServerSession;
  #msgId = 0;

  constructor(server: Server, access?: Access) {
    this.session = server.newSession(
      (bytes) => void this.frames.push(bytes),
      access && { access },
    );
  }

  /** The answer, if there is one. */
  ask(kind: number, entity: string, content?: Fill): Uint8Array | undefined {
    const msgId = ++this.#msgId;
    this.session.handleRequest(
      frame(msgId, entity, kind, content && message(content)),
    );
    return this.frames.find((it) => parts(it).msgId === msgId);
  }

  /** Subscribes, and says how often it was pushed to since. */
  follow(kind: number, entity: string, content?: Fill): () => number {
    assertEquals(this.ask(kind, entity, content), undefined);
    const msgId = this.#msgId;
    return () => this.frames.filter((it) => parts(it).msgId === msgId).length;
  }

  /** Makes a table of two rows. */
  makeTable(name: string): void {
    this.ask(Kind.MAKE_TABLE, name, rows(1, 2));
  }
}

function rows(...values: number[]): Fill {
  const text = JSON.stringify(values.map((x) => ({ x })));
  return (it) => it.tag(1, 2).fork().tag(4, 2).string(text).join();
}

function keys(it: Parameters<Fill>[0]): void {
  it.tag(1, 2).fork().tag(4, 2).string("[1]").join();
}

const nothing: Fill = () => {};

/** A view `v` that has a column `e` which is computed. */
const computed: Fill = (it) => {
  it.tag(1, 2).string("v").tag(2, 2).fork();
  it.tag(6, 2).fork().tag(1, 2).string("e").tag(2, 2).string("1 + 1").join();
  it.join();
};

const expression: Fill = (it) =>
  it.tag(1, 2).fork().tag(1, 2).string("e").tag(2, 2).string("1 + 1").join();

/** What is asked, and what it takes; `table` is what a new table is called. */
interface Case {
  readonly on: "server" | "table" | "view" | "new table";
  readonly content?: Fill;
  /** What has to be allowed besides seeing the table; `undefined` for nothing. */
  readonly needs?: "see" | "read" | "update" | "create" | "delete";
}

const reading = (on: Case["on"], content?: Fill): Case => ({
  on,
  needs: "read",
  ...content && { content },
});
const free = (on: Case["on"], content?: Fill): Case => ({
  on,
  ...content && { content },
});

/** Every kind there is: one that is missing doesn't compile. */
const CASES: Readonly<Record<KnownKind, Case>> = {
  [Kind.GET_FEATURES]: free("server"),
  [Kind.GET_HOSTED_TABLES]: free("server"),
  [Kind.TABLE_MAKE_PORT]: reading("table"),
  [Kind.TABLE_MAKE_VIEW]: reading("table", makeView("w")),
  [Kind.TABLE_SCHEMA]: reading("table"),
  [Kind.TABLE_SIZE]: reading("table"),
  [Kind.TABLE_VALIDATE_EXPR]: reading("table"),
  [Kind.VIEW_COLUMN_PATHS]: reading("view"),
  [Kind.VIEW_DELETE]: free("view"),
  [Kind.VIEW_DIMENSIONS]: reading("view"),
  [Kind.VIEW_EXPRESSION_SCHEMA]: reading("view"),
  [Kind.VIEW_GET_CONFIG]: reading("view"),
  [Kind.VIEW_SCHEMA]: reading("view"),
  [Kind.VIEW_TO_ARROW]: reading("view", viewport),
  [Kind.SERVER_SYSTEM_INFO]: free("server"),
  [Kind.VIEW_COLLAPSE]: reading("view"),
  [Kind.VIEW_EXPAND]: reading("view"),
  [Kind.VIEW_GET_MIN_MAX]: reading("view", (it) => it.tag(1, 2).string("x")),
  [Kind.VIEW_ON_UPDATE]: reading("view"),
  [Kind.VIEW_REMOVE_ON_UPDATE]: free("view"),
  [Kind.VIEW_SET_DEPTH]: reading("view"),
  [Kind.VIEW_TO_COLUMNS_STRING]: reading("view", viewport),
  [Kind.VIEW_TO_CSV]: reading("view", viewport),
  [Kind.VIEW_TO_ROWS_STRING]: reading("view", viewport),
  [Kind.MAKE_TABLE]: { on: "new table", content: rows(1), needs: "create" },
  [Kind.TABLE_DELETE]: { on: "table", needs: "delete" },
  [Kind.TABLE_ON_DELETE]: { on: "table", needs: "see" },
  [Kind.TABLE_REMOVE_DELETE]: free("table"),
  [Kind.TABLE_REMOVE]: { on: "table", content: keys, needs: "update" },
  [Kind.TABLE_REPLACE]: { on: "table", content: rows(1), needs: "update" },
  [Kind.TABLE_UPDATE]: { on: "table", content: rows(1), needs: "update" },
  [Kind.VIEW_ON_DELETE]: reading("view"),
  [Kind.VIEW_REMOVE_DELETE]: free("view"),
  [Kind.VIEW_TO_NDJSON_STRING]: reading("view", viewport),
  [Kind.REMOVE_HOSTED_TABLES_UPDATE]: free("server"),
  [Kind.MAKE_JOIN_TABLE]: { on: "new table", content: join, needs: "create" },
  [Kind.VIEW_ON_REMOVE]: reading("view"),
  [Kind.VIEW_REMOVE_ON_REMOVE]: free("view"),
};

function viewport(it: Parameters<Fill>[0]): void {
  it.tag(1, 2).fork().tag(3, 0).uint32(9).tag(4, 0).uint32(9).join();
}

function join(it: Parameters<Fill>[0]): void {
  it.tag(1, 2).string("left").tag(2, 2).string("right").tag(3, 2).string("x");
}

const ACCESSES: Readonly<Record<string, AccessRules>> = {
  "everything": fullAccess().rules,
  "reading": readOnly().rules,
  "reading without expressions": readOnly({ expressions: false }).rules,
  "seeing": { read: false },
  "updating": { read: false, update: true },
  "creating": { read: false, create: true },
  "deleting": { read: false, delete: true },
  "nothing": { see: false },
  "other tables": readOnly({ tables: ["other"] }).rules,
};

/** A table `t`, two more, and a client that has made a view of it. */
async function start(line: Line) {
  const server = new Server({ engine: ENGINES[line], guards: false });
  await server.ready;
  const owner = new Client(server);
  for (const table of ["t", "left", "right"]) owner.makeTable(table);
  const access = fullAccess();
  const client = new Client(server, access);
  assert(client.ask(Kind.TABLE_MAKE_VIEW, "t", makeView("v")) !== undefined);
  return {
    server,
    owner,
    access,
    client,
    async [Symbol.asyncDispose]() {
      await server.close();
    },
  };
}

function errorIn(answer: Uint8Array | undefined): string {
  if (answer === undefined || parts(answer).kind !== 50) return "";
  return errorOf(answer).message;
}

for (const [line, engine] of Object.entries(ENGINES) as [Line, string][]) {
  for (const [name, rules] of Object.entries(ACCESSES)) {
    Deno.test(`Each kind of request is let through, or not, to who may do ${name} (${engine})`, async () => {
      const allowed = new Access(rules);
      for (const [number, { on, content, needs }] of Object.entries(CASES)) {
        if (!hasKind(line, Number(number))) continue;
        await using it = await start(line);
        const { client, access, server } = it;
        const kind = Number(number);
        const entity = on === "view" ? "v" : on === "server" ? "" : "t";
        const named = on === "new table" ? "new" : entity;
        const table = on === "new table" ? "new" : "t";
        access.update(rules); // takes effect at once
        const refused = server.stats().refused;
        const answer = client.ask(kind, named, content);
        const wasRefused = server.stats().refused > refused;
        const error = errorIn(answer);
        const what = `${kind} ${error}`;
        if (needs === undefined || allowed.may(needs, table)) {
          if (kind === Kind.MAKE_JOIN_TABLE && !allowed.may("read", "left")) {
            assert(error.includes('needs "read" on table "left"'), what);
          } else assert(!wasRefused && !error.includes("denied"), what);
        } else if (needs !== "create" && !allowed.may("see", table)) {
          // As one that isn't there, see below.
          assert(!wasRefused && !error.includes("denied"), what);
          const isSilent = kind === Kind.TABLE_ON_DELETE;
          if (on === "view") assertEquals(error, "View not found", what);
          else assertEquals(answer === undefined, isSilent, what);
        } else {
          assert(wasRefused, what);
          assert(error.startsWith("Access denied: "), what);
          assert(error.includes(`(${kind}) needs "${needs}" on table`), what);
        }
      }
    });
  }

  Deno.test(`A table that isn't seen answers as one that isn't there (${engine})`, async () => {
    // Invariant 9
    for (const [number, { on, content, needs }] of Object.entries(CASES)) {
      if (on !== "table") continue;
      await using it = await start(line);
      const { client, server, access } = it;
      const other = new Client(server, fullAccess());
      // What each of them has been asked so far is the same.
      other.ask(Kind.TABLE_MAKE_VIEW, "t", makeView("v"));
      access.update({ ...fullAccess().rules, see: (name) => name !== "t" });
      const hidden = client.ask(Number(number), "t", content);
      const missing = other.ask(Number(number), "_", content);
      const body = (bytes: Uint8Array | undefined) =>
        bytes && [parts(bytes).kind, parts(bytes).content.toHex()];
      assertEquals(body(hidden), body(missing), number);
      if (hidden !== undefined) assertEquals(parts(hidden).entity, "t");
      if (needs === "delete") {
        assertEquals(errorIn(it.owner.ask(Kind.TABLE_SIZE, "t")), "");
      }
    }
  });

  Deno.test(`Expressions need to be allowed (${engine})`, async () => {
    await using it = await start(line);
    const { client, access } = it;
    assertEquals(
      errorIn(client.ask(Kind.TABLE_VALIDATE_EXPR, "t", expression)),
      "",
    );
    client.ask(Kind.VIEW_DELETE, "v");
    assertEquals(errorIn(client.ask(Kind.TABLE_MAKE_VIEW, "t", computed)), "");
    access.update({ expressions: false });
    const denied = (kind: number, entity: string, content?: Fill) =>
      errorIn(client.ask(kind, entity, content)).includes(
        'needs "expressions"',
      );
    assert(denied(Kind.VIEW_TO_CSV, "v", viewport));
    assert(denied(Kind.TABLE_VALIDATE_EXPR, "t", expression));
    assert(!denied(Kind.TABLE_VALIDATE_EXPR, "t", nothing));
    assert(!denied(Kind.VIEW_DELETE, "v"));
    assert(denied(Kind.TABLE_MAKE_VIEW, "t", computed));
    assert(!denied(Kind.TABLE_MAKE_VIEW, "t", makeView("v")));
    assert(!denied(Kind.VIEW_TO_CSV, "v", viewport));
  });

  Deno.test(`Nobody is told of what it may not read any more (${engine})`, async () => {
    await using it = await start(line);
    const { client, access, owner } = it;
    const updates = client.follow(Kind.VIEW_ON_UPDATE, "v");
    const deletes = client.follow(Kind.TABLE_ON_DELETE, "t");
    owner.ask(Kind.TABLE_UPDATE, "t", rows(3));
    assertEquals(updates(), 1);
    access.update({ read: false });
    owner.ask(Kind.TABLE_UPDATE, "t", rows(4));
    assertEquals(updates(), 1);
    access.update(readOnly());
    owner.ask(Kind.TABLE_UPDATE, "t", rows(5));
    assertEquals(updates(), 2);
    access.update({ see: false });
    client.ask(Kind.VIEW_DELETE, "v");
    owner.ask(Kind.TABLE_DELETE, "t", (it) => it.tag(1, 0).bool(true));
    assertEquals([updates(), deletes()], [2, 0]);
  });

  Deno.test(`Who doesn't see a table isn't told that there is one (${engine})`, async () => {
    await using it = await start(line);
    const { server, owner } = it;
    const access = readOnly({ tables: (name) => name.startsWith("a") });
    const client = new Client(server, access);
    const all = new Client(server, fullAccess());
    const subscribe: Fill = (it) => it.tag(1, 0).bool(true);
    const told = client.follow(Kind.GET_HOSTED_TABLES, "", subscribe);
    const toldAll = all.follow(Kind.GET_HOSTED_TABLES, "", subscribe);
    const names = () => {
      const answer = client.ask(Kind.GET_HOSTED_TABLES, "")!;
      return new TextDecoder().decode(parts(answer).content)
        .match(/\w+/g) ?? [];
    };
    assertEquals(names(), []);
    owner.makeTable("a0");
    assertEquals([told(), names()], [1, ["a0"]]);
    owner.makeTable("b1");
    assertEquals([told(), names()], [1, ["a0"]]);
    assert(toldAll() > 0);
    owner.makeTable("a1");
    assertEquals([told(), names()], [2, ["a0", "a1"]]);
    owner.ask(Kind.TABLE_DELETE, "b1", subscribe);
    assertEquals(told(), 2);
    access.update(readOnly({ tables: ["t"] }));
    assertEquals([told() > 1, names()], [true, ["t"]]);
    const before = told();
    owner.ask(Kind.TABLE_DELETE, "a1", subscribe);
    assertEquals(told(), before);
  });

  Deno.test(`Data come only from what may be read (${engine})`, async () => {
    await using it = await start(line);
    const { client, access } = it;
    const fromView: Fill = (it) =>
      it.tag(1, 2).fork().tag(6, 2).string("v").join();
    access.update({ read: false, create: true, update: ["left"] });
    for (const kind of [Kind.MAKE_TABLE, Kind.TABLE_UPDATE]) {
      const name = kind === Kind.MAKE_TABLE ? "new" : "left";
      const error = errorIn(client.ask(kind, name, fromView));
      assert(error.includes(`(${kind}) needs "read" on table "t"`), error);
    }
    if (line === "3") return;
    access.update({ see: ["right", "new"], create: true });
    assertEquals(
      errorIn(client.ask(Kind.MAKE_JOIN_TABLE, "new", join)),
      'Table "left" not found',
    );
    access.update({ read: ["right"], create: true });
    const error = errorIn(client.ask(Kind.MAKE_JOIN_TABLE, "new", join));
    assert(error.includes('needs "read" on table "left"'), error);
    access.update({ create: true });
    assertEquals(errorIn(client.ask(Kind.MAKE_JOIN_TABLE, "new", join)), "");
  });

  Deno.test(`Who may only read gets a port that updates nothing (${engine})`, async () => {
    await using it = await start(line);
    const { client, access, owner } = it;
    const portOf = (answer: Uint8Array | undefined) =>
      parts(answer!).content.toHex();
    access.update(readOnly());
    const port = portOf(client.ask(Kind.TABLE_MAKE_PORT, "t"));
    // Engines count from 1, and have made none.
    assertEquals(portOf(owner.ask(Kind.TABLE_MAKE_PORT, "t")), "0801");
    assertNotEquals(port, "0801");
    access.update(fullAccess());
    const update: Fill = (it) => {
      rows(3)(it);
      it.tag(2, 0).uint32(0x7fff_ffff);
    };
    assertEquals(port, "08ffffffff07");
    const error = errorIn(client.ask(Kind.TABLE_UPDATE, "t", update));
    assert(error.includes("ask for another with table_make_port"), error);
  });

  Deno.test(`A session has no more than it may (${engine})`, async () => {
    await using server = new Server({
      engine: ENGINES[line],
      guards: false,
      maxViews: 2,
      maxSubscriptions: 2,
      maxTables: 2,
      maxResultSize: 2_000,
    });
    await server.ready;
    const [owner, client] = [
      new Client(server),
      new Client(server, fullAccess()),
    ];
    owner.makeTable("t");
    const make = (who: Client, name: string) =>
      errorIn(who.ask(Kind.TABLE_MAKE_VIEW, "t", makeView(name)));
    for (const name of ["a", "b", "c"]) assertEquals(make(owner, name), "");
    assertEquals([make(client, "a"), make(client, "b")], ["", ""]);
    assertEquals(
      make(client, "c"),
      "Cannot make view: this session has 2, at most 2 may be (maxViews); " +
        "delete one first",
    );
    client.ask(Kind.VIEW_DELETE, "a");
    assertEquals(make(client, "c"), "");

    for (const name of ["b", "c"]) client.follow(Kind.VIEW_ON_UPDATE, name);
    const third = () => errorIn(client.ask(Kind.VIEW_ON_UPDATE, "b"));
    assertEquals(
      third(),
      "Cannot subscribe: this session has 2 subscriptions, at most 2 may be " +
        "(maxSubscriptions); end one first",
    );
    client.ask(Kind.VIEW_DELETE, "c");
    assertEquals(third(), "");
    assert(third() !== "");

    const makeTable = (name: string) =>
      errorIn(client.ask(Kind.MAKE_TABLE, name, rows(1)));
    const wrong: Fill = (it) =>
      it.tag(1, 2).fork().tag(3, 2).string("?").join();
    assert(errorIn(client.ask(Kind.MAKE_TABLE, "wrong", wrong)) !== "");
    assertEquals([makeTable("1"), makeTable("2")], ["", ""]);
    assertEquals(
      makeTable("3"),
      "Cannot make table: this session has made 2, at most 2 may be " +
        "(maxTables); delete one first",
    );
    owner.ask(Kind.TABLE_DELETE, "1", (it) => it.tag(1, 0).bool(true));
    assertEquals(makeTable("3"), "");
    assert(makeTable("4") !== "");

    owner.ask(Kind.TABLE_UPDATE, "t", rows(...Array(1000).keys()));
    const all: Fill = (it) => it.tag(1, 2).fork().join();
    const size = owner.ask(Kind.VIEW_TO_CSV, "b", all)!.length;
    assert(size > 2_000);
    const [error, ...rest] = errorIn(client.ask(Kind.VIEW_TO_CSV, "b", all))
      .split(", ");
    assert(error!.startsWith("The answer to view_to_csv (25) has "), error);
    assertEquals(rest, [
      "at most 2000 may be (maxResultSize): ask for fewer rows or columns",
    ]);
    assertEquals(errorIn(client.ask(Kind.VIEW_TO_CSV, "b", viewport)), "");
  });
}
