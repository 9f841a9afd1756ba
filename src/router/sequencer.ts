/**
 * The order of changes.
 *
 * @module
 */

import type { Job, Replica } from "./replica.ts";

/** A change, as the sequencer takes it. */
export interface Change extends Job {
  /**
   * Changes of one owner with the same key that follow each other may share a
   * poll; `undefined` for one that needs its own.
   */
  readonly joins: string | undefined;
}

/** Changes that share a poll, or a poll alone. */
interface Batch {
  readonly changes: Change[];
  /** The `msg_id`s that the primary hasn't answered yet. */
  readonly open: Set<number>;
  /** Those that it failed. */
  readonly failed: Set<number>;
}

/** Changes, and bytes, that share a poll at most. */
const MOST_CHANGES = 1_000;
const MOST_BYTES = 16 * 1024 * 1024;

/**
 * Gives every change the next number, hands it to the replicas in that order
 * (Invariant 1) and decides where they poll, since that is part of an engine's
 * state (ENGINE 2.2).
 *
 * The primary executes a change first. When it has answered, the change goes
 * to the others; one that fails there never reaches them (Invariant 6). The
 * primary is sent changes as they come, without waiting for answers, as long as
 * no replica is far behind. Then they collect, and updates of one port of one
 * table that follow each other become one batch: a poll costs the same for one
 * update and for a thousand (ENGINE 4.8).
 *
 * Replicas poll after each batch, so that what a session has been told is what
 * anyone reads from then on (Invariant 2). With `onPollRequest` the program
 * polls when it likes; then whatever isn't a change polls first, because a
 * read doesn't do that by itself (ENGINE 2.4).
 */
export class Sequencer {
  readonly #primary: Replica;
  readonly #others: readonly Replica[];
  readonly #onPollRequest: (() => void) | undefined;
  /** Changes that wait for a replica that is behind. */
  readonly #collected: Change[] = [];
  /** In order; batches that wait for the primary, or for one before them. */
  readonly #batches: Batch[] = [];
  #number = 0;
  #joined = 0;
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

  /** How many of them shared the poll of one before them. */
  get joined(): number {
    return this.#joined;
  }

  /** How many wait for a replica that is behind. */
  get collected(): number {
    return this.#collected.length;
  }

  /** Whether every replica has been sent every change. */
  get isSettled(): boolean {
    return this.#batches.length === 0 && this.#collected.length === 0;
  }

  /** Hands on a change and returns its number. It says itself whether to poll. */
  change(change: Change): number {
    const number = ++this.#number;
    if (this.#collected.length > 0 || this.#isBehind()) {
      this.#collected.push(change);
    } else this.#send([change]);
    return number;
  }

  /**
   * The primary has answered the change `msgId`, or failed it. To be called
   * before anybody is told, so that whatever is read then comes after it.
   */
  answered(msgId: number, failed: boolean): void {
    // It answers in order, so this is the first but for polls.
    const batch = this.#batches.find((it) => it.open.has(msgId));
    if (batch === undefined) return;
    batch.open.delete(msgId);
    if (failed) batch.failed.add(msgId);
    this.#forward();
    this.progress();
  }

  /** A replica has executed something: there may be room for what has collected. */
  progress(): void {
    while (this.#collected.length > 0 && !this.#isBehind()) {
      this.#send(this.#takeBatch());
    }
  }

  /** Has to be called before anything but a change is sent to a replica. */
  beforeRead(): void {
    if (this.#unpolled) this.poll();
  }

  /** Passes the changes since the last poll on to views. */
  poll(): void {
    this.#unpolled = this.#asked = false;
    if (this.#primary.isImmediate) this.#primary.pollNow();
    else this.#primary.sendChanges([POLL]);
    if (this.#others.length > 0) {
      // In its place in the order, behind changes that aren't answered yet.
      const none = new Set<number>();
      this.#batches.push({ changes: [POLL], open: none, failed: none });
      this.#forward();
    }
  }

  #isBehind(): boolean {
    // What the primary is still at comes to the others when it has answered.
    return this.#primary.isBehind(0) ||
      this.#others.some((it) => it.isBehind(this.#batches.length));
  }

  /** The next of what has collected, and what may share its poll. */
  #takeBatch(): Change[] {
    const first = this.#collected.shift()!;
    const batch = [first];
    let bytes = first.frame?.byteLength ?? 0;
    while (first.joins !== undefined && batch.length < MOST_CHANGES) {
      const next = this.#collected[0];
      if (next === undefined || next.joins !== first.joins) break;
      // What its owner asked in between would have to come in between.
      if (next.owner !== first.owner) break;
      bytes += next.frame?.byteLength ?? 0;
      if (bytes > MOST_BYTES) break;
      batch.push(this.#collected.shift()!);
    }
    this.#joined += batch.length - 1;
    return batch;
  }

  #send(changes: Change[]): void {
    const poll = this.#onPollRequest === undefined;
    const last = changes.length - 1;
    const jobs = changes.map((it, i) => ({ ...it, poll: poll && i === last }));
    if (this.#others.length > 0) {
      this.#batches.push({
        changes: jobs,
        open: new Set(jobs.map((it) => it.frame!.msgId)),
        failed: new Set(),
      });
    }
    // Before it is sent: a client may read as soon as it is answered.
    if (!poll) this.#unpolled = true;
    if (this.#primary.isImmediate) {
      for (const { frame, kind, poll } of jobs) {
        this.#primary.sendNow(frame!, kind, poll);
      }
    } else this.#primary.sendChanges(jobs);
    if (this.#unpolled && !this.#asked) {
      this.#asked = true;
      this.#onPollRequest!();
    }
  }

  #forward(): void {
    while (this.#batches.length > 0 && this.#batches[0]!.open.size === 0) {
      const { changes, failed } = this.#batches.shift()!;
      // Without a msg_id: nobody waits for these answers.
      const made = changes
        .filter(({ frame }) => !failed.has(frame?.msgId ?? 0))
        .map((it) => ({ ...it, frame: it.frame?.withMsgId(0) }));
      if (made.length === 0) continue;
      // If the last one failed, the poll is the one's before it.
      const last = made.at(-1)!;
      made[made.length - 1] = { ...last, poll: changes.at(-1)!.poll };
      for (const replica of this.#others) replica.sendChanges(made);
    }
  }
}

/** A poll alone. It is nobody's, and waits for nobody. */
const POLL: Change = {
  owner: {},
  stamp: -1,
  frame: undefined,
  kind: 0,
  poll: true,
  key: "",
  predicted: 0,
  joins: undefined,
};
