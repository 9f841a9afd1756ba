/** What the ways with rings are put together from. */
import { newRing, RingReader, RingWriter } from "../../../src/engine/ring.ts";
import type { Rings } from "../../../src/engine/worker_messages.ts";
import type { Answer, Scope, TakeAnswer, Way } from "../way.ts";

/** What is posted to wake the other thread. */
const BELL = 0;

/** A worker wakes the main thread after so many milliseconds, as src/ does. */
const WAKE_AFTER = 1;

/** Where `ring.ts` has the flag of a reader that sleeps, in Int32s. */
const SLEEPS = findFlag();

function findFlag(): number {
  const memory = newRing();
  new RingReader(memory).saySleeps();
  return new Int32Array(memory).indexOf(1);
}

/** Wakes the reader of a ring, if it sleeps. */
export type Wake = (ring: RingWriter) => void;

/** A reader that can wait without blocking. */
export class AsyncReader extends RingReader {
  /** As `sleep()`; `undefined` if there is something already. */
  sleepAsync(): Promise<unknown> | undefined {
    this.saySleeps();
    if (this.ready || this.closed) {
      Atomics.store(this.control, SLEEPS, 0);
      return undefined;
    }
    const { async, value } = Atomics.waitAsync(this.control, SLEEPS, 1);
    return async ? value : undefined;
  }

  /** Reads whenever the writer notifies, until the ring is closed. */
  async watch(read: () => void): Promise<void> {
    while (!this.closed) {
      read();
      await this.sleepAsync();
    }
  }
}

/** Memory for a worker's two rings. */
export function newRings(): Rings {
  return { requests: newRing(), answers: newRing() };
}

/** Wakes who waits with `Atomics`. */
export function byNotify(ring: RingWriter): void {
  ring.wake();
}

/** Wakes who waits for messages. */
export function byMessage(scope: Scope): Wake {
  return (ring) => {
    if (ring.takeSleeper()) scope.postMessage(BELL);
  };
}

/** Adds a frame. In earnest it would have to wait; here there is room. */
export function write(ring: RingWriter, frame: Uint8Array): void {
  const at = ring.reserve(frame.length);
  if (at < 0) throw new Error("The ring is full");
  ring.bytes.set(frame, at);
  ring.commit();
}

/** Hands on what there is. */
export function readAll(ring: RingReader, take: TakeAnswer): void {
  for (let entry; (entry = ring.next()) !== undefined;) take(entry);
}

/** The same for who then waits for a message. */
export function drain(ring: RingReader, take: TakeAnswer): void {
  do {
    readAll(ring, take);
    ring.saySleeps();
  } while (ring.ready);
}

/** Sends, and wakes a worker that waits with `Atomics` each time. */
export function sendEach(rings: Rings): Way {
  const requests = new RingWriter(rings.requests);
  return {
    send(frame) {
      write(requests, frame);
      requests.wake();
    },
    close: () => close(rings),
  };
}

/** Sends, and wakes it once a turn; `then` is what else to do after the turn. */
export function sendOnceATurn(rings: Rings, then: () => void = () => {}): Way {
  const requests = new RingWriter(rings.requests);
  let isScheduled = false;
  const wake = () => {
    isScheduled = false;
    requests.wake();
    then();
  };
  return {
    send(frame) {
      write(requests, frame);
      if (isScheduled) return;
      isScheduled = true;
      queueMicrotask(wake);
    },
    close: () => close(rings),
  };
}

/** Wakes both, so that nobody waits for ever. */
function close({ requests, answers }: Rings): void {
  new RingWriter(requests).close();
  new RingWriter(answers).close();
}

/** A worker's way to answer all there is. */
export function answerAll(
  requests: RingReader,
  { answers }: Rings,
  answer: Answer,
  wake: Wake,
): () => void {
  const ring = new RingWriter(answers);
  return () => {
    let woken = performance.now();
    readAll(requests, (request) => {
      write(ring, answer(request));
      const now = performance.now();
      if (now - woken <= WAKE_AFTER) return;
      wake(ring);
      woken = now;
    });
    wake(ring);
  };
}

/** Answers until the ring is closed, and blocks while there is nothing to do. */
export function block(rings: Rings, answer: Answer, wake: Wake): void {
  const requests = new RingReader(rings.requests);
  const read = answerAll(requests, rings, answer, wake);
  while (!requests.closed) {
    read();
    requests.sleep(Infinity);
  }
}
