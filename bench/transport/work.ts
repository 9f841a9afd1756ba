/** What a worker does for a request, and the frames of both. */
import type { Answer } from "./way.ts";

/** Bytes of a request: a header with a view's name, and a little. */
export const REQUEST_BYTES = 40;

/** Bytes of an answer. */
export const ANSWER_BYTES = 60;

/** A request as the protocol has it; its last byte comes back in the answer. */
export function newRequest(mark: number): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(REQUEST_BYTES);
  // msg_id in five bytes, entity_id of 24, field 24 with 5 bytes.
  frame.set([0x08, 0x81, 0x81, 0x81, 0x81, 0x01, 0x12, 24]);
  frame.fill(0x76, 8, 32);
  frame.set([0xc2, 0x01, 5], 32);
  frame[REQUEST_BYTES - 1] = mark;
  return frame;
}

/** The byte that was the last of the request. */
export function markOf(answer: Uint8Array): number {
  if (answer.length !== ANSWER_BYTES) {
    throw new Error(`Got an answer of ${answer.length} bytes`);
  }
  return answer[ANSWER_BYTES - 1]!;
}

/** Answers after so many microseconds of computation. */
export function answerAfter(spin: number): Answer {
  const answer = new Uint8Array(ANSWER_BYTES);
  answer.set(newRequest(0));
  return (request) => {
    if (spin > 0) {
      const end = performance.now() + spin / 1000;
      while (performance.now() < end);
    }
    answer[ANSWER_BYTES - 1] = request[request.length - 1]!;
    return answer;
  };
}
