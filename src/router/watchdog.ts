/**
 * Noticing a request that doesn't come back.
 *
 * @module
 */

import type { Later } from "./lingering.ts";

/** What time it is, and what happens later. */
export interface Clock {
  /** Milliseconds since some moment. */
  now(): number;
  /** See {@linkcode Later}. */
  readonly later: Later;
}

/** How a {@linkcode Watchdog} watches. */
export interface WatchdogOptions extends Clock {
  /** Called when the one under way has taken longer. */
  readonly onHang: () => void;
}

/** The longest that a timer takes. */
const LONGEST = 0x7fff_ffff;

/**
 * Watches over the requests that an engine executes one after the other. There
 * is one timer, however many come: it looks again when the one that is under
 * way then could be too long.
 */
export class Watchdog {
  readonly #options: WatchdogOptions;
  /** How long the one under way may take. */
  #timeout: number | undefined;
  #since = 0;
  /** When the timer is over, and what stops it. */
  #due = Infinity;
  #cancel: (() => void) | undefined;

  /** Nothing is under way. */
  constructor(options: WatchdogOptions) {
    this.#options = options;
  }

  /**
   * A request is under way from now on, and none before it, that may take
   * `timeout` milliseconds; `Infinity` for any time.
   */
  begin(timeout: number): void {
    this.#timeout = timeout;
    this.#since = this.#options.now();
    if (this.#since + timeout < this.#due) this.#look();
  }

  /** Nothing is under way. */
  end(): void {
    this.#timeout = undefined;
  }

  /** It watches no more. */
  stop(): void {
    this.#timeout = undefined;
    this.#disarm();
  }

  #disarm(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#due = Infinity;
  }

  #look(): void {
    this.#disarm();
    if (this.#timeout === undefined || this.#timeout === Infinity) return;
    const now = this.#options.now();
    const left = this.#since + this.#timeout - now;
    if (left <= 0) return this.#options.onHang();
    const pause = Math.min(Math.ceil(left), LONGEST);
    this.#due = now + pause;
    this.#cancel = this.#options.later(pause, () => this.#look());
  }
}
