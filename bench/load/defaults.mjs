// @ts-check
/** What most rows have in common. */

/** How a row is measured that nothing else is said of. */
export const DEFAULTS = Object.freeze({
  unit: "requests",
  beside: null,
  pushes: false,
  echo: null,
  bare: false,
  data: /** @type {const} */ ("superstore"),
  apart: false,
  byDefault: false,
  seconds: 2,
  warmup: 0.5,
  patience: 120,
  goals: /** @type {import("./types.ts").Goal[]} */ ([]),
});

/** The rows on a million rows. */
export const ON_A_MILLION = Object.freeze({
  ...DEFAULTS,
  data: /** @type {const} */ ("million"),
  apart: true,
});

/** The rows in which viewers and a writer take turns. */
export const IN_ROUNDS = Object.freeze({
  ...DEFAULTS,
  unit: "rounds",
  pushes: true,
  echo: /** @type {const} */ ("each"),
  data: /** @type {const} */ ("superstore_indexed"),
  seconds: 5,
  warmup: 1,
});

/**
 * A figure to be compared with the best of Perspective's own servers.
 *
 * @param {import("./types.ts").Measure} measure
 * @param {number} [wanted]
 * @returns {import("./types.ts").Goal}
 */
export function toPeers(measure, wanted) {
  return { measure, against: "peers", wanted: onBothLines(wanted) };
}

/** @param {number | undefined} value */
export function onBothLines(value) {
  return value === undefined ? null : { 3: value, 5: value };
}
