/**
 * Which views the engines have.
 *
 * @module
 */

import { Kind } from "../protocol/kinds.ts";
import type { Reads } from "./read_memory.ts";
import type { Route } from "./route.ts";
import type { Tables } from "./tables.ts";
import type { EngineView } from "./view.ts";

/** What a {@linkcode ViewIndex} needs of the router. */
export interface ViewIndexHost {
  /** Which tables have views. */
  readonly tables: Tables;
  /** Asks the engine of `view` something on the router's own account. */
  askView(
    view: EngineView,
    kind: number,
    owner: object,
    take: Route["take"],
  ): void;
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
export class ViewIndex {
  readonly #host: ViewIndexHost;
  readonly #views = new Set<EngineView>();
  /** Those that may be given to others. */
  readonly #byKey = new Map<string, EngineView>();

  /** There are none yet. */
  constructor(host: ViewIndexHost) {
    this.#host = host;
  }

  /** How many there are. */
  get size(): number {
    return this.#views.size;
  }

  /** The view that means the same, if it may be shared. */
  find(key: string): EngineView | undefined {
    return this.#byKey.get(key);
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

  /**
   * Somebody is done with `view`, or with a request on it. If that was the
   * last, the view goes.
   */
  released(view: EngineView): void {
    if (view.state !== "made") return;
    if (view.users.size > 0 || view.pending > 0) return;
    this.unshare(view);
    view.state = "gone";
    const take = () => {
      this.gone(view);
      this.#host.wake();
    };
    this.#host.askView(view, Kind.VIEW_DELETE, this, take);
  }

  /** The engine doesn't have `view` any more. */
  gone(view: EngineView): void {
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
    this.#views.clear();
    this.#byKey.clear();
  }
}
