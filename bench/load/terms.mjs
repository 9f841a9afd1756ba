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
export const TAIL_BYTES = 8 + HEAD_BYTES;

/** Stands there for the index of a frame if none is to be sent. */
export const NO_FRAME = 0xffff_ffff;

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
    changes: true,
  };
}

/**
 * What the echo server is to be taught, and how to tell it what to send.
 *
 * @typedef {object} Lesson
 * @property {readonly Uint8Array[]} taught
 * @property {Terms} terms
 * @property {number} push its index
 * @property {(asked: Request) => number} toUpdate the index of the answer
 * @property {(asked: Request, nth: number) => number} toViewer the index of
 *   the answer to the nth request of a viewer's round
 */

/**
 * A scene for the echo server: the same rounds, in which it sends what another
 * server has sent in one of them. The last bytes of each request say which
 * frame the answer is, and which one is to be pushed to all others.
 *
 * @param {Scene} scene
 * @param {readonly Uint8Array[] | "request"} frames as in `SceneFigures`, or
 *   as long as the requests
 * @returns {{ scene: Scene, terms: Terms, taught: readonly Uint8Array[] }}
 *   `taught` is what the server has to know before
 */
export function echoScene(scene, frames) {
  const [first] = scene.viewers;
  const subscription = first?.open.flat().find(({ subscribes }) => subscribes);
  if (!first || !subscription) throw new TypeError("Nobody is to be told");
  const { taught, terms, push, toUpdate, toViewer } = frames === "request"
    ? lessonOfRequests(subscription)
    : lessonOfFrames(scene, first, frames);
  const head = subscription.frame.subarray(0, HEAD_BYTES);
  const asking = (
    /** @type {Request} */ asked,
    /** @type {number} */ answer,
    /** @type {number} */ pushed,
  ) => ({ ...asked, frame: withTail(asked.frame, answer, pushed, head) });
  const subscribe = asking(subscription, NO_FRAME, NO_FRAME);
  const repaint = (/** @type {readonly Step[]} */ steps) => {
    let nth = 0;
    return steps.map((step) =>
      step.map((asked) => asking(asked, toViewer(asked, nth++), NO_FRAME))
    );
  };
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
        asking(asked, toUpdate(asked), push)
      ),
      close: [],
    },
    terms,
    taught,
  };
}

/**
 * The frames of another server's round, which are looked at like that server's
 * own, so that the load generator has the same work. Only that nothing changes.
 *
 * @param {Scene} scene
 * @param {Part} viewer one of them
 * @param {readonly Uint8Array[]} frames
 * @returns {Lesson}
 */
function lessonOfFrames(scene, { repaints }, frames) {
  const wanted = 2 + (repaints[0]?.flat().length ?? 0);
  if (frames.length !== wanted) {
    throw new TypeError(`A round has ${wanted} frames, not ${frames.length}`);
  }
  return {
    taught: frames,
    terms: { ...perspectiveTerms(scene), changes: false },
    push: 1,
    toUpdate: () => 0,
    toViewer: (_, nth) => 2 + nth,
  };
}

/**
 * Requests instead of answers, for want of these: for each the first one of its
 * length. There is nothing else to them that could be wrong.
 *
 * @param {Request} subscription
 * @returns {Lesson}
 */
function lessonOfRequests(subscription) {
  /** @type {Uint8Array[]} */
  const taught = [];
  /** @type {Map<number, number>} by length */
  const indices = new Map();
  const indexOf = (/** @type {Request} */ { frame }) => {
    const known = indices.get(frame.length);
    if (known !== undefined) return known;
    indices.set(frame.length, taught.length);
    return taught.push(frame) - 1;
  };
  const judge = (
    /** @type {Request} */ asked,
    /** @type {Uint8Array} */ { length },
  ) => length === asked.frame.length ? undefined : `${length} bytes`;
  return {
    taught,
    terms: {
      judge,
      glance: judge,
      judgePush: (frame) => judge(subscription, frame),
      common: () => null,
      changes: false,
    },
    push: indexOf(subscription),
    toUpdate: indexOf,
    toViewer: indexOf,
  };
}

/**
 * @param {Uint8Array} frame
 * @param {number} answer
 * @param {number} push
 * @param {Uint8Array} pushHead what a push begins with
 */
function withTail(frame, answer, push, pushHead) {
  if (frame.length < HEAD_BYTES + TAIL_BYTES) {
    throw new TypeError(`Too short for the echo: ${frame.length} bytes`);
  }
  const told = frame.slice();
  const tail = new DataView(
    told.buffer,
    told.byteOffset + told.length - TAIL_BYTES,
  );
  tail.setUint32(0, answer);
  tail.setUint32(4, push);
  told.set(pushHead, told.length - HEAD_BYTES);
  return told;
}
