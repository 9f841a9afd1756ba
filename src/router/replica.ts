/**
 * One of several engines that hold the same tables.
 *
 * @module
 */

import type { Engine, EngineListener } from "../engine/engine.ts";
import type { Reframed } from "../protocol/frame.ts";

/** Whom a replica tells what its engine tells it. */
export interface ReplicaOwner {
  /** See {@linkcode EngineListener.frame}. */
  frame(replica: Replica, frame: Uint8Array): void;
  /** See {@linkcode EngineListener.failed}. */
  failed(replica: Replica, msgId: number, error: Error): void;
  /** See {@linkcode EngineListener.fault}. */
  fault(replica: Replica, error: Error): void;
  /** See {@linkcode EngineListener.fatal}. */
  fatal(replica: Replica, error: Error): void;
}

/** An engine of the router's, and how busy it is. */
export class Replica implements EngineListener {
  /**
   * Its place among the router's engines. 0 is the primary, which executes
   * each change first.
   */
  readonly index: number;
  readonly #engine: Engine;
  readonly #owner: ReplicaOwner;
  #outstanding = 0;

  /** Listens to `engine` for `owner`. */
  constructor(engine: Engine, index: number, owner: ReplicaOwner) {
    this.#engine = engine;
    this.index = index;
    this.#owner = owner;
    engine.listen(this);
  }

  /** Whether it executes changes before the others. */
  get isPrimary(): boolean {
    return this.index === 0;
  }

  /** Requests that it has been sent and hasn't executed. */
  get outstanding(): number {
    return this.#outstanding;
  }

  /** Sends a request. */
  send(frame: Reframed, kind: number, poll: boolean): void {
    this.#outstanding++;
    this.#engine.send(frame, kind, poll);
  }

  /** Has it pass changes on to views. */
  poll(): void {
    this.#outstanding++;
    this.#engine.poll();
  }

  /** Ends the engine. */
  async close(): Promise<void> {
    await this.#engine.close();
  }

  /** See {@linkcode EngineListener.frame}. */
  frame(frame: Uint8Array): void {
    this.#owner.frame(this, frame);
  }

  /** See {@linkcode EngineListener.failed}. */
  failed(msgId: number, error: Error): void {
    this.#owner.failed(this, msgId, error);
  }

  /** See {@linkcode EngineListener.fault}. */
  fault(error: Error): void {
    this.#owner.fault(this, error);
  }

  /** See {@linkcode EngineListener.fatal}. */
  fatal(error: Error): void {
    this.#owner.fatal(this, error);
  }

  /** See {@linkcode EngineListener.executed}. */
  executed(): void {
    this.#outstanding--;
  }
}
