/**
 * A session's views.
 *
 * @module
 */

import { emptyAnswer, madeView, viewNotFound } from "../protocol/answers.ts";
import { reframe, Reframed } from "../protocol/frame.ts";
import { entityOf } from "../protocol/header.ts";
import { Kind, type KindInfo, SERVER_ERROR } from "../protocol/kinds.ts";
import {
  isFlat,
  makeViewRequest,
  readMakeView,
  shapeOf,
} from "../protocol/requests.ts";
import type { Asker } from "./asker.ts";
import { readMinMax } from "./min_max.ts";
import { contentOf, entityBytes, type RequestHeader } from "./request.ts";
import type { Route } from "./route.ts";
import type { View } from "./view.ts";

/** Makes, reads and deletes views, and knows by which names. */
export class Views {
  readonly #asker: Asker;
  /** Invariant 9: a view can be named only here. By the client's name for it. */
  readonly #byName = new Map<string, View>();

  /** The views of the session that asks with `asker`. */
  constructor(asker: Asker) {
    this.#asker = asker;
  }

  /** The view that the client calls `name`. */
  get(name: string): View | undefined {
    return this.#byName.get(name);
  }

  /** Makes a view. */
  make(frame: Uint8Array, header: RequestHeader): void {
    const asker = this.#asker;
    const { router } = asker;
    const { msgId: clientMsgId } = header;
    const table = entityBytes(frame, header);
    const { viewId, config } = readMakeView(contentOf(frame, header));
    if (this.#byName.has(viewId)) {
      // The engine would answer success, keep the old view and send its
      // updates twice.
      return asker.refuse(
        frame,
        header,
        `Cannot make view "${viewId}": this session has one of that name`,
      );
    }
    const tableName = entityOf(frame, header);
    const shape = router.waits ? `${tableName} ${shapeOf(config)}` : "";
    const replica = asker.placeView(
      tableName,
      shape,
      router.waits && isFlat(config),
    );
    if (!asker.mayAsk(replica, tableName)) return asker.hold(frame);
    const view = router.viewNames.next(viewId, tableName, shape, replica);
    this.#byName.set(viewId, view);
    router.countViews(replica, 1);
    router.tables.addView(tableName);
    const take = this.#onMade(view, table, clientMsgId);
    const msgId = asker.register(header, table, { view, take });
    asker.requestOf(
      view,
      makeViewRequest(msgId, table, view.id, config),
      Kind.TABLE_MAKE_VIEW,
    );
  }

  /** Reads or deletes `view`. */
  ask(
    frame: Uint8Array,
    header: RequestHeader,
    info: KindInfo,
    view: View,
  ): void {
    const { kind, bodyStart, bodyEnd } = header;
    if (kind === Kind.VIEW_GET_MIN_MAX && this.#asker.translates) {
      return readMinMax(this.#asker, frame, header, view);
    }
    const entity = entityBytes(frame, header);
    const take = info.effect === "delete_view"
      ? this.#onDeleted(view, entity, header.msgId)
      : undefined;
    const msgId = this.#asker.register(header, entity, { view, take });
    this.#asker.requestOf(
      view,
      new Reframed(msgId, view.entity, frame, bodyStart, bodyEnd),
      kind,
    );
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

  /** Deletes them all. Their subscriptions end with them, in the engine as here. */
  release(): void {
    const { router } = this.#asker;
    for (const view of this.#byName.values()) {
      this.#asker.ask(view.replica, view.table, view.entity, Kind.VIEW_DELETE);
      router.tables.dropView(view.table);
      this.#gone(view);
    }
    this.#byName.clear();
  }

  /** Forgets them: there is no engine any more. */
  clear(): void {
    this.#byName.clear();
  }

  /** Tells the client of its own name, or that there is no such view after all. */
  #onMade(view: View, table: Uint8Array, clientMsgId: number): Route["take"] {
    const { router } = this.#asker;
    return (answer, { kind, bodyStart, bodyEnd }) => {
      router.tables.confirm(view.table);
      if (kind !== SERVER_ERROR) {
        this.#asker.reply(madeView(clientMsgId, table, view.clientId));
        return router.wake();
      }
      if (this.#byName.get(view.clientId) === view) {
        this.#byName.delete(view.clientId);
        router.tables.dropView(view.table);
        this.#gone(view);
      }
      this.#asker.reply(
        reframe(clientMsgId, table, answer, bodyStart, bodyEnd),
      );
      router.wake();
    };
  }

  /**
   * From here on the name is free; what the engine pushes at the end, the
   * view's on_delete, still comes before the answer.
   */
  #onDeleted(
    view: View,
    entity: Uint8Array,
    clientMsgId: number,
  ): Route["take"] {
    this.#byName.delete(view.clientId);
    this.#asker.router.tables.dropView(view.table);
    return (answer, { bodyStart, bodyEnd }) => {
      this.#asker.reply(
        reframe(clientMsgId, entity, answer, bodyStart, bodyEnd),
      );
      this.#gone(view);
    };
  }

  /** The view, which had been dropped, has gone. */
  #gone(view: View): void {
    const { router } = this.#asker;
    for (const id of view.subscriptions) router.unregister(id);
    view.subscriptions.clear();
    router.countViews(view.replica, -1);
    const waiting = router.tables.viewGone(view.table);
    if (waiting.length > 0) router.deleteTable(view.table, waiting);
  }
}
