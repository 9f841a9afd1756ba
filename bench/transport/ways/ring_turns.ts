/** What `src/engine/` does. */
import { setImmediate } from "node:timers";
import { RingReader } from "../../../src/engine/ring.ts";
import type { WayKind } from "../way.ts";
import { block, byMessage, drain, sendOnceATurn } from "./ring_ends.ts";

/** How many turns without an answer, as in `worker_engine.ts`. */
const LOOKING_TURNS = 10;

/**
 * As "ring-doorbell", but while answers are outstanding the main thread looks
 * for them by itself in some turns of the event loop.
 */
export const ringTurns: WayKind = {
  name: "ring-turns",
  start(worker, rings, take) {
    const answers = new RingReader(rings.answers);
    let outstanding = 0;
    let turns = 0;
    let isLooking = false;
    const read = () =>
      drain(answers, (answer) => {
        outstanding--;
        turns = LOOKING_TURNS;
        take(answer);
      });
    const look = () => {
      read();
      if (outstanding === 0 || --turns < 0 || isLooking) return;
      isLooking = true;
      setImmediate(() => {
        isLooking = false;
        look();
      });
    };
    worker.onmessage = read;
    read();
    const { send, close } = sendOnceATurn(rings, () => {
      turns = LOOKING_TURNS;
      look();
    });
    return {
      send(frame) {
        outstanding++;
        send(frame);
      },
      close,
    };
  },
  host: (scope, rings, answer) => block(rings, answer, byMessage(scope)),
};
