/**
 * The side of a process with an engine.
 *
 * ```text
 *   main thread   watches: is the parent alive, is there too much memory?
 *   engine's      stdin ─► entries ─► engine ─► entries ─► stdout
 * ```
 *
 * The engine's thread blocks in reading the one pipe and writing the other, so
 * that a request takes no way but through the two. The main thread does
 * nothing else than to look round in a timer: it can end the process while the
 * engine doesn't come back, and the engine's own thread couldn't. It needs no
 * permission for it; to look at another process from outside, or to kill it
 * from a worker, would take nearly all of them. (Measured without an engine,
 * one request in flight: 20 µs a round trip, about what a worker's rings take;
 * eight in flight: 6 to 7 µs each, rings 5.)
 *
 * @module
 */

import { setImmediate } from "node:timers";
import { toError } from "../errors.ts";
import {
  Answer,
  EXECUTED_LENGTH,
  failedEntry,
  fatalEntry,
  faultEntry,
  heapEntry,
  readRequest,
  writeExecuted,
} from "./entries.ts";
import { LocalEngine } from "./local_engine.ts";
import { loadPackage } from "./package.ts";
import {
  ENTRY_HEAD,
  EntryPacker,
  EntryReader,
  Hello,
  helloEntry,
  readSetup,
  type Setup,
  writeLength,
} from "./process_entries.ts";
import { holdForLife, onThreadEnd } from "./thread_life.ts";

/** The name of the engine's thread. */
export const PROCESS_THREAD = "perspective-process";

/** Nothing ends the wait for the thread's end. */
const NEVER = new AbortController().signal;

/** The exit code of a process that has taken more memory than it may. */
export const TOO_MUCH_MEMORY = 86;

/** How often the main thread looks round, in milliseconds. */
const LOOK_EVERY = 250;

/** What goes to the whole group of processes; the parent decides what ends. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** What the engine's thread tells the main one. */
type FromThread =
  /** It lives as long as it holds this: see `thread_life.ts`. */
  | { readonly type: "alive"; readonly life: string }
  | { readonly type: "setup"; readonly setup: Setup }
  | { readonly type: "end" };

/** Tells the process's main thread something. */
type Tell = (message: FromThread) => void;

/** The main thread of a process. `module` is what the engine's thread runs. */
export function hostProcess(module: string): void {
  ignoreSignals();
  writeToStderr();
  const worker = new Worker(module, { type: "module", name: PROCESS_THREAD });
  let most = Infinity;
  worker.onmessage = ({ data }: MessageEvent<FromThread>) => {
    if (data.type === "end") Deno.exit(0);
    else if (data.type === "setup") most = mostMemory(data.setup);
    // Why, if it says so, comes in this turn.
    else onThreadEnd(data.life, NEVER, () => setImmediate(failThread));
  };
  worker.onerror = (event) => {
    event.preventDefault();
    failThread(event.message);
  };
  const parent = Deno.ppid;
  setInterval(() => {
    if (Deno.ppid !== parent) Deno.exit(0);
    if (Deno.memoryUsage().rss > most) Deno.exit(TOO_MUCH_MEMORY);
  }, LOOK_EVERY);
}

/** The thread that wrote to the pipe is no more, and so this one can. */
function failThread(why?: string): void {
  try {
    writeEntry(fatalEntry(why || "The engine's thread has ended"));
  } finally {
    Deno.exit(1);
  }
}

function ignoreSignals(): void {
  for (const signal of SIGNALS) {
    try {
      Deno.addSignalListener(signal, () => {});
    } catch {
      // Windows doesn't have all of them.
    }
  }
}

/** Nothing but entries goes to stdout. */
function writeToStderr(): void {
  const { error } = console;
  console.log = console.info = console.debug = console.error;
  console.dir = console.dirxml = console.table = console.error;
  console.group = console.groupCollapsed = console.error;
  console.count = (label = "default") => error(label);
  console.timeLog = console.timeEnd = (label = "default") => error(label);
}

/** Bytes that the process may take. */
function mostMemory({ maxMemory, processes }: Setup): number {
  if (maxMemory !== undefined) return maxMemory ?? Infinity;
  try {
    return Deno.systemMemoryInfo().total / 2 / processes;
  } catch {
    return Infinity; // it isn't allowed
  }
}

/** The engine's thread of a process. `tell` posts to the main thread. */
export async function serveProcess(
  tell: (message: unknown) => void,
): Promise<void> {
  writeToStderr();
  try {
    await serve(tell);
  } catch (reason) {
    // The parent doesn't read any more.
    if (!(reason instanceof Deno.errors.BrokenPipe)) throw reason;
  }
  tell({ type: "end" } satisfies FromThread);
}

async function serve(tell: Tell): Promise<void> {
  tell({ type: "alive", life: await holdForLife() });
  const requests = new EntryReader();
  const first = read(requests);
  if (first === undefined) return;
  const setup = readSetup(first);
  tell({ type: "setup", setup });
  const engine = await load(setup.engine);
  if (engine === undefined) return;
  const answers = new Answers();
  engine.listen({
    frame: (frame) => answers.frame(frame),
    failed: (msgId, { message }) => answers.put(failedEntry(msgId, message)),
    fault: ({ message }) => answers.put(faultEntry(message)),
    fatal: ({ message }, guilty) => answers.put(fatalEntry(message, guilty)),
    executed: () => {}, // measured below
    heap: (bytes) => answers.put(heapEntry(bytes)),
  });
  writeEntry(helloEntry(Hello.STARTED, engine.line));
  await execute(engine, requests, answers);
}

async function load(specifier: string): Promise<LocalEngine | undefined> {
  try {
    const { newServer, line } = await loadPackage(specifier);
    return new LocalEngine(newServer(), line);
  } catch (reason) {
    writeEntry(helloEntry(Hello.REFUSED, toError(reason).message));
    return undefined;
  }
}

/** Executes requests until there won't be any more. */
async function execute(
  engine: LocalEngine,
  requests: EntryReader,
  answers: Answers,
): Promise<void> {
  for (;;) {
    // The thread's own events get their turn: an error that came up late.
    await breathe();
    let entry = read(requests);
    if (entry === undefined) return;
    let before = performance.now();
    for (; entry !== undefined; entry = requests.next()) {
      const { frame, kind, poll } = readRequest(entry);
      answers.areWaitedFor = poll;
      if (frame !== undefined) engine.send(frame, kind, poll);
      else if (poll) engine.poll();
      const now = performance.now();
      answers.executed(Math.round((now - before) * 1000));
      // Nothing waits for what is executed after it; and if the process ends in
      // that, it has to be known what was under way.
      answers.write();
      before = now;
    }
  }
}

/** The next entry. Blocks until it is there; `undefined` at the end. */
function read(entries: EntryReader): Uint8Array | undefined {
  for (;;) {
    const entry = entries.next();
    if (entry !== undefined) return entry;
    const count = Deno.stdin.readSync(entries.space);
    if (count === null) return undefined;
    entries.filled(count);
  }
}

/**
 * Blocks until all of it is written. Deno writes what comes before the last
 * byte that looks like a line break, and then the rest.
 */
function writeAll(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) {
    at += Deno.stdout.writeSync(bytes.subarray(at));
  }
}

function breathe(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Writes answers for the parent. */
class Answers {
  readonly #packer = new EntryPacker();
  /**
   * Whether frames are written one by one: a poll takes long, and the other
   * engines get a change when the primary has answered it.
   */
  areWaitedFor = false;

  /** Adds a frame; it is copied, or written. */
  frame(frame: Uint8Array): void {
    const length = 1 + frame.length;
    const isAdded = this.#add(length, (bytes, at) => {
      bytes[at] = Answer.FRAME;
      bytes.set(frame, at + 1);
    });
    if (!isAdded) {
      const head = new Uint8Array(ENTRY_HEAD + 1);
      writeLength(length, head, 0);
      head[ENTRY_HEAD] = Answer.FRAME;
      writeAll(head);
      writeAll(frame);
    } else if (this.areWaitedFor) this.write();
  }

  /** Adds that a request was executed, and how long it took. */
  executed(micros: number): void {
    this.#add(EXECUTED_LENGTH, (bytes, at) => writeExecuted(micros, bytes, at));
  }

  /** Adds an entry. */
  put(entry: Uint8Array): void {
    if (!this.#add(entry.length, (bytes, at) => bytes.set(entry, at))) {
      writeEntry(entry);
    }
  }

  /** Writes what was added. */
  write(): void {
    if (this.#packer.length > 0) writeAll(this.#packer.take());
  }

  /** Adds an entry, unless there is no room for it though nothing waits. */
  #add(
    length: number,
    fill: (bytes: Uint8Array, at: number) => void,
  ): boolean {
    if (this.#packer.add(length, fill)) return true;
    this.write();
    return this.#packer.add(length, fill);
  }
}

function writeEntry(content: Uint8Array): void {
  const head = new Uint8Array(ENTRY_HEAD);
  writeLength(content.length, head, 0);
  writeAll(head);
  writeAll(content);
}
