/**
 * What workers and tables take, in time and memory:
 * `deno run -A bench/sizing/run.ts [ROUNDS]`.
 */
import { Child } from "../child.ts";
import { ENGINES } from "../contestants.ts";
import { dataOf } from "../data.ts";
import { deno } from "../deno.ts";
import { install } from "../install.ts";
import type { RowInfo } from "../load/types.ts";
import { machine } from "../machine.ts";
import { spread } from "../stats.ts";

/** How long one of them may take. */
const TIMEOUT_MS = 120_000;

/** How many workers; 0 is the main thread. */
const SIZES = [0, 1, 3, 5];

const TABLES = ["superstore", "million"] as const;

type Sample = Record<"startMs" | "memoryMiB" | "loadMs" | "tableMiB", number>;

const rounds = Number(Deno.args[0] ?? 3);
await install();
const { cpu, cores, memoryGiB, deno: version } = await machine();
console.log(`${cores} cores of ${cpu}, ${memoryGiB} GiB, Deno ${version}\n`);
console.log(
  "| engine | table | workers | start, ms | memory, MiB | table loaded, ms | memory of it, MiB |",
);
console.log("| --- | --- | ---: | ---: | ---: | ---: | ---: |");
for (const { name, version } of Object.values(ENGINES)) {
  for (const data of TABLES) {
    // Only what a table is made of is asked of a row.
    const { file, index = "" } = await dataOf({ data } as RowInfo);
    for (const size of SIZES) {
      const samples: Sample[] = [];
      for (let round = 0; round < rounds; round++) {
        await using child = new Child(
          deno(
            "sizing/probe.ts",
            `npm:${name}@${version}`,
            `${size}`,
            file,
            index,
          ),
        );
        samples.push(await child.nextObject(TIMEOUT_MS) as Sample);
      }
      const of = (what: keyof Sample) =>
        Math.round(spread(samples.map((it) => it[what]))!.median);
      console.log(
        `| ${version} | ${data} | ${size} | ${of("startMs")} | ` +
          `${of("memoryMiB")} | ${of("loadMs")} | ${of("tableMiB")} |`,
      );
    }
  }
}
