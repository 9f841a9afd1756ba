/**
 * Where things are in a payload of Arrow, to break them one by one. For tests
 * only: it trusts what it reads.
 *
 * @module
 */

import { DictionaryBatch } from "apache-arrow/fb/dictionary-batch";
import { Message } from "apache-arrow/fb/message";
import { MessageHeader } from "apache-arrow/fb/message-header";
import { RecordBatch } from "apache-arrow/fb/record-batch";
import { ByteBuffer } from "flatbuffers";

/** Bytes from one place to another. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** A message of a stream. */
export interface Piece extends Span {
  readonly kind: "schema" | "dictionary" | "batch";
  readonly metadata: Span;
  readonly body: Span;
  /** The batch's own length, a 64-bit number; -1 where it isn't written. */
  readonly lengthAt: number;
  /** Where nodes are: a length and a count of nulls, 64 bits each. */
  readonly nodes: readonly number[];
  /** Where buffers are described: an offset and a length, 64 bits each. */
  readonly buffers: readonly number[];
  /** Where buffers are. */
  readonly spans: readonly Span[];
}

/** The messages of a stream that is right. */
export function piecesOf(bytes: Uint8Array): Piece[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const pieces: Piece[] = [];
  for (let at = 0; at + 8 <= bytes.length;) {
    const length = view.getUint32(at + 4, true);
    if (length === 0) break;
    const metadata = { start: at + 8, end: at + 8 + length };
    const buffer = new ByteBuffer(bytes.subarray(metadata.start, metadata.end));
    const message = Message.getRootAsMessage(buffer);
    const end = metadata.end + Number(message.bodyLength());
    const body = { start: metadata.end, end };
    pieces.push({ start: at, end, metadata, body, ...partsOf(message, body) });
    at = end;
  }
  return pieces;
}

function partsOf(
  message: Message,
  body: Span,
): Pick<Piece, "kind" | "lengthAt" | "nodes" | "buffers" | "spans"> {
  const none = { lengthAt: -1, nodes: [], buffers: [], spans: [] };
  const type = message.headerType();
  if (type === MessageHeader.Schema) return { kind: "schema", ...none };
  const isDictionary = type === MessageHeader.DictionaryBatch;
  const batch: RecordBatch = isDictionary
    ? message.header(new DictionaryBatch())!.data()!
    : message.header(new RecordBatch())!;
  const from = body.start - message.bb!.capacity();
  const count = (length: number) => Array.from({ length }, (_, i) => i);
  const buffers = count(batch.buffersLength()).map((i) => batch.buffers(i)!);
  const lengthField = batch.bb!.__offset(batch.bb_pos, 4);
  return {
    kind: isDictionary ? "dictionary" : "batch",
    lengthAt: lengthField === 0 ? -1 : from + batch.bb_pos + lengthField,
    nodes: count(batch.nodesLength()).map((i) => from + batch.nodes(i)!.bb_pos),
    buffers: buffers.map(({ bb_pos }) => from + bb_pos),
    spans: buffers.map((buffer) => {
      const start = body.start + Number(buffer.offset());
      return { start, end: start + Number(buffer.length()) };
    }),
  };
}
