/**
 * How long requests will take.
 *
 * @module
 */

/** Predictions that are remembered; the least recently learnt go first. */
const MOST = 2_000;

/**
 * How much the last time counts: less if it was longer, since what else the
 * machine does makes requests longer, but never shorter.
 */
const WEIGHT_IF_SHORTER = 0.5;
const WEIGHT_IF_LONGER = 0.1;

/** Microseconds for what is known nothing of. */
const UNKNOWN = 100;

/** What a flat view takes of the time that its rows took to be read. */
const FLAT = 0.15;

/**
 * Learns from measured times. A request is predicted to take what the same
 * kind of request on the same table with the same shape of config took before.
 *
 * The first view of a shape is a guess: reading a table's rows into a view
 * takes about as long as reading them into the table took, and much less if
 * the view is flat.
 */
export class Predictor {
  readonly #times = new Map<string, number>();
  /** What was guessed of views that haven't been made yet. */
  readonly #guesses = new Map<string, number>();
  /** The most microseconds that went into one change of each table. */
  readonly #tables = new Map<string, number>();

  /** Microseconds that a request of `key` will take. */
  predict(key: string): number {
    return this.#times.get(key) ?? this.#guesses.get(key) ?? UNKNOWN;
  }

  /** The same for making a view of `table`, which may be the first of its kind. */
  predictView(key: string, table: string, isFlat: boolean): number {
    const known = this.#times.get(key);
    if (known !== undefined) return known;
    const whole = this.#tables.get(table);
    if (whole === undefined) return UNKNOWN;
    const guess = isFlat ? FLAT * whole : whole;
    remember(this.#guesses, key, guess);
    return guess;
  }

  /** A request of `key` took so long. */
  learn(key: string, micros: number): void {
    const before = this.#times.get(key) ?? this.#guesses.get(key) ?? micros;
    const weight = micros < before ? WEIGHT_IF_SHORTER : WEIGHT_IF_LONGER;
    this.#guesses.delete(key);
    remember(this.#times, key, before + weight * (micros - before));
  }

  /** Rows were read into a table, in so long. */
  learnTable(table: string, micros: number): void {
    const before = this.#tables.get(table) ?? 0;
    remember(this.#tables, table, Math.max(before, micros));
  }

  /** What is known, longest first. */
  entries(most: number): { readonly key: string; readonly micros: number }[] {
    return [...this.#times]
      .map(([key, micros]) => ({
        // A shape is bytes; what is text in it is what a person looks for.
        key: key.replaceAll(/[^\x20-\x7e]+/g, " ").slice(0, 200),
        micros: Math.round(micros),
      }))
      .sort((a, b) => b.micros - a.micros)
      .slice(0, most);
  }
}

/** Sets what is the last to be forgotten, and forgets the first if need be. */
function remember(map: Map<string, number>, key: string, value: number): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > MOST) map.delete(map.keys().next().value!);
}
