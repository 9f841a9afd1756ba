/**
 * A hostile client beside honest ones, who mustn't notice. For tests only.
 *
 * @module
 */

import type { Executor } from "../../engine/engine.ts";
import { ProcessPool } from "../../engine/process_pool.ts";
import { WorkerPool } from "../../engine/worker_pool.ts";
import { newHeader, readHeader } from "../../protocol/header.ts";
import { Kind, kindInfo, kindName, type Line } from "../../protocol/kinds.ts";
import type { RecoveryStats } from "../../router/recovery/recovery.ts";
import { Server, type ServerStats } from "../../server/server.ts";
import type { ServerSession } from "../../server/server_session.ts";
import { ENGINES } from "../engines.ts";
import { parts } from "../frames.ts";
import { goodArrow } from "./arrow.ts";
import { Honest } from "./honest.ts";
import {
  type HostileFrame,
  HostileFrames,
  type Isolation,
  ROUND,
} from "./hostile_frames.ts";

/** How a run goes. */
export interface FuzzOptions {
  readonly line: Line;
  /** The same seed sends the same frames. */
  readonly seed: number;
  readonly seconds: number;
  /** @default {"process"} */
  readonly isolation?: Isolation | undefined;
  /** The first frame that is sent. @default {1} */
  readonly from?: number | undefined;
  /** The last one; with it the run ends. @default {Infinity} */
  readonly to?: number | undefined;
  /** What is sent instead of frames that are made up. */
  readonly frames?: readonly Uint8Array[] | undefined;
  /**
   * Whether the hostile client sends on what is known to kill while engines are
   * being replaced. Then all of them may be gone at once.
   *
   * @default {false}
   */
  readonly isRelentless?: boolean | undefined;
  /** Told of each death as it comes. */
  readonly onDeath?: ((death: Death) => void) | undefined;
  /** Told of what else the server reports, and at which frame. */
  readonly onReport?: ((message: string, number: number) => void) | undefined;
  /** Told each second how things are, after so many frames. */
  readonly onSecond?:
    | ((stats: ServerStats, number: number) => void)
    | undefined;
  /** Told of each failure as it comes. */
  readonly onFailure?: ((failure: string) => void) | undefined;
}

/** An engine that was lost. */
export interface Death {
  readonly nth: number;
  /** What the server reported. */
  readonly message: string;
  /** Frames that weren't answered then. */
  readonly open: readonly HostileFrame[];
  /** The last frames of the session, these among them. */
  readonly last: readonly HostileFrame[];
}

/** What came of it. */
export interface FuzzReport {
  /** The number of the frame that would have come next. */
  readonly next: number;
  /** Frames sent, by kind and by mutation. */
  readonly sent: number;
  readonly kinds: ReadonlyMap<string, number>;
  readonly mutations: ReadonlyMap<string, number>;
  /** Frames of which nothing was ever heard. */
  readonly unanswered: readonly HostileFrame[];
  readonly hostileSessions: number;
  /** Hostile sessions that were ended by strikes. */
  readonly ended: number;
  /** Deaths by what the server reported. */
  readonly causes: ReadonlyMap<string, number>;
  /** Deaths by what wasn't answered then. */
  readonly killers: ReadonlyMap<string, number>;
  readonly recovery: RecoveryStats;
  /** How often all engines were lost at once, but for the next. */
  readonly lost: number;
  /**
   * How often they were all lost at the poll after a change that had been
   * answered. Then each has been given it, and what they die of is the engine's
   * own: nothing is left to copy from.
   */
  readonly lostAtPolls: number;
  readonly honest: {
    readonly answers: number;
    readonly pushes: number;
    readonly sessions: number;
    readonly lost: number;
  };
  /** What honest clients saw that they shouldn't have. */
  readonly failures: readonly string[];
  /** What the server reported that isn't the loss of an engine. */
  readonly errors: ReadonlyMap<string, number>;
}

/** Engines, and honest clients. */
const SIZE = 3;
const HONEST = 4;

/** Milliseconds that an engine may take. */
const TIMEOUT = 2_000;

/** Milliseconds that are waited for an answer. What kills is tried twice. */
const PATIENCE = 3_000;
const LONG_PATIENCE = 8_000;

/** Milliseconds that are waited for what has to come in the end. */
const LONGEST = 60_000;

const MEMORY = 2 ** 30;

/** Milliseconds after which a new engine is no longer one that just died. */
const CALM = 2_200;

/** How many of the last frames a death tells. */
const TRAIL = 20;

/** Most failures that are kept. */
const MOST_FAILURES = 20;

/** What the server reports when it has lost an engine. */
const LOST = /^Engine \d is lost(?:, at ([^:]+))?: /;

/** Sends hostile frames, and has honest clients check what they are answered. */
export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const { isolation = "process" } = options;
  await using pool = isolation === "process"
    ? new ProcessPool({ size: SIZE, maxMemory: MEMORY })
    : new WorkerPool({ size: SIZE });
  const run = new Run(options, pool, await goodArrow(options.line));
  return await run.run();
}

class Run {
  readonly #options: FuzzOptions;
  readonly #server: Server;
  readonly #reference: Server;
  readonly #honest: Honest[] = [];
  readonly #frames: HostileFrames;
  readonly #kinds = new Map<string, number>();
  readonly #mutations = new Map<string, number>();
  readonly #causes = new Map<string, number>();
  readonly #killers = new Map<string, number>();
  readonly #errors = new Map<string, number>();
  readonly #failures: string[] = [];
  readonly #header = newHeader();
  /** What isn't answered, by `msg_id`. */
  readonly #open = new Map<number, HostileFrame>();
  #trail: HostileFrame[] = [];
  #session: ServerSession | undefined;
  #sent = 0;
  /** What wasn't answered for seconds, by `msg_id`; answered ones leave it. */
  readonly #overdue = new Map<number, HostileFrame>();
  #sessions = 0;
  #ended = 0;
  #deaths = 0;
  #lost = 0;
  #lostAtPolls = 0;
  /** Whether each of the last deaths was at the poll after an answered change. */
  #atPolls: boolean[] = [];
  #recovery: RecoveryStats[] = [];
  #number: number;
  #lastDeath = -Infinity;
  #isOver = false;
  #look = () => {};
  /** Resolves when there is a server again. */
  #back = Promise.withResolvers<void>();

  constructor(options: FuzzOptions, executor: Executor, arrow: Uint8Array) {
    const { line, seed, isolation = "process" } = options;
    this.#options = options;
    this.#number = options.from ?? 1;
    const engine = ENGINES[line];
    this.#reference = new Server({
      engine,
      sharing: false,
      onError: (error) => this.#fail(`The reference failed: ${error.message}`),
    });
    this.#server = new Server({
      engine,
      executor,
      requestTimeout: TIMEOUT,
      viewLinger: 500,
      onError: (error, { stage }) => this.#onError(error, stage),
      onLost: (client) => this.#makeTables(client),
    });
    for (let i = 0; i < HONEST; i++) {
      this.#honest.push(
        new Honest(i, this.#server, this.#reference, {
          line,
          seed,
          fail: (what, details) => this.#fail(what, details),
          deaths: () => this.#deaths,
        }),
      );
    }
    const honest = this.#honest.map(({ table }) => table);
    this.#frames = new HostileFrames({ seed, line, isolation, honest, arrow });
  }

  async run(): Promise<FuzzReport> {
    await using reference = this.#reference;
    await using server = this.#server;
    await Promise.all([reference.ready, server.ready]);
    await this.#makeTables(server.newLocalClient());
    const until = performance.now() + this.#options.seconds * 1000;
    const isOver = () => this.#isOver;
    const timer = setInterval(() => {
      this.#options.onSecond?.(server.stats(), this.#number);
    }, 1000);
    const asking = this.#honest.map((it) => this.#keepAsking(it, isOver));
    try {
      await this.#attack(until);
      // What was damaged may show later.
      await this.#until(() => this.#isWhole, LONGEST);
      if (!this.#isWhole) this.#fail("Engines aren't replaced");
      await this.#until(() => this.#overdue.size === 0, LONGEST);
      for (const it of this.#overdue.values()) {
        this.#fail(`Frame ${it.number} isn't answered: ${kindName(it.kind)}`);
      }
    } finally {
      this.#isOver = true;
      clearInterval(timer);
      this.#session?.close();
      this.#back.resolve();
      await Promise.all(asking);
    }
    return this.#report();
  }

  async #makeTables(
    client: Parameters<Honest["makeTable"]>[0],
  ): Promise<void> {
    for (const it of this.#honest) await it.makeTable(client);
    this.#back.resolve();
  }

  async #keepAsking(honest: Honest, isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      await this.#back.promise;
      if (isOver()) return;
      // The server takes the place of the lost one a moment later.
      if (this.#server.lost === undefined) await honest.run(isOver);
      await pause(20);
    }
  }

  // -- The hostile one --------------------------------------------------------

  async #attack(until: number): Promise<void> {
    const { to = Infinity, frames } = this.#options;
    if (frames !== undefined) return await this.#replay(frames);
    for (; this.#number <= to && performance.now() < until; this.#number++) {
      const frame = this.#frames.at(this.#number);
      if (frame === undefined) continue;
      if (frame.danger !== undefined && !this.#isCalm) {
        // With a given end all of them are sent.
        if (to === Infinity) continue;
        await this.#until(() => this.#isCalm, LONGEST);
      }
      await this.#openSession();
      if (this.#number % ROUND === 0) await this.#setUp();
      await this.#send(frame);
    }
  }

  async #replay(frames: readonly Uint8Array[]): Promise<void> {
    for (const bytes of frames) {
      await this.#until(() => this.#isWhole, LONGEST);
      await this.#openSession();
      const { kind } = parts(bytes);
      await this.#send({
        number: this.#number++,
        bytes,
        kind,
        source: "replay",
        mutation: "none",
        danger: undefined,
        isHurried: false,
      });
    }
  }

  async #openSession(): Promise<void> {
    while (this.#session === undefined || this.#session.closed) {
      await this.#back.promise;
      if (this.#isOver) return;
      if (this.#server.lost !== undefined) {
        await pause(20);
        continue;
      }
      this.#sessions++;
      this.#open.clear();
      this.#overdue.clear();
      this.#trail = [];
      this.#session = this.#server.newSession((bytes) => this.#came(bytes), {
        onEnd: (reason) => {
          if (reason === "too many strikes") this.#ended++;
          this.#open.clear();
          this.#overdue.clear();
          this.#look();
        },
      });
      await this.#setUp();
    }
  }

  async #setUp(): Promise<void> {
    for (const bytes of this.#frames.setup(this.#number)) {
      this.#session!.handleRequest(bytes);
    }
    await pause(50);
  }

  async #send(frame: HostileFrame): Promise<void> {
    this.#sent++;
    count(this.#kinds, kindName(frame.kind));
    count(this.#mutations, frame.mutation);
    this.#trail.push(frame);
    if (this.#trail.length > TRAIL) this.#trail.shift();
    readHeader(frame.bytes, this.#header);
    const { msgId } = this.#header;
    const isAnswered = mustAnswer(this.#header.kind);
    this.#open.set(msgId, frame);
    this.#session!.handleRequest(frame.bytes.slice());
    if (frame.isHurried && this.#open.size < 5) return;
    // Subscriptions aren't answered, nor deletes that wait for views.
    const patience = isSilent(frame)
      ? 5
      : frame.danger === undefined
      ? PATIENCE
      : LONG_PATIENCE;
    await this.#until(() => !this.#open.has(msgId), patience);
    if (!isSilent(frame) && this.#open.delete(msgId) && isAnswered) {
      this.#overdue.set(msgId, frame);
    }
    for (const [id, { number }] of this.#open) {
      if (number < frame.number - 20) this.#open.delete(id);
    }
    await pause(0);
  }

  #came(bytes: Uint8Array): void {
    readHeader(bytes, this.#header);
    this.#open.delete(this.#header.msgId);
    this.#overdue.delete(this.#header.msgId);
    this.#look();
  }

  // -- Engines ------------------------------------------------------------------

  #onError(error: Error, stage: string): void {
    const { message } = error;
    const [whole, at = ""] = LOST.exec(message) ?? [];
    if (message.startsWith("The engine is lost, and")) {
      // Of the first one it can't be told from the next change, which is open.
      // The others are given what that has answered, and nothing else.
      const others = this.#atPolls.slice(1 - SIZE);
      if (others.length === SIZE - 1 && others.every((it) => it)) {
        this.#lostAtPolls++;
      } else this.#lost++;
      this.#back = Promise.withResolvers();
      this.#recovery.push(this.#server.stats().recovery);
      return this.#options.onFailure?.(`ALL ENGINES ARE LOST: ${message}`);
    }
    if (whole === undefined) {
      this.#options.onReport?.(message, this.#number);
      count(this.#errors, `${stage}: ${shortened(message)}`);
      return;
    }
    this.#lastDeath = performance.now();
    this.#atPolls.push(this.#isAnsweredChange(at));
    const why = shortened(message.slice(whole.length));
    count(this.#causes, `${at || "nothing"}: ${why}`);
    const all = [...this.#open.values()];
    const loud = all.filter((it) => !isSilent(it));
    const open = loud.length > 0 ? loud : all;
    for (const it of open) {
      const mutation = it.mutation === "none" ? "" : `, ${it.mutation}`;
      count(this.#killers, `${kindName(it.kind)}, ${it.source}${mutation}`);
    }
    if (open.length === 0) count(this.#killers, "nothing was open");
    this.#options.onDeath?.({
      nth: ++this.#deaths,
      message,
      open,
      last: [...this.#trail],
    });
  }

  /**
   * Whether what an engine was lost at is a poll or a change, and none of that
   * kind is open: it says "table_update (33)" during the poll after that, too.
   */
  #isAnsweredChange(at: string): boolean {
    if (at === "a poll") return true;
    const kind = Number(/\((\d+)\)$/.exec(at)?.[1] ?? 0);
    return kindInfo(kind)?.effect === "change" &&
      ![...this.#open.values()].some((it) => it.kind === kind);
  }

  get #isWhole(): boolean {
    return this.#server.lost === undefined &&
      this.#server.stats().replicas.every(({ state }) => state === "up");
  }

  /** Whether what kills may be sent again. */
  get #isCalm(): boolean {
    if (this.#options.isRelentless) return true;
    if (!this.#isWhole) {
      this.#lastDeath = performance.now();
      return false;
    }
    return performance.now() - this.#lastDeath > CALM;
  }

  async #until(is: () => boolean, ms: number): Promise<void> {
    const until = performance.now() + ms;
    while (!is() && performance.now() < until) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#look = resolve;
      const timer = setTimeout(resolve, Math.min(ms, 20));
      await promise;
      clearTimeout(timer);
    }
    this.#look = () => {};
  }

  // -- What comes of it ---------------------------------------------------------

  #fail(what: string, details: readonly string[] = []): void {
    const { seed, line, from = 1 } = this.#options;
    const near = this.#trail.slice(-3).map((it) =>
      `  ${it.number}. ${kindName(it.kind)}, ${it.source}, ${it.mutation}`
    );
    const failure = [
      `${what}.`,
      ...details,
      `After ${this.#deaths} deaths, near the hostile frame ${this.#number}:`,
      ...near,
      `Repeat it: --seed ${seed} --engine ${line === "3" ? "3.8.0" : "5.5.1"}` +
      ` --from ${Math.max(from, this.#number - 100)} --to ${this.#number}`,
    ].join("\n");
    if (this.#failures.length < MOST_FAILURES) this.#failures.push(failure);
    this.#options.onFailure?.(failure);
  }

  #report(): FuzzReport {
    const honest = this.#honest.map(({ counts }) => counts);
    const sum = (of: (it: Honest["counts"]) => number) =>
      honest.reduce((total, it) => total + of(it), 0);
    const all = [...this.#recovery, this.#server.stats().recovery];
    const total = (of: (it: RecoveryStats) => number) =>
      all.reduce((total, it) => total + of(it), 0);
    return {
      next: this.#number,
      sent: this.#sent,
      kinds: this.#kinds,
      mutations: this.#mutations,
      unanswered: [...this.#overdue.values()],
      hostileSessions: this.#sessions,
      ended: this.#ended,
      causes: this.#causes,
      killers: this.#killers,
      recovery: {
        lost: total((it) => it.lost),
        replaced: total((it) => it.replaced),
        poisonous: total((it) => it.poisonous),
        removedViews: total((it) => it.removedViews),
        abandoned: total((it) => it.abandoned),
      },
      lost: this.#lost,
      lostAtPolls: this.#lostAtPolls,
      honest: {
        answers: sum((it) => it.answers),
        pushes: sum((it) => it.pushes),
        sessions: sum((it) => it.sessions),
        lost: sum((it) => it.lost),
      },
      failures: this.#failures,
      errors: this.#errors,
    };
  }
}

/** Whether a frame of `kind` is answered; some wait for what they are about. */
function mustAnswer(kind: number): boolean {
  return kind !== Kind.TABLE_DELETE && kind !== Kind.GET_HOSTED_TABLES &&
    kindInfo(kind)?.effect !== "subscribe";
}

/** Whether it may not be answered for a long time, though nothing is wrong. */
function isSilent({ source }: HostileFrame): boolean {
  return source === "subscription" || source === "delete";
}

/** A cause without numbers that are different each time. */
function shortened(why: string): string {
  return why.split("\n", 1)[0]!.replace(/\d{4,}/g, "N").slice(0, 160);
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
