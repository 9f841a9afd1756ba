/**
 * A worker's engine that a test can let die, and look into. For tests only.
 *
 * @module
 */

import type { Engine, EngineListener } from "../../engine/engine.ts";
import type { WorkerEngine } from "../../engine/worker_engine.ts";
import { Reframed, utf8 } from "../../protocol/frame.ts";
import { newHeader, readHeader } from "../../protocol/header.ts";
import type { Line } from "../../protocol/kinds.ts";
import { type Fill, frame, type Parts, parts } from "../frames.ts";

/** Below all ids of a router's own. */
const PROBE = 77;

/** How a worker dies: see {@linkcode WorkerEngine.crash}. */
export type Death = "terminate" | "throw";

/** Something that was sent: by the router, or as a probe. */
interface Sent {
  readonly probe: ((answer: Parts) => void) | undefined;
}

/** Stands between a router and the engine of a worker. */
export class ProbedEngine implements Engine {
  readonly line: Line;
  /** Whether it lives, as far as a test knows. */
  isAlive = true;
  /** Whether it has been seen with all tables. */
  isFull: boolean;
  /** Called when it dies, or is about to. */
  onDeath: (() => void) | undefined;
  readonly #engine: WorkerEngine;
  readonly #sent: Sent[] = [];
  #answer: Parts | undefined;

  /** A new one; one of the first is full at once. */
  constructor(engine: WorkerEngine, isFull: boolean) {
    this.#engine = engine;
    this.line = engine.line;
    this.isFull = isFull;
  }

  /** See {@linkcode Engine.listen}. */
  listen(listener: EngineListener): void {
    this.#engine.listen({
      frame: (bytes) => {
        if (this.#sent[0]?.probe === undefined) return listener.frame(bytes);
        const got = parts(bytes);
        if (got.msgId === PROBE) this.#answer = got;
      },
      failed: (msgId, error) => listener.failed(msgId, error),
      fault: (error) => listener.fault(error),
      fatal: (error, guilty) => {
        this.isAlive = false;
        this.onDeath?.();
        listener.fatal(error, guilty);
      },
      executed: (micros) => {
        const { probe } = this.#sent.shift()!;
        if (probe === undefined) return listener.executed(micros);
        probe(this.#answer!);
      },
      heap: (bytes) => listener.heap(bytes),
    });
  }

  /** See {@linkcode Engine.send}. */
  send(request: Reframed, kind: number, poll: boolean): void {
    this.#sent.push({ probe: undefined });
    this.#engine.send(request, kind, poll);
  }

  /** See {@linkcode Engine.poll}. */
  poll(): void {
    this.#sent.push({ probe: undefined });
    this.#engine.poll();
  }

  /** See {@linkcode Engine.close}. */
  close(): void {
    this.isAlive = false;
    this.#engine.close();
  }

  /** See {@linkcode Engine.abandon}. */
  abandon(): boolean {
    this.isAlive = false;
    return this.#engine.abandon();
  }

  /** Lets it die. */
  crash(how: Death): void {
    this.isAlive = false;
    this.onDeath?.();
    this.#engine.crash(how);
  }

  /** Asks it something beside the router, which isn't told. */
  probe(entity: string, kind: number, content?: Fill): Promise<Parts> {
    const { promise, resolve } = Promise.withResolvers<Parts>();
    this.#sent.push({ probe: resolve });
    const bytes = frame(PROBE, entity, kind, content);
    const header = newHeader();
    readHeader(bytes, header);
    const { bodyStart, bodyEnd } = header;
    this.#engine.send(
      new Reframed(PROBE, utf8(entity), bytes, bodyStart, bodyEnd),
      kind,
      false,
    );
    return promise;
  }
}
