/**
 * A router over a fake engine, with clients that keep what they get. For
 * tests only.
 *
 * @module
 */

import type { ErrorStage } from "../errors.ts";
import type { Line } from "../protocol/kinds.ts";
import type { Later } from "../router/lingering.ts";
import { Router, type RouterOptions } from "../router/router.ts";
import type { Session } from "../router/session.ts";
import type { FrameRole, SessionEnd } from "../router/session_host.ts";
import {
  FakeEngine,
  type FakeEngineOptions,
  TinyEngine,
} from "./fake_engine.ts";
import { type Behaviour, TimedEngine } from "./timed_engine.ts";
import { type Fill, frame, type Parts, parts } from "./frames.ts";

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

  constructor(router: Router, { line, onFrame, onEnd }: OpenOptions = {}) {
    this.session = router.openSession({
      send: (bytes, role) => {
        this.frames.push(bytes);
        this.roles.push(role);
        return onFrame?.(bytes);
      },
      line,
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
