/**
 * How often something may happen.
 *
 * @module
 */

/** How a {@linkcode TokenBucket} is set up. */
export interface TokenBucketOptions {
  /**
   * Tokens that come back in a second. With `0` none does; with `Infinity`
   * there is always one.
   */
  readonly rate: number;
  /** Tokens that it holds at most, and at first. Without a whole one, none is given. */
  readonly burst: number;
  /** The time in milliseconds. Where it goes back, it counts as standing still. */
  readonly now: () => number;
}

/** Gives a token for each time that something may happen: `rate` and `burst` say how often. */
export class TokenBucket {
  readonly #options: TokenBucketOptions;
  #tokens: number;
  /** The time that {@linkcode TokenBucket.#tokens} is of. */
  #at: number;

  /** A full one. */
  constructor(options: TokenBucketOptions) {
    this.#options = options;
    this.#tokens = options.burst;
    this.#at = options.now();
  }

  /** Takes a token, if there is one. */
  take(): boolean {
    if (this.#options.rate === Infinity) return true;
    this.#refill();
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  /** Whether all tokens are there: it is as good as a new one. */
  get isFull(): boolean {
    if (this.#options.rate === Infinity) return true;
    this.#refill();
    return this.#tokens >= this.#options.burst;
  }

  /** Seconds until there is a token; `Infinity` if there won't be one. */
  get secondsUntilNext(): number {
    const { rate, burst } = this.#options;
    if (rate === Infinity) return 0;
    this.#refill();
    if (this.#tokens >= 1) return 0;
    return rate === 0 || burst < 1 ? Infinity : (1 - this.#tokens) / rate;
  }

  #refill(): void {
    const { rate, burst, now } = this.#options;
    const at = now();
    if (at > this.#at) {
      const tokens = this.#tokens + (at - this.#at) / 1000 * rate;
      this.#tokens = Math.min(tokens, burst);
    }
    this.#at = at;
  }
}

/**
 * What a bucket of `rate` a second holds: as much as in ten seconds, so that
 * who has been quiet may be quick, and one at least.
 */
export function burstOf(rate: number): number {
  return rate === 0 ? 0 : Math.max(1, rate * 10);
}
