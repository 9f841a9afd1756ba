/**
 * Entries in shared memory, from one thread to one other.
 *
 * ```text
 *   Int32 READ   Int32 WRITTEN   Int32 SLEEPS   Int32 FULL   Int32 CLOSED
 *   then CAPACITY bytes of entries: u32 length   content, filled up to 4 bytes
 * ```
 *
 * READ and WRITTEN count bytes and wrap at 32 bits; the entries wrap at
 * CAPACITY, each in one piece. Waking another thread costs some 10 µs, so
 * neither end does it unless the other has said that it sleeps.
 *
 * @module
 */

/** How many bytes of entries a ring holds; a power of two. */
const CAPACITY = 1 << 20;
const MASK = CAPACITY - 1;

/** The longest entry: one always fits when the ring is empty. */
export const LONGEST_ENTRY: number = CAPACITY / 4;

/** A cache line in Int32s, so that the two threads don't share one. */
const LINE = 16;
const READ = 0;
const WRITTEN = LINE;
const SLEEPS = 2 * LINE;
const FULL = 3 * LINE;
const CLOSED = 4 * LINE;
const HEAD = 5 * LINE * 4;

/** The length of what is left out at the end of the ring. */
const SKIP = 0xffff_ffff;

/** The memory of a new ring. */
export function newRing(): SharedArrayBuffer {
  return new SharedArrayBuffer(HEAD + CAPACITY);
}

/** Bytes that an entry takes. */
function taken(length: number): number {
  return 4 + ((length + 3) & ~3);
}

class End {
  protected readonly control: Int32Array;
  /** The entries. */
  readonly bytes: Uint8Array;
  protected readonly words: Uint32Array;

  constructor(memory: SharedArrayBuffer) {
    this.control = new Int32Array(memory, 0, HEAD / 4);
    this.bytes = new Uint8Array(memory, HEAD);
    this.words = new Uint32Array(memory, HEAD);
  }

  /** Whether nothing more is to be written or read. */
  get closed(): boolean {
    return Atomics.load(this.control, CLOSED) !== 0;
  }

  /** Says that nothing more will be read or written, and wakes who sleeps. */
  close(): void {
    Atomics.store(this.control, CLOSED, 1);
    for (const flag of [SLEEPS, FULL]) {
      Atomics.store(this.control, flag, 0);
      Atomics.notify(this.control, flag);
    }
  }

  /** Whether a flag was set, which it isn't any more. */
  protected take(flag: number): boolean {
    return Atomics.load(this.control, flag) !== 0 &&
      Atomics.exchange(this.control, flag, 0) !== 0;
  }
}

/** The end that writes. */
export class RingWriter extends End {
  #written = 0;
  #next = 0;
  /** What of READ the last reservation knew. */
  #read = 0;

  /**
   * Where in {@linkcode RingWriter.bytes} an entry of `length` bytes, at most
   * {@linkcode LONGEST_ENTRY}, can be written; -1 if there is no room. It is
   * nothing to the reader before {@linkcode RingWriter.commit}.
   */
  reserve(length: number): number {
    if (length > LONGEST_ENTRY) {
      throw new RangeError(`Cannot write an entry of ${length} bytes`);
    }
    const needed = taken(length);
    let start = this.#written;
    const left = CAPACITY - (start & MASK);
    const skipped = left < needed ? left : 0;
    this.#read = Atomics.load(this.control, READ);
    const used = (start - this.#read) | 0;
    if (used + skipped + needed > CAPACITY) return -1;
    if (skipped > 0) {
      this.words[(start & MASK) >> 2] = SKIP;
      start = (start + skipped) | 0;
    }
    this.words[(start & MASK) >> 2] = length;
    this.#next = (start + needed) | 0;
    return (start & MASK) + 4;
  }

  /** Hands over what was reserved. It wakes nobody. */
  commit(): void {
    this.#written = this.#next;
    Atomics.store(this.control, WRITTEN, this.#written);
  }

  /**
   * Whether the reader has said that it sleeps and nobody has woken it since.
   * Who asks has to wake it.
   */
  takeSleeper(): boolean {
    return this.take(SLEEPS);
  }

  /** Wakes a reader that blocks. */
  wake(): void {
    if (this.takeSleeper()) Atomics.notify(this.control, SLEEPS);
  }

  /**
   * Blocks the thread until there may be more room than the last reservation
   * found. What was read since then counts: it may have been all there is, and
   * the reader won't come back to say so.
   */
  waitForRoom(): void {
    Atomics.store(this.control, FULL, 1);
    // The reader looks at the flag after it has read.
    if (Atomics.load(this.control, READ) !== this.#read || this.closed) {
      Atomics.store(this.control, FULL, 0);
    } else Atomics.wait(this.control, FULL, 1);
  }
}

/**
 * The end that reads. It copies what there is, since sockets don't take shared
 * memory.
 */
export class RingReader extends End {
  readonly #copy = new Uint8Array(CAPACITY);
  readonly #lengths = new Uint32Array(this.#copy.buffer);
  #read = 0;
  /** What of the copy hasn't been handed out. */
  #at = 0;
  #end = 0;

  /** Whether there is something to read. */
  get ready(): boolean {
    return this.#at < this.#end ||
      Atomics.load(this.control, WRITTEN) !== this.#read;
  }

  /** The next entry, which stands until the one after it is asked for. */
  next(): Uint8Array<ArrayBuffer> | undefined {
    if (this.#at === this.#end && !this.#fetch()) return undefined;
    const length = this.#lengths[this.#at >> 2]!;
    if (length === SKIP) {
      this.#at = this.#end;
      return this.next();
    }
    const start = this.#at + 4;
    this.#at += taken(length);
    return this.#copy.subarray(start, start + length);
  }

  /** Says that this end is about to sleep. Then it has to look once more. */
  saySleeps(): void {
    Atomics.store(this.control, SLEEPS, 1);
  }

  /**
   * Blocks the thread until there may be something, or for so many
   * milliseconds.
   *
   * It waits for SLEEPS to change, not for WRITTEN: the writer may take the
   * flag for what this end has read already, and then wakes nobody the next
   * time.
   */
  sleep(most: number): void {
    this.saySleeps();
    if (this.ready || this.closed) Atomics.store(this.control, SLEEPS, 0);
    else Atomics.wait(this.control, SLEEPS, 1, most);
  }

  /** Copies what there is, up to the end of the ring. */
  #fetch(): boolean {
    const written = Atomics.load(this.control, WRITTEN);
    const available = (written - this.#read) | 0;
    if (available === 0) return false;
    const from = this.#read & MASK;
    const length = Math.min(available, CAPACITY - from);
    this.#copy.set(this.bytes.subarray(from, from + length));
    this.#at = 0;
    this.#end = length;
    this.#read = (this.#read + length) | 0;
    Atomics.store(this.control, READ, this.#read);
    if (this.take(FULL)) Atomics.notify(this.control, FULL);
    return true;
  }
}
