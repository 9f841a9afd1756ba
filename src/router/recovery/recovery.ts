/**
 * Replacing engines that are lost.
 *
 * @module
 */

import type { Engine } from "../../engine/engine.ts";
import { EngineFaultError, toError } from "../../errors.ts";
import { emptyAnswer, errorAnswer } from "../../protocol/answers.ts";
import { NO_BYTES, reframe } from "../../protocol/frame.ts";
import { Kind, kindName } from "../../protocol/kinds.ts";
import type { Debts, Job, Replica } from "../replica.ts";
import type { Route } from "../route.ts";
import type { Sequencer } from "../sequencer.ts";
import type { EngineView } from "../view.ts";
import type { ViewIndex } from "../view_index.ts";
import type { Clock } from "../watchdog.ts";
import { Errand } from "./errand.ts";
import { Fill, type FillHost } from "./fill.ts";
import { Missed } from "./missed.ts";
import { type MoveHost, moveSubscriptions } from "./move_subscriptions.ts";
import {
  makeFirst,
  type Place,
  push,
  restore,
  type RestoreHost,
} from "./restore.ts";

/** What {@linkcode Recovery} needs of the router. */
export interface RecoveryHost extends FillHost, RestoreHost, MoveHost {
  /** All engines. */
  readonly replicas: readonly Replica[];
  /** The views that engines have. */
  readonly views: ViewIndex;
  /** The order of changes. */
  readonly sequencer: Sequencer;
  /** What `msgId` stands for at the engines. */
  route(msgId: number): Route | undefined;
  /** The replica that has least to do. */
  leastBusy(table: string | undefined): Replica;
  /** What is asked now comes after all that was asked so far. */
  nextStamp(): number;
  /** Takes `frame` as if `replica` had said it. */
  frame(replica: Replica, frame: Uint8Array): void;
  /** Forgets what was read of tables. */
  forgetReads(): void;
  /** Has sessions retry that hold requests. */
  wake(): void;
  /** No engine that takes requests has `table` any more. */
  loseTable(table: string): void;
  /** There is no engine any more. */
  loseAll(error: Error): void;
}

/** How engines are replaced. */
export interface RecoveryOptions extends Clock {
  /** Starts another engine. */
  spawn(): Promise<Engine>;
}

/** An engine was lost that something was under way with. */
class LostError extends Error {}

/** Why an engine is lost. */
export interface Loss {
  readonly error: Error;
  /**
   * What it was lost by, as far as is known: by the request under way; by
   * something else that the engine was at, such as a poll; or by something that
   * has nothing to do with it.
   */
  readonly by: "request" | "engine" | "others";
  /** Whether it was at a request that didn't come back. */
  readonly isHung: boolean;
}

/** What recovery has done, in numbers. */
export interface RecoveryStats {
  /** Engines that were lost. */
  readonly lost: number;
  /** Engines that took the place of one that was lost. */
  readonly replaced: number;
  /** Requests that were answered with an error, since an engine was lost at them. */
  readonly poisonous: number;
  /** Views that were taken away from clients, for the same reason. */
  readonly removedViews: number;
  /** Lost engines whose thread couldn't be stopped. */
  readonly abandoned: number;
}

/** Views that are made on another engine. */
interface Move {
  /** The engine that is lost. */
  readonly replica: Replica;
  readonly target: Replica;
  readonly errand: Errand;
  /**
   * Changes that the target has been given before, and is yet to answer: the
   * views are told of them when they are made, or never if it is lost first.
   */
  readonly settled: ReadonlySet<number>;
  /** Those of them that it has answered. */
  readonly made: Job[];
}

/** Changes that those are told of who follow the list of tables. */
const LISTED: ReadonlySet<number> = new Set([
  Kind.MAKE_TABLE,
  Kind.MAKE_JOIN_TABLE,
  Kind.TABLE_DELETE,
]);

const NO_VIEWS: ReadonlySet<EngineView | undefined> = new Set();

/** A request that was under way at so many deaths isn't tried again. */
const MOST_DEATHS = 2;

/** What a death counts that may have had nothing to do with it. */
const CHANCE = 0.5;

/** A view that was under way at so many within a minute isn't made again. */
const MOST_VIEW_DEATHS = 3;
const MINUTE = 60_000;

/** Milliseconds before another engine is started, after the first. */
const FIRST_PAUSE = 250;
const LONGEST_PAUSE = 30_000;

/** An engine that lived so many milliseconds is replaced at once. */
const LONG_LIFE = 2_000;

/**
 * Replaces engines that are lost, while clients keep working (Invariants 6 and
 * 7): a new one gets the tables of another, then the views that lived on the
 * lost one, and then does what that one owed. One is replaced after the other.
 *
 * What was under way when an engine was lost may be what it was lost by. It is
 * tried once more; a change that is known to be, not even that.
 */
export class Recovery {
  readonly #host: RecoveryHost;
  readonly #options: RecoveryOptions;
  /** What views on an engine haven't been told of. */
  readonly #missed = new Map<Replica, Missed>();
  /** Engines to be replaced; the first is under way. */
  readonly #queue: Replica[] = [];
  #running: Promise<void> | undefined;
  #fill: Fill | undefined;
  #move: Move | undefined;
  /** Engines that couldn't be replaced, of which the program has been told. */
  readonly #unreplaced = new Set<Replica>();
  /** Requests that wait for changes of those who asked. */
  #behind: Array<readonly Job[]> = [];
  /** Requests that may have been fatal, and wait for more than one engine. */
  #risky: Array<readonly Job[]> = [];
  /** Engines whose heap is too large. */
  readonly #outgrown = new Set<Replica>();
  #retiring: Replica | undefined;
  /** It is the primary again when there is nothing to be copied any more. */
  #formerPrimary: Replica | undefined;
  #isOver = false;
  /** When views were under way at a death. */
  readonly #viewDeaths = new WeakMap<EngineView, number[]>();
  /** How long to wait before the next replacement, and since when one lives. */
  readonly #pauses = new Map<Replica, { ms: number; since: number }>();
  /** What prevents a replacement that is to come. */
  readonly #cancels = new Map<Replica, () => void>();
  readonly #stats = {
    lost: 0,
    replaced: 0,
    poisonous: 0,
    removedViews: 0,
    abandoned: 0,
  };

  /** Nothing is lost yet. */
  constructor(host: RecoveryHost, options: RecoveryOptions) {
    this.#host = host;
    this.#options = options;
  }

  /** What it has done, in numbers. */
  get stats(): RecoveryStats {
    return { ...this.#stats };
  }

  /** Whether a change that was under way at a death may be tried again. */
  get mayRisk(): boolean {
    return this.#healthy().length > 1;
  }

  /**
   * Whether a session may go on at whose request an engine was lost. It doesn't
   * wait for ever if that can't be replaced.
   */
  get mayGoOn(): boolean {
    return this.mayRisk ||
      this.#host.replicas.every((it) =>
        it.state === "up" || this.#unreplaced.has(it)
      );
  }

  /** The engine of `replica` is lost. */
  lost(replica: Replica, { error, by, isHung }: Loss): void {
    if (this.#isOver || replica.state === "down") return;
    const host = this.#host;
    if (this.#retiring === replica) this.#retiring = undefined;
    this.#outgrown.delete(replica);
    const debts = replica.fail();
    const { running, unpolled, pushedTo, changes } = debts;
    this.#stats.lost++;
    if (isHung && !replica.abandon()) this.#stats.abandoned++;
    else if (!isHung) replica.closeLost();
    const at = running === undefined ? "" : `, at ${nameOf(running)}`;
    const message = `Engine ${replica.index} is lost${at}: ${error.message}`;
    host.report(new EngineFaultError(message, { cause: error }));
    this.#callOff(replica, error);
    host.sequencer.keepPrimary(replica);
    const healthy = this.#healthy();
    if (healthy.length === 0) return this.#end(error);
    const poison = this.#blame(running, replica, by);
    const isToldOf = ({ frame }: Job) =>
      frame === undefined || host.route(frame.msgId) === undefined;
    const missed = this.#missedOf(replica);
    missed.add(unpolled.filter(isToldOf), pushedTo);
    missed.add(changes.filter(isToldOf));
    for (const view of host.views.unusedOn(replica)) host.views.gone(view);
    if (replica.isPrimary) {
      // What it knew of changes that it hadn't answered may never be so.
      for (const { reads } of host.views.on(replica)) reads?.clear();
      host.forgetReads();
    }
    // Changes go on when it is known whose aren't made any more.
    host.sequencer.pauseWhile(() =>
      this.#settle(replica, debts, { poison, error, healthy })
    );
    host.sequencer.progress();
  }

  /** Sees to what `replica` owed. */
  #settle(
    replica: Replica,
    debts: Debts,
    { poison, error, healthy }: {
      poison: Job | undefined;
      error: Error;
      healthy: readonly Replica[];
    },
  ): void {
    const owed = debts.reads.map((jobs) => jobs.filter((it) => it !== poison))
      .filter((jobs) => jobs.length > 0);
    // First of all: what is read elsewhere comes after what was answered.
    if (replica.isPrimary) {
      const later = new Set(owed.flat().map(({ frame }) => frame?.msgId ?? 0));
      this.#promote(replica, healthy, debts, poison, later);
      if (debts.isMade) this.#tellFollowers(debts);
    }
    this.#share(replica, owed);
    if (poison !== undefined) this.#refuse(replica, poison, error);
    this.#enqueue(replica);
  }

  /**
   * The heap of `replica` has become too large, which it stays for ever: another
   * engine takes its place, when it is done with what it is at.
   */
  recycle(replica: Replica): void {
    // One that is being filled takes what it takes.
    if (replica.state === "up") this.#outgrown.add(replica);
    this.#recycleNext();
  }

  /** One after the other, and never the last. */
  #recycleNext(): void {
    const { replicas } = this.#host;
    if (this.#retiring !== undefined || this.#isOver) return;
    if (replicas.length < 2 || this.#healthy().length < replicas.length) return;
    const [replica] = this.#outgrown;
    if (replica === undefined) return;
    // Others may lack what it has.
    if (replica.isPrimary && replicas.some((it) => it.lacks.size > 0)) return;
    this.#retiring = replica;
    replica.retire(() => {
      this.#retiring = undefined;
      if (this.#healthy().length < 2) return replica.resume();
      const error = new Error("its heap has become too large (maxHeapSize)");
      this.lost(replica, { error, by: "others", isHung: false });
    });
  }

  /** Changes have been made: what has waited for them may be asked. */
  wake(): void {
    if (this.#behind.length === 0) return;
    const behind = this.#behind;
    this.#behind = [];
    for (const jobs of behind) this.#askAgain(jobs);
  }

  /** `replica`, which is lost or being filled, gets changes with a poll. */
  take(replica: Replica, made: readonly Job[]): void {
    replica.owes(made);
    if (this.#fill?.replica === replica) return this.#fill.take(made);
    const move = this.#move?.replica === replica ? this.#move : undefined;
    const isSettled = ({ change }: Job) => move?.settled.has(change) === true;
    move?.made.push(...made.filter(isSettled));
    this.#missedOf(replica).add(made.filter((it) => !isSettled(it)));
  }

  /** There is nothing to replace any more. Resolves when nothing is under way. */
  async close(): Promise<void> {
    this.#stop();
    await this.#running;
  }

  #stop(): void {
    this.#isOver = true;
    this.#host.sequencer.keepPrimary();
    this.#queue.length = 0;
    for (const cancel of this.#cancels.values()) cancel();
    const why = new LostError("The server is closed");
    this.#fill?.callOff(why);
    this.#move?.errand.callOff(why);
  }

  #healthy(): Replica[] {
    return this.#host.replicas.filter(({ state }) => state === "up");
  }

  #missedOf(replica: Replica): Missed {
    let missed = this.#missed.get(replica);
    if (missed === undefined) {
      this.#missed.set(replica, missed = new Missed());
    }
    return missed;
  }

  #end(error: Error): void {
    this.#stop();
    this.#host.loseAll(error);
  }

  // -- What is lost ------------------------------------------------------------

  /**
   * Decides whether what was under way is not to be tried again.
   *
   * A change that is answered, or comes from the primary, can't be what it was
   * lost by: that is the poll after it, and so a view.
   */
  #blame(
    running: Job | undefined,
    replica: Replica,
    by: Loss["by"],
  ): Job | undefined {
    if (running?.frame === undefined) return undefined;
    const { frame, change, table, view } = running;
    const isChange = change > 0;
    const route = this.#host.route(frame.msgId);
    const isOpen = route !== undefined;
    const isGuilty = isChange && isOpen && by === "request";
    if (by !== "others" && !isGuilty) {
      const views = view !== undefined ? [view] : this.#viewsOf(table, replica);
      for (const it of views) this.#blameView(it);
    }
    if (!isOpen) return undefined;
    const weight = by === "others" ? CHANCE : 1;
    running.deaths = (running.deaths ?? 0) + weight;
    if (by !== "others") route.session?.suspect();
    return isGuilty || running.deaths >= MOST_DEATHS ? running : undefined;
  }

  /** The views on `replica` that see changes of `table`. */
  #viewsOf(table: string | undefined, replica: Replica): EngineView[] {
    return table === undefined ? [] : this.#host.views.on(replica)
      .filter((it) =>
        it.table === table ||
        this.#host.tables.sourcesOf(it.table).includes(table)
      );
  }

  #blameView(view: EngineView): void {
    const now = this.#options.now();
    const deaths = (this.#viewDeaths.get(view) ?? [])
      .filter((it) => now - it < MINUTE);
    deaths.push(now);
    this.#viewDeaths.set(view, deaths);
  }

  /** Answers `job` with an error. */
  #refuse(replica: Replica, job: Job, error: Error): void {
    const host = this.#host;
    const { msgId } = job.frame!;
    const route = host.route(msgId);
    if (route === undefined) return;
    this.#stats.poisonous++;
    const message =
      `The engine was lost at ${nameOf(job)}, which isn't tried ` +
      `again: ${error.message}`;
    host.frame(replica, errorAnswer(msgId, NO_BYTES, message));
    route.session?.strike();
  }

  /** Has others do what doesn't depend on views of `replica`; the rest waits. */
  #share(replica: Replica, owed: ReadonlyArray<readonly Job[]>): void {
    const host = this.#host;
    const waiting: Array<readonly Job[]> = [];
    const isDelete = ({ kind, view }: Job) =>
      kind === Kind.VIEW_DELETE && view?.state === "gone";
    const stillAsked = new Set(
      owed.flat().filter((it) => !isDelete(it)).map(({ view }) => view),
    );
    for (const jobs of owed) {
      // What was answered, or called off, is for nobody.
      const open = jobs.filter(({ frame }) =>
        host.route(frame?.msgId ?? 0) !== undefined
      );
      const [first] = open;
      if (first === undefined) continue;
      const { kind, frame, view } = first;
      const { subscription } = host.route(frame!.msgId)!;
      if (isDelete(first) && !stillAsked.has(view)) {
        // It has gone with its engine.
        host.frame(replica, emptyAnswer(frame!.msgId, NO_BYTES, kind));
      } else if (view !== undefined) waiting.push(open);
      // What may have been fatal isn't tried where another one may be the last.
      else if (first.deaths !== undefined && !subscription) {
        this.#risky.push(open);
      } else this.#askAgain(open);
    }
    // Where their view lives: it may have been about to move here.
    for (const it of host.replicas) {
      it.park(waiting.filter(([first]) => first!.view!.replica === it));
    }
  }

  /** Asks a healthy engine, after the changes of who asked. */
  #askAgain(jobs: readonly Job[]): void {
    const { sequencer } = this.#host;
    const open = jobs.filter(({ frame }) =>
      this.#host.route(frame!.msgId) !== undefined
    );
    const [first] = open;
    if (first === undefined) return;
    const { frame, view, owner, stamp, table } = first;
    const route = this.#host.route(frame!.msgId)!;
    // Subscriptions belong where changes are seen first.
    const replica = view?.replica ??
      (route.subscription ? sequencer.primary : this.#host.leastBusy(table));
    // Who has joined a read asks for no change before it is answered.
    const isEarly = sequencer.owes(replica, owner, stamp) ||
      this.#joinedTo(route).some((it) => sequencer.owes(replica, it, Infinity));
    if (!route.subscription && isEarly) {
      this.#behind.push(open);
      return;
    }
    if (replica.isPrimary) sequencer.beforeRead(table);
    if (route.subscription && view === undefined) {
      // Before what is tried again.
      return replica.sendInOrder(open);
    }
    // Not between changes of one poll, some of which it has to see.
    const now = this.#host.nextStamp();
    replica.send(...open.map((it) => ({ ...it, stamp: now })));
  }

  /** Who gets the same answer. */
  #joinedTo({ joined = [] }: Route): object[] {
    return joined.flatMap((it) => this.#host.route(it)?.session ?? []);
  }

  /** What waited for `replica` is asked. */
  #askParked(replica: Replica): void {
    for (const jobs of replica.takeParked()) this.#askAgain(jobs);
    this.#askRisky();
  }

  /** What may have been fatal is asked, where that isn't the last engine. */
  #askRisky(): void {
    if (!this.mayRisk) return;
    for (const jobs of this.#risky.splice(0)) this.#askAgain(jobs);
  }

  /**
   * Has another engine execute changes first. Subscriptions of `later` it will
   * be asked for anyway.
   */
  #promote(
    replica: Replica,
    healthy: readonly Replica[],
    { running, pushedTo }: Debts,
    poison: Job | undefined,
    later: ReadonlySet<number>,
  ): void {
    const host = this.#host;
    const next = healthy.reduce((a, b) =>
      (b.lacks.size - a.lacks.size || b.views - a.views) < 0 ? b : a
    );
    replica.isPrimary = false;
    next.isPrimary = true;
    for (const table of [...next.lacks]) {
      // Tables of that name that others may have are of no use any more.
      host.loseTable(table);
      const message =
        `Table "${table}" is lost with engine ${replica.index}: ` +
        `it couldn't be copied to another one`;
      host.report(new EngineFaultError(message));
    }
    host.sequencer.promote(next, (change) => {
      if (change.frame!.msgId !== running?.frame?.msgId) return false;
      change.deaths = running.deaths!;
      change.told = new Set([...pushedTo, ...change.told ?? []]);
      return poison !== undefined;
    });
    // What belongs to no view was subscribed to there.
    for (const [msgId, { kind, subscribed }] of [...host.routes]) {
      if (subscribed === undefined || subscribed.view !== undefined) continue;
      if (later.has(msgId)) continue;
      const step = { frame: subscribed.frame, kind };
      // Before what is tried again, and behind what was told of.
      next.sendInOrder([host.newJob(step, this, undefined)]);
    }
  }

  /**
   * Tells those who follow tables of the change that the primary was lost at,
   * if it hasn't: to the next one that is nothing new. What it answered before,
   * it has told of.
   */
  #tellFollowers({ running, pushedTo }: Debts): void {
    const { kind, table } = running!;
    if (!LISTED.has(kind)) return;
    for (const [msgId, route] of [...this.#host.routes]) {
      const { subscription, entity } = route;
      if (!subscription || pushedTo.has(msgId)) continue;
      if (route.kind === Kind.GET_HOSTED_TABLES) {
        push(this.#host, msgId, reframe(msgId, NO_BYTES, NO_BYTES, 0, 0));
      } else if (
        kind === Kind.TABLE_DELETE && route.kind === Kind.TABLE_ON_DELETE &&
        decoder.decode(entity) === table
      ) push(this.#host, msgId, emptyAnswer(msgId, entity, route.kind));
    }
  }

  // -- Replacing ---------------------------------------------------------------

  #run(): void {
    this.#running ??= this.#replaceAll();
  }

  async #replaceAll(): Promise<void> {
    for (let next; !this.#isOver && (next = this.#queue[0]) !== undefined;) {
      try {
        await this.#replace(next);
      } catch (reason) {
        if (this.#isOver) break;
        await this.#onFailure(next, toError(reason));
      }
    }
    // At once: whoever comes next has to begin anew.
    this.#running = undefined;
  }

  /** `replica` couldn't be replaced: it is tried again. */
  async #onFailure(replica: Replica, error: Error): Promise<void> {
    // Then it waits for the next one already, or its turn has come again.
    if (error instanceof LostError) return;
    this.#queue.splice(0, this.#queue[0] === replica ? 1 : 0);
    if (replica.state === "filling") this.#giveBack(replica);
    this.#enqueue(replica);
    if (!this.#unreplaced.has(replica)) {
      this.#unreplaced.add(replica);
      this.#host.report(
        new EngineFaultError(
          `Engine ${replica.index} can't be replaced now, the others take ` +
            `over its views: ${error.message}`,
          { cause: error },
        ),
      );
      // Who is suspected has waited for whether it can be.
      this.#host.wake();
    }
    // It has waited for that one.
    this.#askRisky();
    if (!replica.hasParked && this.#host.views.on(replica).length === 0) return;
    try {
      const staying = this.mayRisk ? NO_VIEWS : replica.suspectViews;
      await this.#moveViews(replica, staying);
    } catch {
      // The other one is lost, too, or called off.
    }
  }

  async #replace(replica: Replica): Promise<void> {
    const host = this.#host;
    const engine = await this.#options.spawn();
    if (this.#isOver) return void await engine.close();
    this.#queue.splice(this.#queue.indexOf(replica), 1);
    replica.attach(engine);
    await this.#freeDonor();
    if (replica.state !== "filling") throw new LostError("It is lost already");
    const donor = this.#fewestViews();
    const missed = this.#missedOf(replica);
    const fill = this.#fill = new Fill(host, replica, donor, missed);
    try {
      await fill.run({
        restore: (errand, tables) => this.#restoreOn(replica, errand, tables),
        beforeChanges: (tables) =>
          this.#beginLate(
            replica,
            this.#madeOn(replica, tables),
            (jobs) => replica.sendInOrder(jobs),
          ),
        afterChanges: (tables) => this.#serve(replica, tables),
      });
      const staying = host.views.on(replica)
        .filter(({ table }) => host.holds(replica, table));
      if (replica.lacks.size > 0) {
        await this.#moveViews(replica, new Set([undefined, ...staying]));
      }
    } finally {
      this.#fill = undefined;
    }
    // One of the two may have been lost since.
    if (replica.state !== "filling") throw new LostError("It is lost again");
    this.#stats.replaced++;
    this.#unreplaced.delete(replica);
    replica.open();
    // Before sessions ask anything more.
    this.#askParked(replica);
    const { ms } = this.#pauses.get(replica)!;
    this.#pauses.set(replica, { ms, since: this.#options.now() });
    host.sequencer.progress();
    this.#recycleNext();
    if (this.#queue.length === 0) await this.#handBack();
  }

  /**
   * Has another engine execute changes first where the copy would be read from
   * the one that does: whoever writes would wait for it.
   */
  async #freeDonor(): Promise<void> {
    const donor = this.#fewestViews();
    // The primary has all tables there are.
    const others = this.#healthy()
      .filter((it) => it !== donor && it.lacks.size === 0);
    if (!donor.isPrimary || others.length === 0) return;
    const next = others.reduce((a, b) => b.views < a.views ? b : a);
    if (await this.#handOver(next)) this.#formerPrimary = donor;
  }

  /** Has it first again where nobody's views are in the way of changes. */
  async #handBack(): Promise<void> {
    const former = this.#formerPrimary;
    this.#formerPrimary = undefined;
    const { views } = this.#host.sequencer.primary;
    if (former?.state !== "up" || former.lacks.size > 0) return;
    if (former.views >= views) return;
    await this.#handOver(former);
  }

  #handOver(next: Replica): Promise<boolean> {
    const host = this.#host;
    const from = host.sequencer.primary;
    return host.sequencer.handOver(
      next,
      () => moveSubscriptions(host, this, from, next),
    );
  }

  /**
   * Has the views of `replica`, and what waits for it, on another one, but for
   * those that are `staying`: what may have been fatal, if that is the last.
   */
  async #moveViews(
    replica: Replica,
    staying: ReadonlySet<EngineView | undefined>,
  ): Promise<void> {
    const { views } = this.#host;
    const target = this.#fewestViews();
    const errand = new Errand(this.#host);
    const before = this.#missedOf(replica);
    // What changes from here on they will be told of there.
    this.#missed.delete(replica);
    if (staying.size > 0) this.#missedOf(replica).addAll(before);
    const moving = views.on(replica).filter((it) => !staying.has(it));
    const settled = target.isPrimary ? this.#host.settlePrimary() : [];
    const missed = new Missed();
    missed.addAll(before);
    missed.add(settled);
    const made: Job[] = [];
    const numbers = new Set(settled.map(({ change }) => change));
    this.#move = { replica, target, errand, settled: numbers, made };
    let isHolding = false;
    const send = (job: Job) => {
      if (isHolding) return target.sendDuring(job);
      isHolding = true;
      target.sendInOrder([job], true);
    };
    const begun = (msgId: number) => replica.unpark(msgId);
    try {
      for (const view of moving) {
        await this.#restore(view, { errand, send, begun, missed });
      }
      errand.check();
      const there = moving.filter(({ state }) => state === "made");
      this.#beginLate(replica, there, (jobs) => jobs.forEach(send));
      for (const view of views.on(replica)) {
        if (!staying.has(view)) views.move(view, target);
      }
      // Before sessions ask anything more.
      const parked = replica.takeParked(([first]) => !staying.has(first?.view));
      for (const jobs of parked) this.#askAgain(jobs);
      if (staying.size > 0) {
        before.add(made);
        this.#missedOf(replica).addAll(before);
      }
    } catch (reason) {
      before.add(made);
      this.#missedOf(replica).addAll(missed, before);
      throw reason;
    } finally {
      this.#move = undefined;
      if (isHolding && target.state === "up") target.letGo();
    }
  }

  /** Whether `view` has to be made again: clients have it, or wait for its answers. */
  #isNeeded(view: EngineView): boolean {
    return view.state === "made" ||
      view.state === "gone" && view.replica.awaits(view);
  }

  /** The healthy engine with all tables and the fewest views; of two, the one that isn't the primary. */
  #fewestViews(): Replica {
    const full = this.#healthy().filter((it) =>
      it.isPrimary || it.lacks.size === 0
    );
    return full.reduce((a, b) =>
      b.views < a.views || b.views === a.views && a.isPrimary ? b : a
    );
  }

  /** Gives up what needs `replica`, which is lost. */
  #callOff(replica: Replica, error: Error): void {
    const why = new LostError(error.message);
    const fill = this.#fill;
    if (fill?.replica === replica || fill?.donor === replica) {
      // From here on it takes nothing more.
      this.#fill = undefined;
      fill.callOff(why);
      if (fill.donor === replica) {
        this.#giveBack(fill.replica);
        this.#enqueue(fill.replica);
      }
    }
    if (this.#move?.target === replica) this.#move.errand.callOff(why);
  }

  /** Has `replica` replaced, later and later if engines don't live long there. */
  #enqueue(replica: Replica): void {
    const { now, later } = this.#options;
    const pause = this.#pauses.get(replica);
    const isLongLived = pause === undefined || now() - pause.since > LONG_LIFE;
    const ms = isLongLived ? 0 : pause.ms;
    const next = Math.min(Math.max(ms * 2, FIRST_PAUSE), LONGEST_PAUSE);
    this.#pauses.set(replica, { ms: next, since: Infinity });
    const start = () => {
      this.#queue.push(replica);
      this.#run();
    };
    if (ms === 0) start();
    else this.#cancels.set(replica, later(ms, start));
  }

  /** An engine that couldn't be filled goes again. */
  #giveBack(replica: Replica): void {
    const { reads, unpolled, pushedTo, changes } = replica.fail();
    replica.closeLost();
    const missed = this.#missedOf(replica);
    missed.add(unpolled, pushedTo);
    missed.add(changes);
    this.#share(replica, reads);
  }

  /** Makes the views of `tables` again that lived on `replica`. */
  async #restoreOn(
    replica: Replica,
    errand: Errand,
    tables: readonly string[],
  ): Promise<void> {
    const host = this.#host;
    const missed = this.#missedOf(replica);
    const held = tables.filter((it) => host.holds(replica, it));
    for (const view of host.views.on(replica)) {
      if (!held.includes(view.table)) continue;
      await this.#restore(view, {
        errand,
        send: (job) => replica.sendInOrder([job]),
        begun: (msgId) => replica.unpark(msgId),
        missed,
      });
    }
    errand.check();
    missed.told(held);
  }

  /** The views of `tables` that `replica` has. */
  #madeOn(replica: Replica, tables: readonly string[]): readonly EngineView[] {
    const host = this.#host;
    return host.views.on(replica).filter(({ state, table }) =>
      state === "made" && tables.includes(table) && host.holds(replica, table)
    );
  }

  /**
   * Begins what was subscribed to while `views` of `replica` were made again:
   * before their tables change, of which it is to be told.
   */
  #beginLate(
    replica: Replica,
    views: readonly EngineView[],
    send: (jobs: readonly Job[]) => void,
  ): void {
    const there: ReadonlySet<EngineView | undefined> = new Set(views);
    const isLate = (jobs: readonly Job[]) =>
      jobs.some((it) => there.has(it.view) && this.#begins(it));
    for (const jobs of replica.takeParked(isLate)) send(jobs);
    for (const { feeds } of views) {
      for (const feed of feeds.values()) feed.activateAll();
    }
  }

  /** Views of `tables` are on `replica`, and needn't wait for the other tables. */
  #serve(replica: Replica, tables: readonly string[]): void {
    const views = this.#madeOn(replica, tables);
    replica.serve(views);
    const there: ReadonlySet<EngineView | undefined> = new Set(views);
    const parked = replica.takeParked(([first]) => there.has(first?.view));
    for (const jobs of parked) this.#askAgain(jobs);
    this.#host.wake();
  }

  /**
   * Makes `view`, again if it was there; if it can't be made any more, its
   * clients don't have it either.
   */
  async #restore(view: EngineView, place: Place): Promise<void> {
    if (view.state === "making") {
      const parked = view.replica.takeParked((jobs) =>
        jobs.some((it) => it.view === view && this.#begins(it))
      );
      if (parked.length === 0) return;
      return await makeFirst(this.#host, view, parked, place);
    }
    if (!this.#isNeeded(view) || this.#isRemoved(view)) return;
    try {
      await restore(this.#host, view, place);
    } catch (reason) {
      if (reason instanceof LostError) throw reason;
      this.#remove(view, `it can't be made again: ${toError(reason).message}`);
    }
  }

  /** Whether `job` makes a view, or subscribes to one. */
  #begins({ kind, frame }: Job): boolean {
    return kind === Kind.TABLE_MAKE_VIEW ||
      this.#host.route(frame?.msgId ?? 0)?.subscribed !== undefined;
  }

  /** Takes `view` away from its clients, if too many engines were lost at it. */
  #isRemoved(view: EngineView): boolean {
    const deaths = this.#viewDeaths.get(view)?.length ?? 0;
    if (deaths < MOST_VIEW_DEATHS) return false;
    this.#remove(view, `${deaths} engines were lost at it within a minute`);
    return true;
  }

  #remove(view: EngineView, why: string): void {
    this.#stats.removedViews++;
    this.#host.views.withdraw(view);
    const message = `A view of table "${view.table}" is removed: ${why}`;
    this.#host.report(new EngineFaultError(message));
  }
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function nameOf({ kind, frame }: Job): string {
  return frame === undefined ? "a poll" : kindName(kind);
}
