/**
 * Views that nobody has any more, and that stay for a while.
 *
 * @module
 */

import type { Replica } from "./replica.ts";
import type { EngineView } from "./view.ts";

/** Calls `callback` so many milliseconds later; the result prevents it. */
export type Later = (ms: number, callback: () => void) => () => void;

/** How views linger. */
export interface LingeringOptions {
  /** Milliseconds that a view stays; 0 for none. */
  readonly viewLinger: number;
  /** The clock. */
  readonly later: Later;
}

/** What {@linkcode Lingering} needs to know. */
export interface LingeringHost {
  /** Microseconds that making `view` takes, as far as is known. */
  makingMicros(view: EngineView): number;
  /** Deletes `view`, in the turn of `owner`. */
  remove(view: EngineView, owner: object): void;
}

/** Views that linger at most (Invariant 8). */
const MOST_VIEWS = 64;

/**
 * Microseconds that making those on one engine takes at most, all together. It
 * stands for their memory, which grows with it: a view of a million rows takes
 * about as many seconds as it takes hundreds of megabytes.
 */
const MOST_MAKING = 3_000_000;

/**
 * Microseconds that a change of a table may take longer on one engine for views
 * that nobody looks at.
 */
const MOST_UPKEEP = 20_000;

/**
 * What a change takes for a view, of what making it took: nearly nothing if it
 * groups columns, up to a fifth if it has rows or expressions (ENGINE 4.8).
 */
const UPKEEP = { grouped: 0.02, others: 0.2 } as const;

/**
 * Keeps views for a reload, a second tab, or going back to the last pivot.
 * Nobody can tell: they don't count as views of their table, and nothing is
 * pushed to them. They go after a while, and before that when there are too
 * many, when they take too much memory, when their table is changed and they
 * make that slow, and when their table is deleted.
 */
export class Lingering {
  readonly #options: LingeringOptions;
  readonly #host: LingeringHost;
  /** With what prevents their end; the first has lingered longest. */
  readonly #views = new Map<EngineView, () => void>();

  /** None yet. */
  constructor(options: LingeringOptions, host: LingeringHost) {
    this.#options = options;
    this.#host = host;
  }

  /** How many there are. */
  get size(): number {
    return this.#views.size;
  }

  /** Whether any view may linger. */
  get isOn(): boolean {
    return this.#options.viewLinger > 0;
  }

  /** Nobody has `view` any more. */
  add(view: EngineView): void {
    const { viewLinger, later } = this.#options;
    // A longer one than a timer takes is for ever.
    const cancel = viewLinger > 0x7fff_ffff
      ? () => {}
      : later(viewLinger, () => this.#drop(view));
    this.#views.set(view, cancel);
    if (this.#views.size > MOST_VIEWS) {
      this.#drop(this.#views.keys().next().value!);
    }
    const making = (it: EngineView) => this.#host.makingMicros(it);
    this.#trim(this.#on(view.replica), making, MOST_MAKING, view);
  }

  /** Somebody has `view` again, if it lingered. */
  take(view: EngineView): void {
    this.#views.get(view)?.();
    this.#views.delete(view);
  }

  /** `table` is being changed: what makes that slow goes. */
  changed(table: string): void {
    if (this.#views.size === 0) return;
    const upkeep = (view: EngineView) =>
      this.#host.makingMicros(view) *
      (view.isGrouped ? UPKEEP.grouped : UPKEEP.others);
    const ofTable = [...this.#views.keys()].filter((it) => it.table === table);
    for (const replica of new Set(ofTable.map((it) => it.replica))) {
      const there = ofTable.filter((it) => it.replica === replica);
      this.#trim(there, upkeep, MOST_UPKEEP);
    }
  }

  /** `table` is being deleted: they don't hinder that. */
  release(table: string): void {
    for (const view of [...this.#views.keys()]) {
      if (view.table === table) this.#drop(view);
    }
  }

  /**
   * `replica` is short of memory: they all go, in the turn of `owner`.
   *
   * @returns Whether there were any.
   */
  releaseOn(replica: Replica, owner: object): boolean {
    const there = this.#on(replica);
    for (const view of there) this.#drop(view, owner);
    return there.length > 0;
  }

  /** There is no engine any more. */
  clear(): void {
    for (const cancel of this.#views.values()) cancel();
    this.#views.clear();
  }

  #on(replica: Replica): EngineView[] {
    return [...this.#views.keys()].filter((it) => it.replica === replica);
  }

  /** Drops the first of `views`, but not `newest`, until they take `most` in all. */
  #trim(
    views: readonly EngineView[],
    micros: (view: EngineView) => number,
    most: number,
    newest?: EngineView,
  ): void {
    let sum = views.reduce((sum, it) => sum + micros(it), 0);
    for (const view of views) {
      if (sum <= most || view === newest) return;
      sum -= micros(view);
      this.#drop(view);
    }
  }

  #drop(view: EngineView, owner: object = this): void {
    this.take(view);
    this.#host.remove(view, owner);
  }
}
