/**
 * What a session and the router that opened it know of each other.
 *
 * @module
 */

import type { Access } from "../policy/access.ts";
import type { Reframed } from "../protocol/frame.ts";
import type { Line } from "../protocol/kinds.ts";
import type { FeedHost } from "./feed.ts";
import type { Inspector } from "./inspection.ts";
import type { ReadMemory, Reads } from "./read_memory.ts";
import type { RefusalReason } from "./refusal.ts";
import type { Replica } from "./replica.ts";
import type { Route } from "./route.ts";
import type { EngineView, ViewNames } from "./view.ts";
import type { ViewIndex, ViewIndexHost } from "./view_index.ts";

/**
 * What a frame is to whoever writes it out.
 *
 * - `"answer"`: the answer to a request
 * - `"push"`: a push that says something of its own, such as a delta
 * - a number: a notification that only says "changed". Two with the same
 *   number say the same, so that one which still waits can stand for the next.
 */
export type FrameRole = "answer" | "push" | number;

/** Takes a frame for a client. */
export type SendFrame = (
  frame: Uint8Array,
  role: FrameRole,
) => void | Promise<void>;

/** Why a session ended that its client didn't close. */
export type SessionEnd =
  /** The engine is lost, with all tables. */
  | "engine lost"
  /** The server was closed. */
  | "server closed"
  /** Engines were lost at what the session asked, as often as may be. */
  | "too many strikes";

/** How one session is set up. */
export interface SessionOptions {
  /** Takes the frames for the client. */
  readonly send: SendFrame;
  /**
   * Whether `send` is done with a frame when it returns. Such a frame may lie
   * in the engine's own memory, which saves a copy. Otherwise each frame is
   * the taker's to keep.
   */
  readonly takesLent?: boolean | undefined;
  /** The line that the client is of; by default the engine's. */
  readonly line?: Line | undefined;
  /** What it may do; everything by default. */
  readonly access?: Access | undefined;
  /** Called when the session is ended from this side. */
  readonly onEnd?: ((reason: SessionEnd) => void) | undefined;
}

/** What a session may have in flight: asked and not answered. */
export interface InFlightLimits {
  /** Requests. */
  readonly maxInFlight: number;
  /** Bytes of requests. */
  readonly maxInFlightSize: number;
}

/** What a session may have. The program's own sessions may have any number. */
export interface SessionLimits extends InFlightLimits {
  /** Views. */
  readonly maxViews: number;
  /** Subscriptions. */
  readonly maxSubscriptions: number;
  /** Tables that it has made. */
  readonly maxTables: number;
  /** Bytes of an answer. */
  readonly maxResultSize: number;
  /** Requests at which an engine was lost, before the session is ended. */
  readonly maxStrikes: number;
}

/** A request for an engine. */
export interface Step {
  /** It, as the engine is to have it. */
  readonly frame: Reframed;
  /** What it is. */
  readonly kind: number;
}

/** A session that holds requests until more is answered. */
export interface Holding {
  /** Takes up again what it holds. */
  retry(): void;
}

/** What a session needs of the router that opened it. */
export interface SessionHost
  extends FeedHost, Omit<ViewIndexHost, "makingMicros" | "newReads"> {
  /** The line of the engine. */
  readonly line: Line;
  /** Names for views. */
  readonly viewNames: ViewNames;
  /**
   * Whether a request may have to wait, and a change be under way while
   * something else is asked. Otherwise there is nothing to predict, either.
   */
  readonly waits: boolean;
  /** Whether what several ask alike is computed once. */
  readonly sharing: boolean;
  /** Looks at what sessions send that aren't trusted. */
  readonly inspector: Inspector | undefined;
  /** The views that engines have. */
  readonly views: ViewIndex;
  /** Answers that can be given again. */
  readonly memory: ReadMemory;
  /** All engines. */
  readonly replicas: readonly Replica[];
  /** The engine that executes changes first. */
  readonly primary: Replica;
  /** Whether an engine that is lost is replaced. */
  readonly replaces: boolean;
  /** Reserves a `msg_id` at the engine for `route`. */
  register(route: Route): number;
  /** What `msgId` stands for at the engine. */
  route(msgId: number): Route | undefined;
  /**
   * Hands a change of `table` to the sequencer, with its `port` if it may share
   * a poll.
   */
  change(
    frame: Reframed,
    kind: number,
    owner: object,
    table: string,
    port?: number,
    sources?: readonly string[],
  ): void;
  /**
   * Hands anything else to `replica`, as a request of `owner` about `table`, of
   * `shape`.
   */
  request(
    frame: Reframed,
    kind: number,
    replica: Replica,
    owner: object,
    table: string | undefined,
    shape: string,
  ): void;
  /** Hands a request of `owner` on `view` to its engine. */
  requestOf(
    view: EngineView,
    frame: Reframed,
    kind: number,
    owner: object,
  ): void;
  /** Hands requests of `owner` on `view` to its engine, with nothing between them. */
  together(steps: readonly Step[], view: EngineView, owner: object): void;
  /** Where `owner` best makes a view of `shape`, which may be flat. */
  placeView(
    owner: object,
    table: string,
    shape: string,
    isFlat: boolean,
  ): Replica;
  /**
   * The replica that has least to do, of those that have `table`; `undefined`
   * for all tables.
   */
  leastBusy(table: string | undefined): Replica;
  /** What a request about `table` has to see: see {@linkcode Sequencer.lastAnswered}. */
  lastAnswered(table: string | undefined): number;
  /**
   * Whether a request about `table` may go to `replica` now, where it has to
   * see what `after` says: see {@linkcode Sequencer.mayAsk}.
   */
  mayAsk(
    replica: Replica,
    table: string | undefined,
    after: number,
  ): boolean;
  /** Whether changes of `owner` wait that not even the primary has been given. */
  hasCollected(owner: object): boolean;
  /** Whether a delete of `table` isn't answered yet. */
  isDeleting(table: string): boolean;
  /** Whether a session may ask at whose request an engine was lost. */
  mayGoOn(): boolean;
  /** `session` is to retry when there is news: see {@linkcode SessionHost.wake}. */
  hold(session: Holding): void;
  /** Whether `session` is to retry; not once the server has ended. */
  isHolding(session: Holding): boolean;
  /**
   * What has been read of `table`; `undefined` where that can't be known to be
   * so still.
   */
  readsOf(table: string): Reads | undefined;
  /**
   * The state of `table` that whoever asks `replica` sees, or a later one: the
   * number of the last change of it, and of what it is computed from, that the
   * replica has been given.
   */
  version(replica: Replica, table: string): number;
  /** `table` was deleted. */
  tableGone(table: string): void;
  /** A read was answered, or is going to be. */
  countRead(how: "computed" | "joined" | "remembered"): void;
  /** Tells whoever subscribed that the list of hosted tables has changed. */
  notifyHostedTables(): void;
  /** A table isn't listed any more, of which no engine tells now. */
  tableHidden(): void;
  /** Request `msgId` deletes `table` lazily. */
  waitForDelete(table: string, msgId: number): void;
  /** Request `msgId`, a lazy delete of `table`, was answered by `frame`. */
  deleteAnswered(table: string, msgId: number, frame: Uint8Array): void;
  /** Nothing more of what `session` has asked is done. */
  ban(session: object): void;
  /** The session has closed. */
  forget(session: object): void;
  /** The client asked something. */
  countRequest(): void;
  /** A request was refused without the engine. */
  countRefused(reason: RefusalReason): void;
  /** A frame came for nobody. */
  countDropped(): void;
  /** A client's view began (1) or ended (-1). */
  countViews(difference: 1 | -1): void;
}
