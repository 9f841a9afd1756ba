/**
 * Finding the messages of an Arrow stream or file.
 *
 * @module
 */

import type { Block } from "apache-arrow/fb/block";
import { DictionaryBatch } from "apache-arrow/fb/dictionary-batch";
import { Footer } from "apache-arrow/fb/footer";
import { Message as Metadata } from "apache-arrow/fb/message";
import { MessageHeader } from "apache-arrow/fb/message-header";
import { MetadataVersion } from "apache-arrow/fb/metadata-version";
import { RecordBatch } from "apache-arrow/fb/record-batch";
import { Schema } from "apache-arrow/fb/schema";
import { CheckedBuffer, damaged } from "./checked_buffer.ts";
import { refuse } from "./refusal.ts";

/** Stands before the length of a message since version 0.15 of the format. */
const CONTINUATION = 0xffff_ffff;

const MAGIC = new TextEncoder().encode("ARROW1");

/** What a payload consists of, in the order in which the engine reads it. */
export type Part =
  | { readonly kind: "schema"; readonly schema: Schema }
  | {
    readonly kind: "dictionary";
    readonly id: bigint;
    readonly isDelta: boolean;
    readonly batch: RecordBatch;
    readonly body: Uint8Array;
  }
  | {
    readonly kind: "batch";
    readonly batch: RecordBatch;
    readonly body: Uint8Array;
  };

/** Whether `bytes` are a file, as the engine decides it. */
export function isFile(bytes: Uint8Array): boolean {
  return MAGIC.every((byte, i) => bytes[i] === byte);
}

/** The parts of a stream. Like the engine, it stops at the stream's end mark. */
export function* streamParts(bytes: Uint8Array): Generator<Part> {
  const view = viewOf(bytes);
  for (let at = 0; at < bytes.length;) {
    let start = at + 4;
    if (start > bytes.length) truncated();
    let length = view.getUint32(at, true);
    if (length === CONTINUATION) {
      start += 4;
      if (start > bytes.length) truncated();
      length = view.getUint32(at + 4, true);
    }
    if (length === 0) return;
    const bodyStart = start + length;
    if (bodyStart > bytes.length) truncated();
    const metadata = metadataOf(bytes.subarray(start, bodyStart));
    at = bodyStart + bodyLength(metadata, bytes.length - bodyStart);
    yield partOf(metadata, bytes.subarray(bodyStart, at));
  }
}

/** The parts of a file: what its footer says, dictionaries first. */
export function* fileParts(bytes: Uint8Array): Generator<Part> {
  const view = viewOf(bytes);
  const end = bytes.length - MAGIC.length;
  const lengthAt = end - 4;
  // Two marks, the first one padded, and a length.
  if (lengthAt < 8 || !isFile(bytes.subarray(end))) truncated();
  const footerLength = view.getInt32(lengthAt, true);
  if (footerLength <= 0 || footerLength > lengthAt - 8) truncated();
  const buffer = new CheckedBuffer(
    bytes.subarray(lengthAt - footerLength, lengthAt),
  );
  const footer = new Footer().__init(buffer.root(), buffer);
  checkVersion(footer.version());
  yield { kind: "schema", schema: footer.schema() ?? damaged() };

  // Blocks that overlap would make a small file a large table.
  let left = bytes.length;
  const read = (block: Block | null, kind: Part["kind"]): Part => {
    const { part, length } = blockPart(bytes, view, block ?? damaged());
    left -= length;
    if (left < 0 || part.kind !== kind) damaged();
    return part;
  };
  for (let i = 0; i < footer.dictionariesLength(); i++) {
    yield read(footer.dictionaries(i), "dictionary");
  }
  for (let i = 0; i < footer.recordBatchesLength(); i++) {
    yield read(footer.recordBatches(i), "batch");
  }
}

/** The message that a footer points at, and how many bytes it takes. */
function blockPart(
  bytes: Uint8Array,
  view: DataView,
  block: Block,
): { part: Part; length: number } {
  const at = Number(block.offset());
  const metadataLength = block.metaDataLength();
  const bodyStart = at + metadataLength;
  if (
    at < 0 || at % 8 !== 0 || metadataLength < 8 || bodyStart > bytes.length
  ) {
    damaged();
  }
  const isMarked = view.getUint32(at, true) === CONTINUATION;
  const start = at + (isMarked ? 8 : 4);
  // Where the two lengths differ, readers differ in where the body starts.
  if (view.getUint32(start - 4, true) !== bodyStart - start) damaged();
  const metadata = metadataOf(bytes.subarray(start, bodyStart));
  const length = bodyLength(metadata, bytes.length - bodyStart);
  if (BigInt(length) !== block.bodyLength()) damaged();
  const body = bytes.subarray(bodyStart, bodyStart + length);
  return { part: partOf(metadata, body), length: metadataLength + length };
}

function metadataOf(bytes: Uint8Array): Metadata {
  const buffer = new CheckedBuffer(bytes);
  const metadata = new Metadata().__init(buffer.root(), buffer);
  checkVersion(metadata.version());
  return metadata;
}

function checkVersion(version: MetadataVersion): void {
  if (version !== MetadataVersion.V5 && version !== MetadataVersion.V4) {
    refuse("its format is older than version 4; write it with a newer library");
  }
}

function bodyLength(metadata: Metadata, available: number): number {
  const length = metadata.bodyLength();
  if (length < 0n || length > BigInt(available)) truncated();
  return Number(length);
}

function partOf(metadata: Metadata, body: Uint8Array): Part {
  switch (metadata.headerType()) {
    case MessageHeader.Schema:
      return {
        kind: "schema",
        schema: metadata.header(new Schema()) ?? damaged(),
      };
    case MessageHeader.DictionaryBatch: {
      checkCompression(metadata);
      const dictionary: DictionaryBatch =
        metadata.header(new DictionaryBatch()) ?? damaged();
      return {
        kind: "dictionary",
        id: dictionary.id(),
        isDelta: dictionary.isDelta(),
        batch: dictionary.data() ?? damaged(),
        body,
      };
    }
    case MessageHeader.RecordBatch:
      checkCompression(metadata);
      return {
        kind: "batch",
        batch: metadata.header(new RecordBatch()) ?? damaged(),
        body,
      };
    default:
      return refuse("it holds something else than tables; send record batches");
  }
}

/**
 * Version 0.17 of C++ said in the metadata's remarks that a body is
 * compressed, and the engine still listens to that.
 */
function checkCompression(metadata: Metadata): void {
  if (
    metadata.version() === MetadataVersion.V4 &&
    metadata.customMetadataLength() > 0
  ) {
    refuse("its format is an old experiment; write it with a newer library");
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function truncated(): never {
  refuse("it is cut off or damaged; send all of it");
}
