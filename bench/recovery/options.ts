/** The command line. */
import { parseArgs } from "node:util";
import { ENGINES, type Line } from "../contestants.ts";

/** What `--help` prints. */
export const HELP = `deno run -A bench/recovery/run.ts [options]

  --table superstore      or "million"
  --engine 3.8.0          or 5.5.1; both without it
  --isolation worker      or "process": where engines live
  --rounds 3              how many servers go through it
  --seconds 1             how long to look on after each recovery
  --out FILE.json         write all that was measured to a file
  --markdown              print the tables as Markdown
  --help                  print this`;

/** What the command line says. */
export interface Options {
  readonly table: "superstore" | "million";
  readonly lines: readonly Line[];
  readonly isolation: "worker" | "process";
  readonly rounds: number;
  readonly seconds: number;
  readonly out: string | undefined;
  readonly markdown: boolean;
  readonly help: boolean;
}

/**
 * Reads it.
 *
 * @throws {TypeError} at what it doesn't know
 */
export function options(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      table: { type: "string", default: "superstore" },
      engine: { type: "string" },
      isolation: { type: "string", default: "worker" },
      rounds: { type: "string", default: "3" },
      seconds: { type: "string", default: "1" },
      out: { type: "string" },
      markdown: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  return {
    table: oneOf("table", ["superstore", "million"], values.table),
    lines: ([3, 5] as const).filter((line) =>
      values.engine === undefined || versionOf(line) ===
        oneOf("engine", [versionOf(3), versionOf(5)], values.engine)
    ),
    isolation: oneOf("isolation", ["worker", "process"], values.isolation),
    rounds: Math.ceil(positive("rounds", values.rounds)),
    seconds: positive("seconds", values.seconds),
    out: values.out,
    markdown: values.markdown,
    help: values.help,
  };
}

function versionOf(line: Line): string {
  return ENGINES[line].version;
}

function oneOf<T extends string>(
  name: string,
  offered: readonly T[],
  wanted: string,
): T {
  const found = offered.find((it) => it === wanted);
  if (found !== undefined) return found;
  throw new TypeError(
    `Cannot use --${name}: it must be ${offered.join(" or ")}, received ` +
      `"${wanted}"`,
  );
}

function positive(name: string, value: string): number {
  const number = Number(value);
  if (number > 0 && number < Infinity) return number;
  throw new TypeError(
    `Cannot use --${name}: it must be a positive number, received "${value}"`,
  );
}
