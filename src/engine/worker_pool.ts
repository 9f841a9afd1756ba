/**
 * Engines in Web Workers.
 *
 * @module
 */

import type { Engine, EngineOptions, Executor } from "./engine.ts";
import { readStartTimeout, Starts } from "./starts.ts";
import { WorkerEngine } from "./worker_engine.ts";

/** How a {@linkcode WorkerPool} is set up. */
export interface WorkerPoolOptions {
  /**
   * How many workers a server starts. Each holds every table, so memory grows
   * with them.
   *
   * @default one per core and one more, five at most
   */
  readonly size?: number;
  /**
   * How many workers may hang at a time and still be replaced. One that hangs
   * can't be stopped: it goes on burning a core and keeps its memory until it
   * comes back, if ever, and until then the program ends by `Deno.exit` only.
   * With 0, none is replaced; with `Infinity`, there is no limit.
   *
   * @default the pool's size
   */
  readonly maxAbandoned?: number;
  /**
   * Milliseconds that a worker may take to start and load its engine, which may
   * have to be downloaded. `0` or `Infinity` sets no limit.
   *
   * @default {60000}
   */
  readonly startTimeout?: number;
}

/** What a {@linkcode WorkerPool} has running. */
export interface WorkerPoolStats {
  /** How many workers a server starts. */
  readonly size: number;
  /** Workers that take requests. */
  readonly running: number;
  /** Workers that were given up since they hang, and that still do. */
  readonly abandoned: number;
}

/**
 * Runs a server's engine in Web Workers, several times over: each worker holds
 * every table, changes go to all of them in one order, and reads and views are
 * spread over them. The main thread only passes frames on.
 *
 * @example
 * ```ts
 * import { Server, WorkerPool } from "@perspective-deno/handler";
 * import { assertEquals } from "@std/assert";
 *
 * await using executor = new WorkerPool({ size: 2 });
 * await using server = new Server({ executor });
 * const table = await server.newLocalClient().table({ x: [1, 2, 3] });
 * assertEquals(await table.size(), 3);
 * ```
 */
export class WorkerPool implements Executor, AsyncDisposable {
  /** How many workers a server starts. */
  readonly size: number;
  readonly #maxAbandoned: number;
  readonly #startTimeout: number;
  readonly #engines = new Set<Engine>();
  /** How many were given up whose threads go on. */
  #abandoned = 0;
  readonly #starts = new Starts();
  readonly #closed = new AbortController();

  /**
   * A pool without workers; they start with the server.
   *
   * @throws {RangeError} If `size` isn't a whole number from 1 to 64, or
   * `maxAbandoned` neither a whole number from 0 up nor `Infinity`, or
   * `startTimeout` is negative.
   */
  constructor(options: WorkerPoolOptions = {}) {
    const { size = Math.min(navigator.hardwareConcurrency + 1, 5) } = options;
    if (!Number.isInteger(size) || size < 1 || size > 64) {
      throw new RangeError(
        `Cannot create worker pool: "size" must be a whole number from 1 to ` +
          `64, received ${size}`,
      );
    }
    const { maxAbandoned = size } = options;
    const isCount = Number.isInteger(maxAbandoned) || maxAbandoned === Infinity;
    if (!isCount || maxAbandoned < 0) {
      throw new RangeError(
        `Cannot create worker pool: "maxAbandoned" must be a whole number ` +
          `from 0 up or Infinity, received ${maxAbandoned}`,
      );
    }
    this.size = size;
    this.#maxAbandoned = maxAbandoned;
    this.#startTimeout = readStartTimeout("worker pool", options.startTimeout);
  }

  /** What it has running. */
  stats(): WorkerPoolStats {
    return {
      size: this.size,
      running: this.#engines.size,
      abandoned: this.#abandoned,
    };
  }

  /**
   * Starts a worker with an engine. A server does that itself.
   *
   * @throws {EngineLoadError} If the engine can't be loaded in a worker, or
   * isn't within `startTimeout`.
   * @throws {Error} If the pool is closed, or more workers hang than
   * `maxAbandoned` allows.
   */
  start(options: EngineOptions): Promise<Engine> {
    const hanging = this.#abandoned;
    if (hanging > this.#maxAbandoned) {
      return Promise.reject(
        new Error(
          `Cannot start an engine: ${hanging} of the pool's workers hang, and ` +
            `"maxAbandoned" is ${this.#maxAbandoned}`,
        ),
      );
    }
    const starting = this.#start(options);
    this.#starts.add(starting);
    return starting;
  }

  async #start(options: EngineOptions): Promise<Engine> {
    const { signal } = this.#closed;
    const engine = signal.aborted
      ? undefined
      : await this.#startWorker(options, signal);
    if (engine === undefined || signal.aborted) {
      engine?.close();
      throw new Error("Cannot start an engine: the worker pool is closed");
    }
    this.#engines.add(engine);
    engine.onEnd = () => this.#engines.delete(engine);
    engine.onAbandoned = (ended) => this.#countAbandoned(ended);
    return engine;
  }

  async #startWorker(
    options: EngineOptions,
    signal: AbortSignal,
  ): Promise<WorkerEngine | undefined> {
    try {
      return await WorkerEngine.start(options, {
        startTimeout: this.#startTimeout,
        signal,
        onAbandoned: (ended) => this.#countAbandoned(ended),
      });
    } catch (reason) {
      if (signal.aborted) return undefined;
      throw reason;
    }
  }

  #countAbandoned(ended: Promise<void>): void {
    this.#abandoned++;
    ended.then(() => this.#abandoned--);
  }

  /**
   * Resolves when all workers that servers have asked for so far take requests.
   *
   * @throws {EngineLoadError} If one of them can't be started, or its engine
   * can't be loaded, or isn't within `startTimeout`: the message says what to install or to allow. It isn't
   * tried again.
   *
   * @example
   * ```ts
   * import { Server, WorkerPool } from "@perspective-deno/handler";
   *
   * await using executor = new WorkerPool({ size: 2 });
   * await using server = new Server({ executor });
   * await executor.ready();
   * ```
   */
  ready(): Promise<void> {
    return this.#starts.ready();
  }

  /**
   * Ends all workers, also those that are starting. Close the server first:
   * what it is asked after that fails. Safe to call twice.
   */
  async close(): Promise<void> {
    this.#closed.abort();
    for (const engine of this.#engines) engine.close();
    this.#engines.clear();
    await this.#starts.settled();
  }

  /** Calls {@linkcode WorkerPool.close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
