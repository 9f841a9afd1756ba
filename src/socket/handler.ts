/**
 * The handler: HTTP on one side, sessions on the other.
 *
 * @module
 */

import { type OnError, safeOnError, toError } from "../errors.ts";
import { type Access, fullAccess } from "../policy/access.ts";
import { clientAddress } from "../policy/address.ts";
import { askToAuthorize, AuthorizeTimeout } from "../policy/authorize.ts";
import { Door, type DoorReason, type Pass } from "../policy/door.ts";
import { isOriginAllowed } from "../policy/origin.ts";
import type { Line } from "../protocol/kinds.ts";
import { Server, type ServerHealth } from "../server/server.ts";
import { assertCloseCode, Close, type CloseReason } from "./close_codes.ts";
import {
  type Connection,
  OPEN_TIMEOUT,
  type RequestRefusal,
  SocketConnection,
} from "./connection.ts";
import { Drain } from "./drain.ts";
import {
  assertLine,
  DENO_MAX_MESSAGE,
  doorLimits,
  type PerspectiveHandlerOptions,
  type ServerLike,
  validate,
} from "./options.ts";
import { addressOf, isGone, isUpgrade, refusal, upgrade } from "./upgrade.ts";
import { WriteLoop } from "./write_loop.ts";

/** Why a request wasn't upgraded. */
export type HandshakeRefusal =
  /** One of the handler's limits. */
  | DoorReason
  /** It doesn't want to be. */
  | "notUpgrade"
  /** The handler is closed, or about to be. */
  | "draining"
  /** A page of another site. */
  | "origin"
  /** What `authorize` said, or that it said nothing in time. */
  | "authorize"
  | "authorizeTimeout"
  /** A callback threw. */
  | "error"
  /** There is no engine. */
  | "engine"
  /** The client had gone before it was answered. */
  | "gone"
  /** It isn't a WebSocket handshake, though it says so. */
  | "badHandshake";

/** What a {@linkcode PerspectiveHandler} holds and has done, in numbers. */
export interface HandlerStats {
  /** Sockets that are open or closing. */
  readonly connections: number;
  /** Bytes that wait for clients to read them, all together. */
  readonly bufferedAmount: number;
  /** Handshakes that were accepted so far. */
  readonly accepted: number;
  /** Handshakes that were refused so far, whatever the reason. */
  readonly refused: number;
  /** The same by the reason. */
  readonly refusals: Readonly<Record<HandshakeRefusal, number>>;
  /** Messages on open sockets that were refused so far, by the reason. */
  readonly refusedRequests: Readonly<Record<RequestRefusal, number>>;
}

/** How a {@linkcode PerspectiveHandler} is, for a readiness probe. */
export interface HandlerHealth extends Omit<ServerHealth, "status"> {
  /**
   * - `"ok"`: all is well
   * - `"starting"`: the engine is loading; handshakes wait for it
   * - `"draining"`: the handler is closed, or about to be
   * - `"degraded"`: fewer engines than there should be; lost ones are being
   *   replaced, and clients served
   * - `"lost"`: there is no engine; handshakes are refused with 503
   */
  readonly status: ServerHealth["status"] | "draining";
  /** Sockets that are open or closing. */
  readonly connections: number;
}

/** How a {@linkcode PerspectiveHandler} is closed. */
export interface DrainOptions extends Partial<CloseReason> {
  /**
   * Milliseconds that requests in flight have to be answered, and answers to
   * be written. With `0` none is waited for; with `Infinity` all are, as long
   * as it takes.
   *
   * @default {10000}
   */
  readonly timeoutMs?: number;
}

/** What Deno tells of the peer. */
interface ServeInfo {
  readonly remoteAddr?: Deno.Addr;
}

/** What it takes to upgrade a request. */
interface Admission {
  readonly server: Server;
  readonly clients: Line | undefined;
  readonly access: Access;
}

/**
 * Serves Perspective over WebSockets.
 *
 * @example With `Deno.serve`
 * ```ts
 * import { PerspectiveHandler, Server } from "@perspective-deno/handler";
 *
 * await using server = new Server();
 * await server.newLocalClient().table("x,y\n1,2", { name: "points" });
 *
 * await using perspective = new PerspectiveHandler({ server });
 * await using http = Deno.serve({ port: 0 }, perspective.fetch);
 * ```
 *
 * It is also what `deno serve` wants: `export default new PerspectiveHandler()`.
 */
export class PerspectiveHandler implements AsyncDisposable {
  /**
   * Answers a request: an upgrade with 101, and anything that isn't one with
   * 426, so that it can stand in any router. It is bound, and never rejects.
   *
   * @param request The request.
   * @param info What `Deno.serve` passes beside it; `remoteAddr` is used.
   */
  readonly fetch: (
    request: Request,
    info?: Partial<Deno.ServeHandlerInfo>,
  ) => Promise<Response>;
  readonly #options: PerspectiveHandlerOptions;
  readonly #server: Server | undefined;
  readonly #onError: OnError;
  readonly #loop: WriteLoop;
  readonly #door: Door;
  readonly #connections = new Set<SocketConnection>();
  #accepted = 0;
  #refused = 0;
  readonly #refusals: Record<HandshakeRefusal, number> = {
    maxConnections: 0,
    maxConnectionsPerAddress: 0,
    maxHandshakesPerSecond: 0,
    maxHandshakesPerSecondPerAddress: 0,
    notUpgrade: 0,
    draining: 0,
    origin: 0,
    authorize: 0,
    authorizeTimeout: 0,
    error: 0,
    engine: 0,
    gone: 0,
    badHandshake: 0,
  };
  readonly #refusedRequests: Record<RequestRefusal, number> = {
    maxRequestsPerSecond: 0,
    draining: 0,
  };
  #drain: Drain | undefined;

  /**
   * A handler with no connections.
   *
   * @throws {TypeError} If an option has the wrong type.
   * @throws {RangeError} If a number is out of range.
   */
  constructor(options: PerspectiveHandlerOptions = {}) {
    validate(options);
    this.#options = options;
    this.#onError = safeOnError(options.onError);
    this.#loop = options.loop ?? new WriteLoop();
    this.#door = new Door(doorLimits(options), () => performance.now());
    if (typeof options.server !== "function") {
      this.#server = this.#resolve(options.server);
    }
    this.fetch = (request, info) => this.#handle(request, info);
  }

  /** What the handler holds and has done, in numbers. */
  stats(): HandlerStats {
    return {
      connections: this.#connections.size,
      bufferedAmount: this.#bufferedAmount(),
      accepted: this.#accepted,
      refused: this.#refused,
      refusals: { ...this.#refusals },
      refusedRequests: { ...this.#refusedRequests },
    };
  }

  /**
   * The connections that are open now.
   *
   * @example Nobody may change anything any more
   * ```ts
   * import { PerspectiveHandler, readOnly, Server } from "@perspective-deno/handler";
   *
   * await using server = new Server();
   * await using perspective = new PerspectiveHandler({ server });
   * for (const { access } of perspective.sessions()) access.update(readOnly());
   * ```
   */
  sessions(): Connection[] {
    return [...this.#connections].filter((it) => it.isOpen);
  }

  /**
   * How it is, for a readiness probe. Where `server` is a function, that is
   * what the handler knows without a server: ask each with
   * {@linkcode Server.health}.
   *
   * @example A route for it
   * ```ts
   * import { PerspectiveHandler, Server } from "@perspective-deno/handler";
   *
   * await using server = new Server();
   * await using perspective = new PerspectiveHandler({ server });
   * await using http = Deno.serve({ port: 0 }, (request, info) => {
   *   if (new URL(request.url).pathname !== "/healthz") {
   *     return perspective.fetch(request, info);
   *   }
   *   const health = perspective.health();
   *   const isReady = health.status === "ok" || health.status === "degraded";
   *   return Response.json(health, { status: isReady ? 200 : 503 });
   * });
   * ```
   */
  health(): HandlerHealth {
    const health = this.#server?.health() ??
      { status: "ok", engines: 0, size: 0 };
    const connections = this.#connections.size;
    return this.#drain === undefined
      ? { ...health, connections }
      : { ...health, status: "draining", connections };
  }

  /**
   * Closes all sockets, and refuses new ones with 503. A socket that has
   * nothing in flight is closed at once, others when the last answer to what
   * they had asked is written, or when the time is over. What is asked
   * meanwhile is refused with a `server_error`.
   *
   * Resolves when all are closed; five seconds later at most, if a peer
   * doesn't answer the close. The server stays as it is. Safe to call twice:
   * the second call can only shorten the time.
   *
   * @param options The time, and the close code, 1001 by default, and the
   * reason.
   * @throws {RangeError} If the code can't be sent, or the time is negative.
   */
  close(options: DrainOptions = {}): Promise<void> {
    const { timeoutMs, code, reason } = {
      ...Close.SHUTTING_DOWN,
      ...options,
    };
    assertCloseCode(code);
    if (timeoutMs !== undefined && !(timeoutMs >= 0)) {
      throw new RangeError(
        `Cannot close: "timeoutMs" must be >= 0, received ${timeoutMs}`,
      );
    }
    if (this.#drain === undefined) {
      const why = { code, reason };
      this.#drain = new Drain(this.#connections, why, timeoutMs ?? 10_000);
    } else if (timeoutMs !== undefined) this.#drain.hurry(timeoutMs);
    return this.#drain.done;
  }

  /** Calls {@linkcode PerspectiveHandler.close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #handle(request: Request, info?: ServeInfo): Promise<Response> {
    if (!isUpgrade(request)) {
      return this.#refuse("notUpgrade", 426, "This is a WebSocket endpoint", {
        connection: "upgrade",
        upgrade: "websocket",
      });
    }
    if (this.#drain !== undefined) return this.#refuseForDrain();
    const { trustProxy = false } = this.#options;
    let address: string | undefined;
    try {
      const peer = addressOf(info?.remoteAddr);
      address = clientAddress(request, peer, trustProxy);
    } catch (reason) {
      return this.#refuseForError(reason);
    }
    const entry = this.#door.enter(address);
    if ("reason" in entry) {
      const { reason, retryAfter } = entry;
      return this.#refuse(
        reason,
        reason === "maxConnections" ? 503 : 429,
        reason === "maxConnections"
          ? "Too many connections"
          : "Too many connections or handshakes, come back later",
        { "retry-after": `${retryAfter}` },
      );
    }
    const admission = await this.#admit(request, address);
    const response = admission instanceof Response
      ? admission
      : this.#upgrade(request, address, admission, entry);
    if (response.status !== 101) entry.leave();
    return response;
  }

  /** Finds out whether a request may be upgraded, and to what. It never rejects. */
  async #admit(
    request: Request,
    address: string | undefined,
  ): Promise<Admission | Response> {
    const { checkOrigin = false } = this.#options;
    let admission: Admission;
    try {
      if (!await isOriginAllowed(request, checkOrigin)) {
        const origin = request.headers.get("origin");
        return this.#refuse("origin", 403, `Origin ${origin} is not allowed`);
      }
      const access = await this.#authorize(request, address);
      if (access instanceof Response) return access;
      const server = this.#server ?? await this.#choose(request);
      admission = { server, access, clients: await this.#lineOf(request) };
    } catch (reason) {
      return this.#refuseForError(reason);
    }
    const { server } = admission;
    try {
      await server.ready;
    } catch {
      // The server itself has reported why.
      return this.#refuse("engine", 503, "The engine could not be loaded");
    }
    if (await isGone(request)) return this.#refuse("gone", 400, "Gone");
    if (server.lost) return this.#refuse("engine", 503, "The engine is lost");
    // It may have been closed while this request waited.
    return this.#drain === undefined ? admission : this.#refuseForDrain();
  }

  /** What the client may do, or a response to refuse it with. */
  async #authorize(
    request: Request,
    address: string | undefined,
  ): Promise<Access | Response> {
    const { authorize, authorizeTimeout = 10_000 } = this.#options;
    if (authorize === undefined) return fullAccess();
    try {
      const said = await askToAuthorize(
        authorize,
        request,
        { remoteAddress: address },
        authorizeTimeout || Infinity,
      );
      if (said instanceof Response) this.#count("authorize");
      return said;
    } catch (reason) {
      if (!(reason instanceof AuthorizeTimeout)) throw reason;
      this.#onError(reason, { stage: "upgrade" });
      return this.#refuse("authorizeTimeout", 503, "Try again later", {
        "retry-after": "5",
      });
    }
  }

  #upgrade(
    request: Request,
    address: string | undefined,
    { server, clients, access }: Admission,
    pass: Pass,
  ): Response {
    const { idleTimeout = 30, onOpen, onClose } = this.#options;
    const { maxBufferSize = DENO_MAX_MESSAGE } = this.#options;
    const { maxMessageSize = DENO_MAX_MESSAGE } = this.#options;
    const { maxRequestsPerSecond = 10_000 } = this.#options;
    let upgraded: ReturnType<typeof upgrade>;
    try {
      upgraded = upgrade(request, idleTimeout);
    } catch (reason) {
      const { message } = toError(reason);
      return this.#refuse("badHandshake", 400, `Bad handshake: ${message}`);
    }
    const connection = new SocketConnection(
      upgraded.socket,
      upgraded.copy,
      address,
      {
        server,
        clients,
        access,
        loop: this.#loop,
        maxBufferSize,
        maxMessageSize,
        maxRequestsPerSecond,
        openTimeout: OPEN_TIMEOUT,
        onRefused: (reason) => this.#refusedRequests[reason]++,
        onError: this.#onError,
        onOpen: () => this.#hook(() => onOpen?.(connection)),
        onClose: (reason) => {
          this.#connections.delete(connection);
          pass.leave();
          this.#hook(() => onClose?.(connection, reason));
          this.#drain?.gone();
        },
      },
    );
    this.#connections.add(connection);
    this.#accepted++;
    return upgraded.response;
  }

  #bufferedAmount(): number {
    let bytes = 0;
    for (const { bufferedAmount } of this.#connections) bytes += bufferedAmount;
    return bytes;
  }

  #count(reason: HandshakeRefusal): void {
    this.#refused++;
    this.#refusals[reason]++;
  }

  #refuse(
    reason: HandshakeRefusal,
    status: number,
    message: string,
    headers?: Record<string, string>,
  ): Response {
    this.#count(reason);
    return refusal(status, message, headers);
  }

  #refuseForDrain(): Response {
    return this.#refuse("draining", 503, "The server is shutting down", {
      "retry-after": "5",
    });
  }

  #refuseForError(reason: unknown): Response {
    this.#onError(toError(reason), { stage: "upgrade" });
    return this.#refuse("error", 500, "Internal Server Error");
  }

  async #choose(request: Request): Promise<Server> {
    const { server } = this.#options;
    const choose = server as (
      request: Request,
    ) => ServerLike | Promise<ServerLike>;
    return this.#resolve(await choose(request));
  }

  #resolve(server: ServerLike | undefined): Server {
    const options = { onError: this.#onError };
    if (server === undefined) return Server.global(options);
    return server instanceof Server ? server : Server.from(server, options);
  }

  async #lineOf(request: Request): Promise<Line | undefined> {
    const { clients } = this.#options;
    if (typeof clients !== "function") return clients;
    const line = await clients(request);
    assertLine(line);
    return line;
  }

  #hook(call: () => void): void {
    try {
      call();
    } catch (reason) {
      this.#onError(toError(reason), { stage: "hook" });
    }
  }
}
