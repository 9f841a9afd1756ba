/**
 * The order of changes.
 *
 * @module
 */

import type { Reframed } from "../protocol/frame.ts";
import type { Replica } from "./replica.ts";

/** A step that the primary has been sent and the others haven't. */
interface Step {
  /** The change; `undefined` for a poll that the program asked for. */
  readonly frame: Reframed | undefined;
  readonly kind: number;
  /** What became of it on the primary. */
  state: "open" | "done" | "failed";
}

/**
 * Gives every change the next number, hands it to the replicas in that order
 * (Invariant 1) and decides where they poll, since that is part of an engine's
 * state (ENGINE 2.2).
 *
 * The primary executes a change first. When it has answered, the change goes
 * to the others; one that fails there never reaches them (Invariant 6). The
 * primary is sent changes as they come, without waiting for answers.
 *
 * Replicas poll after each change, so that what a session has been told is
 * what anyone reads from then on (Invariant 2). With `onPollRequest` the
 * program polls when it likes; then whatever isn't a change polls first,
 * because a read doesn't do that by itself (ENGINE 2.4).
 */
export class Sequencer {
  readonly #primary: Replica;
  readonly #others: readonly Replica[];
  readonly #onPollRequest: (() => void) | undefined;
  /** In order; those that wait for the primary, or for one before them. */
  readonly #steps: Step[] = [];
  #number = 0;
  /** Whether there is something to poll for. */
  #unpolled = false;
  /** Whether the program has been asked to poll. */
  #asked = false;

  /** Orders the changes of `replicas`; `onPollRequest` asks the program to poll. */
  constructor(replicas: readonly Replica[], onPollRequest?: () => void) {
    this.#primary = replicas[0]!;
    this.#others = replicas.slice(1);
    this.#onPollRequest = onPollRequest;
  }

  /** How many changes there have been. */
  get changes(): number {
    return this.#number;
  }

  /** Whether every replica has been sent every change. */
  get isSettled(): boolean {
    return this.#steps.length === 0;
  }

  /** Hands on a change and returns its number. */
  change(frame: Reframed, kind: number): number {
    const number = ++this.#number;
    if (this.#others.length > 0) {
      this.#steps.push({ frame, kind, state: "open" });
    }
    if (this.#onPollRequest === undefined) {
      this.#primary.send(frame, kind, true);
      return number;
    }
    // Before it is sent: a client may read as soon as it is answered.
    this.#unpolled = true;
    this.#primary.send(frame, kind, false);
    if (this.#unpolled && !this.#asked) {
      this.#asked = true;
      this.#onPollRequest();
    }
    return number;
  }

  /**
   * The primary has answered the change `msgId`, or failed it. To be called
   * before anybody is told, so that whatever is read then comes after it.
   */
  answered(msgId: number, failed: boolean): void {
    // It answers in order, so this is the first but for polls.
    const step = this.#steps.find((it) => it.frame?.msgId === msgId);
    if (step === undefined) return;
    step.state = failed ? "failed" : "done";
    this.#forward();
  }

  /** Hands anything else to `replica`. */
  request(replica: Replica, frame: Reframed, kind: number): void {
    if (this.#unpolled) this.poll();
    replica.send(frame, kind, false);
  }

  /** Passes the changes since the last poll on to views. */
  poll(): void {
    this.#unpolled = this.#asked = false;
    this.#primary.poll();
    if (this.#others.length > 0) {
      // In its place in the order, behind changes that aren't answered yet.
      this.#steps.push({ frame: undefined, kind: 0, state: "done" });
      this.#forward();
    }
  }

  #forward(): void {
    const poll = this.#onPollRequest === undefined;
    while (this.#steps.length > 0 && this.#steps[0]!.state !== "open") {
      const { frame, kind, state } = this.#steps.shift()!;
      if (state === "failed") continue;
      for (const replica of this.#others) {
        // Without a msg_id: nobody waits for these answers.
        if (frame === undefined) replica.poll();
        else replica.send(frame.withMsgId(0), kind, poll);
      }
    }
  }
}
