/**
 * Engines that are being started.
 *
 * @module
 */

import type { Engine } from "./engine.ts";

/** What a pool's `ready()` waits for. */
export class Starts {
  readonly #underWay = new Set<Promise<Engine>>();
  /** The first that failed. One is enough to be told of. */
  #failed: Promise<Engine> | undefined;

  /** An engine is being started. */
  add(starting: Promise<Engine>): void {
    this.#underWay.add(starting);
    // An engine that has started may end, and isn't kept for this.
    const over = () => this.#underWay.delete(starting);
    starting.then(over, () => {
      over();
      this.#failed ??= starting;
    });
  }

  /**
   * Resolves when all have started.
   *
   * @throws {Error} What the first that failed was rejected with.
   */
  async ready(): Promise<void> {
    await Promise.all([this.#failed, ...this.#underWay]);
  }

  /** Resolves when none is under way, whatever came of them. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#underWay);
  }
}
