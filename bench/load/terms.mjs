// @ts-check
/** What is wrong with the frames of a scene. */
import { complaint, Kind, quickComplaint, readAnswer } from "./wire.mjs";

/** @typedef {import("./types.ts").Part} Part */
/** @typedef {import("./types.ts").Request} Request */
/** @typedef {import("./types.ts").Scene} Scene */
/** @typedef {import("./types.ts").Step} Step */
/** @typedef {import("./types.ts").Terms} Terms */

/** How many bytes at the beginning of a frame hold its `msg_id`. */
export const HEAD_BYTES = 6;

/** How many bytes at the end of a request tell the echo what to send. */
const TAIL_BYTES = 8 + HEAD_BYTES;

/**
 * Those of a server of Perspective.
 *
 * @param {Scene} scene
 * @returns {Terms}
 */
export function perspectiveTerms({ checkPush }) {
  return {
    judge: complaint,
    glance: quickComplaint,
    judgePush(frame) {
      const { kind, body } = readAnswer(frame);
      return kind === Kind.onUpdate ? checkPush(body) : `of kind ${kind}`;
    },
    common: (frame) => readAnswer(frame).body,
  };
}

/**
 * A scene for the echo server: the same rounds with frames of the same
 * lengths. The last bytes of each request say how long the answer is to be,
 * and what is to be pushed to all others.
 *
 * @param {Scene} scene
 * @param {readonly number[] | "request"} lengths as in `SceneFigures`, or all
 *   as long as the requests
 * @returns {{ scene: Scene, terms: Terms }}
 */
export function echoScene(scene, lengths) {
  const [updateBytes, pushBytes, ...answerBytes] = lengths === "request"
    ? []
    : lengths;
  /** @type {Map<Request, number>} */
  const expected = new Map();
  const [first] = scene.viewers;
  const subscription = first?.open.flat().find(({ subscribes }) => subscribes);
  if (!first || !subscription) throw new TypeError("Nobody is to be told");
  const pushed = pushBytes ?? subscription.frame.length;
  const head = subscription.frame.subarray(0, HEAD_BYTES);
  const subscribe = {
    ...subscription,
    frame: withTail(subscription.frame, 0, 0, head),
  };
  const asking = (
    /** @type {Request} */ asked,
    /** @type {number} */ bytes,
    /** @type {number} */ push,
  ) => {
    const request = {
      ...asked,
      frame: withTail(asked.frame, bytes, push, head),
    };
    expected.set(request, bytes);
    return request;
  };
  const repaint = (/** @type {readonly Step[]} */ steps) => {
    let nth = 0;
    return steps.map((step) =>
      step.map((asked) =>
        asking(asked, answerBytes[nth++] ?? asked.frame.length, 0)
      )
    );
  };
  const judge = (
    /** @type {Request} */ asked,
    /** @type {Uint8Array} */ frame,
  ) =>
    frame.length === expected.get(asked) ? undefined : `${frame.length} bytes`;
  return {
    scene: {
      ...scene,
      viewers: scene.viewers.map((part) => {
        const repaints = part.repaints.map(repaint);
        const asked = /** @type {Request} */ (repaints[0]?.[0]?.[0]);
        // With an answer, since a server pushes to no socket that isn't ready.
        return { open: [[subscribe, asked]], repaints, close: [] };
      }),
      updates: scene.updates.map((asked) =>
        asking(asked, updateBytes ?? asked.frame.length, pushed)
      ),
      close: [],
    },
    terms: {
      judge,
      glance: judge,
      judgePush: (frame) =>
        frame.length === pushed ? undefined : `${frame.length} bytes`,
      common: () => null,
    },
  };
}

/**
 * @param {Uint8Array} frame
 * @param {number} answerBytes 0 for no answer
 * @param {number} pushBytes 0 for no push
 * @param {Uint8Array} pushHead what a push begins with
 */
function withTail(frame, answerBytes, pushBytes, pushHead) {
  if (frame.length < HEAD_BYTES + TAIL_BYTES) {
    throw new TypeError(`Too short for the echo: ${frame.length} bytes`);
  }
  const told = frame.slice();
  const tail = new DataView(
    told.buffer,
    told.byteOffset + told.length - TAIL_BYTES,
  );
  tail.setUint32(0, answerBytes);
  tail.setUint32(4, pushBytes);
  told.set(pushHead, told.length - HEAD_BYTES);
  return told;
}
