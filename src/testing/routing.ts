/**
 * A router over a fake engine, with clients that keep what they get. For
 * tests only.
 *
 * @module
 */

import type { ErrorStage } from "../errors.ts";
import type { Access } from "../policy/access.ts";
import { Kind, type Line } from "../protocol/kinds.ts";
import type { Later } from "../router/lingering.ts";
import { Router, type RouterOptions } from "../router/router.ts";
import type { Session } from "../router/session.ts";
import type { FrameRole, SessionEnd } from "../router/session_host.ts";
import {
  FakeEngine,
  type FakeEngineOptions,
  LogEngine,
  TinyEngine,
} from "./fake_engine.ts";
import { type Behaviour, TimedEngine } from "./timed_engine.ts";
import { fields, type Fill, frame, type Parts, parts } from "./frames.ts";

/** A router and what it is between. */
export interface Routing {
  readonly engine: FakeEngine;
  readonly router: Router;
  /** What was reported, as `stage: message`. */
  readonly errors: string[];
  /** Opens a session. */
  open(options?: OpenOptions): TestClient;
}

/** How a test's session is opened. */
export interface OpenOptions {
  readonly line?: Line;
  /** What it may do; everything by default. */
  readonly access?: Access;
  /** Called with each frame, after it was kept. */
  readonly onFrame?: (bytes: Uint8Array) => void | Promise<void>;
  /** Called when the session is ended by the router, after it was noted. */
  readonly onEnd?: () => void;
}

/** How a router is set up. */
export interface RoutingOptions extends FakeEngineOptions {
  readonly onPollRequest?: () => void;
  /** See {@linkcode RouterOptions.sharing}; by default `false`. */
  readonly sharing?: boolean;
  /** See {@linkcode RouterOptions.cacheSize}; by default a megabyte. */
  readonly cacheSize?: number;
  /** See {@linkcode RouterOptions.viewLinger}; by default 0. */
  readonly viewLinger?: number;
  /** See {@linkcode RouterOptions.later}; by default a clock that stands still. */
  readonly later?: Later;
}

/** A client that keeps what it gets. */
export class TestClient {
  /** What it got, in order. */
  readonly frames: Uint8Array[] = [];
  /** The role that each frame was sent with. */
  readonly roles: FrameRole[] = [];
  /** Why its session was ended. */
  ended: SessionEnd | undefined;
  readonly session: Session;

  constructor(
    router: Router,
    { line, access, onFrame, onEnd }: OpenOptions = {},
  ) {
    this.session = router.openSession({
      send: (bytes, role) => {
        this.frames.push(bytes);
        this.roles.push(role);
        return onFrame?.(bytes);
      },
      line,
      access,
      onEnd: (reason) => {
        this.ended = reason;
        onEnd?.();
      },
    });
  }

  /** Asks something. */
  ask(
    msgId: number,
    entity: string,
    kind: number,
    content?: Uint8Array | Fill,
  ): void {
    this.session.handleRequest(frame(msgId, entity, kind, content));
  }

  /** What it got, taken apart. */
  get got(): Parts[] {
    return this.frames.map(parts);
  }

  /** What it got since the last call. */
  take(): Uint8Array[] {
    this.roles.length = 0;
    return this.frames.splice(0);
  }
}

/** A clock that stands still, and no limits. */
export const UNWATCHED = {
  later: () => () => {},
  now: () => 0,
  timeout: () => Infinity,
  maxHeapSize: Infinity,
  maxStrikes: Infinity,
  maxViews: Infinity,
  maxSubscriptions: Infinity,
  maxTables: Infinity,
  maxResultSize: Infinity,
} satisfies Partial<RouterOptions>;

/** A router over an engine that the test answers for. */
export function routing(options: RoutingOptions = {}): Routing {
  const {
    onPollRequest,
    sharing = false,
    cacheSize = 1 << 20,
    viewLinger = 0,
    later = () => () => {},
    ...engineOptions
  } = options;
  const engine = new FakeEngine(engineOptions);
  const errors: string[] = [];
  const router = new Router([engine], {
    onError: (error: Error, { stage }: { stage: ErrorStage }) =>
      errors.push(`${stage}: ${error.message}`),
    onPollRequest,
    maxInFlight: 1000,
    maxInFlightSize: 1e9,
    shortRequest: 25,
    fastLane: true,
    sharing,
    cacheSize,
    viewLinger,
    ...UNWATCHED,
    later,
  });
  return {
    engine,
    router,
    errors,
    open: (options) => new TestClient(router, options),
  };
}

/** A router over an engine that answers within the call. */
export function tinyRouting(
  options: Omit<RoutingOptions, "script" | "onPoll"> = {},
): Routing {
  const { script, onPoll } = new TinyEngine();
  return routing({ ...options, script, onPoll });
}

/** How a router over timed engines is set up. */
export interface TimedRoutingOptions extends Partial<RouterOptions> {
  readonly line?: Line;
  /** What an engine says; by default it answers everything. */
  readonly behaviour?: () => Behaviour;
}

/** A router over so many engines that take their time. */
export function timedRouting(
  count: number,
  { line, behaviour, ...options }: TimedRoutingOptions = {},
) {
  const engines = Array.from(
    { length: count },
    () => new TimedEngine(line, behaviour?.()),
  );
  const router = new Router(engines, {
    onError: (error) => {
      throw error;
    },
    maxInFlight: Infinity,
    maxInFlightSize: Infinity,
    shortRequest: 25,
    fastLane: true,
    sharing: false,
    cacheSize: 1 << 20,
    viewLinger: 0,
    ...UNWATCHED,
    ...options,
  });
  const open = (onFrame?: (bytes: Uint8Array) => void) => {
    const frames: Uint8Array[] = [];
    const session = router.openSession({
      send: (bytes) => {
        frames.push(bytes);
        onFrame?.(bytes);
      },
    });
    return { session, frames };
  };
  const total = () => engines.reduce((sum, it) => sum + it.done.length, 0);
  /** Has them all execute what there is, and what comes of it. */
  const run = (viewMicros?: number) => {
    for (let before = -1; before !== total();) {
      before = total();
      for (const engine of engines) engine.run(viewMicros);
    }
  };
  return { engines, router, open, run };
}

/** A clock that a test sets. */
export class ManualClock {
  #now = 0;
  readonly #timers = new Set<{ due: number; callback: () => void }>();

  /** See {@linkcode RouterOptions.now}. */
  readonly now = (): number => this.#now;

  /** See {@linkcode RouterOptions.later}. */
  readonly later: Later = (ms, callback) => {
    const timer = { due: this.#now + ms, callback };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  };

  /** What is to come: in how many milliseconds. */
  get pauses(): number[] {
    return [...this.#timers].map(({ due }) => due - this.#now)
      .sort((a, b) => a - b);
  }

  /** Lets so many milliseconds pass. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const [next] = [...this.#timers].filter(({ due }) => due <= end)
        .sort((a, b) => a.due - b.due);
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#now = next.due;
      next.callback();
    }
    this.#now = end;
  }
}

/** An engine of {@linkcode recovering}: timed, and with tables that can be copied. */
export class LogTimedEngine extends TimedEngine {
  readonly log: LogEngine;

  constructor(line: Line, log: LogEngine) {
    super(line, log);
    this.log = log;
  }
}

/** The content of a change that brings `rows` to a {@linkcode LogEngine}. */
export function rows(...rows: readonly string[]): Fill {
  return through(0, ...rows);
}

/** The same through `port`. */
export function through(port: number, ...rows: readonly string[]): Fill {
  return (it) => {
    it.tag(1, 2).fork().tag(3, 2).string(JSON.stringify(rows)).join();
    if (port !== 0) it.tag(2, 0).uint32(port);
  };
}

/** The rows that a {@linkcode LogEngine} answered, of a table or of a view. */
export function rowsIn({ kind, content }: Parts): string[] {
  const [, field] = fields(content);
  const [only] = fields(content);
  const text = kind === Kind.TABLE_SIZE ? field : only;
  return JSON.parse(new TextDecoder().decode(text!.value as Uint8Array));
}

/** Has all that is resolved told. */
export async function flush(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}

/** How a router that replaces its engines is set up. */
export interface RecoveringOptions extends Partial<RouterOptions> {
  readonly line?: Line;
  /** Starts another engine; by default at once. */
  readonly spawn?: () => Promise<LogTimedEngine>;
}

/** A router that replaces so many timed engines, by a clock that a test sets. */
export function recovering(
  count: number,
  { line = "3", ...options }: RecoveringOptions = {},
) {
  const clock = new ManualClock();
  const errors: string[] = [];
  /** Configs whose views can't be made, in hex; tables that can't be copied. */
  const bad = new Set<string>();
  const start = () => new LogTimedEngine(line, new LogEngine(bad));
  const engines = Array.from({ length: count }, start);
  let failing = 0;
  const spawn = async () => {
    if (failing > 0) {
      failing--;
      throw new Error("no memory");
    }
    const engine = await (options.spawn ?? start)();
    engines.push(engine);
    return engine;
  };
  const router = new Router(engines.slice(), {
    onError: (error, { stage }) => errors.push(`${stage}: ${error.message}`),
    maxInFlight: Infinity,
    maxInFlightSize: Infinity,
    shortRequest: 25,
    fastLane: true,
    sharing: false,
    cacheSize: 1 << 20,
    viewLinger: 0,
    ...UNWATCHED,
    now: clock.now,
    later: clock.later,
    ...options,
    spawn,
  });
  /** Has all engines execute what there is, and what comes of it. */
  const settle = async () => {
    await flush();
    while (engines.some((it) => it.waiting.length > 0)) {
      for (const engine of engines) engine.run();
      await flush();
    }
  };
  return {
    /** All that there were; those that were started later come last. */
    engines,
    router,
    clock,
    errors,
    bad,
    settle,
    open: (options?: OpenOptions) => new TestClient(router, options),
    /** So many of the next engines can't be started. */
    failSpawns: (count: number) => void (failing = count),
    /** States of the engines, in order. */
    states: () => router.stats().replicas.map(({ state }) => state),
  };
}

/**
 * The same with a table `t` that has one row, `a`, and the client that made it.
 * Views are spread over all engines, the last first.
 */
export async function recoveringTable(
  count: number,
  options: RecoveringOptions = {},
) {
  const it = recovering(count, { fastLane: false, ...options });
  const client = it.open();
  client.ask(1, "t", Kind.MAKE_TABLE, rows("a"));
  await it.settle();
  client.take();
  return { ...it, client };
}
