// @ts-check
/** A connection with several requests under way, and pushes in between. */
// @ts-ignore: npm installs it beside this file for Node; Deno doesn't load it
import WebSocket from "ws";
import { msgIdOf } from "./wire.mjs";

/** @typedef {import("./types.ts").Request} Request */
/** @typedef {import("./types.ts").Step} Step */
/** @typedef {(asked: Request, frame: Uint8Array) => string | undefined} Judge */

export class Line {
  #url;
  #fail;
  /** @type {WebSocket | undefined} */
  #socket;
  /** @type {Map<number, (frame: Uint8Array) => void>} by `msg_id` */
  #waiting = new Map();
  /** @type {Set<number>} the `msg_id`s of what it has subscribed to */
  #subscriptions = new Set();
  #closing = false;

  /** @type {(frame: Uint8Array) => void} gets what is pushed */
  onPush = () => {};

  /**
   * @param {string} url
   * @param {(error: Error) => void} fail told of a lost socket or an answer
   *   that is wrong
   */
  constructor(url, fail) {
    this.#url = url;
    this.#fail = fail;
  }

  /**
   * Connects now and not before, so that connections can come one by one: a
   * server takes only so many at once.
   *
   * @returns {Promise<void>}
   */
  connect() {
    const socket = new WebSocket(this.#url, { perMessageDeflate: false });
    this.#socket = socket;
    socket.on("error", (/** @type {Error} */ error) => {
      this.#fail(new Error(`Cannot connect: ${error.message}`));
    });
    socket.on("close", (/** @type {number} */ code) => {
      if (!this.#closing) this.#fail(new Error(`Socket closed with ${code}`));
    });
    socket.on(
      "message",
      (/** @type {Uint8Array} */ frame) => this.#receive(frame),
    );
    return new Promise((resolve) => socket.on("open", resolve));
  }

  /**
   * Sends requests at once; resolves with their answers, in the order of the
   * requests, whatever order they come in. A subscription has none.
   *
   * @param {Step} step
   * @param {Judge} judge
   * @returns {Promise<Uint8Array[]>}
   */
  ask(step, judge) {
    return new Promise((resolve) => {
      const asking = step.filter(({ subscribes }) => !subscribes);
      /** @type {Uint8Array[]} */
      const answers = [];
      let left = asking.length;
      for (const [index, asked] of asking.entries()) {
        this.#waiting.set(asked.msgId, (frame) => {
          const wrong = judge(asked, frame);
          if (wrong) return this.#fail(wrongAnswer(asked, wrong));
          answers[index] = frame;
          if (--left === 0) resolve(answers);
        });
      }
      for (const { frame, msgId, subscribes } of step) {
        if (subscribes) this.#subscriptions.add(msgId);
        this.#socket?.send(frame);
      }
      if (left === 0) resolve(answers);
    });
  }

  /** Disconnects. */
  close() {
    this.#closing = true;
    this.#socket?.close();
  }

  /** @param {Uint8Array} frame */
  #receive(frame) {
    const msgId = msgIdOf(frame);
    const take = this.#waiting.get(msgId);
    if (take) {
      this.#waiting.delete(msgId);
      take(frame);
    } else if (this.#subscriptions.has(msgId)) {
      this.onPush(frame);
    } else {
      this.#fail(new Error(`Wrong answer: to ${msgId}, which isn't asked`));
    }
  }
}

/**
 * @param {Request} asked
 * @param {string} wrong
 */
function wrongAnswer({ kind }, wrong) {
  return new Error(`Wrong answer to a request of kind ${kind}: ${wrong}`);
}
