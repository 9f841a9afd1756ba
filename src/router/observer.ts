/**
 * Following what becomes of requests.
 *
 * @module
 */

import type { RefusalReason } from "./refusal.ts";

/**
 * Is told what becomes of requests, for metrics and traces. Nothing of it may
 * throw. Without one, nothing is measured for it, and no clock is read.
 */
export interface RequestObserver {
  /** The time in milliseconds. */
  now(): number;
  /**
   * A session is open.
   *
   * @param tableOf The table of the view that the session calls so.
   */
  opened(tableOf: (view: string) => string | undefined): SessionObserver;
  /**
   * An engine has executed a request of `kind`, be it a client's or the
   * router's own; 0 stands for a poll alone.
   *
   * @param waited Milliseconds that it had to wait for the engine.
   * @param took Milliseconds in the engine. On the main thread, where answers
   * are handed on while it executes, that is part of it.
   */
  executed(kind: number, waited: number, took: number): void;
}

/** Is told what becomes of one session's requests. */
export interface SessionObserver {
  /** A request has come. The frame is lent. */
  asked(frame: Uint8Array): void;
  /** The request, by the client's `msg_id`, is a subscription that has begun. */
  subscribed(msgId: number): void;
  /**
   * An answer is about to be written. The frame is lent.
   *
   * @param refusal Why the router answers with an error of its own, if it does.
   */
  answered(frame: Uint8Array, refusal: RefusalReason | undefined): void;
  /** The session has ended: what isn't answered yet is answered to nobody. */
  ended(): void;
}
