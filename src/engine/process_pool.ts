/**
 * Engines in processes.
 *
 * @module
 */

import type { Engine, EngineOptions, Executor } from "./engine.ts";
import { ProcessEngine } from "./process_engine.ts";
import { readStartTimeout, Starts } from "./starts.ts";

/** How a {@linkcode ProcessPool} is set up. */
export interface ProcessPoolOptions {
  /**
   * How many processes a server starts. Each holds every table, so memory
   * grows with them.
   *
   * @default one per core and one more, five at most
   */
  readonly size?: number;
  /**
   * Bytes of memory that a process may have resident. One that has more ends,
   * within a second; its engine is lost, with an error that says so. An engine
   * without tables takes some 150 MB. `Infinity` is no limit.
   *
   * @default half of the machine's memory, divided by `size`. What a container
   * may have of it isn't known
   */
  readonly maxMemory?: number;
  /**
   * Milliseconds that a process may take to start and load its engine, which
   * may have to be downloaded. `0` or `Infinity` sets no limit.
   *
   * @default {60000}
   */
  readonly startTimeout?: number;
  /**
   * More flags for the `deno run` that a process is: `["--config", "deno.json"]`
   * if `engine` is a name of your import map, permissions if it is a package
   * that needs more.
   *
   * @default nothing
   */
  readonly flags?: readonly string[];
  /**
   * The program that a process runs, with its arguments, instead of Deno with
   * this package's `worker.ts`. A program made by `deno compile` has to give
   * one: there is no Deno in it that could be started. `worker.ts` compiled to
   * a program of its own is one. It must not start another process and wait
   * for it.
   *
   * @default Deno, with `--allow-read`,
   * `--allow-env=WS_NO_BUFFER_UTIL,WS_NO_UTF_8_VALIDATE`,
   * `--allow-sys=systemMemoryInfo`, and `--allow-import` where this package or
   * the engine comes from another host than those Deno allows
   */
  readonly command?: readonly string[];
}

/** What a {@linkcode ProcessPool} has running. */
export interface ProcessPoolStats {
  /** How many processes a server starts. */
  readonly size: number;
  /** Processes that take requests. */
  readonly running: number;
  /** Processes that don't any more and haven't quite ended yet. */
  readonly abandoned: number;
}

/**
 * Runs a server's engine in child processes, several times over, as
 * {@linkcode WorkerPool} does in Web Workers. An engine that doesn't come back
 * from a request can be ended there, which a worker can't, and what one does to
 * its memory, or takes of it, is no other's.
 *
 * A short request takes about as long as with a worker, one after the other;
 * the program's thread has about twice the work with it. A payload is copied
 * for each process. The program needs `--allow-run`; the processes are allowed little (see
 * {@linkcode ProcessPoolOptions.command}). They leave SIGINT, SIGTERM and SIGHUP
 * to the program, write to its stderr, and end with it, however it ends; on
 * Windows, where an orphan doesn't learn that it is one, only when they have
 * done what they are at.
 *
 * @example
 * ```ts
 * import { ProcessPool, Server } from "@perspective-deno/handler";
 * import { assertEquals } from "@std/assert";
 *
 * await using executor = new ProcessPool({ size: 2, maxMemory: 2 ** 30 });
 * await using server = new Server({ executor });
 * const table = await server.newLocalClient().table({ x: [1, 2, 3] });
 * assertEquals(await table.size(), 3);
 * ```
 */
export class ProcessPool implements Executor, AsyncDisposable {
  /** How many processes a server starts. */
  readonly size: number;
  readonly #options: ProcessPoolOptions;
  readonly #startTimeout: number;
  readonly #engines = new Set<ProcessEngine>();
  readonly #starts = new Starts();
  readonly #closed = new AbortController();

  /**
   * A pool without processes; they start with the server.
   *
   * @throws {RangeError} If `size` isn't a whole number from 1 to 64, or
   * `maxMemory` isn't above 0, or `startTimeout` is negative.
   * @throws {TypeError} If `command` is empty.
   */
  constructor(options: ProcessPoolOptions = {}) {
    const {
      size = Math.min(navigator.hardwareConcurrency + 1, 5),
      maxMemory = Infinity,
      command,
    } = options;
    if (!Number.isInteger(size) || size < 1 || size > 64) {
      throw new RangeError(
        `Cannot create process pool: "size" must be a whole number from 1 to ` +
          `64, received ${size}`,
      );
    }
    if (!(maxMemory > 0)) {
      throw new RangeError(
        `Cannot create process pool: "maxMemory" must be a number of bytes ` +
          `above 0, received ${maxMemory}`,
      );
    }
    if (command?.length === 0) {
      throw new TypeError(
        `Cannot create process pool: "command" must name a program`,
      );
    }
    this.size = size;
    this.#options = options;
    this.#startTimeout = readStartTimeout("process pool", options.startTimeout);
  }

  /**
   * Starts a process with an engine. A server does that itself.
   *
   * @throws {EngineLoadError} If the process can't be started, or the engine
   * can't be loaded in it, or isn't within `startTimeout`: the message says
   * what to install or to allow.
   * @throws {Error} If the pool is closed.
   */
  start(options: EngineOptions): Promise<Engine> {
    const starting = this.#start(options);
    this.#starts.add(starting);
    return starting;
  }

  async #start(options: EngineOptions): Promise<Engine> {
    const { signal } = this.#closed;
    const engine = signal.aborted
      ? undefined
      : await this.#startProcess(options, signal);
    if (engine === undefined || signal.aborted) {
      await engine?.close();
      throw new Error("Cannot start an engine: the process pool is closed");
    }
    this.#engines.add(engine);
    engine.ended.then(() => this.#engines.delete(engine));
    return engine;
  }

  async #startProcess(
    options: EngineOptions,
    signal: AbortSignal,
  ): Promise<ProcessEngine | undefined> {
    const { maxMemory, flags, command } = this.#options;
    try {
      return await ProcessEngine.start(options, {
        processes: this.size,
        ...(maxMemory !== undefined && {
          maxMemory: maxMemory === Infinity ? null : maxMemory,
        }),
        flags,
        command,
        startTimeout: this.#startTimeout,
        signal,
      });
    } catch (reason) {
      if (signal.aborted) return undefined;
      throw reason;
    }
  }

  /**
   * Resolves when all processes that servers have asked for so far take
   * requests.
   *
   * @throws {EngineLoadError} If one of them can't be started, or its engine
   * can't be loaded, or isn't within `startTimeout`: the message says what to install or to allow. It isn't
   * tried again.
   *
   * @example
   * ```ts
   * import { ProcessPool, Server } from "@perspective-deno/handler";
   *
   * await using executor = new ProcessPool({ size: 1 });
   * await using server = new Server({ executor });
   * await executor.ready();
   * ```
   */
  ready(): Promise<void> {
    return this.#starts.ready();
  }

  /** What is running now. */
  stats(): ProcessPoolStats {
    const { size } = this;
    const running = [...this.#engines].filter(({ isOpen }) => isOpen).length;
    return { size, running, abandoned: this.#engines.size - running };
  }

  /**
   * Ends all processes, and resolves when they have ended, which takes no more
   * than a second or so. Close the server first: what it is asked after that
   * fails. Safe to call twice.
   */
  async close(): Promise<void> {
    this.#closed.abort();
    await Promise.all([...this.#engines].map((engine) => engine.close()));
    await this.#starts.settled();
  }

  /** Calls {@linkcode ProcessPool.close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
