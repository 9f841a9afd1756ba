/**
 * How a handler is set up.
 *
 * @module
 */

import type { ForeignServer } from "../engine/session_engine.ts";
import type { OnError } from "../errors.ts";
import type { TrustProxy } from "../policy/address.ts";
import type { Authorize } from "../policy/authorize.ts";
import type { DoorLimits } from "../policy/door.ts";
import type { CheckOrigin } from "../policy/origin.ts";
import type { Line } from "../protocol/kinds.ts";
import type { Server } from "../server/server.ts";
import type { CloseReason } from "./close_codes.ts";
import type { Connection } from "./connection.ts";
import { WriteLoop } from "./write_loop.ts";

/** A server, in one of the forms that a handler takes. */
export type ServerLike = Server | ForeignServer;

/** How a {@linkcode PerspectiveHandler} is set up. */
export interface PerspectiveHandlerOptions {
  /**
   * Whose tables are served: a {@linkcode Server}, an object with
   * `make_session` (such as a `PerspectiveServer` of Perspective's packages),
   * or a function that chooses for each request.
   *
   * @default the global server of `npm:@finos/perspective@3.8.0`
   */
  readonly server?:
    | ServerLike
    | ((request: Request) => ServerLike | Promise<ServerLike>);
  /**
   * The line of Perspective's packages that clients are of, for all or by
   * request. A bare client doesn't tell, so say it where it isn't the
   * engine's own: `"3"` for a `<perspective-viewer>` 3.8.0 on engine 5.5.1.
   *
   * @default the engine's line
   */
  readonly clients?: Line | ((request: Request) => Line | Promise<Line>);
  /**
   * Which pages may connect: `true` for all, `false` for those of the same
   * host, or a function. A request without `Origin`, as programs send it, is
   * let in: whom to trust, `authorize` says. A refusal is a 403.
   *
   * @default {false}
   */
  readonly checkOrigin?: CheckOrigin;
  /**
   * Decides what a client may do, before its handshake is answered and after
   * its origin was checked: returns an {@linkcode Access}, or a `Response` to
   * refuse it with. The access can be changed later, with
   * `connection.access.update()`, and one that several clients are given
   * changes for all of them.
   *
   * It can read what a handshake has: programs can send any header; browsers
   * send cookies, the URL, and sub-protocols, for which
   * {@linkcode bearerToken} is there. What it throws is told to `onError`, and
   * the client gets a 500.
   *
   * A URL is written into logs, and into the browser's history: a token in it
   * should be good for a short time, and once.
   *
   * @default () => fullAccess()
   *
   * @example A token, from a header or from `new WebSocket(url, ["bearer", token])`
   * ```ts
   * import {
   *   Access,
   *   bearerToken,
   *   PerspectiveHandler,
   *   readOnly,
   *   Server,
   * } from "@perspective-deno/handler";
   *
   * const users = new Map([["s3cret", new Access({ update: ["orders"] })]]);
   * await using server = new Server();
   * await using perspective = new PerspectiveHandler({
   *   server,
   *   authorize(request) {
   *     const token = bearerToken(request);
   *     if (token === undefined) return readOnly({ tables: ["prices"] });
   *     return users.get(token) ?? new Response("Who are you?", { status: 401 });
   *   },
   * });
   * ```
   *
   * @example A cookie, which browsers send along for pages of the same site
   * ```ts
   * import { PerspectiveHandler, readOnly, Server } from "@perspective-deno/handler";
   *
   * const sessions = new Set(["b64d9f"]);
   * await using server = new Server();
   * await using perspective = new PerspectiveHandler({
   *   server,
   *   authorize(request) {
   *     const cookies = request.headers.get("cookie") ?? "";
   *     const id = /(?:^|; )session=([^;]*)/.exec(cookies)?.[1];
   *     return id !== undefined && sessions.has(id)
   *       ? readOnly()
   *       : new Response("Log in first", { status: 401 });
   *   },
   * });
   * ```
   *
   * @example A ticket in the URL, which is good for one connection
   * ```ts
   * import { PerspectiveHandler, readOnly, Server } from "@perspective-deno/handler";
   *
   * const tickets = new Set(["4f1c"]);
   * await using server = new Server();
   * await using perspective = new PerspectiveHandler({
   *   server,
   *   authorize(request) {
   *     const ticket = new URL(request.url).searchParams.get("ticket");
   *     return ticket !== null && tickets.delete(ticket)
   *       ? readOnly()
   *       : new Response("No such ticket", { status: 403 });
   *   },
   * });
   * ```
   */
  readonly authorize?: Authorize;
  /**
   * Milliseconds that `authorize` may take; then the client gets a 503, since
   * it may well be let in later. `0` and `Infinity` set no limit.
   *
   * @default {10000}
   */
  readonly authorizeTimeout?: number;
  /**
   * What the address of a client is: the socket's peer, an entry of
   * `X-Forwarded-For` that a proxy has written, or what a function says. It is
   * what connections and handshakes are counted by, and `remoteAddress`.
   *
   * Behind a proxy, say how many there are: with `false` all clients have the
   * proxy's address, and the limits for one hold for all of them together. Say
   * no more than there are, and let nobody reach the server but by them:
   * otherwise a client can write there what it likes, and so be anybody.
   *
   * @default {false}
   */
  readonly trustProxy?: TrustProxy;
  /**
   * Connections at a time, with handshakes that aren't answered yet. Of more,
   * each is refused with 503. `0` lets in nobody, `Infinity` anybody. Each
   * connection takes a file descriptor, of which the system gives a process
   * only so many.
   *
   * @default {10000}
   */
  readonly maxConnections?: number;
  /**
   * Connections at a time of one address, or of one /64 of IPv6 addresses. Of
   * more, each is refused with 429. `0` lets in nobody, `Infinity` anybody.
   * An office may have one address for all who work there.
   *
   * @default {1000}
   */
  readonly maxConnectionsPerAddress?: number;
  /**
   * Handshakes a second, for long; ten times as many may come at once. What is
   * more is refused with 429. `0` lets in nobody, `Infinity` anybody. When a
   * server is started again, all clients come back at once.
   *
   * @default {1000}
   */
  readonly maxHandshakesPerSecond?: number;
  /**
   * The same for one address, or for one /64 of IPv6 addresses.
   *
   * @default {100}
   */
  readonly maxHandshakesPerSecondPerAddress?: number;
  /**
   * Messages of one connection a second, for long; ten times as many may come
   * at once. What is more is answered with a `server_error`. A connection that
   * has so many refused as it may make, ten times the rate at once or the rate
   * for long, is closed with 1008: that is, who goes on to ask more than twice
   * as much as it may. `0` closes it at the first, `Infinity` never.
   *
   * @default {10000}
   */
  readonly maxRequestsPerSecond?: number;
  /** Called when a socket is open and can be written to. */
  readonly onOpen?: (connection: Connection) => void;
  /** Called when a socket that was upgraded has closed, with the code and the reason. */
  readonly onClose?: (connection: Connection, event: CloseReason) => void;
  /**
   * Told of what goes wrong and can't be told to a client.
   *
   * @default {console.error}
   */
  readonly onError?: OnError;
  /**
   * The loop that serializes socket writes. Handlers that share one share its
   * turns.
   *
   * @default a loop of its own
   */
  readonly loop?: WriteLoop;
  /**
   * Bytes that may wait for a client to read, in the loop and in its socket,
   * before it is closed with 1013. A message that finds nothing waiting is
   * sent whatever its size. `0` lets nothing wait, `Infinity` anything.
   *
   * @default {67108864}
   */
  readonly maxBufferSize?: number;
  /**
   * Bytes that a client's message may have before it is closed with 1009.
   * `0` refuses everything. The upper bound is Deno's own: it ends a
   * connection, which then closes with 1006 at the client, whose frame has
   * 67108864 bytes or more. A message in several frames is in memory as a
   * whole before it can be refused.
   *
   * @default {67108864}
   */
  readonly maxMessageSize?: number;
  /**
   * Seconds after which a silent peer is pinged, and closed if it doesn't
   * answer for as long. `0` turns that off.
   *
   * @default {30}
   */
  readonly idleTimeout?: number;
}

/** 64 MiB: Deno ends a connection whose message is larger. */
export const DENO_MAX_MESSAGE = 64 * 1024 * 1024;

const CALLBACKS = ["onOpen", "onClose", "onError", "authorize"] as const;

/** Whom `options` let in. */
export function doorLimits(options: PerspectiveHandlerOptions): DoorLimits {
  const { maxConnections = 10_000, maxConnectionsPerAddress = 1_000 } = options;
  const { maxHandshakesPerSecond = 1_000 } = options;
  const { maxHandshakesPerSecondPerAddress = 100 } = options;
  return {
    maxConnections,
    maxConnectionsPerAddress,
    maxHandshakesPerSecond,
    maxHandshakesPerSecondPerAddress,
  };
}

/**
 * Checks what the program has set.
 *
 * @throws {TypeError} If an option has the wrong type.
 * @throws {RangeError} If a number is out of range.
 */
export function validate(options: PerspectiveHandlerOptions): void {
  const { clients, checkOrigin, loop, trustProxy = false } = options;
  if (clients !== undefined && typeof clients !== "function") {
    assertLine(clients);
  }
  if (
    checkOrigin !== undefined && typeof checkOrigin !== "boolean" &&
    typeof checkOrigin !== "function"
  ) {
    throw new TypeError(
      `Cannot create handler: "checkOrigin" must be a boolean or a function, ` +
        `received ${typeof checkOrigin}`,
    );
  }
  if (loop !== undefined && !(loop instanceof WriteLoop)) {
    throw new TypeError(
      `Cannot create handler: "loop" must be a WriteLoop, received ${typeof loop}`,
    );
  }
  if (
    trustProxy !== false && typeof trustProxy !== "function" &&
    !(Number.isSafeInteger(trustProxy) && trustProxy >= 0)
  ) {
    throw new TypeError(
      `Cannot create handler: "trustProxy" must be false, a number of proxies ` +
        `or a function, received ${trustProxy}`,
    );
  }
  for (const name of CALLBACKS) {
    if (options[name] !== undefined && typeof options[name] !== "function") {
      throw new TypeError(
        `Cannot create handler: "${name}" must be a function, received ` +
          typeof options[name],
      );
    }
  }
  for (
    const [name, most] of [
      ["maxBufferSize", Infinity],
      ["maxMessageSize", DENO_MAX_MESSAGE],
      ["idleTimeout", Number.MAX_SAFE_INTEGER],
      ["authorizeTimeout", Infinity],
      ["maxConnections", Infinity],
      ["maxConnectionsPerAddress", Infinity],
      ["maxHandshakesPerSecond", Infinity],
      ["maxHandshakesPerSecondPerAddress", Infinity],
      ["maxRequestsPerSecond", Infinity],
    ] as const
  ) {
    const value = options[name];
    if (value === undefined) continue;
    if (typeof value !== "number" || !(value >= 0 && value <= most)) {
      throw new RangeError(
        `Cannot create handler: "${name}" must be from 0 to ${most}, ` +
          `received ${value}`,
      );
    }
  }
}

/**
 * Checks a line that the program has named.
 *
 * @throws {TypeError} If there is no such line.
 */
export function assertLine(line: unknown): asserts line is Line {
  if (line !== "3" && line !== "5") {
    throw new TypeError(
      `Cannot tell a client's line: "clients" must be "3" or "5", received ` +
        JSON.stringify(line),
    );
  }
}
