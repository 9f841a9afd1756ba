/**
 * Frames with a new header over an old payload.
 *
 * The router changes only `msg_id` and, for views, `entity_id`. What follows
 * may be a table of a gigabyte, so it is never copied just for that: a
 * {@linkcode Reframed} remembers where it is, and is written once, straight to
 * where the frame has to go.
 *
 * @module
 */

const encoder = new TextEncoder();

/** No bytes, for frames without `entity_id`. */
export const NO_BYTES: Uint8Array = new Uint8Array(0);

/** `text` as the bytes that a frame holds. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** How many bytes `value` takes as a varint. */
export function varintLength(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x200000) return 3;
  return value < 0x10000000 ? 4 : 5;
}

/** Writes `value` as a varint and returns the position after it. */
export function writeVarint(
  target: Uint8Array,
  at: number,
  value: number,
): number {
  while (value >= 0x80) {
    target[at++] = (value & 0x7f) | 0x80;
    value >>>= 7;
  }
  target[at++] = value;
  return at;
}

/** How many bytes the header takes. Empty fields are left out, as protobuf does. */
export function headLength(msgId: number, entityLength: number): number {
  return (msgId === 0 ? 0 : 1 + varintLength(msgId)) +
    (entityLength === 0 ? 0 : 1 + varintLength(entityLength) + entityLength);
}

/** Writes `msg_id` and `entity_id` and returns the position after them. */
export function writeHead(
  target: Uint8Array,
  at: number,
  msgId: number,
  entity: Uint8Array,
): number {
  if (msgId !== 0) {
    target[at++] = 0x08;
    at = writeVarint(target, at, msgId);
  }
  if (entity.length !== 0) {
    target[at++] = 0x12;
    at = writeVarint(target, at, entity.length);
    at = copy(entity, 0, entity.length, target, at);
  }
  return at;
}

/** Below this many bytes a loop is faster than making a view for `set()`. */
const SMALL = 48;

function copy(
  source: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  at: number,
): number {
  if (end - start < SMALL) {
    for (let i = start; i < end; i++) target[at++] = source[i]!;
    return at;
  }
  target.set(source.subarray(start, end), at);
  return at + end - start;
}

/**
 * A frame that isn't in one piece yet: a header, and a range of another frame
 * that follows it. The other frame must stay as it is until this one has been
 * written.
 */
export class Reframed {
  /** The `msg_id` of this frame. */
  readonly msgId: number;
  /** How many bytes {@linkcode Reframed.writeTo} writes. */
  readonly byteLength: number;
  readonly #entity: Uint8Array;
  readonly #source: Uint8Array;
  readonly #start: number;
  readonly #end: number;

  /** The header `msgId`, `entity`, and then the bytes of `source` from `start` to `end`. */
  constructor(
    msgId: number,
    entity: Uint8Array,
    source: Uint8Array,
    start = 0,
    end: number = source.length,
  ) {
    this.msgId = msgId;
    this.#entity = entity;
    this.#source = source;
    this.#start = start;
    this.#end = end;
    this.byteLength = headLength(msgId, entity.length) + end - start;
  }

  /** The same frame with another `msg_id`. */
  withMsgId(msgId: number): Reframed {
    return new Reframed(
      msgId,
      this.#entity,
      this.#source,
      this.#start,
      this.#end,
    );
  }

  /**
   * The same frame with its payload copied once, to where several threads can
   * read it.
   */
  share(): Reframed {
    const shared = new SharedArrayBuffer(this.#end - this.#start);
    const payload = new Uint8Array(shared);
    payload.set(this.#source.subarray(this.#start, this.#end));
    return new Reframed(this.msgId, this.#entity, payload);
  }

  /** The payload, if it is shared: see {@linkcode Reframed.share}. */
  get shared(): SharedArrayBuffer | undefined {
    const { buffer } = this.#source;
    return buffer instanceof SharedArrayBuffer ? buffer : undefined;
  }

  /** How many bytes {@linkcode Reframed.writeHeadTo} writes. */
  get headLength(): number {
    return headLength(this.msgId, this.#entity.length);
  }

  /** Writes all but the payload and returns the position after it. */
  writeHeadTo(target: Uint8Array, at: number): number {
    return writeHead(target, at, this.msgId, this.#entity);
  }

  /** Writes the frame to `target` at `at` and returns the position after it. */
  writeTo(target: Uint8Array, at: number): number {
    at = this.writeHeadTo(target, at);
    return copy(this.#source, this.#start, this.#end, target, at);
  }

  /** The frame in bytes of its own. */
  toBytes(): Uint8Array {
    const bytes = new Uint8Array(this.byteLength);
    this.writeTo(bytes, 0);
    return bytes;
  }
}

/** `source` from `start` to `end` behind a new header, in bytes of its own. */
export function reframe(
  msgId: number,
  entity: Uint8Array,
  source: Uint8Array,
  start: number,
  end: number,
): Uint8Array {
  const bytes = new Uint8Array(headLength(msgId, entity.length) + end - start);
  copy(source, start, end, bytes, writeHead(bytes, 0, msgId, entity));
  return bytes;
}

/**
 * The same, in the place of the old header where that is long enough, so that
 * nothing is copied. The bytes of `frame` before `start` are lost.
 */
export function readdress(
  msgId: number,
  entity: Uint8Array,
  frame: Uint8Array,
  start: number,
  end: number,
): Uint8Array {
  const at = start - headLength(msgId, entity.length);
  if (at < 0) return reframe(msgId, entity, frame, start, end);
  writeHead(frame, at, msgId, entity);
  return frame.subarray(at, end);
}
