import { assertEquals } from "@std/assert";
import { fullAccess } from "../policy/access.ts";
import { Server } from "../server/server.ts";
import type { CloseReason } from "./close_codes.ts";
import { SocketConnection } from "./connection.ts";
import { WriteLoop } from "./write_loop.ts";

/** A connection over a socket that does nothing by itself. */
function connect(server: Server, openTimeout: number) {
  const closes: CloseReason[] = [];
  const socket = Object.assign(new EventTarget(), {
    bufferedAmount: 0,
    onopen: () => {},
    onclose: (_: CloseReason) => {},
    send: () => {},
    close: (code: number, reason: string) => closes.push({ code, reason }),
  });
  const closed = Promise.withResolvers<CloseReason>();
  let opened = 0;
  const connection = new SocketConnection(
    socket as unknown as WebSocket,
    new Request("http://h/"),
    undefined,
    {
      server,
      clients: undefined,
      access: fullAccess(),
      loop: new WriteLoop(),
      maxBufferSize: Infinity,
      maxMessageSize: Infinity,
      maxRequestsPerSecond: Infinity,
      openTimeout,
      onRefused: () => {},
      onError: () => {},
      onOpen: () => opened++,
      onClose: closed.resolve,
    },
  );
  return {
    connection,
    closes,
    open: () => socket.onopen(),
    end: () => socket.onclose({ code: 4001, reason: "no" }),
    closed: closed.promise,
    opened: () => opened,
  };
}

Deno.test("SocketConnection gives up a socket that doesn't open", async () => {
  await using server = new Server();
  const it = connect(server, 1);
  // What nobody waits for is unref'd; something has to keep the test going.
  const alive = setInterval(() => {}, 1_000);
  assertEquals(await it.closed, { code: 1006, reason: "never opened" });
  clearInterval(alive);
  // The thread was busy for so long, and now it opens nevertheless.
  it.open();
  assertEquals(it.closes, [{ code: 1013, reason: "opened too late" }]);
  assertEquals(it.opened(), 0);
  it.end();
  await it.closed;
});

Deno.test("SocketConnection closes a socket again that opens after its end", async () => {
  await using server = new Server();
  const it = connect(server, 1_000_000);
  it.connection.close(4001, "no");
  it.open();
  assertEquals(it.closes, [
    { code: 4001, reason: "no" },
    { code: 4001, reason: "no" },
  ]);
  assertEquals(it.opened(), 0);
  it.end();
  await it.closed;
});
