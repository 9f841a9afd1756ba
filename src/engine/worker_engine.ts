/**
 * An engine in a Web Worker.
 *
 * @module
 */

// Puts the worker's module into what `deno cache` fetches.
import type {} from "../../worker.ts";
import { EngineLoadError, toError } from "../errors.ts";
import type { Reframed } from "../protocol/frame.ts";
import type { Line } from "../protocol/kinds.ts";
import type { Engine, EngineListener, EngineOptions } from "./engine.ts";
import { type PackedRequest, packRequests, unpackAnswers } from "./packing.ts";
import type { FromWorker, ToWorker } from "./worker_messages.ts";

/**
 * Hands frames to a worker, which executes them while this thread goes on.
 *
 * What is sent in one turn of the event loop goes in one message. The worker
 * is ended by `close`.
 */
export class WorkerEngine implements Engine {
  /** Which line of packages it is. */
  readonly line: Line;
  readonly #worker: Worker;
  #listener: EngineListener | undefined;
  #waiting: (PackedRequest | undefined)[] = [];
  #state: "open" | "lost" | "closed" = "open";

  private constructor(worker: Worker, line: Line) {
    this.#worker = worker;
    this.line = line;
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      if (data.type === "answers") this.#take(data.bytes);
    };
    worker.onerror = (event) => {
      event.preventDefault(); // it would end the process (ENGINE 7.4)
      this.#lose(new Error(event.message || "The worker failed"));
    };
    worker.onmessageerror = () =>
      this.#lose(new Error("A message of the worker could not be read"));
  }

  /**
   * Starts a worker and loads the engine in it.
   *
   * @throws {EngineLoadError} If the worker can't be started, or the engine
   * can't be loaded there.
   */
  static start({ engine }: EngineOptions): Promise<WorkerEngine> {
    const { promise, resolve, reject } = Promise.withResolvers<WorkerEngine>();
    const worker = new Worker(new URL("../../worker.ts", import.meta.url), {
      type: "module",
      name: "perspective",
    });
    const refuse = (message: string) => {
      worker.terminate();
      reject(new EngineLoadError(engine, message));
    };
    worker.onerror = (event) => {
      event.preventDefault();
      refuse(`Cannot start a worker: ${event.message}`);
    };
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      if (data.type === "ready") post(worker, { type: "start", engine });
      else if (data.type === "refused") refuse(data.message);
      else if (data.type === "started") {
        resolve(new WorkerEngine(worker, data.line));
      }
    };
    return promise;
  }

  /** See {@linkcode Engine.listen}. */
  listen(listener: EngineListener): void {
    this.#listener = listener;
  }

  /** See {@linkcode Engine.send}. */
  send(frame: Reframed, kind: number, poll: boolean): void {
    if (this.#state !== "open") {
      const error = new Error("The engine is closed");
      // As from any other engine: not within this call.
      queueMicrotask(() => this.#listener!.failed(frame.msgId, error));
      return;
    }
    this.#enqueue({ frame, kind, poll });
  }

  /** See {@linkcode Engine.poll}. */
  poll(): void {
    if (this.#state === "open") this.#enqueue(undefined);
  }

  /** See {@linkcode Engine.close}. What isn't executed yet never will be. */
  close(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#waiting = [];
    this.#worker.terminate();
  }

  #enqueue(request: PackedRequest | undefined): void {
    if (this.#waiting.push(request) === 1) queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    if (this.#waiting.length === 0) return;
    const requests = this.#waiting;
    this.#waiting = [];
    try {
      const batch = packRequests(requests);
      post(this.#worker, { type: "requests", batch }, [batch.bytes.buffer]);
    } catch (reason) {
      // No memory for the message, say. The engine itself hasn't seen it.
      const error = toError(reason);
      for (const request of requests) {
        if (request !== undefined) {
          this.#listener!.failed(request.frame.msgId, error);
        }
      }
    }
  }

  #take(bytes: Uint8Array): void {
    if (this.#state !== "open") return;
    unpackAnswers(bytes, {
      frame: (frame) => this.#listener!.frame(frame),
      failed: (msgId, error) => this.#listener!.failed(msgId, error),
      fault: (error) => this.#listener!.fault(error),
      fatal: (error) => this.#lose(error),
      executed: (micros) => this.#listener!.executed(micros),
    });
  }

  #lose(error: Error): void {
    if (this.#state !== "open") return;
    this.#state = "lost";
    this.#worker.terminate();
    this.#listener?.fatal(error);
  }
}

function post(
  worker: Worker,
  message: ToWorker,
  transfer: Transferable[] = [],
): void {
  worker.postMessage(message, transfer);
}
