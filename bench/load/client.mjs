// @ts-check
/** One connection that does what its script says. */
// @ts-ignore: npm installs it beside this file for Node; Deno doesn't load it
import WebSocket from "ws";
import { complaint, msgIdOf, quickComplaint } from "./wire.mjs";

/** @typedef {import("./types.ts").Request} Request */
/** @typedef {import("./types.ts").Script} Script */
/** @typedef {import("./meter.mjs").Meter} Meter */
/** @typedef {(asked: Request, frame: Uint8Array) => string | undefined} Judge */

/** How long an answer may take when nobody asks for more, in milliseconds. */
const LATE_MS = 15_000;
const LATE = `Still busy ${LATE_MS / 1000} s after the last answer was counted`;

export class Client {
  #socket;
  #script;
  #meter;
  #judge;
  /** @type {(frame: Uint8Array) => void} */
  #onFrame = () => {};
  /** @type {(error: Error) => void} rejects what is being waited for */
  #fail = () => {};
  /** @type {() => void} ends the loop of one that only listens */
  #onFinish = () => {};
  /** @type {Set<number>} the `msg_id`s of what it has subscribed to */
  #subscriptions = new Set();
  #pushes = 0;
  #answers = 0;
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
      if (!this.#isPush(frame)) this.#onFrame(frame);
    });
    for (const asked of this.#script.open) {
      if (asked.subscribes) this.#subscribe(asked);
      else await this.#ask(asked);
    }
  }

  /**
   * Asks again and again until `finish()`. A wrong answer or a lost socket is
   * an error.
   */
  loop() {
    this.#looping = true;
    const { loop, inFlight = 1 } = this.#script;
    this.#finished = this.#promise((resolve) => {
      if (loop.length === 0) this.#onFinish = resolve;
      else if (inFlight === 1) this.#askOn(resolve);
      else this.#stream(inFlight, resolve);
    });
    return this.#finished;
  }

  /** Ends the loop after the answers or the cycle under way. */
  finish() {
    this.#looping = false;
    this.#onFinish();
    return this.#finished;
  }

  /** Sends what comes after the loop and disconnects. */
  async close() {
    if (this.#subscriptions.size > 0 && this.#pushes === 0) {
      throw new Error("Nothing was pushed");
    }
    const late = setTimeout(() => this.#fail(new Error(LATE)), LATE_MS);
    for (const asked of this.#script.close) await this.#ask(asked);
    clearTimeout(late);
    this.#closing = true;
    this.#socket.close();
  }

  /**
   * Sends the next request when the answer to the last one is there.
   *
   * @param {() => void} done
   */
  #askOn(done) {
    const { loop, first, cycle = 1, pause = 0 } = this.#script;
    let index = first;
    let left = cycle;
    let sentAt = 0;
    let requestBytes = 0;
    let answerBytes = 0;
    let asked = /** @type {Request} */ (loop[index]);
    const begin = () => {
      [left, requestBytes, answerBytes] = [cycle, 0, 0];
      sentAt = performance.now();
      send();
    };
    const send = () => {
      requestBytes += asked.frame.length;
      this.#socket.send(asked.frame);
    };
    this.#onFrame = (frame) => {
      const latency = performance.now() - sentAt;
      answerBytes += frame.length;
      const isLast = --left === 0;
      if (isLast) this.#count(latency, requestBytes, answerBytes);
      if (!this.#passes(asked, frame)) return;
      if (++index === loop.length) index = 0;
      asked = /** @type {Request} */ (loop[index]);
      if (!isLast) send();
      else if (pause > 0) setTimeout(next, pause);
      else next();
    };
    const next = () => this.#looping ? begin() : done();
    begin();
  }

  /**
   * Keeps so many requests under way. Their answers may come in any order.
   *
   * @param {number} inFlight
   * @param {() => void} done
   */
  #stream(inFlight, done) {
    const { loop, first } = this.#script;
    /** @type {Map<number, { asked: Request, sentAt: number }>} */
    const waiting = new Map();
    let index = first;
    const send = () => {
      const asked = /** @type {Request} */ (loop[index]);
      if (++index === loop.length) index = 0;
      waiting.set(asked.msgId, { asked, sentAt: performance.now() });
      this.#socket.send(asked.frame);
    };
    this.#onFrame = (frame) => {
      const msgId = msgIdOf(frame);
      const entry = waiting.get(msgId);
      if (!entry) {
        return this.#fail(new Error(`Wrong answer: to ${msgId}, not asked`));
      }
      waiting.delete(msgId);
      const latency = performance.now() - entry.sentAt;
      this.#count(latency, entry.asked.frame.length, frame.length);
      if (!this.#passes(entry.asked, frame)) return;
      if (this.#looping) send();
      else if (waiting.size === 0) done();
    };
    for (let nth = 0; nth < inFlight; nth++) send();
  }

  /**
   * @param {number} latency
   * @param {number} requestBytes
   * @param {number} answerBytes
   */
  #count(latency, requestBytes, answerBytes) {
    if (!this.#script.counted) this.#meter.addBeside();
    else this.#meter.add(latency, requestBytes, answerBytes);
  }

  /** @param {Request} asked */
  #subscribe(asked) {
    this.#subscriptions.add(asked.msgId);
    this.#socket.send(asked.frame);
  }

  /** @param {Uint8Array} frame */
  #isPush(frame) {
    if (this.#subscriptions.size === 0) return false;
    if (!this.#subscriptions.has(msgIdOf(frame))) return false;
    this.#pushes++;
    this.#meter.addPush();
    return true;
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
   * Looks at an answer of the loop, if it is one to look at.
   *
   * @param {Request} asked
   * @param {Uint8Array} frame
   */
  #passes(asked, frame) {
    if (this.#meter.samples(this.#answers++)) {
      return this.#accepts(asked, frame);
    }
    return !this.#script.strict || this.#accepts(asked, frame, quickComplaint);
  }

  /**
   * @param {Request} asked
   * @param {Uint8Array} frame
   * @param {Judge} judge
   */
  #accepts(asked, frame, judge = this.#judge) {
    const wrong = judge(asked, frame);
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
