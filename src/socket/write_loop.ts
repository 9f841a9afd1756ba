/**
 * The loop through which every socket write goes.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import { logError, toError } from "../errors.ts";
import type { FrameRole } from "../router/session_host.ts";

/** What is used of a `WebSocket`. */
export interface Sink {
  /** Bytes that were handed to `send` and aren't on the wire yet. */
  readonly bufferedAmount: number;
  /** Takes a frame. It copies the frame before it returns. */
  send(frame: Uint8Array<ArrayBuffer>): void;
}

/** What became of a frame: see {@linkcode Writer.push}. */
export type Written = "sent" | "queued" | "absorbed" | "dropped";

/** How a {@linkcode WriteLoop} shares its time. */
export interface WriteLoopOptions {
  /**
   * Bytes written, over all sockets, before the event loop gets its turn.
   * `Infinity` writes all there is at once.
   *
   * @default {1048576}
   */
  readonly turnSize?: number;
  /**
   * Bytes that may wait inside a socket (`bufferedAmount`) before its frames
   * wait in the loop instead, where notifications can be absorbed.
   * `0` hands a socket one frame at a time, `Infinity` never holds back.
   *
   * @default {1048576}
   */
  readonly highWaterMark?: number;
}

/** How one socket is written to. */
export interface WriterOptions {
  /**
   * Bytes that may wait for the socket, in the loop and in the socket
   * together. A frame that finds nothing waiting is taken whatever its size.
   */
  readonly maxBufferSize: number;
  /** Called once, when `maxBufferSize` is passed. What waits is dropped. */
  readonly onOverflow: () => void;
  /** Called once, when the socket refuses a frame. What waits is dropped. */
  readonly onError: (error: Error) => void;
}

/** What a {@linkcode WriteLoop} has done, in numbers. */
export interface WriteLoopStats {
  /** Sockets that are written to. */
  readonly writers: number;
  /** Bytes that wait in the loop. */
  readonly queuedBytes: number;
  /** Frames that wait in the loop. */
  readonly queuedFrames: number;
  /** Frames written so far. */
  readonly sent: number;
  /** Notifications so far that another one, still waiting, stood for. */
  readonly absorbed: number;
  /** Frames so far that were dropped, with their socket. */
  readonly dropped: number;
  /** Sockets so far that were closed because they read too slowly. */
  readonly overflows: number;
}

/** Milliseconds between two looks at a socket that is full. */
const FIRST_LOOK = 4;
const LAST_LOOK = 64;

/**
 * Serializes socket writes on the main thread.
 *
 * Each socket's frames leave in order (Invariant 4). A frame is written at
 * once as long as the turn's budget lasts and nothing of its socket waits;
 * then sockets take turns, one frame each, and between turns the event loop
 * gets to do everything else. One loop can serve several handlers.
 *
 * Deno's WebSocket takes whatever it is given and has no event for "drained",
 * so a full socket is looked at again after 4 ms, and ever less often up to
 * 64 ms.
 *
 * @example One for two handlers
 * ```ts
 * import { PerspectiveHandler, Server, WriteLoop } from "@perspective-deno/handler";
 *
 * const loop = new WriteLoop({ highWaterMark: 256 * 1024 });
 * await using server = new Server();
 * await using inside = new PerspectiveHandler({ server, loop });
 * await using outside = new PerspectiveHandler({ server, loop, maxConnections: 100 });
 * console.log(loop.stats().writers);
 * ```
 */
export class WriteLoop {
  readonly #turnSize: number;
  readonly #highWaterMark: number;
  /** Writers with frames that may be written, in the order of their turns. */
  #ready: Writer[] = [];
  /** Writers whose socket is full. */
  readonly #full = new Set<Writer>();
  #spent = 0;
  #turnPlanned = false;
  #look: ReturnType<typeof setTimeout> | undefined;
  #pause = FIRST_LOOK;
  readonly #counts = {
    writers: 0,
    queuedBytes: 0,
    queuedFrames: 0,
    sent: 0,
    absorbed: 0,
    dropped: 0,
    overflows: 0,
  };

  /**
   * A loop without sockets.
   *
   * @throws {RangeError} If an option is negative or no number.
   */
  constructor(options: WriteLoopOptions = {}) {
    const { turnSize = 1 << 20, highWaterMark = 1 << 20 } = options;
    for (const [name, value] of Object.entries({ turnSize, highWaterMark })) {
      if (!(value >= 0)) {
        throw new RangeError(
          `Cannot create write loop: "${name}" must be >= 0, received ${value}`,
        );
      }
    }
    this.#turnSize = turnSize;
    this.#highWaterMark = highWaterMark;
  }

  /** Begins to write to `sink`. */
  attach(sink: Sink, options: WriterOptions): Writer {
    this.#counts.writers++;
    return new Writer(this, sink, options);
  }

  /** What the loop holds and has done. */
  stats(): WriteLoopStats {
    return { ...this.#counts };
  }

  // -- For writers -----------------------------------------------------------

  /** Whether a frame may be written at once, as far as the loop is concerned. */
  get hasBudget(): boolean {
    return this.#spent < this.#turnSize || this.#spent === 0;
  }

  /** See {@linkcode WriteLoopOptions.highWaterMark}. */
  get highWaterMark(): number {
    return this.#highWaterMark;
  }

  /** A frame was written. */
  countSent(bytes: number): void {
    this.#counts.sent++;
    this.#spent += bytes;
    // Also when nothing waits: the budget has to be renewed.
    if (!this.hasBudget) this.#planTurn();
  }

  /** Frames came to wait, or don't any more. */
  countQueued(frames: number, bytes: number): void {
    this.#counts.queuedFrames += frames;
    this.#counts.queuedBytes += bytes;
  }

  /** Something happened that is only counted. */
  count(what: "absorbed" | "overflows"): void {
    this.#counts[what]++;
  }

  /** Frames won't be written. */
  countDropped(frames: number): void {
    this.#counts.dropped += frames;
  }

  /** `writer` has frames that wait for a turn. */
  enqueue(writer: Writer): void {
    this.#ready.push(writer);
    this.#planTurn();
  }

  /** The socket of `writer` is full. */
  park(writer: Writer): void {
    this.#full.add(writer);
    this.#look ??= setTimeout(this.#lookAtFull, this.#pause);
  }

  /** `writer` has ended. */
  detach(writer: Writer): void {
    this.#counts.writers--;
    this.#full.delete(writer);
    if (this.#full.size === 0) this.#stopLooking();
  }

  #planTurn(): void {
    if (this.#turnPlanned) return;
    this.#turnPlanned = true;
    setImmediate(this.#takeTurn);
  }

  readonly #takeTurn = (): void => {
    this.#turnPlanned = false;
    this.#spent = 0;
    // What becomes ready meanwhile joins the ring behind those already there.
    for (let i = 0; i < this.#ready.length; i++) {
      if (!this.hasBudget) {
        this.#ready = this.#ready.slice(i);
        return this.#planTurn();
      }
      if (this.#ready[i]!.writeNext()) this.#ready.push(this.#ready[i]!);
    }
    this.#ready = [];
  };

  readonly #lookAtFull = (): void => {
    this.#look = undefined;
    let drained = false;
    for (const writer of this.#full) {
      if (writer.isFull) continue;
      drained = true;
      this.#full.delete(writer);
      this.enqueue(writer);
    }
    this.#pause = drained ? FIRST_LOOK : Math.min(this.#pause * 2, LAST_LOOK);
    if (this.#full.size > 0) {
      this.#look = setTimeout(this.#lookAtFull, this.#pause);
    }
  };

  #stopLooking(): void {
    if (this.#look !== undefined) clearTimeout(this.#look);
    this.#look = undefined;
    this.#pause = FIRST_LOOK;
  }
}

interface Waiting {
  readonly frame: Uint8Array<ArrayBuffer>;
  readonly role: FrameRole;
}

/** One socket of a {@linkcode WriteLoop}, and what waits for it. */
export class Writer {
  readonly #loop: WriteLoop;
  readonly #sink: Sink;
  readonly #options: WriterOptions;
  /** What waits, from {@linkcode Writer.#next} on; before that are holes. */
  #queue: Array<Waiting | undefined> = [];
  #next = 0;
  #queuedBytes = 0;
  readonly #highWaterMark: number;
  /**
   * The most that `bufferedAmount` can be: what it was when it was last read,
   * which is a call into the runtime, and what was written since.
   */
  #unchecked = 0;
  #closed = false;
  /** Notifications that wait with no answer behind them, by role. */
  readonly #absorbing = new Map<FrameRole, Waiting>();

  /** Made by {@linkcode WriteLoop.attach}. */
  constructor(loop: WriteLoop, sink: Sink, options: WriterOptions) {
    this.#loop = loop;
    this.#sink = sink;
    this.#options = options;
    this.#highWaterMark = Math.min(loop.highWaterMark, options.maxBufferSize);
  }

  /** Bytes that wait for the socket, in the loop and in the socket. */
  get bufferedAmount(): number {
    return this.#queuedBytes + this.#sink.bufferedAmount;
  }

  /** Whether the socket holds as much as it should. */
  get isFull(): boolean {
    const buffered = this.#sink.bufferedAmount;
    this.#unchecked = buffered;
    return buffered > this.#highWaterMark;
  }

  /**
   * Writes `frame`, now or when its turn comes. It is only lent: a frame that
   * has to wait is copied.
   *
   * A notification (a `role` that is a number) is absorbed by one of the same
   * role that still waits, unless an answer waits behind that one: a client
   * may rely on hearing of a change after the answer to it.
   *
   * @returns `"sent"`; `"queued"`; `"absorbed"`; or `"dropped"`, when the
   * writer has ended or this frame was one too many.
   */
  push(frame: Uint8Array, role: FrameRole): Written {
    if (this.#closed) {
      this.#loop.countDropped(1);
      return "dropped";
    }
    const bytes = frame as Uint8Array<ArrayBuffer>;
    if (
      this.#next === this.#queue.length && this.#loop.hasBudget &&
      (this.#unchecked + bytes.length <= this.#highWaterMark ||
        !this.isFull && this.#hasRoom(bytes.length, this.#unchecked))
    ) {
      return this.#write(bytes) ? "sent" : "dropped";
    }
    return this.#enqueue(bytes, role);
  }

  /** Ends the writer. What waits is dropped; the socket isn't closed. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const frames = this.#queue.length - this.#next;
    this.#loop.countDropped(frames);
    this.#loop.countQueued(-frames, -this.#queuedBytes);
    this.#queue = [];
    this.#next = 0;
    this.#queuedBytes = 0;
    this.#absorbing.clear();
    this.#loop.detach(this);
  }

  /**
   * Writes the frame that has waited longest. For the loop.
   *
   * @returns Whether more wait that may be written.
   */
  writeNext(): boolean {
    if (this.#next === this.#queue.length) return false;
    if (this.isFull) {
      this.#loop.park(this);
      return false;
    }
    const waiting = this.#queue[this.#next]!;
    const { frame, role } = waiting;
    // Let go of at once: the queue of a busy socket may never get empty.
    this.#queue[this.#next++] = undefined;
    if (this.#absorbing.get(role) === waiting) this.#absorbing.delete(role);
    this.#queuedBytes -= frame.length;
    this.#loop.countQueued(-1, -frame.length);
    if (this.#next * 2 >= this.#queue.length) {
      this.#queue = this.#queue.slice(this.#next);
      this.#next = 0;
    }
    this.#write(frame);
    return this.#next < this.#queue.length;
  }

  /** Whether so many bytes may join the ones that wait. */
  #hasRoom(bytes: number, buffered: number): boolean {
    return buffered === 0 || buffered + bytes <= this.#options.maxBufferSize;
  }

  #write(frame: Uint8Array<ArrayBuffer>): boolean {
    this.#unchecked += frame.length;
    try {
      this.#sink.send(frame);
    } catch (reason) {
      this.#loop.countDropped(1);
      this.close();
      tell(() => this.#options.onError(toError(reason)));
      return false;
    }
    this.#loop.countSent(frame.length);
    return true;
  }

  #enqueue(frame: Uint8Array<ArrayBuffer>, role: FrameRole): Written {
    if (this.#absorbing.has(role)) {
      this.#loop.count("absorbed");
      return "absorbed";
    }
    if (!this.#hasRoom(frame.length, this.bufferedAmount)) {
      this.#loop.count("overflows");
      this.#loop.countDropped(1);
      this.close();
      tell(this.#options.onOverflow);
      return "dropped";
    }
    const waiting = { frame: frame.slice(), role };
    if (typeof role === "number") this.#absorbing.set(role, waiting);
    else if (role === "answer") this.#absorbing.clear();
    const isFirst = this.#next === this.#queue.length;
    this.#queue.push(waiting);
    this.#queuedBytes += frame.length;
    this.#loop.countQueued(1, frame.length);
    if (isFirst) this.#loop.enqueue(this);
    return "queued";
  }
}

/** Calls a callback, which must not end the turn of other sockets. */
function tell(callback: () => void): void {
  try {
    callback();
  } catch (reason) {
    logError(toError(reason), { stage: "hook" });
  }
}
