/**
 * One client, as the router sees it.
 *
 * @module
 */

import { type OnError, toError } from "../errors.ts";
import {
  emptyAnswer,
  errorAnswer,
  hostedTables,
  madeView,
  minMax,
  simpleRequest,
  systemInfo,
  viewNotFound,
} from "../protocol/answers.ts";
import { NO_BYTES, readdress, reframe, Reframed } from "../protocol/frame.ts";
import {
  entityOf,
  type Header,
  newHeader,
  readHeader,
} from "../protocol/header.ts";
import {
  hasKind,
  Kind,
  type KindInfo,
  kindInfo,
  kindName,
  SERVER_ERROR,
} from "../protocol/kinds.ts";
import {
  fromViewOf,
  isImmediate,
  joinedTables,
  makeViewRequest,
  portWithoutDelta,
  readMakeView,
  shapeOf,
  subscribes,
  subscriptionId,
  updatePort,
  withFromView,
} from "../protocol/requests.ts";
import {
  minMaxColumn,
  readViewSchema,
  translateMinMax,
  withStringifiedLists,
} from "../protocol/translate.ts";
import { ownRoute, type Route, type RouteOwner } from "./route.ts";
import type { Replica } from "./replica.ts";
import type {
  FrameRole,
  SessionEnd,
  SessionHost,
  SessionLimits,
  SessionOptions,
} from "./session_host.ts";
import type { View } from "./view.ts";

/**
 * The header of the request that is being handled. Answers may come, and
 * clients ask again, within the call that hands it to the engine: nothing may
 * read it after that.
 */
const header = newHeader();

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** A client's session: its views, its subscriptions, its requests. */
export class Session implements RouteOwner {
  readonly #router: SessionHost;
  readonly #options: SessionOptions;
  readonly #limits: SessionLimits;
  readonly #onError: OnError;
  #inFlight = 0;
  #inFlightSize = 0;
  /** Whether client and engine are of different lines. */
  readonly #translates: boolean;
  /** Invariant 9: a view can be named only here. By the client's name for it. */
  readonly #views = new Map<string, View>();
  /** Subscriptions that belong to no view, by the engine's `msg_id`. */
  readonly #subscriptions = new Set<number>();
  /** Changes that aren't answered yet, where they may be under way. */
  #changes = 0;
  /** A request that can't be made yet, and those behind it. */
  #held: Uint8Array[] = [];
  /** What the first of these has to see: see {@linkcode SessionHost.mayAsk}. */
  #after: number | undefined;
  #closed = false;
  #stopped = false;

  /** Made by {@linkcode Router.openSession}. */
  constructor(
    router: SessionHost,
    options: SessionOptions,
    limits: SessionLimits,
    onError: OnError,
  ) {
    this.#router = router;
    this.#limits = limits;
    this.#options = options;
    this.#onError = onError;
    this.#translates = (options.line ?? router.line) !== router.line;
  }

  /** Whether the session has ended. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Takes a request. The frame must stay as it is until it is answered.
   *
   * Whatever is wrong with it is answered with a `server_error`; this never
   * throws.
   */
  handleRequest(frame: Uint8Array): void {
    if (this.#closed || this.#stopped) return;
    this.#router.countRequest();
    if (this.#inFlight > 0 && this.#isTooMuch(frame)) return;
    if (this.#held.length > 0) this.#keep(frame);
    else this.#handle(frame);
  }

  /** Refuses `frame` if there is too much in flight (Invariant 8). */
  #isTooMuch(frame: Uint8Array): boolean {
    const { maxInFlight, maxInFlightSize } = this.#limits;
    if (
      this.#inFlight < maxInFlight &&
      this.#inFlightSize + frame.length <= maxInFlightSize
    ) return false;
    readHeader(frame, header);
    this.#refuse(
      frame,
      `Cannot take request: ${this.#inFlight} requests of ` +
        `${this.#inFlightSize} bytes are in flight, at most ${maxInFlight} of ` +
        `${maxInFlightSize} bytes may be; wait for their answers`,
    );
    return true;
  }

  /** Holds `frame`, which is in flight from here on. */
  #keep(frame: Uint8Array): void {
    this.#held.push(frame);
    this.#inFlight++;
    this.#inFlightSize += frame.length;
  }

  #handle(frame: Uint8Array): void {
    const wrong = readHeader(frame, header);
    if (wrong !== undefined) {
      return this.#refuse(frame, `Cannot read request: ${wrong}`);
    }
    const nameLength = header.entityEnd - header.entityStart;
    if (nameLength > LONGEST_NAME) {
      return this.#refuse(
        frame,
        `Cannot take request: its entity_id has ${nameLength} bytes, at most ` +
          `${LONGEST_NAME} may be`,
      );
    }
    const info = kindInfo(header.kind);
    if (info === undefined || !hasKind(this.#router.line, header.kind)) {
      return this.#refuse(frame, unknownKind(header.kind, info));
    }
    try {
      if (info.entity === "view") this.#onView(frame, info);
      else this.#onTable(frame, info);
    } catch (reason) {
      const { message } = toError(reason);
      this.#refuse(frame, `Cannot read ${info.name}: ${message}`);
    }
  }

  /**
   * Ends the session: its views are deleted, its subscriptions dropped, and
   * answers that are still to come are for nobody. Safe to call twice.
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#router.forget(this);
    // What it asked is still done: a program may send changes and be gone.
    if (this.#held.length === 0) this.#release();
  }

  #release(): void {
    for (const id of this.#subscriptions) this.#unsubscribe(id);
    this.#subscriptions.clear();
    // A view's subscriptions end with it, in the engine as here.
    for (const view of this.#views.values()) {
      this.#ask(view.replica, view.table, view.entity, Kind.VIEW_DELETE);
      this.#router.tables.dropView(view.table);
      this.#viewGone(view);
    }
    this.#views.clear();
  }

  // -- For the router --------------------------------------------------------

  /** Sends an answer of the router's own. */
  reply(frame: Uint8Array): void {
    this.#send(frame, "answer");
  }

  /** A request won't be heard of any more. */
  done(size: number): void {
    this.#inFlight--;
    this.#inFlightSize -= size;
  }

  /** One of its changes was answered. */
  changeAnswered(): void {
    this.#changes--;
  }

  /**
   * Takes up again what it held. What still has to wait is held on. With the
   * last of it, a closed session goes.
   */
  retry(): void {
    const held = this.#held;
    this.#held = [];
    while (held.length > 0 && this.#held.length === 0) {
      const frame = held.shift()!;
      this.done(frame.length);
      this.#handle(frame);
      if (this.#held.length === 0) this.#after = undefined;
    }
    this.#held.push(...held);
    if (this.#closed && this.#held.length === 0) this.#release();
  }

  /** Takes the engine's answer to one of this session's requests. */
  answer(route: Route, frame: Uint8Array, header: Header): void {
    this.#send(addressed(route, frame, header), "answer");
  }

  /** Takes what the engine pushes for one of this session's subscriptions. */
  push(msgId: number, route: Route, frame: Uint8Array, header: Header): void {
    const toClient = addressed(route, frame, header);
    if (header.kind === SERVER_ERROR) {
      // It couldn't be subscribed to, so nothing will ever be pushed.
      this.#router.unregister(msgId);
      this.#subscriptions.delete(msgId);
      route.view?.subscriptions.delete(msgId);
      this.#send(toClient, "answer");
      return;
    }
    let role: FrameRole = "push";
    if (route.kind === Kind.VIEW_ON_UPDATE) {
      const port = portWithoutDelta(frame, header);
      if (port !== undefined && port < PORTS) role = msgId * PORTS + port;
    } else if (route.kind === Kind.GET_HOSTED_TABLES) role = msgId * PORTS;
    this.#send(toClient, role);
  }

  /** Takes the answer to a `table_delete`. */
  deleted(
    msgId: number,
    route: Route,
    frame: Uint8Array,
    header: Header,
  ): void {
    const table = decoder.decode(route.entity);
    if (header.kind !== SERVER_ERROR) this.#router.tables.removed(table);
    this.answer(route, frame, header);
    this.#router.deleteAnswered(table, msgId, frame);
  }

  /** Takes no more requests; there is no engine to clean up any more. */
  stop(): void {
    this.#stopped = true;
    this.#views.clear();
    this.#subscriptions.clear();
    this.#held = [];
  }

  /** Ends the session from this side, after {@linkcode Session.stop}. */
  end(reason: SessionEnd): void {
    if (this.#closed) return;
    this.#closed = true;
    try {
      this.#options.onEnd?.(reason);
    } catch (thrown) {
      this.#onError(toError(thrown), { stage: "hook" });
    }
  }

  // -- Requests on tables and the server -------------------------------------

  #onTable(frame: Uint8Array, info: KindInfo): void {
    if (info.effect === "change") return this.#change(frame);
    if (info.effect === "make_view") return this.#makeView(frame);
    const { kind } = header;
    const table = info.entity === "table" ? entityOf(frame, header) : undefined;
    if (info.effect === "read") {
      if (kind === Kind.SERVER_SYSTEM_INFO && this.#isSeveral) {
        return this.#systemInfo(frame);
      }
      if (kind !== Kind.GET_HOSTED_TABLES || !subscribes(content(frame))) {
        return this.#forward(frame, table);
      }
    }
    if (!this.#mayAsk(this.#primary, table)) this.#hold(frame);
    else if (info.effect === "unsubscribe") {
      this.#endSubscription(frame, info, undefined);
    } else this.#subscribe(frame, undefined);
  }

  #forward(frame: Uint8Array, tableName: string | undefined): void {
    // The primary is the first to see a change.
    const replica =
      this.#changes > 0 || this.#router.lastAnswered(tableName) > 0
        ? this.#primary
        : this.#router.leastBusy();
    if (!this.#mayAsk(replica, tableName)) return this.#hold(frame);
    const { kind, bodyStart, bodyEnd } = header;
    const table = entityBytes(frame);
    const msgId = this.#register(
      table,
      kind === Kind.GET_HOSTED_TABLES ? this.#onHostedTables() : undefined,
    );
    this.#router.request(
      new Reframed(msgId, table, frame, bodyStart, bodyEnd),
      kind,
      replica,
      this,
      tableName,
      "",
    );
  }

  /** Leaves out of the list what is hidden now, not when it is answered. */
  #onHostedTables(): Partial<Route> | undefined {
    const { msgId } = header;
    const { hidden } = this.#router.tables;
    if (hidden.size === 0) return undefined;
    return {
      take: (answer, { contentStart, bodyEnd }) => {
        const content = answer.subarray(contentStart, bodyEnd);
        this.reply(hostedTables(msgId, content, hidden));
      },
    };
  }

  /** The sum of what all engines say. */
  #systemInfo(frame: Uint8Array): void {
    const { msgId } = header;
    const entity = entityBytes(frame);
    const infos: Uint8Array[] = [];
    for (const replica of this.#router.replicas) {
      this.#ask(
        replica,
        undefined,
        NO_BYTES,
        Kind.SERVER_SYSTEM_INFO,
        undefined,
        (answer, { contentStart, bodyEnd }) => {
          infos.push(answer.slice(contentStart, bodyEnd));
          if (infos.length < this.#router.replicas.length) return;
          this.reply(systemInfo(msgId, entity, infos));
        },
      );
    }
  }

  #change(frame: Uint8Array): void {
    const { kind } = header;
    const table = entityBytes(frame);
    let fromView: View | undefined;
    if (takesData(kind)) {
      const clientId = fromViewOf(frame, header);
      if (clientId !== undefined) {
        fromView = this.#views.get(clientId);
        if (fromView === undefined) {
          return this.reply(viewNotFound(header.msgId, table));
        }
        if (this.#isSeveral) {
          return this.#refuse(
            frame,
            "Cannot take data from a view: it is on one engine of several. " +
              "Read it as Arrow instead, as clients do",
          );
        }
      }
    }
    const deleted = kind === Kind.TABLE_DELETE
      ? entityOf(frame, header)
      : undefined;
    const isLazy = deleted !== undefined && !isImmediate(content(frame));
    const { tables } = this.#router;
    if (
      deleted !== undefined && this.#router.tracksChanges &&
      tables.isUnsure(deleted)
    ) return this.#hold(frame);
    if (
      deleted !== undefined && tables.hasViews(deleted) &&
      !tables.isSource(deleted) // then the engine says no, in other words
    ) {
      if (!isLazy) {
        // Not the engine's to say: its view may be on another one, and a join
        // table is frozen by being asked (ENGINE 5.1, 9.14).
        const message = "Cannot delete table with views";
        return this.reply(errorAnswer(header.msgId, table, message));
      }
      if (this.#isSeveral) {
        tables.wait(deleted, this.#register(table.slice()));
        if (this.#router.line === "5") this.#router.notifyHostedTables();
        return;
      }
    }
    const msgId = this.#register(
      table,
      kind === Kind.MAKE_JOIN_TABLE ? this.#onJoin(frame, table) : undefined,
    );
    if (this.#router.tracksChanges) this.#changes++;
    if (isLazy && !this.#isSeveral) this.#router.waitForDelete(deleted, msgId);
    let change: Reframed;
    if (fromView !== undefined) {
      change = withFromView(msgId, table, frame, header, fromView.id);
    } else if (
      kind === Kind.MAKE_TABLE && this.#translates && this.#router.line === "5"
    ) {
      change = withStringifiedLists(msgId, table, frame, header);
    } else {
      const { bodyStart, bodyEnd } = header;
      change = new Reframed(msgId, table, frame, bodyStart, bodyEnd);
    }
    if (this.#isSeveral && change.byteLength > SHARED_SIZE) {
      change = change.share();
    }
    if (!this.#router.tracksChanges) {
      return this.#router.change(change, kind, this, "");
    }
    const name = entityOf(frame, header);
    const port = kind === Kind.TABLE_UPDATE && fromView === undefined
      ? updatePort(content(frame))
      : undefined;
    this.#router.change(change, kind, this, name, port);
  }

  /** Remembers a join, once it is made. */
  #onJoin(frame: Uint8Array, entity: Uint8Array): Partial<Route> {
    const { msgId } = header;
    const name = entityOf(frame, header);
    const sources = joinedTables(content(frame));
    return {
      take: (answer, { kind, bodyStart, bodyEnd }) => {
        if (kind !== SERVER_ERROR) this.#router.tables.addJoin(name, sources);
        this.#send(
          readdress(msgId, entity, answer, bodyStart, bodyEnd),
          "answer",
        );
      },
    };
  }

  #makeView(frame: Uint8Array): void {
    const table = entityBytes(frame);
    const { msgId: clientMsgId } = header;
    const { viewId, config } = readMakeView(content(frame));
    if (this.#views.has(viewId)) {
      // The engine would answer success, keep the old view and send its
      // updates twice.
      return this.#refuse(
        frame,
        `Cannot make view "${viewId}": this session has one of that name`,
      );
    }
    const tableName = entityOf(frame, header);
    const shape = this.#router.predicts
      ? `${tableName} ${shapeOf(config)}`
      : "";
    const replica = this.#router.placeView(this, tableName, shape);
    if (!this.#mayAsk(replica, tableName)) return this.#hold(frame);
    const names = this.#router.viewNames;
    const view = names.next(viewId, tableName, shape, replica);
    this.#views.set(viewId, view);
    this.#router.countViews(replica, 1);
    this.#router.tables.addView(tableName);
    const msgId = this.#register(table, {
      view,
      take: (answer, header) => {
        this.#router.tables.confirm(view.table);
        if (header.kind !== SERVER_ERROR) {
          this.#send(madeView(clientMsgId, table, viewId), "answer");
          return this.#router.wake();
        }
        if (this.#views.get(viewId) === view) {
          this.#views.delete(viewId);
          this.#router.tables.dropView(view.table);
          this.#viewGone(view);
        }
        this.#send(
          reframe(
            clientMsgId,
            table,
            answer,
            header.bodyStart,
            header.bodyEnd,
          ),
          "answer",
        );
        this.#router.wake();
      },
    });
    this.#router.request(
      makeViewRequest(msgId, table, view.id, config),
      Kind.TABLE_MAKE_VIEW,
      replica,
      this,
      tableName,
      shape,
    );
  }

  // -- Requests on views -----------------------------------------------------

  #onView(frame: Uint8Array, info: KindInfo): void {
    const view = this.#views.get(entityOf(frame, header));
    if (view === undefined) return this.#onMissingView(frame, info);
    if (!this.#mayAsk(view.replica, view.table)) return this.#hold(frame);
    const { kind, bodyStart, bodyEnd } = header;
    if (info.effect === "subscribe") return this.#subscribe(frame, view);
    if (info.effect === "unsubscribe") {
      return this.#endSubscription(frame, info, view);
    }
    if (kind === Kind.VIEW_GET_MIN_MAX && this.#translates) {
      return this.#minMax(frame, view);
    }
    const entity = entityBytes(frame);
    let take: Route["take"];
    if (info.effect === "delete_view") {
      // From here on the name is free; what the engine pushes at the end, the
      // view's on_delete, still comes before the answer.
      this.#views.delete(view.clientId);
      this.#router.tables.dropView(view.table);
      const { msgId } = header;
      take = (answer, header) => {
        this.#send(
          reframe(msgId, entity, answer, header.bodyStart, header.bodyEnd),
          "answer",
        );
        this.#viewGone(view);
      };
    }
    const msgId = this.#register(entity, { view, take });
    this.#router.request(
      new Reframed(msgId, view.entity, frame, bodyStart, bodyEnd),
      kind,
      view.replica,
      this,
      view.table,
      view.shape,
    );
  }

  /** Answers as the engine does for a view that it doesn't have. */
  #onMissingView(frame: Uint8Array, info: KindInfo): void {
    const { msgId, kind } = header;
    const entity = entityBytes(frame);
    if (info.effect === "unsubscribe") {
      this.reply(emptyAnswer(msgId, entity, kind));
    } else if (kind !== Kind.VIEW_ON_DELETE) {
      this.reply(viewNotFound(msgId, entity));
    }
  }

  /** `view_get_min_max` for a client of the other line, which reads it otherwise. */
  #minMax(frame: Uint8Array, view: View): void {
    const { msgId: clientMsgId, bodyStart, bodyEnd } = header;
    const entity = entityBytes(frame);
    const column = minMaxColumn(content(frame));
    const msgId = this.#register(entity, {
      view,
      take: (answer, header) => {
        const { kind, contentStart, bodyStart, bodyEnd } = header;
        if (kind !== Kind.VIEW_GET_MIN_MAX) {
          const error = reframe(
            clientMsgId,
            entity,
            answer,
            bodyStart,
            bodyEnd,
          );
          return this.#send(error, "answer");
        }
        const { min, max } = translateMinMax(
          answer.slice(contentStart, bodyEnd),
          this.#router.line === "3" ? "5" : "3",
          view.types?.get(column),
        );
        this.#send(minMax(clientMsgId, entity, min, max), "answer");
      },
    });
    if (view.types === undefined) {
      // Asked first, so it is answered first.
      this.#ask(
        view.replica,
        view.table,
        view.entity,
        Kind.VIEW_SCHEMA,
        undefined,
        (answer, header) => {
          if (header.kind === Kind.VIEW_SCHEMA) {
            view.types = readViewSchema(
              answer.slice(header.contentStart, header.bodyEnd),
            );
          }
        },
      );
    }
    this.#router.request(
      new Reframed(msgId, view.entity, frame, bodyStart, bodyEnd),
      Kind.VIEW_GET_MIN_MAX,
      view.replica,
      this,
      view.table,
      view.shape,
    );
  }

  // -- Subscriptions ---------------------------------------------------------

  #subscribe(frame: Uint8Array, view: View | undefined): void {
    const { kind, bodyStart, bodyEnd } = header;
    // It lives longer than the frame should.
    const entity = entityBytes(frame).slice();
    const msgId = this.#register(entity, { view, subscription: true });
    (view?.subscriptions ?? this.#subscriptions).add(msgId);
    this.#router.request(
      new Reframed(msgId, view?.entity ?? entity, frame, bodyStart, bodyEnd),
      kind,
      view?.replica ?? this.#primary,
      this,
      view?.table,
      view?.shape ?? "",
    );
  }

  #endSubscription(
    frame: Uint8Array,
    info: KindInfo,
    view: View | undefined,
  ): void {
    const { msgId: clientMsgId, kind } = header;
    const entity = entityBytes(frame);
    const wanted = subscriptionId(content(frame));
    const live = view?.subscriptions ?? this.#subscriptions;
    const ended = [...live].filter((id) => {
      const route = this.#router.route(id);
      return route?.msgId === wanted && route.kind === info.ends &&
        (info.entity === "server" || equal(route.entity, entity));
    });
    const last = ended.pop();
    if (last === undefined) {
      return this.reply(emptyAnswer(clientMsgId, entity, kind));
    }
    const msgId = this.#register(entity, { view });
    // A client that used a msg_id twice ends both.
    for (const id of ended) {
      live.delete(id);
      this.#unsubscribe(id);
    }
    live.delete(last);
    this.#router.unregister(last);
    this.#router.request(
      simpleRequest(msgId, view?.entity ?? entity, kind, last),
      kind,
      view?.replica ?? this.#primary,
      this,
      view?.table,
      view?.shape ?? "",
    );
  }

  /** Ends a subscription without anybody having asked for it. */
  #unsubscribe(id: number): void {
    const route = this.#router.route(id);
    if (route === undefined) return;
    this.#router.unregister(id);
    this.#ask(
      route.view?.replica ?? this.#primary,
      route.view?.table,
      route.view?.entity ?? route.entity,
      ENDED_BY.get(route.kind)!,
      id,
    );
  }

  /** The view, which had been dropped, has gone. */
  #viewGone(view: View): void {
    for (const id of view.subscriptions) this.#router.unregister(id);
    view.subscriptions.clear();
    this.#router.countViews(view.replica, -1);
    const waiting = this.#router.tables.viewGone(view.table);
    if (waiting.length > 0) this.#router.deleteTable(view.table, waiting);
  }

  // -- Both ways -------------------------------------------------------------

  /** Reserves a `msg_id` for the request whose header was read last. */
  #register(entity: Uint8Array, more?: Partial<Route>): number {
    const isRequest = more?.subscription !== true;
    if (isRequest) {
      this.#inFlight++;
      this.#inFlightSize += header.end;
    }
    return this.#router.register({
      session: this,
      size: isRequest ? header.end : 0,
      msgId: header.msgId,
      kind: header.kind,
      entity,
      subscription: more?.subscription ?? false,
      view: more?.view,
      take: more?.take,
    });
  }

  get #isSeveral(): boolean {
    return this.#router.replicas.length > 1;
  }

  get #primary(): Replica {
    return this.#router.replicas[0]!;
  }

  /**
   * Whether something about `table` may be asked of `replica` now. All that has
   * been answered to anyone has to be seen there, and this session's own
   * changes, answered or not (Invariant 2).
   */
  #mayAsk(replica: Replica, table: string | undefined): boolean {
    if (!this.#router.tracksChanges) return true;
    if (
      this.#changes > 0 &&
      // The primary is given them in their order.
      (!replica.isPrimary || this.#router.hasCollected(this))
    ) return false;
    const after = this.#after ?? this.#router.lastAnswered(table);
    if (this.#router.mayAsk(replica, table, after)) return true;
    this.#after = after;
    return false;
  }

  /** `frame` and what follows it wait until more changes are answered. */
  #hold(frame: Uint8Array): void {
    this.#keep(frame);
    this.#router.hold(this);
  }

  /** Asks an engine something on the router's own account. */
  #ask(
    replica: Replica,
    table: string | undefined,
    entity: Uint8Array,
    kind: number,
    value?: number,
    take?: Route["take"],
  ): void {
    const msgId = this.#router.register(ownRoute(kind, take));
    this.#router.request(
      simpleRequest(msgId, entity, kind, value),
      kind,
      replica,
      this,
      table,
      "",
    );
  }

  #refuse(frame: Uint8Array, message: string): void {
    this.#router.countRefused();
    this.reply(errorAnswer(header.msgId, entityBytes(frame), message));
  }

  #send(frame: Uint8Array, role: FrameRole): void {
    if (this.#closed) return this.#router.countDropped();
    try {
      const { send, takesLent } = this.#options;
      const sent: unknown = send(takesLent ? frame : frame.slice(), role);
      if (sent === undefined) return;
      Promise.resolve(sent).catch((reason) => this.#cannotSend(reason));
    } catch (reason) {
      this.#cannotSend(reason);
    }
  }

  /** A client that can't be written to is gone; nobody else sees anything of it. */
  #cannotSend(reason: unknown): void {
    if (this.#closed) return;
    this.#onError(toError(reason), { stage: "write" });
    this.close();
  }
}

/** Bytes of the longest name of a table or view (Invariant 8). */
const LONGEST_NAME = 4_096;

/** Above this many bytes a change is copied once for all engines. */
const SHARED_SIZE = 64 * 1024;

/** Port numbers that fit beside a `msg_id` in a {@linkcode FrameRole}. */
const PORTS = 0x1_0000;

/** Which request ends a subscription of a kind. */
const ENDED_BY: ReadonlyMap<number, number> = new Map([
  [Kind.GET_HOSTED_TABLES, Kind.REMOVE_HOSTED_TABLES_UPDATE],
  [Kind.TABLE_ON_DELETE, Kind.TABLE_REMOVE_DELETE],
  [Kind.VIEW_ON_UPDATE, Kind.VIEW_REMOVE_ON_UPDATE],
  [Kind.VIEW_ON_DELETE, Kind.VIEW_REMOVE_DELETE],
  [Kind.VIEW_ON_REMOVE, Kind.VIEW_REMOVE_ON_REMOVE],
]);

function takesData(kind: number): boolean {
  return kind === Kind.MAKE_TABLE || kind === Kind.TABLE_UPDATE ||
    kind === Kind.TABLE_REPLACE || kind === Kind.TABLE_REMOVE;
}

function unknownKind(kind: number, info: KindInfo | undefined): string {
  return info === undefined
    ? `Cannot handle request: kind ${kind} is not known to this server`
    : `Cannot handle request: ${kindName(kind)} needs an engine of line 5, ` +
      `@perspective-dev/client`;
}

/** An engine's frame with the client's header, written over the engine's. */
function addressed(
  route: Route,
  frame: Uint8Array,
  header: Header,
): Uint8Array {
  return readdress(
    route.msgId,
    route.entity,
    frame,
    header.bodyStart,
    header.bodyEnd,
  );
}

function entityBytes(frame: Uint8Array): Uint8Array {
  const { entityStart, entityEnd } = header;
  return entityStart === entityEnd
    ? NO_BYTES
    : frame.subarray(entityStart, entityEnd);
}

function content(frame: Uint8Array): Uint8Array {
  return frame.subarray(header.contentStart, header.bodyEnd);
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
