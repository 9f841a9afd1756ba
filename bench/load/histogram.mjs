// @ts-check
/**
 * Latencies of several rounds, put together without keeping each: they are
 * counted in buckets, of which each is 1 % wider than the one before.
 */

/** @typedef {import("./types.ts").Histogram} Histogram */

/** What a bucket is wider than the one before. */
const GROWTH = Math.log(1.01);

/** The smallest latency there is, in milliseconds. */
const SMALLEST = 1e-4;

/**
 * Counts latencies.
 *
 * @param {Iterable<number>} values in milliseconds
 * @returns {Histogram}
 */
export function histogramOf(values) {
  /** @type {Map<number, number>} */
  const counts = new Map();
  for (const value of values) {
    const bucket = Math.round(Math.log(Math.max(value, SMALLEST)) / GROWTH);
    counts.set(bucket, (counts.get(bucket) ?? 0) + 1);
  }
  return [...counts].sort(([a], [b]) => a - b);
}

/**
 * The value below which the given share of all values lies, to half a percent.
 *
 * @param {readonly Histogram[]} histograms
 * @param {number} share from 0 to 1
 * @returns {number | null} `null` if there is no value
 */
export function pooledQuantile(histograms, share) {
  const all = histograms.flat().sort(([a], [b]) => a - b);
  const total = all.reduce((sum, [, count]) => sum + count, 0);
  let left = Math.max(1, Math.ceil(total * share));
  for (const [bucket, count] of all) {
    left -= count;
    if (left <= 0) return Math.exp(bucket * GROWTH);
  }
  return null;
}
