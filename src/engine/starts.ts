/**
 * Engines that are being started.
 *
 * @module
 */

import type { Engine } from "./engine.ts";

/** What ends a start that hasn't come to anything. */
export interface StartLimits {
  /**
   * Milliseconds that it may take.
   *
   * @default {Infinity}
   */
  readonly startTimeout?: number | undefined;
  /** Aborted if it isn't wanted any more. */
  readonly signal?: AbortSignal | undefined;
}

/** Milliseconds that an engine of a pool may take to start. */
const START_TIMEOUT = 60_000;

/** The longest that a timer takes. */
const LONGEST = 0x7fff_ffff;

/**
 * What a pool's option `startTimeout` says, `Infinity` for no limit.
 *
 * @throws {RangeError} If it is negative, or no number.
 */
export function readStartTimeout(
  pool: string,
  startTimeout = START_TIMEOUT,
): number {
  if (startTimeout >= 0) return startTimeout || Infinity;
  throw new RangeError(
    `Cannot create ${pool}: "startTimeout" must be >= 0, received ` +
      startTimeout,
  );
}

/**
 * Calls `giveUp` when a start has taken too long, or isn't wanted any more, at
 * once if it isn't already. Returns what prevents that.
 */
export function notWithin(
  { startTimeout = Infinity, signal }: StartLimits,
  giveUp: (why: string) => void,
): () => void {
  const onAbort = () => giveUp("it isn't wanted any more");
  const timer = startTimeout > LONGEST ? undefined : setTimeout(
    () =>
      giveUp(
        `the engine isn't loaded after ${startTimeout} ms ("startTimeout")`,
      ),
    startTimeout,
  );
  signal?.addEventListener("abort", onAbort);
  if (signal?.aborted) queueMicrotask(onAbort);
  return () => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  };
}

/** What a pool's `ready()` waits for. */
export class Starts {
  readonly #underWay = new Set<Promise<Engine>>();
  /** The first that failed. One is enough to be told of. */
  #failed: Promise<Engine> | undefined;

  /** An engine is being started. */
  add(starting: Promise<Engine>): void {
    this.#underWay.add(starting);
    // An engine that has started may end, and isn't kept for this.
    const over = () => this.#underWay.delete(starting);
    starting.then(over, () => {
      over();
      this.#failed ??= starting;
    });
  }

  /**
   * Resolves when all have started.
   *
   * @throws {Error} What the first that failed was rejected with.
   */
  async ready(): Promise<void> {
    await Promise.all([this.#failed, ...this.#underWay]);
  }

  /** Resolves when none is under way, whatever came of them. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#underWay);
  }
}
