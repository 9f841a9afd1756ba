/**
 * Entries in a pipe: what goes between the main thread and an engine in a
 * process of its own.
 *
 * ```text
 *   u32 length   content
 * ```
 *
 * The content is what `entries.ts` says, with nothing left out however long it
 * is: processes share no memory. The first entry in either direction is one of
 * those below.
 *
 * @module
 */

import type { Line } from "../protocol/kinds.ts";
import {
  Answer,
  type EngineRequest,
  requestLength,
  writeRequest,
} from "./entries.ts";

/** How much is read from a pipe, or written to it, at a time. Pipes hold that. */
export const CHUNK = 64 * 1024;

/** Bytes before the content of an entry. */
export const ENTRY_HEAD = 4;

/** A buffer that had to be longer than this isn't kept. */
const KEPT = 1024 * 1024;

/** The longest content there can be. */
const LONGEST = 0xffff_ffff;

/** The first entry to a process. */
export interface Setup {
  /** Module specifier of the engine's package. */
  readonly engine: string;
  /** Bytes of memory it may take; `null` for any number. */
  readonly maxMemory?: number | null;
  /** If nothing is said of memory: half of the machine's is for so many. */
  readonly processes: number;
}

/** The first entry from a process. */
export const Hello = {
  /** The engine is loaded; its line, as text. */
  STARTED: 0x80,
  /** The engine can't be loaded; why, as text. */
  REFUSED: 0x81,
} as const;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The entry that `setup` makes. */
export function setupEntry(setup: Setup): Uint8Array {
  return encoder.encode(JSON.stringify(setup));
}

/** What an entry of {@linkcode setupEntry} says. */
export function readSetup(entry: Uint8Array): Setup {
  return JSON.parse(decoder.decode(entry));
}

/** The first entry of a process. */
export function helloEntry(
  type: typeof Hello[keyof typeof Hello],
  text: Line | string,
): Uint8Array {
  const bytes = encoder.encode(text);
  const entry = new Uint8Array(1 + bytes.length);
  entry[0] = type;
  entry.set(bytes, 1);
  return entry;
}

/** The text of an entry that has one after its type. */
export function textOf(entry: Uint8Array): string {
  return decoder.decode(entry.subarray(1));
}

const ANSWERS: ReadonlySet<number> = new Set([
  ...Object.values(Answer),
  ...Object.values(Hello),
]);

/** Puts entries together out of what comes through a pipe. */
export class EntryReader {
  #bytes = new Uint8Array(CHUNK);
  /** What of it was read and not handed out. */
  #at = 0;
  #end = 0;

  /**
   * Where to read the next bytes to, at least one. What
   * {@linkcode EntryReader.next} handed out is no more.
   */
  get space(): Uint8Array<ArrayBuffer> {
    const left = this.#end - this.#at;
    const needed = Math.max(this.#needed, CHUNK);
    const isTooLong = this.#bytes.length > KEPT && needed <= KEPT;
    if (isTooLong || this.#bytes.length < needed) {
      const bytes = new Uint8Array(needed);
      bytes.set(this.#bytes.subarray(this.#at, this.#end));
      this.#bytes = bytes;
    } else if (left > 0 && this.#at > 0) {
      this.#bytes.copyWithin(0, this.#at, this.#end);
    }
    this.#at = 0;
    this.#end = left;
    return this.#bytes.subarray(left);
  }

  /**
   * Says that so many bytes were read. A stream moves them to another
   * `buffer`, of which the space was the same part.
   */
  filled(count: number, buffer?: ArrayBuffer): void {
    if (buffer !== undefined) this.#bytes = new Uint8Array(buffer);
    this.#end += count;
  }

  /** The next entry, if all of it is there. It is lent. */
  next(): Uint8Array<ArrayBuffer> | undefined {
    const start = this.#at + ENTRY_HEAD;
    const end = this.#at + this.#needed;
    if (this.#end < start || this.#end < end) return undefined;
    this.#at = end;
    return this.#bytes.subarray(start, end);
  }

  /**
   * Whether the next entry can't be an answer: something else was written to
   * the pipe.
   */
  get isGarbled(): boolean {
    const type = this.#at + ENTRY_HEAD;
    return this.#end > type && !ANSWERS.has(this.#bytes[type]!);
  }

  /** Bytes of the next entry with its head, as far as that is known. */
  get #needed(): number {
    return this.#end - this.#at < ENTRY_HEAD
      ? ENTRY_HEAD
      : ENTRY_HEAD + readLength(this.#bytes, this.#at);
  }
}

/** Packs entries into chunks. */
export class EntryPacker {
  readonly #bytes = new Uint8Array(CHUNK);
  #length = 0;

  /** How many bytes were added. */
  get length(): number {
    return this.#length;
  }

  /**
   * Adds an entry, of `length` bytes, that `fill` writes to `bytes` at `at`.
   *
   * @returns Whether there was room for it.
   */
  add(
    length: number,
    fill: (bytes: Uint8Array, at: number) => void,
  ): boolean {
    const at = this.#length + ENTRY_HEAD;
    if (at + length > CHUNK) return false;
    writeLength(length, this.#bytes, this.#length);
    fill(this.#bytes, at);
    this.#length = at + length;
    return true;
  }

  /** What was added. It stands until something is added to the next one. */
  take(): Uint8Array<ArrayBuffer> {
    const chunk = this.#bytes.subarray(0, this.#length);
    this.#length = 0;
    return chunk;
  }
}

/** Bytes of the entry of `request`, without its head. */
export function inlineLength(request: EngineRequest): number {
  return requestLength(request) + (request.frame?.shared?.byteLength ?? 0);
}

/**
 * The entry of `request`, which is longer than a chunk, in parts. A payload
 * that is shared between threads isn't copied as a whole; it follows what is
 * in front of it, and the other side finds it there.
 *
 * @throws {RangeError} If there is no memory for it, or it is too long. Then
 * there was no part.
 */
export function* longParts(
  request: EngineRequest,
): Generator<Uint8Array<ArrayBuffer>, void> {
  const length = inlineLength(request);
  if (length > LONGEST) {
    throw new RangeError(`Cannot write a request of ${length} bytes`);
  }
  const ownLength = requestLength(request);
  const own = new Uint8Array(ENTRY_HEAD + ownLength);
  writeLength(length, own, 0);
  writeRequest(request, own, ENTRY_HEAD);
  yield own;
  const { shared } = request.frame ?? {};
  if (shared === undefined) return;
  const part = new Uint8Array(Math.min(KEPT, shared.byteLength));
  for (let at = 0; at < shared.byteLength; at += part.length) {
    const count = Math.min(part.length, shared.byteLength - at);
    part.set(new Uint8Array(shared, at, count));
    yield part.subarray(0, count);
  }
}

/** Writes the head of an entry. */
export function writeLength(
  length: number,
  bytes: Uint8Array,
  at: number,
): void {
  bytes[at] = length;
  bytes[at + 1] = length >>> 8;
  bytes[at + 2] = length >>> 16;
  bytes[at + 3] = length >>> 24;
}

function readLength(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | bytes[at + 1]! << 8 | bytes[at + 2]! << 16 |
    bytes[at + 3]! << 24) >>> 0;
}
