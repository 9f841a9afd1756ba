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

/** Bytes of a heap that is too large for any server. */
const SWOLLEN = 2 ** 50;

/** An engine has died before it has answered a probe. */
export class ProbeLostError extends Error {}

/** Something that was sent: by the router, or as a probe. */
interface Sent {
  readonly probe: PromiseWithResolvers<Parts> | undefined;
}

/** Stands between a router and the engine of a worker. */
export class ProbedEngine implements Engine {
  readonly line: Line;
  /** Whether it lives, as far as a test knows. */
  isAlive = true;
  /** Whether a test lets it die, and the router doesn't know it yet. */
  isDoomed = false;
  /** Whether the router was told that it has died. */
  isDead = false;
  /** Whether it has been seen with all tables. */
  isFull: boolean;
  /** Called when it dies, or is about to. */
  onDeath: (() => void) | undefined;
  /** Resolves when it has died and the router knows it, or has closed it. */
  readonly ended: Promise<void>;
  readonly #end: () => void;
  readonly #engine: WorkerEngine;
  #listener: EngineListener | undefined;
  readonly #sent: Sent[] = [];
  #answer: Parts | undefined;

  /** A new one; one of the first is full at once. */
  constructor(engine: WorkerEngine, isFull: boolean) {
    this.#engine = engine;
    this.line = engine.line;
    this.isFull = isFull;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    this.#end = resolve;
  }

  /** See {@linkcode Engine.listen}. */
  listen(listener: EngineListener): void {
    this.#listener = listener;
    this.#engine.listen({
      frame: (bytes) => {
        if (this.#sent[0]?.probe === undefined) return listener.frame(bytes);
        const got = parts(bytes);
        if (got.msgId === PROBE) this.#answer = got;
      },
      failed: (msgId, error) => listener.failed(msgId, error),
      fault: (error) => listener.fault(error),
      fatal: (error, guilty) => {
        this.#dies();
        this.isDead = true;
        listener.fatal(error, guilty);
        this.#hasEnded();
      },
      executed: (micros) => {
        const { probe } = this.#sent.shift()!;
        if (probe === undefined) return listener.executed(micros);
        probe.resolve(this.#answer!);
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
    this.#dies();
    this.#engine.close();
    this.#hasEnded();
  }

  /** See {@linkcode Engine.abandon}. */
  abandon(): boolean {
    this.#dies();
    const isOver = this.#engine.abandon();
    this.#hasEnded();
    return isOver;
  }

  /** Lets it die. One that is to throw first does what it was sent. */
  crash(how: Death): void {
    this.isDoomed = true;
    this.#dies();
    this.#engine.crash(how);
  }

  /** Has it tell of a heap that is too large, so that it is replaced. */
  swell(): void {
    this.isDoomed = true;
    this.#listener!.heap(SWOLLEN);
  }

  /**
   * Asks it something beside the router, which isn't told.
   *
   * @throws {ProbeLostError} If it dies before it answers.
   */
  probe(entity: string, kind: number, content?: Fill): Promise<Parts> {
    const probe = Promise.withResolvers<Parts>();
    if (!this.isAlive) {
      probe.reject(new ProbeLostError("The engine is dead"));
      return probe.promise;
    }
    this.#sent.push({ probe });
    const bytes = frame(PROBE, entity, kind, content);
    const header = newHeader();
    readHeader(bytes, header);
    const { bodyStart, bodyEnd } = header;
    this.#engine.send(
      new Reframed(PROBE, utf8(entity), bytes, bodyStart, bodyEnd),
      kind,
      false,
    );
    return probe.promise;
  }

  #dies(): void {
    this.isAlive = false;
    this.onDeath?.();
  }

  #hasEnded(): void {
    for (const { probe } of this.#sent.splice(0)) {
      probe?.reject(new ProbeLostError("The engine has died at a probe"));
    }
    this.isDoomed = false;
    this.#end();
  }
}
