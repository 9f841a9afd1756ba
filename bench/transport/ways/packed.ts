/** What is sent in one turn in one message, as `src/engine/` once did it. */
import { setImmediate } from "node:timers";
import { NO_BYTES, Reframed } from "../../../src/protocol/frame.ts";
import type { Scope, TakeAnswer, Way, WayKind } from "../way.ts";
import {
  AnswerPacker,
  type PackedRequest,
  packRequests,
  type RequestBatch,
  unpackAnswers,
  unpackRequests,
} from "./packing.ts";

/** A kind of request; any but "only poll". */
const KIND = 24;

/** Sent at the end of the turn. */
export const packed: WayKind = {
  name: "packed",
  start: (worker, _rings, take) => pack(worker, take, queueMicrotask),
  host,
};

/** Sent in a later turn, so that more goes in one message. */
export const packedLater: WayKind = {
  name: "packed-later",
  start: (worker, _rings, take) => pack(worker, take, setImmediate),
  host,
};

function pack(
  worker: Worker,
  take: TakeAnswer,
  later: (flush: () => void) => void,
): Way {
  const never = () => {
    throw new Error("Got something else than an answer");
  };
  worker.onmessage = ({ data }: MessageEvent<Uint8Array>) =>
    unpackAnswers(data, {
      frame: take,
      failed: never,
      fault: never,
      fatal: never,
      executed() {},
    });
  let waiting: PackedRequest[] = [];
  const flush = () => {
    const batch = packRequests(waiting);
    waiting = [];
    worker.postMessage(batch, [batch.bytes.buffer]);
  };
  return {
    send(bytes) {
      const frame = new Reframed(0, NO_BYTES, bytes);
      const length = waiting.push({ frame, kind: KIND, poll: false });
      if (length === 1) later(flush);
    },
    close() {},
  };
}

function host(
  scope: Scope,
  _rings: unknown,
  answer: (request: Uint8Array) => Uint8Array,
): void {
  const packer = new AnswerPacker();
  const request = new Uint8Array(1024);
  scope.onmessage = ({ data }: MessageEvent<RequestBatch>) => {
    unpackRequests(data, (frame) => {
      const length = frame.writeTo(request, 0);
      packer.frame(answer(request.subarray(0, length)));
      packer.executed(1);
    });
    const bytes = packer.take();
    scope.postMessage(bytes, [bytes.buffer]);
  };
}
