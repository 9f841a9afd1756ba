/**
 * The first difference, and what a reader needs to find its cause. For tests
 * only.
 *
 * @module
 */

import { readable } from "../frames.ts";
import { inWords, type Step } from "./asks.ts";
import type { DifferentialOptions } from "./options.ts";

/** How many of the last steps a failure tells. */
const TRAIL = 12;

/**
 * Keeps the first thing that went wrong. It comes up in a callback, where what
 * is thrown would close a session instead of failing the test.
 */
export class Failure {
  /** Called when it is there. */
  onFail: () => void = () => {};
  readonly #options: DifferentialOptions;
  readonly #trail: string[] = [];
  #steps = 0;
  #error: Error | undefined;

  /** Nothing went wrong yet. */
  constructor(options: DifferentialOptions) {
    this.#options = options;
  }

  /** How many steps were taken. */
  get steps(): number {
    return this.#steps;
  }

  /** Whether there is one. */
  get isThere(): boolean {
    return this.#error !== undefined;
  }

  /** Notes that `step` is about to be taken. */
  note(step: Step): void {
    const words = `  ${++this.#steps}. ${inWords(step)}`;
    this.#trail.push(words);
    if (this.#trail.length > TRAIL) this.#trail.shift();
    this.#options.onStep?.(words);
  }

  /** @throws {Error} What went wrong, if anything did. */
  check(): void {
    if (this.#error !== undefined) throw this.#error;
  }

  /** Has what `take` throws fail the test. */
  guard(take: () => void): void {
    try {
      take();
    } catch (reason) {
      this.fail(reason instanceof Error ? reason.stack! : String(reason));
    }
  }

  /** Something went wrong, as a sentence without its stop. */
  fail(what: string, details: readonly string[] = []): void {
    if (this.isThere) return;
    const { seed, line, pipelined, steps } = this.#options;
    this.#error = new Error([
      `${what}.`,
      ...details,
      `Engine line ${line}, ${pipelined ? "in bursts" : "one by one"}, ` +
      `at step ${this.#steps}:`,
      ...this.#trail,
      `Repeat it with PERSPECTIVE_SEED=${seed} PERSPECTIVE_STEPS=` +
      `${Math.max(steps, this.#steps)}`,
    ].join("\n"));
    this.onFail();
  }

  /** The right side sent session `number` something else; `step` is the left one's. */
  differs(
    number: number,
    left: Uint8Array,
    right: Uint8Array,
    step: number,
  ): void {
    let at = 0;
    while (at < left.length && left[at] === right[at]) at++;
    this.fail(
      `The right side sent session ${number} something else than the ` +
        `left one, which sent it in step ${step}`,
      [
        `left:  ${readable(left)}`,
        `right: ${readable(right)}`,
        `They differ from byte ${at} of ${left.length} and ${right.length}.`,
      ],
    );
  }
}
