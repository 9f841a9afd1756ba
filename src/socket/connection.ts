/**
 * One WebSocket and the session behind it.
 *
 * @module
 */

import { type OnError, toError } from "../errors.ts";
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
import type { WriteLoop, Writer } from "./write_loop.ts";

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
  readonly onError: OnError;
  readonly onOpen: () => void;
  readonly onClose: (reason: CloseReason) => void;
}

/** What the program is told of a connection, and can do with it. */
export interface Connection {
  /**
   * The request that was upgraded. Its headers and URL can be read; it has
   * been answered, and has no body.
   */
  readonly request: Request;
  /** The peer's address, where the server that was asked told it. */
  readonly remoteAddress: string | undefined;
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
 *        └───────────────────┴─────────close event───────────────────▲
 * ```
 *
 * The session ends with `open`. `closing` is limited since a peer that doesn't
 * read never answers the close, and Deno goes on waiting for it; what it still
 * holds for such a peer is no more than the loop's `highWaterMark` and a frame.
 */
export class SocketConnection implements Connection {
  readonly request: Request;
  readonly remoteAddress: string | undefined;
  readonly #socket: WebSocket;
  readonly #options: ConnectionOptions;
  readonly #writer: Writer;
  #session: ServerSession | undefined;
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
  }

  get bufferedAmount(): number {
    return this.#writer.bufferedAmount;
  }

  close(code: number = 1000, reason: string = ""): void {
    assertCloseCode(code);
    this.#end({ code, reason: fitReason(reason) });
  }

  #onOpen(): void {
    if (this.#state !== "connecting") return;
    this.#state = "open";
    const { server, clients, onError, onOpen } = this.#options;
    try {
      this.#session = server.newSession(
        (frame, role) => void this.#writer.push(frame, role),
        {
          ...clients && { clients },
          takesLent: true,
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
    // Text isn't part of the protocol; PerspectiveTornadoHandler ignores it, too.
    if (!(data instanceof ArrayBuffer) || this.#state !== "open") return;
    if (data.byteLength > this.#options.maxMessageSize) {
      return this.#end(Close.MESSAGE_TOO_BIG);
    }
    this.#session!.handleRequest(new Uint8Array(data));
  }

  /** Ends it from this side. The session ends at once, whenever the peer answers. */
  #end(reason: CloseReason): void {
    if (this.#state === "closing" || this.#state === "closed") return;
    this.#state = "closing";
    this.#reason = reason;
    this.#release();
    this.#timer = setTimeout(() => this.#onClose(reason), CLOSE_TIMEOUT);
    // Nobody waits for that peer, so the process needn't either.
    Deno.unrefTimer(this.#timer as unknown as number);
    try {
      this.#socket.close(reason.code, reason.reason);
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
