/**
 * A session's subscriptions.
 *
 * @module
 */

import { emptyAnswer, simpleRequest } from "../protocol/answers.ts";
import { NO_BYTES, reframe, Reframed } from "../protocol/frame.ts";
import { type Header, newHeader, readHeader } from "../protocol/header.ts";
import { endedBy, Kind, type KindInfo } from "../protocol/kinds.ts";
import {
  portWithoutDelta,
  subscriptionId,
  wantsRows,
} from "../protocol/requests.ts";
import type { Asker } from "./asker.ts";
import { isReady, subscribe, unsubscribe } from "./feeds.ts";
import { contentOf, entityBytes, type RequestHeader } from "./request.ts";
import type { Route } from "./route.ts";
import type { FrameRole } from "./session_host.ts";
import type { View } from "./view.ts";

/** Port numbers that fit beside a `msg_id` in a {@linkcode FrameRole}. */
const PORTS = 0x1_0000;

/**
 * Begins and ends subscriptions. Those on a view are remembered with the view,
 * and end with it; the others live until they are ended.
 */
export class Subscriptions {
  readonly #asker: Asker;
  /** Those that belong to no view, by the engine's `msg_id`. */
  readonly #live = new Set<number>();

  /** All of them, and some that have ended. */
  readonly #all = new Set<number>();
  readonly #most: number;

  /** The subscriptions of the session that asks with `asker`, `most` of them. */
  constructor(asker: Asker, most: number) {
    this.#asker = asker;
    this.#most = most;
  }

  /** Subscribes, to `view` or to what belongs to none. */
  begin(
    frame: Uint8Array,
    header: RequestHeader,
    view: View | undefined,
  ): void {
    const asker = this.#asker;
    const { kind, bodyStart, bodyEnd } = header;
    const engineView = view?.engineView;
    const isShared = engineView !== undefined && asker.router.sharing;
    if (isShared && !isReady(asker, engineView, kind)) {
      return asker.hold(frame);
    }
    if (this.#isFull()) {
      return asker.refuse(
        frame,
        header,
        `Cannot subscribe: this session has ${this.#all.size} subscriptions, ` +
          `at most ${this.#most} may be (maxSubscriptions); end one first`,
        "limits",
      );
    }
    // It lives longer than the frame should.
    const entity = entityBytes(frame, header).slice();
    const subscription = true;
    const msgId = asker.register(header, entity, { view, subscription });
    this.#all.add(msgId);
    this.#of(view).add(msgId);
    const withRows = kind === Kind.VIEW_ON_UPDATE &&
      wantsRows(contentOf(frame, header));
    if (!isShared) {
      const target = engineView?.entity ?? entity;
      const body = frame.slice(bodyStart, bodyEnd);
      const same = new Reframed(msgId, target, body);
      const subscribed = { frame: same, view: engineView, withRows };
      asker.router.route(msgId)!.subscribed = subscribed;
      return this.#request(same, kind, view);
    }
    // The router knows itself when it goes.
    if (kind === Kind.VIEW_ON_DELETE) return;
    subscribe(asker, engineView, kind, msgId, withRows);
  }

  /** Ends what a client calls by the `msg_id` that it subscribed with. */
  end(
    frame: Uint8Array,
    header: RequestHeader,
    info: KindInfo,
    view: View | undefined,
  ): void {
    const { msgId: clientMsgId, kind } = header;
    const { router } = this.#asker;
    const entity = entityBytes(frame, header);
    const wanted = subscriptionId(contentOf(frame, header));
    const live = this.#of(view);
    const ended = [...live].filter((id) => {
      const route = router.route(id);
      return route?.msgId === wanted && route.kind === info.ends &&
        (info.entity === "server" || equal(route.entity, entity));
    });
    const isShared = view !== undefined && router.sharing;
    const last = isShared ? undefined : ended.pop();
    // A client that used a msg_id twice ends both.
    for (const id of ended) {
      live.delete(id);
      this.#unsubscribe(id);
    }
    if (last === undefined) {
      return this.#asker.reply(emptyAnswer(clientMsgId, entity, kind));
    }
    const msgId = this.#asker.register(header, entity);
    live.delete(last);
    router.unregister(last);
    const target = view?.engineView.entity ?? entity;
    this.#request(simpleRequest(msgId, target, kind, last), kind, view);
  }

  /** It couldn't be subscribed to, so nothing will ever be pushed. */
  failed(msgId: number, { view }: Route): void {
    this.#asker.router.unregister(msgId);
    this.#of(view).delete(msgId);
  }

  /** One that belongs to no view has another `msg_id` at the engines. */
  moved(from: number, to: number): void {
    for (const ids of [this.#live, this.#all]) {
      if (ids.delete(from)) ids.add(to);
    }
  }

  /** Tells those who want to know that `view` has been deleted. */
  tellDeleted(view: View): void {
    const { router } = this.#asker;
    const header = newHeader();
    for (const id of view.subscriptions) {
      if (router.route(id)?.kind !== Kind.VIEW_ON_DELETE) continue;
      const push = emptyAnswer(0, NO_BYTES, Kind.VIEW_ON_DELETE);
      readHeader(push, header);
      router.deliver(id, push, header);
    }
  }

  /** Forgets those on `view`, which the client doesn't have any more. */
  viewGone(view: View): void {
    for (const id of view.subscriptions) this.#leave(view, id);
    view.subscriptions.clear();
  }

  /** Whether there are any to the list of tables. */
  get followsTables(): boolean {
    return this.#toTables().length > 0;
  }

  /** What says to those that the list has changed. */
  tablePushes(): Array<[push: Uint8Array, role: FrameRole]> {
    return this.#toTables().map((id) => {
      const { msgId, entity } = this.#asker.router.route(id)!;
      return [reframe(msgId, entity, NO_BYTES, 0, 0), id * PORTS];
    });
  }

  #toTables(): number[] {
    const { router } = this.#asker;
    return [...this.#live].filter((id) =>
      router.route(id)?.kind === Kind.GET_HOSTED_TABLES
    );
  }

  /** Ends those that don't end with a view. */
  release(): void {
    for (const id of this.#live) this.#unsubscribe(id);
    this.#live.clear();
  }

  /** Forgets them: there is no engine any more. */
  clear(): void {
    this.#live.clear();
  }

  /** Whether there may be no more. */
  #isFull(): boolean {
    if (this.#all.size < this.#most) return false;
    const { router, session } = this.#asker;
    for (const id of this.#all) {
      const route = router.route(id);
      const isLive = route?.subscription === true && route.session === session;
      if (!isLive) this.#all.delete(id);
    }
    return this.#all.size >= this.#most;
  }

  #of(view: View | undefined): Set<number> {
    return view?.subscriptions ?? this.#live;
  }

  #request(frame: Reframed, kind: number, view: View | undefined): void {
    const asker = this.#asker;
    if (view !== undefined) asker.requestOf(view.engineView, frame, kind);
    else asker.request(frame, kind, asker.primary, undefined, "");
  }

  /** Ends a subscription without anybody having asked for it. */
  #unsubscribe(id: number): void {
    const asker = this.#asker;
    const route = asker.router.route(id);
    if (route === undefined) return;
    const { view, kind, entity } = route;
    if (view !== undefined && asker.router.sharing) {
      return this.#leave(view, id);
    }
    asker.router.unregister(id);
    const end = endedBy(kind);
    if (view === undefined) return asker.ask(asker.primary, entity, end, id);
    const { engineView } = view;
    asker.together(engineView, [asker.marker(engineView, () => {}, end, id)]);
  }

  /** The subscription `id` on `view` gets nothing any more. */
  #leave(view: View, id: number): void {
    const { router } = this.#asker;
    const kind = router.route(id)?.kind;
    router.unregister(id);
    if (kind === undefined) return;
    for (const engineView of [view.engineView, view.from]) {
      if (engineView === undefined) continue;
      unsubscribe(this.#asker, engineView, kind, id);
    }
  }
}

/** What a push for the subscription `msgId` is to whoever writes it out. */
export function roleOf(
  msgId: number,
  { kind }: Route,
  push: Uint8Array,
  header: Header,
): FrameRole {
  if (kind === Kind.GET_HOSTED_TABLES) return msgId * PORTS;
  if (kind !== Kind.VIEW_ON_UPDATE) return "push";
  const port = portWithoutDelta(push, header);
  return port !== undefined && port < PORTS ? msgId * PORTS + port : "push";
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
