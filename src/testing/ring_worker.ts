/**
 * A thread that sends back the entries it gets, and blocks when there is nothing
 * to read or no room to write. For tests only.
 *
 * @module
 */

import { RingReader, RingWriter } from "../engine/ring.ts";
import type { Rings } from "../engine/worker_messages.ts";

/** What is used of a worker's global scope. */
interface Scope {
  onmessage: ((event: MessageEvent<Rings>) => void) | null;
  /** How often it has waited for room: 0 to begin with, and when it ends. */
  postMessage(waits: number): void;
}

const scope = globalThis as unknown as Scope;

let waits = 0;

scope.onmessage = ({ data }) => {
  echo(new RingReader(data.requests), new RingWriter(data.answers));
  scope.postMessage(waits);
};
scope.postMessage(waits);

function echo(requests: RingReader, answers: RingWriter): void {
  while (!requests.closed) {
    const entry = requests.next();
    if (entry !== undefined) write(answers, entry);
    else {
      answers.wake();
      requests.sleep(Infinity);
    }
  }
}

function write(ring: RingWriter, entry: Uint8Array): void {
  for (;;) {
    const at = ring.reserve(entry.length);
    if (at >= 0) {
      ring.bytes.set(entry, at);
      return ring.commit();
    }
    if (ring.closed) return;
    waits++;
    ring.wake();
    ring.waitForRoom();
  }
}
