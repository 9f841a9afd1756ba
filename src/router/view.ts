/**
 * Views: those of the engine, and those of clients.
 *
 * @module
 */

import { utf8 } from "../protocol/frame.ts";
import { hasExpressions } from "../protocol/view_config.ts";
import type { ColumnTypes } from "../protocol/translate.ts";
import type { ViewState } from "../protocol/view_state.ts";
import type { Feed } from "./feed.ts";
import type { Reads } from "./read_memory.ts";
import type { Replica } from "./replica.ts";

/** What a view is made of. */
export interface ViewSource {
  /** Its table. */
  readonly table: string;
  /** Its `ViewConfig`, in bytes of its own. */
  readonly config: Uint8Array;
  /** What it is alike in time: see {@linkcode Predictor}. */
  readonly shape: string;
  /** Whether it groups or splits by columns, so that changes cost it little. */
  readonly isGrouped: boolean;
  /** The engine that it lives on. */
  readonly replica: Replica;
}

/**
 * A view in the engine. Its name there is the router's own, so that no client
 * can name, or overwrite, somebody else's (Invariant 9; ENGINE 6.4, 6.6).
 *
 * ```text
 *   making ──► made ──► gone
 *      └────────────────▲     it couldn't be made
 * ```
 */
export class EngineView implements ViewSource {
  /** Its name in the engine. */
  readonly id: string;
  /** The same in bytes, as frames carry it. */
  readonly entity: Uint8Array;
  readonly table: string;
  readonly config: Uint8Array;
  readonly shape: string;
  readonly isGrouped: boolean;
  replica: Replica;
  /** Whether it was taken away from its clients: it killed too many engines. */
  isWithdrawn = false;
  /**
   * What its config means, as long as it may be given to whoever asks for the
   * same: until somebody changes its state.
   */
  key: string | undefined;
  state: "making" | "made" | "gone" = "making";
  /**
   * Who had it made. Requests of others come after its making only once that
   * is answered.
   */
  readonly maker: object;
  /** The clients' views that it is. */
  readonly users = new Set<View>();
  /** Told when it is made, or why it couldn't be. */
  readonly whenMade: Array<(error: MakeError | undefined) => void> = [];
  /** Requests on it that aren't answered. */
  pending = 0;
  /** Whose these are, if they are of one session. */
  asker: object | undefined;
  /** What has been read of it, if that is remembered. */
  reads: Reads | undefined;
  /** What it pushes to its users, by the kind of subscription. */
  readonly feeds = new Map<number, Feed>();
  /** What clients have done to its rows, where that is remembered. */
  rowState: ViewState | undefined;
  /** Its columns' types, once somebody had to know them. */
  types: ColumnTypes | undefined;
  #hasExpressions: boolean | undefined;

  /** Made by {@linkcode ViewNames.next}. */
  constructor(
    id: string,
    { table, config, shape, isGrouped, replica }: ViewSource,
    maker: object,
  ) {
    this.id = id;
    this.entity = utf8(id);
    this.table = table;
    this.config = config;
    this.shape = shape;
    this.isGrouped = isGrouped;
    this.replica = replica;
    this.maker = maker;
  }

  /** Whether it has columns that are computed. */
  get hasExpressions(): boolean {
    return this.#hasExpressions ??= hasExpressions(this.config);
  }

  /** Whether the engine records which rows change, as it does once it was asked to. */
  get recordsRows(): boolean {
    for (const { withRows } of this.feeds.values()) if (withRows) return true;
    return false;
  }

  /** Whether `session` may ask something of it, as far as its making goes. */
  isReadyFor(session: object): boolean {
    return this.state !== "making" || this.maker === session;
  }

  /** Whether nobody but `session` can tell what becomes of its state. */
  isOnlyOf(session: object): boolean {
    return this.users.size === 1 &&
      (this.pending === 0 || this.asker === session);
  }

  /** `session` has asked something of it. */
  asked(session: object): void {
    this.asker = this.pending === 0 || this.asker === session
      ? session
      : undefined;
    this.pending++;
  }
}

/** The engine's answer to a view that it couldn't make. The frame is lent. */
export interface MakeError {
  readonly frame: Uint8Array;
  readonly bodyStart: number;
  readonly bodyEnd: number;
}

/** A client's view. Several may be one in the engine (Invariant 5). */
export interface View {
  /** Its name in the session that made it. */
  readonly clientId: string;
  /** What it is in the engine. */
  engineView: EngineView;
  /** What it was before, while it gets one of its own. */
  from: EngineView | undefined;
  /** The router's `msg_id`s of the subscriptions on it. */
  readonly subscriptions: Set<number>;
}

/**
 * Names views. The prefix keeps apart several routers on one engine, and the
 * views that others made there. Clients' names are 21 letters long; these are
 * 24, so that a client's fits in their place in an answer.
 */
export class ViewNames {
  readonly #prefix: string = crypto.randomUUID().slice(0, 8);
  #last = 0;

  /** A new view of `source`, which `maker` asked for. */
  next(source: ViewSource, maker: object): EngineView {
    const number = (++this.#last).toString(36).padStart(15, "0");
    return new EngineView(`${this.#prefix}-${number}`, source, maker);
  }
}
