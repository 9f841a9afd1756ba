/**
 * The order of changes.
 *
 * @module
 */

import type { Engine } from "../engine/engine.ts";
import type { Reframed } from "../protocol/frame.ts";

/**
 * Gives every change the next number, hands it to the engine in that order
 * (Invariant 1) and decides where the engine polls, since that is part of the
 * engine's state (ENGINE 2.2).
 *
 * It polls after each change, so that what a session has been told is what
 * anyone reads from then on (Invariant 2). With `onPollRequest` the program
 * polls when it likes; then whatever isn't a change waits for no one and polls
 * first, because a read doesn't do that by itself (ENGINE 2.4).
 */
export class Sequencer {
  readonly #engine: Engine;
  readonly #onPollRequest: (() => void) | undefined;
  #number = 0;
  /** Whether there is something to poll for. */
  #unpolled = false;
  /** Whether the program has been asked to poll. */
  #asked = false;

  /** Orders the changes of `engine`; `onPollRequest` asks the program to poll. */
  constructor(engine: Engine, onPollRequest?: () => void) {
    this.#engine = engine;
    this.#onPollRequest = onPollRequest;
  }

  /** How many changes there have been. */
  get changes(): number {
    return this.#number;
  }

  /** Hands on a change and returns its number. */
  change(frame: Reframed, kind: number): number {
    const number = ++this.#number;
    if (this.#onPollRequest === undefined) {
      this.#engine.send(frame, kind, true);
      return number;
    }
    // Before it is sent: a client may read as soon as it is answered.
    this.#unpolled = true;
    this.#engine.send(frame, kind, false);
    if (this.#unpolled && !this.#asked) {
      this.#asked = true;
      this.#onPollRequest();
    }
    return number;
  }

  /** Hands on anything else. */
  request(frame: Reframed, kind: number): void {
    if (this.#unpolled) this.poll();
    this.#engine.send(frame, kind, false);
  }

  /** Passes the changes since the last poll on to views. */
  poll(): void {
    this.#unpolled = this.#asked = false;
    this.#engine.poll();
  }
}
