import {
  assert,
  assertEquals,
  assertLess,
  assertMatch,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { PerspectiveServer } from "@finos/perspective";
import { LocalEngine } from "../engine/local_engine.ts";
import { loadPackage } from "../engine/package.ts";
import { WorkerPool } from "../engine/worker_pool.ts";
import { EngineLoadError } from "../errors.ts";
import { readOnly } from "../policy/access.ts";
import { ENGINES } from "../testing/engines.ts";
import {
  errorOf,
  frame,
  makeView,
  parts,
  text,
  uint,
} from "../testing/frames.ts";
import { runProgram } from "../testing/program.ts";
import { openSocket, serve } from "../testing/serve.ts";
import { Server, type ServerOptions } from "./server.ts";

/** `make_table` or `table_update` with rows in JSON. */
function rows(msgId: number, table: string, kind: number, data: unknown[]) {
  return frame(msgId, table, kind, (w) => {
    w.tag(1, 2).fork();
    text(4, JSON.stringify(data))(w);
    w.join();
  });
}

/** A session that collects its frames, and a promise of the first so many. */
function collect(server: Server, count = 1) {
  const frames: Uint8Array[] = [];
  const { promise: answered, resolve } = Promise.withResolvers<void>();
  const session = server.newSession((it) => {
    if (frames.push(it) === count) resolve();
  });
  return { session, frames, answered };
}

for (const engine of Object.values(ENGINES)) {
  Deno.test(`Server.newSession() needs no socket (${engine})`, async () => {
    await using server = new Server({ engine });
    // All of this before the engine is there.
    const { session, frames, answered } = collect(server, 5);
    session.handleRequest(rows(1, "t", 27, [{ x: 1 }, { x: 2 }]));
    session.handleRequest(frame(2, "t", 6, makeView("v")));
    session.handleRequest(frame(3, "v", 21));
    session.handleRequest(rows(4, "t", 33, [{ x: 3 }]));
    session.handleRequest(frame(5, "t", 8));
    assertEquals(frames, []);
    await server.ready;
    await answered;
    const got = frames.map((it) => parts(it)).map((it) => [it.msgId, it.kind]);
    assertEquals(got, [[1, 27], [2, 6], [4, 33], [3, 21], [5, 8]]);
    assert(!session.closed);
    session.close();
    session.close();
    session.handleRequest(frame(6, "t", 8));
    assertEquals(frames.length, 5);
    assertEquals(server.stats().sessions, 0);
  });

  Deno.test(`Server polls when the program says so, with onPollRequest (${engine})`, async () => {
    let asked = 0;
    await using server: Server = new Server({
      engine,
      onPollRequest: (it) => {
        assertStrictEquals(it, server);
        asked++;
      },
    });
    await server.ready;
    const { session, frames } = collect(server);
    const take = () => frames.splice(0).map((it) => parts(it).kind);
    session.handleRequest(rows(1, "t", 27, [{ x: 1 }]));
    session.handleRequest(frame(2, "t", 6, makeView("v")));
    session.handleRequest(frame(3, "v", 21));
    assertEquals([take(), asked], [[27, 6], 1]);
    for (let i = 0; i < 10; i++) {
      session.handleRequest(rows(10 + i, "t", 33, [{ x: i }]));
    }
    assertEquals(take(), Array(10).fill(33));
    assertEquals(asked, 2);
    server.poll();
    assertEquals(take(), [21]); // ten changes, one notification
    server.poll();
    assertEquals(take(), []);
    // Invariant 2: a read sees what was changed before it, polled or not.
    session.handleRequest(rows(30, "t", 33, [{ x: 5 }]));
    session.handleRequest(frame(31, "v", 12));
    assertEquals(take(), [33, 21, 12]);
    assertEquals(asked, 3);
  });

  // The whole point of the router's own msg_ids and names of views.
  Deno.test(`Server gives everything back after 1,000 sessions (${engine})`, async (t) => {
    await using server = new Server({ engine });
    const client = server.newLocalClient();
    await client.table(
      Array.from({ length: 2000 }, (_, i) => ({ i, s: `row ${i % 7}` })),
      { name: "t" },
    );
    await using serving = serve({ server });
    const life = async () => {
      const socket = await openSocket(serving.url);
      const closed = new Promise((resolve) => socket.onclose = resolve);
      const answered = new Promise((resolve) => {
        socket.onmessage = ({ data }) =>
          parts(new Uint8Array(data)).msgId === 5 && resolve(data);
      });
      socket.send(frame(1, "t", 6, makeView("a")));
      socket.send(frame(2, "t", 6, makeView("b")));
      socket.send(frame(3, "a", 21));
      socket.send(frame(5, "b", 12));
      await answered;
      socket.close();
      await closed;
    };
    const used = async () => (await client.system_info()).used_size;
    let lives = 0;
    const livesOf = async (count: number) => {
      for (; count > 0; count -= 20, lives += 20) {
        await Promise.all(Array.from({ length: 20 }, life));
      }
      await serving.closed(lives);
    };
    await livesOf(20); // buffers and pools find their size
    const before = await used();
    await livesOf(1000);
    const after = await used();
    const growth = Number(after - before) / Number(before);
    const { sessions, views, subscriptions, pending } = server.stats();
    assertEquals([sessions, views, subscriptions, pending], [1, 0, 0, 0]);
    await t.step(
      `used_size: ${before} before, ${after} after`,
      () => assertLess(Math.abs(growth), 0.05),
    );
    // No view is left in the engine, or this would be refused.
    await (await client.open_table("t")).delete();
  });
}

Deno.test("Server takes an executor that starts its engine", async () => {
  const started: string[] = [];
  await using server = new Server({
    executor: {
      start: async ({ engine }) => {
        started.push(engine);
        const { newServer, line } = await loadPackage(engine);
        return new LocalEngine(newServer(), line);
      },
    },
  });
  const table = await server.newLocalClient().table("x\n1\n2");
  assertEquals(await table.size(), 2);
  assertEquals(started, [ENGINES["3"]]);
});

Deno.test("Server.from() is one server for one object", async () => {
  const foreign = new PerspectiveServer();
  const server = Server.from(foreign);
  assertStrictEquals(Server.from(foreign), server);
  assertStrictEquals(Server.global(), Server.global());
  const table = await server.newLocalClient().table("x\n1", { name: "one" });
  assertEquals(await table.size(), 1);
  assertEquals(server.stats().line, "3");
  await server.close();
  assertThrows(() => Server.from({} as PerspectiveServer), TypeError);
  assertThrows(() => Server.from(null as unknown as PerspectiveServer));
});

Deno.test("Server.from() tells an engine's line by what it can", async () => {
  const { newServer } = await loadPackage(ENGINES["5"]);
  const foreign = newServer() as unknown as PerspectiveServer;
  await using server = Server.from(foreign);
  await server.ready;
  assertEquals(server.stats().line, "5");
});

Deno.test("Server heals a foreign server's failed view, too", async () => {
  await using server = Server.from(new PerspectiveServer());
  const client = server.newLocalClient();
  const table = await client.table([{ g: "a", n: 1 }]);
  const view = await table.view();
  await assertRejects(() =>
    table.view({
      group_by: ["g"],
      columns: ["n"],
      aggregates: { n: ["weighted mean", ["nothing"]] },
    })
  );
  await table.update([{ g: "b", n: 2 }]);
  assertEquals(await view.num_rows(), 2);
  await view.delete();
});

Deno.test("Server tells everyone when its engine can't be loaded", async () => {
  const errors: Error[] = [];
  await using server = new Server({
    engine: "file:///no/such/engine.js",
    onError: (error) => errors.push(error),
  });
  const { session, frames } = collect(server);
  session.handleRequest(frame(7, "t", 8));
  const client = server.newLocalClient();
  const error = await assertRejects(
    () => client.get_hosted_table_names(),
    EngineLoadError,
  );
  assertEquals(error.specifier, "file:///no/such/engine.js");
  await assertRejects(() => server.ready, EngineLoadError);
  assertEquals(parts(frames[0]!).msgId, 7);
  assertStringIncludes(errorOf(frames[0]!).message, "Cannot load engine");
  assert(session.closed);
  assertEquals(errors.length, 1);
});

Deno.test("Server says so when the package is no engine", async () => {
  await using server = new Server({
    engine: import.meta.resolve("../errors.ts"),
    onError: () => {},
  });
  const error = await assertRejects(() => server.ready, EngineLoadError);
  assertMatch(error.message, /^Cannot use engine .* must export Persp/);
});

Deno.test("Server checks its options", () => {
  for (
    const [options, message] of [
      [{ engine: 5 }, '"engine" must be a module specifier, received number'],
      [{ executor: {} }, '"executor" must have start(), received object'],
    ] as [ServerOptions, string][]
  ) {
    const error = assertThrows(() => new Server(options), TypeError);
    assertStringIncludes(error.message, message);
  }
});

Deno.test("Server.close() answers what is open and refuses the rest", async () => {
  const server = new Server();
  const client = server.newLocalClient();
  const table = await client.table("x\n1", { name: "t" });
  const { session, frames } = collect(server);
  const view = await client.open_table("t").then((it) => it.view());
  session.handleRequest(frame(1, "t", 28, uint(1, 0))); // lazy: it waits
  const closed = server.close();
  assertEquals(server.close(), closed);
  await closed;
  assertEquals(errorOf(frames[0]!).message, "The server is closed");
  assert(session.closed);
  await assertRejects(() => table.size(), Error, "local client is closed");
  await assertRejects(() => view.num_rows());
  assertThrows(() => server.newSession(() => {}), Error, "is closed");
  assertThrows(() => server.newLocalClient(), Error, "is closed");
  assertEquals(server.stats().sessions, 0);
});

Deno.test("A session that can't be written to is closed, and nobody else's", async () => {
  const errors: string[] = [];
  await using server = new Server({
    onError: (error, { stage }) => errors.push(`${stage}: ${error.message}`),
  });
  await server.ready;
  const { session: good, frames } = collect(server);
  good.handleRequest(rows(1, "t", 27, [{ x: 1 }]));
  for (const fail of ["throw", "reject"]) {
    const bad = server.newSession(() => {
      if (fail === "throw") throw new Error("gone");
      return Promise.reject(new Error("gone"));
    });
    bad.handleRequest(frame(1, "t", 6, makeView("v")));
    bad.handleRequest(frame(2, "v", 21));
    await Promise.resolve();
    assert(bad.closed);
  }
  good.handleRequest(rows(2, "t", 33, [{ x: 2 }]));
  good.handleRequest(frame(3, "t", 28, uint(1, 1)));
  assertEquals(frames.map((it) => parts(it).kind), [27, 33, 28]);
  assertEquals(errors, ["write: gone", "write: gone"]);
  assertEquals(server.stats().views, 0);
});

Deno.test("A local client can end before its server", async () => {
  await using server = new Server();
  const client = server.newLocalClient();
  const table = await client.table("x\n1", { name: "t" });
  await table.view();
  assertEquals(server.stats().views, 1);
  await client.terminate();
  assertEquals(server.stats().views, 0);
  assertEquals(server.stats().sessions, 0);
  await assertRejects(() => table.size(), Error, "local client is closed");
  // And a client is no promise, however it is waited for.
  const other = await server.newLocalClient();
  assertEquals(await other.get_hosted_table_names(), ["t"]);
});

// Invariant 8
Deno.test("Server refuses what a session has too much of in flight", async () => {
  for (
    const limits of [{ maxInFlight: 3 }, { maxInFlightSize: 40 }]
  ) {
    await using executor = new WorkerPool({ size: 1 });
    await using server = new Server({ executor, ...limits });
    await server.ready;
    const { session, frames, answered } = collect(server, 5);
    const other = collect(server);
    for (let msgId = 1; msgId <= 5; msgId++) {
      session.handleRequest(frame(msgId, "nothing", 8));
    }
    other.session.handleRequest(frame(1, "nothing", 8));
    await Promise.all([answered, other.answered]);
    const refused = frames.map((it) => [parts(it).msgId, errorOf(it).message])
      .filter(([, message]) => String(message).startsWith("Cannot take"));
    assertEquals(refused.map(([msgId]) => msgId), [4, 5]);
    assertMatch(
      String(refused[0]![1]),
      /3 requests of \d+ bytes are in flight/,
    );
    // Once these are answered, there is room again.
    const again = collect(server);
    session.handleRequest(frame(6, "nothing", 8));
    again.session.handleRequest(frame(6, "nothing", 8));
    await again.answered;
    assertEquals(frames.length, 6);
    assertEquals(
      errorOf(other.frames[0]!).message,
      errorOf(frames.at(-1)!).message,
    );
  }
});

const LOSE = `
  import { Server, WorkerPool } from "MOD";
  const [engine, other] = Deno.args;
  const onError = ({ name }, { stage }) => console.log(stage, name);
  const onLost = () => console.log("reloading");
  const lost = new Server({ engine, onError, onLost });
  const before = new Server({ engine, onError, onLost });
  const table = await lost.newLocalClient().table({ x: [1] });
  await before.ready;
  const e = "(".repeat(3000) + "1" + ")".repeat(3000);
  const view = table.view({ columns: ["e"], expressions: { e } });
  await view.catch(() => console.log("rejected"));
  const size = async (options) => {
    await using server = new Server({ onError, onLost, ...options });
    await server.ready;
    const table = await server.newLocalClient().table({ x: [1, 2] });
    console.log("rows:", await table.size());
  };
  const said = ({ message }) => console.log(message.replace(/: .*\\. S/, ": … S"));
  await size({ engine }).catch(said);
  await using executor = new WorkerPool({ size: 1 });
  await size({ engine, executor });
  await size({ engine: other });
  await lost.close();
  // This one learns of it when it is asked.
  await before.newLocalClient().table({ x: [1] }).catch(() => {});
  await before.close();
`;

for (const engine of Object.values(ENGINES)) {
  Deno.test(`An engine that is lost on this thread has no successor there, but elsewhere (${engine})`, async () => {
    const other = Object.values(ENGINES).find((it) => it !== engine)!;
    const source = LOSE.replace("MOD", import.meta.resolve("../../mod.ts"));
    const flags = ["--quiet", "--no-check", "-A"];
    const { stdout, stderr } = await runProgram(source, flags, [engine, other]);
    assertEquals(`${stdout}${stderr}`.split("\n"), [
      "engine ServerLostError",
      "rejected",
      "engine EngineLoadError",
      "Cannot start an engine on this thread: … Start the program again, or " +
      "use an executor",
      "rows: 2",
      "rows: 2",
      "engine ServerLostError",
      "",
    ]);
  });
}

Deno.test("WorkerPool checks its size", async () => {
  for (const size of [0, 1.5, -1, 65, NaN]) {
    assertThrows(() => new WorkerPool({ size }), RangeError, '"size"');
  }
  const pool = new WorkerPool();
  assert(pool.size >= 2 && pool.size <= 5);
  await pool.close();
  await assertRejects(() => pool.start({ engine: ENGINES["3"] }));
});

Deno.test("Server starts all engines of a pool, or none", async () => {
  let starts = 0;
  const closed: number[] = [];
  await using server = new Server({
    executor: {
      size: 3,
      start: async ({ engine }) => {
        const start = ++starts;
        if (start === 2) throw new Error("no room");
        const { newServer, line } = await loadPackage(engine);
        const local = new LocalEngine(newServer(), line);
        const close = local.close.bind(local);
        local.close = () => {
          closed.push(start);
          close();
        };
        return local;
      },
    },
    onError: () => {},
  });
  await assertRejects(() => server.ready, Error, "no room");
  assertEquals(closed, [1, 3]);
});

Deno.test("Server.newLocalClient() does what its access allows, and is looked at", async () => {
  await using server = new Server();
  const own = server.newLocalClient();
  const table = await own.table({ x: [1] }, { name: "t" });
  const handed = server.newLocalClient({ access: readOnly() });
  const same = await handed.open_table("t");
  assertEquals(await same.size(), 1);
  await assertRejects(
    () => same.update([{ x: 2 }]),
    Error,
    'needs "update" on table "t"',
  );
  const loop = "for (var i := 0; i < 10; i += 1) { i; }";
  await assertRejects(
    () => same.view({ expressions: { e: loop } }),
    Error,
    "Cannot make view",
  );
  await table.update([{ x: 2 }]);
  assertEquals(await same.size(), 2);
  for (const client of [own, handed]) await client.terminate();
});
