/**
 * The order of changes.
 *
 * @module
 */

import { Kind } from "../protocol/kinds.ts";
import type { Job, Replica } from "./replica.ts";

/** A change, as the sequencer takes it. */
export interface Change extends Job {
  /** The table that it changes. */
  readonly table: string;
  /** The tables that it makes a join of. */
  readonly sources?: readonly string[] | undefined;
  /**
   * The port that it goes through, if it may share a poll with others that go
   * to the same table through the same port; `undefined` if it needs a poll of
   * its own.
   */
  readonly port: number | undefined;
}

/** Changes that share a poll. */
interface Batch {
  readonly number: number;
  readonly changes: Change[];
  /** What each table that they change is changed through. */
  readonly ports: Map<string, number | undefined>;
  /** The `msg_id`s that the primary hasn't answered yet. */
  readonly open: Set<number>;
  /** Those that it failed. */
  readonly failed: Set<number>;
  /** Those that it answered with an error. */
  readonly refused: Set<number>;
  bytes: number;
  /** Whether something didn't go in any more. */
  isFull: boolean;
}

/** A replica that is to execute changes first. */
interface HandOver {
  readonly next: Replica;
  /** See {@linkcode Sequencer.handOver}. */
  move(): boolean;
  /** Whether it does now. */
  done(isPrimary: boolean): void;
}

/** What the sequencer tells of. */
export interface SequencerOwner {
  /** The tables that `table` is computed from: a read of it is a read of these. */
  sourcesOf(table: string): readonly string[];
  /** There may be room, or a batch may have gone on: reads may have waited. */
  wake(): void;
  /** `replica` stays behind, so that changes wait. */
  behind(replica: Replica): void;
  /** Whether a change that was under way when a primary was lost may be tried. */
  mayRisk(): boolean;
  /** Gives `replica`, which is lost or being filled, changes with a poll. */
  replay(replica: Replica, made: readonly Job[]): void;
  /** Set if the program polls itself: there is something to poll for. */
  readonly onPollRequest?: (() => void) | undefined;
}

/** Changes, and bytes, that share a poll at most. */
const MOST_CHANGES = 1_000;
const MOST_BYTES = 16 * 1024 * 1024;

/** So many full batches without catching up, and a replica counts as staying behind. */
const REPORT_AFTER = 16;

/**
 * Gives every change the next number, hands it to the replicas in that order
 * (Invariant 1) and decides where they poll, since that is part of an engine's
 * state (ENGINE 2.2).
 *
 * The primary executes a change first, as soon as it comes, and answers it.
 * The poll follows at once if every replica has executed the batch before.
 * Otherwise the batch stays open, and what comes meanwhile joins it: a poll
 * costs the same for one update and for a thousand (ENGINE 4.8). When it has
 * been polled and all of it is answered, it goes to the other replicas, with
 * one poll at the same place; what fails on the primary never reaches them
 * (Invariant 6).
 *
 * A batch holds any number of tables, which an engine polls one by one, and of
 * each table updates through one port only. Nothing is read on the primary
 * between a change and its poll, nor elsewhere before what has been answered
 * has got there (Invariant 2): such a read ends the batch, or waits if a
 * replica is too far behind.
 *
 * With `onPollRequest` the program polls when it likes; then whatever isn't a
 * change polls first, because a read doesn't do that by itself (ENGINE 2.4).
 */
export class Sequencer {
  #primary: Replica;
  /** Those that get what it has answered. */
  #others: readonly Replica[];
  readonly #owner: SequencerOwner;
  /** Changes that can't be made yet, and whose they are. */
  #collected: Change[] = [];
  readonly #waiting = new Set<object>();
  /** What the primary has been given since its last poll. */
  #open: Batch | undefined;
  /** The end of that, which is still to be given to it. */
  #unsent: Job[] = [];
  /** In order; polled, and waiting for the primary, or for one before them. */
  #closed: Batch[] = [];
  /** The last batch that all replicas have been given. */
  #forwarded = 0;
  #batches = 0;
  #number = 0;
  #changes = 0;
  #joined = 0;
  /** Whether a read waits for the open batch. */
  #isWanted = false;
  /** Only collect for now. */
  #isPaused = false;
  /** Only collect until this is done. */
  #handOver: HandOver | undefined;
  /** Batches that were full, in all and since all replicas had caught up. */
  #full = 0;
  #fullInARow = 0;
  /** Where nothing waits: whether there is something to poll for. */
  #isUnpolled = false;
  /** Whether the program has been asked to poll. */
  #isAsked = false;

  /** Orders the changes of `replicas`. */
  constructor(replicas: readonly Replica[], owner: SequencerOwner) {
    this.#primary = replicas[0]!;
    this.#others = replicas.slice(1);
    this.#owner = owner;
  }

  /** How many changes there have been. */
  get changes(): number {
    return this.#changes;
  }

  /** How many of them shared the poll of one before them. */
  get joined(): number {
    return this.#joined;
  }

  /** How many wait because a replica is behind. */
  get collected(): number {
    return this.#collected.length;
  }

  /** How many have been given to the primary and aren't polled yet. */
  get unpolled(): number {
    return this.#open?.changes.length ?? 0;
  }

  /** Batches so far that were as large as may be, since a replica was behind. */
  get full(): number {
    return this.#full;
  }

  /** Whether changes of `owner` are among those that wait. */
  hasCollected(owner: object): boolean {
    return this.#waiting.has(owner);
  }

  /** Whether a delete of `table` isn't answered yet. */
  isDeleting(table: string): boolean {
    const isDelete = (it: Change) =>
      it.kind === Kind.TABLE_DELETE && it.table === table;
    return this.#collected.some(isDelete) ||
      this.#unfinished().some(({ changes, open }) =>
        changes.some((it) => isDelete(it) && open.has(it.frame!.msgId))
      );
  }

  /** Takes a change. It gets its number when it is made. */
  change(unnumbered: Omit<Change, "change" | "poll">): void {
    this.#changes++;
    const change = { ...unnumbered, change: 0, poll: false };
    if (this.#primary.isImmediate) this.#execute(change);
    else if (this.#mayTake(change)) this.#send();
    else {
      this.#collected.push(change);
      this.#waiting.add(change.owner);
    }
  }

  /**
   * The primary has answered the change `msgId`, which it may have refused, or
   * failed it. To be called before anybody is told, so that whatever is read
   * then comes after it.
   */
  answered(msgId: number, failed: boolean, isRefused = false): void {
    // It answers in order, so this is the first that isn't answered in full.
    const batch = this.#closed.find((it) => it.open.has(msgId)) ?? this.#open;
    if (!batch?.open.delete(msgId)) return;
    if (failed) batch.failed.add(msgId);
    if (isRefused) batch.refused.add(msgId);
    if (batch !== this.#open) this.#forward();
  }

  /** A replica has executed a batch: there may be room for what has collected. */
  progress(): void {
    this.#advance();
    this.#owner.wake();
  }

  #advance(): void {
    if (this.#isPaused) return;
    this.#tryHandOver();
    if (this.#collected.length > 0) this.#retry();
    if (this.#open !== undefined && this.#mayPoll()) this.#close();
    this.#send();
    if (this.#open === undefined && this.#hasRoom()) this.#fullInARow = 0;
  }

  // -- When engines come and go ------------------------------------------------

  /** The engine that executes changes first. */
  get primary(): Replica {
    return this.#primary;
  }

  /**
   * What will be forwarded, though the primary has been given it; and there it
   * is polled, so that something else may be read (ENGINE 2.2).
   */
  settlePrimary(): readonly Change[] {
    if (this.#open !== undefined) {
      this.#close();
      this.#send();
    }
    return this.#closed.flatMap(({ changes }) => changes);
  }

  /**
   * Has `next` execute changes first, from where all have been given the same
   * and the primary has executed it; changes collect until then. There, before
   * any of them is made, `move` moves what belongs to the primary, if it can.
   *
   * Resolves with whether it could, and neither of the two was lost before.
   */
  handOver(next: Replica, move: () => boolean): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.settlePrimary();
    this.#handOver = { next, move, done: resolve };
    this.#advance();
    return promise;
  }

  /** The primary stays what it is, where `next` was to take its place. */
  keepPrimary(next = this.#handOver?.next): void {
    if (this.#handOver?.next !== next) return;
    this.#handOver?.done(false);
    this.#handOver = undefined;
  }

  #tryHandOver(): void {
    const handOver = this.#handOver;
    if (handOver === undefined || this.#primary.behind > 0) return;
    if (this.#unfinished().length > 0) return;
    this.#handOver = undefined;
    const { next, move, done } = handOver;
    const isMoved = move();
    if (isMoved) {
      this.#primary.isPrimary = false;
      next.isPrimary = true;
      this.#swap(next);
    }
    done(isMoved);
  }

  #swap(next: Replica): void {
    this.#others = this.#others.map((it) => it === next ? this.#primary : it);
    this.#primary = next;
  }

  /**
   * Whether `replica` is yet to be given a change that `owner` asked for before
   * `stamp`.
   */
  owes(replica: Replica, owner: object, stamp: number): boolean {
    const isOwed = (it: Change) => it.owner === owner && it.stamp < stamp;
    return this.#waiting.has(owner) && this.#collected.some(isOwed) ||
      !replica.isPrimary &&
        this.#unfinished().some(({ changes }) => changes.some(isOwed));
  }

  /**
   * The primary is lost, and `next` takes its place. What the lost one has
   * answered goes to all, and with it to `next`; the others of its changes, in
   * order, wait to be tried again, but for those of `refused` (Invariant 6).
   */
  promote(next: Replica, refused: (change: Change) => boolean): void {
    this.keepPrimary();
    const batches = this.#unfinished();
    this.#closed = [];
    this.#open = undefined;
    this.#unsent = [];
    this.#isWanted = this.#isAsked = false;
    const again: Change[] = [];
    for (const { changes, open, failed, refused, number } of batches) {
      const answered = changes.filter(({ frame }) => !open.has(frame!.msgId));
      again.push(...changes.filter(({ frame }) => open.has(frame!.msgId)));
      this.#forwarded = number;
      this.#give(answered, failed, refused);
    }
    this.#swap(next);
    const collected = this.#collected;
    this.#collected = again.filter((it) => !refused(it)).concat(collected);
    for (const { owner } of this.#collected) this.#waiting.add(owner);
  }

  /** Takes out the changes of `owner` that no engine has been given. */
  drop(owner: object): readonly Change[] {
    const dropped = this.#collected.filter((it) => it.owner === owner);
    this.#collected = this.#collected.filter((it) => it.owner !== owner);
    this.#waiting.delete(owner);
    return dropped;
  }

  /** Collects changes while `step` runs, and takes them after it. */
  pauseWhile(step: () => void): void {
    const wasPaused = this.#isPaused;
    this.#isPaused = true;
    try {
      step();
    } finally {
      this.#isPaused = wasPaused;
      this.#advance();
    }
  }

  /**
   * Whether something about `table` (`undefined`: about all of them) may be
   * asked of `replica` now. If not, it may be when the owner is woken; then it has
   * to have seen what `after` says, and no more.
   */
  mayAsk(
    replica: Replica,
    table: string | undefined,
    after = this.lastAnswered(table),
  ): boolean {
    if (replica.isPrimary) this.#end(this.#touches(table));
    else this.#end(this.#open !== undefined && this.#open.number <= after);
    return replica.isPrimary ? !this.#touches(table) : this.#forwarded >= after;
  }

  /**
   * The last batch from which something about `table` was answered, unless all
   * replicas have been given it: then 0.
   */
  lastAnswered(table: string | undefined): number {
    const isIn = (batch: Batch | undefined) =>
      batch !== undefined && batch.open.size < batch.changes.length &&
      this.#isAbout(batch, table);
    if (isIn(this.#open)) return this.#open!.number;
    return this.#closed.findLast(isIn)?.number ?? 0;
  }

  /**
   * To be called before anything but a change is sent to the primary, which
   * polls first if it has to, whoever is behind.
   */
  beforeRead(table: string | undefined): void {
    if (this.#isUnpolled) this.poll();
    else if (this.#touches(table)) {
      this.#close();
      this.#send();
    }
  }

  /** Passes the changes since the last poll on to views. */
  poll(): void {
    this.#isUnpolled = this.#isAsked = false;
    if (this.#primary.isImmediate) return this.#primary.pollNow();
    this.#open ??= this.#newBatch();
    this.#close();
    this.#send();
  }

  /** Executes a change where nothing waits, and there is only one replica. */
  #execute(change: Change): void {
    const polls = this.#owner.onPollRequest === undefined;
    // Before it is sent: a client may read as soon as it is answered.
    if (!polls) this.#isUnpolled = true;
    this.#primary.changeNow(this.#numbered(change), polls);
    if (this.#isUnpolled) this.#askProgram();
  }

  #askProgram(): void {
    if (this.#isAsked) return;
    this.#isAsked = true;
    this.#owner.onPollRequest!();
  }

  /** What hasn't been forwarded. */
  #unfinished(): readonly Batch[] {
    return this.#open === undefined
      ? this.#closed
      : [...this.#closed, this.#open];
  }

  /** Takes what has collected, each owner's in its order. */
  #retry(): void {
    const collected = this.#collected;
    this.#collected = [];
    this.#waiting.clear();
    for (const change of collected) {
      if (this.#mayTake(change)) continue;
      this.#collected.push(change);
      this.#waiting.add(change.owner);
    }
  }

  /** Adds `change` to a batch, if it may be made now. */
  #mayTake(change: Change): boolean {
    if (this.#isPaused || this.#handOver !== undefined) return false;
    if (this.#waiting.has(change.owner)) return false;
    if (change.deaths !== undefined && !this.#owner.mayRisk()) return false;
    const byProgram = this.#owner.onPollRequest !== undefined;
    // Reads that wait there would come between it and its poll.
    const mayStayOpen = byProgram ||
      change.port !== undefined && !this.#primary.hasReadsWaiting;
    const mayJoin = this.#open === undefined || this.#fits(change, this.#open);
    if (!mayJoin || !mayStayOpen) {
      const mayClose = this.#open?.isFull
        ? this.#takesFullBatch()
        : !this.#isBehind();
      if (!mayClose) return false;
      if (!mayJoin) this.#close();
    }
    const batch = this.#open ??= this.#newBatch();
    if (batch.changes.length > 0) this.#joined++;
    const numbered = this.#numbered(change);
    batch.changes.push(numbered);
    batch.ports.set(change.table, change.port);
    batch.open.add(change.frame!.msgId);
    batch.bytes += change.frame!.byteLength;
    this.#unsent.push(numbered);
    if (!mayStayOpen || !byProgram && this.#hasRoom()) this.#close();
    else if (byProgram) this.#askProgram();
    return true;
  }

  /**
   * `change` with the next number: that of its place in the order. One that is
   * tried again has another then, so that a number never tells of two states.
   */
  #numbered(change: Change): Change {
    return { ...change, change: ++this.#number };
  }

  #newBatch(): Batch {
    return {
      number: ++this.#batches,
      changes: [],
      ports: new Map(),
      open: new Set(),
      failed: new Set(),
      refused: new Set(),
      bytes: 0,
      isFull: false,
    };
  }

  /** Whether `change` may share the poll of `batch`. */
  #fits(change: Change, batch: Batch): boolean {
    if (
      batch.changes.length >= MOST_CHANGES ||
      batch.bytes + change.frame!.byteLength > MOST_BYTES
    ) {
      this.#countFull(batch);
      return false;
    }
    if (this.#owner.onPollRequest !== undefined) return true;
    const { table, port } = change;
    return port !== undefined &&
      (!batch.ports.has(table) || batch.ports.get(table) === port);
  }

  /** Tells of the replica that keeps batches from being polled, if it stays behind. */
  #countFull(batch: Batch): void {
    if (batch.isFull) return;
    batch.isFull = true;
    if (!this.#isBehind()) return;
    this.#full++;
    if (++this.#fullInARow !== REPORT_AFTER) return;
    const all = [this.#primary, ...this.#others];
    const slowest = all.reduce((a, b) => a.batchMicros < b.batchMicros ? b : a);
    this.#owner.behind(slowest);
  }

  /** Whether the open batch has anything that a read of `table` has to see. */
  #touches(table: string | undefined): boolean {
    return this.#open !== undefined && this.#isAbout(this.#open, table);
  }

  #isAbout({ ports }: Batch, table: string | undefined): boolean {
    if (this.#owner.onPollRequest !== undefined) return true;
    // Tables may have been made and deleted, but by none of these.
    if (table === undefined) return [...ports.values()].includes(undefined);
    if (ports.has(table)) return true;
    return this.#owner.sourcesOf(table).some((it) => ports.has(it));
  }

  /** Ends the open batch for a read, if it has to be and no replica is too far behind. */
  #end(has: boolean): void {
    if (!has) return;
    if (this.#isBehind()) this.#isWanted = true;
    else {
      this.#close();
      this.#send();
    }
  }

  /** Whether the open batch is polled now. */
  #mayPoll(): boolean {
    if (this.#owner.onPollRequest !== undefined && !this.#isWanted) {
      return false;
    }
    return this.#isWanted ? !this.#isBehind() : this.#hasRoom();
  }

  /** Whether some replica can't be given one more batch, whatever waits for it. */
  #isBehind(): boolean {
    // What the primary is still at comes to the others when it has answered.
    return this.#primary.isBehind(0) ||
      this.#others.some((it) => it.isBehind(this.#closed.length));
  }

  /** Whether all replicas wait for the next batch. */
  #hasRoom(): boolean {
    return this.#closed.length === 0 && this.#primary.hasRoom &&
      this.#others.every((it) => it.hasRoom);
  }

  /** Whether all replicas can be given a full batch. */
  #takesFullBatch(): boolean {
    return this.#primary.takesFullBatch(0) &&
      this.#others.every((it) => it.takesFullBatch(this.#closed.length));
  }

  /** Lets the primary poll after what it has been given. */
  #close(): void {
    const batch = this.#open!;
    this.#open = undefined;
    this.#isWanted = this.#isAsked = false;
    const last = this.#unsent.pop() ?? POLL;
    this.#unsent.push({ ...last, poll: true });
    // Then a lazy delete may stay unanswered as long as it likes.
    if (this.#others.length === 0) return;
    this.#closed.push(batch);
    this.#forward();
  }

  /** Gives the primary what it hasn't been given. */
  #send(): void {
    if (this.#unsent.length === 0) return;
    const unsent = this.#unsent;
    this.#unsent = [];
    this.#primary.sendChanges(unsent);
  }

  #sendMade(replica: Replica, made: readonly Job[]): void {
    replica.sendChanges(made);
    for (const { kind, table } of made) {
      if (kind === Kind.TABLE_DELETE) replica.forget(table!);
    }
  }

  /** Gives the others what the primary has polled and answered in full. */
  #forward(): void {
    while (this.#closed.length > 0 && this.#closed[0]!.open.size === 0) {
      const { number, changes, failed, refused } = this.#closed.shift()!;
      this.#forwarded = number;
      this.#give(changes, failed, refused);
    }
  }

  /** Gives the others what the primary has answered, with one poll. */
  #give(
    changes: readonly Change[],
    failed: ReadonlySet<number>,
    refused: ReadonlySet<number>,
  ): void {
    // Without a msg_id: nobody waits for these answers.
    const made: Job[] = changes
      .filter(({ frame }) => !failed.has(frame!.msgId))
      .map((it) => ({
        ...it,
        frame: it.frame!.withMsgId(0),
        poll: false,
        isRefused: refused.has(it.frame!.msgId),
      }));
    made.push({ ...made.pop() ?? POLL, poll: true });
    for (const replica of this.#others) {
      if (replica.state === "up") this.#sendMade(replica, made);
      else this.#owner.replay(replica, made);
    }
  }
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
  table: undefined,
  change: 0,
};
