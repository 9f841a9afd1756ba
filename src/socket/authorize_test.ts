import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { Access, fullAccess, readOnly } from "../policy/access.ts";
import { bearerToken } from "../policy/bearer.ts";
import { errorOf, frame, parts } from "../testing/frames.ts";
import {
  closeOf,
  nextMessage,
  openSocket,
  serve,
  serverWith,
  shakeHands,
} from "../testing/serve.ts";
import type { Connection } from "./connection.ts";
import type { PerspectiveHandlerOptions } from "./options.ts";

type Authorize = NonNullable<PerspectiveHandlerOptions["authorize"]>;

/** `table_update` with a row, a change that needs "update". */
const CHANGE = frame(
  9,
  "t",
  33,
  (w) => w.tag(1, 2).fork().tag(2, 2).string("x\nanother").join(),
);

/** A handshake, as it is sent. */
const HANDSHAKE = new TextEncoder().encode(
  "GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\n" +
    "upgrade: websocket\r\nsec-websocket-version: 13\r\n" +
    "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
);

async function ask(socket: WebSocket, request: Uint8Array) {
  const answer = nextMessage(socket);
  socket.send(request as Uint8Array<ArrayBuffer>);
  return await answer;
}

Deno.test("authorize() decides what a client may do", async () => {
  await using server = await serverWith(3);
  const asked: unknown[] = [];
  await using serving = serve({
    server,
    authorize: (request, info) => {
      asked.push([new URL(request.url).pathname, info]);
      return Promise.resolve(readOnly());
    },
  });
  const socket = await openSocket(`${serving.url}tables`);
  assertEquals(asked, [["/tables", { remoteAddress: "127.0.0.1" }]]);
  assertEquals(parts(await ask(socket, frame(1, "t", 8))).kind, 8);
  assertStringIncludes(
    errorOf(await ask(socket, CHANGE)).message,
    'needs "update" on table "t"',
  );
  const closed = closeOf(socket);
  socket.close();
  await closed;
  await serving.closed(1);
});

Deno.test("Without authorize() everything is allowed", async () => {
  await using server = await serverWith(3);
  await using serving = serve({ server });
  const socket = await openSocket(serving.url);
  await serving.open(1);
  const [{ access }] = serving.handler.sessions() as [Connection];
  assertEquals(access.rules, fullAccess().rules);
  const other = await openSocket(serving.url);
  await serving.open(2);
  // Each has one of its own.
  access.update({ see: false });
  assertEquals(parts(await ask(socket, frame(1, "t", 8))).kind, 50);
  assertEquals(parts(await ask(other, frame(1, "t", 8))).kind, 8);
  await serving.handler.close();
});

Deno.test("authorize() refuses with a response of its own", async () => {
  await using server = await serverWith(1);
  await using serving = serve({
    server,
    authorize: () =>
      new Response("Who are you?", {
        status: 401,
        headers: { "www-authenticate": "Bearer" },
      }),
  });
  const { status, text, connection } = await shakeHands(serving.port);
  connection.close();
  assertEquals(status, 401);
  assertMatch(text, /www-authenticate: Bearer\r\n/i);
  const { accepted, refused, refusals } = serving.stats();
  assertEquals([accepted, refused, refusals.authorize], [0, 1, 1]);
  assertEquals(serving.errors, []);
});

Deno.test("authorize() is asked after the origin, and not for what isn't an upgrade", async () => {
  await using server = await serverWith(1);
  let asked = 0;
  await using serving = serve({
    server,
    authorize: () => {
      asked++;
      return readOnly();
    },
  });
  const evil = { origin: "http://evil.example" };
  const { status, connection } = await shakeHands(serving.port, evil);
  connection.close();
  assertEquals(status, 403);
  const response = await serving.handler.fetch(new Request("http://h/"));
  assertEquals(response.status, 426);
  assertEquals(asked, 0);
});

Deno.test("authorize() that throws, or returns something else, is a 500", async () => {
  await using server = await serverWith(1);
  const used = new Response("once");
  await used.text();
  const cases: [Authorize, RegExp][] = [
    [() => {
      throw new Error("secret");
    }, /^secret$/],
    [() => Promise.reject(new Error("secret")), /^secret$/],
    [() => undefined as unknown as Access, /received undefined$/],
    [() => null as unknown as Access, /received null$/],
    [() => true as unknown as Access, /received boolean$/],
    [() => ({ see: true }) as unknown as Access, /received object$/],
    [() => Response.error(), /a Response that can't be sent$/],
    [() => used, /a Response that can't be sent$/],
  ];
  for (const [authorize, message] of cases) {
    const stages: string[] = [];
    await using serving = serve({
      server,
      authorize,
      onError: ({ message: told }, { stage }) => {
        assertMatch(told, message);
        stages.push(stage);
      },
    });
    const { status, text, connection } = await shakeHands(serving.port);
    connection.close();
    assertEquals(status, 500);
    // The program learns why, the peer doesn't.
    assert(!/secret|received|Response/.test(text.split("\r\n\r\n")[1]!));
    assertEquals(stages, ["upgrade"]);
    assertEquals(serving.stats().refusals.error, 1);
  }
});

Deno.test("authorize() that takes too long is a 503", async () => {
  await using server = await serverWith(1);
  const late = Promise.withResolvers<Access>();
  await using serving = serve({
    server,
    authorize: () => late.promise,
    authorizeTimeout: 20,
    maxConnections: 1,
  });
  // One after the other: what timed out doesn't count any more.
  for (let i = 1; i <= 2; i++) {
    const { status, text, connection } = await shakeHands(serving.port);
    connection.close();
    assertEquals(status, 503);
    assertMatch(text, /retry-after: \d+\r\n/i);
    assertEquals(serving.stats().refusals.authorizeTimeout, i);
  }
  assertEquals(serving.errors.map((it) => it.message), [
    "authorize() hasn't answered within 20 ms (authorizeTimeout)",
    "authorize() hasn't answered within 20 ms (authorizeTimeout)",
  ]);
  late.reject(new Error("nobody is told any more"));
});

Deno.test("authorizeTimeout of 0 and Infinity sets no limit", async () => {
  await using server = await serverWith(1);
  for (const authorizeTimeout of [0, Infinity, 2 ** 40]) {
    await using serving = serve({
      server,
      authorizeTimeout,
      authorize: async () => {
        // A timer of no time would come first.
        await new Promise((resolve) => setTimeout(resolve, 5));
        return readOnly();
      },
    });
    const { status, connection } = await shakeHands(serving.port);
    assertEquals(status, 101);
    connection.close();
    await serving.closed(1);
  }
});

Deno.test("A handler that is closed while authorize() thinks lets nobody in", async () => {
  await using server = await serverWith(1);
  const asked = Promise.withResolvers<void>();
  const said = Promise.withResolvers<Access>();
  await using serving = serve({
    server,
    authorize: () => {
      asked.resolve();
      return said.promise;
    },
  });
  const shaking = shakeHands(serving.port);
  await asked.promise;
  await serving.handler.close();
  said.resolve(readOnly());
  const { status, connection } = await shaking;
  connection.close();
  assertEquals(status, 503);
  assertEquals(serving.stats().refusals.draining, 1);
});

Deno.test("A client that goes while authorize() thinks isn't upgraded", async () => {
  await using server = await serverWith(1);
  const asked = Promise.withResolvers<void>();
  const said = Promise.withResolvers<Access>();
  let opened = 0;
  await using serving = serve({
    server,
    authorize: (request) => {
      if (new URL(request.url).search !== "") return fullAccess();
      asked.resolve();
      return said.promise;
    },
    onOpen: () => opened++,
  });
  const connection = await Deno.connect({ port: serving.port });
  await connection.write(HANDSHAKE);
  await asked.promise;
  connection.close();
  // By then the server has seen that it has gone.
  const { connection: other } = await shakeHands(serving.port, {}, "/?other");
  said.resolve(fullAccess());
  await serving.refused(1);
  other.close();
  await serving.closed(1);
  const { accepted, refusals } = serving.stats();
  assertEquals([opened, accepted, refusals.gone], [1, 1, 1]);
  // The HTTP server can be shut down, which `serving` does next.
});

// -- Tokens ------------------------------------------------------------------

/** Lets in who brings the token `s3cret`. */
const byToken: Authorize = (request) =>
  bearerToken(request) === "s3cret"
    ? readOnly()
    : new Response(null, { status: 401 });

Deno.test("A token comes in a header", async () => {
  await using server = await serverWith(1);
  await using serving = serve({ server, authorize: byToken });
  for (
    const [authorization, expected] of [
      ["Bearer s3cret", 101],
      ["Bearer other", 401],
      ["s3cret", 401],
    ] as const
  ) {
    const { status, text, connection } = await shakeHands(serving.port, {
      authorization,
    });
    connection.close();
    assertEquals(status, expected, authorization);
    assert(!/sec-websocket-protocol/i.test(text));
  }
  await serving.closed(1);
});

Deno.test("A token comes as a sub-protocol, which isn't sent back", async () => {
  await using server = await serverWith(3);
  await using serving = serve({ server, authorize: byToken });
  const socket = new WebSocket(serving.url, ["bearer", "s3cret"]);
  socket.binaryType = "arraybuffer";
  await new Promise((resolve) => socket.onopen = resolve);
  assertEquals(socket.protocol, "bearer");
  assertEquals(parts(await ask(socket, frame(1, "t", 8))).kind, 8);
  const closed = closeOf(socket);
  socket.close();
  await closed;
  // Some clients write no space between them.
  for (const offered of ["bearer,s3cret", "other, bearer, s3cret"]) {
    const { status, text, connection } = await shakeHands(serving.port, {
      "sec-websocket-protocol": offered,
    });
    connection.close();
    assertEquals(status, 101);
    assertMatch(text, /sec-websocket-protocol: bearer\r\n/i);
    assert(!text.includes("s3cret"));
  }
  await serving.closed(3);
});

Deno.test("Other sub-protocols are left alone", async () => {
  await using server = await serverWith(1);
  await using serving = serve({ server });
  const { status, text, connection } = await shakeHands(serving.port, {
    "sec-websocket-protocol": "perspective, other",
  });
  connection.close();
  assertEquals(status, 101);
  assert(!/sec-websocket-protocol/i.test(text));
  await serving.closed(1);
});

// -- What is connected -------------------------------------------------------

Deno.test("sessions() tells who is connected, and what each may do", async () => {
  await using server = await serverWith(3);
  const before = Date.now();
  await using serving = serve({ server, authorize: () => readOnly() });
  assertEquals(serving.handler.sessions(), []);
  const socket = await openSocket(`${serving.url}?me`);
  await serving.open(1);
  const connections = serving.handler.sessions();
  assertEquals(connections.length, 1);
  const [connection] = connections as [Connection];
  assertEquals(new URL(connection.request.url).search, "?me");
  assertEquals(connection.remoteAddress, "127.0.0.1");
  assertEquals(connection.bufferedAmount, 0);
  assert(connection.since.getTime() >= before);
  assert(connection.since.getTime() <= Date.now());
  // What it may do changes at once.
  assertEquals(parts(await ask(socket, CHANGE)).kind, 50);
  connection.access.update({ update: ["t"] });
  assertEquals(parts(await ask(socket, CHANGE)).kind, 33);
  connection.access.update({ see: [] });
  assertEquals(parts(await ask(socket, frame(1, "t", 8))).kind, 50);
  const closed = closeOf(socket);
  connection.close(4001, "no more");
  assertEquals(serving.handler.sessions(), []);
  assertEquals(await closed, { code: 4001, reason: "no more" });
  await serving.closed(1);
});

Deno.test("An access that is shared changes for all at once", async () => {
  await using server = await serverWith(3);
  const access = new Access({ see: [] });
  await using serving = serve({ server, authorize: () => access });
  const sockets = [
    await openSocket(serving.url),
    await openSocket(serving.url),
  ];
  const kinds = async () =>
    (await Promise.all(sockets.map((it) => ask(it, frame(1, "t", 8)))))
      .map((it) => parts(it).kind);
  assertEquals(await kinds(), [50, 50]);
  access.update(readOnly());
  assertEquals(await kinds(), [8, 8]);
  await serving.handler.close();
});
