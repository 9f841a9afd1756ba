/**
 * How a session asks engines, and when it may.
 *
 * @module
 */

import { errorAnswer, simpleRequest } from "../protocol/answers.ts";
import { readdress, type Reframed } from "../protocol/frame.ts";
import { Kind } from "../protocol/kinds.ts";
import type { Inbox } from "./inbox.ts";
import type { RefusalReason } from "./refusal.ts";
import type { Replica } from "./replica.ts";
import { entityBytes, type RequestHeader } from "./request.ts";
import { ownRoute, type Route, type RouteOwner } from "./route.ts";
import type { Holding, SessionHost, Step } from "./session_host.ts";
import type { EngineView } from "./view.ts";

/** What those who handle a session's requests have of it. */
export class Asker {
  /** The router, on behalf of the session. */
  readonly router: SessionHost;
  /** Whether client and engine are of different lines. */
  readonly translates: boolean;
  /** Tables that the session may have made. */
  readonly maxTables: number;
  /** By whom they count as made; it outlives the session, with them. */
  readonly maker: object = {};
  readonly #session: RouteOwner & Holding;
  readonly #inbox: Inbox;
  /** Changes that aren't answered yet, where they may be under way. */
  #changes = 0;
  /** Reads that wait for those of others. */
  #joined = 0;

  /** Asks for `session`, whose requests are counted in `inbox`. */
  constructor(
    router: SessionHost,
    session: RouteOwner & Holding,
    inbox: Inbox,
    translates: boolean,
    maxTables = Infinity,
  ) {
    this.maxTables = maxTables;
    this.router = router;
    this.translates = translates;
    this.#session = session;
    this.#inbox = inbox;
  }

  /** Whom it asks for. */
  get session(): RouteOwner & Holding {
    return this.#session;
  }

  /** Whether there are several engines. */
  get isSeveral(): boolean {
    return this.router.replicas.length > 1;
  }

  /** The engine that is the first to see a change. */
  get primary(): Replica {
    return this.router.primary;
  }

  /** Whether changes of this session may be under way. */
  get hasChanges(): boolean {
    return this.#changes > 0;
  }

  /**
   * Whether a change has to wait: a read of this session waits for that of
   * another, and the change might overtake it.
   */
  get holdsChanges(): boolean {
    return this.router.waits && this.#joined > 0;
  }

  /** One of its changes was answered. */
  changeAnswered(): void {
    this.#changes--;
  }

  /**
   * Whether something about `table` may be asked of `replica` now. All that has
   * been answered to anyone has to be seen there, and this session's own
   * changes, answered or not (Invariant 2).
   */
  mayAsk(replica: Replica, table: string | undefined): boolean {
    const { router } = this;
    if (!router.waits) return true;
    if (
      this.#changes > 0 &&
      // The primary is given them in their order.
      (!replica.isPrimary || router.hasCollected(this.#session))
    ) return false;
    const after = this.#inbox.after ?? router.lastAnswered(table);
    if (router.mayAsk(replica, table, after)) return true;
    this.#inbox.after = after;
    return false;
  }

  /** `frame` and what follows it wait until more changes are answered. */
  hold(frame: Uint8Array): void {
    this.#inbox.holdBack(frame);
    this.router.hold(this.#session);
  }

  /**
   * Reserves a `msg_id` for a request, which is in flight from here on, or for
   * a subscription.
   */
  register(
    header: RequestHeader,
    entity: Uint8Array,
    more?: Partial<Route>,
  ): number {
    const isRequest = more?.subscription !== true;
    if (isRequest) this.#inbox.add(header.end);
    else this.#session.subscribed(header.msgId);
    if (more?.isPutOff) this.#inbox.putOff();
    return this.router.register({
      session: this.#session,
      size: isRequest ? header.end : 0,
      msgId: header.msgId,
      kind: header.kind,
      entity,
      subscription: more?.subscription ?? false,
      view: more?.view,
      on: more?.on,
      take: more?.take,
      isPutOff: more?.isPutOff,
      joined: more?.joined,
    });
  }

  /** The same for a request on `view`, which stays until it is answered. */
  registerOn(
    view: EngineView,
    header: RequestHeader,
    entity: Uint8Array,
    more?: Partial<Route>,
  ): number {
    view.asked(this.#session);
    return this.register(header, entity, { ...more, on: view });
  }

  /**
   * Reserves a `msg_id` for a request that no engine is asked: it gets the
   * answer to somebody's that is the same.
   */
  join(header: RequestHeader, entity: Uint8Array): number {
    const { msgId } = header;
    this.#joined++;
    return this.register(header, entity, {
      take: (frame, { bodyStart, bodyEnd }) => {
        this.#joined--;
        this.reply(readdress(msgId, entity, frame, bodyStart, bodyEnd));
        if (this.#joined === 0) this.router.wake();
      },
    });
  }

  /** The request that `msgId` was reserved for is done with, in whichever way. */
  release(msgId: number, size: number): void {
    this.router.unregister(msgId);
    this.#inbox.done(size);
  }

  /** Where best to make a view: see {@linkcode SessionHost.placeView}. */
  placeView(table: string, shape: string, isFlat: boolean): Replica {
    return this.router.placeView(this.#session, table, shape, isFlat);
  }

  /** Hands a request to `replica`: see {@linkcode SessionHost.request}. */
  request(
    frame: Reframed,
    kind: number,
    replica: Replica,
    table: string | undefined,
    shape: string,
  ): void {
    this.router.request(frame, kind, replica, this.#session, table, shape);
  }

  /** Hands a request to the engine on which `view` is. */
  requestOf(view: EngineView, frame: Reframed, kind: number): void {
    this.router.requestOf(view, frame, kind, this.#session);
  }

  /** Hands a change to the sequencer: see {@linkcode SessionHost.change}. */
  change(
    frame: Reframed,
    kind: number,
    table: string,
    port?: number,
    sources?: readonly string[],
  ): void {
    if (this.router.waits) this.#changes++;
    this.router.change(frame, kind, this.#session, table, port, sources);
  }

  /** Hands requests to the engine on which `view` is, with nothing between them. */
  together(view: EngineView, steps: readonly Step[]): void {
    this.router.together(steps, view, this.#session);
  }

  /** Calls `reached` when the engine has done all that it was asked of `view`. */
  mark(view: EngineView, reached: () => void): void {
    this.together(view, [this.marker(view, reached)]);
  }

  /**
   * A request that ends the subscription `ended` of `view`, and calls `reached`
   * when it is answered. By default it does nothing but that: there is no such
   * subscription, and engines say nothing against it.
   */
  marker(
    view: EngineView,
    reached: () => void,
    kind: number = Kind.VIEW_REMOVE_ON_UPDATE,
    ended?: number,
  ): Step {
    view.asked(this.#session);
    const msgId = this.router.register(ownRoute(kind, reached, { on: view }));
    const frame = simpleRequest(msgId, view.entity, kind, ended ?? msgId);
    return { frame, kind };
  }

  /** Asks an engine something on the router's own account. */
  ask(
    replica: Replica,
    entity: Uint8Array,
    kind: number,
    value?: number,
    take?: Route["take"],
  ): void {
    const msgId = this.router.register(ownRoute(kind, take));
    this.request(
      simpleRequest(msgId, entity, kind, value),
      kind,
      replica,
      undefined,
      "",
    );
  }

  /** Sends the client an answer. */
  reply(frame: Uint8Array): void {
    this.#session.reply(frame);
  }

  /** Answers a request with an error of the router's own. */
  refuse(
    frame: Uint8Array,
    header: RequestHeader,
    message: string,
    reason: RefusalReason = "invalid",
  ): void {
    this.router.countRefused(reason);
    this.#session.reply(
      errorAnswer(header.msgId, entityBytes(frame, header), message),
      reason,
    );
  }
}
