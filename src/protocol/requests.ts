/**
 * The few payloads that the router has to look into.
 *
 * Everything here reads what an untrusted client wrote: a payload that can't
 * be read makes these functions throw, and the router answers with the error.
 *
 * @module
 */

import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import { forEachField } from "./fields.ts";
import { NO_BYTES, Reframed } from "./frame.ts";
import type { Header } from "./header.ts";
import { Kind } from "./kinds.ts";

/** `table_make_view`, taken apart. */
export interface MakeView {
  /** The client's name for the view. */
  readonly viewId: string;
  /** The `ViewConfig` in its own bytes. */
  readonly config: Uint8Array;
}

/** Reads the content of `table_make_view`. */
export function readMakeView(content: Uint8Array): MakeView {
  let viewId = "";
  let config = NO_BYTES;
  forEachField(content, (field, reader, wireType) => {
    if (field === 1) viewId = reader.string();
    else if (field === 2) config = reader.bytes();
    else reader.skip(wireType);
  });
  return { viewId, config };
}

/** `table_make_view` under another name for the view. */
export function makeViewRequest(
  msgId: number,
  table: Uint8Array,
  viewId: string,
  config: Uint8Array,
): Reframed {
  const body = new BinaryWriter().tag(Kind.TABLE_MAKE_VIEW, 2).fork()
    .tag(1, 2).string(viewId)
    .tag(2, 2).bytes(config)
    .join();
  return new Reframed(msgId, table, body.finish());
}

/** The two tables that `make_join_table` joins. */
export function joinedTables(content: Uint8Array): string[] {
  const tables = ["", ""];
  forEachField(content, (field, reader, wireType) => {
    if ((field === 1 || field === 2) && wireType === 2) {
      tables[field - 1] = reader.string();
    } else reader.skip(wireType);
  });
  return tables;
}

/** The port of a `table_update`. Its data are passed over by their length. */
export function updatePort(content: Uint8Array): number {
  return readUint(content, 2);
}

/** Whether `get_hosted_tables` asks for notifications instead of an answer. */
export function subscribes(content: Uint8Array): boolean {
  return readFlag(content);
}

/** Whether `table_delete` is to fail, rather than wait, while views live. */
export function isImmediate(content: Uint8Array): boolean {
  return readFlag(content);
}

/** Whether `view_on_update` asks for the rows that changed. */
export function wantsRows(content: Uint8Array): boolean {
  let has = false;
  forEachField(content, (field, reader, wireType) => {
    if (field === 1 && wireType === 0) has = true;
    reader.skip(wireType);
  });
  return has;
}

/** The row of a `view_expand` or `view_collapse`, the depth of a `view_set_depth`. */
export function stateValue(content: Uint8Array): number {
  return readUint(content, 1);
}

/** The columns that a `view_column_paths` asks for. */
export function columnRange(
  content: Uint8Array,
): { start: number | undefined; end: number | undefined } {
  const [start, end] = readUints(content, 2);
  return { start, end };
}

/** What a `view_to_*` asks for; what isn't given is all of the view. */
export interface Viewport {
  readonly startRow: number | undefined;
  readonly startColumn: number | undefined;
  readonly endRow: number | undefined;
  readonly endColumn: number | undefined;
}

/** The viewport of a `view_to_*`. Several in one request are one to an engine. */
export function viewportOf(content: Uint8Array): Viewport {
  let viewport: Array<number | undefined> = [];
  forEachField(content, (field, reader, wireType) => {
    if (field !== 1 || wireType !== 2) return void reader.skip(wireType, field);
    const more = readUints(reader.bytes(), 4);
    viewport = more.map((it, i) => it ?? viewport[i]);
  });
  const [startRow, startColumn, endRow, endColumn] = viewport;
  return { startRow, startColumn, endRow, endColumn };
}

/** The schema that a `make_table` is given instead of data, as `Schema`. */
export function schemaOf(content: Uint8Array): Uint8Array | undefined {
  let schema: Uint8Array | undefined;
  forEachField(content, (field, reader, wireType) => {
    if (field !== 1 || wireType !== 2) return void reader.skip(wireType, field);
    forEachField(reader.bytes(), (inner, data, innerType) => {
      if (inner !== 1 || innerType !== 2) data.skip(innerType, inner);
      else {
        const more = data.bytes();
        // Several are one to an engine.
        schema = schema === undefined ? more : joined(schema, more);
      }
    });
  });
  return schema;
}

/** The `msg_id` of the subscription that a `remove_*` request names. */
export function subscriptionId(content: Uint8Array): number {
  return readUint(content, 1);
}

/** The `port_id` of a push of `view_on_update`, `undefined` when it carries a delta. */
export function portWithoutDelta(
  frame: Uint8Array,
  header: Header,
): number | undefined {
  // Field 1 is the delta and is written first; without one there are a few
  // bytes at most, `10 <port>`.
  const { contentStart, bodyEnd } = header;
  if (contentStart === bodyEnd) return 0;
  if (frame[contentStart] !== 0x10) return undefined;
  return readUint(frame.subarray(contentStart, bodyEnd), 2);
}

/** Whether a request of `kind` carries data, as `MakeTableData`. */
export function takesData(kind: number): boolean {
  return kind === Kind.MAKE_TABLE || kind === Kind.TABLE_UPDATE ||
    kind === Kind.TABLE_REPLACE || kind === Kind.TABLE_REMOVE;
}

/**
 * The view that the data of a change are to come from (`from_view`), or
 * `undefined` when they are in the frame. `frame` holds a `make_table`,
 * `table_update`, `table_replace` or `table_remove`.
 *
 * Field 1 is `MakeTableData` in all four. Its payload may be large, so it is
 * passed over by its length, not read.
 */
export function fromViewOf(
  frame: Uint8Array,
  header: Header,
): string | undefined {
  const content = new BinaryReader(
    frame.subarray(header.contentStart, header.bodyEnd),
  );
  let viewId: string | undefined;
  while (content.pos < content.len) {
    const [field, wireType] = content.tag();
    // The engine passes over a field of a wrong type, too: read as bytes, it
    // could hide a name that the engine finds.
    if (field !== 1 || wireType !== 2) {
      content.skip(wireType, field);
      continue;
    }
    forEachField(content.bytes(), (inner, reader, innerType) => {
      if (inner === 6 && innerType === 2) viewId = reader.string();
      else reader.skip(innerType, inner);
    });
  }
  return viewId;
}

/** The same change with its data from the view that the engine calls `viewId`. */
export function withFromView(
  msgId: number,
  table: Uint8Array,
  frame: Uint8Array,
  header: Header,
  viewId: string,
): Reframed {
  const body = new BinaryWriter().tag(header.kind, 2).fork();
  body.tag(1, 2).fork().tag(6, 2).string(viewId).join();
  const content = frame.subarray(header.contentStart, header.bodyEnd);
  forEachField(content, (field, reader, wireType) => {
    const skipped = reader.skip(wireType, field);
    if (field !== 1) body.tag(field, wireType).raw(skipped);
  });
  return new Reframed(msgId, table, body.join().finish());
}

/** A `bool` in field 1, in which any of 64 bits counts. */
function readFlag(content: Uint8Array): boolean {
  let flag = false;
  forEachField(content, (field, reader, wireType) => {
    if (field === 1 && wireType === 0) flag = reader.bool();
    else reader.skip(wireType);
  });
  return flag;
}

/** The fields 1 to `count`, where they are set. */
function readUints(content: Uint8Array, count: number): (number | undefined)[] {
  const values = Array<number | undefined>(count).fill(undefined);
  forEachField(content, (field, reader, wireType) => {
    if (field > count || wireType !== 0) reader.skip(wireType, field);
    else values[field - 1] = reader.uint32();
  });
  return values;
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

function readUint(content: Uint8Array, wanted: number): number {
  let value = 0;
  forEachField(content, (field, reader, wireType) => {
    if (field === wanted && wireType === 0) value = reader.uint32();
    else reader.skip(wireType);
  });
  return value;
}
