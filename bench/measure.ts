/** One row: its contestants started, measured in rounds, stopped. */
import { Child, ready } from "./child.ts";
import type { Contestant } from "./contestants.ts";
import { SUPERSTORE } from "./install.ts";
import type { Measurement, Outcome, RowInfo } from "./load/types.ts";
import { path } from "./path.ts";
import { shuffled } from "./stats.ts";

/** How long a load generator may take for all but its timed part. */
const GRACE_MS = 60_000;

/** How a row is measured. */
export interface Timing {
  /** How often each contestant's turn comes. */
  readonly rounds: number;
  /** How long requests are counted. */
  readonly seconds: number;
  /** How long they are sent before that. */
  readonly warmup: number;
}

/** What became of one contestant in one row. */
export interface Entry {
  readonly contestant: Contestant;
  /** One for each round; `null` where it failed. Empty if it never started. */
  readonly rounds: (Measurement | null)[];
  /** Why it isn't there, or what failed. */
  readonly problems: string[];
}

/** What became of one row. */
export interface RowResult {
  readonly row: RowInfo;
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

/**
 * Measures one row.
 *
 * The servers stay up from the first round to the last, since an idle one
 * uses no processor; only one at a time is under load.
 */
export async function measureRow(
  row: RowInfo,
  contestants: readonly Contestant[],
  timing: Timing,
  random: () => number,
): Promise<RowResult> {
  await using children = new AsyncDisposableStack();
  const entries = contestants.map((contestant): Entry => ({
    contestant,
    rounds: [],
    problems: [],
  }));
  const starters: Starter[] = [];
  for (const entry of entries) {
    const starter = await start(entry, children);
    if (starter) starters.push(starter);
  }
  const echo = await echoOption(row, starters);
  let left = starters;
  for (let round = 1; round <= timing.rounds; round++) {
    for (const starter of shuffled(left, random)) {
      const lives = await takeTurn(starter, row, timing, echo);
      if (!lives) left = left.filter((other) => other !== starter);
    }
  }
  return { row, entries };
}

/** Starts a contestant, or notes why there is nothing to measure. */
async function start(
  entry: Entry,
  children: AsyncDisposableStack,
): Promise<Starter | undefined> {
  const { contestant: { name, program }, problems } = entry;
  if (program.kind === "missing") {
    problems.push(program.why);
    return undefined;
  }
  const command = program.command(SUPERSTORE);
  if (program.kind === "loop") return { entry, command, server: null };
  try {
    const server = children.use(new Child(command));
    return { entry, command: loadCommand(server, await ready(server)), server };
  } catch (error) {
    problems.push(`did not start: ${messageOf(error)}`);
    console.error(`${name} did not start`);
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
  echo: string,
): Promise<boolean> {
  const { contestant: { name, role }, rounds, problems } = entry;
  const turn = `${row.name}, round ${rounds.length + 1}`;
  try {
    const options = role === "echo" ? [...command, echo] : command;
    const measurement = await measure(options, row, timing);
    rounds.push(measurement);
    console.error(`${turn}: ${name} ${Math.round(measurement.perSecond)}/s`);
    return true;
  } catch (error) {
    const end = await server?.ended();
    const hint = server?.complaint && `; it says: ${server.complaint}`;
    const problem = end ?? `${messageOf(error)}${hint ?? ""}`;
    problems.push(`round ${rounds.length + 1} failed: ${problem}`);
    rounds.push(null);
    console.error(`${turn}: ${name} failed: ${problem}`);
    return end === undefined;
  }
}

/** Runs a load generator. */
async function measure(
  command: readonly string[],
  row: RowInfo,
  { warmup, seconds }: Pick<Timing, "warmup" | "seconds">,
): Promise<Measurement> {
  await using child = new Child([
    ...command,
    `--row=${row.name}`,
    `--warmup=${warmup}`,
    `--seconds=${seconds}`,
  ]);
  const timeout = (warmup + seconds) * 1000 + GRACE_MS;
  const outcome = await child.nextObject(timeout) as unknown as Outcome;
  if ("error" in outcome) throw new Error(outcome.error);
  return outcome.measurement;
}

/**
 * What to tell the echo's load generator: how long an answer is that compares
 * with those of the others, which takes a short look at one of them.
 */
async function echoOption(
  row: RowInfo,
  starters: readonly Starter[],
): Promise<string> {
  const look = { warmup: 0.1, seconds: 0.2 };
  for (const { entry, command } of row.echo === "answer" ? starters : []) {
    if (entry.contestant.role === "echo") continue;
    try {
      const { answerBytes } = await measure(command, row, look);
      return `--echo=${Math.round(answerBytes)}`;
    } catch {
      // Its turns will tell; another one may do.
    }
  }
  return "--echo=request";
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
