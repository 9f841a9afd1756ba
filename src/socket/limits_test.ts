import { assertEquals, assertGreater, assertMatch } from "@std/assert";
import { errorOf, frame, parts } from "../testing/frames.ts";
import {
  closeOf,
  openSocket,
  serve,
  serverWith,
  shakeHands,
} from "../testing/serve.ts";

/** Shakes hands, and says what came of it. */
async function knock(
  port: number,
  headers: Record<string, string> = {},
): Promise<[status: number, retryAfter: number | undefined]> {
  const { status, text, connection } = await shakeHands(port, headers);
  connection.close();
  const seconds = /retry-after: (\d+)\r\n/i.exec(text)?.[1];
  return [status, seconds === undefined ? undefined : Number(seconds)];
}

Deno.test("maxConnections lets in so many at a time", async () => {
  await using server = await serverWith(1);
  await using serving = serve({ server, maxConnections: 2 });
  const first = await openSocket(serving.url);
  await openSocket(serving.url);
  assertEquals(await knock(serving.port), [503, 5]);
  assertEquals(await knock(serving.port), [503, 5]);
  assertEquals(serving.stats().refusals.maxConnections, 2);
  assertEquals(serving.stats().refused, 2);
  const closed = closeOf(first);
  first.close();
  await closed;
  await serving.closed(1);
  await openSocket(serving.url);
  await serving.handler.close();
});

Deno.test("maxConnections counts handshakes that aren't answered yet", async () => {
  await using server = await serverWith(1);
  const asked = Promise.withResolvers<void>();
  const said = Promise.withResolvers<Response>();
  await using serving = serve({
    server,
    maxConnections: 1,
    authorize: () => {
      asked.resolve();
      return said.promise;
    },
  });
  const first = knock(serving.port);
  await asked.promise;
  assertEquals((await knock(serving.port))[0], 503);
  said.resolve(new Response(null, { status: 401 }));
  assertEquals((await first)[0], 401);
  // Whoever was refused doesn't count any more, for whatever reason.
  for (const status of [403, 400]) {
    const headers: Record<string, string> = status === 403
      ? { origin: "http://evil.example" }
      : { connection: "keep-alive" };
    await using other = serve({ server, maxConnections: 1 });
    assertEquals((await knock(other.port, headers))[0], status);
    assertEquals((await knock(other.port))[0], 101);
    await other.closed(1);
  }
});

Deno.test("maxConnectionsPerAddress counts each address behind a proxy", async () => {
  await using server = await serverWith(1);
  await using serving = serve({
    server,
    maxConnectionsPerAddress: 1,
    trustProxy: 1,
  });
  const from = (address: string) => ({
    "x-forwarded-for": `6.6.6.6, ${address}`,
  });
  const { port } = serving;
  const open: Deno.TcpConn[] = [];
  for (const address of ["1.1.1.1", "2001:db8::1"]) {
    const { status, connection } = await shakeHands(port, from(address));
    open.push(connection);
    assertEquals(status, 101);
  }
  await serving.open(2);
  assertEquals(await knock(port, from("1.1.1.1")), [429, 5]);
  assertEquals(await knock(port, from("2001:db8::2")), [429, 5]);
  assertEquals((await knock(port, from("1.1.1.2")))[0], 101);
  assertEquals(serving.stats().refusals.maxConnectionsPerAddress, 2);
  assertEquals(
    serving.handler.sessions().slice(0, 2).map((it) => it.remoteAddress),
    ["1.1.1.1", "2001:db8::1"],
  );
  for (const connection of open) connection.close();
  await serving.closed(3);
});

Deno.test("By default all connections are of the socket's peer", async () => {
  await using server = await serverWith(1);
  await using serving = serve({ server, maxConnectionsPerAddress: 1 });
  await openSocket(serving.url);
  const headers = { "x-forwarded-for": "1.1.1.1" };
  assertEquals((await knock(serving.port, headers))[0], 429);
  await serving.handler.close();
});

Deno.test("trustProxy that throws is a 500", async () => {
  await using server = await serverWith(1);
  await using serving = serve({
    server,
    trustProxy: () => {
      throw new Error("secret");
    },
  });
  assertEquals((await knock(serving.port))[0], 500);
  assertEquals(serving.errors.map((it) => it.message), ["secret"]);
});

Deno.test("maxHandshakesPerSecond refuses what is more", async () => {
  await using server = await serverWith(1);
  for (
    const name of [
      "maxHandshakesPerSecond",
      "maxHandshakesPerSecondPerAddress",
    ] as const
  ) {
    // Ten at once, and the next in a quarter of an hour.
    await using serving = serve({ server, [name]: 0.001, checkOrigin: false });
    const evil = { origin: "http://evil.example" };
    // The limit is 1 at least, and refused handshakes count.
    assertEquals((await knock(serving.port, evil))[0], 403);
    const [status, retryAfter] = await knock(serving.port);
    assertEquals(status, 429);
    assertGreater(retryAfter!, 900);
    assertEquals(serving.stats().refusals[name], 1);
    // What isn't a handshake isn't one.
    const response = await fetch(`http://127.0.0.1:${serving.port}`);
    assertEquals(response.status, 426);
    await response.body?.cancel();
  }
});

/** The answers to `count` requests that are sent at once, and what follows. */
async function flood(
  url: string,
  count: number,
): Promise<{ kinds: number[]; last: Uint8Array | undefined; code?: number }> {
  const socket = await openSocket(url);
  const kinds: number[] = [];
  let last: Uint8Array | undefined;
  const result = new Promise<number | undefined>((resolve) => {
    socket.onmessage = ({ data }) => {
      last = new Uint8Array(data);
      kinds.push(parts(last).kind);
      if (kinds.length === count) resolve(undefined);
    };
    socket.onclose = ({ code }) => resolve(code);
  });
  for (let i = 1; i <= count; i++) socket.send(frame(i, "t", 8));
  const code = await result;
  if (code === undefined) {
    const closed = closeOf(socket);
    socket.close();
    await closed;
  }
  return { kinds, last, ...code !== undefined && { code } };
}

Deno.test("maxRequestsPerSecond answers what is more with an error", async () => {
  await using server = await serverWith(1);
  // Nearly nothing comes back while this runs.
  const rate = 0.5;
  await using serving = serve({ server, maxRequestsPerSecond: rate });
  const { requests } = server.stats();
  const { kinds, last } = await flood(serving.url, 8);
  assertEquals(kinds, [8, 8, 8, 8, 8, 50, 50, 50]);
  assertEquals(parts(last!).msgId, 8);
  assertEquals(parts(last!).entity, "t");
  assertMatch(errorOf(last!).message, /at most 0\.5 a second .*\(maxReq/);
  assertEquals(serving.stats().refusedRequests.maxRequestsPerSecond, 3);
  assertEquals(server.stats().requests - requests, 5);
  // Another connection has its own.
  assertEquals((await flood(serving.url, 5)).kinds, [8, 8, 8, 8, 8]);
  await serving.closed(2);
});

Deno.test("maxRequestsPerSecond closes who goes on with 1008", async () => {
  await using server = await serverWith(1);
  await using serving = serve({ server, maxRequestsPerSecond: 0.5 });
  const { kinds, code } = await flood(serving.url, 11);
  assertEquals(kinds, [8, 8, 8, 8, 8, 50, 50, 50, 50, 50]);
  assertEquals(code, 1008);
  await serving.closed(1);
  assertEquals(serving.closes, [{ code: 1008, reason: "too many requests" }]);
  assertEquals(serving.stats().refusedRequests.maxRequestsPerSecond, 5);
});

Deno.test("maxRequestsPerSecond counts text, which isn't answered", async () => {
  await using server = await serverWith(1);
  await using serving = serve({ server, maxRequestsPerSecond: 0.5 });
  const socket = await openSocket(serving.url);
  const closed = closeOf(socket);
  for (let i = 0; i < 11; i++) socket.send("hello");
  assertEquals((await closed).code, 1008);
  await serving.closed(1);
});

Deno.test("maxRequestsPerSecond of 0 closes at the first, Infinity never", async () => {
  await using server = await serverWith(1);
  await using none = serve({ server, maxRequestsPerSecond: 0 });
  assertEquals(await flood(none.url, 1), {
    kinds: [],
    last: undefined,
    code: 1008,
  });
  await using any = serve({ server, maxRequestsPerSecond: Infinity });
  const { kinds } = await flood(any.url, 5_000);
  assertEquals(new Set(kinds), new Set([8]));
  await any.closed(1);
});
