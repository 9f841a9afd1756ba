/**
 * Replacing engines that are lost.
 *
 * @module
 */

import type { Engine } from "../../engine/engine.ts";
import { EngineFaultError, toError } from "../../errors.ts";
import { emptyAnswer, errorAnswer } from "../../protocol/answers.ts";
import { NO_BYTES } from "../../protocol/frame.ts";
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
import { type Place, restore, type RestoreHost } from "./restore.ts";

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
  /** Views that are made on another engine. */
  #move: { readonly errand: Errand; readonly target: Replica } | undefined;
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
    const { running, reads, unpolled, pushedTo, changes } = replica.fail();
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
      this.#settle(replica, { running, reads, poison, error, healthy })
    );
    host.sequencer.progress();
  }

  /** Sees to what `replica` owed. */
  #settle(
    replica: Replica,
    { running, reads, poison, error, healthy }:
      & Pick<Debts, "running" | "reads">
      & { poison: Job | undefined; error: Error; healthy: readonly Replica[] },
  ): void {
    const owed = reads.map((jobs) => jobs.filter((it) => it !== poison))
      .filter((jobs) => jobs.length > 0);
    // First of all: what is read elsewhere comes after what was answered.
    if (replica.isPrimary) {
      const later = new Set(owed.flat().map(({ frame }) => frame?.msgId ?? 0));
      this.#promote(replica, healthy, running, poison, later);
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
    if (this.#fill?.replica === replica) this.#fill.take(made);
    else this.#missedOf(replica).add(made);
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
    replica.park(waiting);
  }

  /** Asks a healthy engine, after the changes of who asked. */
  #askAgain(jobs: readonly Job[]): void {
    const { sequencer } = this.#host;
    const open = jobs.filter(({ frame }) =>
      this.#host.route(frame!.msgId) !== undefined
    );
    const [first] = open;
    if (first === undefined) return;
    const { frame, view, owner, table } = first;
    const route = this.#host.route(frame!.msgId)!;
    // Subscriptions belong where changes are seen first.
    const replica = view?.replica ??
      (route.subscription ? sequencer.primary : this.#host.leastBusy(table));
    const askers = [owner, ...this.#joinedTo(route)];
    if (
      !route.subscription && askers.some((it) => sequencer.hasChangesOf(it))
    ) {
      this.#behind.push(open);
      return;
    }
    if (replica.isPrimary) sequencer.beforeRead(table);
    replica.send(...open);
  }

  /** Who gets the same answer. */
  *#joinedTo({ joined }: Route): Iterable<object> {
    for (const msgId of joined ?? []) {
      const session = this.#host.route(msgId)?.session;
      if (session !== undefined) yield session;
    }
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
    running: Job | undefined,
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
      return poison !== undefined;
    });
    // What belongs to no view was subscribed to there.
    for (const [msgId, { kind, subscribed }] of [...host.routes]) {
      if (subscribed === undefined || subscribed.view !== undefined) continue;
      if (later.has(msgId)) continue;
      const step = { frame: subscribed.frame, kind };
      next.sendInOrder([host.newJob(step, this, undefined)]);
    }
  }

  // -- Replacing ---------------------------------------------------------------

  #run(): void {
    this.#running ??= this.#replaceAll().finally(() => {
      this.#running = undefined;
    });
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
  }

  /** `replica` couldn't be replaced: it is tried again. */
  async #onFailure(replica: Replica, error: Error): Promise<void> {
    const wasLost = error instanceof LostError;
    this.#queue.splice(0, this.#queue[0] === replica ? 1 : 0);
    // If it is the engine itself that was lost, it waits already.
    if (replica.state === "filling") this.#giveBack(replica);
    else if (wasLost) return;
    this.#enqueue(replica);
    // Of one that is lost again the program has been told.
    if (wasLost) return;
    if (!this.#unreplaced.has(replica)) {
      this.#unreplaced.add(replica);
      this.#host.report(
        new EngineFaultError(
          `Engine ${replica.index} can't be replaced now, the others take ` +
            `over its views: ${error.message}`,
          { cause: error },
        ),
      );
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
      await fill.run((errand, tables) =>
        this.#restoreOn(replica, errand, tables)
      );
      const staying = host.views.on(replica)
        .filter(({ table }) => host.holds(replica, table));
      if (replica.lacks.size > 0) {
        await this.#moveViews(replica, new Set([undefined, ...staying]));
      }
    } finally {
      this.#fill = undefined;
    }
    this.#stats.replaced++;
    this.#unreplaced.delete(replica);
    replica.open();
    this.#askParked(replica);
    const { ms } = this.#pauses.get(replica)!;
    this.#pauses.set(replica, { ms, since: this.#options.now() });
    host.wake();
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
    const missed = this.#missedOf(replica);
    // What changes from here on they will be told there.
    this.#missed.delete(replica);
    if (staying.size > 0) this.#missedOf(replica).addAll(missed);
    const moving = views.on(replica).filter((it) => !staying.has(it));
    if (target.isPrimary) missed.add(this.#host.settlePrimary());
    this.#move = { errand, target };
    let isHolding = false;
    const send = (job: Job) => {
      if (isHolding) return target.sendDuring(job);
      isHolding = true;
      target.sendInOrder([job], true);
    };
    try {
      for (const view of moving) {
        if (!this.#isNeeded(view) || this.#isRemoved(view)) continue;
        const begun = (msgId: number) => replica.unpark(msgId);
        await this.#restore(view, { errand, send, begun, missed });
      }
      for (const view of views.on(replica)) {
        if (!staying.has(view)) views.move(view, target);
      }
    } catch (reason) {
      this.#missedOf(replica).addAll(missed);
      throw reason;
    } finally {
      this.#move = undefined;
      if (isHolding && target.state === "up") target.letGo();
    }
    for (const jobs of replica.takeParked(staying)) this.#askAgain(jobs);
  }

  /** Whether `view` has to be made again: clients have it, or wait for its answers. */
  #isNeeded(view: EngineView): boolean {
    // One that is yet to be made is, when its turn comes.
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
    if (fill?.replica === replica || fill?.donor === replica) fill.callOff(why);
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
    const { changes, unpolled } = replica.fail();
    replica.closeLost();
    this.#missedOf(replica).add([...unpolled, ...changes]);
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
      if (!this.#isNeeded(view) || !held.includes(view.table)) continue;
      if (this.#isRemoved(view)) continue;
      await this.#restore(view, {
        errand,
        send: (job) => replica.sendInOrder([job]),
        begun: (msgId) => replica.unpark(msgId),
        missed,
      });
    }
    missed.told(held);
  }

  /** Makes `view` again; if it can't be made, its clients don't have it any more. */
  async #restore(view: EngineView, place: Place): Promise<void> {
    try {
      await restore(this.#host, view, place);
    } catch (reason) {
      if (reason instanceof LostError) throw reason;
      this.#remove(view, `it can't be made again: ${toError(reason).message}`);
    }
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

function nameOf({ kind, frame }: Job): string {
  return frame === undefined ? "a poll" : kindName(kind);
}
