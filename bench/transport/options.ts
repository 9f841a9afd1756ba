/** The command line. */
import { parseArgs } from "node:util";
import { type Load, loads } from "./loads.ts";
import type { AnyWayKind } from "./way.ts";
import { ways } from "./ways.ts";

const BY_DEFAULT = "loop-1,loop-8,sockets,sockets-3x8";

/** What `--help` prints. */
export const HELP = `deno run -A bench/transport/run.ts [options]

  --loads a,b      these loads, or "all": ${names(loads)}
                   (by default ${BY_DEFAULT})
  --ways x,y       only these ways: ${names(ways)}
  --rounds 3       how often each way's turn comes under each load
  --seconds 0.5    how long a turn counts with sockets; loops take a fifth
  --warmup 0.2     how long it warms up before
  --spin 2         microseconds of computation for each answer
  --out FILE.json  write all samples to a file
  --help           print this`;

/** What the command line says. */
export interface Options {
  readonly loads: readonly Load[];
  readonly ways: readonly AnyWayKind[];
  readonly rounds: number;
  readonly seconds: number;
  readonly warmup: number;
  readonly spin: number;
  readonly out: string | undefined;
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
      loads: { type: "string", default: BY_DEFAULT },
      ways: { type: "string", default: "all" },
      rounds: { type: "string", default: "3" },
      seconds: { type: "string", default: "0.5" },
      warmup: { type: "string", default: "0.2" },
      spin: { type: "string", default: "2" },
      out: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  return {
    loads: choose(loads, values.loads),
    ways: choose(ways, values.ways),
    rounds: number("rounds", values.rounds),
    seconds: number("seconds", values.seconds),
    warmup: number("warmup", values.warmup),
    spin: number("spin", values.spin),
    out: values.out,
    help: values.help,
  };
}

function choose<T extends { name: string }>(
  offered: readonly T[],
  wanted: string,
): readonly T[] {
  if (wanted === "all") return offered;
  return wanted.split(",").map((name) => {
    const found = offered.find((item) => item.name === name);
    if (!found) throw new TypeError(`"${name}" is none of ${names(offered)}`);
    return found;
  });
}

function names(items: readonly { readonly name: string }[]): string {
  return items.map(({ name }) => name).join(", ");
}

function number(name: string, text: string): number {
  const value = Number(text);
  if (!(value >= 0)) throw new TypeError(`--${name} takes a number`);
  return value;
}
