/** One row: its contestants started, measured in rounds, stopped. */
import { Child, MissingError, ready } from "./child.ts";
import type { Contestant } from "./contestants.ts";
import { type Data, dataOf } from "./data.ts";
import type {
  Measurement,
  Outcome,
  RowInfo,
  SceneFigures,
} from "./load/types.ts";
import { path } from "./path.ts";
import { shuffled } from "./stats.ts";

/**
 * How long a load generator may take for the end, and a last request or round
 * that is slow. It gives up by itself before that.
 */
const GRACE_MS = 200_000;

/** How a row is measured. */
export interface Timing {
  /** How often each contestant's turn comes. */
  readonly rounds: number;
  /** How long requests are counted. */
  readonly seconds: number;
  /** How long they are sent before that. */
  readonly warmup: number;
  /**
   * Milliseconds from an answer to the next request, for those who are
   * measured beside others.
   */
  readonly pause: number;
}

/** What became of one contestant in one row. */
export interface Entry {
  readonly contestant: Contestant;
  /** One for each round; `null` where it failed. Empty if it never started. */
  readonly rounds: (Measurement | null)[];
  /** Why it can't take part here, which is no failure. */
  missing: string | null;
  /** What failed. */
  readonly problems: string[];
}

/** What became of one row. */
export interface RowResult {
  readonly row: RowInfo;
  readonly timing: Timing;
  readonly entries: readonly Entry[];
}

/** A contestant who is ready. */
interface Starter {
  readonly entry: Entry;
  /** The command that measures it. */
  readonly command: readonly string[];
  /** Its server, if it is one. */
  readonly server: Child | null;
}

/** What all turns of a row have in common. */
interface Course {
  readonly row: RowInfo;
  readonly data: Data;
  readonly timing: Timing;
  readonly random: () => number;
}

/** Measures one row. */
export async function measureRow(
  row: RowInfo,
  contestants: readonly Contestant[],
  timing: Timing,
  random: () => number,
): Promise<RowResult> {
  const entries = contestants.filter((contestant) => fits(contestant, row))
    .map((contestant): Entry => ({
      contestant,
      rounds: [],
      missing: null,
      problems: [],
    }));
  const course = { row, data: await dataOf(row), timing, random };
  if (row.apart) await measureApart(entries, course);
  else await measureTogether(entries, course);
  return { row, timing, entries };
}

/** Whether a limit is one in this row. Servers always take part. */
function fits({ role }: Contestant, { echo, bare }: RowInfo): boolean {
  if (role === "echo") return echo !== null;
  return role !== "bare" || bare;
}

/**
 * The servers stay up from the first round to the last, since an idle one
 * uses no processor; only one at a time is under load.
 */
async function measureTogether(
  entries: readonly Entry[],
  { row, data, timing, random }: Course,
): Promise<void> {
  await using children = new AsyncDisposableStack();
  const starters: Starter[] = [];
  for (const entry of entries) {
    const starter = await start(entry, data, children);
    if (starter) starters.push(starter);
  }
  const echo = await echoOption(row, starters, children);
  let left = starters;
  for (let round = 1; round <= timing.rounds; round++) {
    for (const starter of shuffled(left, random)) {
      const lives = await takeTurn(starter, row, timing, echo);
      if (!lives) left = left.filter((other) => other !== starter);
    }
  }
}

/** Each turn has a new server, and no other one is up. */
async function measureApart(
  entries: readonly Entry[],
  { row, data, timing, random }: Course,
): Promise<void> {
  let left = entries;
  for (let round = 1; round <= timing.rounds; round++) {
    for (const entry of shuffled(left, random)) {
      await using children = new AsyncDisposableStack();
      const starter = await start(entry, data, children);
      if (starter) await takeTurn(starter, row, timing);
      else left = left.filter((other) => other !== entry);
    }
  }
}

/** Starts a contestant, or notes why there is nothing to measure. */
async function start(
  entry: Entry,
  data: Data,
  children: AsyncDisposableStack,
): Promise<Starter | undefined> {
  const { contestant: { name, program }, problems } = entry;
  const installed = await program.install?.();
  if (installed && !installed.ok) {
    entry.missing = installed.why;
    return undefined;
  }
  const command = program.command(data);
  if (program.kind === "loop") return { entry, command, server: null };
  try {
    const server = children.use(new Child(command));
    return { entry, command: loadCommand(server, await ready(server)), server };
  } catch (error) {
    if (error instanceof MissingError) {
      entry.missing = error.message;
    } else {
      problems.push(`did not start: ${messageOf(error)}`);
      console.error(`${name} did not start`);
    }
    return undefined;
  }
}

/** The command that drives a server. */
function loadCommand(server: Child, port: number): string[] {
  return [
    "node",
    path("load/main.mjs"),
    `--url=ws://127.0.0.1:${port}/`,
    `--server-pid=${server.pid}`,
  ];
}

/**
 * Measures a contestant for a round, or notes why that failed.
 *
 * @returns whether it can have another turn
 */
async function takeTurn(
  { entry, command, server }: Starter,
  row: RowInfo,
  timing: Timing,
  echo?: string,
): Promise<boolean> {
  const { contestant: { name, role }, rounds, problems } = entry;
  const turn = `${row.name}, round ${rounds.length + 1}`;
  try {
    const options = role === "echo" && echo ? [...command, echo] : command;
    const measurement = await measure(options, row, timing);
    rounds.push(measurement);
    console.error(`${turn}: ${name} ${inShort(row, measurement)}`);
    return true;
  } catch (error) {
    const end = await server?.ended();
    const hint = server?.complaint && `; it says: ${server.complaint}`;
    const problem = `${messageOf(error)}${end ? `; ${end}` : hint ?? ""}`;
    problems.push(`round ${rounds.length + 1} failed: ${problem}`);
    rounds.push(null);
    console.error(`${turn}: ${name} failed: ${problem}`);
    return end === undefined;
  }
}

function inShort(
  { unit, beside }: RowInfo,
  { perSecond, besidePerSecond, latency, scene }: Measurement,
): string {
  const texts = [
    `${perSecond.toPrecision(3)} ${unit}/s`,
    `p99 ${latency.p99.toPrecision(3)} ms`,
    ...beside ? [`${besidePerSecond.toPrecision(3)} ${beside}/s`] : [],
    ...scene ? [`opened in ${scene.openSeconds.toPrecision(3)} s`] : [],
  ];
  return texts.join(", ");
}

/** Runs a load generator. */
async function measure(
  command: readonly string[],
  row: RowInfo,
  { warmup, seconds, pause }: Omit<Timing, "rounds">,
): Promise<Measurement> {
  await using child = new Child([
    ...command,
    `--row=${row.name}`,
    `--warmup=${warmup}`,
    `--seconds=${seconds}`,
    ...pause > 0 ? [`--pause=${pause}`] : [],
  ]);
  const timeout = (warmup + seconds + row.patience) * 1000 + GRACE_MS;
  const outcome = await child.nextObject(timeout) as unknown as Outcome;
  if ("error" in outcome) throw new Error(outcome.error);
  return outcome.measurement;
}

/**
 * What to tell the echo's load generator: how long an answer is that compares
 * with those of the others, or the frames themselves, which takes a short look
 * at one of them.
 *
 * @param stack removes their file in the end
 */
async function echoOption(
  row: RowInfo,
  starters: readonly Starter[],
  stack: AsyncDisposableStack,
): Promise<string> {
  const look = { warmup: 0.1, seconds: 0.2, pause: 0 };
  const isNeeded = row.echo === "answer" || row.echo === "each";
  const hasEcho = starters.some(({ entry }) => isEcho(entry));
  for (const { entry, command } of isNeeded && hasEcho ? starters : []) {
    if (isEcho(entry)) continue;
    const seen = await measure(command, row, look).catch(() => null);
    // Its turns will tell why; another one may do.
    if (!seen) continue;
    return seen.scene
      ? `--echo=@${await fileOf(seen.scene, stack)}`
      : `--echo=${Math.round(seen.answerBytes)}`;
  }
  return "--echo=request";
}

/** The frames of a scene as a file, which the stack removes. */
async function fileOf(
  { frames }: SceneFigures,
  stack: AsyncDisposableStack,
): Promise<string> {
  const file = await Deno.makeTempFile({ prefix: "bench_frames_" });
  stack.defer(() => Deno.remove(file));
  await Deno.writeTextFile(file, frames.join(","));
  return file;
}

function isEcho({ contestant: { role } }: Entry): boolean {
  return role === "echo";
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
