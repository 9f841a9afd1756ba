/**
 * Reading FlatBuffers that somebody else wrote.
 *
 * @module
 */

import { ByteBuffer, type Encoding } from "flatbuffers";
import { isUtf8 } from "node:buffer";
import { refuse } from "./refusal.ts";

/** Offsets, lengths and sizes of vtables are of these widths. */
const OFFSET = 4;
const VTABLE_ENTRY = 2;

/**
 * A `ByteBuffer` that refuses what lies outside of it, or points backwards.
 *
 * The one of the library reads zeros there, and takes unsigned offsets as
 * signed. The engine's C++ verifies the metadata and refuses it; both must
 * read the same, or what was checked isn't what is executed.
 */
export class CheckedBuffer extends ByteBuffer {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  /** Over `bytes`, of which nothing is copied. */
  constructor(bytes: Uint8Array) {
    super(bytes);
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** See `ByteBuffer`. */
  override readUint8(offset: number): number {
    return this.#view.getUint8(this.#at(offset, 1));
  }

  /** See `ByteBuffer`. */
  override readInt8(offset: number): number {
    return this.#view.getInt8(this.#at(offset, 1));
  }

  /** See `ByteBuffer`. */
  override readUint16(offset: number): number {
    return this.#view.getUint16(this.#at(offset, 2), true);
  }

  /** See `ByteBuffer`. */
  override readInt16(offset: number): number {
    return this.#view.getInt16(this.#at(offset, 2), true);
  }

  /** See `ByteBuffer`. */
  override readInt32(offset: number): number {
    return this.#view.getInt32(this.#at(offset, 4), true);
  }

  /** See `ByteBuffer`. */
  override readUint32(offset: number): number {
    return this.#view.getUint32(this.#at(offset, 4), true);
  }

  /** See `ByteBuffer`. */
  override readInt64(offset: number): bigint {
    return this.#view.getBigInt64(this.#at(offset, 8), true);
  }

  /** See `ByteBuffer`. */
  override readUint64(offset: number): bigint {
    return this.#view.getBigUint64(this.#at(offset, 8), true);
  }

  /** Where the field is in its table, or 0. */
  override __offset(table: number, entry: number): number {
    const vtable = table - this.readInt32(table);
    return entry < this.readUint16(vtable)
      ? this.readUint16(vtable + entry)
      : 0;
  }

  /** Makes `table` the one at `offset`. */
  override __union<T>(table: T, offset: number): T {
    const position = table as unknown as { bb_pos: number; bb: ByteBuffer };
    position.bb_pos = this.__indirect(offset);
    position.bb = this;
    return table;
  }

  /** What the offset at `offset` points at. */
  override __indirect(offset: number): number {
    const distance = this.readInt32(offset);
    if (distance < 0) damaged();
    return offset + distance;
  }

  /** The first element of a vector. */
  override __vector(offset: number): number {
    return this.__indirect(offset) + OFFSET;
  }

  /** How many elements a vector has: never more than there are bytes. */
  override __vector_len(offset: number): number {
    const start = this.__indirect(offset);
    const length = this.readInt32(start);
    if (length < 0 || length > this.#bytes.length - start) damaged();
    return length;
  }

  /** A string; anything but UTF-8 is refused. */
  override __string(offset: number, encoding?: Encoding): string | Uint8Array {
    const length = this.__vector_len(offset);
    const start = this.__vector(offset);
    if (start + length > this.#bytes.length) damaged();
    const bytes = this.#bytes.subarray(start, start + length);
    if (!isUtf8(bytes)) {
      refuse("a name in its schema isn't UTF-8; write names as UTF-8");
    }
    return encoding === undefined ? new TextDecoder().decode(bytes) : bytes;
  }

  /** Where its root table is. */
  root(): number {
    if (this.#bytes.length < OFFSET + VTABLE_ENTRY) damaged();
    return this.__indirect(0);
  }

  #at(offset: number, width: number): number {
    if (offset < 0 || offset + width > this.#bytes.length) damaged();
    return offset;
  }
}

/** Refuses metadata that points nowhere. */
export function damaged(): never {
  refuse("its metadata is damaged; send it again");
}
