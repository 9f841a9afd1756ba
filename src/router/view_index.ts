/**
 * Which views the engines have.
 *
 * @module
 */

import { Kind } from "../protocol/kinds.ts";
import { type Later, Lingering, type LingeringHost } from "./lingering.ts";
import type { Reads } from "./read_memory.ts";
import type { Replica } from "./replica.ts";
import type { Route } from "./route.ts";
import type { Tables } from "./tables.ts";
import type { EngineView } from "./view.ts";

/** What a {@linkcode ViewIndex} needs of the router. */
export interface ViewIndexHost {
  /** Which tables have views. */
  readonly tables: Tables;
  /** Asks the engine of `view` something on the router's own account, in `owner`'s turn. */
  askView(
    view: EngineView,
    kind: number,
    owner: object,
    take: Route["take"],
  ): void;
  /** Microseconds that making `view` takes, as far as is known. */
  makingMicros(view: EngineView): number;
  /** For what will be read of a view, if that is to be remembered. */
  newReads(): Reads | undefined;
  /** Nobody waits for `msgId` any more. */
  unregister(msgId: number): void;
  /** The lazy deletes `waiting` of `table`, which has no more views, happen. */
  deleteTable(table: string, waiting: readonly number[]): void;
  /** Has sessions retry that hold requests. */
  wake(): void;
}

/**
 * Knows the engines' views: an identical one that is there is given to
 * whoever asks for it (Invariant 5), and one that nobody has any more goes.
 */
export class ViewIndex implements LingeringHost {
  readonly #host: ViewIndexHost;
  readonly #lingering: Lingering;
  readonly #views = new Set<EngineView>();
  #isOver = false;
  /** Those that may be given to others. */
  readonly #byKey = new Map<string, EngineView>();

  /** There are none yet. They linger for so long, by the clock `later`. */
  constructor(host: ViewIndexHost, viewLinger: number, later: Later) {
    this.#host = host;
    this.#lingering = new Lingering({ viewLinger, later }, this);
  }

  /** How many there are. */
  get size(): number {
    return this.#views.size;
  }

  /** How many of them nobody has any more. */
  get lingering(): number {
    return this.#lingering.size;
  }

  /** The view that means the same, if it may be shared. */
  find(key: string): EngineView | undefined {
    const view = this.#byKey.get(key);
    if (view !== undefined) this.#lingering.take(view);
    return view;
  }

  /** `table` is being changed. */
  changed(table: string): void {
    this.#lingering.changed(table);
  }

  /** Views of `table` that nobody has any more go. */
  release(table: string): void {
    this.#lingering.release(table);
  }

  /** So do those on `replica`, in the turn of `owner`; whether there were any. */
  releaseOn(replica: Replica, owner: object): boolean {
    return this.#lingering.releaseOn(replica, owner);
  }

  /** `view` is being made; with a key it may be shared. */
  add(view: EngineView): void {
    this.#views.add(view);
    view.replica.views++;
    view.reads = this.#host.newReads();
    this.#host.tables.open(view.table);
    if (view.key !== undefined) this.#byKey.set(view.key, view);
  }

  /** `view` isn't given to anyone else any more. */
  unshare(view: EngineView): void {
    if (view.key === undefined) return;
    this.#byKey.delete(view.key);
    view.key = undefined;
  }

  /** It is known whether `view` could be made. */
  made(view: EngineView, isMade: boolean): void {
    const { tables } = this.#host;
    tables.confirm(view.table);
    if (view.state === "gone") return; // it was deleted meanwhile
    if (isMade) {
      view.state = "made";
      return this.released(view);
    }
    view.users.forEach(() => tables.dropView(view.table));
    this.gone(view);
  }

  /** Those that live on `replica`. */
  on(replica: Replica): readonly EngineView[] {
    return [...this.#views].filter((it) => it.replica === replica);
  }

  /** Those on `replica` that nobody has any more: they are gone with its engine. */
  unusedOn(replica: Replica): readonly EngineView[] {
    return this.on(replica).filter(({ state, users, pending }) =>
      state === "made" && users.size === 0 && pending === 0
    );
  }

  /** `view` lives on `replica` from now on. */
  move(view: EngineView, replica: Replica): void {
    view.replica.views--;
    view.replica = replica;
    replica.views++;
  }

  /** Clients don't have `view` any more, as they will find. */
  withdraw(view: EngineView): void {
    view.isWithdrawn = true;
    for (const { subscriptions } of view.users) {
      for (const id of subscriptions) this.#host.unregister(id);
      subscriptions.clear();
      this.#host.tables.dropView(view.table);
    }
    this.gone(view);
  }

  /**
   * Somebody is done with `view`, or with a request on it. If that was the
   * last, the view lingers, or goes.
   */
  released(view: EngineView): void {
    // A session that had closed may be done with something only now.
    if (this.#isOver || view.state !== "made") return;
    if (view.users.size > 0 || view.pending > 0) return;
    if (!this.#mayLinger(view)) return this.remove(view, this);
    this.#lingering.add(view);
    // Somebody may wait for it to go: a delete of its table.
    this.#host.wake();
  }

  /** Nobody has `view` any more, and it goes now. */
  remove(view: EngineView, owner: object): void {
    this.unshare(view);
    view.state = "gone";
    const take = () => {
      this.gone(view);
      this.#host.wake();
    };
    this.#host.askView(view, Kind.VIEW_DELETE, owner, take);
  }

  /** See {@linkcode LingeringHost.makingMicros}. */
  makingMicros(view: EngineView): number {
    return this.#host.makingMicros(view);
  }

  #mayLinger(view: EngineView): boolean {
    return this.#lingering.isOn && view.key !== undefined &&
      // An engine goes on recording the rows that change.
      !view.recordsRows &&
      !view.replica.isForeign && !this.#host.tables.isGoing(view.table);
  }

  /** The engine doesn't have `view` any more. */
  gone(view: EngineView): void {
    this.#lingering.take(view);
    this.unshare(view);
    view.state = "gone";
    if (!this.#views.delete(view)) return;
    view.replica.views--;
    view.reads?.clear();
    for (const feed of view.feeds.values()) this.#host.unregister(feed.id);
    view.feeds.clear();
    const { tables } = this.#host;
    const last = tables.viewGone(view.table);
    if (last === undefined) return;
    const { waiting, whenGone } = last;
    if (waiting.length > 0) this.#host.deleteTable(view.table, waiting);
    for (const tell of whenGone) tell();
  }

  /** There is no engine any more. */
  clear(): void {
    this.#isOver = true;
    this.#lingering.clear();
    this.#views.clear();
    this.#byKey.clear();
  }
}
