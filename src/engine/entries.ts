/**
 * How requests and answers are written down between the main thread and an
 * engine somewhere else.
 *
 * ```text
 *   request:  u8 kind   u8 flags   frame
 *   answer:   u8 type   frame, or what the type says
 * ```
 *
 * @module
 */

import { Reframed } from "../protocol/frame.ts";
import { newHeader, readHeader } from "../protocol/header.ts";
import type { EngineListener } from "./engine.ts";

/** Something for an engine to execute. */
export interface EngineRequest {
  /** `undefined` for a poll alone. */
  readonly frame: Reframed | undefined;
  /** Its kind, so that the other side needn't read it. */
  readonly kind: number;
  /** Whether to poll after it. */
  readonly poll: boolean;
}

const REQUEST_HEAD = 2;
const POLL = 1;
const SHARED = 2;
const ALONE = 4;

/** Bytes that `request` takes. A payload that is shared isn't among them. */
export function requestLength({ frame }: EngineRequest): number {
  if (frame === undefined) return REQUEST_HEAD;
  return REQUEST_HEAD +
    (frame.shared === undefined ? frame.byteLength : frame.headLength);
}

/** Writes `request` to `bytes`. A payload that is shared is left out. */
export function writeRequest(
  { frame, kind, poll }: EngineRequest,
  bytes: Uint8Array,
  at: number,
): void {
  bytes[at] = kind;
  let flags = poll ? POLL : 0;
  if (frame === undefined) flags |= ALONE;
  else if (frame.shared === undefined) frame.writeTo(bytes, at + REQUEST_HEAD);
  else {
    flags |= SHARED;
    frame.writeHeadTo(bytes, at + REQUEST_HEAD);
  }
  bytes[at + 1] = flags;
}

/** Whether the payload of a request isn't in its entry. */
export function isShared(entry: Uint8Array): boolean {
  return (entry[1]! & SHARED) !== 0;
}

const header = newHeader();

/** The request in `entry`, of which its frame is a part. */
export function readRequest(
  entry: Uint8Array,
  payload?: SharedArrayBuffer,
): EngineRequest {
  const flags = entry[1]!;
  return {
    frame: (flags & ALONE) === 0
      ? frameIn(entry.subarray(REQUEST_HEAD), payload)
      : undefined,
    kind: entry[0]!,
    poll: (flags & POLL) !== 0,
  };
}

function frameIn(part: Uint8Array, payload?: SharedArrayBuffer): Reframed {
  // For a shared payload there is only a header, which isn't an error here.
  readHeader(part, header);
  const { msgId, entityStart, entityEnd, bodyStart, bodyEnd } = header;
  const entity = part.subarray(entityStart, entityEnd);
  return payload === undefined
    ? new Reframed(msgId, entity, part, bodyStart, bodyEnd)
    : new Reframed(msgId, entity, new Uint8Array(payload));
}

/** What an entry of the answers holds. */
export const Answer = {
  /** A frame. */
  FRAME: 0,
  /** A frame that comes another way, since it is too long for an entry. */
  LONG_FRAME: 1,
  /** A request that won't be answered: `msg_id` as u32, the reason as text. */
  FAILED: 2,
  /** A fault, as text. */
  FAULT: 3,
  /** A request or poll was executed: microseconds as u32. */
  EXECUTED: 4,
  /** The engine is lost: 1 if the request under way is guilty, else 0; text. */
  FATAL: 5,
  /** The size of the engine's memory in bytes, as f64. */
  HEAP: 6,
} as const;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Whether the frame of an answer isn't in its entry. */
export function isLongFrame(entry: Uint8Array): boolean {
  return entry[0] === Answer.LONG_FRAME;
}

/**
 * Tells `listener` what `entry` holds; `long` is the frame that came another
 * way. A frame is a part of the entry.
 */
export function readAnswer(
  entry: Uint8Array,
  listener: EngineListener,
  long?: Uint8Array,
): void {
  const text = (from: number) =>
    new Error(decoder.decode(entry.subarray(from)));
  switch (entry[0]) {
    case Answer.FRAME:
      return listener.frame(entry.subarray(1));
    case Answer.LONG_FRAME:
      return listener.frame(long!);
    case Answer.EXECUTED:
      return listener.executed(readU32(entry, 1));
    case Answer.FAILED:
      return listener.failed(readU32(entry, 1), text(5));
    case Answer.FAULT:
      return listener.fault(text(1));
    case Answer.FATAL:
      return listener.fatal(text(2), entry[1] === 1);
    case Answer.HEAP:
      return listener.heap(viewOf(entry).getFloat64(1, true));
  }
}

/** The entry of a request that won't be answered. */
export function failedEntry(msgId: number, reason: string): Uint8Array {
  const text = encodeReason(reason);
  const entry = new Uint8Array(5 + text.length);
  entry[0] = Answer.FAILED;
  writeU32(entry, 1, msgId);
  entry.set(text, 5);
  return entry;
}

/** The entry of a fault. */
export function faultEntry(reason: string): Uint8Array {
  const text = encodeReason(reason);
  const entry = new Uint8Array(1 + text.length);
  entry[0] = Answer.FAULT;
  entry.set(text, 1);
  return entry;
}

/** The entry of an engine that is lost; `guilty`: the request under way is. */
export function fatalEntry(reason: string, guilty = false): Uint8Array {
  const text = encodeReason(reason);
  const entry = new Uint8Array(2 + text.length);
  entry[0] = Answer.FATAL;
  entry[1] = guilty ? 1 : 0;
  entry.set(text, 2);
  return entry;
}

/** The entry of the size of the engine's memory. */
export function heapEntry(bytes: number): Uint8Array {
  const entry = new Uint8Array(9);
  entry[0] = Answer.HEAP;
  viewOf(entry).setFloat64(1, bytes, true);
  return entry;
}

/** Bytes that {@linkcode writeExecuted} writes. */
export const EXECUTED_LENGTH = 5;

/** Writes that a request or poll was executed. */
export function writeExecuted(
  micros: number,
  bytes: Uint8Array,
  at: number,
): void {
  bytes[at] = Answer.EXECUTED;
  writeU32(bytes, at + 1, Math.min(micros, 0xffff_ffff));
}

function viewOf(entry: Uint8Array): DataView {
  return new DataView(entry.buffer, entry.byteOffset, entry.byteLength);
}

function readU32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | bytes[at + 1]! << 8 | bytes[at + 2]! << 16 |
    bytes[at + 3]! << 24) >>> 0;
}

function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

/** An entry has an end. */
function encodeReason(reason: string): Uint8Array {
  return encoder.encode(reason.slice(0, 10_000));
}
