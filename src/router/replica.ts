/**
 * One of several engines that hold the same tables.
 *
 * @module
 */

import type { Engine, EngineListener } from "../engine/engine.ts";
import type { Reframed } from "../protocol/frame.ts";
import { Turns, type Waiting } from "./turns.ts";

/** Something for an engine to execute. */
export interface Job extends Waiting {
  /** The request; `undefined` for a poll alone. */
  readonly frame: Reframed | undefined;
  readonly kind: number;
  /** The table that it is about, if it is about one. */
  readonly table: string | undefined;
  /** Whether to poll after it. */
  readonly poll: boolean;
  /** What it is alike in time, for learning; `""` for nothing. */
  readonly key: string;
  /** Microseconds that it is thought to take. */
  readonly predicted: number;
  /** The number of the change that it is; 0 if it isn't one. */
  readonly change: number;
}

/** Whom a replica tells what its engine tells it. */
export interface ReplicaOwner {
  /** See {@linkcode EngineListener.frame}. */
  frame(replica: Replica, frame: Uint8Array): void;
  /** See {@linkcode EngineListener.failed}. */
  failed(replica: Replica, msgId: number, error: Error): void;
  /** See {@linkcode EngineListener.fault}. */
  fault(replica: Replica, error: Error): void;
  /** See {@linkcode EngineListener.fatal}. */
  fatal(replica: Replica, error: Error): void;
  /** A request of `key` took so many microseconds, where it was sent at once. */
  measured(key: string, micros: number): void;
  /** A job took so many microseconds. */
  executed(job: Job, micros: number): void;
  /** There is room for more. */
  progress(): void;
}

/** What takes a turn: one job, or changes that nothing may come between. */
interface Turn {
  readonly jobs: readonly Job[];
  readonly isChange: boolean;
}

/** A job in the engine. */
interface Sent {
  readonly job: Job;
  readonly isChange: boolean;
}

/** What a {@linkcode Replica} holds and has done, in numbers. */
export interface ReplicaStats {
  /** Requests that wait in front of the engine or are under way in it. */
  readonly outstanding: number;
  /** Milliseconds that these are predicted to take. */
  readonly predictedMs: number;
  /** Views that live on it. */
  readonly views: number;
  /** Requests that it has executed. */
  readonly executed: number;
  /** Milliseconds that it has spent on them. */
  readonly busyMs: number;
  /** Changes that it has been given and hasn't executed. */
  readonly behind: number;
}

/**
 * What an engine is handed ahead of time: enough that it doesn't run dry while
 * a message travels, and little enough that what comes next can still be
 * chosen.
 */
const AHEAD_MICROS = 2_000;
const AHEAD_JOBS = 64;

/**
 * Batches of changes that an engine may be behind, and microseconds of them,
 * when they can't get larger.
 */
const MOST_BATCHES = 1_000;
const MOST_MICROS = 100_000;

/** Changes, and bytes of them, that it may be behind while it is at a read. */
const MOST_CHANGES = 10_000;
const MOST_BYTES = 64 * 1024 * 1024;

/** An engine of the router's, what waits for it, and how busy it is. */
export class Replica implements EngineListener {
  /**
   * Its place among the router's engines. 0 is the primary, which executes
   * each change first.
   */
  readonly index: number;
  /**
   * Whether there is never anything to wait for, neither for this engine (see
   * {@linkcode Engine.isImmediate}) nor for others.
   */
  readonly isImmediate: boolean;
  /** See {@linkcode Engine.isForeign}. */
  readonly isForeign: boolean;
  /** Views that live on it. */
  views = 0;
  /** When somebody last read a view on it, by the router's stamps, and who. */
  lastRead = -Infinity;
  lastReader: object | undefined;
  /** Microseconds that a batch of changes takes here, as far as is known. */
  batchMicros = 0;
  readonly #engine: Engine;
  readonly #owner: ReplicaOwner;
  readonly #turns = new Turns<Turn>();
  /** In the engine, in order. */
  readonly #sent: Sent[] = [];
  /** What was sent at once and is measured. */
  readonly #measured: string[] = [];
  /** The last change of each table that it has been given. */
  readonly #given = new Map<string, number>();
  /** Changes, and batches of them, that it has been given and hasn't executed. */
  #changesBehind = 0;
  #batchesBehind = 0;
  #bytesBehind = 0;
  /** What the batch under way has taken so far. */
  #micros = 0;
  #sentMicros = 0;
  #predicted = 0;
  #isPumping = false;
  #executed = 0;
  #busyMicros = 0;

  /** Listens to `engine` for `owner`. */
  constructor(
    engine: Engine,
    index: number,
    owner: ReplicaOwner,
    isAlone: boolean,
  ) {
    this.#engine = engine;
    this.isImmediate = isAlone && engine.isImmediate === true;
    this.isForeign = engine.isForeign === true;
    this.index = index;
    this.#owner = owner;
    engine.listen(this);
  }

  /** Whether it executes changes before the others. */
  get isPrimary(): boolean {
    return this.index === 0;
  }

  /** Microseconds that what waits and is under way is predicted to take. */
  get predicted(): number {
    return this.#predicted;
  }

  /** Changes that it has been given and hasn't executed. */
  get behind(): number {
    return this.#changesBehind;
  }

  /** Whether anything but changes waits in front of it. */
  get hasReadsWaiting(): boolean {
    return this.#turns.reads > 0;
  }

  /**
   * Whether it waits for the next batch. While it is at one, the next gets
   * larger, and so cheaper; but nobody waits for it because of somebody's read.
   */
  get hasRoom(): boolean {
    return this.#batchesBehind === 0 || this.#isReading && !this.isBehind(0);
  }

  /**
   * Whether it can be given a batch that is as large as may be, with `coming`
   * on their way to it: at once while it is at a read, otherwise changes are
   * slowed down to its pace.
   */
  takesFullBatch(coming: number): boolean {
    return !this.isBehind(coming) ||
      this.#isReading && this.#changesBehind < MOST_CHANGES &&
        this.#bytesBehind < MOST_BYTES;
  }

  /**
   * Whether it can't be given any more batches yet, with `coming` on their way
   * to it. What a batch takes here is learnt from the ones before; it is mostly
   * the views that make it slow.
   */
  isBehind(coming: number): boolean {
    const batches = this.#batchesBehind + coming;
    return batches >= MOST_BATCHES ||
      batches * this.batchMicros > MOST_MICROS;
  }

  /**
   * The last change of `table` that it has been given; 0 for none. What is
   * asked of it from here on sees this change, and all before it.
   */
  given(table: string): number {
    return this.#given.get(table) ?? 0;
  }

  /** `table` is no more. */
  forget(table: string): void {
    this.#given.delete(table);
  }

  get #isReading(): boolean {
    return this.#sent.length > 0 && !this.#sent[0]!.isChange;
  }

  /** Executes jobs of one owner in its turn, with nothing between them. */
  send(...jobs: readonly Job[]): void {
    for (const job of jobs) this.#predicted += job.predicted;
    this.#turns.add({ jobs, isChange: false }, jobs[0]!);
    this.#pump();
  }

  /**
   * Executes changes in their turn, with nothing between them: a read between
   * a change and its poll would change what the poll does (ENGINE 2.2, 9.13).
   */
  sendChanges(jobs: readonly Job[]): void {
    for (const { predicted, poll, frame, table, change } of jobs) {
      if (table !== undefined) this.#given.set(table, change);
      this.#predicted += predicted;
      this.#bytesBehind += frame?.byteLength ?? 0;
      if (poll) this.#batchesBehind++;
    }
    this.#changesBehind += jobs.length;
    this.#turns.addChanges({ jobs, isChange: true }, jobs);
    this.#pump();
  }

  /**
   * Executes a request within this call, as an immediate engine can. With a
   * `key`, for which it measures it.
   */
  sendNow(frame: Reframed, kind: number, key = ""): void {
    if (key !== "") this.#measured.push(key);
    this.#engine.send(frame, kind, false);
  }

  /** The same for a change. */
  changeNow({ frame, kind, table, change }: Job, poll: boolean): void {
    this.#given.set(table!, change);
    this.#engine.send(frame!, kind, poll);
  }

  /** The same for a poll. */
  pollNow(): void {
    this.#engine.poll();
  }

  /** Ends the engine. */
  async close(): Promise<void> {
    await this.#engine.close();
  }

  /** What it holds and has done. */
  stats(): ReplicaStats {
    return {
      behind: this.#changesBehind,
      outstanding: this.#turns.size + this.#sent.length,
      predictedMs: this.#predicted / 1000,
      views: this.views,
      executed: this.#executed,
      busyMs: this.#busyMicros / 1000,
    };
  }

  /** See {@linkcode EngineListener.frame}. */
  frame(frame: Uint8Array): void {
    this.#owner.frame(this, frame);
  }

  /** See {@linkcode EngineListener.failed}. */
  failed(msgId: number, error: Error): void {
    this.#owner.failed(this, msgId, error);
  }

  /** See {@linkcode EngineListener.fault}. */
  fault(error: Error): void {
    this.#owner.fault(this, error);
  }

  /** See {@linkcode EngineListener.fatal}. */
  fatal(error: Error): void {
    this.#owner.fatal(this, error);
  }

  /** See {@linkcode EngineListener.heap}. */
  heap(): void {}

  /** See {@linkcode EngineListener.executed}. */
  executed(micros: number): void {
    this.#executed++;
    this.#busyMicros += micros;
    const sent = this.#sent.shift();
    if (sent === undefined) {
      // It was sent at once, and most of it isn't measured.
      const key = micros > 0 ? this.#measured.shift() : undefined;
      if (key !== undefined) this.#owner.measured(key, micros);
      return;
    }
    const { job, isChange } = sent;
    this.#predicted -= job.predicted;
    this.#sentMicros -= job.predicted;
    this.#owner.executed(job, micros);
    this.#pump();
    if (!isChange) return;
    this.#changesBehind--;
    this.#bytesBehind -= job.frame?.byteLength ?? 0;
    this.#micros += micros;
    if (!job.poll) return;
    this.batchMicros += (this.#micros - this.batchMicros) / 4;
    this.#micros = 0;
    this.#batchesBehind--;
    this.#owner.progress();
  }

  #pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    while (
      this.#sent.length === 0 ||
      this.#sentMicros < AHEAD_MICROS && this.#sent.length < AHEAD_JOBS
    ) {
      const turn = this.#turns.next();
      if (turn === undefined) break;
      const { jobs, isChange } = turn;
      for (const job of jobs) {
        this.#sent.push({ job, isChange });
        this.#sentMicros += job.predicted;
        if (job.frame === undefined) this.#engine.poll();
        else this.#engine.send(job.frame, job.kind, job.poll);
      }
    }
    this.#isPumping = false;
  }
}
