/**
 * Who waits for which answer.
 *
 * @module
 */

import type { Header } from "../protocol/header.ts";
import { NO_BYTES, type Reframed } from "../protocol/frame.ts";
import type { RefusalReason } from "./refusal.ts";
import type { EngineView, View } from "./view.ts";

/** Whoever gets the frames of a route. */
export interface RouteOwner {
  /** Whether it takes nothing any more. */
  readonly closed: boolean;
  /** Takes an answer of the router's own, a refusal if that has a reason. */
  reply(frame: Uint8Array, refusal?: RefusalReason): void;
  /** A subscription, by the client's `msg_id`, has begun. */
  subscribed(msgId: number): void;
  /** Takes the engine's answer to a request. The frame is lent. */
  answer(route: Route, frame: Uint8Array, header: Header): void;
  /** Takes the engine's answer to a `table_delete`. The frame is lent. */
  deleted(
    msgId: number,
    route: Route,
    frame: Uint8Array,
    header: Header,
  ): void;
  /** Takes what the engine pushes for a subscription. The frame is lent. */
  push(msgId: number, route: Route, frame: Uint8Array, header: Header): void;
  /** A request of so many bytes won't be heard of any more. */
  done(size: number, wasPutOff?: boolean): void;
  /** A subscription has another `msg_id` at the engines. */
  moved(from: number, to: number): void;
  /** One of its changes was answered. */
  changeAnswered(): void;
  /** An engine was lost at something that it asked, which is tried once more. */
  suspect(): void;
  /** An engine was lost at something that it asked. */
  strike(): void;
}

/**
 * What an engine's `msg_id` stands for: a request that will be answered once,
 * or a subscription that is pushed to until it ends.
 */
export interface Route {
  /** Who asked; `undefined` for what the router asks for itself. */
  readonly session: RouteOwner | undefined;
  /** The client's `msg_id`. */
  readonly msgId: number;
  /** What was asked. */
  readonly kind: number;
  /** The client's `entity_id`, in bytes. */
  readonly entity: Uint8Array;
  /** Bytes of the request. */
  readonly size: number;
  /** Whether frames come until it ends, rather than one. */
  readonly subscription: boolean;
  /** The view that a subscription is on. */
  readonly view: View | undefined;
  /** The engine's view that a request is about, which stays until it is answered. */
  readonly on: EngineView | undefined;
  /**
   * Takes the answer instead of the session's own way of sending it on. The
   * frame is lent, as the engine lent it.
   */
  readonly take: ((frame: Uint8Array, header: Header) => void) | undefined;
  /** Whether no engine is asked, until views have gone. */
  readonly isPutOff?: boolean | undefined;
  /** Requests that get the same answer, by the router's `msg_id`. */
  readonly joined?: readonly number[] | undefined;
  /** If an engine was asked for it: how, so that another one can be. */
  subscribed?: Subscribed | undefined;
}

/** How an engine was subscribed to. */
export interface Subscribed {
  /** The request, in bytes of its own. */
  readonly frame: Reframed;
  /** What it is on; `undefined` for what belongs to no view. */
  readonly view: EngineView | undefined;
  /** Whether it pushes the rows that changed. */
  readonly withRows: boolean;
}

/** The route of what the router asks on its own account. */
export function ownRoute(
  kind: number,
  take: Route["take"],
  more: Partial<Route> = {},
): Route {
  return {
    session: undefined,
    msgId: 0,
    kind,
    entity: NO_BYTES,
    size: 0,
    subscription: false,
    view: undefined,
    on: undefined,
    take,
    ...more,
  };
}
