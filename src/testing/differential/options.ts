/**
 * What is compared, how, and what comes of it. For tests only.
 *
 * @module
 */

import type { ServerSession } from "../../server/server_session.ts";
import type { StepsOptions } from "./steps.ts";

/** What is asked: a `Server`, or something in front of one. */
export interface Side {
  /** Resolves when it can be asked. */
  readonly ready: Promise<void>;
  /** See `Server.newSession`. */
  newSession(
    sendResponse: (frame: Uint8Array) => void,
    options: { readonly onEnd: (reason: string) => void },
  ): ServerSession;
}

/** How a comparison goes. */
export interface DifferentialOptions extends StepsOptions {
  /** The same seed asks the same. */
  readonly seed: number;
  /** How many steps, without those at the end. */
  readonly steps: number;
  /**
   * Sends in bursts without waiting for answers: several requests of one
   * session, or of all sessions, on tables that only one of them touches.
   *
   * @default {false}
   */
  readonly pipelined?: boolean;
  /**
   * Asks in a way that no two changes share a poll, whatever the right side
   * does: a burst ends with its first change, which is read afterwards.
   *
   * @default {false}
   */
  readonly pollsEach?: boolean;
  /** How long the right side may take to catch up, in ms. @default {10000} */
  readonly timeout?: number;
  /** Told of each step before it is taken: an engine that hangs says nothing. */
  readonly onStep?: (words: string) => void;
}

/** What was compared. */
export interface DifferentialReport {
  /** With those at the end. */
  readonly steps: number;
  /** How many requests of each kind were answered without an error, or subscribed. */
  readonly kinds: ReadonlyMap<number, number>;
  /** How many frames of subscriptions there were, by kind. */
  readonly pushes: ReadonlyMap<number, number>;
  /** How many answers were errors. */
  readonly errors: number;
}
