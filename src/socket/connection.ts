/**
 * One WebSocket and the session behind it.
 *
 * @module
 */

import { type OnError, toError } from "../errors.ts";
import type { Access } from "../policy/access.ts";
import { burstOf, TokenBucket } from "../policy/token_bucket.ts";
import { refusalOf } from "../protocol/answers.ts";
import type { Line } from "../protocol/kinds.ts";
import type { SessionEnd } from "../router/session_host.ts";
import type { Server } from "../server/server.ts";
import type { ServerSession } from "../server/server_session.ts";
import {
  assertCloseCode,
  Close,
  type CloseReason,
  fitReason,
} from "./close_codes.ts";
import type { Drained } from "./drain.ts";
import type { WriteLoop, Writer } from "./write_loop.ts";

/**
 * Milliseconds in which an upgraded socket has to open. It does so at once, but
 * of one whose peer goes at that moment Deno tells nothing at all.
 */
export const OPEN_TIMEOUT = 5_000;

/** How a socket is closed that opens after that: the thread was busy. */
const OPENED_TOO_LATE = { code: 1013, reason: "opened too late" };

/** What is answered to requests while the handler is closing. */
const DRAINING = "Cannot take request: the server is shutting down";

/** Milliseconds that a peer has to answer a close. */
const CLOSE_TIMEOUT = 5_000;

/** How a socket is closed whose session was ended. */
const CLOSE_FOR: Readonly<Record<SessionEnd, CloseReason>> = {
  "engine lost": Close.SERVER_LOST,
  "server closed": Close.SHUTTING_DOWN,
  "too many strikes": Close.TOO_MANY_STRIKES,
};

/** How one connection is set up. All values are resolved. */
export interface ConnectionOptions {
  readonly server: Server;
  readonly clients: Line | undefined;
  readonly loop: WriteLoop;
  readonly maxBufferSize: number;
  readonly maxMessageSize: number;
  readonly maxRequestsPerSecond: number;
  /** Milliseconds; {@linkcode OPEN_TIMEOUT}, but for tests. */
  readonly openTimeout: number;
  readonly access: Access;
  /** A request was answered with an error here, for that reason. */
  readonly onRefused: (reason: RequestRefusal) => void;
  readonly onError: OnError;
  readonly onOpen: () => void;
  readonly onClose: (reason: CloseReason) => void;
}

/** Why a request was refused before its session saw it. */
export type RequestRefusal = "maxRequestsPerSecond" | "draining";

/** What the program is told of a connection, and can do with it. */
export interface Connection {
  /**
   * The request that was upgraded. Its headers and URL can be read; it has
   * been answered, and has no body.
   */
  readonly request: Request;
  /** The client's address, as `trustProxy` says; `undefined` where it isn't known. */
  readonly remoteAddress: string | undefined;
  /**
   * What the client may do. What `access.update()` changes takes effect at
   * once.
   */
  readonly access: Access;
  /** When its handshake was answered. */
  readonly since: Date;
  /** Bytes that wait for the client to read them. */
  readonly bufferedAmount: number;
  /**
   * Closes the socket and ends its session. What waits to be written is
   * dropped. Safe to call twice.
   *
   * @param code A close code, 1000 by default.
   * @param reason Up to 123 bytes of text; what is more is cut off.
   * @throws {RangeError} If `code` can't be sent.
   */
  close(code?: number, reason?: string): void;
}

/**
 * Ties a socket to a session: messages in, frames out, and one end for both.
 *
 * ```text
 *   connecting ──open──► open ──#end()──► closing ──close, or 5 s──► closed
 *        └──or 5 s───────────┴─────────close event───────────────────▲
 * ```
 *
 * The session ends with `open`. `closing` is limited since a peer that doesn't
 * read never answers the close, and Deno goes on waiting for it; what it still
 * holds for such a peer is no more than the loop's `highWaterMark` and a frame.
 */
export class SocketConnection implements Connection, Drained {
  readonly request: Request;
  readonly remoteAddress: string | undefined;
  readonly access: Access;
  readonly since = new Date();
  readonly #socket: WebSocket;
  readonly #options: ConnectionOptions;
  readonly #writer: Writer;
  /** Messages that may be taken. */
  readonly #requests: TokenBucket;
  /** Messages that may be refused. */
  readonly #refusals: TokenBucket;
  #session: ServerSession | undefined;
  /** Whether requests are still taken, are refused, or aren't looked at any more. */
  #taking: "all" | "none" | "over" = "all";
  #state: "connecting" | "open" | "closing" | "closed" = "connecting";
  /** Why this side closed it, for the program's `onClose`. */
  #reason: CloseReason | undefined;
  /** What the runtime said of a socket that broke. */
  #failure = "";
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Takes over `socket`, which has just been upgraded. */
  constructor(
    socket: WebSocket,
    request: Request,
    remoteAddress: string | undefined,
    options: ConnectionOptions,
  ) {
    this.request = request;
    this.remoteAddress = remoteAddress;
    this.access = options.access;
    const rate = options.maxRequestsPerSecond;
    const bucket = { rate, burst: burstOf(rate), now: () => performance.now() };
    this.#requests = new TokenBucket(bucket);
    this.#refusals = new TokenBucket(bucket);
    this.#socket = socket;
    this.#options = options;
    this.#writer = options.loop.attach(socket, {
      maxBufferSize: options.maxBufferSize,
      onOverflow: () => this.#end(Close.TOO_SLOW),
      onError: (error) => {
        options.onError(error, { stage: "write" });
        this.#end({ code: 1011, reason: "cannot write" });
      },
    });
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#onOpen();
    socket.onmessage = ({ data }) => this.#onMessage(data);
    socket.onerror = (event) => {
      this.#failure = event instanceof ErrorEvent ? event.message : "";
    };
    socket.onclose = (event) => this.#onClose(event);
    this.#waitForOpen(options.openTimeout);
  }

  /** Whether it is open: neither still to be opened, nor closing. */
  get isOpen(): boolean {
    return this.#state === "open";
  }

  get bufferedAmount(): number {
    return this.#writer.bufferedAmount;
  }

  close(code: number = 1000, reason: string = ""): void {
    assertCloseCode(code);
    this.#end({ code, reason: fitReason(reason) });
  }

  drain(): void {
    this.#taking = "none";
  }

  isDrained(): boolean {
    if (this.#state !== "open") return this.#state === "connecting";
    if (this.#taking !== "over") {
      if (this.#session!.pending > 0) return false;
      // From here on nothing is added to what has to be written: neither
      // pushes nor the answers to those who go on asking.
      this.#taking = "over";
      this.#session!.close();
    }
    return this.#writer.bufferedAmount === 0;
  }

  #onOpen(): void {
    // Deno opens a socket, too, that was closed before it was open.
    if (this.#state !== "connecting") {
      return this.#closeSocket(this.#reason ?? OPENED_TOO_LATE);
    }
    this.#state = "open";
    clearTimeout(this.#timer);
    const { server, clients, access, onError, onOpen } = this.#options;
    try {
      this.#session = server.newSession(
        (frame, role) => void this.#writer.push(frame, role),
        {
          ...clients && { clients },
          takesLent: true,
          access,
          onEnd: (reason) => this.#end(CLOSE_FOR[reason]),
        },
      );
    } catch (reason) {
      // Lost or closed since the handshake was answered.
      onError(toError(reason), { stage: "engine" });
      return this.#end(Close.SERVER_LOST);
    }
    onOpen();
  }

  #onMessage(data: unknown): void {
    if (this.#state !== "open" || this.#taking === "over") return;
    const frame = data instanceof ArrayBuffer
      ? new Uint8Array(data)
      : undefined;
    if (frame && frame.length > this.#options.maxMessageSize) {
      return this.#end(Close.MESSAGE_TOO_BIG);
    }
    if (!this.#requests.take()) return this.#refuseForRate(frame);
    // Text isn't part of the protocol; PerspectiveTornadoHandler ignores it, too.
    if (frame === undefined) return;
    if (this.#taking === "all") this.#session!.handleRequest(frame);
    else this.#refuse(frame, "draining", DRAINING);
  }

  /** Refuses a message, text too, of somebody who sends too many. */
  #refuseForRate(frame: Uint8Array | undefined): void {
    const most = this.#options.maxRequestsPerSecond;
    if (!this.#refusals.take()) return this.#end(Close.TOO_MANY_REQUESTS);
    this.#refuse(
      frame,
      "maxRequestsPerSecond",
      `Cannot take request: at most ${most} a second may be asked ` +
        `(maxRequestsPerSecond); ask more slowly`,
    );
  }

  #refuse(
    frame: Uint8Array | undefined,
    reason: RequestRefusal,
    message: string,
  ): void {
    this.#options.onRefused(reason);
    if (frame === undefined) return;
    this.#writer.push(refusalOf(frame, message), "answer");
  }

  /** Ends it from this side. The session ends at once, whenever the peer answers. */
  #end(reason: CloseReason): void {
    if (this.#state === "closing" || this.#state === "closed") return;
    this.#state = "closing";
    this.#reason = reason;
    this.#release();
    this.#closeAfter(CLOSE_TIMEOUT, reason);
    this.#closeSocket(reason);
  }

  #closeSocket({ code, reason }: CloseReason): void {
    try {
      this.#socket.close(code, reason);
    } catch {
      // It is closed or broken already; the close event tells the rest.
    }
  }

  #onClose(event: CloseReason): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    clearTimeout(this.#timer);
    this.#release();
    this.#options.onClose(this.#reason ?? reasonOf(event, this.#failure));
  }

  #waitForOpen(ms: number): void {
    const event = { code: 1006, reason: "never opened" };
    // In two steps: after a thread was busy for long, this timer may come
    // before the event.
    this.#timer = setTimeout(() => this.#closeAfter(ms / 2, event), ms / 2);
    Deno.unrefTimer(this.#timer as unknown as number);
  }

  /** It counts as closed in `ms`, whatever the peer does. */
  #closeAfter(ms: number, reason: CloseReason): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#onClose(reason), ms);
    // Nobody waits for that peer, so the process needn't either.
    Deno.unrefTimer(this.#timer as unknown as number);
  }

  #release(): void {
    this.#writer.close();
    this.#session?.close();
  }
}

/** Why a socket closed that this side didn't close. */
function reasonOf(event: CloseReason, failure: string): CloseReason {
  // Deno ends a connection at once whose frame has 64 MiB or more.
  if (failure === "Frame too large") return Close.MESSAGE_TOO_BIG;
  const { code, reason } = event;
  // It says 0 where other WebSockets say 1006: gone without a close frame.
  return { code: code === 0 ? 1006 : code, reason: reason || failure };
}
