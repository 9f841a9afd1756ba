/**
 * Giving payloads of Arrow to a real engine, in a process of its own, to see
 * what becomes of it. For tests only.
 *
 * @module
 */

import { BinaryReader } from "@bufbuild/protobuf/wire";
import { loadPackage } from "../../engine/package.ts";
import { type GuardedModule, StackGuard } from "../../engine/stack_guard.ts";
import { Kind, type Line } from "../../protocol/kinds.ts";
import { BareEngine } from "../bare_engine.ts";
import { ENGINES } from "../engines.ts";

/** What became of one payload. */
export interface Outcome {
  /** What the engine said to it; nothing if it made a table. */
  readonly said?: string;
  /** How the engine was harmed. */
  readonly harm?: string;
}

/** So long may an engine take for all payloads of a trial. */
const PATIENCE_MS = 120_000;

/**
 * What an engine of `line` makes of `payloads`. After one that harms it, or
 * makes it hang, the others aren't tried.
 */
export async function tryArrow(
  line: Line,
  payloads: readonly Uint8Array[],
): Promise<Outcome[]> {
  const file = await Deno.makeTempFile();
  const child = await writeAll(file, payloads).then(() =>
    new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        "--config",
        new URL("../../../deno.json", import.meta.url).pathname,
        import.meta.filename!,
        line,
        file,
      ],
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn()
  );
  const timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE_MS);
  try {
    const { stdout, code } = await child.output();
    const text = new TextDecoder().decode(stdout);
    const outcomes = text.split("\n").filter((line) => line.startsWith("{"))
      .map((line): Outcome => JSON.parse(line));
    const isHarmed = outcomes.at(-1)?.harm !== undefined;
    if (outcomes.length < payloads.length && !isHarmed) {
      outcomes.push({ harm: `the process ended or hung, code ${code}` });
    }
    return outcomes;
  } finally {
    clearTimeout(timer);
    await Deno.remove(file);
  }
}

/** A file of payloads, each after its length. */
async function writeAll(
  file: string,
  payloads: readonly Uint8Array[],
): Promise<void> {
  const parts = payloads.flatMap((bytes) => [
    new Uint8Array(Uint32Array.of(bytes.length).buffer),
    bytes,
  ]);
  await Deno.writeFile(
    file,
    new Uint8Array(
      await new Blob(
        parts.map((part) => part.slice()),
      ).arrayBuffer(),
    ),
  );
}

function* readAll(bytes: Uint8Array): Generator<Uint8Array> {
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < bytes.length;) {
    const end = at + 4 + view.getUint32(at, true);
    yield bytes.subarray(at + 4, end);
    at = end;
  }
}

const NONE = new Uint8Array(0);

/** Messages that no request should end with. */
const FATAL = /RuntimeError|memory access|unreachable|bad_alloc|stack/i;

/** An engine on this thread beside whose tables others are tried. */
class Trial {
  readonly #engine: BareEngine;
  readonly #guard: StackGuard;
  readonly #expected: string;
  #harm: string | undefined;

  private constructor(engine: BareEngine, guard: StackGuard) {
    this.#engine = engine;
    this.#guard = guard;
    engine.makeTable("good", [{ a: 1, s: "x" }, { a: 2, s: "Zoë" }]);
    engine.makeView("good", "goodView");
    this.#expected = this.#look();
  }

  static async start(line: Line): Promise<Trial> {
    const { newServer } = await loadPackage(ENGINES[line]);
    const { module } = newServer() as unknown as { module: GuardedModule };
    const guard = StackGuard.of(module);
    return new Trial(await BareEngine.start(line), guard);
  }

  /** Does with `bytes` what a client may do with a table. */
  run(bytes: Uint8Array): Outcome {
    const engine = this.#engine;
    const said = this.#step(() => engine.makeTable("t", bytes));
    if (said === undefined) this.#use(bytes);
    // Whatever it said, the others mustn't notice.
    const other = this.#step(() => {
      const now = this.#look();
      if (now !== this.#expected) throw new Error(`others see ${now}`);
    });
    this.#harm ??= other;
    return {
      ...(said === undefined ? {} : { said }),
      ...(this.#harm === undefined ? {} : { harm: this.#harm }),
    };
  }

  #use(bytes: Uint8Array): void {
    const engine = this.#engine;
    const group: { groupBy?: string[] } = {};
    this.#step(() => engine.makeView("t", "v"));
    this.#step(() => {
      const name = Object.keys(engine.columns("v"))[0];
      if (name !== undefined) group.groupBy = [name];
    });
    this.#step(() => engine.arrow("v"));
    const csv = this.#step(() => {
      const reader = new BinaryReader(
        engine.ask("v", Kind.VIEW_TO_CSV, (it) => it.tag(1, 2).bytes(NONE)),
      );
      reader.tag();
      new TextDecoder("utf-8", { fatal: true }).decode(reader.bytes());
    });
    if (csv?.includes("encoded data")) this.#harm ??= `CSV: ${csv}`;
    this.#step(() => engine.makeView("t", "w", group));
    this.#step(() => engine.change("t", bytes));
    this.#step(() => engine.columns("w"));
    this.#step(() => engine.columns("v"));
    for (const view of ["w", "v"]) {
      this.#step(() => engine.ask(view, Kind.VIEW_DELETE));
    }
    this.#step(() => engine.ask("t", Kind.TABLE_DELETE));
  }

  /** What an error said; notes whether it was one that harms. */
  #step(run: () => void): string | undefined {
    if (this.#harm !== undefined) return undefined;
    let said: string | undefined;
    try {
      run();
    } catch (reason) {
      const { name, message } = reason as Error;
      said = `${name}: ${message}`.slice(0, 300);
      if (FATAL.test(said)) this.#harm = said;
    }
    if (!this.#guard.isWhole()) this.#harm ??= `the stack is damaged; ${said}`;
    return said;
  }

  #look(): string {
    return JSON.stringify(this.#engine.columns("goodView"));
  }
}

if (import.meta.main) {
  const [line, file] = Deno.args as [Line, string];
  const trial = await Trial.start(line);
  for (const bytes of readAll(await Deno.readFile(file))) {
    const outcome = trial.run(bytes);
    console.log(JSON.stringify(outcome));
    if (outcome.harm !== undefined) break;
  }
  Deno.exit();
}
