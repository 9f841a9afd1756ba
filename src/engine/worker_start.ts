/**
 * Starting a worker, up to where its engine is loaded.
 *
 * @module
 */

import { clearImmediate, setImmediate } from "node:timers";
// Puts the worker's module into what `deno cache` fetches.
import type {} from "../../worker.ts";
import { EngineLoadError } from "../errors.ts";
import type { Line } from "../protocol/kinds.ts";
import { newRing } from "./ring.ts";
import { notWithin, type StartLimits } from "./starts.ts";
import { onThreadEnd } from "./thread_life.ts";
import type { FromWorker, Rings, ToWorker } from "./worker_messages.ts";

/** How to start a worker. */
export interface WorkerStartOptions extends StartLimits {
  /**
   * Called if it has taken too long. What it is at may go on until `ended`, if
   * that ever ends.
   */
  readonly onAbandoned?: ((ended: Promise<void>) => void) | undefined;
}

/** A worker that takes requests. */
export interface StartedWorker {
  /** It. Nobody listens to it yet. */
  readonly worker: Worker;
  /** Which line of packages its engine is of. */
  readonly line: Line;
  /** Where requests and answers go. */
  readonly rings: Rings;
  /** What its thread holds as long as it lives. */
  readonly life: string;
}

/**
 * Starts a worker and loads `engine` in it.
 *
 * @throws {EngineLoadError} If the worker can't be started or ends, if the
 * engine can't be loaded there, or if it takes too long.
 */
export function startWorker(
  engine: string,
  options: WorkerStartOptions = {},
): Promise<StartedWorker> {
  return new WorkerStart(engine, options).done;
}

/** A worker that is being started. */
class WorkerStart {
  /** See {@linkcode startWorker}. */
  readonly done: Promise<StartedWorker>;
  readonly #engine: string;
  readonly #worker: Worker;
  readonly #rings = { requests: newRing(), answers: newRing() };
  #life: string | undefined;
  readonly #settled = Promise.withResolvers<StartedWorker>();
  readonly #ended = Promise.withResolvers<void>();
  /** Ends the wait for the end of the thread. */
  readonly #watch = new AbortController();
  #dying: ReturnType<typeof setImmediate> | undefined;
  readonly #release: () => void;

  constructor(engine: string, options: WorkerStartOptions) {
    this.#engine = engine;
    this.done = this.#settled.promise;
    this.#worker = new Worker(new URL("../../worker.ts", import.meta.url), {
      type: "module",
      name: "perspective",
    });
    this.#worker.onerror = (event) => {
      event.preventDefault(); // it would end the process (ENGINE 7.4)
      this.#refuse(`Cannot start a worker: ${event.message}`);
    };
    this.#worker.onmessage = ({ data }) => this.#take(data);
    const { onAbandoned, signal } = options;
    this.#release = notWithin(options, (why) => {
      // Its end isn't waited for any more, unless somebody wants to know.
      const isWatched = onAbandoned !== undefined && !signal?.aborted &&
        this.#life !== undefined;
      this.#refuse(`Cannot start a worker: ${why}`, isWatched);
      if (isWatched) onAbandoned(this.#ended.promise);
    });
  }

  #take(message: FromWorker): void {
    if (message.type === "ready") this.#begin(message.life);
    else if (message.type === "refused") this.#refuse(message.message);
    else if (message.type === "started") this.#resolve(message.line);
  }

  #begin(life: string): void {
    this.#life = life;
    onThreadEnd(life, this.#watch.signal, () => {
      this.#ended.resolve();
      // Why, if it says so, comes in this turn.
      this.#dying = setImmediate(() =>
        this.#refuse(
          "Cannot start a worker: it ended before its engine was loaded",
        )
      );
    });
    const rings = this.#rings;
    const start: ToWorker = { type: "start", engine: this.#engine, rings };
    this.#worker.postMessage(start);
  }

  #resolve(line: Line): void {
    this.#settle();
    const [worker, rings, life] = [this.#worker, this.#rings, this.#life!];
    this.#settled.resolve({ worker, line, rings, life });
  }

  #refuse(message: string, isWatched = false): void {
    this.#settle(isWatched);
    this.#worker.terminate();
    this.#settled.reject(new EngineLoadError(this.#engine, message));
  }

  #settle(isWatched = false): void {
    this.#release();
    this.#worker.onmessage = null;
    if (!isWatched) this.#watch.abort();
    if (this.#dying !== undefined) clearImmediate(this.#dying);
  }
}
