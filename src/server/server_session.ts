/**
 * What whoever opens a session on a server deals with.
 *
 * @module
 */

import type { Access } from "../policy/access.ts";
import type { Line } from "../protocol/kinds.ts";
import type { SessionEnd } from "../router/session_host.ts";

/** A client's session on a {@linkcode Server}. */
export interface ServerSession {
  /** Whether it has ended, from either side. */
  readonly closed: boolean;
  /** Requests that it has taken and that aren't answered yet. */
  readonly pending: number;
  /**
   * Takes a request, one frame of Perspective's protocol. The frame must not
   * be changed afterwards. It never throws: whatever goes wrong is answered
   * with a `server_error`. A closed session ignores it.
   */
  handleRequest(frame: Uint8Array): void;
  /** Ends the session with its views and subscriptions. Safe to call twice. */
  close(): void;
}

/** How one session is set up. */
export interface NewSessionOptions {
  /**
   * The line of Perspective's packages that the client is of. Where client
   * and engine differ, the few frames that differ are translated.
   *
   * @default the engine's line
   */
  readonly clients?: Line;
  /**
   * Whether `sendResponse` is done with a frame when it returns. Then it gets
   * frames that may lie in the engine's own memory, which saves a copy. By
   * default a frame is the callback's to keep.
   *
   * @default {false}
   */
  readonly takesLent?: boolean;
  /**
   * What the client may do, and that there are limits to what it may have. It
   * is asked for each request, so what it allows can change.
   *
   * @default everything, without limits: it is the program itself
   */
  readonly access?: Access;
  /** Called when the session is ended from this side. */
  readonly onEnd?: (reason: SessionEnd) => void;
}
