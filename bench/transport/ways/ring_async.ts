/** Rings; both threads wait with `Atomics.waitAsync`, and nobody blocks. */
import type { WayKind } from "../way.ts";
import {
  answerAll,
  AsyncReader,
  byNotify,
  readAll,
  sendEach,
} from "./ring_ends.ts";

export const ringAsync: WayKind = {
  name: "ring-async",
  start(_worker, rings, take) {
    const answers = new AsyncReader(rings.answers);
    answers.watch(() => readAll(answers, take));
    return sendEach(rings);
  },
  host(_scope, rings, answer) {
    const requests = new AsyncReader(rings.requests);
    requests.watch(answerAll(requests, rings, answer, byNotify));
  },
};
