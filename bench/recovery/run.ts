/**
 * What clients see of an engine that is lost:
 * `deno run -A bench/recovery/run.ts`, see README.md.
 */
import { Child, endWithChildren, ready } from "../child.ts";
import { contestants, ENGINES, type Line } from "../contestants.ts";
import { type Data, dataOf } from "../data.ts";
import { deno } from "../deno.ts";
import { install } from "../install.ts";
import type { RowInfo } from "../load/types.ts";
import { machine } from "../machine.ts";
import { path } from "../path.ts";
import { HELP, type Options, options } from "./options.ts";
import { formatMeasured, type Measured, type NodeEnd } from "./report.ts";
import type { Bystanders, Round } from "./types.ts";

/** How long a round may take. */
const ROUND_MS = 600_000;
const BYSTANDERS_MS = 30_000;

/** The fatal frames, for people. */
const FRAMES = {
  update: "an update with nested arrays",
  view: "a view with a nested expression",
} as const;

if (import.meta.main) {
  endWithChildren("SIGINT", "SIGTERM");
  Deno.exitCode = await main(options(Deno.args));
}

/** @returns the exit code: 1 if something went wrong */
async function main(options: Options): Promise<number> {
  if (options.help) {
    console.log(HELP);
    return 0;
  }
  await install();
  const { table, lines, isolation, rounds, seconds, out, markdown } = options;
  const date = new Date().toISOString();
  const circumstances = await machine();
  const { cores, cpu, memoryGiB, deno, node, load } = circumstances;
  console.log(
    `${date.slice(0, 10)}, ${cores} cores of ${cpu}, ${memoryGiB} GiB, Deno ` +
      `${deno}, Node ${node}. ${rounds} rounds; load average before: ${load}.`,
  );
  // Only what a table is made of is asked of a row.
  const row = { data: table === "million" ? table : "superstore_indexed" };
  const data = await dataOf(row as RowInfo);
  const results: Measured[] = [];
  for (const line of lines) {
    const measured = await measure(line, data, options);
    results.push(measured);
    console.log(`\n${formatMeasured(measured, markdown)}`);
  }
  if (out !== undefined) {
    const asked = { table, isolation, rounds, seconds };
    const report = { date, machine: circumstances, ...asked, results };
    await Deno.writeTextFile(out, JSON.stringify(report, null, 2));
  }
  const isWrong = results.some(({ rounds }) =>
    rounds.some(({ problems }) => problems.length > 0)
  );
  return isWrong ? 1 : 0;
}

async function measure(
  line: Line,
  data: Data,
  options: Options,
): Promise<Measured> {
  const { table, isolation } = options;
  const rounds: Round[] = [];
  for (let nth = 0; nth < options.rounds; nth++) {
    rounds.push(await playRound(line, data, options));
  }
  const nodes: NodeEnd[] = [];
  for (const name of ["update", "view"] as const) {
    nodes.push(await endNode(line, data, name, table));
  }
  const title = `${ENGINES[line].version}, ${table}, 3 engines, each in a ` +
    (isolation === "worker" ? "worker" : "process");
  return { title, rounds, nodes };
}

/** A server of its own goes through all deaths. */
async function playRound(
  line: Line,
  { file, index }: Data,
  { table, isolation, seconds }: Options,
): Promise<Round> {
  const { name, version } = ENGINES[line];
  await using server = new Child(deno(
    "recovery/serve.ts",
    `--engine=npm:${name}@${version}`,
    `--isolation=${isolation}`,
    `--data=${file}`,
    ...index ? [`--index=${index}`] : [],
  ));
  const port = await ready(server);
  await using load = new Child([
    "node",
    path("recovery/load.mjs"),
    `127.0.0.1:${port}`,
    table,
    `${seconds}`,
  ]);
  const round = await load.nextObject(ROUND_MS) as unknown as Round;
  const { complaint } = server;
  const problems = complaint === "" ? [] : [`the server prints: ${complaint}`];
  return { ...round, problems: [...round.problems, ...problems] };
}

/** Perspective's own server gets a frame of that name. */
async function endNode(
  line: Line,
  data: Data,
  name: keyof typeof FRAMES,
  table: string,
): Promise<NodeEnd> {
  const { title, program } = contestants.find((it) =>
    it.role === "node" && it.line === line
  )!;
  await using server = new Child(program.command(data));
  const port = await ready(server);
  await using clients = new Child([
    "node",
    path("recovery/bystanders.mjs"),
    `ws://127.0.0.1:${port}/`,
    name,
    table,
  ]);
  const seen = await clients.nextObject(BYSTANDERS_MS) as unknown as Bystanders;
  const ended = await server.ended() ?? null;
  return { ...seen, title, frame: FRAMES[name], ended: reason(ended) };
}

/** The code, and the line that names the error. */
function reason(ended: string | null): string | null {
  if (ended === null) return null;
  const [code] = ended.split(":", 1);
  const error = /^.*Error: .*$/m.exec(ended)?.[0];
  return error === undefined ? code! : `${code}: ${error.trim()}`;
}
