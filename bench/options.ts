/** The command line of the runner. */
import { parseArgs } from "node:util";
import type { RowInfo } from "./load/types.ts";
import type { Timing } from "./measure.ts";

/** What `--help` prints. */
export const HELP = `deno run -A bench/run.ts [options]

  --rows a,b          these rows, or "all"; without it those that are quick
  --contestants x,y   only these contestants
  --rounds 5          how often each contestant's turn comes
  --seconds N         how long requests are counted in a turn; without it
                      each row has a length of its own, as it has a warm-up
  --warmup N          how many seconds they are sent before that
  --pause 0           milliseconds from an answer to the next request of those
                      whose latency is measured beside others
  --seed N            the order of the turns as in the run with this seed
  --out FILE.json     write all results to a file
  --markdown          print the tables as Markdown
  --list              print the names of the rows and the contestants
  --help              print this`;

/** What the command line says. */
export interface RunOptions {
  /** Names, or all, or those that are measured by default. */
  readonly rows: readonly string[] | "all" | undefined;
  /** Names, or all. */
  readonly contestants: readonly string[] | undefined;
  readonly rounds: number;
  /** Instead of what the rows say. */
  readonly seconds: number | undefined;
  readonly warmup: number | undefined;
  readonly pause: number;
  readonly seed: number;
  readonly out: string | undefined;
  readonly markdown: boolean;
  readonly list: boolean;
  readonly help: boolean;
}

/**
 * Reads it.
 *
 * @throws {TypeError} at what it doesn't know
 */
export function runOptions(args: string[]): RunOptions {
  const { values } = parseArgs({
    args,
    options: {
      rows: { type: "string" },
      contestants: { type: "string" },
      rounds: { type: "string", default: "5" },
      seconds: { type: "string" },
      warmup: { type: "string" },
      pause: { type: "string", default: "0" },
      seed: { type: "string", default: String(Date.now() % 1_000_000 + 1) },
      out: { type: "string" },
      markdown: { type: "boolean", default: false },
      list: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  return {
    rows: values.rows === "all" ? "all" : values.rows?.split(","),
    contestants: values.contestants?.split(","),
    rounds: Math.ceil(positive("rounds", values.rounds)),
    seconds: optional("seconds", values.seconds),
    warmup: optional("warmup", values.warmup),
    pause: values.pause === "0" ? 0 : positive("pause", values.pause),
    seed: positive("seed", values.seed),
    out: values.out,
    markdown: values.markdown,
    list: values.list,
    help: values.help,
  };
}

/**
 * The items of those names, in the order of the items; all without names.
 *
 * @throws {TypeError} at a name that none of them has
 */
export function choose<T extends { readonly name: string }>(
  items: readonly T[],
  names: readonly string[] | undefined,
): T[] {
  const offered = items.map(({ name }) => name);
  const unknown = names?.find((name) => !offered.includes(name));
  if (unknown !== undefined) {
    throw new TypeError(
      `Cannot find "${unknown}": there is ${offered.join(", ")}`,
    );
  }
  return items.filter(({ name }) => names?.includes(name) ?? true);
}

/** The rows to measure. */
export function chooseRows(
  rows: readonly RowInfo[],
  { rows: names }: RunOptions,
): RowInfo[] {
  if (names === "all") return [...rows];
  return names ? choose(rows, names) : rows.filter((row) => row.byDefault);
}

/** How a row is measured. */
export function timingOf(
  row: RowInfo,
  { rounds, seconds = row.seconds, warmup = row.warmup, pause }: RunOptions,
): Timing {
  return { rounds, seconds, warmup, pause: row.beside ? pause : 0 };
}

function optional(name: string, value: string | undefined): number | undefined {
  return value === undefined ? undefined : positive(name, value);
}

function positive(name: string, value: string): number {
  const number = Number(value);
  if (number > 0 && number < Infinity) return number;
  throw new TypeError(
    `Cannot use --${name}: it must be a positive number, received "${value}"`,
  );
}
