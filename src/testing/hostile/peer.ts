/**
 * A session that waits for its answers. For tests only.
 *
 * @module
 */

import type { Server } from "../../server/server.ts";
import type {
  NewSessionOptions,
  ServerSession,
} from "../../server/server_session.ts";
import { parts } from "../frames.ts";
import { frameOf, type HostileRequest } from "./requests.ts";

/** Milliseconds that are waited for an answer, on however busy a machine. */
const PATIENCE = 60_000;

/** A client's session. */
export class Peer {
  readonly session: ServerSession;
  /** All that came, by `msg_id`. */
  readonly frames = new Map<number, Uint8Array[]>();
  /** Why it was ended. */
  ended: string | undefined;
  #msgId = 0;
  #look = () => {};

  /** Opens it on `server`. */
  constructor(server: Server, options: Omit<NewSessionOptions, "onEnd"> = {}) {
    this.session = server.newSession((bytes) => {
      const { msgId } = parts(bytes);
      const before = this.frames.get(msgId);
      if (before === undefined) this.frames.set(msgId, [bytes]);
      else before.push(bytes);
      this.#look();
    }, { ...options, onEnd: (reason) => this.ended = reason });
  }

  /** Sends a request; its `msg_id`. */
  send(request: HostileRequest): number {
    const msgId = ++this.#msgId;
    this.session.handleRequest(frameOf(msgId, request));
    return msgId;
  }

  /** The answer to a request. */
  async ask(request: HostileRequest): Promise<Uint8Array> {
    const [answer] = await this.askAll([request]);
    return answer!;
  }

  /** The answers to requests that are sent in one go. */
  async askAll(requests: readonly HostileRequest[]): Promise<Uint8Array[]> {
    const ids = requests.map((it) => this.send(it));
    await this.until(() => ids.every((it) => this.frames.has(it)));
    return ids.map((it) => this.frames.get(it)![0]!);
  }

  /** Waits until something is so, which only frames bring about. */
  async until(is: () => boolean): Promise<void> {
    if (is()) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(
      () => reject(new Error(`Nothing came in ${PATIENCE / 1000} s`)),
      PATIENCE,
    );
    this.#look = () => is() && resolve();
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      this.#look = () => {};
    }
  }
}
