/** Draws a run: `deno run -A bench/plot.ts results.json --out dir`. */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { plots, type Results } from "./plots.ts";

if (import.meta.main) {
  try {
    await main(Deno.args);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exitCode = 1;
  }
}

async function main(args: string[]): Promise<void> {
  const { values: { out }, positionals: [file] } = parseArgs({
    args,
    options: { out: { type: "string", default: "." } },
    allowPositionals: true,
  });
  if (file === undefined) {
    throw new TypeError("Cannot draw: say which run's JSON");
  }
  const results: Results = JSON.parse(await Deno.readTextFile(file));
  const drawn = plots(results);
  if (drawn.length === 0) {
    throw new Error("Cannot draw: there are no dashboards, viewers or tabs");
  }
  await Deno.mkdir(out, { recursive: true });
  for (const { file, svg } of drawn) {
    await Deno.writeTextFile(join(out, file), svg);
    console.log(join(out, file));
  }
}
