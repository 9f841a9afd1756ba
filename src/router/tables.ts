/**
 * Which tables have views, for deleting them.
 *
 * @module
 */

import type { ColumnType } from "../protocol/column_types.ts";
import type { Reframed } from "../protocol/frame.ts";
import type { TableMeta } from "../protocol/table_copy.ts";

/** What makes a table again on another engine, but for its rows. */
export interface TableOrigin {
  readonly meta: TableMeta;
  /** Whether rows have been given keys that may not be what its index says. */
  isKeyed: boolean;
  /** How often `table_make_port` was answered. */
  ports: number;
  /**
   * Rows that said which number they have, since the last that didn't. The
   * engine has counted them, which can't be seen in the table.
   */
  numbered: number;
}

/** A join table. */
interface Join {
  /** The tables that it is made of. */
  readonly sources: readonly string[];
  /** The request that made it, in bytes of its own. */
  readonly request: Reframed;
  /** How often `table_make_port` was answered. */
  ports: number;
}

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
  readonly #joins = new Map<string, Join>();
  /** The sources of joins whose making isn't answered yet. */
  readonly #joining = new Set<readonly string[]>();
  /** How the others were made; the first was made first. */
  readonly #origins = new Map<string, TableOrigin>();
  /** Who made those whose number is limited, and how many each. */
  readonly #makers = new Map<string, object>();
  readonly #made = new WeakMap<object, number>();
  /** The columns of those that somebody had to know them of. */
  readonly #columns = new Map<string, ReadonlyMap<string, ColumnType>>();
  /** Whose columns engines are being asked for, since they were made or deleted. */
  readonly #questions = new Map<string, object>();

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

  /**
   * `table` was made, as `meta` says. If there is one of that name, engines of
   * line 3 say so as well, and leave it as it is.
   */
  add(table: string, meta: TableMeta): void {
    if (this.#origins.has(table) || this.#joins.has(table)) return;
    this.#origins.set(table, {
      meta,
      isKeyed: false,
      ports: 0,
      numbered: 0,
    });
  }

  /** `table` got another port. */
  addPort(table: string): void {
    const made = this.#origins.get(table) ?? this.#joins.get(table);
    if (made !== undefined) made.ports++;
  }

  /** How many ports `table` has got. */
  portsOf(table: string): number {
    return (this.#origins.get(table) ?? this.#joins.get(table))?.ports ?? 0;
  }

  /** Rows of `table` have been given keys that may not be what its index says. */
  addKeys(table: string): void {
    const origin = this.#origins.get(table);
    if (origin !== undefined) origin.isKeyed = true;
  }

  /** `table` got rows, of which so many said which number they have, or none. */
  addNumbered(table: string, rows: number): void {
    const origin = this.#origins.get(table);
    if (origin !== undefined) origin.numbered = rows && origin.numbered + rows;
  }

  /** How `table` was made; `undefined` if it is a join, or no table. */
  origin(table: string): Readonly<TableOrigin> | undefined {
    return this.#origins.get(table);
  }

  /** An engine is asked for a join of `sources`, until {@linkcode Tables.joined}. */
  joining(sources: readonly string[]): void {
    this.#joining.add(sources);
  }

  /** It was answered, one way or the other. */
  joined(sources: readonly string[]): void {
    this.#joining.delete(sources);
  }

  /** Whether `table` may have become a source of a join. */
  isJoining(table: string): boolean {
    for (const it of this.#joining) if (it.includes(table)) return true;
    return false;
  }

  /** The join table `table` was made of `sources`, by `request`. */
  addJoin(table: string, sources: readonly string[], request: Reframed): void {
    this.#joins.set(table, { sources, request, ports: 0 });
  }

  /** Whether `table` is a join. */
  isJoin(table: string): boolean {
    return this.#joins.has(table);
  }

  /** The request that made the join table `table`; `undefined` if it is none. */
  joinRequest(table: string): Reframed | undefined {
    return this.#joins.get(table)?.request;
  }

  /** The tables that a join table is made of, and those that they are made of. */
  sourcesOf(table: string): readonly string[] {
    const join = this.#joins.get(table);
    if (join === undefined) return NONE;
    const { sources } = join;
    return [...sources, ...sources.flatMap((it) => this.sourcesOf(it))];
  }

  /**
   * All tables, those together that have to do with each other: joins, and what
   * they are made of, each after its sources.
   */
  groups(): string[][] {
    const groups: string[][] = [...this.#origins.keys()].map((it) => [it]);
    for (const table of this.#joins.keys()) {
      const sources = this.sourcesOf(table);
      const joined = groups.filter((it) => it.some((t) => sources.includes(t)));
      if (joined.length === 0) continue; // its sources have been deleted
      for (const group of joined) groups.splice(groups.indexOf(group), 1);
      groups.push([...joined.flat(), table]);
    }
    return groups;
  }

  /**
   * `maker` asks for `table`, which counts as its from now on.
   *
   * @returns Whether it does: not if there is one already.
   */
  reserve(table: string, maker: object): boolean {
    const isThere = this.#makers.has(table) || this.#origins.has(table) ||
      this.#joins.has(table);
    if (isThere) return false;
    this.#makers.set(table, maker);
    this.#made.set(maker, this.madeBy(maker) + 1);
    return true;
  }

  /** `table` is nobody's: it couldn't be made, or was deleted. */
  unreserve(table: string): void {
    const maker = this.#makers.get(table);
    if (maker === undefined) return;
    this.#makers.delete(table);
    this.#made.set(maker, this.madeBy(maker) - 1);
  }

  /** How many tables there are that `maker` has asked for. */
  madeBy(maker: object): number {
    return this.#made.get(maker) ?? 0;
  }

  /** The columns of `table`, if they are known. */
  columnsOf(table: string): ReadonlyMap<string, ColumnType> | undefined {
    return this.#columns.get(table);
  }

  /**
   * An engine is asked for the columns of `table`. What this returns is to be
   * called with them, or with `undefined` if there are none: an answer that
   * comes after the table was deleted isn't remembered.
   */
  expectColumns(
    table: string,
  ): (columns: ReadonlyMap<string, ColumnType> | undefined) => void {
    const question = this.#questions.get(table) ?? {};
    this.#questions.set(table, question);
    return (columns) => {
      if (this.#questions.get(table) !== question) return;
      this.#questions.delete(table);
      if (columns !== undefined) this.#columns.set(table, columns);
    };
  }

  /** `table` was deleted. */
  removed(table: string): void {
    this.unreserve(table);
    this.#columns.delete(table);
    this.#questions.delete(table);
    this.#joins.delete(table);
    this.#origins.delete(table);
  }

  /**
   * A join that is made of `table`, which therefore can't be deleted, views or
   * no views. The engine sees to that, but for joins (ENGINE 9.14).
   */
  joinOf(table: string): string | undefined {
    for (const [join, { sources }] of this.#joins) {
      if (sources.includes(table)) return join;
    }
    return undefined;
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
    this.#joining.clear();
    this.#origins.clear();
    this.#columns.clear();
    this.#questions.clear();
    this.#makers.clear();
  }
}
