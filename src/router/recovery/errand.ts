/**
 * What the router asks engines of its own accord.
 *
 * @module
 */

import { errorMessage } from "../../protocol/answers.ts";
import type { Reframed } from "../../protocol/frame.ts";
import { kindName, SERVER_ERROR } from "../../protocol/kinds.ts";
import type { Job } from "../replica.ts";
import { ownRoute, type Route } from "../route.ts";
import type { EngineView } from "../view.ts";
import type { Step } from "../session_host.ts";

/** What an {@linkcode Errand} needs of the router. */
export interface ErrandHost {
  /** Reserves a `msg_id` at the engine for `route`. */
  register(route: Route): number;
  /** Nobody waits for `msgId` any more. */
  unregister(msgId: number): void;
  /** What an engine is to do for `owner`, of the router's own accord. */
  newJob(
    step: Step,
    owner: object,
    table: string | undefined,
    view?: EngineView,
  ): Job;
}

/** What is asked, and where. */
export interface Asked {
  /** What it is. */
  readonly kind: number;
  readonly table?: string | undefined;
  readonly view?: EngineView | undefined;
  /** The request. */
  frame(msgId: number): Reframed;
  /** Puts it into its place in front of an engine. */
  send(job: Job): void;
}

/**
 * Several requests for one purpose, whose answers are waited for. When an
 * engine that it needs is lost, it is called off: then nothing that was asked
 * is waited for any more.
 */
export class Errand {
  readonly #host: ErrandHost;
  readonly #open = new Map<number, (error: Error) => void>();
  #calledOff: Error | undefined;

  /** Asks in the name of `host`. */
  constructor(host: ErrandHost) {
    this.#host = host;
  }

  /**
   * Asks for something and returns the content of the answer, in bytes of its
   * own.
   *
   * @throws {Error} If the answer is an error, or the errand is called off.
   */
  ask({ kind, table, view, frame, send }: Asked): Promise<Uint8Array> {
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    if (this.#calledOff !== undefined) {
      reject(this.#calledOff);
      return promise;
    }
    const msgId = this.#host.register(ownRoute(kind, (answer, header) => {
      this.#open.delete(msgId);
      const content = answer.slice(header.contentStart, header.bodyEnd);
      if (header.kind !== SERVER_ERROR) return resolve(content);
      reject(new Error(`${kindName(kind)} failed: ${errorMessage(content)}`));
    }));
    this.#open.set(msgId, reject);
    send(this.#host.newJob({ frame: frame(msgId), kind }, this, table, view));
    return promise;
  }

  /**
   * To be called after anything was waited for, before something is done that
   * supposes that engine.
   *
   * @throws {Error} If it is called off.
   */
  check(): void {
    if (this.#calledOff !== undefined) throw this.#calledOff;
  }

  /** Has something done that isn't answered, unless it is called off. */
  tell(
    frame: Reframed,
    { kind, table, view, send }: Omit<Asked, "frame">,
  ): void {
    if (this.#calledOff !== undefined) return;
    send(this.#host.newJob({ frame, kind }, this, table, view));
  }

  /** What was asked won't be answered. */
  callOff(why: Error): void {
    this.#calledOff ??= why;
    for (const [msgId, reject] of [...this.#open]) {
      this.#host.unregister(msgId);
      reject(why);
    }
    this.#open.clear();
  }
}
