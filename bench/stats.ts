/** The arithmetic of the report. */

/** A set of values in short. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** The median and the extremes; `null` of nothing. */
export function spread(values: readonly number[]): Spread | null {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  return {
    median: median(sorted),
    min: sorted[0]!,
    max: sorted[sorted.length - 1]!,
  };
}

/**
 * How two series relate, round by round: what disturbs a whole round disturbs
 * both. A round that one of them lacks doesn't count, nor does one in which there
 * is nothing to compare with.
 */
export function pairedRatios(
  values: readonly (number | null)[],
  base: readonly (number | null)[],
): Spread | null {
  const ratios = values.flatMap((value, round) => {
    const other = base[round] ?? 0;
    return value === null || other === 0 ? [] : [value / other];
  });
  return spread(ratios);
}

/**
 * Requests per second of a thread that does both of two things for each
 * request, given how many it does of each alone.
 */
export function inSeries(
  first: readonly (number | null)[],
  second: readonly (number | null)[],
): (number | null)[] {
  return first.map((rate, round) => {
    const other = second[round] ?? null;
    return rate === null || other === null ? null : 1 / (1 / rate + 1 / other);
  });
}

/** An order for each round, the same for the same seed. */
export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const order = [...items];
  for (let last = order.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [order[last], order[other]] = [order[other]!, order[last]!];
  }
  return order;
}

/** Numbers from 0 to 1 that follow from a seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}

function median(sorted: readonly number[]): number {
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? sorted[middle]!
    : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
