/**
 * What it costs that what clients send is looked at:
 * `deno run -A bench/guards/run.ts [ROUNDS]`.
 *
 * Two sessions of one server ask the same, one of which is trusted. There are
 * no sockets: they cost both the same.
 */
import { Child } from "../child.ts";
import { ENGINES } from "../contestants.ts";
import { deno } from "../deno.ts";
import { install } from "../install.ts";
import { machine } from "../machine.ts";
import { pairedRatios, spread } from "../stats.ts";
import type { Sample } from "./probe.ts";

/** How long one load may take. */
const TIMEOUT_MS = 300_000;

/** How many loads there are. */
const LOADS = 3;

const rounds = Number(Deno.args[0] ?? 7);
if (!(rounds >= 1)) {
  throw new TypeError(`Cannot measure ${Deno.args[0]} rounds`);
}
await install();
const { cpu, cores, memoryGiB, deno: version } = await machine();
console.log(`${cores} cores of ${cpu}, ${memoryGiB} GiB, Deno ${version}\n`);
console.log(
  "| engine | what is sent | trusted, ms | looked at, ms | looked at / trusted |",
);
console.log("| --- | --- | ---: | ---: | ---: |");
for (const { name, version } of Object.values(ENGINES)) {
  await using child = new Child(
    deno("guards/probe.ts", `npm:${name}@${version}`, `${rounds}`),
  );
  for (let left = LOADS; left > 0; left--) {
    const sample = await child.nextObject(TIMEOUT_MS) as unknown as Sample;
    const { trusted, lookedAt } = sample;
    const { median, min, max } = pairedRatios(lookedAt, trusted)!;
    const ms = (values: readonly number[]) => spread(values)!.median.toFixed(3);
    console.log(
      `| ${version} | ${sample.name} | ${ms(trusted)} | ${ms(lookedAt)} | ` +
        `${median.toFixed(2)} (${min.toFixed(2)} - ${max.toFixed(2)}) |`,
    );
  }
}
