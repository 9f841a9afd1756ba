/** Child processes: started, listened to, stopped. */

const READY_TIMEOUT_MS = 180_000;
const END_TIMEOUT_MS = 500;
const STOP_TIMEOUT_MS = 3_000;

/** How much of what a child complains about is kept, in characters. */
const COMPLAINT_CHARS = 2_000;

/** Those that run. */
const running = new Set<Deno.ChildProcess>();

/** Makes a signal that ends this process end its children first. */
export function endWithChildren(...signals: Deno.Signal[]): void {
  for (const signal of signals) {
    Deno.addSignalListener(signal, () => {
      for (const process of running) kill(process, "SIGKILL");
      Deno.exit(130);
    });
  }
}

/** A child process whose lines are read as they come. */
export class Child implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #stderr: Promise<void>;
  #complaint = "";

  /** @param command the program and its arguments */
  constructor(command: readonly string[]) {
    const [program, ...args] = command;
    this.#process = new Deno.Command(program!, {
      args,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      env: { NO_COLOR: "1" },
    }).spawn();
    running.add(this.#process);
    this.#lines = lines(this.#process.stdout);
    this.#stderr = this.#listen();
  }

  /** Its process. */
  get pid(): number {
    return this.#process.pid;
  }

  /**
   * The next line that is a JSON object; others are passed over.
   *
   * @throws {Error} if the process ends or the time is over without one
   */
  async nextObject(timeoutMs: number): Promise<Record<string, unknown>> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => reject(new Error(`Silent for ${timeoutMs} ms`)),
      timeoutMs,
    );
    try {
      return await Promise.race([this.#nextObject(), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** How it ended, if it has. */
  async ended(): Promise<string | undefined> {
    const { promise: soon, resolve } = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => resolve(undefined), END_TIMEOUT_MS);
    try {
      return await Promise.race([this.#epitaph(), soon]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** The end of what it has complained about so far. */
  get complaint(): string {
    return this.#complaint.trim();
  }

  /** Goes on reading its output, so that it never waits for a reader. */
  async drain(): Promise<void> {
    while (!(await this.#lines.next()).done);
  }

  /** Asks it to stop, makes it stop if it doesn't. */
  async [Symbol.asyncDispose](): Promise<void> {
    const insist = setTimeout(
      () => kill(this.#process, "SIGKILL"),
      STOP_TIMEOUT_MS,
    );
    kill(this.#process, "SIGTERM");
    await this.#process.status;
    running.delete(this.#process);
    clearTimeout(insist);
    await this.drain();
  }

  async #nextObject(): Promise<Record<string, unknown>> {
    for (;;) {
      const { done, value } = await this.#lines.next();
      if (done) throw new Error(await this.#epitaph());
      const object = parseObject(value);
      if (object) return object;
    }
  }

  async #epitaph(): Promise<string> {
    const { code, signal } = await this.#process.status;
    await this.#stderr;
    const last = this.complaint && `: ${this.complaint}`;
    return `Ended with ${signal ?? code}${last}`;
  }

  async #listen(): Promise<void> {
    const texts = this.#process.stderr.pipeThrough(new TextDecoderStream());
    for await (const text of texts) {
      this.#complaint = (this.#complaint + text).slice(-COMPLAINT_CHARS);
    }
  }
}

function kill(process: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    process.kill(signal);
  } catch {
    // It has ended by itself.
  }
}

/** A program says that it can't run here. */
export class MissingError extends Error {
  override name = "MissingError";
}

/**
 * Waits until a server says that it listens, and on which port.
 *
 * @throws {MissingError} if it says that it can't
 */
export async function ready(server: Child): Promise<number> {
  for (;;) {
    const line = await server.nextObject(READY_TIMEOUT_MS);
    if (line.missing) throw new MissingError(String(line.missing));
    if (line.ready !== true || typeof line.port !== "number") continue;
    void server.drain();
    return line.port;
  }
}

async function* lines(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<string, void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop()!;
    yield* parts;
  }
  if (rest) yield rest;
}

function parseObject(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
