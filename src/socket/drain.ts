/**
 * Ending connections when they have had their answers.
 *
 * @module
 */

import type { CloseReason } from "./close_codes.ts";

/** What is used of a connection. */
export interface Drained {
  /** Takes no more requests. */
  drain(): void;
  /** Whether it has been answered all that it asked, and everything is written. */
  isDrained(): boolean;
  /** Closes it. Safe to call twice. */
  close(code: number, reason: string): void;
}

/**
 * Milliseconds between two looks at what isn't drained yet: neither a session
 * nor Deno's WebSocket has an event for that.
 */
const LOOK = 10;

/** Ends connections as soon as nothing of them is in flight, or at a deadline. */
export class Drain {
  readonly #connections: ReadonlySet<Drained>;
  readonly #reason: CloseReason;
  readonly #done = Promise.withResolvers<void>();
  #deadline = Infinity;
  #timer: ReturnType<typeof setInterval> | undefined;

  /**
   * Begins to drain `connections`, to which none are added any more.
   *
   * @param reason What they are closed with.
   * @param timeout Milliseconds, see {@linkcode Drain.hurry}.
   */
  constructor(
    connections: ReadonlySet<Drained>,
    reason: CloseReason,
    timeout: number,
  ) {
    this.#connections = connections;
    this.#reason = reason;
    for (const connection of [...connections]) connection.drain();
    this.#timer = setInterval(() => this.#look(), LOOK);
    this.hurry(timeout);
  }

  /** Resolves when {@linkcode Drain.gone} finds that all have gone. */
  get done(): Promise<void> {
    return this.#done.promise;
  }

  /** Whatever is in flight in `timeout` milliseconds isn't waited for. */
  hurry(timeout: number): void {
    this.#deadline = Math.min(this.#deadline, performance.now() + timeout);
    this.#look();
    this.gone();
  }

  /** To be called when a connection has gone. */
  gone(): void {
    if (this.#connections.size > 0) return;
    clearInterval(this.#timer);
    this.#done.resolve();
  }

  #look(): void {
    const { code, reason } = this.#reason;
    const isOver = performance.now() >= this.#deadline;
    for (const connection of [...this.#connections]) {
      if (isOver || connection.isDrained()) connection.close(code, reason);
    }
    if (isOver) clearInterval(this.#timer);
  }
}
