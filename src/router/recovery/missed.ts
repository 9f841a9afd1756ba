/**
 * Changes that views weren't told of.
 *
 * @module
 */

import { Kind } from "../../protocol/kinds.ts";
import type { Job } from "../replica.ts";

/** Kinds of changes that views push. */
const PUSHED: ReadonlySet<number> = new Set([
  Kind.TABLE_UPDATE,
  Kind.TABLE_REMOVE,
  Kind.TABLE_REPLACE,
]);

const NOBODY: ReadonlySet<number> = new Set();

/**
 * Remembers what an engine that was lost hasn't pushed and the next one won't,
 * since it gets the tables as they are after it. Those who have subscribed are
 * told by the router then, once for each table and port, as if these changes
 * had shared a poll.
 */
export class Missed {
  /** By table and port: who has been told nevertheless. */
  readonly #tables = new Map<string, Map<number, ReadonlySet<number>>>();

  /** What `other` remembers, too; of the tables and ports of `of`, if it is given. */
  addAll(other: Missed, of: Missed = other): void {
    for (const [table, ports] of other.#tables) {
      for (const [port, told] of ports) {
        if (of.#tables.get(table)?.has(port)) this.#add(table, port, told);
      }
    }
  }

  /** Views weren't told of these changes, but for the subscriptions `told`. */
  add(changes: readonly Job[], told: ReadonlySet<number> = NOBODY): void {
    for (const { kind, table, change, port = 0 } of changes) {
      if (table === undefined || !PUSHED.has(kind)) continue;
      if (change === 0) continue; // what a new engine is filled with
      this.#add(table, port, told);
    }
  }

  #add(table: string, port: number, told: ReadonlySet<number>): void {
    let ports = this.#tables.get(table);
    if (ports === undefined) this.#tables.set(table, ports = new Map());
    const before = ports.get(port);
    ports.set(port, before === undefined ? told : both(before, told));
  }

  /**
   * The ports that subscription `msgId` hasn't been told of, where `tables` are
   * what its view is on and, if that is a join, what it is made of. Views of a
   * join are told of one port, whichever its sources are changed through.
   */
  portsFor(tables: readonly string[], msgId: number): number[] {
    const missed = new Set<number>();
    for (const [i, table] of tables.entries()) {
      for (const [port, told] of this.#tables.get(table) ?? []) {
        if (!told.has(msgId)) missed.add(i === 0 ? port : 0);
      }
    }
    return [...missed];
  }

  /** Subscription `msgId` has been told of what `tables` have. */
  tell(tables: readonly string[], msgId: number): void {
    for (const table of tables) {
      const ports = this.#tables.get(table);
      for (const [port, told] of ports ?? []) {
        ports!.set(port, new Set(told).add(msgId));
      }
    }
  }

  /** All that views of `tables` missed, they have been told of. */
  told(tables: readonly string[]): void {
    for (const table of tables) this.#tables.delete(table);
  }
}

function both(
  one: ReadonlySet<number>,
  other: ReadonlySet<number>,
): ReadonlySet<number> {
  return one.size === 0 || other.size === 0
    ? NOBODY
    : new Set([...one].filter((it) => other.has(it)));
}
