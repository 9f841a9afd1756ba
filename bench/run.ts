/**
 * The benchmark: `deno run -A bench/run.ts`, see README.md.
 *
 * What runs in this process has no dependencies: Deno would look for them in
 * the nearest `package.json`, and the one in this folder is Node's.
 */
import { Child, endWithChildren } from "./child.ts";
import { type Contestant, contestants } from "./contestants.ts";
import { install, packages } from "./install.ts";
import type { RowInfo } from "./load/types.ts";
import { machine } from "./machine.ts";
import { measureRow } from "./measure.ts";
import {
  choose,
  chooseRows,
  HELP,
  type RunOptions,
  runOptions,
  timingOf,
} from "./options.ts";
import { path } from "./path.ts";
import {
  failed,
  formatReport,
  type Report,
  reportRow,
  type RowReport,
} from "./report.ts";
import { randomFrom } from "./stats.ts";

if (import.meta.main) {
  endWithChildren("SIGINT", "SIGTERM");
  try {
    Deno.exitCode = await main(runOptions(Deno.args));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exitCode = 1;
  }
}

/** @returns the exit code: 1 if one of them failed */
async function main(options: RunOptions): Promise<number> {
  if (options.help) {
    console.log(HELP);
    return 0;
  }
  await install();
  const offered = await offeredRows();
  if (options.list) {
    const byDefault = offered.filter((row) => row.byDefault);
    console.log(`rows: ${namesOf(offered)}`);
    console.log(`by default: ${namesOf(byDefault)}`);
    console.log(`contestants: ${namesOf(contestants)}`);
    return 0;
  }
  const rows = chooseRows(offered, options);
  const chosen = choose(contestants, options.contestants);
  const report = await measureAll(rows, chosen, options);
  console.log(formatReport(report, options.markdown));
  if (options.out) {
    await Deno.writeTextFile(options.out, JSON.stringify(report, null, 2));
  }
  return report.rows.some(failed) ? 1 : 0;
}

/** The rows that the load generator knows. */
async function offeredRows(): Promise<RowInfo[]> {
  await using child = new Child(["node", path("load/list.mjs")]);
  const { rows } = await child.nextObject(10_000) as { rows: RowInfo[] };
  return rows;
}

async function measureAll(
  rows: readonly RowInfo[],
  chosen: readonly Contestant[],
  options: RunOptions,
): Promise<Report> {
  const date = new Date().toISOString();
  const command = ["deno run -A bench/run.ts", ...Deno.args].join(" ");
  const circumstances = {
    date,
    command,
    machine: await machine(),
    packages: await packages(),
  };
  const { rounds, seed } = options;
  const random = randomFrom(seed);
  const reports: RowReport[] = [];
  for (const row of rows) {
    const timing = timingOf(row, options);
    const result = await measureRow(row, chosen, timing, random);
    reports.push(reportRow(result));
  }
  return { ...circumstances, rounds, seed, rows: reports };
}

function namesOf(items: readonly { readonly name: string }[]): string {
  return items.map(({ name }) => name).join(", ");
}
