/** Rings, and a worker that blocks while there is nothing to do. */
import { RingReader } from "../../../src/engine/ring.ts";
import type { WayKind } from "../way.ts";
import {
  AsyncReader,
  block,
  byMessage,
  byNotify,
  drain,
  readAll,
  sendEach,
  sendOnceATurn,
} from "./ring_ends.ts";

/** The worker is woken by each request, the main thread by `waitAsync`. */
export const ringBlocking: WayKind = {
  name: "ring-blocking",
  start(_worker, rings, take) {
    const answers = new AsyncReader(rings.answers);
    answers.watch(() => readAll(answers, take));
    return sendEach(rings);
  },
  host: (_scope, rings, answer) => block(rings, answer, byNotify),
};

/** The worker is woken once a turn, the main thread by an empty message. */
export const ringDoorbell: WayKind = {
  name: "ring-doorbell",
  start(worker, rings, take) {
    const answers = new RingReader(rings.answers);
    worker.onmessage = () => drain(answers, take);
    drain(answers, take);
    return sendOnceATurn(rings);
  },
  host: (scope, rings, answer) => block(rings, answer, byMessage(scope)),
};
