/**
 * Making a server's tables again when they are lost.
 *
 * @module
 */

import type { Router } from "../router/router.ts";

/**
 * New engines, up to where the program has made its tables on them. When it is
 * called off, nothing of it stays open.
 */
export class Reload {
  /**
   * Resolves with the new engines' router, if it is fit for use.
   *
   * Rejects if engines can't be started, or the program fails.
   */
  readonly done: Promise<Router | undefined>;
  readonly #opening: Promise<Router>;
  #isOff = false;

  /** `load` makes the tables. */
  constructor(
    opening: Promise<Router>,
    load: (router: Router) => void | Promise<void>,
  ) {
    this.#opening = opening;
    this.done = this.#run(load);
  }

  async #run(
    load: (router: Router) => void | Promise<void>,
  ): Promise<Router | undefined> {
    const router = await this.#opening;
    if (this.#isOff) return undefined;
    try {
      await load(router);
    } catch (reason) {
      await router.close();
      throw reason;
    }
    // If it is lost already, the program has been told of that.
    return this.#isOff || router.lost !== undefined ? undefined : router;
  }

  /**
   * It isn't wanted any more: whatever the program asks is answered with an
   * error. Resolves when all engines have ended. The program isn't waited for:
   * it may be what waits for this.
   */
  async callOff(): Promise<void> {
    this.#isOff = true;
    await this.#opening.then((router) => router.close(), () => {});
  }
}
