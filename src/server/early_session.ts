/**
 * A session on a server that is still starting.
 *
 * @module
 */

import { toError } from "../errors.ts";
import { refusalOf } from "../protocol/answers.ts";
import type { ServerSession } from "./server_session.ts";

/** Keeps requests, in order, until there is a session to hand them to. */
export class EarlySession implements ServerSession {
  #session: ServerSession | undefined;
  #waiting: Uint8Array[] = [];
  #closed = false;

  /**
   * @param opening The session to come. If there will be none, each request
   * is answered with the reason.
   * @param send Takes these answers. It must not throw.
   */
  constructor(
    opening: Promise<ServerSession>,
    send: (frame: Uint8Array) => void,
  ) {
    opening.then((session) => {
      // What is asked while these are answered comes after them.
      for (let frame; (frame = this.#waiting.shift()) !== undefined;) {
        session.handleRequest(frame);
      }
      this.#session = session;
      if (this.#closed) session.close();
    }, (reason) => {
      this.#closed = true;
      const { message } = toError(reason);
      for (const frame of this.#waiting) send(refusalOf(frame, message));
    }).finally(() => this.#waiting = []);
  }

  get closed(): boolean {
    return this.#session?.closed ?? this.#closed;
  }

  get pending(): number {
    return this.#session?.pending ?? this.#waiting.length;
  }

  handleRequest(frame: Uint8Array): void {
    if (this.#session !== undefined) this.#session.handleRequest(frame);
    else if (!this.#closed) this.#waiting.push(frame);
  }

  close(): void {
    // What waits is still done: a program may send changes and be gone.
    this.#closed = true;
    this.#session?.close();
  }
}
