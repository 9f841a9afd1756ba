/**
 * Answers that can be given again.
 *
 * @module
 */

import { latin1 } from "../protocol/fields.ts";
import { readdress } from "../protocol/frame.ts";
import type { Header } from "../protocol/header.ts";

/** Room in front of an answer for the header of whoever asks; most fit. */
const HEADER_ROOM = 64;

/** What an answer takes besides its bytes, about. */
const OVERHEAD = 256;

/** What was asked: the kind alone, or the kind with the request's content. */
export type ReadKey = number | string;

/** Bytes of the longest request whose answer is remembered (Invariant 8). */
const LONGEST_KEY = 4_096;

/** Whether a read is short enough to be remembered. */
export function hasKey({ contentStart, bodyEnd }: Readonly<Header>): boolean {
  return bodyEnd - contentStart <= LONGEST_KEY;
}

/** The key of a read that has one. */
export function readKey(
  frame: Uint8Array,
  { kind, contentStart, bodyEnd }: Readonly<Header>,
): ReadKey {
  if (contentStart === bodyEnd) return kind;
  return `${kind}:${latin1(frame.subarray(contentStart, bodyEnd))}`;
}

/** An answer that is known, or on its way. */
export class Answer {
  /** The state of the tables it is read from: the number of a change. */
  readonly version: number;
  /** Who waits for it, besides the one who asked first, by the router's `msg_id`. */
  readonly waiting: number[] = [];
  /** Whose it is; `undefined` once it isn't to be found any more. */
  reads: Reads | undefined;
  readonly key: ReadKey;
  /** It, behind room for a header, once it is known. */
  #bytes: Uint8Array | undefined;

  /** Made by {@linkcode Reads.begin}. */
  constructor(reads: Reads, key: ReadKey, version: number) {
    this.reads = reads;
    this.key = key;
    this.version = version;
  }

  /** Whether it is known. */
  get isKnown(): boolean {
    return this.#bytes !== undefined;
  }

  /** Bytes that it takes. */
  get size(): number {
    const { key } = this;
    const keySize = typeof key === "string" ? key.length : 0;
    return OVERHEAD + keySize + (this.#bytes?.length ?? 0);
  }

  /** Keeps a copy of the answer in `frame`. */
  keep(frame: Uint8Array, { bodyStart, bodyEnd }: Readonly<Header>): void {
    const bytes = new Uint8Array(HEADER_ROOM + bodyEnd - bodyStart);
    bytes.set(frame.subarray(bodyStart, bodyEnd), HEADER_ROOM);
    this.#bytes = bytes;
  }

  /** It, for whoever asked as `msgId`. The frame is lent. */
  to(msgId: number, entity: Uint8Array): Uint8Array {
    const bytes = this.#bytes!;
    return readdress(msgId, entity, bytes, HEADER_ROOM, bytes.length);
  }
}

/** What has been read of one table or view. */
export class Reads {
  readonly #memory: ReadMemory;
  readonly #answers = new Map<ReadKey, Answer>();
  readonly #onEmpty: (() => void) | undefined;
  #version = -1;

  /** Made by {@linkcode ReadMemory.reads}. */
  constructor(memory: ReadMemory, onEmpty: (() => void) | undefined) {
    this.#memory = memory;
    this.#onEmpty = onEmpty;
  }

  /** The answer to `key` in that state, if it is known or on its way. */
  find(key: ReadKey, version: number): Answer | undefined {
    const answer = this.#answers.get(key);
    if (answer === undefined || answer.version !== version) return undefined;
    if (answer.isKnown) this.#memory.used(answer);
    return answer;
  }

  /**
   * `key` is being asked in that state. Nothing older is of use any more.
   *
   * @returns `undefined` if a newer state has been read already, from another
   * engine: then this answer is only for the one who asks.
   */
  begin(key: ReadKey, version: number): Answer | undefined {
    if (version < this.#version) return undefined;
    if (version > this.#version) this.#forgetAll();
    this.#version = version;
    const answer = new Answer(this, key, version);
    this.#answers.set(key, answer);
    return answer;
  }

  /** Forgets all; what is on its way will only reach those who wait for it. */
  clear(): void {
    this.#forgetAll();
    this.#version = -1;
    this.#onEmpty?.();
  }

  #forgetAll(): void {
    for (const answer of this.#answers.values()) {
      answer.reads = undefined;
      this.#memory.remove(answer);
    }
    this.#answers.clear();
  }

  /** Forgets one. */
  forget(answer: Answer): void {
    answer.reads = undefined;
    this.#answers.delete(answer.key);
    if (this.#answers.size === 0) this.#onEmpty?.();
  }
}

/**
 * Holds the answers to reads until what they were read from changes, so that
 * an identical read is computed once. It takes so many bytes at most; the
 * least recently used go first (Invariant 8).
 */
export class ReadMemory {
  readonly #maxSize: number;
  #size = 0;
  /** Those that are known, least recently used first. */
  readonly #known = new Set<Answer>();

  /** Takes up to `maxSize` bytes; with 0 it remembers nothing. */
  constructor(maxSize: number) {
    this.#maxSize = maxSize;
  }

  /** Bytes that it takes. */
  get size(): number {
    return this.#size;
  }

  /**
   * For what is read of one table or view. Calls `onEmpty` when there is
   * nothing of it any more.
   */
  reads(onEmpty?: () => void): Reads {
    return new Reads(this, onEmpty);
  }

  /** `answer` has come. It is kept, if it is still of use and there is room. */
  settle(
    answer: Answer,
    frame: Uint8Array,
    header: Readonly<Header>,
    isError: boolean,
  ): void {
    const { reads } = answer;
    if (reads === undefined) return;
    const size = answer.size + HEADER_ROOM + header.bodyEnd - header.bodyStart;
    if (isError || size > this.#maxSize) return reads.forget(answer);
    for (const oldest of this.#known) {
      if (this.#size + size <= this.#maxSize) break;
      oldest.reads!.forget(oldest);
      this.remove(oldest);
    }
    answer.keep(frame, header);
    this.#size += answer.size;
    this.#known.add(answer);
  }

  // -- For Reads -------------------------------------------------------------

  /** `answer` has been given again. */
  used(answer: Answer): void {
    this.#known.delete(answer);
    this.#known.add(answer);
  }

  /** `answer` isn't to be found any more. */
  remove(answer: Answer): void {
    if (this.#known.delete(answer)) this.#size -= answer.size;
  }
}
