/**
 * The fuzz target: `deno task fuzz`, see README.md.
 *
 * @module
 */

import type { Line } from "../../protocol/kinds.ts";
import { fuzz, type FuzzOptions } from "./fuzz.ts";
import { deathInWords, dumped, inWords, stateInWords } from "./words.ts";

const HELP = `deno task fuzz [options]

  --seed N         what frames are made up from (default: a random number)
  --seconds N      how long (default: 60)
  --engine V       3.8.0 or 5.5.1 (default: 3.8.0)
  --isolation I    process or worker (default: process)
  --from N --to N  only these frames of the seed, one after the other
  --hex FILE       sends the frames of a file instead, one in hex on each line
  --dump DIR       writes a file for each death, which --hex takes
  --verbose        tells each second how engines are
  --relentless     goes on killing while engines are being replaced
`;

const LINES: Readonly<Record<string, Line>> = { "3.8.0": "3", "5.5.1": "5" };

if (import.meta.main) Deno.exitCode = await main(Deno.args);

/** @returns the exit code: 1 if honest clients noticed anything */
async function main(args: readonly string[]): Promise<number> {
  const options = parsed(args);
  if (options === undefined) {
    console.log(HELP);
    return 2;
  }
  const { seed, engine, isolation, dump } = options;
  console.log(`--seed ${seed} --engine ${engine} --isolation ${isolation}`);
  if (dump !== undefined) await Deno.mkdir(dump, { recursive: true });
  const report = await fuzz({
    ...options,
    onDeath: (death) => {
      console.log(deathInWords(death));
      if (dump !== undefined) {
        Deno.writeTextFileSync(
          `${dump}/${engine}-${seed}-${death.nth}.txt`,
          dumped(death),
        );
      }
    },
    onReport: (message, number) =>
      console.log(`at frame ${number}: ${message.slice(0, 300)}`),
    onFailure: (failure) => console.log(`\nWRONG: ${failure}\n`),
  });
  console.log(inWords(report));
  return report.failures.length > 0 || report.lost > 0 ? 1 : 0;
}

interface Options extends FuzzOptions {
  readonly engine: string;
  readonly isolation: "worker" | "process";
  readonly dump: string | undefined;
}

function parsed(args: readonly string[]): Options | undefined {
  const given = new Map<string, string>();
  for (let at = 0; at < args.length; at++) {
    const name = args[at]!;
    if (name === "--relentless" || name === "--verbose") given.set(name, "");
    else if (HELP.includes(`${name} `) && name.startsWith("--")) {
      given.set(name, args[++at] ?? "");
    } else return undefined;
  }
  const number = (name: string) => {
    const value = given.get(name);
    return value === undefined ? undefined : Number(value);
  };
  const engine = given.get("--engine") ?? "3.8.0";
  const isolation = given.get("--isolation") ?? "process";
  const line = LINES[engine];
  const seed = number("--seed") ?? Math.floor(Math.random() * 2 ** 31);
  const hex = given.get("--hex");
  const to = number("--to");
  const numbers = [seed, number("--seconds") ?? 1, number("--from") ?? 1];
  if (
    line === undefined || numbers.some((it) => !(it >= 0)) ||
    isolation !== "process" && isolation !== "worker"
  ) return undefined;
  return {
    line,
    engine,
    isolation,
    seed,
    // With a last frame, time is no limit.
    seconds: number("--seconds") ?? (to === undefined ? 60 : 3600),
    from: number("--from"),
    to,
    frames: hex === undefined
      ? undefined
      : framesOf(Deno.readTextFileSync(hex)),
    isRelentless: given.has("--relentless"),
    dump: given.get("--dump"),
    onSecond: given.has("--verbose")
      ? (stats, number) => console.log(stateInWords(stats, number))
      : undefined,
  };
}

function framesOf(text: string): Uint8Array[] {
  return text.split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => Uint8Array.fromHex(line.trim()));
}
