/**
 * The user's story: tables on a server, clients on real sockets, the real
 * engines. Every chapter runs with both engines, with clients of 3.8.0 on
 * engine 5.5.1, and with the engine on this thread and in pools of workers.
 */
import { type Executor, ProcessPool, Server, WorkerPool } from "./mod.ts";
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { connect, ENGINES, PAIRINGS } from "./src/testing/engines.ts";
import { frame, makeView } from "./src/testing/frames.ts";
import {
  closeOf,
  openSocket,
  serve,
  type Serving,
} from "./src/testing/serve.ts";
import type { Line } from "./mod.ts";
import type { Client, View } from "@finos/perspective";

const ROWS = {
  id: [1, 2, 3, 4],
  city: ["Oslo", "Rome", "Oslo", "Lima"],
  price: [1.5, 2.5, 3.5, null],
  day: ["2024-01-02", "2024-02-03", "2024-01-01", "2023-12-31"],
  time: [
    "2023-11-14 22:13:20",
    "2023-11-14 22:13:21",
    "2023-11-15 22:13:20",
    "1969-12-31 23:59:59",
  ],
  sold: [true, false, true, false],
};

/** Arrow, as another program wrote it: `id` 1 to 3, `tags` [1, 2], [3] and []. */
const LISTS = Uint8Array.fromBase64([
  "//////gAAAAQAAAAAAAKABAADgAHAAgACgAAAAAAAAEQAAAAAAAEAAgACAAAAAQACAAAAAQA",
  "AAACAAAAjAAAAAQAAACM////FAAAAAAAAAEYAAAAAAAADFwAAAAEAAAAdGFncwAAAAABAAAA",
  "FAAAABAAFAAEAAAADwAQAAAACAAQAAAAEAAAABgAAAAAAAACFAAAAAQAAABpdGVtAAAAAAAA",
  "AAC4////AAAAASAAAAAEAAQABAAAABAAGAAEAAsAEwAUAAAADAAQAAAAFAAAAAAAAAEUAAAA",
  "AAAAAhgAAAACAAAAaWQAAAAAAAAIAAwACAAHAAgAAAAAAAABIAAAAP/////oAAAAFAAAAAAA",
  "AAAMABYAFAAPABAABAAMAAAAMAAAAAAAAAAAAAADEAAAAAQACgAYAAwACAAEAAoAAAAUAAAA",
  "eAAAAAMAAAAAAAAAAAAAAAYAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAQAAAAAAAAABAA",
  "AAAAAAAAAAAAAAAAAAAQAAAAAAAAABAAAAAAAAAAIAAAAAAAAAAAAAAAAAAAACAAAAAAAAAA",
  "EAAAAAAAAAAAAAAAAwAAAAMAAAAAAAAAAAAAAAAAAAADAAAAAAAAAAAAAAAAAAAAAwAAAAAA",
  "AAAAAAAAAAAAAAEAAAACAAAAAwAAAAAAAAAAAAAAAgAAAAMAAAADAAAAAQAAAAIAAAADAAAA",
  "AAAAAP////8AAAAA",
].join(""));

/** Resolves with the next call of the callback that it returns. */
function nextCall<T = unknown>(): {
  callback: (value: T) => void;
  called: Promise<T>;
} {
  const { promise, resolve } = Promise.withResolvers<T>();
  return { callback: resolve, called: promise };
}

/** What a chapter finds when it begins. */
interface Setting {
  readonly server: Server;
  /** A client in the server's process. */
  readonly local: Client;
  /** A client on a socket. */
  readonly client: Client;
  /** Opens another, which is closed with the chapter. */
  readonly connect: () => Promise<Client>;
  /** The line of the clients on sockets. */
  readonly line: Line;
  readonly url: string;
  readonly serving: Serving;
  /** Ends each engine, one after the other replaced; absent where there is only one. */
  readonly killEngines: (() => Promise<void>) | undefined;
}

const CHAPTERS: [string, (the: Setting) => Promise<void>][] = [];

function chapter(title: string, tell: (the: Setting) => Promise<void>): void {
  CHAPTERS.push([title, tell]);
}

/** Where the engine runs. Nobody can tell. */
const EXECUTORS = {
  "inline": () => undefined,
  "pool of 1": () => new WorkerPool({ size: 1 }),
  "pool of 2": () => new WorkerPool({ size: 2 }),
  "pool of 3": () => new WorkerPool({ size: 3 }),
  "default pool": () => new WorkerPool(),
  "processes": () => new ProcessPool({ size: 2 }),
} as const;

/** An engine that can be ended from outside. */
interface Mortal {
  /** Of a process. */
  readonly pid?: number;
  /** Of a worker. */
  crash?(how: "terminate"): void;
}

for (const { name, engine, client: line } of PAIRINGS) {
  for (const [where, newExecutor] of Object.entries(EXECUTORS)) {
    Deno.test(`The story with ${name}, ${where}`, async (t) => {
      await using pool = newExecutor();
      const engines: Mortal[] = [];
      const executor: Executor | undefined = pool && {
        size: pool.size,
        start: async (options) => {
          const engine = await pool.start(options);
          engines.push(engine as Mortal);
          return engine;
        },
      };
      const losses: string[] = [];
      await using server = new Server({
        engine: ENGINES[engine],
        ...executor && { executor },
        onError: ({ message }) => losses.push(message),
      });
      const killEngines = async () => {
        for (const engine of engines.splice(0)) {
          if (engine.pid !== undefined) Deno.kill(engine.pid, "SIGKILL");
          else engine.crash!("terminate");
          await replaced(server, losses);
        }
      };
      const mayKill = pool !== undefined && pool.size > 1;
      for (const [title, tell] of CHAPTERS) {
        await t.step(
          title,
          () =>
            tellChapter(server, line, mayKill ? killEngines : undefined, tell),
        );
      }
    });
  }
}

/** Resolves when one more engine has been lost and all are there again. */
async function replaced(server: Server, losses: string[]): Promise<void> {
  const { recovery: { replaced } } = server.stats();
  while (server.stats().recovery.replaced === replaced) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assertEquals(losses.splice(0).length, 1);
}

/** Tells a chapter on a server with one table. */
async function tellChapter(
  server: Server,
  line: Line,
  killEngines: Setting["killEngines"],
  tell: (the: Setting) => Promise<void>,
): Promise<void> {
  const local = server.newLocalClient();
  await local.table(ROWS, { name: "cities", index: "id" });
  await using serving = serve({ server, clients: line });
  const { url } = serving;
  const clients: Client[] = [];
  const connectOne = async () => {
    const client = await connect(line, url);
    clients.push(client);
    return client;
  };
  const client = await connectOne();
  const setting = { client, connect: connectOne, server, local, serving };
  try {
    await tell({ ...setting, line, url, killEngines });
    assertEquals(serving.errors, []);
  } finally {
    for (const each of clients) await each.terminate();
    await serving.closed(serving.stats().accepted);
    // Whatever happened, nothing of the clients is left.
    await (await local.open_table("cities")).delete();
    assertEquals(await local.get_hosted_table_names(), []);
    const { sessions, views, subscriptions, pending } = server.stats();
    assertEquals(
      { sessions, views, subscriptions, pending },
      { sessions: 1, views: 0, subscriptions: 0, pending: 0 },
    );
    await local.terminate();
  }
}

chapter("a client opens a table by name and reads it", async ({ client }) => {
  assertEquals(await client.get_hosted_table_names(), ["cities"]);
  const table = await client.open_table("cities");
  assertEquals(await table.size(), 4);
  assertEquals(await table.schema(), {
    id: "integer",
    city: "string",
    price: "float",
    day: "date",
    time: "datetime",
    sold: "boolean",
  });
  const view = await table.view({ columns: ["id", "city"] });
  assertEquals(await view.to_columns(), {
    id: [1, 2, 3, 4],
    city: ["Oslo", "Rome", "Oslo", "Lima"],
  });
  await view.delete();
});

chapter("sorts, filters and pivots run on the server", async ({ client }) => {
  const table = await client.open_table("cities");
  const sorted = await table.view({
    columns: ["id"],
    sort: [["id", "desc"]],
    filter: [["id", ">", 1]],
  });
  assertEquals(await sorted.to_columns(), { id: [4, 3, 2] });
  const grouped = await table.view({
    group_by: ["city"],
    columns: ["price"],
    expressions: {},
  });
  assertEquals(
    (await grouped.to_json()).map((row: Record<string, unknown>) => row.price),
    [7.5, 0, 5, 2.5],
  );
  assertEquals(await grouped.num_rows(), 4);
  assertEquals(await grouped.collapse(0), 3);
  assertEquals(await grouped.num_rows(), 1);
  await sorted.delete();
  await grouped.delete();
});

// Invariant 2
chapter("own writes are read", async ({ client, local }) => {
  const table = await client.open_table("cities");
  for (let id = 5; id < 25; id++) {
    await table.update([{ id, city: "Kyiv" }]);
    assertEquals(await table.size(), id);
  }
  // The same without waiting for the answer to the write.
  const sizes = [];
  for (let id = 25; id < 45; id++) {
    table.update([{ id, city: "Kyiv" }]);
    sizes.push(table.size());
  }
  assertEquals(
    await Promise.all(sizes),
    Array.from({ length: 20 }, (_, i) => i + 25),
  );
  assertEquals(await (await local.open_table("cities")).size(), 44);
  await table.remove([1, 2]);
  assertEquals(await table.size(), 42);
  await table.clear();
  assertEquals(await table.size(), 0);
});

chapter("an update reaches all who subscribed", async (the) => {
  const other = await connect(the.line, the.url);
  const seen: Promise<unknown>[] = [];
  const views: View[] = [];
  for (const client of [the.client, other]) {
    const view = await (await client.open_table("cities")).view();
    const { callback, called } = nextCall();
    await view.on_update(callback);
    seen.push(called);
    views.push(view);
  }
  const delta = nextCall<{ delta: ArrayBuffer; port_id: number }>();
  await views[1]!.on_update(delta.callback, { mode: "row" });
  // A subscription has no answer of its own; an answer after it says it stands.
  for (const view of views) await view.num_rows();
  await (await the.local.open_table("cities")).update([
    { id: 9, city: "Bern" },
  ]);
  await Promise.all(seen);
  const { delta: arrow } = await delta.called;
  const copy = await the.local.table(arrow);
  assertEquals(await copy.size(), 1);
  await copy.delete();
  for (const view of views) {
    assertEquals(await view.num_rows(), 5);
    await view.delete();
  }
  await other.terminate();
});

chapter("viewers of one dashboard share what is computed", async (the) => {
  // Invariant 5: none of them can tell.
  const before = the.server.stats();
  const others = [await the.connect(), await the.connect()];
  const config = { group_by: ["city"], columns: ["id", "sold"] };
  const views: View[] = [];
  for (const client of [the.client, ...others]) {
    views.push(await (await client.open_table("cities")).view(config));
  }
  const [first, second, third] = views as [View, View, View];
  const made = the.server.stats();
  assertEquals(made.views - before.views, 3);
  assertEquals(made.engineViews - before.engineViews, 1);

  const ids = async (view: View) =>
    (await view.to_columns() as Record<string, unknown>)["id"];
  const deltas: number[] = [];
  const changed = views.map(() => nextCall<{ delta?: ArrayBuffer }>());
  await first.on_update(changed[0]!.callback);
  await second.on_update(changed[1]!.callback, { mode: "row" });
  await third.on_update(changed[2]!.callback, { mode: "row" });
  for (const view of views) await view.num_rows();
  await (await the.local.open_table("cities")).update([
    { id: 2, city: "Rome", sold: true },
  ]);
  for (const { called } of changed) {
    deltas.push((await called).delta?.byteLength ?? 0);
  }
  assertEquals(deltas[0], 0); // it didn't ask for rows
  assertEquals(deltas[1]! > 0, true);
  assertEquals(deltas[1], deltas[2]); // an engine alone tells only the first

  const expected = await first.to_columns();
  assertEquals(await ids(first), [10, 4, 4, 2]);
  const readBefore = the.server.stats().reads;
  assertEquals(await second.to_columns(), expected);
  assertEquals(await third.to_columns(), expected);
  const readAfter = the.server.stats().reads;
  assertEquals(readAfter.remembered - readBefore.remembered, 2);
  assertEquals(readAfter.computed, readBefore.computed);

  // What one of them folds is its own.
  await second.collapse(0);
  assertEquals(await ids(second), [10]);
  assertEquals(await first.to_columns(), expected);
  assertEquals(
    the.server.stats().engineViews - before.engineViews,
    2,
  );
  const later = nextCall();
  await second.on_update(later.callback);
  await second.num_rows();
  await (await the.local.open_table("cities")).update([
    { id: 2, city: "Lima" },
  ]);
  await later.called;
  assertEquals(await ids(third), [10, 6, 4]);

  await first.delete();
  assertEquals(await ids(third), [10, 6, 4]);
  await second.delete();
  await third.delete();
});

chapter("a subscription that was removed is silent", async (the) => {
  const table = await the.client.open_table("cities");
  const view = await table.view();
  let calls = 0;
  const id = await view.on_update(() => calls++);
  await table.update([{ id: 1, city: "A" }]);
  await view.num_rows(); // the push was sent before this answer
  assertEquals(calls, 1);
  await view.remove_update(id);
  await table.update([{ id: 1, city: "B" }]);
  await view.num_rows();
  assertEquals(calls, 1);
  const deleted = nextCall();
  await view.on_delete(deleted.callback);
  await view.delete();
  await deleted.called;
});

chapter("clients make, list and delete tables", async (the) => {
  const changed = nextCall();
  const id = await the.client.on_hosted_tables_update(changed.callback);
  const table = await the.client.table("x,y\n1,2\n3,4", { name: "points" });
  await changed.called;
  await the.client.remove_hosted_tables_update(id);
  assertEquals(
    (await the.local.get_hosted_table_names()).toSorted(),
    ["cities", "points"],
  );
  const gone = nextCall();
  await table.on_delete(gone.callback);
  const view = await table.view();
  // A client's handle is used up by delete(), whatever comes of it.
  const again = await the.client.open_table("points");
  const refused = await assertRejects(() => table.delete());
  assertStringIncludes(String(refused), "views");
  await view.delete();
  await again.delete();
  await gone.called;
  assertEquals(await the.local.get_hosted_table_names(), ["cities"]);
});

chapter(
  "a lazy delete waits for the last view, and is answered to all",
  async (the) => {
    const table = await the.client.table("x\n1", { name: "short" });
    const other = await the.local.open_table("short");
    const third = await the.client.open_table("short");
    const view = await table.view();
    const deletes = [
      table.delete({ lazy: true }),
      other.delete({ lazy: true }),
      third.delete({ lazy: true }),
    ];
    assertEquals(await the.client.get_hosted_table_names(), ["cities"]);
    assertEquals(await view.num_rows(), 1);
    await view.delete();
    // Invariant 3: the engine itself answers only the last.
    await Promise.all(deletes);
  },
);

chapter("a table can follow a view", async (the) => {
  const source = await the.client.open_table("cities");
  const view = await source.view({ columns: ["id", "city"] });
  // The package's types leave views out.
  const data = view as unknown as ArrayBuffer;
  const copy = await the.client.table(data, { name: "copy", index: "id" });
  assertEquals(await copy.size(), 4);
  const follower = await copy.view();
  const updated = nextCall();
  await follower.on_update(updated.callback);
  await source.update([{ id: 77, city: "Nuuk" }]);
  await updated.called;
  assertEquals(await copy.size(), 5);
  await follower.delete();
  await view.delete();
  await copy.delete();
});

chapter(
  "min and max of every type, as the client's line writes them",
  async (the) => {
    const view = await (await the.client.open_table("cities")).view();
    const pairs: Record<string, unknown> = {};
    for (const column of Object.keys(ROWS)) {
      pairs[column] = await view.get_min_max(column);
    }
    const number = (...values: number[]) => values;
    assertEquals(pairs.id, number(1, 4));
    assertEquals(pairs.price, number(1.5, 3.5));
    assertEquals(pairs.city, ["Lima", "Rome"]);
    assertEquals(pairs.sold, [false, true]);
    if (the.line === "3") {
      assertEquals(pairs.day, ["2023-12-31", "2024-02-03"]);
      assertEquals(pairs.time, [
        "1969-12-31 23:59:59.000",
        "2023-11-15 22:13:20.000",
      ]);
    } else assertEquals(pairs.time, number(-1000, 1700086400000));
    await assertRejects(() => view.get_min_max("nothing"), Error, "nothing");
    await view.delete();
  },
);

chapter(
  "errors come back to whoever asked, and nothing else happens",
  async (the) => {
    await assertRejects(() => the.client.open_table("nowhere"));
    const table = await the.client.open_table("cities");
    const missing = await assertRejects(() =>
      table.view({ columns: ["nothing"] })
    );
    assertStringIncludes(String(missing), "nothing");
    const view = await table.view();
    const text = await assertRejects(() => view.get_min_max("nothing"));
    assertStringIncludes(String(text), "nothing");
    await view.delete();
    assertEquals(await table.size(), 4);
  },
);

// In 3.8.0 alone, the update after this freezes the table's views or traps.
chapter("a view with a mistake in it doesn't hurt the table", async (the) => {
  const table = await the.client.open_table("cities");
  const before = await table.view();
  for (let i = 0; i < 3; i++) {
    await assertRejects(() =>
      table.view({
        group_by: ["city"],
        columns: ["price"],
        aggregates: { price: ["weighted mean", ["nothing"]] },
      })
    );
    await table.update([{ id: 10 + i, city: "Bern" }]);
  }
  const after = await table.view();
  assertEquals(await before.num_rows(), 7);
  assertEquals(await after.num_rows(), 7);
  await before.delete();
  await after.delete();
});

chapter(
  "list columns are what the client's line makes of them",
  async (the) => {
    const table = await the.client.table(LISTS.slice().buffer, { name: "l" });
    const view = await table.view({ columns: ["id", "tags"] });
    assertEquals(
      await view.to_columns(),
      the.line === "3"
        ? { id: [1, 2, 3], tags: ["[1,2]", "[3]", "[]"] }
        : { id: [1, 1, 2, 3], tags: [1, 2, 3, null] },
    );
    await view.delete();
    await table.delete();
  },
);

// Above 64 KiB a change is read by all engines from one place.
chapter("large changes are made", async (the) => {
  const rows = Array.from({ length: 5_000 }, (_, i) => `${i},row number ${i}`);
  const csv = (from: number, to: number) =>
    ["id,text", ...rows.slice(from, to)].join("\n");
  const table = await the.client.table(csv(0, 3_000), {
    name: "large",
    index: "id",
  });
  await table.update(csv(2_500, 5_000));
  // On as many engines as there are.
  const views = [];
  for (let i = 0; i < 4; i++) views.push(await table.view());
  for (const view of views) {
    assertEquals(await view.num_rows(), 5_000);
    const [row] = await view.to_json({ start_row: 4_321, end_row: 4_322 });
    assertEquals(row, { id: 4_321, text: "row number 4321" });
    await view.delete();
  }
  await table.delete();
});

chapter("ports tell updates apart", async (the) => {
  const table = await the.client.open_table("cities");
  const view = await table.view();
  const port = await table.make_port();
  const { callback, called } = nextCall<{ port_id: number }>();
  await view.on_update(callback);
  await table.update([{ id: 1, city: "A" }], { port_id: port });
  assertEquals((await called).port_id, port);
  await view.delete();
});

chapter("all formats of a view", async (the) => {
  const view = await (await the.client.open_table("cities")).view({
    columns: ["id", "city"],
  });
  assertEquals(
    await view.to_csv(),
    '"id","city"\n1,"Oslo"\n2,"Rome"\n3,"Oslo"\n4,"Lima"\n',
  );
  assertEquals(JSON.parse(await view.to_json_string()).length, 4);
  assertEquals((await view.to_ndjson()).trim().split("\n").length, 4);
  const arrow = await view.to_arrow();
  const table = await the.client.table(arrow, { name: "again" });
  assertEquals(await table.size(), 4);
  assertEquals(await view.get_config().then((it) => it.columns), [
    "id",
    "city",
  ]);
  assertEquals(await view.column_paths(), ["id", "city"]);
  await table.delete();
  await view.delete();
});

chapter("clients don't meet each other's views", async (the) => {
  // Two clients whose frames are the same to the byte: Invariant 9.
  const answers: string[][] = [[], []];
  const sockets = [await openSocket(the.url), await openSocket(the.url)];
  for (const [i, socket] of sockets.entries()) {
    socket.onmessage = ({ data }) =>
      answers[i]!.push(new Uint8Array(data as ArrayBuffer).join());
  }
  const frames = [
    frame(1, "cities", 6, makeView("mine")),
    frame(2, "mine", 12),
    frame(3, "mine", 11),
    frame(4, "mine", 12),
  ];
  for (const each of frames) sockets.forEach((it) => it.send(each));
  for (const socket of sockets) {
    while (answers[sockets.indexOf(socket)]!.length < 4) {
      await new Promise((resolve) =>
        socket.addEventListener("message", resolve, { once: true })
      );
    }
    const closed = closeOf(socket);
    socket.close();
    await closed;
  }
  // Whether one comes before another is up to the server.
  assertEquals(answers[0]!.toSorted(), answers[1]!.toSorted());
  await the.serving.closed(2);
});

// Invariant 7
chapter("engines die, and nobody notices", async (the) => {
  const { client, connect, local, killEngines } = the;
  if (killEngines === undefined) return;
  const table = await client.open_table("cities");
  const other = await connect();
  const view = await table.view({ group_by: ["city"], columns: ["price"] });
  const same = await (await other.open_table("cities"))
    .view({ group_by: ["city"], columns: ["price"] });
  await view.collapse(0);
  let pushes = 0;
  await same.on_update(() => pushes++);
  await same.num_rows(); // it is subscribed
  await killEngines();
  assertEquals(await table.size(), 4);
  assertEquals(await view.num_rows(), 1);
  assertEquals(await same.num_rows(), 4);
  const before = pushes;
  const { callback, called } = nextCall();
  await same.on_update(callback);
  await same.num_rows();
  await (await local.open_table("cities")).update([{ id: 4, price: 9.5 }]);
  await called;
  assertEquals(pushes, before + 1);
  const prices = (await same.to_json())
    .map((row: Record<string, unknown>) => row.price);
  assertEquals(prices, [17, 9.5, 5, 2.5]);
  for (const each of [view, same]) await each.delete();
});
