/**
 * What main thread and worker say to each other.
 *
 * ```text
 *   main                                worker
 *                     ◄─ ready          its module has run: it listens now,
 *                                       and its end can be noticed
 *   start ─►
 *                     ◄─ started        its engine is loaded
 *   entries ═►        ◄═ entries        in rings, any number of times
 *   payload ─►        ◄─ payload        of an entry that has no room for it
 *                     ◄─ bell           there are entries, and main sleeps
 * ```
 *
 * A worker that has nothing to do blocks; it is woken through the ring. Where
 * an entry says that its payload comes as a message, the other side stops
 * reading entries until it has come.
 *
 * @module
 */

import type { Line } from "../protocol/kinds.ts";

/** The shared memory of a worker's two rings: see `ring.ts`. */
export interface Rings {
  /** From the main thread: see {@linkcode EngineRequest}. */
  readonly requests: SharedArrayBuffer;
  /** From the worker: see {@linkcode readAnswer}. */
  readonly answers: SharedArrayBuffer;
}

/** From the main thread. */
export type ToWorker =
  /** Load this engine. */
  | {
    readonly type: "start";
    readonly engine: string;
    readonly rings: Rings;
  }
  /** The payload of a request. It isn't written to any more. */
  | { readonly type: "payload"; readonly bytes: SharedArrayBuffer };

/** From the worker. */
export type FromWorker =
  /** It listens. What is posted before that is lost (ENGINE 7.3). */
  | {
    readonly type: "ready";
    /** What it holds as long as its thread lives: see `thread_life.ts`. */
    readonly life: string;
  }
  /** The engine is loaded. */
  | { readonly type: "started"; readonly line: Line }
  /** The engine can't be loaded. */
  | { readonly type: "refused"; readonly message: string }
  /** A long frame. The buffer is transferred: it is the main thread's. */
  | { readonly type: "payload"; readonly bytes: Uint8Array<ArrayBuffer> }
  /** There are entries to read. */
  | { readonly type: "bell" };
