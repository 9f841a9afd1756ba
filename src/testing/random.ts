/**
 * Random cases that can be repeated. For tests only.
 *
 * @module
 */

/** A source of pseudo-random values. */
export class Random {
  /** What it started from: the same seed gives the same values. */
  readonly seed: number;
  #state: number;

  /** The sequence of `seed`. */
  constructor(seed: number) {
    this.seed = seed;
    this.#state = seed >>> 0;
  }

  /** 32 random bits, by mulberry32. */
  uint32(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let bits = this.#state;
    bits = Math.imul(bits ^ (bits >>> 15), bits | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return (bits ^ (bits >>> 14)) >>> 0;
  }

  /** A whole number from 0 to `end`, without `end`. */
  below(end: number): number {
    return this.uint32() % end;
  }

  /** A whole number from `first` to `last`, with both. */
  between(first: number, last: number): number {
    return first + this.below(last - first + 1);
  }

  /** Whether something happens that has probability `p`. */
  chance(p: number): boolean {
    return this.uint32() < p * 0x1_0000_0000;
  }

  /** One of `values`. */
  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }

  /** A `uint32` of any magnitude, the edges of varints above all. */
  id(): number {
    const edges = [0, 1, 127, 128, 16383, 16384, 2097151, 2097152, 268435455];
    if (this.chance(0.2)) return this.pick(edges);
    if (this.chance(0.1)) return this.pick([268435456, 0xffff_ffff]);
    return this.uint32() >>> this.below(32);
  }

  /** `length` random bytes. */
  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256));
  }

  /** `count` of `values`, or all if there are fewer, in another order. */
  some<T>(values: readonly T[], count: number): T[] {
    return this.shuffled(values).slice(0, count);
  }

  /** Another order of `values`. */
  shuffled<T>(values: readonly T[]): T[] {
    const order = [...values];
    for (let i = order.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [order[i], order[j]] = [order[j]!, order[i]!];
    }
    return order;
  }
}

/**
 * Runs `check` with `cases` random cases. A failure tells the seed of its
 * case; with `PERSPECTIVE_SEED` set to it, that case comes first.
 */
export async function forAll(
  cases: number,
  check: (random: Random) => void | Promise<void>,
): Promise<void> {
  const given = Deno.env.get("PERSPECTIVE_SEED");
  const first = given === undefined
    ? crypto.getRandomValues(new Uint32Array(1))[0]!
    : Number(given);
  for (let i = 0; i < cases; i++) {
    const seed = (first + i) >>> 0;
    try {
      // Most checks are synchronous, and thousands of awaits take their time.
      const done = check(new Random(seed));
      if (done !== undefined) await done;
    } catch (reason) {
      const { message } = reason as Error;
      throw new Error(`${message}\n\nRepeat it with PERSPECTIVE_SEED=${seed}`, {
        cause: reason,
      });
    }
  }
}
