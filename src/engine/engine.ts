/**
 * What the router needs of an engine, wherever that engine runs.
 *
 * @module
 */

import type { Reframed } from "../protocol/frame.ts";
import type { Line } from "../protocol/kinds.ts";

/**
 * What an engine tells the router. An engine calls these one at a time and in
 * the order in which things happened, never while the router's own call of
 * `send` for another frame is under way on the same engine session.
 */
export interface EngineListener {
  /**
   * An answer or a push. The bytes are only lent, and may be overwritten: they
   * may lie in WebAssembly memory and are valid until the call returns.
   */
  frame(frame: Uint8Array): void;
  /** The request `msgId` won't be answered; the engine itself lives. */
  failed(msgId: number, error: Error): void;
  /** The engine reported a fault that belongs to no request (ENGINE 1.6). */
  fault(error: Error): void;
  /**
   * The engine is lost (ENGINE 6.1). It tells nothing more, and what wasn't
   * answered won't be.
   *
   * `guilty` is true if it came of the request under way, the oldest that
   * isn't executed yet, and not of the poll after it or of anything outside: to
   * another engine, that request would do the same.
   */
  fatal(error: Error, guilty?: boolean): void;
  /**
   * One more of what was sent, a request or a poll, has been executed, after
   * so many microseconds (0 if they weren't measured). Whatever came of it has
   * been told.
   */
  executed(micros: number): void;
  /**
   * The engine's memory has so many bytes now: told after the first call, and
   * when it has grown. It never shrinks (ENGINE 6.5). Engines that share their
   * memory tell the size of all of it.
   */
  heap(bytes: number): void;
}

/**
 * One Perspective server, on which the router holds one session for all its
 * clients.
 *
 * An implementation MUST execute frames in the order of `send`, MUST answer
 * or fail each of them, and MUST poll where it is told and nowhere else,
 * since the place of a poll is part of the engine's state (ENGINE 2.2).
 */
export interface Engine {
  /** Which line of packages it is. */
  readonly line: Line;
  /**
   * Whether a request is executed within `send`, so that nothing ever waits in
   * front of the engine. One that tells its listener anything within `send` or
   * `poll` MUST say so.
   *
   * @default {false}
   */
  readonly isImmediate?: boolean;
  /**
   * Whether others change its tables, too, so that what was read once may not
   * be so any more.
   *
   * @default {false}
   */
  readonly isForeign?: boolean;
  /** Whom to tell. Called once, before the first `send`. */
  listen(listener: EngineListener): void;
  /**
   * Executes `frame`, which is of `kind`, and then polls if `poll` says so.
   * What `frame` refers to must stay as it is until it is answered.
   */
  send(frame: Reframed, kind: number, poll: boolean): void;
  /** Passes pending changes on to views. */
  poll(): void;
  /** Ends the session. What wasn't answered won't be. Safe to call twice. */
  close(): void | Promise<void>;
  /**
   * Ends an engine that is at a request which doesn't come back. Like after
   * `close`, it tells nothing more.
   *
   * Returns whether it really ended: a process can be killed, but a Web
   * Worker's thread can't be stopped, and goes on burning a core (ENGINE 7.5).
   */
  abandon?(): boolean;
}

/** What an {@linkcode Executor} is asked to start. */
export interface EngineOptions {
  /** Module specifier of the engine's package. */
  readonly engine: string;
}

/**
 * Runs engines somewhere else than on the main thread.
 *
 * `PerspectiveTornadoHandler` takes any `concurrent.futures` executor; the
 * counterpart here is any object that can start an {@linkcode Engine}.
 */
export interface Executor {
  /**
   * How many engines a server starts. They hold the same tables and share the
   * work.
   *
   * @default {1}
   */
  readonly size?: number;
  /** Starts an engine and resolves when it takes frames. */
  start(options: EngineOptions): Promise<Engine>;
}
