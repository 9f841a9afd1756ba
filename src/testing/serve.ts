/**
 * A handler on a real port.
 *
 * @module
 */

import { PerspectiveHandler } from "../socket/handler.ts";
import type { HandlerStats } from "../socket/handler.ts";
import type { PerspectiveHandlerOptions } from "../socket/options.ts";
import { Server } from "../server/server.ts";
import type { CloseReason } from "../socket/close_codes.ts";

/** A handler that listens, and what happened to its sockets. */
export interface Serving extends AsyncDisposable {
  readonly handler: PerspectiveHandler;
  readonly port: number;
  /** `ws://…` of the handler. */
  readonly url: string;
  /** The closes that the handler saw so far. */
  readonly closes: CloseReason[];
  /** Errors that the handler reported so far. */
  readonly errors: Error[];
  /** Resolves when so many sockets have closed. */
  closed(count: number): Promise<void>;
  /** Resolves when so many sockets are open. */
  open(count: number): Promise<void>;
  /** Resolves when so many requests were refused. */
  refused(count: number): Promise<void>;
  stats(): HandlerStats;
}

/** Serves `options` on a free port. */
export function serve(options: PerspectiveHandlerOptions = {}): Serving {
  const closes: CloseReason[] = [];
  const errors: Error[] = [];
  let opened = 0;
  const waiting = new Set<() => void>();
  const changed = () => waiting.forEach((check) => check());
  const until = (condition: () => boolean) =>
    new Promise<void>((resolve) => {
      const check = () => {
        if (!condition()) return;
        waiting.delete(check);
        resolve();
      };
      waiting.add(check);
      check();
    });
  const handler = new PerspectiveHandler({
    onError: (error) => errors.push(error),
    ...options,
    onOpen: (connection) => {
      opened++;
      options.onOpen?.(connection);
      changed();
    },
    onClose: (connection, reason) => {
      closes.push(reason);
      options.onClose?.(connection, reason);
      changed();
    },
  });
  const http = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    async (request, info) => {
      const response = await handler.fetch(request, info);
      if (response.status !== 101) changed();
      return response;
    },
  );
  const { port } = http.addr;
  return {
    handler,
    port,
    url: `ws://127.0.0.1:${port}/`,
    closes,
    errors,
    closed: (count) => until(() => closes.length >= count),
    open: (count) => until(() => opened - closes.length >= count),
    refused: (count) => until(() => handler.stats().refused >= count),
    stats: () => handler.stats(),
    async [Symbol.asyncDispose]() {
      await handler.close();
      await http.shutdown();
    },
  };
}

/**
 * Shakes hands with `headers` over a plain TCP connection, as no WebSocket
 * client would let a test do.
 *
 * @returns The status, the text of the answer, and the connection if it is
 * still of use.
 */
export async function shakeHands(
  port: number,
  headers: Record<string, string> = {},
  path = "/",
): Promise<{ status: number; text: string; connection: Deno.TcpConn }> {
  const connection = await Deno.connect({ port, hostname: "127.0.0.1" });
  const lines = Object.entries({
    host: `127.0.0.1:${port}`,
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  await connection.write(
    new TextEncoder().encode(`GET ${path} HTTP/1.1\r\n${lines.join("")}\r\n`),
  );
  let text = "";
  const buffer = new Uint8Array(4096);
  while (!text.includes("\r\n\r\n")) {
    const read = await connection.read(buffer);
    if (read === null) break;
    text += new TextDecoder().decode(buffer.subarray(0, read));
  }
  const status = Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]);
  return { status, text, connection };
}

/** A raw WebSocket, open. */
export async function openSocket(url: string): Promise<WebSocket> {
  const socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  await new Promise<void>((resolve, reject) => {
    socket.onopen = () => resolve();
    socket.onerror = () => reject(new Error(`Cannot connect to ${url}`));
  });
  socket.onerror = null;
  return socket;
}

/** Resolves with how `socket` closes. */
export function closeOf(socket: WebSocket): Promise<CloseReason> {
  return new Promise((resolve) => {
    socket.onclose = ({ code, reason }) => resolve({ code, reason });
  });
}

/** A server with a table `t` of `rows` rows. */
export async function serverWith(rows: number): Promise<Server> {
  const server = new Server();
  await server.newLocalClient().table(
    { x: Array.from({ length: rows }, (_, i) => `row number ${i}`) },
    { name: "t" },
  );
  return server;
}

/** Resolves with the next binary message. */
export function nextMessage(socket: WebSocket): Promise<Uint8Array> {
  return new Promise((resolve) => {
    socket.addEventListener(
      "message",
      ({ data }) => resolve(new Uint8Array(data)),
      { once: true },
    );
  });
}

/** A frame of a client: final, binary, masked with zeros. */
export function clientFrame(payload: Uint8Array): Uint8Array {
  const long = payload.length > 125;
  const head = long ? 8 : 6;
  const bytes = new Uint8Array(head + payload.length);
  bytes[0] = 0x82;
  bytes[1] = 0x80 | (long ? 126 : payload.length);
  if (long) new DataView(bytes.buffer).setUint16(2, payload.length);
  bytes.set(payload, head);
  return bytes;
}
