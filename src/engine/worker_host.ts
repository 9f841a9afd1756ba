/**
 * The worker's side: an engine that is fed through shared memory.
 *
 * @module
 */

import { toError } from "../errors.ts";
import {
  Answer,
  EXECUTED_LENGTH,
  failedEntry,
  fatalEntry,
  faultEntry,
  heapEntry,
  isShared,
  readRequest,
  writeExecuted,
} from "./entries.ts";
import { LocalEngine } from "./local_engine.ts";
import { loadPackage } from "./package.ts";
import { LONGEST_ENTRY, RingReader, RingWriter } from "./ring.ts";
import { holdForLife } from "./thread_life.ts";
import type { FromWorker, ToWorker } from "./worker_messages.ts";

type Start = Extract<ToWorker, { readonly type: "start" }>;

/** What is used of a worker's global scope. */
export interface WorkerScope {
  /** Set to take messages. */
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
  /** Posts to the main thread. */
  postMessage(message: FromWorker, transfer: Transferable[]): void;
}

/**
 * So often, in milliseconds, the thread's own events get their turn: an error
 * that came up late, or that it is to end.
 */
const BREATHE_EVERY = 1_000;

/** Serves an engine to the main thread. */
export async function hostEngine(scope: WorkerScope): Promise<void> {
  scope.onmessage = ({ data }) => {
    if (data.type === "start") start(scope, data);
  };
  // Before the package is loaded, which may be what the thread ends at.
  const life = await holdForLife();
  scope.postMessage({ type: "ready", life }, []);
}

async function start(
  scope: WorkerScope,
  { engine: specifier, rings }: Start,
): Promise<void> {
  let engine: LocalEngine;
  try {
    const { newServer, line } = await loadPackage(specifier);
    engine = new LocalEngine(newServer(), line);
  } catch (reason) {
    const { message } = toError(reason);
    scope.postMessage({ type: "refused", message }, []);
    return;
  }
  const answers = new Answers(scope, new RingWriter(rings.answers));
  engine.listen({
    frame: (frame) => answers.frame(frame),
    failed: (msgId, { message }) => answers.put(failedEntry(msgId, message)),
    fault: ({ message }) => answers.put(faultEntry(message)),
    fatal: ({ message }, guilty) => answers.put(fatalEntry(message, guilty)),
    heap: (bytes) => answers.put(heapEntry(bytes)),
    executed: () => {}, // measured below
  });
  const payloads = new Payloads(scope);
  scope.postMessage({ type: "started", line: engine.line }, []);
  await serve(engine, new RingReader(rings.requests), answers, payloads);
}

/** Executes requests until the ring is closed, and blocks in between. */
async function serve(
  engine: LocalEngine,
  requests: RingReader,
  answers: Answers,
  payloads: Payloads,
): Promise<void> {
  let before = performance.now();
  let breathed = before;
  while (!requests.closed) {
    if (before - breathed > BREATHE_EVERY) {
      await breathe();
      before = breathed = performance.now();
    }
    const entry = requests.next();
    if (entry === undefined) {
      requests.sleep(BREATHE_EVERY);
      before = performance.now();
      continue;
    }
    // Messages come only if the thread isn't kept.
    const payload = isShared(entry) ? await payloads.next() : undefined;
    const { frame, kind, poll } = readRequest(entry, payload);
    answers.areWaitedFor = poll;
    if (frame !== undefined) engine.send(frame, kind, poll);
    else if (poll) engine.poll();
    const now = performance.now();
    answers.executed(Math.round((now - before) * 1000));
    // Nothing waits for what is executed after it.
    answers.wake();
    before = now;
  }
}

function breathe(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

/** Writes answers for the main thread. */
class Answers {
  readonly #scope: WorkerScope;
  readonly #ring: RingWriter;
  /**
   * Whether frames wake the main thread one by one: a poll takes long, and the
   * other engines get a change when the primary has answered it.
   */
  areWaitedFor = false;

  constructor(scope: WorkerScope, ring: RingWriter) {
    this.#scope = scope;
    this.#ring = ring;
  }

  /** Adds a frame; it is copied. */
  frame(frame: Uint8Array): void {
    if (frame.length >= LONGEST_ENTRY) {
      const bytes = frame.slice();
      this.#scope.postMessage({ type: "payload", bytes }, [bytes.buffer]);
      this.put(LONG_FRAME);
      return;
    }
    const at = this.#reserve(1 + frame.length);
    if (at < 0) return;
    this.#ring.bytes[at] = Answer.FRAME;
    this.#ring.bytes.set(frame, at + 1);
    this.#ring.commit();
    if (this.areWaitedFor) this.wake();
  }

  /** Adds that a request was executed, and how long it took. */
  executed(micros: number): void {
    const at = this.#reserve(EXECUTED_LENGTH);
    if (at < 0) return;
    writeExecuted(micros, this.#ring.bytes, at);
    this.#ring.commit();
  }

  /** Adds an entry. */
  put(entry: Uint8Array): void {
    const at = this.#reserve(entry.length);
    if (at < 0) return;
    this.#ring.bytes.set(entry, at);
    this.#ring.commit();
  }

  /** Wakes the main thread, if it sleeps. */
  wake(): void {
    if (this.#ring.takeSleeper()) this.#scope.postMessage(BELL, []);
  }

  /** Waits for room; -1 if nobody reads any more. */
  #reserve(length: number): number {
    for (;;) {
      const at = this.#ring.reserve(length);
      if (at >= 0 || this.#ring.closed) return at;
      this.wake();
      this.#ring.waitForRoom();
    }
  }
}

const LONG_FRAME = Uint8Array.of(Answer.LONG_FRAME);
const BELL = { type: "bell" } as const;

/** Payloads that come as messages. */
class Payloads {
  readonly #there: SharedArrayBuffer[] = [];
  #take: ((payload: SharedArrayBuffer) => void) | undefined;

  constructor(scope: WorkerScope) {
    scope.onmessage = ({ data }) => {
      if (data.type !== "payload") return;
      if (this.#take === undefined) this.#there.push(data.bytes);
      else this.#take(data.bytes);
      this.#take = undefined;
    };
  }

  /** The next one. */
  next(): SharedArrayBuffer | Promise<SharedArrayBuffer> {
    return this.#there.shift() ??
      new Promise((resolve) => this.#take = resolve);
  }
}
