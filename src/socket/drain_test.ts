import { assert, assertEquals, assertThrows } from "@std/assert";
import { Server } from "../server/server.ts";
import { errorOf, frame, makeView, parts } from "../testing/frames.ts";
import {
  clientFrame,
  closeOf,
  nextMessage,
  openSocket,
  serve,
  serverWith,
  type Serving,
  shakeHands,
} from "../testing/serve.ts";
import { PerspectiveHandler } from "./handler.ts";

const SHUT_DOWN = { code: 1001, reason: "server is shutting down" };

/** A server that answers when it is told to. */
function slowServer() {
  let release = () => {};
  const asked: number[] = [];
  let onAsked = () => {};
  const foreign = {
    make_session: (send: (frame: Uint8Array) => Promise<void>) => ({
      handle_request: async (request: Uint8Array) => {
        const { msgId, entity, kind } = parts(request);
        if (kind !== 3) {
          asked.push(kind);
          const released = new Promise<void>((resolve) => release = resolve);
          onAsked();
          await released;
        }
        await send(frame(msgId, entity, kind));
      },
      close: () => {},
    }),
  };
  const server = Server.from(foreign);
  return {
    server,
    /** Answers what is asked. */
    release: () => release(),
    /** Resolves when the next request has come. */
    asked: () => new Promise<void>((resolve) => onAsked = resolve),
    [Symbol.asyncDispose]: () => server.close(),
  };
}

/** Sends a request and waits until it is under way. */
async function begin(
  slow: ReturnType<typeof slowServer>,
  serving: Serving,
): Promise<WebSocket> {
  const socket = await openSocket(serving.url);
  const asked = slow.asked();
  socket.send(frame(1, "t", 8));
  await asked;
  return socket;
}

Deno.test("close() waits for what is in flight, and for nobody else", async () => {
  await using slow = slowServer();
  await using serving = serve({ server: slow.server });
  const busy = await begin(slow, serving);
  const idle = await openSocket(serving.url);
  await serving.open(2);
  const idleClosed = closeOf(idle);
  const busyClosed = closeOf(busy);
  const answer = nextMessage(busy);
  const closed = serving.handler.close();
  assertEquals(serving.handler.close(), closed);
  assertEquals(await idleClosed, SHUT_DOWN);
  assertEquals(serving.handler.health().status, "draining");
  const { status, text, connection } = await shakeHands(serving.port);
  connection.close();
  assertEquals(status, 503);
  assert(/retry-after: \d+/i.test(text));
  assertEquals(serving.stats().connections, 1);
  slow.release();
  // The answer, and only then the end.
  assertEquals(parts(await answer).kind, 8);
  assertEquals(await busyClosed, SHUT_DOWN);
  await closed;
  assertEquals(serving.stats().connections, 0);
});

Deno.test("close() refuses what is asked while it waits", async () => {
  await using slow = slowServer();
  await using serving = serve({ server: slow.server });
  const socket = await begin(slow, serving);
  const socketClosed = closeOf(socket);
  const closed = serving.handler.close({ timeoutMs: Infinity });
  for (let i = 2; i < 5; i++) {
    const refused = nextMessage(socket);
    socket.send(frame(i, "t", 8));
    const answer = await refused;
    assertEquals(parts(answer).msgId, i);
    assertEquals(
      errorOf(answer).message,
      "Cannot take request: the server is shutting down",
    );
  }
  assertEquals(serving.stats().refusedRequests.draining, 3);
  const answer = nextMessage(socket);
  slow.release();
  assertEquals(parts(await answer).msgId, 1);
  assertEquals(await socketClosed, SHUT_DOWN);
  await closed;
});

Deno.test("close() waits no longer than timeoutMs", async () => {
  for (const timeoutMs of [0, 30]) {
    await using slow = slowServer();
    await using serving = serve({ server: slow.server });
    const socket = await begin(slow, serving);
    const socketClosed = closeOf(socket);
    const closed = serving.handler.close({
      timeoutMs,
      code: 1012,
      reason: "new version",
    });
    assertEquals(await socketClosed, { code: 1012, reason: "new version" });
    await closed;
    slow.release();
  }
});

Deno.test("close() can be told to hurry up", async () => {
  await using slow = slowServer();
  await using serving = serve({ server: slow.server });
  const socket = await begin(slow, serving);
  const socketClosed = closeOf(socket);
  const closed = serving.handler.close({ timeoutMs: Infinity });
  assertEquals(serving.handler.close({ timeoutMs: 1e9 }), closed);
  assertEquals(serving.stats().connections, 1);
  assertEquals(serving.handler.close({ timeoutMs: 0 }), closed);
  assertEquals((await socketClosed).code, 1001);
  await closed;
  slow.release();
});

Deno.test("close() waits until an answer is written", async () => {
  await using server = await serverWith(200_000);
  await using serving = serve({ server });
  const { connection } = await shakeHands(serving.port);
  await serving.open(1);
  await connection.write(clientFrame(frame(1, "t", 6, makeView("v"))));
  // 3.9 MB each, of which the kernel takes some.
  for (let i = 2; i < 6; i++) {
    await connection.write(clientFrame(frame(i, "v", 24)));
  }
  const [it] = serving.handler.sessions();
  // All are answered, and wait to be read.
  while (it!.bufferedAmount < 10 << 20) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const closed = serving.handler.close({ timeoutMs: Infinity });
  let read = 0;
  const buffer = new Uint8Array(1 << 20);
  let end = new Uint8Array(0);
  while (!isClose(end)) {
    const count = (await connection.read(buffer))!;
    read += count;
    end = buffer.slice(Math.max(0, count - CLOSE_FRAME.length), count);
  }
  assert(read > 4 * 3_500_000, `${read} bytes`);
  connection.close();
  await closed;
});

const CLOSE_FRAME = new Uint8Array([
  0x88,
  2 + SHUT_DOWN.reason.length,
  1001 >> 8,
  1001 & 255,
  ...new TextEncoder().encode(SHUT_DOWN.reason),
]);

function isClose(bytes: Uint8Array): boolean {
  return bytes.toHex() === CLOSE_FRAME.toHex();
}

Deno.test("close() closes a socket that is only about to open", async () => {
  await using server = await serverWith(1);
  const handler = new PerspectiveHandler({ server });
  const done = Promise.withResolvers<void>();
  await using http = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    async (request, info) => {
      const response = await handler.fetch(request, info);
      handler.close().then(done.resolve);
      return response;
    },
  );
  const socket = new WebSocket(`ws://127.0.0.1:${http.addr.port}`);
  assertEquals(await closeOf(socket), SHUT_DOWN);
  await done.promise;
});

Deno.test("close() checks what it is told", async () => {
  await using server = await serverWith(1);
  await using handler = new PerspectiveHandler({ server });
  for (const timeoutMs of [-1, NaN]) {
    assertThrows(
      () => handler.close({ timeoutMs }),
      RangeError,
      `"timeoutMs" must be >= 0, received ${timeoutMs}`,
    );
  }
  assertThrows(() => handler.close({ code: 1005 }), RangeError);
  assertEquals(handler.health().status, "ok"); // it goes on
});
