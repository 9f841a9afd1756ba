/**
 * Frames, written and read with a plain protobuf library. For tests only.
 *
 * @module
 */

import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";

/** A frame taken apart. */
export interface Parts {
  readonly msgId: number;
  readonly entity: string;
  /** 0 where the frame has no content. */
  readonly kind: number;
  readonly content: Uint8Array;
}

/** Writes the fields of a message. */
export type Fill = (writer: BinaryWriter) => unknown;

/** The message that `fill` writes. */
export function message(fill: Fill): Uint8Array {
  const writer = new BinaryWriter();
  fill(writer);
  return writer.finish();
}

/** A request or an answer of `kind`. */
export function frame(
  msgId: number,
  entity: string,
  kind: number,
  content: Uint8Array | Fill = new Uint8Array(0),
): Uint8Array {
  const writer = new BinaryWriter();
  if (msgId !== 0) writer.tag(1, 0).uint32(msgId);
  if (entity !== "") writer.tag(2, 2).string(entity);
  const bytes = typeof content === "function" ? message(content) : content;
  return writer.tag(kind, 2).bytes(bytes).finish();
}

/** A frame taken apart, by a plain reader. */
export function parts(bytes: Uint8Array): Parts {
  const reader = new BinaryReader(bytes);
  let msgId = 0;
  let entity = "";
  let kind = 0;
  let content = new Uint8Array(0);
  while (reader.pos < reader.len) {
    const [field] = reader.tag();
    if (field === 1) msgId = reader.uint32();
    else if (field === 2) entity = reader.string();
    else {
      kind = field;
      content = reader.bytes().slice();
    }
  }
  return { msgId, entity, kind, content };
}

/** `ServerError`, the content of field 50. */
export function serverError(text: string, status = 0): Fill {
  return (writer) => {
    writer.tag(1, 2).string(text);
    if (status !== 0) writer.tag(2, 0).int32(status);
  };
}

/** The message and the status of an answer that is a `server_error`. */
export function errorOf(
  bytes: Uint8Array,
): { message: string; status: number } {
  const { kind, content } = parts(bytes);
  if (kind !== 50) throw new Error(`Not an error but of kind ${kind}`);
  const reader = new BinaryReader(content);
  let text = "";
  let status = 0;
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1) text = reader.string();
    else if (field === 2) status = reader.int32();
    else reader.skip(wireType);
  }
  return { message: text, status };
}

/** One `uint32` in `field`: a port, an id, a flag. */
export function uint(field: number, value: number): Fill {
  return (writer) => writer.tag(field, 0).uint32(value);
}

/** One string in `field`. */
export function text(field: number, value: string): Fill {
  return (writer) => writer.tag(field, 2).string(value);
}

/** The content of `table_make_view`. */
export function makeView(
  viewId: string,
  config: Uint8Array = new Uint8Array(0),
): Fill {
  return (writer) => writer.tag(1, 2).string(viewId).tag(2, 2).bytes(config);
}

/** Bytes written as hex, spaces anywhere: `08 01 3a 00`. */
export function hex(digits: string): Uint8Array {
  return Uint8Array.fromHex(digits.replaceAll(/\s/g, ""));
}

/** A field of a message as it stands there. */
export interface RawField {
  readonly field: number;
  readonly wireType: number;
  /** All of it, with its tag. */
  readonly raw: Uint8Array;
  /** A varint's value, or the bytes of a field that has a length. */
  readonly value: number | Uint8Array;
}

/**
 * The fields of a message in their order.
 *
 * @throws {Error} If it isn't a message.
 */
export function fields(bytes: Uint8Array): RawField[] {
  const reader = new BinaryReader(bytes);
  const found: RawField[] = [];
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const [field, wireType] = reader.tag();
    let value: number | Uint8Array;
    if (wireType === 0) value = Number(reader.uint64());
    else if (wireType === 1) value = reader.double();
    else if (wireType === 2) value = reader.bytes();
    else if (wireType === 5) value = reader.float();
    else throw new Error(`Cannot read wire type ${wireType}`);
    found.push({
      field,
      wireType,
      raw: bytes.subarray(start, reader.pos),
      value,
    });
  }
  return found;
}

/** Bytes written out for people: a message where it looks like one, or text, or hex. */
export function readable(bytes: Uint8Array, limit = 2000): string {
  const written = write(bytes);
  return written.length <= limit
    ? written
    : `${written.slice(0, limit)}… (${bytes.length} bytes)`;
}

function write(bytes: Uint8Array): string {
  const isText = textOf(bytes);
  if (isText !== undefined) return JSON.stringify(isText);
  try {
    return `{ ${
      fields(bytes).map(({ field, value }) =>
        `${field}: ${typeof value === "number" ? value : write(value)}`
      ).join(", ")
    } }`;
  } catch {
    return `<${bytes.toHex()}>`;
  }
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    // deno-lint-ignore no-control-regex
    return /[\x00-\x08\x0e-\x1f\x7f]/.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}
