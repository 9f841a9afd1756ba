/**
 * A long mixed load on a server whose engines die all the time, beside a
 * reference whose engine doesn't. For tests only.
 *
 * The reference runs inline, so that all it has to say to a request has been
 * said when the call returns. Changes are made in the same order on both, one
 * session's at a time; everything else is asked while they are under way.
 *
 * What isn't compared:
 *
 * - what is read while somebody else's change of the same table is under way,
 *   but that it is no error
 * - the rows in pushes, and how many pushes changes share
 * - which rows were removed, as pushed by `view_on_remove`, while an engine is
 *   lost
 * - views in which groups have gone since a client expanded or collapsed some,
 *   but that reading them is no error
 *
 * @module
 */

import { setImmediate } from "node:timers";
import { Kind, kindInfo, SERVER_ERROR } from "../../protocol/kinds.ts";
import type { Line } from "../../protocol/kinds.ts";
import type { Server, ServerStats } from "../../server/server.ts";
import type { ServerSession } from "../../server/server_session.ts";
import {
  type Ask,
  bytesOf,
  inWords,
  type RequestStep,
  type Step,
  viewport,
} from "../differential/asks.ts";
import { forwardPush } from "../differential/copies.ts";
import type { Client, Table, View } from "../differential/model.ts";
import { Steps } from "../differential/steps.ts";
import { writeColumns } from "../differential/view_config.ts";
import type { World } from "../differential/world.ts";
import { entry } from "../differential/asks.ts";
import { frame, parts, readable } from "../frames.ts";
import { Random } from "../random.ts";
import { allUp, type FaultyPool } from "./faulty_pool.ts";
import { killersOf } from "./killers.ts";
import {
  difference,
  LEAVES_OUT,
  Ledger,
  type Pending,
  type Suspicion,
} from "./ledger.ts";
import { ASIDE, LostGroups } from "./lost_groups.ts";
import { type ProbedEngine, ProbeLostError } from "./probed_engine.ts";
import { ArrowWriter, changeOtherwise } from "./soak_asks.ts";

/** How a soak goes. */
export interface SoakOptions {
  readonly line: Line;
  readonly seed: number;
  readonly seconds: number;
  /** How many sessions. */
  readonly sessions: number;
  /** Whether the reference's engine has said that it isn't right itself. */
  readonly isReferenceWrong?: () => boolean;
  /** Told of each step and each death. */
  readonly onStep?: ((words: string) => void) | undefined;
  /** Ways to die that are left out. */
  readonly without?: readonly FaultName[];
}

/** A way in which engines die. */
export type FaultName =
  | "terminate"
  | "throw"
  | "killer"
  | "during a rebuild"
  | "two at once"
  | "heap";

/** What happened. */
export interface SoakReport {
  /**
   * Whether it ended early, since the reference's engine was lost at ordinary
   * requests, or had a fault (ENGINE 6.2, 9.18, 9.20).
   */
  readonly isCut: boolean;
  readonly steps: number;
  /** How many answers were compared with the reference's. */
  readonly compared: number;
  /** How many weren't, since a change was under way. */
  readonly vague: number;
  /** How many differed where the reference's view had drifted. */
  readonly aged: number;
  /** How many pushes came. */
  readonly pushes: number;
  readonly faults: ReadonlyMap<FaultName, number>;
  readonly recovery: ServerStats["recovery"];
}

/** One client of both servers. */
interface Pair {
  readonly client: Client;
  readonly left: ServerSession;
  readonly right: ServerSession;
  /** What the server's answers to these end. */
  readonly ends: Map<number, number[]>;
  /** What they confirm that the server has. */
  readonly confirms: Map<number, number>;
}

/** Join tables at most. */
const MOST_JOINS = 4;

/** Requests under way at most. */
const MOST_PENDING = 24;

/** Milliseconds in which everything is answered. */
const PATIENCE = 60_000;

/** How many of the last steps a failure tells. */
const TRAIL = 15;

/** What a list of tables sees, and what changes it. */
const ALL_TABLES = "*";

/** By this name a view shows the numbers of rows. */
const INDEX = "__INDEX__";

/** The table that hostile sessions ask of. */
const HOSTILE = "hostile";

/** Changes that what is asked afterwards by others depends on. */
const STRUCTURAL: ReadonlySet<number> = new Set([
  Kind.MAKE_TABLE,
  Kind.MAKE_JOIN_TABLE,
  Kind.TABLE_DELETE,
]);

/**
 * Loads `right` and lets its engines die, and compares it with `left`.
 *
 * @throws {Error} At the first thing that is wrong, with what it takes to ask
 * the same again. When engines die isn't repeated exactly.
 */
export async function soak(
  left: Server,
  right: Server,
  pool: FaultyPool,
  options: SoakOptions,
): Promise<SoakReport> {
  await Promise.all([left.ready, right.ready]);
  const run = new Soak(left, right, pool, options);
  try {
    return await run.run();
  } catch (reason) {
    if (!run.isCut) throw reason;
    return run.report();
  } finally {
    run.closeAll();
  }
}

class Soak {
  readonly #left: Server;
  readonly #right: Server;
  readonly #pool: FaultyPool;
  readonly #options: SoakOptions;
  readonly #random: Random;
  readonly #chaos: Random;
  readonly #steps: Steps;
  readonly #world: World;
  readonly #ledger: Ledger;
  readonly #lostGroups: LostGroups;
  readonly #pairs: Pair[] = [];
  readonly #known = new WeakSet<View>();
  readonly #trail: string[] = [];
  readonly #faults = new Map<FaultName, number>();
  #count = 0;
  #error: Error | undefined;
  readonly #failed = Promise.withResolvers<void>();
  /** The step under way on the left side, and its answer. */
  #current: Step | undefined;
  #answer: Uint8Array | undefined;
  /** Takes what the left side says to what isn't a step. */
  #aside: ((answer: Uint8Array) => void) | undefined;
  #isOver = false;
  /** Whether engines are let die. */
  #isCalm = false;
  /**
   * Tables that may have gone with a session that had views of them: when, the
   * server tells nobody.
   */
  readonly #unclear = new Set<string>();
  /** Requests that kill, not answered yet. */
  #killers = 0;
  /** What the server says to what isn't a step. */
  #rightAside: Uint8Array | undefined;
  #hostiles = 0;

  constructor(
    left: Server,
    right: Server,
    pool: FaultyPool,
    options: SoakOptions,
  ) {
    this.#left = left;
    this.#right = right;
    this.#pool = pool;
    this.#options = options;
    this.#random = new Random(options.seed);
    this.#chaos = new Random(options.seed + 0x50a7);
    this.#steps = new Steps(this.#random, {
      line: options.line,
      sessions: options.sessions,
      sharesViews: true,
      joinsChanges: true,
    });
    this.#world = this.#steps.world;
    this.#ledger = new Ledger(
      (what, details) => this.#fail(what, details),
      () => this.#areAllUp(),
    );
    pool.onDeath = () => this.#ledger.died();
    this.#lostGroups = new LostGroups(left);
  }

  async run(): Promise<SoakReport> {
    const { seconds, sessions } = this.#options;
    const arrows = await ArrowWriter.start(this.#world);
    for (let i = 0; i < sessions; i++) {
      this.#open({ type: "open", client: i });
    }
    await this.#makeHostileTable();
    this.#pool.onStart = (engine) => {
      if (!engine.isFull) this.#crashDuringRebuild();
    };
    const until = performance.now() + seconds * 1000;
    let faultAt = performance.now() + 300;
    while (performance.now() < until) {
      const step = this.#next(arrows);
      if (step !== undefined) await this.#take(step);
      for (let next; (next = this.#steps.urgent()) !== undefined;) {
        if (this.#hasSameRows(next)) await this.#take(next);
      }
      if (performance.now() > faultAt) {
        this.#fault();
        faultAt = performance.now() + this.#chaos.between(100, 1500);
      }
      if (this.#random.chance(0.004)) await this.#settle();
      if (this.#count % 4 === 0) await turn();
      await this.#until(() => this.#ledger.pending.length < MOST_PENDING);
      await this.#look();
    }
    await this.#calmDown();
    await this.#compareViews();
    await this.#end();
    return this.report();
  }

  /** Whether there is nothing to compare with any more. */
  get isCut(): boolean {
    const { isReferenceWrong } = this.#options;
    return this.#left.lost !== undefined || isReferenceWrong?.() === true;
  }

  report(): SoakReport {
    const { compared, vague, aged, pushes } = this.#ledger;
    return {
      isCut: this.isCut,
      steps: this.#count,
      compared,
      vague,
      aged,
      pushes,
      faults: this.#faults,
      recovery: this.#right.stats().recovery,
    };
  }

  closeAll(): void {
    this.#isOver = this.#isCalm = true;
    this.#lostGroups.close();
    for (const { left, right } of this.#pairs) {
      left.close();
      right.close();
    }
  }

  #next(arrows: ArrowWriter): Step | undefined {
    const world = this.#world;
    if (world.live.length > 0 && this.#random.chance(0.12)) {
      world.scope = {};
      const ask = changeOtherwise(world, arrows);
      if (ask !== undefined) {
        return this.#steps.request(this.#random.pick(world.live), ask);
      }
    }
    const step = this.#steps.next();
    if (step?.type !== "request") return step;
    const { kind, entity } = step.ask;
    const has = (is: (table: Table) => boolean) => world.tables.filter(is);
    if (
      LEAVES_OUT && kind === Kind.MAKE_TABLE &&
      has(({ name }) => name === entity).length > 0
    ) return undefined;
    if (
      LEAVES_OUT && kind === Kind.TABLE_MAKE_PORT &&
      has(({ name, type }) => name === entity && type === "join").length > 0
    ) return undefined;
    // The engine itself may trap at the next change of the other source.
    if (
      kind === Kind.TABLE_REPLACE &&
      has(({ sources }) => sources.some(({ name }) => name === entity)).length >
        0
    ) return undefined;
    // They are all computed anew with each change.
    if (
      kind === Kind.MAKE_JOIN_TABLE &&
      (LEAVES_OUT && !this.#areAllUp() ||
        has(({ type }) => type === "join").length >= MOST_JOINS)
    ) return undefined;
    return step;
  }

  /** Whether the rows of its view have the same numbers on both sides. */
  #hasSameRows(step: Step): boolean {
    if (step.type !== "request") return true;
    const view = this.#pairs[step.client]!.client.views.get(step.ask.entity);
    if (LEAVES_OUT && step.ask.text?.endsWith("of 1")) return false;
    return view === undefined || !this.#lostGroups.has(view);
  }

  // -- Faults -------------------------------------------------------------------

  #areAllUp(): boolean {
    return this.#full().length === this.#pool.size;
  }

  #full() {
    return this.#pool.full(this.#right.stats());
  }

  #fault(): void {
    const chaos = this.#chaos;
    const { without = [] } = this.#options;
    const names = [
      "terminate",
      "terminate",
      "throw",
      "killer",
      "two at once",
      "heap",
    ] as const;
    const name = chaos.pick(names);
    const full = this.#full();
    if (without.includes(name) || this.#killers > 0) return;
    if (name === "killer") {
      // It may be tried twice.
      if (full.length > 2) this.#kill();
    } else if (name === "two at once") {
      if (full.length < 3) return;
      const how = () => chaos.pick(["terminate", "throw"] as const);
      for (const it of chaos.some(full, 2)) it.crash(how());
      this.#counted(name);
    } else if (name === "heap") {
      // It goes when the others live.
      chaos.pick(full)?.swell();
      if (full.length > 0) this.#counted(name);
    } else if (full.length > 1) {
      chaos.pick(full).crash(name);
      this.#counted(name);
    }
  }

  /** An engine has started, and is about to be filled. */
  async #crashDuringRebuild(): Promise<void> {
    const chaos = this.#chaos;
    if (this.#options.without?.includes("during a rebuild")) return;
    if (!chaos.chance(0.3)) return;
    for (let i = chaos.below(12); i > 0; i--) await turn();
    if (this.#isCalm || this.#killers > 0) return;
    const { replicas } = this.#right.stats();
    if (!replicas.some(({ state }) => state === "filling")) return;
    const full = this.#full();
    // Two that live: one of them is the donor.
    if (full.length < 2) return;
    chaos.pick(full).crash("terminate");
    this.#counted("during a rebuild");
  }

  #counted(name: FaultName): void {
    this.#note(`— ${name} —`);
    this.#faults.set(name, (this.#faults.get(name) ?? 0) + 1);
  }

  /** Has a session of its own ask what engines die of. */
  #kill(): void {
    const killer = this.#chaos.pick(killersOf(this.#options.line));
    this.#counted("killer");
    this.#note(`  ${killer.name}`);
    this.#killers++;
    const view = `k${this.#hostiles++}`;
    const session = this.#right.newSession((bytes) => {
      const { kind, msgId } = parts(bytes);
      if (kind !== SERVER_ERROR) {
        this.#fail(`The server has survived ${killer.name}`, [readable(bytes)]);
      }
      if (msgId === 1) this.#killers--;
      session.close();
      this.#ledger.look();
    });
    const entity = killer.isNew ? `${HOSTILE} ${view}` : HOSTILE;
    session.handleRequest(frame(1, entity, killer.kind, killer.content(view)));
  }

  /** On both sides, so that both have the same tables. */
  async #makeHostileTable(): Promise<void> {
    const request = frame(1, HOSTILE, Kind.MAKE_TABLE, (w) => {
      w.tag(1, 2).fork().tag(4, 2)
        .string('[{"k":1,"g":"A"},{"k":2,"g":"B"}]').join();
    });
    for (const side of [this.#left, this.#right]) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const session = side.newSession(() => resolve());
      session.handleRequest(request.slice());
      await promise;
      session.close();
    }
  }

  // -- Steps ----------------------------------------------------------------------

  async #take(step: Step): Promise<void> {
    this.#check();
    if (step.type === "request") return await this.#request(step);
    if (step.type === "open") {
      this.#count++;
      this.#note(inWords(step));
      return this.#open(step);
    }
    await this.#until(() => this.#ledger.pending.length === 0);
    this.#count++;
    this.#note(inWords(step));
    const { client, left, right } = this.#pairs[step.client]!;
    for (const { table: { name, state } } of client.views.values()) {
      if (state === "waits for its views") this.#unclear.add(name);
    }
    this.#current = step;
    this.#lostGroups.closed(client);
    left.close();
    this.#world.closed(client);
    right.close();
    this.#current = undefined;
    this.#ledger.closed(client);
  }

  #open(step: Step): void {
    this.#current = step;
    const client = this.#world.opened();
    const pair: Pair = {
      client,
      ends: new Map(),
      confirms: new Map(),
      left: this.#left.newSession((bytes) =>
        this.#guard(() => this.#onLeft(pair, bytes))
      ),
      right: this.#right.newSession(
        (bytes) => this.#guard(() => this.#onRight(pair, bytes)),
        {
          onEnd: (reason) => {
            if (this.#isOver) return;
            this.#fail(`Session ${client.number} was ended: ${reason}`);
          },
        },
      ),
    };
    this.#pairs.push(pair);
    this.#current = undefined;
  }

  async #request(step: RequestStep): Promise<void> {
    const { ask, client: number } = step;
    if (this.#unclear.has(ask.entity)) return;
    const { client } = this.#pairs[number]!;
    const effect = kindInfo(ask.kind)?.effect;
    const isChange = effect === "change";
    const ofView = client.views.get(ask.entity)?.table;
    const isStructural = STRUCTURAL.has(ask.kind) ||
      // The table goes with its last view.
      ask.kind === Kind.VIEW_DELETE && ofView?.state === "waits for its views";
    const { pending } = this.#ledger;
    const ledger = this.#ledger;
    const isBusy = (tables: readonly string[]) =>
      ledger.pending.some((it) => it.tables.some((t) => tables.includes(t)));
    if (isStructural || effect === "view_state") {
      // Row numbers, and which tables there are, must be the same on both sides.
      await this.#until(() => !ledger.pending.some((it) => it.isChange));
      await this.#until(() => !isBusy([ofView?.name ?? ask.entity]));
    } else if (isChange && pending.length > 0) {
      await this.#until(() =>
        ledger.pending.every((it) => !it.isChange || it.client === client)
      );
    }
    this.#send(step, isChange);
    if (isStructural || effect === "view_state") {
      const nth = this.#count;
      await this.#until(() => !ledger.pending.some(({ step }) => step === nth));
    }
    const view = client.views.get(ask.entity);
    if (
      effect === "subscribe" && kindInfo(ask.kind)?.entity === "view" &&
      view !== undefined && client.subscriptions.has(step.msgId)
    ) {
      const asked = { kind: Kind.VIEW_DIMENSIONS, entity: ask.entity };
      const confirm = this.#steps.request(client, asked);
      this.#pairs[number]!.confirms.set(confirm.msgId, step.msgId);
      this.#send(confirm, false);
    }
  }

  #send(step: RequestStep, isChange: boolean): void {
    this.#check();
    this.#count++;
    this.#note(inWords(step));
    const { ask, msgId, frame } = step;
    const pair = this.#pairs[step.client]!;
    const { client } = pair;
    const info = kindInfo(ask.kind);
    const tables = ask.kind === Kind.GET_HOSTED_TABLES
      ? [ALL_TABLES]
      : info?.entity === "view"
      ? namesOf(client.views.get(ask.entity)?.table)
      : namesOf(this.#world.tables.find((it) => it.name === ask.entity)) ??
        [ask.entity];
    const view = client.views.get(ask.entity);
    if (view !== undefined) {
      const { VIEW_DELETE, VIEW_SET_DEPTH } = Kind;
      const ends = ask.kind === VIEW_DELETE || ask.kind === VIEW_SET_DEPTH;
      if (ends) this.#lostGroups.reset(view);
      if (ask.kind === VIEW_DELETE) this.#lastLook(client, view);
    }
    ask.before?.(msgId);
    if (client.subscriptions.has(msgId)) {
      this.#ledger.subscribed(client, msgId, info?.entity !== "view");
    }
    this.#answer = undefined;
    this.#current = step;
    pair.left.handleRequest(frame.slice());
    this.#current = undefined;
    const answer = this.#answer as Uint8Array | undefined;
    if (answer !== undefined) {
      const got = parts(answer);
      if (got.kind === SERVER_ERROR) client.subscriptions.delete(msgId);
      const before = [...client.subscriptions.keys()];
      ask.after?.(got);
      const ended = before.filter((it) => !client.subscriptions.has(it));
      pair.ends.set(msgId, ended);
      if (got.kind === ask.kind) this.#did(client, ask);
      const byView = ask.kind === Kind.VIEW_DELETE;
      for (const it of ended) this.#ledger.ends(client, it, byView);
      this.#expect(client, msgId, {
        answer,
        words: inWords(step),
        kind: ask.kind,
        view,
        tables: tables ?? [],
        isChange,
        isVague: view !== undefined && this.#lostGroups.has(view),
        anyError: ask.anyError === true,
        hasDrifted: () =>
          view !== undefined && this.#hasDrifted(pair, view, ask),
      });
    }
    pair.right.handleRequest(frame);
  }

  /** Whether the reference's view shows what it shouldn't. */
  #hasDrifted(pair: Pair, view: View, ask: Ask): boolean {
    if (pair.client.views.get(view.id) !== view) return false;
    const read = (it: Ask) => this.#readLeft(pair, it);
    return this.#lostGroups.hasDrifted(view, ask, read);
  }

  /**
   * Looks into a wrong answer of a view. Where a group has no rows, a view that
   * has seen some shows 0, and one that is younger shows null (ENGINE 4.2); a
   * view that is made again is younger or older than the reference's.
   */
  async #lookInto({ client, view, settle }: Suspicion): Promise<void> {
    const pair = this.#pairs[client.number]!;
    await this.#until(() => !this.#ledger.pending.some((it) => it.isChange));
    if (client.views.get(view.id) !== view) return settle(false);
    const kind = Kind.VIEW_TO_COLUMNS_STRING;
    const whole: Ask = { kind, entity: view.id, content: viewport() };
    const expected = this.#readLeft(pair, whole);
    this.#rightAside = undefined;
    pair.right.handleRequest(frame(ASIDE, view.id, kind, whole.content));
    await this.#until(() => this.#rightAside !== undefined);
    const [left, right] = [expected, this.#rightAside].map((it) => {
      const json = it && bytesOf(parts(it));
      return new TextDecoder().decode(json).replace(/\b(null|0(\.0)?)\b/g, "0");
    });
    settle(left === right && left !== "");
  }

  #readLeft({ left }: Pair, ask: Ask): Uint8Array | undefined {
    let answer: Uint8Array | undefined;
    this.#aside = (bytes) => answer = bytes.slice();
    left.handleRequest(frame(ASIDE, ask.entity, ask.kind, ask.content));
    this.#aside = undefined;
    return answer;
  }

  /** `view` goes: whoever reads it can't be told later whether it has drifted. */
  #lastLook(client: Client, view: View): void {
    for (const it of this.#ledger.pending) {
      if (it.client !== client || it.view !== view) continue;
      const hasDrifted = it.hasDrifted();
      it.hasDrifted = () => hasDrifted;
    }
  }

  /** The reference has done it. */
  #did(client: Client, ask: Ask): void {
    const { kind } = ask;
    if (kindInfo(kind)?.effect === "view_state") {
      this.#lostGroups.stateChanged(client.views.get(ask.entity)!);
    }
    if (kind === Kind.TABLE_MAKE_VIEW) {
      for (const view of client.views.values()) {
        if (!this.#known.has(view)) this.#lostGroups.made(view, ask);
        this.#known.add(view);
      }
    } else if (kind === Kind.VIEW_EXPAND || kind === Kind.VIEW_COLLAPSE) {
      this.#lostGroups.expanded(client.views.get(ask.entity)!);
    } else if (kind === Kind.TABLE_REPLACE) this.#lostGroups.look(ask.entity);
    else if (kindInfo(kind)?.effect === "change") this.#lostGroups.look();
  }

  #expect(
    client: Client,
    msgId: number,
    { answer, kind, tables, isChange, isVague, ...others }:
      & Pick<Pending, "words" | "view" | "anyError" | "hasDrifted">
      & Pick<Pending, "kind" | "tables" | "isChange" | "isVague">
      & { answer: Uint8Array },
  ): void {
    if (STRUCTURAL.has(kind)) tables = [...tables, ALL_TABLES];
    const touches = (it: { readonly tables: readonly string[] }) =>
      it.tables.some((t) => tables.includes(t));
    const { pending } = this.#ledger;
    if (isChange) {
      for (const it of pending) {
        if (!it.isChange && touches(it)) it.isVague = true;
      }
    }
    this.#ledger.asked(msgId, {
      client,
      ...others,
      step: this.#count,
      kind,
      expected: answer,
      tables,
      isChange,
      isVague: isVague || LEAVES_OUT && /"__(ID|INDEX)__"/.test(
            new TextDecoder().decode(answer),
          ) ||
        !isChange &&
          pending.some((it) =>
            it.isChange && (LEAVES_OUT || it.client !== client) && touches(it)
          ),
    });
  }

  // -- Frames -----------------------------------------------------------------------

  #onLeft({ client }: Pair, bytes: Uint8Array): void {
    if (this.#aside !== undefined) return this.#aside(bytes);
    const step = this.#current;
    if (step === undefined) {
      if (this.#isOver || this.isCut) return;
      return this.#fail("The reference said something unasked", [
        readable(bytes),
      ]);
    }
    const got = parts(bytes);
    const subscription = client.subscriptions.get(got.msgId);
    if (subscription !== undefined && got.kind !== SERVER_ERROR) {
      const isRequest = step.type === "request";
      const change = isRequest &&
        kindInfo(step.ask.kind)?.effect === "change";
      this.#ledger.leftPushed(client, subscription, got, {
        step: this.#count,
        change,
      });
      forwardPush(this.#world, client, subscription, got);
    } else if (
      step.type === "request" && step.msgId === got.msgId &&
      step.client === client.number
    ) this.#answer = bytes;
    else if (got.kind === Kind.TABLE_DELETE) {
      // A lazy one, answered now.
      this.#expect(client, got.msgId, {
        answer: bytes,
        words: `the lazy delete of "${got.entity}"`,
        kind: got.kind,
        view: undefined,
        tables: [got.entity],
        isChange: false,
        isVague: false,
        anyError: false,
        hasDrifted: () => false,
      });
    } else {
      this.#fail("The reference answered what nobody asked", [readable(bytes)]);
    }
  }

  #onRight({ client, ends, confirms }: Pair, bytes: Uint8Array): void {
    if (this.#isOver) return;
    const { msgId, kind } = parts(bytes);
    if (msgId === ASIDE) {
      this.#rightAside = bytes.slice();
      return this.#ledger.look();
    }
    const confirmed = confirms.get(msgId);
    if (confirmed !== undefined && kind === Kind.VIEW_DIMENSIONS) {
      if (client.subscriptions.has(confirmed)) {
        this.#ledger.subscribed(client, confirmed, true);
      }
    }
    this.#ledger.came(client, bytes, (msgId) => ends.get(msgId) ?? []);
  }

  // -- The end ------------------------------------------------------------------------

  /** No engine dies any more; those that did have been replaced. */
  async #calmDown(): Promise<void> {
    this.#isCalm = true;
    // What a killer hasn't killed yet it may still.
    await this.#settle();
    await this.#replaced();
    // What waited for the new ones.
    await this.#settle();
  }

  /** Every death was seen, and another engine took the place. */
  async #replaced(): Promise<void> {
    await this.#pool.quiet();
    await allUp(this.#right);
    this.#check();
    const { lost } = this.#right.stats().recovery;
    const dead = this.#pool.dead;
    // One that dies while it is being filled is given back, or lost.
    if (lost < dead) this.#fail(`Of ${dead} deaths only ${lost} were seen`);
    this.#check();
  }

  /** Reads all views that clients have, in more than one way. */
  async #compareViews(): Promise<void> {
    const world = this.#world;
    for (const client of world.live) {
      for (const { id } of client.views.values()) {
        for (
          const kind of [
            Kind.VIEW_DIMENSIONS,
            Kind.VIEW_SCHEMA,
            Kind.VIEW_TO_COLUMNS_STRING,
            Kind.VIEW_TO_ARROW,
          ]
        ) {
          const isRead = kind === Kind.VIEW_TO_COLUMNS_STRING ||
            kind === Kind.VIEW_TO_ARROW;
          const ask: Ask = {
            kind,
            entity: id,
            content: isRead ? viewport() : undefined,
            text: "at the end",
          };
          this.#send(this.#steps.request(client, ask), false);
        }
      }
      await this.#settle();
    }
  }

  /** Compares the tables, everywhere, and ends all sessions. */
  async #end(): Promise<void> {
    const world = this.#world;
    for (const table of world.tables) await this.#compareReplicas(table);
    const { size, alive } = this.#pool;
    if (alive.length !== size) {
      this.#fail(`Only ${alive.length} engines live at the end`);
    }
    this.#open({ type: "open", client: this.#pairs.length });
    for (const step of this.#steps.last(this.#pairs.at(-1)!.client)) {
      await this.#take(step);
      await this.#settle();
    }
    const { removedViews, lost } = this.#right.stats().recovery;
    if (removedViews > 0) this.#fail(`${removedViews} views were removed`);
    this.#ledger.checkMost(lost);
    this.#check();
  }

  /** Reads a table on every engine, beside the router. */
  async #compareReplicas(table: Table): Promise<void> {
    const { state, columns, name } = table;
    if (state === "gone" || columns.length === 0) return;
    if (this.#unclear.has(name)) return;
    for (let attempt = 1;; attempt++) {
      try {
        const engines = this.#full();
        const found: Rows[] = [];
        for (const it of engines) found.push(await rowsOf(table, it));
        if (found.length !== this.#pool.size) {
          throw new ProbeLostError(`Only ${found.length} engines live`);
        }
        const [first, ...others] = found;
        const isSame = ({ arrow, json }: Rows) =>
          json === first!.json && arrow.toHex() === first!.arrow.toHex();
        if (!others.every(isSame)) {
          const places = engines.map((it) => this.#pool.engines.indexOf(it));
          this.#fail(`Engines differ in the ${table.type} table "${name}"`, [
            `started as number ${places.join(", ")}`,
            ...found.map(({ json }) => json),
            ...others.flatMap(({ arrow }) => difference(first!.arrow, arrow)),
          ]);
        }
        return this.#check();
      } catch (reason) {
        // They may die of ordinary use, too (ENGINE 6.2).
        if (!(reason instanceof ProbeLostError) || attempt === 3) throw reason;
        await this.#replaced();
      }
    }
  }

  // -- Waiting and failing --------------------------------------------------------------

  /** Looks into what is suspicious, before anything else happens. */
  async #look(): Promise<void> {
    const { suspicions } = this.#ledger;
    for (let next; (next = suspicions[0]) !== undefined; suspicions.shift()) {
      await this.#lookInto(next);
      this.#check();
    }
  }

  /** All is answered, and all that is due has been pushed. */
  async #settle(): Promise<void> {
    const { suspicions } = this.#ledger;
    const isClear = () => this.#ledger.isClear && this.#killers === 0;
    do {
      await this.#until(() => isClear() || suspicions.length > 0);
      await this.#look();
    } while (!isClear());
  }

  async #until(is: () => boolean): Promise<void> {
    this.#check();
    if (is()) return;
    const timer = setTimeout(() => {
      this.#fail(
        `Something hasn't come after ${PATIENCE} ms`,
        this.#ledger.describe().slice(0, 20),
      );
    }, PATIENCE);
    const isDone = () => is() || this.isCut;
    await Promise.race([this.#ledger.until(isDone), this.#failed.promise]);
    clearTimeout(timer);
    this.#check();
  }

  #guard(take: () => void): void {
    try {
      take();
    } catch (reason) {
      this.#fail(reason instanceof Error ? reason.stack! : String(reason));
    }
  }

  #check(): void {
    if (this.isCut) throw new Error("There is nothing to compare with");
    if (this.#error !== undefined) throw this.#error;
  }

  #note(words: string): void {
    this.#options.onStep?.(`${this.#count}. ${words}`);
    this.#trail.push(`  ${this.#count}. ${words.slice(0, 300)}`);
    if (this.#trail.length > TRAIL) this.#trail.shift();
  }

  #fail(what: string, details: readonly string[] = []): void {
    if (this.#error !== undefined) return;
    const { seed, seconds, line } = this.#options;
    const { recovery, replicas } = this.#right.stats();
    this.#error = new Error([
      `${what}.`,
      ...details.map((it) => it.slice(0, 3000)),
      `Engine line ${line}, at step ${this.#count}:`,
      ...this.#trail,
      `engines: ${replicas.map(({ state }) => state).join(", ")}; ` +
      JSON.stringify(recovery),
      `Ask the same with PERSPECTIVE_SEED=${seed} ` +
      `PERSPECTIVE_SOAK_SECONDS=${seconds}`,
    ].join("\n"));
    this.#failed.resolve();
  }
}

/** A table as one engine has it. */
interface Rows {
  /** Without the rows' numbers. */
  readonly arrow: Uint8Array;
  /** With them, or the keys of rows that have such. */
  readonly json: string;
}

/**
 * All of `table` as `engine` has it.
 *
 * @throws {ProbeLostError} If the engine dies of that.
 */
async function rowsOf(
  { name, columns, type }: Table,
  engine: ProbedEngine,
): Promise<Rows> {
  const names = columns.map(({ name }) => name);
  const read = async (kind: number, columns: readonly string[]) => {
    const view = "probe";
    await engine.probe(name, Kind.TABLE_MAKE_VIEW, (w) => {
      w.tag(1, 2).string(view).tag(2, 2).fork();
      writeColumns(columns)(w);
      if (columns.includes(INDEX)) entry(6, INDEX, "index()")(w);
      w.join();
    });
    const answer = await engine.probe(view, kind, viewport());
    await engine.probe(view, Kind.VIEW_DELETE);
    const bytes = bytesOf(answer);
    if (bytes === undefined) throw new Error(readable(answer.content));
    return bytes;
  };
  const arrow = await read(Kind.VIEW_TO_ARROW, names);
  const kind = Kind.VIEW_TO_COLUMNS_STRING;
  const json = new TextDecoder().decode(await read(kind, [...names, INDEX]));
  if (!LEAVES_OUT || type === "indexed" || type === "join") {
    return { arrow, json };
  }
  // An engine that was filled while a table was empty counts from 0.
  const found: Record<string, number[]> = JSON.parse(json);
  const first = found[INDEX]?.[0] ?? 0;
  found[INDEX] = found[INDEX]?.map((it) => it - first) ?? [];
  return { arrow, json: JSON.stringify(found) };
}

function namesOf(table: Table | undefined): string[] | undefined {
  return table && [table.name, ...table.sources.map(({ name }) => name)];
}

/** Resolves in the next turn of the event loop. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
