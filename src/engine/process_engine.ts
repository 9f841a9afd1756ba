/**
 * An engine in a process of its own.
 *
 * @module
 */

// Puts the process's module into what `deno cache` fetches.
import type {} from "../../worker.ts";
import { EngineLoadError, toError } from "../errors.ts";
import type { Reframed } from "../protocol/frame.ts";
import type { Line } from "../protocol/kinds.ts";
import type { Engine, EngineListener, EngineOptions } from "./engine.ts";
import { type EngineRequest, readAnswer, writeRequest } from "./entries.ts";
import { type CommandOptions, outcome, spawn } from "./process_command.ts";
import {
  ENTRY_HEAD,
  EntryPacker,
  EntryReader,
  Hello,
  inlineLength,
  longParts,
  type Setup,
  setupEntry,
  textOf,
  writeLength,
} from "./process_entries.ts";
import { TOO_MUCH_MEMORY } from "./process_host.ts";
import { notWithin, type StartLimits } from "./starts.ts";

/** How long a process may take to end by itself, in milliseconds. */
const CLOSE_WITHIN = 1_000;

/** How much of what a process has written to stderr is kept, in bytes. */
const KEPT_STDERR = 4_000;

/** How to start a process. */
export interface ProcessOptions
  extends CommandOptions, StartLimits, Omit<Setup, "engine"> {}

/**
 * Hands frames to a process, which executes them while this thread goes on.
 *
 * What is sent in one turn of the event loop is written together, one chunk
 * after the other; what the pipe doesn't take yet waits as it was sent. It is
 * ended by `close`, or by its parent's end.
 */
export class ProcessEngine implements Engine {
  /** Resolves when the process has ended. */
  readonly ended: Promise<void>;
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #stderr: Stderr;
  readonly #maxMemory: number | null | undefined;
  readonly #packer = new EntryPacker();
  readonly #started = Promise.withResolvers<Line>();
  #line: Line | undefined;
  #listener: EngineListener | undefined;
  /** What isn't written yet. */
  #queue: EngineRequest[] = [];
  #isWriting = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #state: "open" | "lost" | "closed" = "open";

  private constructor(child: Deno.ChildProcess, setup: Setup) {
    this.#child = child;
    this.#maxMemory = setup.maxMemory;
    this.#input = child.stdin.getWriter();
    this.#input.closed.catch(() => {}); // the end is seen where answers are read
    this.#stderr = new Stderr(child.stderr);
    this.#begin(setupEntry(setup));
    this.ended = this.#run();
  }

  /**
   * Starts a process and loads the engine in it.
   *
   * @throws {EngineLoadError} If the process can't be started or ends, if the
   * engine can't be loaded there, or if it takes too long.
   */
  static async start(
    { engine }: EngineOptions,
    { signal, startTimeout, maxMemory, processes, ...command }: ProcessOptions,
  ): Promise<ProcessEngine> {
    const child = spawn(engine, command);
    const setup = { engine, processes };
    const started = new ProcessEngine(
      child,
      maxMemory === undefined ? setup : { ...setup, maxMemory },
    );
    const release = notWithin({ startTimeout, signal }, (why) => {
      started.#started.reject(new Error(`Cannot start a process: ${why}`));
      started.abandon();
    });
    try {
      await started.#started.promise;
      started.#stderr.pass();
      return started;
    } catch (reason) {
      await started.close();
      throw new EngineLoadError(engine, toError(reason).message);
    } finally {
      release();
    }
  }

  /** Which line of packages it is. */
  get line(): Line {
    return this.#line!;
  }

  /** Whether it takes requests. */
  get isOpen(): boolean {
    return this.#state === "open";
  }

  /** The process's number. */
  get pid(): number {
    return this.#child.pid;
  }

  /** See {@linkcode Engine.listen}. */
  listen(listener: EngineListener): void {
    this.#listener = listener;
  }

  /** See {@linkcode Engine.send}. */
  send(frame: Reframed, kind: number, poll: boolean): void {
    if (this.#state !== "open") {
      return this.#fail(frame.msgId, new Error("The engine is closed"));
    }
    this.#put({ frame, kind, poll });
  }

  /** See {@linkcode Engine.poll}. */
  poll(): void {
    if (this.#state !== "open") return;
    this.#put({ frame: undefined, kind: 0, poll: true });
  }

  /**
   * Ends the process, whatever it is at.
   *
   * @returns That it has ended.
   */
  abandon(): boolean {
    if (this.#state === "open") this.#state = "lost";
    this.#kill();
    return true;
  }

  /**
   * See {@linkcode Engine.close}. What isn't executed yet never will be, but
   * for what is written to the pipe; it is given a second for that. Resolves
   * when the process has ended.
   */
  close(): Promise<void> {
    if (this.#state === "open") {
      this.#timer = setTimeout(() => this.#kill(), CLOSE_WITHIN);
      this.#endInput();
    }
    this.#state = "closed";
    return this.ended;
  }

  // -- What is sent -----------------------------------------------------------

  /** As from any other engine: not within the call that fails. */
  #fail(msgId: number, error: Error): void {
    queueMicrotask(() => this.#listener!.failed(msgId, error));
  }

  #begin(setup: Uint8Array): void {
    const bytes = new Uint8Array(ENTRY_HEAD + setup.length);
    writeLength(setup.length, bytes, 0);
    bytes.set(setup, ENTRY_HEAD);
    this.#input.write(bytes).catch(() => {});
  }

  #put(request: EngineRequest): void {
    this.#queue.push(request);
    if (this.#isWriting) return;
    this.#isWriting = true;
    queueMicrotask(() => this.#write());
  }

  async #write(): Promise<void> {
    try {
      while (this.#queue.length > 0) {
        const packed = this.#pack();
        this.#queue.splice(0, packed);
        if (packed > 0) await this.#input.write(this.#packer.take());
        else await this.#writeLong(this.#queue.shift()!);
      }
    } catch {
      // It has ended, which is seen where answers are read.
    } finally {
      this.#isWriting = false;
    }
  }

  /** Packs what there is room for, and returns how many. */
  #pack(): number {
    let count = 0;
    for (const request of this.#queue) {
      const write = (bytes: Uint8Array, at: number) =>
        writeRequest(request, bytes, at);
      const isShared = request.frame?.shared !== undefined;
      if (isShared || !this.#packer.add(inlineLength(request), write)) break;
      count++;
    }
    return count;
  }

  async #writeLong(request: EngineRequest): Promise<void> {
    const parts = longParts(request);
    let part;
    try {
      part = parts.next();
    } catch (reason) {
      // No memory for it. It has its place in the order nevertheless.
      this.#fail(request.frame!.msgId, toError(reason));
      this.#queue.unshift({ ...request, frame: undefined });
      return;
    }
    for (; !part.done; part = parts.next()) await this.#input.write(part.value);
  }

  #endInput(): void {
    this.#queue = [];
    this.#input.close().catch(() => {});
  }

  // -- What is answered -------------------------------------------------------

  /** Reads until the process has ended. */
  async #run(): Promise<void> {
    let error: Error | undefined;
    try {
      await this.#readAll();
    } catch (reason) {
      error = toError(reason);
      this.#kill(); // what it says can't be understood
    }
    const status = await this.#child.status;
    clearTimeout(this.#timer);
    this.#endInput();
    await this.#stderr.ended;
    // That much memory it takes by itself, for something that it was at.
    const guilty = status.code === TOO_MUCH_MEMORY ? false : undefined;
    this.#lose(error ?? this.#unexpected(status), guilty);
  }

  async #readAll(): Promise<void> {
    const reader = this.#child.stdout.getReader({ mode: "byob" });
    try {
      await this.#readFrom(reader);
    } finally {
      await reader.cancel();
    }
  }

  async #readFrom(reader: ReadableStreamBYOBReader): Promise<void> {
    const entries = new EntryReader();
    for (;;) {
      const { space } = entries;
      const { value, done } = await reader.read(space);
      if (done) return;
      entries.filled(value.length, value.buffer);
      for (let entry; (entry = entries.next()) !== undefined;) {
        if (this.#state === "open") this.#take(entry);
      }
      if (entries.isGarbled) {
        throw new Error("The engine's process has written what is no answer");
      }
    }
  }

  #take(entry: Uint8Array): void {
    if (this.#line !== undefined) return readAnswer(entry, this.#taker);
    if (entry[0] === Hello.STARTED) {
      this.#line = textOf(entry) as Line;
      this.#started.resolve(this.#line);
    } else if (entry[0] === Hello.REFUSED) {
      this.#started.reject(new Error(textOf(entry)));
    } else readAnswer(entry, this.#taker); // it is lost before it has started
  }

  readonly #taker: EngineListener = {
    frame: (frame) => this.#listener!.frame(frame),
    failed: (msgId, error) => this.#listener!.failed(msgId, error),
    fault: (error) => this.#listener!.fault(error),
    fatal: (error, guilty) => this.#lose(error, guilty),
    executed: (micros) => this.#listener!.executed(micros),
    heap: (bytes) => this.#listener!.heap(bytes),
  };

  #unexpected(status: Deno.CommandStatus): Error {
    if (status.code === TOO_MUCH_MEMORY) {
      const most = this.#maxMemory ?? "its share of the machine's";
      return new Error(
        `The engine's process has taken more memory than it may ` +
          `("maxMemory": ${most})`,
      );
    }
    const said = this.#stderr.kept;
    return new Error(
      `The engine's process has ended ${outcome(status)}` +
        (said === "" ? "" : `: ${said}`),
    );
  }

  #lose(error: Error, guilty?: boolean): void {
    const hasStarted = this.#line !== undefined;
    if (!hasStarted) {
      this.#started.reject(
        new Error(`Cannot start a process: ${error.message}`),
      );
    }
    if (this.#state !== "open") return;
    this.#state = "lost";
    this.#kill();
    if (hasStarted) this.#listener?.fatal(error, guilty);
  }

  #kill(): void {
    this.#queue = [];
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
  }
}

/** What a process writes to stderr: kept while it starts, passed on then. */
class Stderr {
  /** Resolves when there is no more. */
  readonly ended: Promise<void>;
  #kept: Uint8Array[] = [];
  #isKept = true;

  constructor(stream: ReadableStream<Uint8Array>) {
    this.ended = this.#read(stream).catch(() => {}); // it is for people only
  }

  /** What was kept, as text. */
  get kept(): string {
    const bytes = new Uint8Array(this.#kept.flatMap((it) => [...it]));
    return new TextDecoder().decode(bytes.slice(-KEPT_STDERR)).trim();
  }

  /** Passes on what was kept, and what comes. */
  pass(): void {
    this.#isKept = false;
    const kept = this.#kept;
    this.#kept = [];
    for (const bytes of kept) writeToStderr(bytes);
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (const bytes of stream) {
      if (this.#isKept) {
        this.#kept.push(bytes);
        if (this.#kept.length > 100) this.#kept.shift();
      } else writeToStderr(bytes);
    }
  }
}

function writeToStderr(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) {
    at += Deno.stderr.writeSync(bytes.subarray(at));
  }
}
