/**
 * An engine in a Web Worker.
 *
 * @module
 */

import { clearImmediate, setImmediate } from "node:timers";
import { toError } from "../errors.ts";
import type { Reframed } from "../protocol/frame.ts";
import type { Line } from "../protocol/kinds.ts";
import type { Engine, EngineListener, EngineOptions } from "./engine.ts";
import {
  type EngineRequest,
  isLongFrame,
  readAnswer,
  requestLength,
  writeRequest,
} from "./entries.ts";
import { LONGEST_ENTRY, RingReader, RingWriter } from "./ring.ts";
import { onThreadEnd } from "./thread_life.ts";
import type { FromWorker, ToWorker } from "./worker_messages.ts";
import {
  type StartedWorker,
  startWorker,
  type WorkerStartOptions,
} from "./worker_start.ts";

/**
 * Turns of the event loop in which this thread looks for answers by itself
 * before it may sleep. A short request is back by then, and being woken takes
 * longer than it takes. (Measured with eight sockets that ask one after the
 * other: 15 % more requests a second.)
 */
const LOOKING_TURNS = 10;

/**
 * Hands frames to a worker, which executes them while this thread goes on.
 *
 * They go through shared memory, and the worker is woken once for what is sent
 * in one turn of the event loop. It is ended by `close`.
 */
export class WorkerEngine implements Engine {
  /** Which line of packages it is. */
  readonly line: Line;
  readonly #worker: Worker;
  readonly #requests: RingWriter;
  readonly #answers: RingReader;
  /** Called once, when it is closed, abandoned or lost. */
  onEnd: (() => void) | undefined;
  /**
   * Called once, when it is abandoned, after `onEnd`: its thread goes on until
   * `ended`, if it ever ends.
   */
  onAbandoned: ((ended: Promise<void>) => void) | undefined;
  #listener: EngineListener | undefined;
  /** What there was no room for. */
  readonly #waiting: EngineRequest[] = [];
  /** Long frames that came as messages. */
  readonly #payloads: Uint8Array[] = [];
  /** An entry whose frame hasn't come yet. */
  #incomplete: Uint8Array | undefined;
  /** What was handed over and hasn't been executed. */
  #outstanding = 0;
  /** Turns in which to look for answers. */
  #turns = 0;
  #immediate: ReturnType<typeof setImmediate> | undefined;
  /** Ends the wait for the end of the thread. */
  readonly #watch = new AbortController();
  readonly #ended = Promise.withResolvers<void>();
  #dying: ReturnType<typeof setImmediate> | undefined;
  #isScheduled = false;
  #isReading = false;
  #state: "open" | "lost" | "closed" = "open";

  private constructor({ worker, line, rings, life }: StartedWorker) {
    this.#worker = worker;
    this.line = line;
    this.#requests = new RingWriter(rings.requests);
    this.#answers = new RingReader(rings.answers);
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      if (data.type === "payload") this.#payloads.push(data.bytes);
      this.#lookOn();
    };
    worker.onerror = (event) => {
      event.preventDefault(); // it would end the process (ENGINE 7.4)
      this.#read(); // what it said before that
      this.#lose(new Error(event.message || "The worker failed"));
    };
    worker.onmessageerror = () =>
      this.#lose(new Error("A message of the worker could not be read"));
    onThreadEnd(life, this.#watch.signal, () => {
      this.#ended.resolve();
      this.#loseSoon();
    });
    this.#answers.saySleeps();
  }

  /**
   * Starts a worker and loads the engine in it.
   *
   * @throws {EngineLoadError} If the worker can't be started or ends, if the
   * engine can't be loaded there, or if it takes too long.
   */
  static async start(
    { engine }: EngineOptions,
    options?: WorkerStartOptions,
  ): Promise<WorkerEngine> {
    return new WorkerEngine(await startWorker(engine, options));
  }

  /** See {@linkcode Engine.listen}. */
  listen(listener: EngineListener): void {
    this.#listener = listener;
  }

  /** See {@linkcode Engine.send}. */
  send(frame: Reframed, kind: number, poll: boolean): void {
    if (this.#state === "lost") return;
    if (this.#state === "closed") {
      return this.#fail(frame.msgId, new Error("The engine is closed"));
    }
    const request = { frame, kind, poll };
    if (requestLength(request) <= LONGEST_ENTRY) return this.#put(request);
    try {
      this.#put({ frame: frame.share(), kind, poll });
    } catch (reason) {
      // No memory for it. It has its place in the order nevertheless.
      this.#fail(frame.msgId, toError(reason));
      this.#put({ frame: undefined, kind, poll });
    }
  }

  /** See {@linkcode Engine.poll}. */
  poll(): void {
    if (this.#state !== "open") return;
    this.#put({ frame: undefined, kind: 0, poll: true });
  }

  /** See {@linkcode Engine.close}. What isn't executed yet never will be. */
  close(): void {
    if (this.#state === "closed") return;
    if (this.#state === "open") this.#end();
    this.#state = "closed";
  }

  /**
   * See {@linkcode Engine.abandon}. The thread reads that it is to end if it
   * ever gets back from its request.
   */
  abandon(): boolean {
    if (this.#state !== "open") return true;
    this.#end(true);
    this.#state = "closed";
    return false;
  }

  /**
   * For tests: lets the worker die. `terminate` cuts it off wherever it is,
   * so that what it says from now on is lost; `throw` has it throw an error
   * that nobody catches, when it has executed what it was sent.
   */
  crash(how: "terminate" | "throw"): void {
    if (this.#state !== "open") return;
    if (how === "throw") return this.#put(POISON);
    this.#worker.terminate();
    this.#loseSoon();
  }

  /** As from any other engine: not within the call that fails. */
  #fail(msgId: number, error: Error): void {
    queueMicrotask(() => this.#listener!.failed(msgId, error));
  }

  #put(request: EngineRequest): void {
    this.#outstanding++;
    if (this.#waiting.length > 0 || !this.#write(request)) {
      this.#waiting.push(request);
    }
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.#requests.wake();
      this.#lookOn();
    });
  }

  /** Looks for answers, now and in the next turns of the event loop. */
  #lookOn(): void {
    this.#turns = LOOKING_TURNS;
    this.#look();
  }

  #look(): void {
    if (this.#isReading) return;
    this.#read();
    while (this.#state === "open") {
      if (this.#outstanding > 0 && this.#turns-- > 0) {
        this.#immediate ??= setImmediate(() => {
          this.#immediate = undefined;
          this.#look();
        });
        return;
      }
      this.#answers.saySleeps();
      if (!this.#isReadable()) return;
      this.#read();
    }
  }

  /** Hands `request` over, if there is room. */
  #write(request: EngineRequest): boolean {
    const at = this.#requests.reserve(requestLength(request));
    if (at < 0) return false;
    writeRequest(request, this.#requests.bytes, at);
    const bytes = request.frame?.shared;
    // Before the entry that refers to it, for which the worker may be waiting.
    if (bytes !== undefined) post(this.#worker, { type: "payload", bytes });
    this.#requests.commit();
    return true;
  }

  /** Hands on what the worker has answered. */
  #read(): void {
    if (this.#isReading) return;
    this.#isReading = true;
    try {
      while (this.#state === "open" && this.#readOne());
    } finally {
      this.#isReading = false;
    }
    this.#writeWaiting();
  }

  #isReadable(): boolean {
    return this.#incomplete === undefined
      ? this.#answers.ready
      : this.#payloads.length > 0;
  }

  #readOne(): boolean {
    const entry = this.#incomplete ?? this.#answers.next();
    if (entry === undefined) return false;
    const isLong = isLongFrame(entry);
    this.#incomplete = isLong && this.#payloads.length === 0
      ? entry
      : undefined;
    if (this.#incomplete !== undefined) return false;
    readAnswer(entry, this.#taker, isLong ? this.#payloads.shift() : undefined);
    return true;
  }

  /** The worker has read something: there may be room. */
  #writeWaiting(): void {
    let written = 0;
    while (written < this.#waiting.length) {
      if (!this.#write(this.#waiting[written]!)) break;
      written++;
    }
    if (written === 0) return;
    this.#waiting.splice(0, written);
    this.#requests.wake();
  }

  readonly #taker: EngineListener = {
    frame: (frame) => this.#listener!.frame(frame),
    failed: (msgId, error) => this.#listener!.failed(msgId, error),
    fault: (error) => this.#listener!.fault(error),
    fatal: (error, guilty) => this.#lose(error, guilty),
    heap: (bytes) => this.#listener!.heap(bytes),
    executed: (micros) => {
      this.#outstanding--;
      this.#turns = LOOKING_TURNS;
      this.#listener!.executed(micros);
    },
  };

  /** The thread has ended. Why, if it says so, comes in this turn. */
  #loseSoon(): void {
    if (this.#state !== "open") return;
    this.#dying ??= setImmediate(() => {
      this.#read(); // what it said before that
      this.#lose(new Error("The worker has ended"));
    });
  }

  #lose(error: Error, guilty?: boolean): void {
    if (this.#state !== "open") return;
    this.#state = "lost";
    this.#end();
    this.#listener?.fatal(error, guilty);
  }

  /** A thread that blocks isn't ended by being terminated: it is woken first. */
  #end(isAbandoned = false): void {
    this.#requests.close();
    this.#answers.close();
    this.#worker.terminate();
    this.onEnd?.();
    this.onEnd = undefined;
    if (isAbandoned) this.onAbandoned?.(this.#ended.promise);
    else this.#watch.abort();
    this.#waiting.length = 0;
    this.#outstanding = 0;
    if (this.#immediate !== undefined) clearImmediate(this.#immediate);
    if (this.#dying !== undefined) clearImmediate(this.#dying);
  }
}

/** A request whose payload is none, so that reading it throws. For tests. */
const POISON: EngineRequest = {
  frame: {
    shared: -1,
    headLength: 0,
    writeHeadTo() {},
  } as unknown as Reframed,
  kind: 0,
  poll: false,
};

function post(worker: Worker, message: ToWorker): void {
  worker.postMessage(message);
}
