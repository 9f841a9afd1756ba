/**
 * One of several engines that hold the same tables.
 *
 * @module
 */

import type { Engine } from "../engine/engine.ts";
import type { Reframed } from "../protocol/frame.ts";
import { Kind } from "../protocol/kinds.ts";
import type { RequestObserver } from "./observer.ts";
import { Turns, type Waiting } from "./turns.ts";
import type { EngineView } from "./view.ts";
import { type Clock, Watchdog } from "./watchdog.ts";

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
  /** The port that a change goes through, where that is known. */
  readonly port?: number | undefined;
  /** The tables that it makes a join of. */
  readonly sources?: readonly string[] | undefined;
  /** The view that it is about, if it is about one. */
  readonly view?: EngineView | undefined;
  /** Whether the router asks it for itself, to replace an engine. */
  readonly isErrand?: boolean | undefined;
  /** Whether the primary has answered it with an error. */
  readonly isRefused?: boolean;
  /** At how many deaths of an engine it was under way. */
  deaths?: number;
  /** The subscriptions that one of these has pushed to for it. */
  told?: ReadonlySet<number>;
}

/** By what time a {@linkcode Replica} sees that a request doesn't come back. */
export interface Watch extends Clock {
  /** Milliseconds that a request of `kind` may take; `Infinity` for any time. */
  timeout(kind: number): number;
}

/** Whom a replica tells what its engine tells it. */
export interface ReplicaOwner {
  /** Is told how long what an engine executes has waited, and has taken. */
  readonly observer?: RequestObserver | undefined;
  /** See `EngineListener.frame`. */
  frame(replica: Replica, frame: Uint8Array): void;
  /** See `EngineListener.failed`. */
  failed(replica: Replica, msgId: number, error: Error): void;
  /** See `EngineListener.fault`. */
  fault(replica: Replica, error: Error): void;
  /** See `EngineListener.fatal`. */
  fatal(replica: Replica, error: Error, guilty?: boolean): void;
  /** Whether nobody waits for `job`, so that it needn't be done; it is answered then. */
  dropped(replica: Replica, job: Job): boolean;
  /** The request under way has taken longer than it may. */
  hung(replica: Replica): void;
  /** The engine's heap has grown. */
  heap(replica: Replica): void;
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
  /** When it was asked for, if somebody wants to know. */
  readonly since: number | undefined;
}

/** A job in the engine. */
interface Sent {
  readonly job: Job;
  /** What it was sent with. */
  readonly turn: Turn;
}

/**
 * Whether an engine takes requests.
 *
 * - `"up"`: it does
 * - `"down"`: it is lost; what is asked of it waits for another one
 * - `"filling"`: that one is there, and gets the tables of the others
 */
export type ReplicaState = "up" | "down" | "filling";

/** What an engine hadn't executed when it was lost, each in order. */
export interface Debts {
  /** What was under way in it. */
  readonly running: Job | undefined;
  /** Whether that is a change which it has made, and said so. */
  readonly isMade: boolean;
  /**
   * Everything but changes, what was under way included. What may have nothing
   * between it is together.
   */
  readonly reads: ReadonlyArray<readonly Job[]>;
  /** Changes that it hasn't told views of: what the poll under way is about. */
  readonly unpolled: readonly Job[];
  /** The subscriptions that what was under way has pushed to already. */
  readonly pushedTo: ReadonlySet<number>;
  /** The changes after these. */
  readonly changes: readonly Job[];
}

/** What a {@linkcode Replica} holds and has done, in numbers. */
export interface ReplicaStats {
  /** Whether it takes requests. */
  readonly state: ReplicaState;
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
  /** Bytes of the engine's heap, which never shrinks; 0 where it isn't known. */
  readonly heapSize: number;
  /** How many engines have been lost here. */
  readonly deaths: number;
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

/**
 * Milliseconds that an errand may take at least. Copying a table takes what the
 * table takes, whatever clients may ask for, and a healthy engine isn't given
 * up for that.
 */
const ERRAND_TIMEOUT = 30_000;

/** How much larger a heap may get than it was at first, whatever the limit. */
const MOST_GROWTH = 1.25;

/** An engine of the router's, what waits for it, and how busy it is. */
export class Replica {
  /** Its place among the router's engines. */
  readonly index: number;
  /** Whether it executes changes before the others. */
  isPrimary: boolean;
  /**
   * Whether there is never anything to wait for, neither for this engine (see
   * {@linkcode Engine.isImmediate}) nor for others.
   */
  readonly isImmediate: boolean;
  /** See {@linkcode Engine.isForeign}. */
  readonly isForeign: boolean;
  /** Views that live on it. */
  views = 0;
  /** Tables that others have and it hasn't, since they couldn't be copied. */
  readonly lacks = new Set<string>();
  /** When somebody last read a view on it, by the router's stamps, and who. */
  lastRead = -Infinity;
  lastReader: object | undefined;
  /** Microseconds that a batch of changes takes here, as far as is known. */
  batchMicros = 0;
  #state: ReplicaState = "up";
  #engine: Engine;
  readonly #owner: ReplicaOwner;
  readonly #watch: Watch | undefined;
  readonly #watchdog: Watchdog | undefined;
  #turns = new Turns<Turn>();
  /** What waits for another engine. */
  #parked: Array<readonly Job[]> = [];
  /** Views that this one has already, while it is being filled. */
  readonly #ready = new Set<EngineView>();
  /** In the engine, in order. */
  #sent: Sent[] = [];
  /** Subscriptions that what is under way has pushed to. */
  #pushedTo = new Set<number>();
  /** The last change that it has answered without an error. */
  #made = 0;
  /** Changes that it has executed since it polled. */
  #unpolled: Job[] = [];
  #heapSize = 0;
  #heapAtOpen = 0;
  #deaths = 0;
  /** Called when nothing is under way any more. */
  #onRetired: (() => void) | undefined;
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
  /** When what is under way began, if somebody wants to know. */
  #begun: number | undefined;
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
    watch?: Watch,
  ) {
    this.#engine = engine;
    this.isImmediate = isAlone && engine.isImmediate === true;
    this.isForeign = engine.isForeign === true;
    this.index = index;
    this.isPrimary = index === 0;
    this.#owner = owner;
    // A foreign one has an owner who may see to it.
    if (watch !== undefined && !this.isImmediate && !this.isForeign) {
      const { now, later } = watch;
      const onHang = () => this.#owner.hung(this);
      this.#watch = watch;
      this.#watchdog = new Watchdog({ now, later, onHang });
    }
    this.#listenTo(engine);
  }

  /** Whether it takes requests. */
  get state(): ReplicaState {
    return this.#state;
  }

  /**
   * Whether the engine's heap is above `most`, and has grown a lot: what the
   * tables and views take that it was filled with, the next one takes, too.
   */
  hasOutgrown(most: number): boolean {
    return this.#heapSize > Math.max(most, this.#heapAtOpen * MOST_GROWTH);
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

  /** It will have been given `changes`, when it has another engine. */
  owes(changes: readonly Job[]): void {
    for (const { table, change } of changes) {
      if (table !== undefined && change > 0) this.#given.set(table, change);
    }
  }

  /** `table` is no more. */
  forget(table: string): void {
    this.#given.delete(table);
    this.lacks.delete(table);
  }

  /** Whether it is at something that changes wait for, and not at changes. */
  get #isReading(): boolean {
    return this.#state === "filling" || this.#turns.isHeld ||
      this.#sent.length > 0 && !this.#sent[0]!.turn.isChange;
  }

  /** Executes jobs of one owner in its turn, with nothing between them. */
  send(...jobs: readonly Job[]): void {
    if (!this.#takes(jobs)) {
      this.#parked.push(jobs);
      return;
    }
    for (const job of jobs) this.#predicted += job.predicted;
    this.#turns.add(this.#turn(jobs, false), jobs[0]!);
    this.#pump();
  }

  #turn(jobs: readonly Job[], isChange: boolean): Turn {
    return { jobs, isChange, since: this.#owner.observer?.now() };
  }

  /** Whether the engine is there, and has what these are about. */
  #takes([first]: readonly Job[]): boolean {
    return this.#state === "up" ||
      first?.view !== undefined && this.#ready.has(first.view);
  }

  /**
   * Executes jobs at this place in the order of changes. If it `holds`, changes
   * that come later wait until {@linkcode Replica.letGo}, and
   * {@linkcode Replica.sendDuring} is for what is done before them.
   */
  sendInOrder(jobs: readonly Job[], holds = false): void {
    for (const job of jobs) this.#predicted += job.predicted;
    const turn = this.#turn(jobs, false);
    if (holds) this.#turns.addHolding(turn);
    else this.#turns.addChanges(turn, []);
    this.#pump();
  }

  /** Executes jobs while changes are held. */
  sendDuring(...jobs: readonly Job[]): void {
    for (const job of jobs) this.#predicted += job.predicted;
    this.#turns.addDuring(this.#turn(jobs, false));
    this.#pump();
  }

  /** Holds changes no longer. */
  letGo(): void {
    this.#turns.letGo();
    this.#pump();
    this.#owner.progress();
  }

  // -- Loss and replacement ---------------------------------------------------

  /** Sends on, after {@linkcode Replica.retire}. */
  resume(): void {
    this.#onRetired = undefined;
    this.#pump();
  }

  /** Calls `done` when the engine has done what it was sent; it is sent no more. */
  retire(done: () => void): void {
    if (this.#onRetired !== undefined) return;
    this.#onRetired = done;
    if (this.#sent.length === 0) done();
  }

  /** The engine is lost. Returns what it owes. */
  fail(): Debts {
    this.#state = "down";
    this.#onRetired = undefined;
    this.#deaths++;
    this.#ready.clear();
    this.#watchdog?.stop();
    const sent = this.#sent;
    const waiting = this.#turns.takeReads();
    const inOrder = this.#turns.takeChanges();
    const changes = [
      ...jobsOf(sent, ({ turn }) => turn.isChange),
      ...inOrder.flatMap(({ isChange, jobs }) => isChange ? jobs : []),
    ];
    // A read has nothing to do with what is polled after it.
    const polled = sent[0]?.turn.isChange
      ? changes.findIndex(({ poll }) => poll) + 1
      : 0;
    const debts = {
      running: sent[0]?.job,
      isMade: sent[0]?.job.frame !== undefined &&
        sent[0].job.frame.msgId === this.#made,
      reads: [
        ...[...new Set(sent.map(({ turn }) => turn))]
          .filter(({ isChange }) => !isChange)
          .map((turn) => jobsOf(sent, (it) => it.turn === turn)),
        ...inOrder.flatMap(({ isChange, jobs }) => isChange ? [] : [jobs]),
        ...waiting.map(({ jobs }) => jobs),
      ],
      unpolled: [...this.#unpolled, ...changes.slice(0, polled)],
      pushedTo: this.#pushedTo,
      changes: changes.slice(polled),
    };
    this.#pushedTo = new Set();
    this.#unpolled = [];
    this.#turns = new Turns();
    this.#sent = [];
    this.#measured.length = 0;
    this.#changesBehind = this.#batchesBehind = this.#bytesBehind = 0;
    this.#micros = this.#sentMicros = this.#predicted = 0;
    this.#heapSize = 0;
    return debts;
  }

  /**
   * Ends the lost engine, which may be at a request that doesn't come back.
   *
   * @returns Whether it has ended.
   */
  abandon(): boolean {
    const engine = this.#engine;
    if (engine.abandon !== undefined) return engine.abandon();
    this.#closeLost(engine);
    return true;
  }

  /** Ends the lost engine. */
  closeLost(): void {
    this.#closeLost(this.#engine);
  }

  #closeLost(engine: Engine): void {
    this.#watchdog?.stop();
    Promise.resolve(engine.close()).catch(() => {}); // it is lost anyway
  }

  /** Has another engine, which is new and empty. */
  attach(engine: Engine): void {
    this.#engine = engine;
    this.#state = "filling";
    this.lacks.clear();
    this.#listenTo(engine);
  }

  /** The new engine has all that it needs. */
  open(): void {
    this.#state = "up";
    this.#ready.clear();
    this.#heapAtOpen = this.#heapSize;
  }

  /** The new engine has `views`, though not yet all that it needs. */
  serve(views: readonly EngineView[]): void {
    for (const view of views) this.#ready.add(view);
  }

  /** Takes what waits for another engine, or those of it that are `wanted`. */
  takeParked(
    wanted: (jobs: readonly Job[]) => boolean = () => true,
  ): ReadonlyArray<readonly Job[]> {
    const parked = this.#parked;
    this.#parked = parked.filter((it) => !wanted(it));
    return parked.filter(wanted);
  }

  /** Whether anything waits for another engine. */
  get hasParked(): boolean {
    return this.#parked.length > 0;
  }

  /** The views on which something waits that was under way when an engine was lost. */
  get suspectViews(): ReadonlySet<EngineView | undefined> {
    const suspects = this.#parked.flat()
      .filter(({ deaths }) => deaths !== undefined);
    return new Set(suspects.map(({ view }) => view));
  }

  /** Whether something waits for another engine that needs `view` to be there. */
  awaits(view: EngineView): boolean {
    const jobs = this.#parked.flat().filter((it) => it.view === view);
    return jobs.length > 0 &&
      !jobs.some(({ kind }) => kind === Kind.TABLE_MAKE_VIEW);
  }

  /** Another engine has done what `msgId` asks for, so that nothing waits for it. */
  unpark(msgId: number): void {
    this.#parked = this.#parked
      .map((jobs) => jobs.filter(({ frame }) => frame?.msgId !== msgId))
      .filter((jobs) => jobs.length > 0);
  }

  /** Puts what the lost engine owed in front of what waits for another one. */
  park(jobs: ReadonlyArray<readonly Job[]>): void {
    this.#parked.unshift(...jobs);
  }

  /**
   * A push for the subscription `msgId` has come.
   *
   * @returns Whether it is news: the engine that was lost at what is under way
   * may have said it.
   */
  pushed(msgId: number): boolean {
    this.#pushedTo.add(msgId);
    return this.#sent[0]?.job.told?.has(msgId) !== true;
  }

  /** The change `msgId` was answered, and not with an error. */
  made(msgId: number): void {
    this.#made = msgId;
  }

  #listenTo(engine: Engine): void {
    const owner = this.#owner;
    // What an engine says that has been given up is for nobody.
    const isCurrent = () => this.#engine === engine && this.#state !== "down";
    engine.listen({
      frame: (frame) => {
        if (isCurrent()) owner.frame(this, frame);
      },
      failed: (msgId, error) => {
        if (isCurrent()) owner.failed(this, msgId, error);
      },
      fault: (error) => {
        if (isCurrent()) owner.fault(this, error);
      },
      fatal: (error, guilty) => {
        if (isCurrent()) owner.fatal(this, error, guilty);
      },
      executed: (micros) => {
        if (isCurrent()) this.#onExecuted(micros);
      },
      heap: (bytes) => {
        if (!isCurrent()) return;
        this.#heapSize = bytes;
        owner.heap(this);
      },
    });
  }

  /**
   * Executes changes in their turn, with nothing between them: a read between
   * a change and its poll would change what the poll does (ENGINE 2.2, 9.13).
   */
  sendChanges(jobs: readonly Job[]): void {
    this.owes(jobs); // what a new engine is filled with has no number
    for (const { predicted, poll, frame } of jobs) {
      this.#predicted += predicted;
      this.#bytesBehind += frame?.byteLength ?? 0;
      if (poll) this.#batchesBehind++;
    }
    this.#changesBehind += jobs.length;
    this.#turns.addChanges(this.#turn(jobs, true), jobs);
    this.#pump();
  }

  /**
   * Executes a request within this call, as an immediate engine can. With a
   * `key`, for which it measures it.
   */
  sendNow(frame: Reframed, kind: number, key = ""): void {
    if (key !== "") this.#measured.push(key);
    this.#executeNow(frame, kind, false);
  }

  /** The same for a change. */
  changeNow({ frame, kind, table, change }: Job, poll: boolean): void {
    this.#given.set(table!, change);
    this.#executeNow(frame!, kind, poll);
  }

  /** The same for a poll. */
  pollNow(): void {
    const { observer } = this.#owner;
    if (observer === undefined) return this.#engine.poll();
    const start = observer.now();
    this.#engine.poll();
    observer.executed(0, 0, observer.now() - start);
  }

  #executeNow(frame: Reframed, kind: number, poll: boolean): void {
    const { observer } = this.#owner;
    if (observer === undefined) return this.#engine.send(frame, kind, poll);
    const start = observer.now();
    this.#engine.send(frame, kind, poll);
    observer.executed(kind, 0, observer.now() - start);
  }

  /** Ends the engine. */
  async close(): Promise<void> {
    this.#watchdog?.stop();
    await this.#engine.close();
  }

  /** What it holds and has done. */
  stats(): ReplicaStats {
    return {
      state: this.#state,
      behind: this.#changesBehind,
      heapSize: this.#heapSize,
      deaths: this.#deaths,
      outstanding: this.#turns.size + this.#sent.length + this.#parked.length,
      predictedMs: this.#predicted / 1000,
      views: this.views,
      executed: this.#executed,
      busyMs: this.#busyMicros / 1000,
    };
  }

  /** See `EngineListener.executed`. */
  #onExecuted(micros: number): void {
    this.#executed++;
    this.#busyMicros += micros;
    if (this.#pushedTo.size > 0) this.#pushedTo.clear();
    const sent = this.#sent.shift();
    if (sent !== undefined) this.#observe(sent, micros);
    const next = this.#sent[0];
    if (next === undefined) this.#watchdog?.end();
    else this.#begin(next.job);
    if (sent === undefined) {
      // It was sent at once, and most of it isn't measured.
      const key = micros > 0 ? this.#measured.shift() : undefined;
      if (key !== undefined) this.#owner.measured(key, micros);
      return;
    }
    const { job, turn } = sent;
    this.#predicted -= job.predicted;
    this.#sentMicros -= job.predicted;
    this.#owner.executed(job, micros);
    const isBatchDone = turn.isChange && this.#onChanged(job, micros);
    this.#pump();
    if (isBatchDone) this.#owner.progress();
  }

  /** Whoever observes is told of what was executed, if all of it is known. */
  #observe({ job, turn }: Sent, micros: number): void {
    const { observer } = this.#owner;
    if (observer === undefined || turn.since === undefined) return;
    if (this.#begun === undefined) return;
    observer.executed(job.kind, this.#begun - turn.since, micros / 1000);
  }

  /** A change was executed. Returns whether that was the last of a batch. */
  #onChanged(job: Job, micros: number): boolean {
    this.#changesBehind--;
    this.#bytesBehind -= job.frame?.byteLength ?? 0;
    this.#micros += micros;
    if (!job.poll) {
      this.#unpolled.push(job);
      return false;
    }
    this.#unpolled.length = 0;
    this.batchMicros += (this.#micros - this.batchMicros) / 4;
    this.#micros = 0;
    this.#batchesBehind--;
    return true;
  }

  /** `job` is under way from now on. */
  #begin({ kind, isErrand }: Job): void {
    this.#begun = this.#owner.observer?.now();
    if (this.#watch === undefined) return;
    const timeout = this.#watch.timeout(kind);
    this.#watchdog!.begin(
      isErrand ? Math.max(timeout, ERRAND_TIMEOUT) : timeout,
    );
  }

  #pump(): void {
    if (this.#isPumping || this.#state === "down") return;
    if (this.#onRetired !== undefined) {
      if (this.#sent.length === 0) this.#onRetired();
      return;
    }
    this.#isPumping = true;
    while (
      this.#sent.length === 0 ||
      this.#sentMicros < AHEAD_MICROS && this.#sent.length < AHEAD_JOBS
    ) {
      const turn = this.#turns.next();
      if (turn === undefined) break;
      for (const job of turn.jobs) {
        if (!turn.isChange && this.#owner.dropped(this, job)) {
          this.#predicted -= job.predicted;
          continue;
        }
        if (this.#sent.length === 0) this.#begin(job);
        this.#sent.push({ job, turn });
        this.#sentMicros += job.predicted;
        if (job.frame === undefined) this.#engine.poll();
        else this.#engine.send(job.frame, job.kind, job.poll);
      }
    }
    this.#isPumping = false;
  }
}

function jobsOf(sent: readonly Sent[], is: (sent: Sent) => boolean): Job[] {
  return sent.filter(is).map(({ job }) => job);
}
