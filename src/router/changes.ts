/**
 * A session's changes of tables.
 *
 * @module
 */

import { errorAnswer, isSourceOf, viewNotFound } from "../protocol/answers.ts";
import { readdress, Reframed } from "../protocol/frame.ts";
import { entityOf } from "../protocol/header.ts";
import { Kind, SERVER_ERROR } from "../protocol/kinds.ts";
import {
  fromViewOf,
  isImmediate,
  joinedTables,
  takesData,
  updatePort,
  withFromView,
} from "../protocol/requests.ts";
import {
  givesKeys,
  makesUncopyable,
  numberedRows,
  readTableMeta,
} from "../protocol/table_copy.ts";
import { withStringifiedLists } from "../protocol/translate.ts";
import type { Asker } from "./asker.ts";
import { contentOf, entityBytes, type RequestHeader } from "./request.ts";
import type { Route } from "./route.ts";
import type { View } from "./view.ts";
import type { Views } from "./views.ts";

/** Above this many bytes a change is copied once for all engines. */
const SHARED_SIZE = 64 * 1024;

const UNCOPYABLE =
  'Cannot make table: no column may be named "__INDEX__", by which engines ' +
  "take the numbers of rows. Such a table can't be copied when an engine is " +
  "replaced; choose another name";

/** Changes a table, makes one or deletes one. */
export function change(
  asker: Asker,
  views: Views,
  frame: Uint8Array,
  header: RequestHeader,
): void {
  const { msgId: clientMsgId, kind } = header;
  if (asker.holdsChanges) return asker.hold(frame);
  if (kind === Kind.TABLE_DELETE) return deleteTable(asker, frame, header);
  if (makesTable(kind)) {
    const count = asker.router.tables.madeBy(asker.maker);
    if (count >= asker.maxTables) {
      return asker.refuse(
        frame,
        header,
        `Cannot make table: this session has made ${count}, at most ` +
          `${asker.maxTables} may be (maxTables); delete one first`,
        "limits",
      );
    }
    // One of that name may be about to go, and would take this one along.
    const { router } = asker;
    const retry = () => router.wake();
    if (router.tables.whenGone(entityOf(frame, header), retry)) {
      return asker.hold(frame);
    }
  }
  if (
    kind === Kind.MAKE_TABLE && asker.router.replaces &&
    makesUncopyable(contentOf(frame, header))
  ) return asker.refuse(frame, header, UNCOPYABLE);
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
  // Whatever can't be read is found before anybody waits for an answer.
  const to = targetOf(asker, frame, header, viewName !== undefined);
  const { tables } = asker.router;
  const made = onMade(asker, frame, header, to);
  const msgId = asker.register(header, table, made);
  const size = header.end;
  if (to.sources !== undefined) tables.joining(to.sources);
  try {
    send(asker, changed(asker, frame, header, msgId, source), kind, to);
  } catch (reason) {
    // It couldn't be rewritten, or there is no memory for it.
    asker.release(msgId, size);
    if (to.sources !== undefined) tables.joined(to.sources);
    throw reason;
  }
}

/** A change as the engine is to have it. */
function changed(
  asker: Asker,
  frame: Uint8Array,
  header: RequestHeader,
  msgId: number,
  source: View | undefined,
): Reframed {
  const table = entityBytes(frame, header);
  if (source !== undefined) {
    return withFromView(msgId, table, frame, header, source.engineView.id);
  }
  if (
    header.kind === Kind.MAKE_TABLE && asker.translates &&
    asker.router.line === "5"
  ) return withStringifiedLists(msgId, table, frame, header);
  return new Reframed(msgId, table, frame, header.bodyStart, header.bodyEnd);
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
  const isJoin = tables.isJoin(table);
  const isUnsure = tables.isUnsure(table) ||
    isJoin && tables.isJoining(table);
  if (router.waits && isUnsure) return asker.hold(frame);
  const join = tables.joinOf(table);
  if (isJoin && join !== undefined) {
    return asker.reply(isSourceOf(join, header.msgId, entity));
  }
  router.views.release(table);
  // Of a source the engine says no, in other words.
  if (tables.hasViews(table) && join === undefined) {
    if (!isLazy) {
      const message = "Cannot delete table with views";
      return asker.reply(errorAnswer(header.msgId, entity, message));
    }
    if (isSeveral) {
      const msgId = asker.register(header, entity.slice(), { isPutOff: true });
      tables.deleteLazily(table, msgId);
      router.tableHidden();
      if (router.line === "5") router.notifyHostedTables();
      return;
    }
  }
  if (tables.hasViews(table)) {
    if (isLazy && join === undefined) tables.deleteLazily(table);
  } else if (router.waits && tables.isOpen(table)) {
    // Views that clients don't have any more still have to go.
    return asker.hold(frame);
  }
  const msgId = asker.register(header, entity);
  if (isLazy && !isSeveral) router.waitForDelete(table, msgId);
  const { kind, bodyStart, bodyEnd } = header;
  const same = new Reframed(msgId, entity, frame, bodyStart, bodyEnd);
  send(asker, same, kind, { table, port: undefined });
  if (isLazy) router.tableHidden();
}

/** What a change goes to. */
interface Target {
  readonly table: string;
  /** What it joins. */
  readonly sources?: readonly string[];
  /** Set if it may share a poll. */
  readonly port: number | undefined;
}

function targetOf(
  asker: Asker,
  frame: Uint8Array,
  header: RequestHeader,
  isFromView: boolean,
): Target {
  const table = entityOf(frame, header);
  const mayShare = asker.router.waits && header.kind === Kind.TABLE_UPDATE &&
    !isFromView;
  const port = mayShare ? updatePort(contentOf(frame, header)) : undefined;
  if (header.kind !== Kind.MAKE_JOIN_TABLE) return { table, port };
  return { table, port, sources: joinedTables(contentOf(frame, header)) };
}

function send(
  asker: Asker,
  change: Reframed,
  kind: number,
  { table, port, sources }: Target,
): void {
  const isShared = asker.isSeveral && change.byteLength > SHARED_SIZE;
  asker.change(isShared ? change.share() : change, kind, table, port, sources);
}

function makesTable(kind: number): boolean {
  return kind === Kind.MAKE_TABLE || kind === Kind.MAKE_JOIN_TABLE;
}

/** Remembers how a table was made, once it is. */
function onMade(
  asker: Asker,
  frame: Uint8Array,
  header: RequestHeader,
  { sources }: Target,
): Partial<Route> | undefined {
  const made = rememberMade(asker, frame, header, sources);
  const { tables } = asker.router;
  const name = entityOf(frame, header);
  const isCounted = asker.maxTables < Infinity && makesTable(header.kind) &&
    tables.reserve(name, asker.maker);
  if (made === undefined && !isCounted) return undefined;
  const { msgId } = header;
  const entity = entityBytes(frame, header);
  return {
    take: (answer, { kind, bodyStart, bodyEnd }) => {
      if (sources !== undefined) tables.joined(sources);
      if (kind !== SERVER_ERROR) made?.();
      else if (isCounted) tables.unreserve(name);
      asker.reply(readdress(msgId, entity, answer, bodyStart, bodyEnd));
    },
  };
}

function rememberMade(
  asker: Asker,
  frame: Uint8Array,
  header: RequestHeader,
  sources: readonly string[] | undefined,
): (() => void) | undefined {
  const { tables } = asker.router;
  const { kind, bodyStart, bodyEnd } = header;
  const name = entityOf(frame, header);
  if (sources !== undefined) {
    const body = frame.slice(bodyStart, bodyEnd);
    const request = new Reframed(0, entityBytes(frame, header).slice(), body);
    return () => tables.addJoin(name, sources, request);
  }
  if (!asker.router.replaces) return undefined;
  if (kind === Kind.TABLE_MAKE_PORT) return () => tables.addPort(name);
  if (kind === Kind.TABLE_UPDATE || kind === Kind.TABLE_REPLACE) {
    const origin = tables.origin(name);
    if (origin === undefined) return undefined;
    if (origin.meta.isIndexed) {
      const isKeyed = origin.isKeyed || givesKeys(contentOf(frame, header));
      return isKeyed === origin.isKeyed
        ? undefined
        : () => tables.addKeys(name);
    }
    const rows = numberedRows(contentOf(frame, header));
    if (rows === 0 && origin.numbered === 0) return undefined;
    return () => tables.addNumbered(name, rows);
  }
  if (kind !== Kind.MAKE_TABLE) return undefined;
  const read = readTableMeta(contentOf(frame, header));
  const meta = { ...read, options: read.options.slice() };
  const isKeyed = meta.isIndexed && givesKeys(contentOf(frame, header));
  return () => {
    tables.add(name, meta);
    if (isKeyed) tables.addKeys(name);
  };
}
