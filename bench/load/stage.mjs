// @ts-check
/** Has a scene played: viewers and a writer who take turns. */
import { Buffer } from "node:buffer";
import process from "node:process";
import { Line } from "./line.mjs";
import { memoryOf, shortage } from "./memory.mjs";
import { Meter } from "./meter.mjs";
import { Viewer } from "./viewer.mjs";

/** @typedef {import("./options.mjs").Options} Options */
/** @typedef {import("./types.ts").Measurement} Measurement */
/** @typedef {import("./types.ts").Memory} Memory */
/** @typedef {import("./types.ts").Request} Request */
/** @typedef {import("./types.ts").Scene} Scene */
/** @typedef {import("./types.ts").Terms} Terms */
/** @typedef {import("./viewer.mjs").Seen} Seen */

/** How long a round, or the end, may take, in seconds. */
const PATIENCE = 60;

/** How often to look whether there is memory left, in milliseconds. */
const LOOK_MS = 250;

/**
 * Plays a scene. Whatever goes wrong ends it, with an error that says how far
 * it had come.
 *
 * @param {Scene} scene
 * @param {Terms} terms
 * @param {Options} options
 * @param {number} patience seconds until all viewers have to be there
 * @returns {Promise<Measurement>}
 */
export async function play(scene, terms, options, patience) {
  const stage = new Stage(scene, terms, options);
  const watch = setInterval(() => stage.look(), LOOK_MS);
  try {
    const openSeconds = await stage.open(patience);
    const opened = memoryOf(options.serverPid);
    const measurement = await stage.rounds();
    const closed = memoryOf(options.serverPid);
    await stage.close();
    return {
      ...measurement,
      scene: {
        openSeconds,
        openBytes: opened && opened.now,
        peakBytes: closed && closed.peak,
        frames: stage.frames,
      },
    };
  } finally {
    clearInterval(watch);
  }
}

class Stage {
  #scene;
  #terms;
  #options;
  #viewers;
  #writer;
  #meter;
  #opened = 0;
  #rounds = 0;
  /** How many viewers are done with the round. */
  #done = 0;
  /** @type {Uint8Array | null} what all saw in the last round */
  #last = null;
  /** @type {(error: Error) => void} */
  #fail = () => {};
  /** @type {Promise<never>} */
  #failure;

  /** @type {readonly Uint8Array[]} those of the last round */
  #frames = [];

  /**
   * @param {Scene} scene
   * @param {Terms} terms
   * @param {Options} options
   */
  constructor(scene, terms, options) {
    this.#scene = scene;
    this.#terms = terms;
    this.#options = options;
    this.#meter = new Meter(options.serverPid, process.pid);
    this.#failure = new Promise((_, reject) => this.#fail = reject);
    // It is waited for where something is under way.
    this.#failure.catch(() => {});
    const fail = (/** @type {Error} */ error) => this.#fail(error);
    this.#writer = new Line(options.url, fail);
    // What all get alike need not be taken apart for each of them.
    this.#viewers = scene.viewers.map((part, index) =>
      new Viewer(
        options.url,
        part,
        terms,
        index === 0 ? terms.judge : terms.glance,
        fail,
      )
    );
  }

  /** See `SceneFigures`. */
  get frames() {
    return this.#frames.map((frame) => Buffer.from(frame).toString("base64"));
  }

  /** Ends it if the machine is about to run out of memory. */
  look() {
    const text = shortage();
    if (!text) return;
    const server = memoryOf(this.#options.serverPid);
    const holds = server
      ? `, the server holds ${(server.now / 2 ** 30).toFixed(1)}`
      : "";
    this.#fail(new Error(`Out of memory: ${text}${holds}`));
  }

  /**
   * Connects all, and has the viewers make their views.
   *
   * @param {number} patience
   */
  async open(patience) {
    const count = this.#viewers.length;
    let connected = 0;
    await this.#within(
      patience,
      () => `Connected ${connected} of ${count} viewers`,
      async () => {
        await this.#writer.connect();
        for (const viewer of this.#viewers) {
          await viewer.connect();
          connected++;
        }
      },
    );
    const progress = () => `Opened ${this.#opened} of ${count} viewers`;
    const before = performance.now();
    await this.#within(patience, progress, async () => {
      if (!this.#scene.oneByOne) {
        await Promise.all(this.#viewers.map((viewer) => this.#open(viewer)));
        return;
      }
      for (const viewer of this.#viewers) await this.#open(viewer);
    });
    return (performance.now() - before) / 1000;
  }

  /**
   * Plays rounds to warm up, and then those that count. The clock starts and
   * stops between two rounds.
   */
  async rounds() {
    const { warmup, seconds } = this.#options;
    await this.#roundsFor(warmup, 1);
    this.#meter.start();
    await this.#roundsFor(seconds, this.#scene.leastRounds);
    this.#meter.stop();
    return this.#meter.result();
  }

  /** Has all close what they have opened. */
  async close() {
    await this.#within(PATIENCE, () => "At the end", async () => {
      await Promise.all(this.#viewers.map((viewer) => viewer.close()));
      await this.#writer.ask(this.#scene.close, this.#terms.judge);
      this.#writer.close();
    });
  }

  /** @param {Viewer} viewer */
  async #open(viewer) {
    await viewer.open();
    this.#opened++;
  }

  /**
   * @param {number} seconds
   * @param {number} least how many at least
   */
  async #roundsFor(seconds, least) {
    const end = performance.now() + seconds * 1000;
    for (let nth = 0; nth < least || performance.now() < end; nth++) {
      await this.#within(
        PATIENCE,
        () =>
          `Round ${this.#rounds}: ${this.#done} of ` +
          `${this.#viewers.length} viewers were done`,
        () => this.#round(),
      );
    }
  }

  async #round() {
    const { updates } = this.#scene;
    const update = /** @type {Request} */ (
      updates[this.#rounds++ % updates.length]
    );
    this.#done = 0;
    const rounds = this.#viewers.map(async (viewer) => {
      const seen = await viewer.round();
      this.#done++;
      return seen;
    });
    const sentAt = performance.now();
    const answered = this.#writer.ask([update], this.#terms.judge);
    const all = await Promise.all(rounds);
    const [answer] = await answered;
    const latency = performance.now() - sentAt;
    this.#count(latency, update, /** @type {Uint8Array} */ (answer), all);
    this.#compare(all);
  }

  /**
   * @param {number} latency
   * @param {Request} update
   * @param {Uint8Array} answer
   * @param {readonly Seen[]} all
   */
  #count(latency, update, answer, all) {
    let requestBytes = update.frame.length;
    let answerBytes = answer.length;
    for (const seen of all) {
      requestBytes += seen.requestBytes;
      answerBytes += seen.push.length;
      for (const { length } of seen.answers) answerBytes += length;
      this.#meter.addPush();
    }
    this.#meter.add(latency, requestBytes, answerBytes);
    const { push, answers } = /** @type {Seen} */ (all[0]);
    this.#frames = [answer, push, ...answers];
  }

  /**
   * All must have been pushed the same, and see the same, which is not what
   * they saw before where it changes: else some of them didn't see the update.
   *
   * @param {readonly Seen[]} all
   */
  #compare(all) {
    const { common, changes } = this.#terms;
    const first = /** @type {Seen} */ (all[0]);
    const pushed = common(first.push);
    const seen = common(/** @type {Uint8Array} */ (first.answers.at(-1)));
    if (!pushed || !seen) return;
    const isSame = this.#last && Buffer.compare(seen, this.#last) === 0;
    if (isSame && changes) {
      throw new Error("Nobody sees the update");
    }
    this.#last = seen;
    for (const [index, { push, answers }] of all.entries()) {
      const sees = common(/** @type {Uint8Array} */ (answers.at(-1)));
      if (!sees || Buffer.compare(seen, sees) !== 0) {
        throw new Error(`Viewer ${index} sees something else`);
      }
      const was = common(push);
      if (!was || Buffer.compare(pushed, was) !== 0) {
        throw new Error(`Viewer ${index} was pushed something else`);
      }
    }
    this.#meter.addChecked(all.length);
  }

  /**
   * Does something that may fail, or take too long.
   *
   * @param {number} seconds
   * @param {() => string} progress how far it has come
   * @param {() => Promise<void>} act
   */
  async #within(seconds, progress, act) {
    const late = setTimeout(
      () => this.#fail(new Error(`Not ready after ${seconds} s`)),
      seconds * 1000,
    );
    try {
      await Promise.race([act(), this.#failure]);
    } catch (error) {
      const message = error instanceof Error ? error.message : `${error}`;
      throw new Error(`${progress()}: ${message}`);
    } finally {
      clearTimeout(late);
    }
  }
}
