/**
 * The order of changes.
 *
 * @module
 */

import type { Reframed } from "../protocol/frame.ts";
import type { Job, Replica } from "./replica.ts";

/** A step that the primary has been sent and the others haven't. */
interface Step {
  /** The change, or a poll that the program asked for. */
  readonly job: Job;
  /** What became of it on the primary. */
  state: "open" | "done" | "failed";
}

/** A poll alone. It is nobody's, and waits for nobody. */
const POLL: Job = {
  owner: {},
  stamp: -1,
  frame: undefined,
  kind: 0,
  poll: true,
  key: "",
  predicted: 0,
};

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

  /** Hands on a change and returns its number. It says itself whether to poll. */
  change(change: Job & { readonly frame: Reframed }): number {
    const number = ++this.#number;
    const job = { ...change, poll: this.#onPollRequest === undefined };
    if (this.#others.length > 0) this.#steps.push({ job, state: "open" });
    // Before it is sent: a client may read as soon as it is answered.
    if (!job.poll) this.#unpolled = true;
    if (this.#primary.isImmediate) {
      this.#primary.sendNow(change.frame, job.kind, job.poll);
    } else this.#primary.send(job, true);
    if (this.#unpolled && !this.#asked) {
      this.#asked = true;
      this.#onPollRequest!();
    }
    return number;
  }

  /**
   * The primary has answered the change `msgId`, or failed it. To be called
   * before anybody is told, so that whatever is read then comes after it.
   */
  answered(msgId: number, failed: boolean): void {
    // It answers in order, so this is the first but for polls.
    const step = this.#steps.find((it) => it.job.frame?.msgId === msgId);
    if (step === undefined) return;
    step.state = failed ? "failed" : "done";
    this.#forward();
  }

  /** Has to be called before anything but a change is sent to a replica. */
  beforeRead(): void {
    if (this.#unpolled) this.poll();
  }

  /** Passes the changes since the last poll on to views. */
  poll(): void {
    this.#unpolled = this.#asked = false;
    if (this.#primary.isImmediate) this.#primary.pollNow();
    else this.#primary.send(POLL, true);
    if (this.#others.length > 0) {
      // In its place in the order, behind changes that aren't answered yet.
      this.#steps.push({ job: POLL, state: "done" });
      this.#forward();
    }
  }

  #forward(): void {
    while (this.#steps.length > 0 && this.#steps[0]!.state !== "open") {
      const { job, state } = this.#steps.shift()!;
      if (state === "failed") continue;
      // Without a msg_id: nobody waits for these answers.
      const copy = { ...job, frame: job.frame?.withMsgId(0) };
      for (const replica of this.#others) replica.send(copy, true);
    }
  }
}
