/**
 * A pool of workers that a test can let die. For tests only.
 *
 * @module
 */

import type { EngineOptions, Executor } from "../../engine/engine.ts";
import { WorkerEngine } from "../../engine/worker_engine.ts";
import { WorkerPool } from "../../engine/worker_pool.ts";
import type { ServerStats } from "../../server/server.ts";
import { ProbedEngine } from "./probed_engine.ts";

/** A {@linkcode WorkerPool} whose engines can be got at. */
export class FaultyPool implements Executor, AsyncDisposable {
  readonly size: number;
  /** All that were ever started: the first of them in the order of replicas. */
  readonly engines: ProbedEngine[] = [];
  /** Called when an engine has been started. */
  onStart: ((engine: ProbedEngine) => void) | undefined;
  /** Called when an engine dies. */
  onDeath: (() => void) | undefined;
  readonly #pool: WorkerPool;
  #asked = 0;

  /** Workers start with the server. */
  constructor(size: number) {
    this.size = size;
    this.#pool = new WorkerPool({ size });
  }

  /** See {@linkcode Executor.start}. */
  async start(options: EngineOptions): Promise<ProbedEngine> {
    const nth = this.#asked++;
    const started = await this.#pool.start(options);
    if (!(started instanceof WorkerEngine)) throw new Error("No worker");
    const engine = new ProbedEngine(started, nth < this.size);
    engine.onDeath = () => this.onDeath?.();
    this.engines[nth] = engine;
    this.onStart?.(engine);
    return engine;
  }

  /** How many have died. */
  get dead(): number {
    return this.engines.filter((it) => it?.isDead).length;
  }

  /** Those that live, as far as is known. */
  get alive(): ProbedEngine[] {
    return this.engines.filter((it) => it?.isAlive);
  }

  /** Of these, such as have all tables, by what the server says. */
  full({ replicas }: Pick<ServerStats, "replicas">): ProbedEngine[] {
    const { alive } = this;
    const up = replicas.filter(({ state }) => state === "up").length;
    if (up === alive.length) { for (const it of alive) it.isFull = true; }
    return alive.filter(({ isFull }) => isFull);
  }

  /**
   * Resolves when no engine is about to die: the router knows of each that was
   * let die so far. One that is to throw may have a lot to do before that.
   */
  async quiet(): Promise<void> {
    const dying = () => this.engines.filter((it) => it?.isDoomed);
    for (let some; (some = dying()).length > 0;) {
      await Promise.all(some.map(({ ended }) => ended));
    }
  }

  /** Calls {@linkcode WorkerPool.close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.close();
  }
}

/** Resolves when all engines of `server` have all tables. */
export async function allUp(
  server: { stats(): ServerStats },
  timeout = 90_000,
): Promise<void> {
  const until = performance.now() + timeout;
  for (;;) {
    const { replicas } = server.stats();
    if (replicas.every(({ state }) => state === "up")) return;
    if (performance.now() > until) {
      const states = replicas.map(({ state }) => state);
      throw new Error(`After ${timeout} ms engines are ${states.join(", ")}`);
    }
    // There is no event to wait for.
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
