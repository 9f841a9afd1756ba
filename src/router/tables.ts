/**
 * Which tables have views, for deleting them.
 *
 * @module
 */

/** One table, as long as it has views or waits to be deleted. */
interface Entry {
  /** Views that no client has deleted. */
  live: number;
  /** These, and those whose deletion isn't answered yet. */
  open: number;
  /** Those whose making isn't answered yet, so that it may fail. */
  unsure: number;
  /** Lazy deletes that wait for the last view, by the router's `msg_id`. */
  readonly waiting: number[];
}

const NONE: readonly string[] = [];

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

  /** A view of `table` is being made. */
  addView(table: string): void {
    const entry = this.#byName.get(table);
    if (entry !== undefined) {
      entry.live++;
      entry.open++;
      entry.unsure++;
      return;
    }
    this.#byName.set(table, { live: 1, open: 1, unsure: 1, waiting: [] });
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

  /** A view of `table` is being deleted. */
  dropView(table: string): void {
    const entry = this.#byName.get(table);
    if (entry !== undefined) entry.live--;
  }

  /**
   * A view of `table` is deleted.
   *
   * @returns The lazy deletes that have waited for it.
   */
  viewGone(table: string): number[] {
    const entry = this.#byName.get(table);
    if (entry === undefined || --entry.open > 0) return [];
    this.#byName.delete(table);
    return entry.waiting;
  }

  /** The lazy delete `msgId` waits for the last view of `table`. */
  wait(table: string, msgId: number): void {
    this.#byName.get(table)!.waiting.push(msgId);
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

  /** There are no tables any more, and nobody waits. */
  clear(): void {
    this.#byName.clear();
    this.#joins.clear();
  }
}
