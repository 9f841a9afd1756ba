/**
 * Compares ways to pass small frames between the main thread and a worker:
 * `deno run -A bench/transport/run.ts`, see `--help`.
 *
 * There is no engine, so that what crossing threads costs isn't hidden by what
 * is computed there. What counts is the load "sockets": a way that is fast in a
 * loop may be slow when the event loop has sockets to look after.
 */
import { install } from "../install.ts";
import { type Load, measure } from "./loads.ts";
import { HELP, type Options, options } from "./options.ts";
import { formatLoad, type Measured } from "./report.ts";
import type { AnyWayKind } from "./way.ts";

if (import.meta.main) await main(options(Deno.args));

async function main(options: Options): Promise<void> {
  if (options.help) return console.log(HELP);
  // The load generator needs a package.
  if (options.loads.some(({ sockets }) => sockets)) await install();
  const results: Record<string, readonly Measured[]> = {};
  for (const load of options.loads) {
    const measured = await measureLoad(load, options);
    results[load.name] = measured;
    console.log(`${formatLoad(load, measured)}\n`);
  }
  const { out, rounds, seconds, warmup, spin } = options;
  if (out === undefined) return;
  const report = { rounds, seconds, warmup, spin, results };
  await Deno.writeTextFile(out, JSON.stringify(report, null, 2));
}

/** Round by round, so that what disturbs one way soon disturbs the others. */
async function measureLoad(
  load: Load,
  options: Options,
): Promise<readonly Measured[]> {
  const kinds: (AnyWayKind | undefined)[] = [...options.ways];
  if (load.sockets) kinds.unshift(undefined);
  const measured = kinds.map((kind): Measured => ({
    way: kind?.name ?? "echo",
    samples: [],
  }));
  for (let round = 0; round < options.rounds; round++) {
    for (let turn = 0; turn < kinds.length; turn++) {
      const nth = (turn + round) % kinds.length;
      const sample = await measure(kinds[nth], load, options);
      measured[nth]!.samples.push(sample);
    }
  }
  return measured;
}
