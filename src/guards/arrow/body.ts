/**
 * The buffers of a record batch.
 *
 * @module
 */

import { BodyCompressionMethod } from "apache-arrow/fb/body-compression-method";
import { CompressionType } from "apache-arrow/fb/compression-type";
import type { RecordBatch } from "apache-arrow/fb/record-batch";
import { zstdDecompressSync } from "node:zlib";
import { damaged } from "./checked_buffer.ts";
import { decompressLz4 } from "./lz4.ts";
import { type Place, refuse } from "./refusal.ts";

/** How many bytes compressed bodies may still become. */
export interface Allowance {
  left: number;
}

/** Stands before each compressed buffer: its length, or -1 if it isn't compressed. */
const LENGTH = 8;

/** Hands out nodes and buffers of a batch one after the other, as C++ does. */
export class BatchReader {
  readonly #batch: RecordBatch;
  readonly #body: Uint8Array;
  readonly #allowance: Allowance;
  readonly #codec: CompressionType | undefined;
  /** What its buffers may still take of the body. */
  #left: number;
  #node = 0;
  #buffer = 0;

  /** Over a batch and its body. */
  constructor(batch: RecordBatch, body: Uint8Array, allowance: Allowance) {
    this.#batch = batch;
    this.#body = body;
    this.#left = body.length;
    this.#allowance = allowance;
    const compression = batch.compression();
    if (compression === null) return;
    if (compression.method() !== BodyCompressionMethod.BUFFER) damaged();
    this.#codec = compression.codec();
    if (
      this.#codec !== CompressionType.LZ4_FRAME &&
      this.#codec !== CompressionType.ZSTD
    ) {
      damaged();
    }
  }

  /** How many values and nulls the next column has. */
  node(place: Place): { length: number; nulls: number } {
    if (this.#node >= this.#batch.nodesLength()) missing(place);
    const node = this.#batch.nodes(this.#node++) ?? damaged();
    const length = node.length();
    const nulls = node.nullCount();
    if (length < 0n || length > 0xffff_ffffn) {
      refuse(`it can't have ${length} values`, place);
    }
    // For JavaScript's library, -1 are as many as the bits say.
    if (nulls < -1n || nulls > length) {
      refuse(`it can't have ${nulls} nulls in ${length} values`, place);
    }
    return { length: Number(length), nulls: Number(nulls) };
  }

  /** Goes past a buffer that the engine doesn't read. */
  skip(place: Place): void {
    if (this.#buffer++ >= this.#batch.buffersLength()) missing(place);
  }

  /** The next buffer, which must have `needed` bytes at least. */
  buffer(needed: number, what: string, place: Place): Uint8Array {
    if (this.#buffer >= this.#batch.buffersLength()) missing(place);
    const buffer = this.#batch.buffers(this.#buffer++) ?? damaged();
    const start = buffer.offset();
    const length = buffer.length();
    if (
      start < 0n || length < 0n || start + length > BigInt(this.#body.length)
    ) {
      refuse(`its ${what} lie outside of the body; send it again`, place);
    }
    // Buffers that overlap would make a small body a large table.
    this.#left -= Number(length);
    if (this.#left < 0) refuse(`its ${what} overlap other buffers`, place);
    const stored = this.#body.subarray(
      Number(start),
      Number(start + length),
    );
    const bytes = this.#codec === undefined || stored.length === 0
      ? stored
      : this.#decompressed(stored, what, place);
    if (bytes.length < needed) {
      refuse(
        `its ${what} need ${needed} bytes, but have ${bytes.length}`,
        place,
      );
    }
    return bytes;
  }

  /** To be called after the last column. */
  end(place: Place): void {
    if (
      this.#node !== this.#batch.nodesLength() ||
      this.#buffer !== this.#batch.buffersLength()
    ) {
      refuse("it has more columns than its schema; write it again", place);
    }
  }

  #decompressed(stored: Uint8Array, what: string, place: Place): Uint8Array {
    if (stored.length < LENGTH) damaged();
    const view = new DataView(stored.buffer, stored.byteOffset, LENGTH);
    const size = view.getBigInt64(0, true);
    const rest = stored.subarray(LENGTH);
    if (size === -1n) return rest;
    if (size < 0n || size > this.#allowance.left) {
      refuse(
        `its ${what} become ${size} bytes, more than is allowed; send fewer ` +
          "rows at a time",
        place,
      );
    }
    this.#allowance.left -= Number(size);
    return this.#decode(rest, Number(size)) ??
      refuse(`its ${what} can't be decompressed; send it again`, place);
  }

  #decode(bytes: Uint8Array, size: number): Uint8Array | undefined {
    if (this.#codec === CompressionType.LZ4_FRAME) {
      return decompressLz4(bytes, size);
    }
    try {
      const limit = { maxOutputLength: Math.max(1, size) };
      const decoded = zstdDecompressSync(bytes, limit);
      return decoded.length === size ? decoded : undefined;
    } catch {
      return undefined;
    }
  }
}

function missing(place: Place): never {
  refuse("it has fewer columns than its schema; write it again", place);
}
