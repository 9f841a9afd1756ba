/**
 * A session's changes of tables.
 *
 * @module
 */

import { errorAnswer, viewNotFound } from "../protocol/answers.ts";
import { readdress, Reframed } from "../protocol/frame.ts";
import { entityOf } from "../protocol/header.ts";
import { Kind, SERVER_ERROR } from "../protocol/kinds.ts";
import {
  fromViewOf,
  isImmediate,
  joinedTables,
  updatePort,
  withFromView,
} from "../protocol/requests.ts";
import { withStringifiedLists } from "../protocol/translate.ts";
import type { Asker } from "./asker.ts";
import { contentOf, entityBytes, type RequestHeader } from "./request.ts";
import type { Route } from "./route.ts";
import type { View } from "./view.ts";
import type { Views } from "./views.ts";

/** Above this many bytes a change is copied once for all engines. */
const SHARED_SIZE = 64 * 1024;

/** Changes a table, makes one or deletes one. */
export function change(
  asker: Asker,
  views: Views,
  frame: Uint8Array,
  header: RequestHeader,
): void {
  const { msgId: clientMsgId, kind } = header;
  if (kind === Kind.TABLE_DELETE) return deleteTable(asker, frame, header);
  const table = entityBytes(frame, header);
  const viewName = takesData(kind) ? fromViewOf(frame, header) : undefined;
  let source: View | undefined;
  if (viewName !== undefined) {
    // Invariant 9: from a view of its own.
    source = views.get(viewName);
    if (source === undefined) {
      return asker.reply(viewNotFound(clientMsgId, table));
    }
    if (asker.isSeveral) {
      return asker.refuse(
        frame,
        header,
        "Cannot take data from a view: it is on one engine of several. " +
          "Read it as Arrow instead, as clients do",
      );
    }
  }
  const msgId = asker.register(
    header,
    table,
    kind === Kind.MAKE_JOIN_TABLE ? joinMade(asker, frame, header) : undefined,
  );
  if (source !== undefined) {
    const changed = withFromView(msgId, table, frame, header, source.id);
    send(asker, frame, header, changed, false);
  } else if (
    kind === Kind.MAKE_TABLE && asker.translates && asker.router.line === "5"
  ) {
    const changed = withStringifiedLists(msgId, table, frame, header);
    send(asker, frame, header, changed, false);
  } else {
    const { bodyStart, bodyEnd } = header;
    const same = new Reframed(msgId, table, frame, bodyStart, bodyEnd);
    send(asker, frame, header, same, kind === Kind.TABLE_UPDATE);
  }
}

/**
 * Deletes a table. With views it isn't the engine's to say whether it may be:
 * a view may be on another one, and a join table is frozen by being asked
 * (ENGINE 5.1, 9.14).
 */
function deleteTable(
  asker: Asker,
  frame: Uint8Array,
  header: RequestHeader,
): void {
  const { router, isSeveral } = asker;
  const { tables } = router;
  const entity = entityBytes(frame, header);
  const table = entityOf(frame, header);
  const isLazy = !isImmediate(contentOf(frame, header));
  if (router.tracksChanges && tables.isUnsure(table)) return asker.hold(frame);
  if (
    tables.hasViews(table) &&
    !tables.isSource(table) // then the engine says no, in other words
  ) {
    if (!isLazy) {
      const message = "Cannot delete table with views";
      return asker.reply(errorAnswer(header.msgId, entity, message));
    }
    if (isSeveral) {
      tables.wait(table, asker.register(header, entity.slice()));
      if (router.line === "5") router.notifyHostedTables();
      return;
    }
  }
  const msgId = asker.register(header, entity);
  if (isLazy && !isSeveral) router.waitForDelete(table, msgId);
  const { bodyStart, bodyEnd } = header;
  const same = new Reframed(msgId, entity, frame, bodyStart, bodyEnd);
  send(asker, frame, header, same, false);
}

/** Sends `changed`, which `frame` has become. */
function send(
  asker: Asker,
  frame: Uint8Array,
  header: RequestHeader,
  changed: Reframed,
  maySharePoll: boolean,
): void {
  if (asker.isSeveral && changed.byteLength > SHARED_SIZE) {
    changed = changed.share();
  }
  if (!asker.router.tracksChanges) {
    return asker.change(changed, header.kind, "");
  }
  const table = entityOf(frame, header);
  const port = maySharePoll ? updatePort(contentOf(frame, header)) : undefined;
  asker.change(changed, header.kind, table, port);
}

/** Remembers a join, once it is made. */
function joinMade(
  asker: Asker,
  frame: Uint8Array,
  header: RequestHeader,
): Partial<Route> {
  const { msgId } = header;
  const entity = entityBytes(frame, header);
  const name = entityOf(frame, header);
  const sources = joinedTables(contentOf(frame, header));
  return {
    take: (answer, { kind, bodyStart, bodyEnd }) => {
      if (kind !== SERVER_ERROR) asker.router.tables.addJoin(name, sources);
      asker.reply(readdress(msgId, entity, answer, bodyStart, bodyEnd));
    },
  };
}

function takesData(kind: number): boolean {
  return kind === Kind.MAKE_TABLE || kind === Kind.TABLE_UPDATE ||
    kind === Kind.TABLE_REPLACE || kind === Kind.TABLE_REMOVE;
}
