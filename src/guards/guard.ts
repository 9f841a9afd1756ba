/**
 * Looking at payloads without keeping others waiting.
 *
 * @module
 */

import { toError } from "../errors.ts";
import { checkData, type DataRules } from "./data.ts";
import type { FromGuardWorker, ToGuardWorker } from "./guard_messages.ts";
import type { Refusal } from "./payload.ts";

/** Up to so many bytes a payload is looked at at once. */
const SHORT = 32 * 1024;

/** Milliseconds that looking at one payload may take. */
const LONGEST = 30_000;

interface Task {
  readonly message: ToGuardWorker;
  readonly resolve: (refusal: Refusal | undefined) => void;
}

/**
 * Looks at payloads: short ones at once, in tens of microseconds, and long ones
 * on a thread of its own, which is started when it is first needed.
 */
export class Guard {
  readonly #tasks: Task[] = [];
  #worker: Worker | undefined;
  #isReady = false;
  /** How many of the tasks the worker has been sent: one at most. */
  #isBusy = false;
  #timer: number | undefined;
  #isClosed = false;

  /**
   * Why an engine can't be given the data in the `content` of a request, or
   * `undefined`; for long ones, a promise of that.
   */
  check(
    kind: number,
    content: Uint8Array,
    rules: DataRules,
  ): Refusal | undefined | Promise<Refusal | undefined> {
    if (content.length <= SHORT) return checkData(kind, content, rules);
    if (this.#isClosed) return "The server is closed";
    const { promise, resolve } = Promise.withResolvers<Refusal | undefined>();
    this.#tasks.push({ message: { kind, content, rules }, resolve });
    if (this.#worker === undefined) this.#start();
    else this.#next();
    return promise;
  }

  /** Ends the thread. What it hasn't looked at is refused. */
  close(): void {
    this.#isClosed = true;
    this.#stop();
    for (const { resolve } of this.#tasks.splice(0)) {
      resolve("The server is closed");
    }
  }

  #start(): void {
    const worker = new Worker(new URL("./guard_worker.ts", import.meta.url), {
      type: "module",
      name: "perspective guard",
    });
    this.#worker = worker;
    worker.onmessage = ({ data }: MessageEvent<FromGuardWorker>) => {
      if (data.isReady) this.#isReady = true;
      else this.#done(data.refusal);
      this.#next();
    };
    worker.onerror = (event) => {
      event.preventDefault();
      this.#fail(`it can't be looked at: ${toError(event.message).message}`);
    };
  }

  /** Has the worker look at the first of the tasks. */
  #next(): void {
    const [task] = this.#tasks;
    if (task === undefined || !this.#isReady || this.#isBusy) return;
    this.#isBusy = true;
    const { message } = task;
    // The router has the frame that it lies in.
    const content = message.content.slice();
    this.#worker!.postMessage({ ...message, content }, [content.buffer]);
    this.#timer = setTimeout(
      () => this.#fail("it takes too long to look at"),
      LONGEST,
    ) as unknown as number;
    Deno.unrefTimer(this.#timer);
  }

  #done(refusal: Refusal | undefined): void {
    clearTimeout(this.#timer);
    this.#isBusy = false;
    this.#tasks.shift()?.resolve(refusal);
  }

  /** The worker is of no use any more; what it was at is refused. */
  #fail(refusal: Refusal): void {
    this.#stop();
    this.#done(refusal);
    if (this.#tasks.length > 0) this.#start();
  }

  #stop(): void {
    clearTimeout(this.#timer);
    this.#worker?.terminate();
    this.#worker = undefined;
    this.#isReady = this.#isBusy = false;
  }
}
