/**
 * Lazy deletes of tables that wait for the last view to go.
 *
 * @module
 */

/**
 * The engine answers a lazy `table_delete` when the table goes, and then only
 * whoever asked last (ENGINE 5.2). This remembers the others, so that each
 * request gets its answer (Invariant 3).
 */
export class WaitingDeletes {
  readonly #byTable = new Map<string, number[]>();

  /** How many requests wait. */
  get size(): number {
    let size = 0;
    for (const waiting of this.#byTable.values()) size += waiting.length;
    return size;
  }

  /** Nobody waits any more. */
  clear(): void {
    this.#byTable.clear();
  }

  /** The engine was asked to delete `table` by request `msgId`. */
  add(table: string, msgId: number): void {
    const waiting = this.#byTable.get(table);
    if (waiting === undefined) this.#byTable.set(table, [msgId]);
    else waiting.push(msgId);
  }

  /**
   * The engine answered request `msgId`.
   *
   * @returns The requests before it, which are answered by the same.
   */
  answered(table: string, msgId: number): number[] {
    const waiting = this.#byTable.get(table) ?? [];
    const at = waiting.indexOf(msgId);
    if (at < 0) return [];
    const done = waiting.splice(0, at + 1);
    if (waiting.length === 0) this.#byTable.delete(table);
    done.pop();
    return done;
  }
}
