// @ts-check
/** One who looks at a view, and looks again whenever it has changed. */
import { Line } from "./line.mjs";

/** @typedef {import("./types.ts").Part} Part */
/** @typedef {import("./types.ts").Step} Step */
/** @typedef {import("./types.ts").Terms} Terms */
/** @typedef {import("./line.mjs").Judge} Judge */

/**
 * What a viewer got in a round, and what it sent for that.
 *
 * @typedef {object} Seen
 * @property {Uint8Array} push
 * @property {Uint8Array[]} answers the last one is what it sees
 * @property {number} requestBytes
 */

export class Viewer {
  #line;
  #part;
  #terms;
  #judge;
  #fail;
  #rounds = 0;
  /** @type {((push: Uint8Array) => void) | undefined} */
  #onPush;

  /**
   * @param {string} url
   * @param {Part} part
   * @param {Terms} terms
   * @param {Judge} judge of the answers in the rounds
   * @param {(error: Error) => void} fail
   */
  constructor(url, part, terms, judge, fail) {
    this.#line = new Line(url, fail);
    this.#part = part;
    this.#terms = terms;
    this.#judge = judge;
    this.#fail = fail;
    this.#line.onPush = (frame) => this.#take(frame);
  }

  connect() {
    return this.#line.connect();
  }

  /** Sends what comes before the rounds. */
  async open() {
    const { judge } = this.#terms;
    for (const step of this.#part.open) await this.#line.ask(step, judge);
  }

  /**
   * Waits for the next push, then asks for all that it is to see.
   *
   * @returns {Promise<Seen>}
   */
  async round() {
    const { repaints } = this.#part;
    const steps = /** @type {readonly Step[]} */ (
      repaints[this.#rounds++ % repaints.length]
    );
    /** @type {Uint8Array} */
    const push = await new Promise((resolve) => this.#onPush = resolve);
    /** @type {Uint8Array[]} */
    const answers = [];
    let requestBytes = 0;
    for (const step of steps) {
      for (const { frame } of step) requestBytes += frame.length;
      answers.push(...await this.#line.ask(step, this.#judge));
    }
    return { push, answers, requestBytes };
  }

  /** Sends what comes after the rounds, and disconnects. */
  async close() {
    await this.#line.ask(this.#part.close, this.#terms.judge);
    this.#line.close();
  }

  /** @param {Uint8Array} push */
  #take(push) {
    const take = this.#onPush;
    // At once: another one may come with the same packet.
    this.#onPush = undefined;
    const wrong = take
      ? this.#terms.judgePush(push)
      : "nothing has changed since the last one";
    if (wrong) this.#fail(new Error(`Wrong push: ${wrong}`));
    else take?.(push);
  }
}
