/**
 * The middle of it all: clients on one side, an engine on the other, frames
 * in between.
 *
 * @module
 */

import type { Engine } from "../engine/engine.ts";
import {
  EngineFaultError,
  type OnError,
  ServerLostError,
  toError,
} from "../errors.ts";
import {
  emptyAnswer,
  errorAnswer,
  isSourceOf,
  simpleRequest,
} from "../protocol/answers.ts";
import { NO_BYTES, reframe, type Reframed, utf8 } from "../protocol/frame.ts";
import { type Header, newHeader, readHeader } from "../protocol/header.ts";
import {
  Kind,
  kindInfo,
  kindName,
  type Line,
  SERVER_ERROR,
} from "../protocol/kinds.ts";
import type { Inspector } from "./inspection.ts";
import type { Later } from "./lingering.ts";
import {
  type Loss,
  Recovery,
  type RecoveryHost,
  type RecoveryStats,
} from "./recovery/recovery.ts";
import type { RequestObserver } from "./observer.ts";
import { Predictor } from "./predictor.ts";
import { noRefusals, type RefusalReason, type Refusals } from "./refusal.ts";
import {
  type Job,
  Replica,
  type ReplicaOwner,
  type ReplicaStats,
} from "./replica.ts";
import { ReadMemory, type Reads } from "./read_memory.ts";
import { ownRoute, type Route } from "./route.ts";
import { Sequencer, type SequencerOwner } from "./sequencer.ts";
import { Session } from "./session.ts";
import type {
  Holding,
  SessionEnd,
  SessionHost,
  SessionLimits,
  SessionOptions,
  Step,
} from "./session_host.ts";
import { Tables } from "./tables.ts";
import { type EngineView, ViewNames } from "./view.ts";
import { ViewIndex, type ViewIndexHost } from "./view_index.ts";
import { WaitingDeletes } from "./waiting_deletes.ts";

/** How a router is set up. */
export interface RouterOptions extends SessionLimits {
  /** Told of what no client can be told of. It must not throw. */
  readonly onError: OnError;
  /** Set if the program polls itself: called when there is something to poll for. */
  readonly onPollRequest?: (() => void) | undefined;
  /** Milliseconds up to which a request is short. */
  readonly shortRequest: number;
  /** Whether the first of three engines or more takes only short requests. */
  readonly fastLane: boolean;
  /** Whether what several ask alike is computed once. */
  readonly sharing: boolean;
  /** Bytes of answers that are remembered. */
  readonly cacheSize: number;
  /** Milliseconds that a view stays that nobody has any more. */
  readonly viewLinger: number;
  /** See {@linkcode Clock.later}. */
  readonly later: Later;
  /** See {@linkcode Clock.now}. */
  readonly now: () => number;
  /** See {@linkcode SessionHost.inspector}. */
  readonly inspector?: Inspector | undefined;
  /** Starts another engine in place of a lost one; without it none is replaced. */
  readonly spawn?: (() => Promise<Engine>) | undefined;
  /** Milliseconds that a request of `kind` may take; `Infinity` for any time. */
  readonly timeout: (kind: number) => number;
  /** Bytes of an engine's heap above which it is replaced. */
  readonly maxHeapSize: number;
  /** Called once, when there is no engine any more. */
  readonly onLost?: ((error: ServerLostError) => void) | undefined;
}

/** How reads were answered, in numbers. */
export interface ReadStats {
  /** Reads of tables and views so far. */
  readonly asked: number;
  /** Of these, such that an engine was asked. */
  readonly computed: number;
  /** Of these, such that waited for one like them that was under way. */
  readonly joined: number;
  /** Of these, such that were answered from memory. */
  readonly remembered: number;
  /** Bytes that remembered answers take. */
  readonly cacheSize: number;
}

/** What requests of one shape are predicted to take. */
export interface Prediction {
  /** The kind of request, and of what it is asked. */
  readonly key: string;
  /** Microseconds in the engine. */
  readonly micros: number;
}

/** What was pushed, in numbers. */
export interface PushStats {
  /** Pushes of engines so far. */
  readonly computed: number;
  /** Pushes to clients so far that came of them. */
  readonly sent: number;
}

/** What a router holds and has done, in numbers. */
export interface RouterStats {
  /** Engines that hold the tables. */
  readonly replicas: readonly ReplicaStats[];
  /** What became of engines that were lost. */
  readonly recovery: RecoveryStats;
  /** What is predicted to take longest: up to 20 shapes of requests. */
  readonly predictions: readonly Prediction[];
  /** Sessions that are open. */
  readonly sessions: number;
  /** Views that clients have. */
  readonly views: number;
  /** Views that the engines have: less, where several clients have the same. */
  readonly engineViews: number;
  /** Of these, such that no client has any more. */
  readonly lingeringViews: number;
  /** Subscriptions that live. */
  readonly subscriptions: number;
  /** Requests that aren't answered yet, those of closed sessions included. */
  readonly pending: number;
  /** Lazy deletes that wait for a table's last view; they are pending, too. */
  readonly waitingDeletes: number;
  /** Changes of tables so far. */
  readonly changes: number;
  /** Of these, such that shared the poll of one before them. */
  readonly joinedChanges: number;
  /** Changes that wait for an engine that is behind. */
  readonly collectedChanges: number;
  /** Changes that the primary has been given since it last polled. */
  readonly unpolledChanges: number;
  /**
   * How often so far as many changes shared a poll as may: an engine was far
   * behind.
   */
  readonly fullBatches: number;
  /** Requests of clients so far. */
  readonly requests: number;
  /** How reads were answered. */
  readonly reads: ReadStats;
  /** What engines pushed to subscriptions on views. */
  readonly pushes: PushStats;
  /**
   * Requests answered with an error of the router's own so far: malformed,
   * unknown, not allowed, too much, or not fit for an engine.
   */
  readonly refused: number;
  /** The same by the reason. */
  readonly refusals: Refusals;
  /** Requests so far that the engine failed instead of answering. */
  readonly failed: number;
  /**
   * Frames so far that went to nobody, since their session had closed, or may
   * not read any more what they are of.
   */
  readonly dropped: number;
}

/**
 * The first `msg_id` of the router's own. All of them take five bytes, the
 * most there are, so that a client's always fits in its place.
 */
const FIRST_ID = 0x1000_0000;
const LAST_ID = 0xffff_ffff;

/** Where none is replaced. */
const NO_RECOVERY: RecoveryStats = {
  lost: 0,
  replaced: 0,
  poisonous: 0,
  removedViews: 0,
  abandoned: 0,
};

/** With less than so many microseconds of work an engine is as good as idle. */
const NEARLY_IDLE = 1_000;

/** So many requests ago is lately. */
const LATELY = 500;

/** What it counts against a replica that others read there: any wait is better. */
const INTERFERENCE = 1e9;

/**
 * Multiplexes any number of sessions over one session on an engine, or on
 * several that hold the same tables: changes go to all of them in one order,
 * a view lives on one, and reads of tables go to the least busy.
 *
 * It is pure: frames in, frames out; no sockets, no workers, no clock.
 */
export class Router
  implements
    ReplicaOwner,
    SequencerOwner,
    SessionHost,
    ViewIndexHost,
    RecoveryHost {
  /** The line of the engines. */
  readonly line: Line;
  /** Names for views. */
  readonly viewNames = new ViewNames();
  /** Which tables have views. */
  readonly tables = new Tables();
  /** The views that engines have. */
  readonly views: ViewIndex;
  /** All engines. */
  readonly replicas: readonly Replica[];
  /** See {@linkcode SessionHost.waits}. */
  readonly waits: boolean;
  /** See {@linkcode SessionHost.sharing}. */
  readonly sharing: boolean;
  /** See {@linkcode SessionHost.inspector}. */
  readonly inspector: Inspector | undefined;
  /** Answers that can be given again. */
  readonly memory: ReadMemory;
  /** What was read of tables. */
  readonly #tableReads = new Map<string, Reads>();
  /** The order of changes. */
  readonly sequencer: Sequencer;
  readonly #recovery: Recovery | undefined;
  readonly #maxHeapSize: number;
  readonly #onLost: RouterOptions["onLost"];
  readonly #onError: OnError;
  readonly #sessions = new Set<Session>();
  readonly #routes = new Map<number, Route>();
  readonly #waitingDeletes = new WaitingDeletes();
  /** Sessions with requests that wait for changes to be answered. */
  readonly #holding = new Set<Holding>();
  /** See {@linkcode SequencerOwner.onPollRequest}. */
  readonly onPollRequest: (() => void) | undefined;
  readonly #isSeveral: boolean;
  readonly #limits: SessionLimits;
  readonly #predictor = new Predictor();
  readonly #shortMicros: number;
  readonly #fastLane: boolean;
  /** How much of what it asks about views is long, lately, by who asks. */
  readonly #longShare = new WeakMap<object, number>();
  /** Counts requests: the router's own idea of time. */
  #stamp = 0;
  readonly #header = newHeader();
  #observer: RequestObserver | undefined;
  #lastId = FIRST_ID - 1;
  #lost: ServerLostError | undefined;
  #views = 0;
  #subscriptions = 0;
  #requests = 0;
  readonly #reads = { computed: 0, joined: 0, remembered: 0 };
  readonly #pushes = { computed: 0, sent: 0 };
  readonly #refusals = noRefusals();
  #failed = 0;
  #dropped = 0;

  /**
   * A router in front of `engines`, which are its own from now on. There is
   * one at least, and all are of one line, new and empty.
   */
  constructor(engines: readonly Engine[], options: RouterOptions) {
    this.line = engines[0]!.line;
    this.#isSeveral = engines.length > 1;
    const { later, now, timeout } = options;
    const watch = { later, now, timeout };
    this.replicas = engines.map((engine, i) =>
      new Replica(engine, i, this, !this.#isSeveral, watch)
    );
    this.waits = !this.replicas[0]!.isImmediate;
    this.#shortMicros = options.shortRequest * 1000;
    this.#fastLane = options.fastLane;
    this.sharing = options.sharing;
    this.inspector = options.inspector;
    const viewLinger = this.sharing ? options.viewLinger : 0;
    this.views = new ViewIndex(this, viewLinger, later);
    this.memory = new ReadMemory(options.cacheSize);
    this.onPollRequest = options.onPollRequest;
    this.#onError = options.onError;
    this.#limits = options;
    this.sequencer = new Sequencer(this.replicas, this);
    const { spawn } = options;
    if (spawn !== undefined && this.#isSeveral) {
      this.#recovery = new Recovery(this, { spawn, later, now });
    }
    this.#maxHeapSize = options.maxHeapSize;
    this.#onLost = options.onLost;
  }

  /** See {@linkcode SessionHost.primary}. */
  get primary(): Replica {
    return this.sequencer.primary;
  }

  /** See {@linkcode SessionHost.replaces}. */
  get replaces(): boolean {
    return this.#recovery !== undefined;
  }

  /** What the engine died of, if it did. */
  get lost(): ServerLostError | undefined {
    return this.#lost;
  }

  /**
   * Opens a session.
   *
   * @throws {ServerLostError} If the engine is lost.
   */
  openSession(options: SessionOptions): Session {
    if (this.#lost !== undefined) throw this.#lost;
    const session = new Session(this, options, this.#limits, this.#onError);
    if (this.#observer !== undefined) session.observe(this.#observer);
    this.#sessions.add(session);
    return session;
  }

  /** Has `observer` follow all requests from now on; with none, nobody. */
  observe(observer: RequestObserver | undefined): void {
    this.#observer = observer;
    for (const session of this.#sessions) session.observe(observer);
  }

  /** See {@linkcode ReplicaOwner.observer}. */
  get observer(): RequestObserver | undefined {
    return this.#observer;
  }

  /** Passes the changes since the last poll on to views. */
  poll(): void {
    this.sequencer.poll();
  }

  /** What the router holds and has done. */
  stats(): RouterStats {
    return {
      replicas: this.replicas.map((replica) => replica.stats()),
      recovery: this.#recovery?.stats ?? NO_RECOVERY,
      predictions: this.#predictor.entries(20),
      sessions: this.#sessions.size,
      views: this.#views,
      engineViews: this.views.size,
      lingeringViews: this.views.lingering,
      subscriptions: this.#subscriptions,
      pending: this.#pending(),
      waitingDeletes: this.#waitingDeletes.size + this.tables.waiting,
      changes: this.sequencer.changes,
      joinedChanges: this.sequencer.joined,
      collectedChanges: this.sequencer.collected,
      unpolledChanges: this.sequencer.unpolled,
      fullBatches: this.sequencer.full,
      requests: this.#requests,
      reads: this.#readStats(),
      pushes: { ...this.#pushes },
      refused: Object.values(this.#refusals).reduce((sum, it) => sum + it),
      refusals: { ...this.#refusals },
      failed: this.#failed,
      dropped: this.#dropped,
    };
  }

  /** Ends all sessions, whose open requests are answered with an error, and closes the engines. */
  async close(): Promise<void> {
    const recovered = this.#recovery?.close();
    this.#endAll("The server is closed", "server closed");
    await Promise.all(this.replicas.map((replica) => replica.close()));
    await recovered;
  }

  // -- For sessions ----------------------------------------------------------

  /** See {@linkcode SessionHost.readsOf}. */
  readsOf(table: string): Reads | undefined {
    if (!this.sharing || this.replicas[0]!.isForeign) return undefined;
    let reads = this.#tableReads.get(table);
    if (reads === undefined) {
      reads = this.memory.reads(() => this.#tableReads.delete(table));
      this.#tableReads.set(table, reads);
    }
    return reads;
  }

  /** See {@linkcode ViewIndexHost.makingMicros}. */
  makingMicros({ shape }: EngineView): number {
    return this.#predictor.predict(keyOf(Kind.TABLE_MAKE_VIEW, shape));
  }

  /** See {@linkcode ViewIndexHost.newReads}. */
  newReads(): Reads | undefined {
    const remembers = this.sharing && !this.replicas[0]!.isForeign;
    return remembers ? this.memory.reads() : undefined;
  }

  /** See {@linkcode SessionHost.version}. */
  version(replica: Replica, table: string): number {
    let version = replica.given(table);
    for (const source of this.tables.sourcesOf(table)) {
      version = Math.max(version, replica.given(source));
    }
    return version;
  }

  /** See {@linkcode SessionHost.tableGone}. */
  tableGone(table: string): void {
    this.tables.removed(table);
    this.#tableReads.get(table)?.clear();
    this.primary.forget(table);
  }

  /** See {@linkcode SessionHost.countRead}. */
  countRead(how: "computed" | "joined" | "remembered"): void {
    this.#reads[how]++;
  }

  /** See {@linkcode SessionHost.countRequest}. */
  countRequest(): void {
    this.#requests++;
  }

  /** See {@linkcode SessionHost.countRefused}. */
  countRefused(reason: RefusalReason): void {
    this.#refusals[reason]++;
  }

  /** See {@linkcode SessionHost.countDropped}. */
  countDropped(): void {
    this.#dropped++;
  }

  /** See {@linkcode SessionHost.countViews}. */
  countViews(difference: 1 | -1): void {
    this.#views += difference;
  }

  /** See {@linkcode SessionHost.countPushes}. */
  countPushes(clients: number): void {
    this.#pushes.computed++;
    this.#pushes.sent += clients;
  }

  /** See {@linkcode SessionHost.ban}. */
  ban(session: object): void {
    for (const { frame } of this.sequencer.drop(session)) {
      const { msgId } = frame!;
      this.frame(
        this.primary,
        errorAnswer(msgId, NO_BYTES, "Its session has ended"),
      );
    }
  }

  /** See {@linkcode SessionHost.forget}. */
  forget(session: object): void {
    this.#sessions.delete(session as Session);
  }

  /** See {@linkcode SessionHost.register}. */
  register(route: Route): number {
    do {
      this.#lastId = this.#lastId === LAST_ID ? FIRST_ID : this.#lastId + 1;
    } while (this.#routes.has(this.#lastId));
    this.#routes.set(this.#lastId, route);
    if (isClients(route)) this.#subscriptions++;
    return this.#lastId;
  }

  /** See {@linkcode SessionHost.route}. */
  route(msgId: number): Route | undefined {
    return this.#routes.get(msgId);
  }

  /** See {@linkcode SessionHost.unregister}. */
  unregister(msgId: number): void {
    const route = this.#routes.get(msgId);
    if (route === undefined) return;
    this.#routes.delete(msgId);
    if (isClients(route)) this.#subscriptions--;
  }

  /** See {@linkcode SessionHost.change}. */
  change(
    frame: Reframed,
    kind: number,
    owner: object,
    table: string,
    port?: number,
    sources?: readonly string[],
  ): void {
    this.views.changed(table);
    this.sequencer.change({
      owner,
      stamp: ++this.#stamp,
      frame,
      kind,
      table,
      port,
      sources,
      ...this.#predict(kind, table),
    });
  }

  /** See {@linkcode SessionHost.request}. */
  request(
    frame: Reframed,
    kind: number,
    replica: Replica,
    owner: object,
    table: string | undefined,
    shape: string,
  ): void {
    if (replica.isPrimary) this.sequencer.beforeRead(table);
    if (replica.isImmediate) {
      // Nothing is predicted there, but what may linger afterwards.
      const isMade = kind === Kind.TABLE_MAKE_VIEW;
      return replica.sendNow(frame, kind, isMade ? keyOf(kind, shape) : "");
    }
    replica.send(this.#job({ frame, kind }, replica, owner, table, shape));
  }

  /** See {@linkcode SessionHost.requestOf}. */
  requestOf(
    view: EngineView,
    frame: Reframed,
    kind: number,
    owner: object,
  ): void {
    const { replica, table, shape } = view;
    if (replica.isImmediate) {
      return this.request(frame, kind, replica, owner, table, shape);
    }
    if (replica.isPrimary) this.sequencer.beforeRead(table);
    const job = this.#job({ frame, kind }, replica, owner, table, shape);
    replica.send({ ...job, view });
  }

  /** See {@linkcode SessionHost.together}. */
  together(steps: readonly Step[], view: EngineView, owner: object): void {
    const { replica, table, shape } = view;
    if (replica.isPrimary) this.sequencer.beforeRead(table);
    if (replica.isImmediate) {
      for (const { frame, kind } of steps) replica.sendNow(frame, kind);
      return;
    }
    replica.send(
      ...steps.map((it) => ({
        ...this.#job(it, replica, owner, table, shape),
        view,
      })),
    );
  }

  /** See {@linkcode SessionHost.askView}. */
  askView(
    view: EngineView,
    kind: number,
    owner: object,
    take: Route["take"],
  ): void {
    const msgId = this.register(ownRoute(kind, take));
    const frame = simpleRequest(msgId, view.entity, kind);
    this.together([{ frame, kind }], view, owner);
  }

  #job(
    { frame, kind }: Step,
    replica: Replica,
    owner: object,
    table: string | undefined,
    shape: string,
  ): Job {
    const stamp = ++this.#stamp;
    const prediction = this.#predict(kind, shape);
    const isOnView = kindInfo(kind)?.entity === "view";
    if (isOnView || kind === Kind.TABLE_MAKE_VIEW) {
      const isQuick = this.#isQuick(owner, prediction.predicted);
      if (isOnView && isQuick) {
        replica.lastRead = stamp;
        replica.lastReader = owner;
      }
    }
    const job = { owner, stamp, frame, kind, table, poll: false, change: 0 };
    return { ...job, ...prediction };
  }

  /**
   * Whether `owner`, whose next request takes so long, mostly asks what is
   * short: only such are disturbed by something long. Who makes a view, reads
   * it and deletes it again, isn't among them, if making it is long.
   */
  #isQuick(owner: object, micros: number): boolean {
    const isLong = micros > this.#shortMicros ? 1 : 0;
    const before = this.#longShare.get(owner) ?? isLong;
    const share = before + (isLong - before) / 4;
    this.#longShare.set(owner, share);
    return share <= 0.2;
  }

  /**
   * The first replica that has next to nothing to do, or else the one that has
   * least. Small requests that go to one engine share messages and one core;
   * spread over all, each would wake up another.
   */
  leastBusy(table: string | undefined): Replica {
    const { primary } = this;
    if (primary.predicted < NEARLY_IDLE) return primary;
    let least = primary;
    for (const replica of this.replicas) {
      if (replica.state !== "up" || !this.holds(replica, table)) continue;
      if (replica.predicted < NEARLY_IDLE) return replica;
      if (replica.predicted < least.predicted) least = replica;
    }
    return least;
  }

  /**
   * Where `owner` best makes a view of `shape`. A long request is kept off the
   * fast lane, and off replicas on which others, who ask what is short, have
   * read views lately; a short one goes to the lane unless that is busy.
   */
  placeView(
    owner: object,
    table: string,
    shape: string,
    isFlat: boolean,
  ): Replica {
    const first = this.primary;
    const others = this.replicas.filter((it) =>
      it !== first && it.state === "up" && this.holds(it, table)
    );
    if (others.length === 0) return first;
    const key = keyOf(Kind.TABLE_MAKE_VIEW, shape);
    const predicted = this.#predictor.predictView(key, table, isFlat);
    const isLong = predicted > this.#shortMicros;
    const hasLane = this.#fastLane && others.length >= 2;
    // Elsewhere something long may soon be in its way.
    if (!isLong && hasLane && first.predicted < NEARLY_IDLE) return first;
    const candidates = isLong && hasLane ? others : [first, ...others];
    const burden = (replica: Replica) => {
      const isRead = this.#stamp - replica.lastRead < LATELY &&
        replica.lastReader !== owner;
      return replica.predicted + (isLong && isRead ? INTERFERENCE : 0);
    };
    let best = candidates[0]!;
    for (const replica of candidates) {
      const difference = burden(replica) - burden(best);
      if (difference < 0 || difference === 0 && replica.views <= best.views) {
        best = replica;
      }
    }
    return best;
  }

  /** See {@linkcode SessionHost.lastAnswered}. */
  lastAnswered(table: string | undefined): number {
    return this.sequencer.lastAnswered(table);
  }

  /** See {@linkcode SessionHost.mayAsk}. */
  mayAsk(
    replica: Replica,
    table: string | undefined,
    after: number,
  ): boolean {
    return this.sequencer.mayAsk(replica, table, after);
  }

  /** See {@linkcode SessionHost.hasCollected}. */
  hasCollected(owner: object): boolean {
    return this.sequencer.hasCollected(owner);
  }

  /** See {@linkcode SessionHost.isDeleting}. */
  isDeleting(table: string): boolean {
    return this.sequencer.isDeleting(table);
  }

  /** See {@linkcode SessionHost.hold}. */
  hold(session: Holding): void {
    this.#holding.add(session);
  }

  /** See {@linkcode SessionHost.isHolding}. */
  isHolding(session: Holding): boolean {
    return this.#holding.has(session);
  }

  /** See {@linkcode SessionHost.deleteTable}. */
  deleteTable(table: string, waiting: readonly number[]): void {
    const tell = (answer: Uint8Array, header: Header) => {
      for (const id of waiting) {
        this.#dispatch(id, this.#routes.get(id), answer, header);
      }
    };
    const join = this.tables.joinOf(table);
    if (join !== undefined && this.tables.isJoin(table)) {
      const answer = isSourceOf(join, 0, NO_BYTES);
      const header = newHeader();
      readHeader(answer, header);
      return tell(answer, header);
    }
    const route = ownRoute(Kind.TABLE_DELETE, tell);
    const msgId = this.register(route);
    const isImmediate = 1;
    this.change(
      simpleRequest(msgId, utf8(table), Kind.TABLE_DELETE, isImmediate),
      Kind.TABLE_DELETE,
      this,
      table,
    );
  }

  /** See {@linkcode SessionHost.notifyHostedTables}. */
  notifyHostedTables(): void {
    // This may be asked for while an engine's frame is being handed on.
    const header = newHeader();
    for (const [msgId, route] of [...this.#routes]) {
      if (!route.subscription || route.kind !== Kind.GET_HOSTED_TABLES) {
        continue;
      }
      const frame = reframe(msgId, NO_BYTES, NO_BYTES, 0, 0);
      readHeader(frame, header);
      this.#dispatch(msgId, route, frame, header);
    }
  }

  /** See {@linkcode SessionHost.tableHidden}. */
  tableHidden(): void {
    for (const session of this.#sessions) session.tableHidden();
  }

  /** See {@linkcode SessionHost.deliver}. */
  deliver(msgId: number, frame: Uint8Array, header: Header): void {
    this.#dispatch(msgId, this.#routes.get(msgId), frame, header);
  }

  /** See {@linkcode SessionHost.waitForDelete}. */
  waitForDelete(table: string, msgId: number): void {
    this.#waitingDeletes.add(table, msgId);
  }

  /** See {@linkcode SessionHost.deleteAnswered}. */
  deleteAnswered(table: string, msgId: number, frame: Uint8Array): void {
    for (const earlier of this.#waitingDeletes.answered(table, msgId)) {
      // The answers differ only in the header, which is replaced anyway.
      this.#dispatch(earlier, this.#routes.get(earlier), frame);
    }
  }

  // -- For the sequencer -----------------------------------------------------

  /** See {@linkcode SequencerOwner.sourcesOf}. */
  sourcesOf(table: string): readonly string[] {
    return this.tables.sourcesOf(table);
  }

  /** See {@linkcode SessionHost.wake} and {@linkcode SequencerOwner.wake}. */
  wake(): void {
    this.#recovery?.wake();
    if (this.#holding.size === 0) return;
    const holding = [...this.#holding];
    this.#holding.clear(); // who has to wait on, holds again
    // All of them read before anything changes, so that each comes to it.
    this.sequencer.pauseWhile(() => {
      for (const session of holding) session.retry();
    });
  }

  /** See {@linkcode SequencerOwner.replay}. */
  replay(replica: Replica, made: readonly Job[]): void {
    this.#recovery!.take(replica, made);
  }

  /** See {@linkcode SequencerOwner.mayRisk}. */
  mayRisk(): boolean {
    return this.#recovery!.mayRisk;
  }

  /** See {@linkcode SessionHost.mayGoOn}. */
  mayGoOn(): boolean {
    return this.#recovery?.mayGoOn ?? true;
  }

  /** See {@linkcode SequencerOwner.behind}. */
  behind({ index, behind }: Replica): void {
    const message = `Engine ${index} stays behind, by ${behind} changes now; ` +
      `changes are slowed down to its pace. Its views may be too many`;
    this.#onError(new EngineFaultError(message), { stage: "engine" });
  }

  // -- For the replicas ------------------------------------------------------

  /** See {@linkcode ReplicaOwner.frame}. */
  frame(replica: Replica, frame: Uint8Array): void {
    // A frame without content is a notification about hosted tables.
    readHeader(frame, this.#header);
    const { msgId } = this.#header;
    // What all but the primary answer to a change is for nobody.
    if (msgId === 0 && this.#isSeveral) return;
    const route = this.#routes.get(msgId);
    if (route?.subscription && !replica.pushed(msgId)) return;
    const isChange = this.waits && route !== undefined &&
      kindInfo(route.kind)?.effect === "change";
    if (isChange) {
      const isRefused = this.#header.kind === SERVER_ERROR;
      if (!isRefused) replica.made(msgId);
      this.sequencer.answered(msgId, false, isRefused);
    }
    try {
      this.#dispatch(msgId, route, frame);
    } catch (reason) {
      // An answer that can't be read, since an engine of another version
      // writes it otherwise.
      const error = toError(reason);
      this.#onError(error, { stage: "engine" });
      if (route === undefined || route.subscription) return;
      reject(route, `Cannot read the engine's answer: ${error.message}`);
    }
    if (isChange) this.#changeAnswered(route);
  }

  /** See {@linkcode ReplicaOwner.failed}. */
  failed(replica: Replica, msgId: number, error: Error): void {
    this.#failed++;
    if (msgId === 0 && this.#isSeveral) {
      const message = `Engine ${replica.index} has missed a change that ` +
        `others have made: ${error.message}`;
      // Its tables aren't those of the others any more (Invariant 1).
      return this.fatal(replica, new EngineFaultError(message));
    }
    this.sequencer.answered(msgId, true);
    const route = this.#routes.get(msgId);
    if (route === undefined) {
      // It has been answered; what failed is the poll after it.
      this.#onError(error, { stage: "engine" });
      return;
    }
    this.#onError(
      new Error(`${kindName(route.kind)} failed: ${error.message}`, {
        cause: error,
      }),
      { stage: "request" },
    );
    // Taken as an error of the engine's own, after which names are free again.
    this.frame(
      replica,
      errorAnswer(msgId, route.entity, `The engine failed: ${error.message}`),
    );
  }

  /** See {@linkcode ReplicaOwner.fault}. */
  fault(replica: Replica, error: Error): void {
    const { replicas } = this;
    // Its tables are right, its views aren't any more. A wrong one is better
    // than none, though.
    if (replicas.some((it) => it !== replica && it.state === "up")) {
      return this.#lose(replica, { error, by: "engine", isHung: false });
    }
    this.#onError(error, { stage: "engine" });
  }

  /** See {@linkcode ReplicaOwner.fatal}. */
  fatal(replica: Replica, error: Error, guilty?: boolean): void {
    const by = guilty === undefined ? "others" : guilty ? "request" : "engine";
    this.#lose(replica, { error, by, isHung: false });
  }

  /** See {@linkcode ReplicaOwner.dropped}. */
  dropped(replica: Replica, { frame, kind, view }: Job): boolean {
    if (frame === undefined) return false;
    const route = this.#routes.get(frame.msgId);
    if (route?.session?.closed !== true) return false;
    if (kind === Kind.TABLE_MAKE_VIEW) {
      if (view!.users.size > 0) return false;
    } else if (kindInfo(kind)?.effect !== "read") return false;
    const isAwaited = route.joined?.some((msgId) =>
      this.#routes.get(msgId)?.session?.closed === false
    );
    if (isAwaited) return false;
    this.frame(
      replica,
      errorAnswer(frame.msgId, NO_BYTES, "Its session has ended"),
    );
    return true;
  }

  /** See {@linkcode ReplicaOwner.hung}. */
  hung(replica: Replica): void {
    const error = new Error("it has taken longer than it may (requestTimeout)");
    this.#lose(replica, { error, by: "request", isHung: true });
  }

  /** See {@linkcode ReplicaOwner.heap}. */
  heap(replica: Replica): void {
    if (replica.hasOutgrown(this.#maxHeapSize)) {
      this.#recovery?.recycle(replica);
    }
  }

  #lose(replica: Replica, loss: Loss): void {
    if (this.#lost !== undefined) return;
    if (this.#recovery !== undefined) this.#recovery.lost(replica, loss);
    else {
      if (loss.isHung) replica.abandon();
      this.loseAll(loss.error);
    }
  }

  // -- For recovery ------------------------------------------------------------

  /** See {@linkcode RecoveryHost.settlePrimary}. */
  settlePrimary(): readonly Job[] {
    return this.sequencer.settlePrimary();
  }

  /** See {@linkcode RecoveryHost.routes}. */
  get routes(): Iterable<readonly [number, Route]> {
    return this.#routes;
  }

  /** See {@linkcode RecoveryHost.newJob}. */
  newJob(
    { frame, kind }: Step,
    owner: object,
    table: string | undefined,
    view?: EngineView,
  ): Job {
    return {
      owner,
      stamp: ++this.#stamp,
      frame,
      kind,
      table,
      view,
      poll: false,
      change: 0,
      isErrand: true,
      ...this.#predict(kind, table ?? ""),
    };
  }

  /** See {@linkcode FillHost.holds}. */
  holds({ lacks }: Replica, table: string | undefined): boolean {
    if (lacks.size === 0) return true;
    return table !== undefined && !lacks.has(table) &&
      !this.tables.sourcesOf(table).some((it) => lacks.has(it));
  }

  /** See {@linkcode RecoveryHost.loseTable}. */
  loseTable(table: string): void {
    const isOf = (name: string) =>
      name === table || this.tables.sourcesOf(name).includes(table);
    const views = this.replicas.flatMap((it) => this.views.on(it))
      .filter((view) => isOf(view.table));
    for (const view of views) this.views.withdraw(view);
    for (const { lacks } of this.replicas) {
      // Who lacks it lacks nothing now. Who has it still won't make another.
      if (!lacks.delete(table)) lacks.add(table);
    }
    this.tables.removed(table);
    this.#tableReads.get(table)?.clear();
    const header = newHeader();
    for (const [msgId, route] of [...this.#routes]) {
      const { kind, subscribed, session } = route;
      if (kind !== Kind.TABLE_ON_DELETE || session === undefined) continue;
      if (subscribed === undefined || decode(route.entity) !== table) continue;
      const frame = emptyAnswer(msgId, route.entity, kind);
      readHeader(frame, header);
      this.#dispatch(msgId, route, frame, header);
    }
    this.notifyHostedTables();
  }

  /** See {@linkcode RecoveryHost.nextStamp}. */
  nextStamp(): number {
    return ++this.#stamp;
  }

  /** See {@linkcode RecoveryHost.forgetReads}. */
  forgetReads(): void {
    for (const reads of [...this.#tableReads.values()]) reads.clear();
  }

  /** See {@linkcode RecoveryHost.report}. */
  report(error: Error): void {
    this.#onError(error, { stage: "engine" });
  }

  /** See {@linkcode RecoveryHost.loseAll}. */
  loseAll(error: Error): void {
    if (this.#lost !== undefined) return;
    const lost = this.#lost = new ServerLostError(error);
    this.#onError(lost, { stage: "engine" });
    this.#endAll(lost.message, "engine lost");
    for (const replica of this.replicas) replica.closeLost();
    this.#onLost?.(lost);
  }

  /** Nobody waits for ever: what is open is answered, and the sessions end. */
  #endAll(message: string, reason: SessionEnd): void {
    const routes = [...this.#routes.values()];
    const sessions = [...this.#sessions];
    this.#routes.clear();
    this.#waitingDeletes.clear();
    this.tables.clear();
    this.views.clear();
    this.forgetReads();
    this.#holding.clear();
    this.#sessions.clear();
    this.#subscriptions = 0;
    this.#views = 0;
    // First of all: a client may ask again when it is told of an error.
    for (const session of sessions) session.stop();
    for (const route of routes) {
      if (!route.subscription) reject(route, message);
    }
    for (const session of sessions) session.refuseHeld(message);
    for (const session of sessions) session.end(reason);
  }

  /** See {@linkcode ReplicaOwner.progress}. */
  progress(): void {
    this.sequencer.progress();
  }

  /** See {@linkcode ReplicaOwner.measured}. */
  measured(key: string, micros: number): void {
    this.#predictor.learn(key, micros);
  }

  /** See {@linkcode ReplicaOwner.executed}. */
  executed(job: Job, micros: number): void {
    if (job.key === "") return;
    this.#predictor.learn(job.key, micros);
    const { kind, table } = job;
    if (
      table !== undefined &&
      (kind === Kind.MAKE_TABLE || kind === Kind.TABLE_UPDATE)
    ) this.#predictor.learnTable(table, micros);
  }

  #predict(kind: number, shape: string): { key: string; predicted: number } {
    if (!this.waits) return { key: "", predicted: 0 };
    const key = keyOf(kind, shape);
    return { key, predicted: this.#predictor.predict(key) };
  }

  #readStats(): ReadStats {
    const { computed, joined, remembered } = this.#reads;
    return {
      asked: computed + joined + remembered,
      computed,
      joined,
      remembered,
      cacheSize: this.memory.size,
    };
  }

  #pending(): number {
    let pending = 0;
    for (const { subscription } of this.#routes.values()) {
      if (!subscription) pending++;
    }
    return pending;
  }

  #changeAnswered(route: Route): void {
    route.session?.changeAnswered();
    this.wake();
  }

  #dispatch(
    msgId: number,
    route: Route | undefined,
    frame: Uint8Array,
    header: Header = this.#header,
  ): void {
    if (route === undefined) {
      this.#dropped++;
      return;
    }
    // Invariant 3: an answer is taken once.
    if (!route.subscription) {
      this.#routes.delete(msgId);
      route.session?.done(route.size, route.isPutOff);
    }
    const { session, on } = route;
    try {
      if (route.take !== undefined) route.take(frame, header);
      else if (session === undefined) return;
      else if (route.kind === Kind.TABLE_DELETE) {
        session.deleted(msgId, route, frame, header);
      } else if (route.subscription) session.push(msgId, route, frame, header);
      else session.answer(route, frame, header);
    } finally {
      if (on !== undefined) {
        on.pending--;
        this.views.released(on);
      }
    }
  }
}

function decode(entity: Uint8Array): string {
  return new TextDecoder().decode(entity);
}

/** Whether it is a client's subscription. */
function isClients({ subscription, session }: Route): boolean {
  return subscription && session !== undefined;
}

function keyOf(kind: number, shape: string): string {
  return `${kindInfo(kind)?.name} ${shape}`;
}

/** Answers with an error of the router's own. */
function reject({ session, msgId, entity }: Route, message: string): void {
  if (session === undefined || session.closed) return;
  session.reply(errorAnswer(msgId, entity, message));
}
