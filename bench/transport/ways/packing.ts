/**
 * Many frames in one message between threads.
 *
 * A message costs the same for one frame as for a hundred (measured: 55,000
 * messages of one frame a second, 500,000 frames when packed by 16), and its
 * buffer is transferred, not cloned. Both directions are a run of entries:
 *
 * ```text
 *   request:  u32 length   u8 kind   u8 flags    frame
 *   answer:   u32 length   u8 type               frame, or what the type says
 * ```
 *
 * @module
 */

import type { EngineListener } from "../../../src/engine/engine.ts";
import { Reframed } from "../../../src/protocol/frame.ts";
import { newHeader, readHeader } from "../../../src/protocol/header.ts";

/** A request that waits to be packed. */
export interface PackedRequest {
  /** The frame; it is written straight into the message. */
  readonly frame: Reframed;
  /** Its kind, so that the other side needn't read it. */
  readonly kind: number;
  /** Whether to poll after it. */
  readonly poll: boolean;
}

/** What an entry of the answers holds. */
export const Entry = {
  /** A frame. */
  FRAME: 0,
  /** A request that won't be answered: `msg_id` as u32, the reason as text. */
  FAILED: 1,
  /** A fault, as text. */
  FAULT: 2,
  /** A request or poll was executed: microseconds as u32. */
  EXECUTED: 3,
  /** The engine is lost, as text. */
  FATAL: 4,
} as const;

/** A value of {@linkcode Entry}. */
export type EntryType = typeof Entry[keyof typeof Entry];

const REQUEST_HEAD = 6;
const ANSWER_HEAD = 5;
const POLL = 1;
const SHARED = 2;

/** A request without a frame: only poll. */
export const ONLY_POLL = 0;

/** Many requests in one message. */
export interface RequestBatch {
  /** The entries. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /**
   * Payloads that several threads read from one place, in the order of the
   * entries that leave theirs out.
   */
  readonly shared: readonly SharedArrayBuffer[];
}

/** Packs requests, in order. `undefined` stands for a poll alone. */
export function packRequests(
  requests: readonly (PackedRequest | undefined)[],
): RequestBatch {
  const shared: SharedArrayBuffer[] = [];
  let length = 0;
  for (const request of requests) {
    length += REQUEST_HEAD + packedLength(request);
  }
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const request of requests) {
    view.setUint32(at, packedLength(request), true);
    bytes[at + 4] = request?.kind ?? ONLY_POLL;
    bytes[at + 5] = request === undefined || request.poll ? POLL : 0;
    const flags = at + 5;
    at += REQUEST_HEAD;
    if (request === undefined) continue;
    const payload = request.frame.shared;
    if (payload !== undefined) {
      bytes[flags]! |= SHARED;
      shared.push(payload);
      at = request.frame.writeHeadTo(bytes, at);
    } else at = request.frame.writeTo(bytes, at);
  }
  return { bytes, shared };
}

function packedLength(request: PackedRequest | undefined): number {
  if (request === undefined) return 0;
  const { frame } = request;
  return frame.shared === undefined ? frame.byteLength : frame.headLength;
}

/**
 * Calls `take` with each packed request. What of a frame isn't shared is a part
 * of `bytes`.
 */
export function unpackRequests(
  { bytes, shared }: RequestBatch,
  take: (frame: Reframed, kind: number, poll: boolean) => void,
): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const header = newHeader();
  let payloads = 0;
  for (let at = 0; at < bytes.length;) {
    const length = view.getUint32(at, true);
    const kind = bytes[at + 4]!;
    const flags = bytes[at + 5]!;
    at += REQUEST_HEAD;
    const part = bytes.subarray(at, at + length);
    at += length;
    // For a shared payload there is only a header, which isn't an error here.
    readHeader(part, header);
    const { msgId, entityStart, entityEnd, bodyStart, bodyEnd } = header;
    const entity = part.subarray(entityStart, entityEnd);
    const frame = (flags & SHARED) !== 0
      ? new Reframed(msgId, entity, new Uint8Array(shared[payloads++]!))
      : new Reframed(msgId, entity, part, bodyStart, bodyEnd);
    take(frame, kind, (flags & POLL) !== 0);
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Packs answers as they come. */
export class AnswerPacker {
  #bytes = new Uint8Array(0);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;
  /** What the last messages took, as a guess at the next. */
  #usual = 1024;

  /** How many bytes wait. */
  get length(): number {
    return this.#length;
  }

  /** Adds a frame; it is copied. */
  frame(frame: Uint8Array): void {
    const at = this.#entry(Entry.FRAME, frame.length);
    this.#bytes.set(frame, at);
  }

  /** Adds a request that won't be answered. */
  failed(msgId: number, reason: string): void {
    const text = encoder.encode(reason);
    const at = this.#entry(Entry.FAILED, 4 + text.length);
    this.#view.setUint32(at, msgId, true);
    this.#bytes.set(text, at + 4);
  }

  /** Adds what befell the engine as a whole. */
  event(type: typeof Entry.FAULT | typeof Entry.FATAL, reason: string): void {
    const text = encoder.encode(reason);
    const at = this.#entry(type, text.length);
    this.#bytes.set(text, at);
  }

  /** Adds that a request was executed, and how long it took. */
  executed(micros: number): void {
    const at = this.#entry(Entry.EXECUTED, 4);
    this.#view.setUint32(at, Math.min(micros, 0xffff_ffff), true);
  }

  /** What was added since the last time, in a buffer to be transferred. */
  take(): Uint8Array<ArrayBuffer> {
    const bytes = this.#bytes.subarray(0, this.#length);
    this.#usual = Math.max(1024, Math.min(this.#length * 2, 1 << 20));
    this.#bytes = new Uint8Array(0);
    this.#length = 0;
    return bytes;
  }

  /** Makes room for an entry and returns where its content goes. */
  #entry(type: EntryType, length: number): number {
    const needed = this.#length + ANSWER_HEAD + length;
    if (needed > this.#bytes.length) {
      const bytes = new Uint8Array(
        Math.max(needed, this.#usual, this.#bytes.length * 2),
      );
      bytes.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = bytes;
      this.#view = new DataView(bytes.buffer);
    }
    const at = this.#length;
    this.#view.setUint32(at, length, true);
    this.#bytes[at + 4] = type;
    this.#length = needed;
    return at + ANSWER_HEAD;
  }
}

/** Hands the packed answers on, in order. */
export function unpackAnswers(
  bytes: Uint8Array,
  taker: Omit<EngineListener, "heap">,
): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length;) {
    const length = view.getUint32(at, true);
    const entry = bytes[at + 4] as EntryType;
    const start = at + ANSWER_HEAD;
    at = start + length;
    const text = (from: number) => decoder.decode(bytes.subarray(from, at));
    switch (entry) {
      case Entry.FRAME:
        taker.frame(bytes.subarray(start, at));
        break;
      case Entry.EXECUTED:
        taker.executed(view.getUint32(start, true));
        break;
      case Entry.FAILED:
        taker.failed(view.getUint32(start, true), new Error(text(start + 4)));
        break;
      case Entry.FAULT:
        taker.fault(new Error(text(start)));
        break;
      case Entry.FATAL:
        taker.fatal(new Error(text(start)));
        break;
      default:
        entry satisfies never;
    }
  }
}
