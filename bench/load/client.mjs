// @ts-check
/** One connection with one request in flight. */
// @ts-ignore: npm installs it beside this file for Node; Deno doesn't load it
import WebSocket from "ws";
import { complaint } from "./wire.mjs";

/** @typedef {import("./types.ts").Request} Request */
/** @typedef {import("./types.ts").Script} Script */
/** @typedef {import("./meter.mjs").Meter} Meter */
/** @typedef {(asked: Request, frame: Uint8Array) => string | undefined} Judge */

export class Client {
  #socket;
  #script;
  #meter;
  #judge;
  /** @type {(frame: Uint8Array) => void} */
  #onFrame = () => {};
  /** @type {(error: Error) => void} rejects what is being waited for */
  #fail = () => {};
  #looping = false;
  #closing = false;
  /** @type {Promise<void>} */
  #finished = Promise.resolve();

  /**
   * @param {string} url
   * @param {Script} script
   * @param {Meter} meter
   * @param {Judge} judge says what is wrong with an answer
   */
  constructor(url, script, meter, judge = complaint) {
    this.#socket = new WebSocket(url, { perMessageDeflate: false });
    this.#script = script;
    this.#meter = meter;
    this.#judge = judge;
  }

  /** Connects and sends what comes before the loop. */
  async open() {
    await this.#promise((resolve) => {
      this.#socket.on("open", resolve);
      this.#socket.on("error", (/** @type {Error} */ error) => {
        this.#fail(new Error(`Cannot connect: ${error.message}`));
      });
    });
    this.#socket.on("close", (/** @type {number} */ code) => {
      if (!this.#closing) this.#fail(new Error(`Socket closed with ${code}`));
    });
    this.#socket.on("message", (/** @type {Uint8Array} */ frame) => {
      this.#onFrame(frame);
    });
    for (const asked of this.#script.open) await this.#ask(asked);
  }

  /**
   * Asks again and again until `finish()`. A wrong answer or a lost socket is
   * an error.
   */
  loop() {
    this.#looping = true;
    this.#finished = this.#promise((resolve) => this.#askOn(resolve));
    return this.#finished;
  }

  /** Ends the loop after the answer under way. */
  finish() {
    this.#looping = false;
    return this.#finished;
  }

  /** Sends what comes after the loop and disconnects. */
  async close() {
    for (const asked of this.#script.close) await this.#ask(asked);
    this.#closing = true;
    this.#socket.close();
  }

  /** @param {() => void} done */
  #askOn(done) {
    const { loop, first, counted } = this.#script;
    let index = first;
    let answers = 0;
    let sentAt = 0;
    let asked = /** @type {Request} */ (loop[index]);
    const send = () => {
      sentAt = performance.now();
      this.#socket.send(asked.frame);
    };
    this.#onFrame = (frame) => {
      const latency = performance.now() - sentAt;
      if (counted) this.#meter.add(latency, asked.frame.length, frame.length);
      if (this.#meter.samples(answers++) && !this.#accepts(asked, frame)) {
        return;
      }
      if (!this.#looping) return done();
      if (++index === loop.length) index = 0;
      asked = /** @type {Request} */ (loop[index]);
      send();
    };
    send();
  }

  /** @param {Request} asked */
  #ask(asked) {
    return this.#promise((resolve) => {
      this.#onFrame = (frame) => {
        if (this.#accepts(asked, frame)) resolve();
      };
      this.#socket.send(asked.frame);
    });
  }

  /**
   * @param {Request} asked
   * @param {Uint8Array} frame
   */
  #accepts(asked, frame) {
    const wrong = this.#judge(asked, frame);
    if (wrong) this.#fail(new Error(`Wrong answer: ${wrong}`));
    return !wrong;
  }

  /**
   * A promise that a lost socket or a wrong answer rejects.
   *
   * @param {(resolve: () => void) => void} begin
   * @returns {Promise<void>}
   */
  #promise(begin) {
    return new Promise((resolve, reject) => {
      this.#fail = reject;
      begin(resolve);
    });
  }
}
