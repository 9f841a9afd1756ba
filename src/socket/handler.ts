/**
 * The handler: HTTP on one side, sessions on the other.
 *
 * @module
 */

import type { ForeignServer } from "../engine/session_engine.ts";
import { type OnError, safeOnError, toError } from "../errors.ts";
import { type CheckOrigin, isOriginAllowed } from "../policy/origin.ts";
import type { Line } from "../protocol/kinds.ts";
import { Server } from "../server/server.ts";
import {
  assertCloseCode,
  Close,
  type CloseReason,
  fitReason,
} from "./close_codes.ts";
import { type Connection, SocketConnection } from "./connection.ts";
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
   * let in. A refusal is a 403.
   *
   * @default {false}
   */
  readonly checkOrigin?: CheckOrigin;
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

/** What a {@linkcode PerspectiveHandler} holds and has done, in numbers. */
export interface HandlerStats {
  /** Sockets that are open or closing. */
  readonly connections: number;
  /** Handshakes that were accepted so far. */
  readonly accepted: number;
  /** Handshakes that were refused so far, whatever the reason. */
  readonly refused: number;
}

/** What Deno tells of the peer. */
interface ServeInfo {
  readonly remoteAddr?: Deno.Addr;
}

/** 64 MiB: Deno ends a connection whose message is larger. */
const DENO_MAX_MESSAGE = 64 * 1024 * 1024;

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
  readonly #connections = new Set<SocketConnection>();
  #accepted = 0;
  #refused = 0;
  #closed: Promise<void> | undefined;
  /** Called when the last connection has gone, while closing. */
  #onEmpty: (() => void) | undefined;

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
    if (typeof options.server !== "function") {
      this.#server = this.#resolve(options.server);
    }
    this.fetch = async (request, info) => {
      const response = await this.#handle(request, info);
      if (response.status !== 101) this.#refused++;
      return response;
    };
  }

  /** What the handler holds and has done, in numbers. */
  stats(): HandlerStats {
    return {
      connections: this.#connections.size,
      accepted: this.#accepted,
      refused: this.#refused,
    };
  }

  /**
   * Closes all sockets, and refuses new ones with 503. Resolves when the
   * peers have answered, or after five seconds. The server stays as it is.
   * Safe to call twice.
   *
   * @param event The close code, 1001 by default, and the reason.
   * @throws {RangeError} If the code can't be sent.
   */
  close(event: Partial<CloseReason> = {}): Promise<void> {
    const { code, reason } = { ...Close.SHUTTING_DOWN, ...event };
    assertCloseCode(code);
    return this.#closed ??= this.#close(code, reason);
  }

  /** Calls {@linkcode PerspectiveHandler.close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(code: number, reason: string): Promise<void> {
    for (const connection of this.#connections) connection.close(code, reason);
    if (this.#connections.size === 0) return;
    await new Promise<void>((resolve) => this.#onEmpty = resolve);
  }

  async #handle(request: Request, info?: ServeInfo): Promise<Response> {
    if (!isUpgrade(request)) {
      return refusal(426, "This is a WebSocket endpoint", {
        connection: "upgrade",
        upgrade: "websocket",
      });
    }
    if (this.#closed !== undefined) return shuttingDown();
    let server: Server;
    let clients: Line | undefined;
    try {
      const { checkOrigin = false } = this.#options;
      if (!await isOriginAllowed(request, checkOrigin)) {
        const origin = request.headers.get("origin");
        return refusal(403, `Origin ${origin} is not allowed`);
      }
      server = this.#server ?? await this.#choose(request);
      clients = await this.#lineOf(request);
    } catch (reason) {
      this.#onError(toError(reason), { stage: "upgrade" });
      return refusal(500, "Internal Server Error");
    }
    try {
      await server.ready;
    } catch {
      // The server itself has reported why.
      return refusal(503, "The engine could not be loaded");
    }
    if (server.lost) return refusal(503, "The engine is lost");
    // It may have been closed while this request waited.
    if (this.#closed !== undefined) return shuttingDown();
    return this.#upgrade(request, info, server, clients);
  }

  #upgrade(
    request: Request,
    info: ServeInfo | undefined,
    server: Server,
    clients: Line | undefined,
  ): Response {
    const { idleTimeout = 30, onOpen, onClose } = this.#options;
    const { maxBufferSize = DENO_MAX_MESSAGE } = this.#options;
    const { maxMessageSize = DENO_MAX_MESSAGE } = this.#options;
    // Afterwards neither headers nor address can be read (ENGINE 7.1).
    const copy = new Request(request.url, { headers: request.headers });
    const address = addressOf(info?.remoteAddr);
    let upgraded: Deno.WebSocketUpgrade;
    try {
      upgraded = Deno.upgradeWebSocket(request, { idleTimeout });
    } catch (reason) {
      return refusal(400, `Bad handshake: ${toError(reason).message}`);
    }
    const connection = new SocketConnection(
      upgraded.socket,
      copy,
      address,
      {
        server,
        clients,
        loop: this.#loop,
        maxBufferSize,
        maxMessageSize,
        onError: this.#onError,
        onOpen: () => this.#hook(() => onOpen?.(connection)),
        onClose: (reason) => {
          this.#connections.delete(connection);
          this.#hook(() => onClose?.(connection, reason));
          if (this.#connections.size === 0) this.#onEmpty?.();
        },
      },
    );
    this.#connections.add(connection);
    this.#accepted++;
    return upgraded.response;
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

function validate(options: PerspectiveHandlerOptions): void {
  const { clients, checkOrigin, loop } = options;
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
  for (const name of ["onOpen", "onClose", "onError"] as const) {
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
    ] as const
  ) {
    const value = options[name];
    if (value !== undefined && !(value >= 0 && value <= most)) {
      throw new RangeError(
        `Cannot create handler: "${name}" must be from 0 to ${most}, ` +
          `received ${value}`,
      );
    }
  }
}

function assertLine(line: unknown): asserts line is Line {
  if (line !== "3" && line !== "5") {
    throw new TypeError(
      `Cannot tell a client's line: "clients" must be "3" or "5", received ` +
        JSON.stringify(line),
    );
  }
}

function isUpgrade(request: Request): boolean {
  const upgrade = request.headers.get("upgrade") ?? "";
  return request.method === "GET" &&
    upgrade.split(",").some((it) => it.trim().toLowerCase() === "websocket");
}

function refusal(
  status: number,
  reason: string,
  headers: Record<string, string> = {},
): Response {
  return new Response(`${fitReason(reason)}\n`, {
    status,
    headers: { "content-type": "text/plain; charset=utf-8", ...headers },
  });
}

function shuttingDown(): Response {
  return refusal(503, "The server is shutting down", { "retry-after": "5" });
}

function addressOf(address: Deno.Addr | undefined): string | undefined {
  if (address === undefined) return undefined;
  if ("hostname" in address) return address.hostname;
  return "path" in address ? address.path : undefined;
}
