// @ts-check
/** Counts what was answered between `start()` and `stop()`. */
import { busySeconds } from "./cpu.mjs";
import { histogramOf } from "./histogram.mjs";

/** @typedef {import("./types.ts").Measurement} Measurement */

/** One answer in so many is checked, and the first of each connection. */
const SAMPLE = 97;

export class Meter {
  #counting = false;
  #startedAt = 0;
  #seconds = 0;
  #requestBytes = 0;
  #answerBytes = 0;
  #checked = 0;
  #beside = 0;
  #pushes = 0;
  /** @type {number[]} in milliseconds */
  #latencies = [];
  #server;
  #load;

  /**
   * @param {number | undefined} serverPid the process of the server
   * @param {number | undefined} loadPid the process of the load generator
   */
  constructor(serverPid, loadPid) {
    this.#server = new Stopwatch(serverPid);
    this.#load = new Stopwatch(loadPid);
  }

  /** Begins to count. */
  start() {
    this.#server.start();
    this.#load.start();
    this.#startedAt = performance.now();
    this.#counting = true;
  }

  /** Ends it. */
  stop() {
    this.#counting = false;
    this.#seconds = (performance.now() - this.#startedAt) / 1000;
    this.#server.stop();
    this.#load.stop();
  }

  /** Whether nothing has been counted yet. */
  get empty() {
    return this.#latencies.length === 0;
  }

  /**
   * Counts one answer, or the last one of a cycle.
   *
   * @param {number} latency in milliseconds
   * @param {number} requestBytes
   * @param {number} answerBytes
   */
  add(latency, requestBytes, answerBytes) {
    if (!this.#counting) return;
    this.#latencies.push(latency);
    this.#requestBytes += requestBytes;
    this.#answerBytes += answerBytes;
  }

  /** Counts what a connection did that only makes others busy. */
  addBeside() {
    if (this.#counting) this.#beside++;
  }

  /** Counts a push. */
  addPush() {
    if (this.#counting) this.#pushes++;
  }

  /**
   * Counts answers that were checked and not sampled.
   *
   * @param {number} answers
   */
  addChecked(answers) {
    this.#checked += answers;
  }

  /**
   * Says whether the nth answer of a connection is one to check.
   *
   * @param {number} nth from 0
   */
  samples(nth) {
    if (nth % SAMPLE !== 0) return false;
    this.#checked++;
    return true;
  }

  /** @returns {Measurement} */
  result() {
    const requests = this.#latencies.length;
    if (requests === 0) {
      throw new Error(`No answer in ${this.#seconds.toFixed(1)} s`);
    }
    const sorted = Float64Array.from(this.#latencies).sort();
    return {
      requests,
      seconds: this.#seconds,
      perSecond: requests / this.#seconds,
      besidePerSecond: this.#beside / this.#seconds,
      pushesPerSecond: this.#pushes / this.#seconds,
      histogram: histogramOf(sorted),
      latency: {
        p50: quantile(sorted, 0.5),
        p99: quantile(sorted, 0.99),
        max: quantile(sorted, 1),
      },
      requestBytes: this.#requestBytes / requests,
      answerBytes: this.#answerBytes / requests,
      checked: this.#checked,
      serverCores: this.#server.cores(this.#seconds),
      loadCores: this.#load.cores(this.#seconds),
      scene: null,
    };
  }
}

/** The processor time of a process between two moments. */
class Stopwatch {
  #pid;
  /** @type {number | null} */
  #before = null;
  /** @type {number | null} */
  #after = null;

  /** @param {number | undefined} pid */
  constructor(pid) {
    this.#pid = pid;
  }

  start() {
    this.#before = this.#read();
  }

  stop() {
    this.#after = this.#read();
  }

  /** @param {number} seconds */
  cores(seconds) {
    if (this.#before === null || this.#after === null) return null;
    return (this.#after - this.#before) / seconds;
  }

  #read() {
    return this.#pid === undefined ? null : busySeconds(this.#pid);
  }
}

/**
 * The value below which the given share of the values lies.
 *
 * @param {Float64Array} sorted not empty
 * @param {number} share from 0 to 1
 */
export function quantile(sorted, share) {
  const index = Math.ceil(sorted.length * share) - 1;
  return sorted[Math.max(0, index)] ?? 0;
}
