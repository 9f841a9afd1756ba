/**
 * Which tables have views, for deleting them.
 *
 * @module
 */

/** One table, as long as it has views or waits to be deleted. */
interface Entry {
  /** Views that clients have. */
  live: number;
  /** Views that the engines have, as far as they have answered. */
  open: number;
  /** Those whose making isn't answered yet, so that it may fail. */
  unsure: number;
  /** Lazy deletes that wait for the last view, by the router's `msg_id`. */
  readonly waiting: number[];
  /** Whether it goes with its last view, as the router or the engine sees to. */
  goes: boolean;
  /** To be called when it has gone, or when it is known to stay. */
  readonly whenGone: Array<() => void>;
}

const NONE: readonly string[] = [];
const NOBODY: ReadonlyArray<() => void> = [];

/**
 * An engine refuses, or puts off, deleting a table that has views, but a view
 * is on one replica and the table on all (ENGINE 5.1). So the router counts
 * views and decides itself.
 */
export class Tables {
  readonly #byName = new Map<string, Entry>();
  /** Join tables, and the tables that they are made of. */
  readonly #joins = new Map<string, readonly string[]>();

  /** How many tables are kept track of. */
  get size(): number {
    return this.#byName.size;
  }

  /** Lazy deletes that wait. */
  get waiting(): number {
    let count = 0;
    for (const entry of this.#byName.values()) count += entry.waiting.length;
    return count;
  }

  /** Names that are gone for whoever lists tables, though still of use. */
  get hidden(): ReadonlySet<string> {
    const names = new Set<string>();
    for (const [name, { waiting }] of this.#byName) {
      if (waiting.length > 0) names.add(name);
    }
    return names;
  }

  /** Whether `table` has views. */
  hasViews(table: string): boolean {
    return (this.#byName.get(table)?.live ?? 0) > 0;
  }

  /**
   * What has waited for `table` to go, which it doesn't now: it has got a view
   * again. To be called by whoever added that.
   */
  staying(table: string): ReadonlyArray<() => void> {
    const entry = this.#byName.get(table);
    return entry !== undefined && entry.live > 0
      ? entry.whenGone.splice(0)
      : NOBODY;
  }

  /** A client has a view of `table`, or will have. */
  addView(table: string): void {
    this.#entry(table).live++;
  }

  /** The engine is asked for a view of `table`. */
  open(table: string): void {
    const entry = this.#entry(table);
    entry.open++;
    entry.unsure++;
  }

  /** Making a view of `table` was answered, one way or the other. */
  confirm(table: string): void {
    const entry = this.#byName.get(table);
    if (entry !== undefined) entry.unsure--;
  }

  /** Whether it isn't known yet if `table` has views. */
  isUnsure(table: string): boolean {
    return (this.#byName.get(table)?.unsure ?? 0) > 0;
  }

  /** Whether the engines have a view of `table`. */
  isOpen(table: string): boolean {
    return (this.#byName.get(table)?.open ?? 0) > 0;
  }

  /** A client doesn't have its view of `table` any more. */
  dropView(table: string): void {
    const entry = this.#byName.get(table);
    if (entry !== undefined) entry.live--;
  }

  /**
   * The engine doesn't have a view of `table` any more.
   *
   * @returns If that was the last: the lazy deletes that have waited for it,
   * and what is to be called when they have been seen to.
   */
  viewGone(table: string): Pick<Entry, "waiting" | "whenGone"> | undefined {
    const entry = this.#byName.get(table);
    if (entry === undefined || --entry.open > 0) return undefined;
    this.#byName.delete(table);
    return entry;
  }

  /**
   * `table`, which has views, goes with the last of them. With a `msgId` the
   * lazy delete of that number waits for it here, otherwise in the engine.
   */
  deleteLazily(table: string, msgId?: number): void {
    const entry = this.#byName.get(table)!;
    entry.goes = true;
    if (msgId !== undefined) entry.waiting.push(msgId);
  }

  /** Whether `table` goes with its last view. */
  isGoing(table: string): boolean {
    return this.#byName.get(table)?.goes === true;
  }

  /**
   * Calls `done` when `table` has gone, if it is about to: no client has a view
   * of it any more, but an engine has. If somebody makes a view of it before
   * that, it stays, and `done` is called then: see {@linkcode Tables.staying}.
   *
   * @returns Whether it will be called.
   */
  whenGone(table: string, done: () => void): boolean {
    const entry = this.#byName.get(table);
    if (entry === undefined || !entry.goes || entry.live > 0) return false;
    entry.whenGone.push(done);
    return true;
  }

  /** The join table `table` was made of `sources`. */
  addJoin(table: string, sources: readonly string[]): void {
    this.#joins.set(table, sources);
  }

  /** The tables that a join table is made of, and those that they are made of. */
  sourcesOf(table: string): readonly string[] {
    const sources = this.#joins.get(table);
    if (sources === undefined) return NONE;
    return [...sources, ...sources.flatMap((it) => this.sourcesOf(it))];
  }

  /** `table` was deleted. */
  removed(table: string): void {
    this.#joins.delete(table);
  }

  /**
   * Whether the engine refuses to delete `table`, views or no views, because a
   * join is made of it. That doesn't protect joins themselves (ENGINE 9.14).
   */
  isSource(table: string): boolean {
    if (this.#joins.has(table)) return false;
    for (const sources of this.#joins.values()) {
      if (sources.includes(table)) return true;
    }
    return false;
  }

  #entry(table: string): Entry {
    let entry = this.#byName.get(table);
    if (entry === undefined) {
      entry = {
        live: 0,
        open: 0,
        unsure: 0,
        waiting: [],
        goes: false,
        whenGone: [],
      };
      this.#byName.set(table, entry);
    }
    return entry;
  }

  /** There are no tables any more, and nobody waits. */
  clear(): void {
    this.#byName.clear();
    this.#joins.clear();
  }
}
