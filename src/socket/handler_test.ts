import {
  assert,
  assertEquals,
  assertGreater,
  assertInstanceOf,
  assertLess,
  assertMatch,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import * as perspective from "@finos/perspective";
import { EngineLoadError, ServerLostError } from "../errors.ts";
import { Server } from "../server/server.ts";
import { connect } from "../testing/engines.ts";
import { errorOf, frame, makeView, parts, text } from "../testing/frames.ts";
import {
  clientFrame,
  closeOf,
  nextMessage,
  openSocket,
  serve,
  serverWith,
  shakeHands,
} from "../testing/serve.ts";
import type { Connection } from "./connection.ts";
import { PerspectiveHandler } from "./handler.ts";
import type { PerspectiveHandlerOptions } from "./options.ts";
import { WriteLoop } from "./write_loop.ts";

const UPGRADE = { upgrade: "websocket", connection: "Upgrade" };

async function closeSocket(socket: WebSocket): Promise<void> {
  const closed = closeOf(socket);
  socket.close();
  await closed;
}

// -- Handshakes --------------------------------------------------------------

Deno.test("PerspectiveHandler.fetch() answers 426 to what isn't an upgrade", async () => {
  await using handler = new PerspectiveHandler();
  const { fetch } = handler; // it is bound
  for (
    const request of [
      new Request("http://localhost/"),
      new Request("http://localhost/", { headers: { upgrade: "h2c" } }),
      new Request("http://localhost/", { method: "POST", headers: UPGRADE }),
    ]
  ) {
    const response = await fetch(request);
    assertEquals(response.status, 426);
    assertEquals(response.headers.get("upgrade"), "websocket");
    await response.body?.cancel();
  }
  assertEquals(handler.stats().refused, 3);
});

Deno.test("PerspectiveHandler.fetch() fits into a router", async () => {
  await using server = await serverWith(3);
  await using handler = new PerspectiveHandler({ server });
  await using http = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    (request, info) =>
      new URL(request.url).pathname === "/data"
        ? handler.fetch(request, info)
        : new Response("a page"),
  );
  const at = `127.0.0.1:${http.addr.port}`;
  assertEquals(await (await fetch(`http://${at}/`)).text(), "a page");
  const client = await connect("3", `ws://${at}/data`);
  assertEquals(await (await client.open_table("t")).size(), 3);
  await client.terminate();
  await handler.close();
});

Deno.test("PerspectiveHandler.fetch() lets in the same host by default", async () => {
  await using server = await serverWith(1);
  await using serving = serve({ server });
  const { port } = serving;
  for (
    const [origin, expected] of [
      [undefined, 101],
      [`http://127.0.0.1:${port}`, 101],
      [`https://127.0.0.1:${port}`, 101],
      [`http://127.0.0.1:${port + 1}`, 403],
      ["http://evil.example", 403],
      ["null", 403],
      ["not a URL", 403],
    ] as const
  ) {
    const { status, text, connection } = await shakeHands(
      port,
      origin === undefined ? {} : { origin },
    );
    assertEquals(status, expected, `origin ${origin}`);
    if (expected === 403) assertStringIncludes(text, `Origin ${origin}`);
    connection.close();
  }
  await serving.closed(3);
});

Deno.test("PerspectiveHandler.fetch() asks checkOrigin", async () => {
  await using server = await serverWith(1);
  const asked: string[] = [];
  const cases: [PerspectiveHandlerOptions["checkOrigin"], number][] = [
    [true, 101],
    [false, 403],
    [(origin) => origin === "http://a.example", 101],
    [() => Promise.resolve(true), 101],
    [() => Promise.resolve(false), 403],
    [(origin, request) => {
      asked.push(`${origin} ${new URL(request.url).pathname}`);
      return false;
    }, 403],
    [() => {
      throw new Error("secret");
    }, 500],
    [() => Promise.reject(new Error("secret")), 500],
  ];
  for (const [checkOrigin, expected] of cases) {
    await using serving = serve({ server, checkOrigin: checkOrigin! });
    const { status, text, connection } = await shakeHands(serving.port, {
      origin: "http://a.example",
    });
    assertEquals(status, expected, String(checkOrigin));
    // The program learns why, the peer doesn't.
    assertEquals(serving.errors.length, expected === 500 ? 1 : 0);
    assert(!text.includes("secret"));
    connection.close();
    if (expected === 101) await serving.closed(1);
  }
  assertEquals(asked, ["http://a.example /"]);
});

Deno.test("PerspectiveHandler.fetch() refuses a bad handshake and goes on", async () => {
  await using server = await serverWith(1);
  await using serving = serve({ server });
  const { status, text, connection } = await shakeHands(serving.port, {
    connection: "keep-alive",
  });
  connection.close();
  assertEquals(status, 400);
  assertStringIncludes(text, "Bad handshake");
  await closeSocket(await openSocket(serving.url));
  await serving.closed(1);
});

// -- Which server ------------------------------------------------------------

Deno.test("PerspectiveHandler serves the global server by default", async () => {
  const table = await perspective.table("x\n1\n2", { name: "global_table" });
  await using one = serve();
  await using two = serve();
  for (const { url, closed } of [one, two]) {
    const client = await connect("3", url);
    const theirs = await client.open_table("global_table");
    assertEquals(await theirs.size(), 2);
    // A change of the program's own reaches the socket.
    const view = await theirs.view();
    const { promise, resolve } = Promise.withResolvers<unknown>();
    await view.on_update(resolve);
    await view.num_rows();
    await table.update([{ x: 3 }]);
    await promise;
    await table.replace("x\n1\n2");
    await view.delete();
    await client.terminate();
    await closed(1);
  }
  await table.delete();
  assertEquals([...one.errors, ...two.errors], []);
});

Deno.test("PerspectiveHandler serves any object with make_session", async () => {
  const foreign = new perspective.PerspectiveServer();
  const local = perspective.make_client(async (request) =>
    await session.handle_request(request.slice())
  );
  const session = foreign.make_session(async (response) =>
    await local.handle_response(response.slice())
  );
  const table = await local.table("x\n1", { name: "theirs" });
  await using one = serve({ server: foreign });
  await using two = serve({ server: foreign });
  for (const { url, closed } of [one, two]) {
    const client = await connect("3", url);
    const view = await (await client.open_table("theirs")).view();
    assertEquals(await view.to_columns(), { x: [1] });
    await client.terminate();
    await closed(1);
  }
  // What the sockets left behind would be in the way here.
  await table.delete();
  session.close();
});

Deno.test("PerspectiveHandler lets a function choose the server", async () => {
  await using small = await serverWith(1);
  await using large = await serverWith(100);
  await using serving = serve({
    server: (request) => {
      const { pathname } = new URL(request.url);
      if (pathname === "/error") throw new Error("no such server");
      return pathname === "/small" ? small : Promise.resolve(large);
    },
  });
  for (const [path, size] of [["small", 1], ["large", 100]] as const) {
    const client = await connect("3", serving.url + path);
    assertEquals(await (await client.open_table("t")).size(), size);
    await client.terminate();
  }
  await assertRejects(() => openSocket(serving.url + "error"));
  assertEquals(serving.errors.map((it) => it.message), ["no such server"]);
  await serving.closed(2);
});

Deno.test("PerspectiveHandler asks for each client's line", async () => {
  await using server = new Server({
    engine: "npm:@perspective-dev/client@5.5.1",
  });
  await server.newLocalClient().table({ x: ["2024-05-06"] }, { name: "t" });
  await using serving = serve({
    server,
    clients: (request) => new URL(request.url).pathname === "/old" ? "3" : "5",
  });
  for (const line of ["3", "5"] as const) {
    const client = await connect(
      line,
      serving.url + (line === "3" ? "old" : ""),
    );
    const view = await (await client.open_table("t")).view();
    const [min] = await view.get_min_max("x");
    assertEquals(typeof min, line === "3" ? "string" : "number");
    await client.terminate();
  }
  await serving.closed(2);
});

Deno.test("PerspectiveHandler.fetch() answers 503 while there is no engine", async () => {
  const errors: Error[] = [];
  await using server = new Server({
    engine: "file:///no/such/engine.js",
    onError: (error) => errors.push(error),
  });
  await using serving = serve({ server });
  const { status, text, connection } = await shakeHands(serving.port);
  connection.close();
  assertEquals(status, 503);
  assertStringIncludes(text, "could not be loaded");
  const error = await assertRejects(() => server.ready, EngineLoadError);
  assertMatch(
    error.message,
    /^Cannot load engine "file:\/\/\/no\/such\/engine\.js": Module not found/,
  );
  assertEquals(errors, [error]);
});

// -- Sessions and sockets ----------------------------------------------------

Deno.test("PerspectiveHandler ignores text frames", async () => {
  await using server = await serverWith(2);
  await using serving = serve({ server });
  const socket = await openSocket(serving.url);
  socket.send("hello");
  socket.send("");
  socket.send(frame(7, "t", 8));
  assertEquals(parts(await nextMessage(socket)).msgId, 7);
  assertEquals(server.stats().requests, 2); // that, and the table's making
  await closeSocket(socket);
  await serving.closed(1);
});

// What a browser that is closed, or a laptop that is shut, leaves behind.
Deno.test("A socket that dies leaves nothing behind and disturbs nobody", async () => {
  await using server = await serverWith(1000);
  const writer = await server.newLocalClient().open_table("t");
  await using serving = serve({ server });
  const witness = await connect("3", serving.url);
  const view = await (await witness.open_table("t")).view();
  let seen = 0;
  await view.on_update(() => seen++);
  await view.num_rows();
  const before = server.stats();
  for (let i = 0; i < 5; i++) {
    const { status, connection } = await shakeHands(serving.port);
    assertEquals(status, 101);
    for (
      const request of [
        frame(1, "t", 6, makeView("a")),
        frame(2, "t", 6, makeView("b")),
        frame(3, "a", 21), // on_update
        frame(4, "b", 21, (w) => w.tag(1, 0).int32(0)), // with deltas
        frame(5, "b", 34), // on_delete
        frame(6, "t", 29), // on_delete of the table
        frame(7, "", 4, (w) => w.tag(1, 0).bool(true)), // hosted tables
        frame(8, "a", 25), // an answer of many bytes, nobody will read it
        frame(9, "a", 25),
      ]
    ) {
      const bytes = clientFrame(request);
      for (let at = 0; at < bytes.length;) {
        at += await connection.write(bytes.subarray(at));
      }
    }
    await serving.open(2);
    // Some die before their requests are read, some after.
    if (i % 2 === 0) await connection.read(new Uint8Array(100));
    connection.close();
    await writer.update([{ x: `update ${i}` }]);
    await serving.closed(i + 1);
  }
  await writer.update([{ x: "last" }]);
  assertEquals(await view.num_rows(), 1006);
  assertEquals(seen, 6);
  const after = server.stats();
  assertEquals(
    [after.sessions, after.views, after.subscriptions, after.pending],
    [before.sessions, before.views, before.subscriptions, 0],
  );
  assertEquals(serving.errors, []);
  assertEquals(new Set(serving.closes.map((it) => it.code)), new Set([1006]));
  await view.delete();
  // In the engine, too: with a view it couldn't be deleted.
  await writer.delete();
  await witness.terminate();
  await serving.closed(6);
});

Deno.test("PerspectiveHandler tells onOpen and onClose", async () => {
  await using server = await serverWith(1);
  const told: string[] = [];
  const connections: Connection[] = [];
  await using serving = serve({
    server,
    onOpen: (connection) => {
      connections.push(connection);
      told.push(`open ${new URL(connection.request.url).search}`);
      assertEquals(connection.remoteAddress, "127.0.0.1");
      assertEquals(connection.request.headers.get("upgrade"), "websocket");
    },
    onClose: (connection, { code, reason }) => {
      assertEquals(connection, connections.at(-1));
      told.push(`close ${code} ${reason}`);
    },
  });
  const socket = await openSocket(`${serving.url}?a=1`);
  const closed = closeOf(socket);
  socket.close(4001, "by client");
  await closed;
  await serving.closed(1);
  const other = await openSocket(`${serving.url}?b`);
  const ended = closeOf(other);
  await serving.open(1);
  assertThrows(() => connections[1]!.close(1005), RangeError, "1005");
  connections[1]!.close(4002, "x".repeat(200));
  connections[1]!.close();
  assertEquals(await ended, { code: 4002, reason: "x".repeat(123) });
  await serving.closed(2);
  assertEquals(told, [
    "open ?a=1",
    "close 4001 by client",
    "open ?b",
    `close 4002 ${"x".repeat(123)}`,
  ]);
});

Deno.test("PerspectiveHandler survives callbacks that throw", async () => {
  await using server = await serverWith(1);
  await using serving = serve({
    server,
    onOpen: () => {
      throw new Error("open");
    },
    onClose: () => {
      throw new Error("close");
    },
  });
  const socket = await openSocket(serving.url);
  socket.send(frame(1, "t", 8));
  assertEquals(parts(await nextMessage(socket)).kind, 8);
  await closeSocket(socket);
  await serving.handler.close();
  assertEquals(serving.errors.map((it) => it.message), ["open", "close"]);
});

// -- Limits ------------------------------------------------------------------

Deno.test("maxMessageSize closes with 1009", async () => {
  await using server = await serverWith(1);
  await using serving = serve({ server, maxMessageSize: 1000 });
  const socket = await openSocket(serving.url);
  socket.send(frame(1, "t", 9, text(1, "x".repeat(900))));
  await nextMessage(socket);
  const closed = closeOf(socket);
  socket.send(new Uint8Array(1001));
  assertEquals(await closed, { code: 1009, reason: "message is too big" });
  await serving.closed(1);
  assertEquals(serving.closes, [{ code: 1009, reason: "message is too big" }]);
});

// Deno itself doesn't let it through; the program is told the same.
Deno.test("A frame of 64 MiB ends the connection", async () => {
  await using server = await serverWith(1);
  await using serving = serve({ server });
  const socket = await openSocket(serving.url);
  const closed = closeOf(socket);
  socket.send(new Uint8Array(64 * 1024 * 1024));
  await closed;
  await serving.closed(1);
  assertEquals(serving.closes[0]!.code, 1009);
  assertEquals(server.stats().sessions, 1);
});

Deno.test("maxBufferSize closes a client that doesn't read with 1013", async () => {
  await using server = await serverWith(100_000);
  const loop = new WriteLoop();
  await using serving = serve({ server, loop, maxBufferSize: 4 << 20 });
  const { connection } = await shakeHands(serving.port);
  await serving.open(1);
  const witness = await connect("3", serving.url);
  const table = await witness.open_table("t");
  await connection.write(clientFrame(frame(1, "t", 6, makeView("v"))));
  // 2.3 MB each; what the kernel takes is some MB, the rest has to wait.
  const request = clientFrame(frame(2, "v", 24));
  let asked = 0;
  while (serving.closes.length === 0 && asked++ < 200) {
    await connection.write(request);
    assertEquals(await table.size(), 100_000);
    assertLess(loop.stats().queuedBytes, 7 << 20);
    if (loop.stats().overflows > 0) await serving.closed(1);
  }
  assertEquals(serving.closes, [
    { code: 1013, reason: "client reads too slowly" },
  ]);
  assertGreater(asked, 2);
  assertEquals(loop.stats().overflows, 1);
  assertEquals(loop.stats().queuedBytes, 0);
  assertEquals(server.stats().sessions, 2);
  connection.close();
  await witness.terminate();
  await serving.closed(2);
});

Deno.test("PerspectiveHandler checks its options", () => {
  for (
    const [options, message] of [
      [{ maxBufferSize: -1 }, '"maxBufferSize" must be from 0 to Infinity'],
      [{ maxMessageSize: 1e9 }, '"maxMessageSize" must be from 0 to 67108864'],
      [{ maxMessageSize: NaN }, "received NaN"],
      [{ idleTimeout: -1 }, '"idleTimeout"'],
      [{ clients: "4" }, '"clients" must be "3" or "5", received "4"'],
      [{ checkOrigin: "*" }, '"checkOrigin" must be a boolean or a function'],
      [{ authorize: true }, '"authorize" must be a function'],
      [{ authorizeTimeout: -1 }, '"authorizeTimeout" must be from 0'],
      [{ trustProxy: true }, '"trustProxy" must be false, a number of proxies'],
      [{ trustProxy: -1 }, '"trustProxy"'],
      [{ trustProxy: 0.5 }, '"trustProxy"'],
      [{ maxConnections: NaN }, '"maxConnections"'],
      [{ maxConnectionsPerAddress: -1 }, '"maxConnectionsPerAddress"'],
      [{ maxHandshakesPerSecond: -1 }, '"maxHandshakesPerSecond"'],
      [
        { maxHandshakesPerSecondPerAddress: "1" },
        '"maxHandshakesPerSecondPerAddress"',
      ],
      [{ maxRequestsPerSecond: -1 }, '"maxRequestsPerSecond"'],
      [{ loop: {} }, '"loop" must be a WriteLoop'],
      [{ onOpen: 1 }, '"onOpen" must be a function'],
      [{ server: {} }, "must have make_session()"],
      [{ server: 5 }, "must have make_session()"],
    ] as [object, string][]
  ) {
    const error = assertThrows(
      () => new PerspectiveHandler(options as PerspectiveHandlerOptions),
      Error,
    );
    assertStringIncludes(error.message, message);
  }
});

// -- The end -----------------------------------------------------------------

Deno.test("PerspectiveHandler.close() says 1001 and refuses new sockets", async () => {
  await using server = await serverWith(1);
  await using serving = serve({ server });
  const sockets = [
    await openSocket(serving.url),
    await openSocket(serving.url),
  ];
  await serving.open(2);
  const closes = sockets.map(closeOf);
  const closed = serving.handler.close();
  assertEquals(serving.handler.close(), closed);
  for (const close of closes) {
    assertEquals(await close, {
      code: 1001,
      reason: "server is shutting down",
    });
  }
  await closed;
  const { status, text, connection } = await shakeHands(serving.port);
  connection.close();
  assertEquals(status, 503);
  assertMatch(text, /retry-after: \d+/i);
  // The server isn't the handler's to close.
  assertEquals(await (await server.newLocalClient().open_table("t")).size(), 1);
});

Deno.test("Server.close() closes the sockets of its handlers with 1001", async () => {
  const server = await serverWith(1);
  await using serving = serve({ server });
  const socket = await openSocket(serving.url);
  const closed = closeOf(socket);
  await serving.open(1);
  await server.close();
  assertEquals((await closed).code, 1001);
  await serving.closed(1);
});

Deno.test("An engine that is lost closes its sockets with 1012, and 503 from then on", async () => {
  let handle = (_: Uint8Array): Promise<void> => Promise.resolve();
  // The real engine can be killed only once in a process; this one dies alike.
  const features = frame(1, "", 3);
  const foreign = {
    make_session: (send: (frame: Uint8Array) => Promise<void>) => ({
      handle_request: async (request: Uint8Array) => {
        if (parts(request).kind === 3) await send(features);
        else await handle(request);
      },
      close: () => {},
    }),
  };
  const errors: Error[] = [];
  const server = Server.from(foreign, { onError: (it) => errors.push(it) });
  await using serving = serve({ server });
  const socket = await openSocket(serving.url);
  const closed = closeOf(socket);

  // A request that fails is answered, and that's all.
  handle = () => Promise.reject(new Error("out of luck"));
  socket.send(frame(5, "t", 8));
  const { message } = errorOf(await nextMessage(socket));
  assertEquals(message, "The engine failed: out of luck");
  assertEquals(errors.length, 1);
  assertEquals(server.lost, undefined);

  const started = Promise.withResolvers<void>();
  const death = Promise.withResolvers<void>();
  handle = () => {
    started.resolve();
    return death.promise;
  };
  const last = nextMessage(socket);
  socket.send(frame(6, "t", 8));
  await started.promise;
  const answers: Uint8Array[] = [];
  const session = server.newSession((answer) => void answers.push(answer));
  session.handleRequest(frame(7, "t", 8)); // waits for the other's
  death.reject(new WebAssembly.RuntimeError("unreachable"));
  // Nobody's request stays without an answer.
  for (const answer of [await last, answers[0]!]) {
    assertEquals(
      errorOf(answer).message,
      "The engine is lost, and its tables with it: unreachable",
    );
  }
  assert(session.closed);
  assertEquals(await closed, { code: 1012, reason: "engine is lost" });
  const client = server.newLocalClient();
  await assertRejects(() => client.get_hosted_table_names(), ServerLostError);
  assertInstanceOf(server.lost, ServerLostError);
  const { status, connection } = await shakeHands(serving.port);
  connection.close();
  assertEquals(status, 503);
  assertThrows(() => server.newSession(() => {}), ServerLostError);
  await serving.closed(1);
  await server.close();
});
