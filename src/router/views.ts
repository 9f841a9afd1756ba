/**
 * A session's views.
 *
 * @module
 */

import {
  emptyAnswer,
  errorMessage,
  madeView,
  viewNotFound,
} from "../protocol/answers.ts";
import { readdress, reframe, Reframed } from "../protocol/frame.ts";
import { entityOf } from "../protocol/header.ts";
import { Kind, type KindInfo, SERVER_ERROR } from "../protocol/kinds.ts";
import { makeViewRequest, readMakeView } from "../protocol/requests.ts";
import {
  isFlat,
  isGrouped,
  shapeOf,
  viewKey,
} from "../protocol/view_config.ts";
import type { Asker } from "./asker.ts";
import { readMinMax } from "./min_max.ts";
import { hasKey } from "./read_memory.ts";
import { read } from "./reads.ts";
import { contentOf, entityBytes, type RequestHeader } from "./request.ts";
import { ownRoute, type Route } from "./route.ts";
import { split } from "./split.ts";
import { remember } from "./state_change.ts";
import type { Subscriptions } from "./subscriptions.ts";
import type { EngineView, MakeError, View } from "./view.ts";

/** Makes, reads and deletes views, and knows by which names. */
export class Views {
  readonly #asker: Asker;
  readonly #most: number;
  readonly #subscriptions: Subscriptions;
  /** Invariant 9: a view can be named only here. By the client's name for it. */
  readonly #byName = new Map<string, View>();

  /** The views of the session that asks with `asker`, `most` of them. */
  constructor(asker: Asker, subscriptions: Subscriptions, most: number) {
    this.#most = most;
    this.#asker = asker;
    this.#subscriptions = subscriptions;
  }

  /** The view that the client calls `name`. */
  get(name: string): View | undefined {
    const view = this.#byName.get(name);
    if (!view?.engineView.isWithdrawn) return view;
    this.#byName.delete(name);
    this.#forget(view);
    return undefined;
  }

  /** Makes a view, or shares one that means the same. */
  make(frame: Uint8Array, header: RequestHeader): void {
    const asker = this.#asker;
    const { router } = asker;
    const { viewId, config } = readMakeView(contentOf(frame, header));
    if (this.get(viewId) !== undefined) {
      // The engine would answer success, keep the old view and send its
      // updates twice.
      return asker.refuse(
        frame,
        header,
        `Cannot make view "${viewId}": this session has one of that name`,
      );
    }
    if (this.#byName.size >= this.#most) {
      return asker.refuse(
        frame,
        header,
        `Cannot make view: this session has ${this.#byName.size}, at most ` +
          `${this.#most} may be (maxViews); delete one first`,
        "limits",
      );
    }
    const table = entityOf(frame, header);
    const key = router.sharing ? sharedKey(table, config) : undefined;
    const shared = key === undefined ? undefined : router.views.find(key);
    if (shared !== undefined) {
      this.#share(frame, header, viewId, shared);
      return this.#stays(table);
    }
    // Elsewhere nobody asks what it is like.
    const isLookedAt = router.waits || router.sharing;
    const shape = isLookedAt ? `${table} ${shapeOf(config)}` : "";
    const isFlatView = isLookedAt && isFlat(config);
    const replica = asker.placeView(table, shape, isFlatView);
    if (!asker.mayAsk(replica, table)) return asker.hold(frame);
    const engineView = router.viewNames.next(
      {
        table,
        shape,
        replica,
        config: config.slice(),
        isGrouped: isLookedAt && isGrouped(config),
      },
      asker.session,
    );
    engineView.key = key;
    router.views.add(engineView);
    const entity = entityBytes(frame, header);
    const { msgId: clientMsgId } = header;
    this.#begin(viewId, engineView);
    engineView.whenMade.push((error) =>
      asker.reply(madeAnswer(clientMsgId, entity, viewId, error))
    );
    const take = onMade(asker, engineView, entity);
    const msgId = asker.register(header, entity, { take });
    asker.requestOf(
      engineView,
      makeViewRequest(msgId, entity, engineView.id, config),
      Kind.TABLE_MAKE_VIEW,
    );
    this.#stays(table);
  }

  /** Reads, changes or deletes `view`. */
  ask(
    frame: Uint8Array,
    header: RequestHeader,
    info: KindInfo,
    view: View,
  ): void {
    const asker = this.#asker;
    const { engineView } = view;
    if (info.effect === "delete_view") return this.#delete(frame, header, view);
    if (info.effect === "view_state") {
      return this.#changeState(frame, header, view);
    }
    if (header.kind === Kind.VIEW_GET_MIN_MAX && asker.translates) {
      return readMinMax(asker, frame, header, engineView);
    }
    const reads = hasKey(header) ? engineView.reads : undefined;
    read(asker, frame, header, engineView, reads, engineView);
  }

  /** Answers as the engine does for a view that it doesn't have. */
  answerMissing(
    frame: Uint8Array,
    header: RequestHeader,
    info: KindInfo,
  ): void {
    const { msgId, kind } = header;
    const entity = entityBytes(frame, header);
    if (info.effect === "unsubscribe") {
      this.#asker.reply(emptyAnswer(msgId, entity, kind));
    } else if (kind !== Kind.VIEW_ON_DELETE) {
      this.#asker.reply(viewNotFound(msgId, entity));
    }
  }

  /** Deletes them all, with their subscriptions. */
  release(): void {
    const { tables } = this.#asker.router;
    // Whoever is woken by one's end may come back here.
    const views = [...this.#byName.values()];
    this.#byName.clear();
    for (const view of views) {
      const { isWithdrawn, table } = view.engineView;
      if (isWithdrawn) this.#forget(view);
      else {
        tables.dropView(table);
        this.#left(view);
      }
    }
  }

  /** Forgets them: there is no engine any more. */
  clear(): void {
    this.#byName.clear();
  }

  // -- Making -----------------------------------------------------------------

  /** Gives the client a view that is there, or will be. */
  #share(
    frame: Uint8Array,
    header: RequestHeader,
    viewId: string,
    engineView: EngineView,
  ): void {
    const asker = this.#asker;
    const { msgId: clientMsgId, end: size } = header;
    const table = entityBytes(frame, header);
    const { whenMade, state } = engineView;
    this.#begin(viewId, engineView);
    if (state === "made") {
      return asker.reply(madeView(clientMsgId, table, viewId));
    }
    // No engine hears of this one.
    const msgId = asker.register(header, table);
    whenMade.push((error) => {
      asker.release(msgId, size);
      asker.reply(madeAnswer(clientMsgId, table, viewId, error));
    });
  }

  /** `table`, which may have been about to go, has a view again. */
  #stays(table: string): void {
    for (const tell of this.#asker.router.tables.staying(table)) tell();
  }

  #begin(viewId: string, engineView: EngineView): void {
    const { router } = this.#asker;
    const view: View = {
      clientId: viewId,
      engineView,
      from: undefined,
      subscriptions: new Set(),
    };
    this.#byName.set(viewId, view);
    engineView.users.add(view);
    router.tables.addView(engineView.table);
    router.countViews(1);
    if (engineView.state === "made") return;
    engineView.whenMade.push((error) => {
      if (error === undefined || !engineView.users.delete(view)) return;
      this.#byName.delete(viewId);
      this.#forget(view);
    });
  }

  // -- State ------------------------------------------------------------------

  /**
   * Expands, collapses or sets the depth, which changes what is read of a view:
   * the client gets one of its own first, if others have the same.
   */
  #changeState(frame: Uint8Array, header: RequestHeader, view: View): void {
    const asker = this.#asker;
    const { engineView } = view;
    if (
      engineView.key !== undefined && !engineView.isOnlyOf(asker.session)
    ) return split(asker, frame, header, view);
    asker.router.views.unshare(engineView);
    engineView.reads?.clear();
    const { msgId: clientMsgId, kind, bodyStart, bodyEnd } = header;
    const entity = entityBytes(frame, header);
    const state = asker.router.replaces
      ? remember(asker, engineView, frame, header)
      : undefined;
    const msgId = asker.registerOn(engineView, header, entity, {
      take: state && ((answer, header) => {
        state.answered(answer, header);
        const { bodyStart, bodyEnd } = header;
        asker.reply(readdress(clientMsgId, entity, answer, bodyStart, bodyEnd));
      }),
    });
    const changes = new Reframed(
      msgId,
      engineView.entity,
      frame,
      bodyStart,
      bodyEnd,
    );
    if (state === undefined) return asker.requestOf(engineView, changes, kind);
    asker.together(engineView, [...state.before, { frame: changes, kind }]);
  }

  // -- Deleting ---------------------------------------------------------------

  /**
   * From here on the name is free. What is pushed at the end, the view's
   * on_delete, still comes before the answer.
   */
  #delete(frame: Uint8Array, header: RequestHeader, view: View): void {
    const asker = this.#asker;
    const { router } = asker;
    const { engineView } = view;
    this.#byName.delete(view.clientId);
    router.tables.dropView(engineView.table);
    const { msgId: clientMsgId, kind, bodyStart, bodyEnd } = header;
    const entity = entityBytes(frame, header);
    if (!router.sharing) {
      const take: Route["take"] = (answer, { bodyStart, bodyEnd }) => {
        asker.reply(reframe(clientMsgId, entity, answer, bodyStart, bodyEnd));
        this.#forget(view);
        router.views.gone(engineView);
        router.wake(); // somebody may wait to delete its table
      };
      engineView.state = "gone";
      engineView.users.delete(view);
      const msgId = asker.register(header, entity, { take });
      return asker.requestOf(
        engineView,
        new Reframed(msgId, engineView.entity, frame, bodyStart, bodyEnd),
        kind,
      );
    }
    engineView.users.delete(view);
    // No engine hears of this one.
    const size = header.end;
    const msgId = asker.register(header, entity);
    const answer = () => {
      asker.release(msgId, size);
      asker.reply(emptyAnswer(clientMsgId, entity, kind));
    };
    const leave = () => {
      if (engineView.state === "gone") {
        // It couldn't be made.
        asker.release(msgId, size);
        asker.reply(viewNotFound(clientMsgId, entity));
        return this.#left(view);
      }
      this.#subscriptions.tellDeleted(view);
      // The table may go with it. Who asks again then must find that so.
      if (!router.tables.whenGone(engineView.table, answer)) answer();
      this.#left(view);
    };
    // What was asked and pushed before comes before.
    const isIdle = engineView.state === "made" && engineView.pending === 0 &&
      view.subscriptions.size === 0;
    if (isIdle) leave();
    else asker.mark(engineView, leave);
  }

  /** The client doesn't have `view` any more. */
  #left(view: View): void {
    const { router } = this.#asker;
    const { engineView } = view;
    this.#forget(view);
    engineView.users.delete(view);
    if (router.sharing) return router.views.released(engineView);
    const gone = () => {
      router.views.gone(engineView);
      router.wake();
    };
    engineView.state = "gone";
    router.askView(engineView, Kind.VIEW_DELETE, this.#asker.session, gone);
  }

  #forget(view: View): void {
    this.#subscriptions.viewGone(view);
    this.#asker.router.countViews(-1);
  }
}

/** What views of one table have in common that mean the same. */
function sharedKey(table: string, config: Uint8Array): string | undefined {
  const key = viewKey(config);
  return key === undefined ? undefined : `${table.length}:${table}${key}`;
}

/**
 * Tells all who have waited for `engineView`. If there wasn't the memory for it,
 * views that nobody has any more make room, and it is tried once more.
 */
function onMade(
  asker: Asker,
  engineView: EngineView,
  table: Uint8Array,
  isLast = false,
): Route["take"] {
  const { router, session } = asker;
  return (answer, { kind, contentStart, bodyStart, bodyEnd }) => {
    const error = kind === SERVER_ERROR
      ? { frame: answer, bodyStart, bodyEnd }
      : undefined;
    if (
      error !== undefined && !isLast &&
      errorMessage(answer.subarray(contentStart, bodyEnd))
        .includes("bad_alloc") &&
      router.views.releaseOn(engineView.replica, session)
    ) {
      const { id, config } = engineView;
      const take = onMade(asker, engineView, table, true);
      const msgId = router.register(ownRoute(Kind.TABLE_MAKE_VIEW, take));
      return asker.requestOf(
        engineView,
        makeViewRequest(msgId, table, id, config),
        Kind.TABLE_MAKE_VIEW,
      );
    }
    router.views.made(engineView, error === undefined);
    for (const tell of engineView.whenMade.splice(0)) tell(error);
    router.wake();
  };
}

function madeAnswer(
  msgId: number,
  table: Uint8Array,
  viewId: string,
  error: MakeError | undefined,
): Uint8Array {
  if (error === undefined) return madeView(msgId, table, viewId);
  const { frame, bodyStart, bodyEnd } = error;
  return reframe(msgId, table, frame, bodyStart, bodyEnd);
}
