/** The command line of the runner. */
import { parseArgs } from "node:util";
import type { Timing } from "./measure.ts";

/** What `--help` prints. */
export const HELP = `deno run -A bench/run.ts [options]

  --rows a,b          only these rows
  --contestants x,y   only these contestants
  --rounds 5          how often each contestant's turn comes
  --seconds 2         how long requests are counted in a turn
  --warmup 0.5        how many seconds they are sent before that
  --seed N            the order of the turns as in the run with this seed
  --out FILE.json     write all results to a file
  --markdown          print the tables as Markdown
  --list              print the names of the rows and the contestants
  --help              print this`;

/** What the command line says. */
export interface RunOptions {
  /** Names, or all. */
  readonly rows: readonly string[] | undefined;
  /** Names, or all. */
  readonly contestants: readonly string[] | undefined;
  readonly timing: Timing;
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
      seconds: { type: "string", default: "2" },
      warmup: { type: "string", default: "0.5" },
      seed: { type: "string", default: String(Date.now() % 1_000_000 + 1) },
      out: { type: "string" },
      markdown: { type: "boolean", default: false },
      list: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  return {
    rows: values.rows?.split(","),
    contestants: values.contestants?.split(","),
    timing: {
      rounds: Math.ceil(positive("rounds", values.rounds)),
      seconds: positive("seconds", values.seconds),
      warmup: positive("warmup", values.warmup),
    },
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

function positive(name: string, value: string): number {
  const number = Number(value);
  if (number > 0 && number < Infinity) return number;
  throw new TypeError(
    `Cannot use --${name}: it must be a positive number, received "${value}"`,
  );
}
