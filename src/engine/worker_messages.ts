/**
 * What main thread and worker say to each other.
 *
 * ```text
 *   main                                worker
 *                     ◄─ ready          its module has run: it listens now
 *   start ─►
 *                     ◄─ started        its engine is loaded
 *   requests ─►
 *                     ◄─ answers        any number of times
 * ```
 *
 * @module
 */

import type { Line } from "../protocol/kinds.ts";
import type { RequestBatch } from "./packing.ts";

/** From the main thread. */
export type ToWorker =
  /** Load this engine. */
  | { readonly type: "start"; readonly engine: string }
  /**
   * Execute these, see `packing.ts`. The buffer of the bytes is transferred: it
   * is the worker's. Shared payloads aren't written to any more.
   */
  | { readonly type: "requests"; readonly batch: RequestBatch };

/** From the worker. */
export type FromWorker =
  /** It listens. What is posted before that is lost (ENGINE 7.3). */
  | { readonly type: "ready" }
  /** The engine is loaded. */
  | { readonly type: "started"; readonly line: Line }
  /** The engine can't be loaded. */
  | { readonly type: "refused"; readonly message: string }
  /** See `packing.ts`. The buffer is transferred: it is the main thread's. */
  | { readonly type: "answers"; readonly bytes: Uint8Array<ArrayBuffer> };
