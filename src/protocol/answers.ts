/**
 * Answers and requests that the router writes itself.
 *
 * @module
 */

import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import { forEachField } from "./fields.ts";
import { NO_BYTES, Reframed } from "./frame.ts";
import { newHeader, readHeader } from "./header.ts";
import { Kind, SERVER_ERROR } from "./kinds.ts";

/** `status_code` of a `ServerError`. */
export const Status = {
  SERVER_ERROR: 0,
  VIEW_NOT_FOUND: 1,
  TRANSPORT_ERROR: 2,
} as const;

/** A value of {@linkcode Status}. */
export type StatusCode = typeof Status[keyof typeof Status];

/** The answer that says what went wrong. */
export function errorAnswer(
  msgId: number,
  entity: Uint8Array,
  message: string,
  status: StatusCode = Status.SERVER_ERROR,
): Uint8Array {
  const body = new BinaryWriter().tag(SERVER_ERROR, 2).fork();
  body.tag(1, 2).string(message);
  if (status !== Status.SERVER_ERROR) body.tag(2, 0).int32(status);
  return frame(msgId, entity, body.join());
}

/** The answer to `request`, whatever it is, that says why it isn't taken. */
export function refusalOf(request: Uint8Array, message: string): Uint8Array {
  const header = newHeader();
  readHeader(request, header);
  const { msgId, entityStart, entityEnd } = header;
  return errorAnswer(msgId, request.subarray(entityStart, entityEnd), message);
}

/** The answer for a view that isn't there, in the engine's own words. */
export function viewNotFound(msgId: number, entity: Uint8Array): Uint8Array {
  return errorAnswer(msgId, entity, "View not found", Status.VIEW_NOT_FOUND);
}

/**
 * The answer to a request of `kind` on a table that isn't there, as the engine
 * gives it; `undefined` where it gives none.
 */
export function tableNotFound(
  msgId: number,
  entity: Uint8Array,
  kind: number,
): Uint8Array | undefined {
  if (kind === Kind.TABLE_ON_DELETE) return undefined;
  return kind === Kind.TABLE_DELETE || kind === Kind.TABLE_REMOVE_DELETE
    ? emptyAnswer(msgId, entity, kind)
    : errorAnswer(msgId, entity, "Couldn't find key.");
}

/** The answer to a `make_join_table` of a `table` that isn't there. */
export function sourceNotFound(
  msgId: number,
  entity: Uint8Array,
  table: string,
): Uint8Array {
  return errorAnswer(msgId, entity, `Table "${table}" not found`);
}

/** The answer to `table_make_port`. */
export function madePort(
  msgId: number,
  table: Uint8Array,
  port: number,
): Uint8Array {
  const body = new BinaryWriter().tag(Kind.TABLE_MAKE_PORT, 2).fork();
  return frame(msgId, table, body.tag(1, 0).uint32(port).join());
}

/**
 * The answer to `table_delete` of a table that `join` is made of, in the
 * engine's own words.
 */
export function isSourceOf(
  join: string,
  msgId: number,
  entity: Uint8Array,
): Uint8Array {
  const message =
    `Cannot delete table: it is a source for join table "${join}"`;
  return errorAnswer(msgId, entity, message);
}

/** An answer of `kind` without content, as `view_remove_on_update` has it. */
export function emptyAnswer(
  msgId: number,
  entity: Uint8Array,
  kind: number,
): Uint8Array {
  return frame(msgId, entity, new BinaryWriter().tag(kind, 2).bytes(NO_BYTES));
}

/** The answer to `table_make_view`. */
export function madeView(
  msgId: number,
  table: Uint8Array,
  viewId: string,
): Uint8Array {
  const body = new BinaryWriter().tag(Kind.TABLE_MAKE_VIEW, 2).fork();
  return frame(msgId, table, body.tag(1, 2).string(viewId).join());
}

/** A push of `view_on_update` with its `content`, but for the rows that changed. */
export function notification(content: Uint8Array): Uint8Array {
  const body = new BinaryWriter().tag(Kind.VIEW_ON_UPDATE, 2).fork();
  forEachField(content, (field, reader, wireType) => {
    const bytes = reader.skip(wireType, field);
    if (field !== 1) body.tag(field, wireType).raw(bytes);
  });
  return frame(0, NO_BYTES, body.join());
}

/** A push of `view_on_update` for a port, with an Arrow of rows or without. */
export function updatePush(port: number, rows?: Uint8Array): Uint8Array {
  const body = new BinaryWriter().tag(Kind.VIEW_ON_UPDATE, 2).fork();
  if (rows !== undefined) body.tag(1, 2).bytes(rows);
  if (port !== 0) body.tag(2, 0).uint32(port);
  return frame(0, NO_BYTES, body.join());
}

/** The answer to `view_get_min_max`, `min` and `max` as they stand in the field. */
export function minMax(
  msgId: number,
  entity: Uint8Array,
  min: Uint8Array,
  max: Uint8Array,
): Uint8Array {
  const body = new BinaryWriter().tag(Kind.VIEW_GET_MIN_MAX, 2).fork();
  return frame(
    msgId,
    entity,
    body.tag(1, 2).bytes(min).tag(2, 2).bytes(max).join(),
  );
}

/** The answer to `get_hosted_tables` with such tables only as `isShown` says. */
export function hostedTables(
  msgId: number,
  content: Uint8Array,
  isShown: (table: string) => boolean,
): Uint8Array {
  const body = new BinaryWriter().tag(Kind.GET_HOSTED_TABLES, 2).fork();
  for (const table of tableInfos(content)) {
    if (isShown(firstString(table))) body.tag(1, 2).bytes(table);
  }
  return frame(msgId, NO_BYTES, body.join());
}

/** The names in an answer to `get_hosted_tables`. */
export function hostedNames(content: Uint8Array): string[] {
  return tableInfos(content).map(firstString);
}

function tableInfos(content: Uint8Array): Uint8Array[] {
  const infos: Uint8Array[] = [];
  const reader = new BinaryReader(content);
  while (reader.pos < reader.len) {
    reader.tag();
    infos.push(reader.bytes());
  }
  return infos;
}

/** The answer to `server_system_info`: sums of heaps, and the longest times. */
export function systemInfo(
  msgId: number,
  entity: Uint8Array,
  infos: readonly Uint8Array[],
): Uint8Array {
  const total = [0n, 0n, 0n, 0n, 0n];
  for (const info of infos) {
    const reader = new BinaryReader(info);
    while (reader.pos < reader.len) {
      const [field, wireType] = reader.tag();
      if (wireType !== 0 || field > 4) {
        reader.skip(wireType);
        continue;
      }
      const value = BigInt(reader.uint64());
      if (field <= 2) total[field]! += value;
      else if (value > total[field]!) total[field] = value;
    }
  }
  const body = new BinaryWriter().tag(Kind.SERVER_SYSTEM_INFO, 2).fork();
  for (const field of [1, 2]) body.tag(field, 0).uint64(total[field]!);
  for (const field of [3, 4]) body.tag(field, 0).uint32(Number(total[field]));
  return frame(msgId, entity, body.join());
}

/** Field 1 of a message, a string. */
function firstString(message: Uint8Array): string {
  const reader = new BinaryReader(message);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1) return reader.string();
    reader.skip(wireType);
  }
  return "";
}

/** A request without content, or with one `uint32` in field 1. */
export function simpleRequest(
  msgId: number,
  entity: Uint8Array,
  kind: number,
  value?: number,
): Reframed {
  const body = new BinaryWriter().tag(kind, 2).fork();
  if (value !== undefined) body.tag(1, 0).uint32(value);
  return new Reframed(msgId, entity, body.join().finish());
}

/** The message of a `ServerError`, from the content of field 50. */
export function errorMessage(content: Uint8Array): string {
  const reader = new BinaryReader(content);
  let message = "";
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1) message = reader.string();
    else reader.skip(wireType);
  }
  return message;
}

function frame(
  msgId: number,
  entity: Uint8Array,
  body: BinaryWriter,
): Uint8Array {
  return new Reframed(msgId, entity, body.finish()).toBytes();
}
