/**
 * What the main thread and the thread of guards tell each other.
 *
 * @module
 */

import type { DataRules } from "./data.ts";
import type { Refusal } from "./payload.ts";

/** Look at this. The answers come in the order of what was asked. */
export interface ToGuardWorker {
  /** The kind of request. */
  readonly kind: number;
  /** Its content. */
  readonly content: Uint8Array;
  readonly rules: DataRules;
}

/** It is ready, once; and then what is wrong with what it was sent. */
export interface FromGuardWorker {
  readonly isReady?: true;
  readonly refusal?: Refusal | undefined;
}
