/** The results as a table and as JSON. */
import { claimsMet } from "./claims.ts";
import {
  baseOf,
  compare,
  type Comparison,
  figure,
  numbers,
  series,
} from "./compare.ts";
import type { Role } from "./contestants.ts";
import type { Goal, Measure, Measurement, SceneFigures } from "./load/types.ts";
import type { Machine } from "./machine.ts";
import type { Entry, RowResult, Timing } from "./measure.ts";
import { inSeries, pairedRatios, type Spread, spread } from "./stats.ts";

/** A whole run. */
export interface Report {
  readonly date: string;
  readonly command: string;
  readonly machine: Machine;
  /** What runs in Node, and the engines. */
  readonly packages: Record<string, string>;
  readonly rounds: number;
  /** What the order of the contestants follows from. */
  readonly seed: number;
  readonly rows: readonly RowReport[];
}

/** One row of it. */
export interface RowReport {
  readonly name: string;
  readonly about: string;
  readonly timing: Timing;
  /** What is counted, and what others do that aren't, in the plural. */
  readonly unit: string;
  readonly beside: string | null;
  readonly pushes: boolean;
  readonly goals: readonly Goal[];
  readonly results: readonly Result[];
}

/** One contestant of a row. */
export interface Result {
  readonly name: string;
  readonly title: string;
  /** Why it can't take part here. */
  readonly missing: string | null;
  readonly summary: Summary | null;
  readonly rounds: readonly (Round | null)[];
  readonly problems: readonly string[];
}

/**
 * A round; how its latencies are spread is only needed to sum up, and a scene's
 * frames only for the echo.
 */
export interface Round extends Omit<Measurement, "histogram" | "scene"> {
  readonly scene: Omit<SceneFigures, "frames"> | null;
}

/** A contestant's rounds in short. Ratios are made round by round. */
export interface Summary {
  readonly perSecond: Spread;
  /** Of all rounds' latencies together, in milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** What the uncounted connections did per second. */
  readonly beside: number | null;
  readonly pushes: number | null;
  /** Until all viewers were there, if the row has some. */
  readonly openSeconds: Spread | null;
  /** What the server held of the memory then, and at most, in bytes. */
  readonly openBytes: number | null;
  readonly peakBytes: number | null;
  readonly requestBytes: number;
  readonly answerBytes: number;
  readonly serverCores: number | null;
  readonly loadCores: number | null;
  /** Against the bare socket. */
  readonly ofEcho: Spread | null;
  /** Against the bare engine and the bare socket one after the other. */
  readonly ofLimit: Spread | null;
  /** Against Perspective's own server for Node, of the same line. */
  readonly ofNode: Spread | null;
  /** One for each of the row's goals; `null` without a base. */
  readonly comparisons: readonly (Comparison | null)[];
}

/** Sums a row up. */
export function reportRow({ row, timing, entries }: RowResult): RowReport {
  const { name, about, unit, beside, pushes, goals } = row;
  const results = entries.map((entry): Result => ({
    name: entry.contestant.name,
    title: entry.contestant.title,
    missing: entry.missing,
    summary: summarize(entry, entries, goals),
    rounds: entry.rounds.map((round) => round && roundOf(round)),
    problems: entry.problems,
  }));
  return { name, about, timing, unit, beside, pushes, goals, results };
}

/**
 * Says whether a contestant who should be there went wrong. One that can't
 * run here is no failure.
 */
export function failed({ results }: RowReport): boolean {
  return results.some(({ problems }) => problems.length > 0);
}

function roundOf({ histogram: _, scene, ...round }: Measurement): Round {
  if (!scene) return { ...round, scene };
  const { frames: _frames, ...figures } = scene;
  return { ...round, scene: figures };
}

function summarize(
  entry: Entry,
  all: readonly Entry[],
  goals: readonly Goal[],
): Summary | null {
  const perSecond = spread(numbers(series(entry, "rate")));
  if (!perSecond) return null;
  const { role } = entry.contestant;
  const of = (role: Role) => series(baseOf(role, entry, all), "rate");
  const against = (base: readonly (number | null)[]) =>
    pairedRatios(series(entry, "rate"), base);
  const isServer = role !== "echo" && role !== "bare";
  return {
    perSecond,
    p50: figure(entry, "p50") ?? 0,
    p99: figure(entry, "p99") ?? 0,
    beside: figure(entry, "beside"),
    pushes: medianOf(entry, ({ pushesPerSecond }) => pushesPerSecond),
    openSeconds: spreadOf(entry, ({ scene }) => scene && scene.openSeconds),
    openBytes: medianOf(entry, ({ scene }) => scene && scene.openBytes),
    peakBytes: medianOf(entry, ({ scene }) => scene && scene.peakBytes),
    requestBytes: medianOf(entry, ({ requestBytes }) => requestBytes) ?? 0,
    answerBytes: medianOf(entry, ({ answerBytes }) => answerBytes) ?? 0,
    serverCores: medianOf(entry, ({ serverCores }) => serverCores),
    loadCores: medianOf(entry, ({ loadCores }) => loadCores),
    ofEcho: isServer ? against(of("echo")) : null,
    ofLimit: isServer ? against(inSeries(of("echo"), of("bare"))) : null,
    ofNode: isServer && role !== "node" ? against(of("node")) : null,
    comparisons: goals.map((goal) =>
      isServer ? compare(goal, entry, all) : null
    ),
  };
}

function medianOf(
  entry: Entry,
  value: (measurement: Measurement) => number | null,
): number | null {
  return spreadOf(entry, value)?.median ?? null;
}

function spreadOf(
  { rounds }: Entry,
  value: (measurement: Measurement) => number | null,
): Spread | null {
  return spread(numbers(rounds.map((round) => round && value(round))));
}

/** From how many busy cores on the load generator is what is measured. */
const LOAD_LIMIT = 0.9;

/** A column of a row's table. One without a figure is left out. */
interface Column {
  readonly heading: string;
  cell(summary: Summary): string;
}

/** The columns of a row. */
function columnsOf({ unit, beside, pushes, goals }: RowReport): Column[] {
  const isGoal = goals.some(({ measure, against }) =>
    measure === "rate" && against === "node"
  );
  return [
    {
      heading: `${unit}/s`,
      cell: ({ perSecond }) => rate(perSecond.median),
    },
    {
      heading: "min - max",
      cell: ({ perSecond: { min, max } }) => `${rate(min)} - ${rate(max)}`,
    },
    { heading: "of echo", cell: ({ ofEcho }) => ratio(ofEcho) },
    { heading: "of the limit", cell: ({ ofLimit }) => ratio(ofLimit) },
    {
      heading: "of Node",
      // Beside others it is latencies that count.
      cell: ({ ofNode }) => beside || isGoal ? "" : ratio(ofNode),
    },
    { heading: "p50 ms", cell: ({ p50 }) => milliseconds(p50) },
    { heading: "p99 ms", cell: ({ p99 }) => milliseconds(p99) },
    {
      heading: `${beside}/s`,
      cell: (summary) => beside ? rate(summary.beside ?? 0) : "",
    },
    {
      heading: "pushes/s",
      cell: (summary) => pushes ? rate(summary.pushes ?? 0) : "",
    },
    {
      heading: "open s",
      cell: ({ openSeconds }) =>
        openSeconds ? openSeconds.median.toFixed(2) : "",
    },
    { heading: "MiB open", cell: ({ openBytes }) => mebibytes(openBytes) },
    { heading: "MiB at most", cell: ({ peakBytes }) => mebibytes(peakBytes) },
    ...goals.flatMap((goal, index): Column[] => [
      {
        heading: comparisonName(goal, { unit, beside }),
        cell: ({ comparisons }) => ratio(comparisons[index]?.ratio ?? null),
      },
      {
        heading: "wanted",
        cell: ({ comparisons }) => verdict(comparisons[index] ?? null),
      },
    ]),
    { heading: "server cores", cell: ({ serverCores }) => cores(serverCores) },
    { heading: "load cores", cell: ({ loadCores }) => cores(loadCores) },
  ];
}

/** With what a figure is compared, for people. */
const AGAINST: Readonly<Record<Goal["against"], string>> = {
  peers: "the best peer",
  node: "Node",
  bare: "the bare engine",
};

function comparisonName(
  { measure, against }: Goal,
  names: Pick<RowReport, "unit" | "beside">,
): string {
  return `${measureName(measure, names)} of ${AGAINST[against]}`;
}

function measureName(
  measure: Measure,
  { unit, beside }: Pick<RowReport, "unit" | "beside">,
): string {
  if (measure === "rate") return `${unit}/s`;
  return measure === "beside" ? `${beside}/s` : measure;
}

/** Writes a report as text, its tables for people or for Markdown. */
export function formatReport(report: Report, markdown: boolean): string {
  const table = markdown ? markdownTable : plainTable;
  const sections = report.rows.map((row) =>
    [
      markdown ? `### ${row.name}` : row.name,
      "",
      `${row.about}. ${sizes(row)} ${times(row)}`,
      "",
      ...isMeasured(row) ? [table(cells(row))] : [],
      ...remarks(row, markdown),
    ].join("\n")
  );
  const across = claimsMet(report.rows);
  if (across.length > 0) {
    const heading = markdown ? "### Across rows" : "Across rows";
    const prefix = markdown ? "- " : "";
    const lines = across.map((line) => `${prefix}${line}`);
    sections.push([heading, "", ...lines].join("\n"));
  }
  return `${[circumstances(report), ...sections].join("\n\n")}\n`;
}

function circumstances({ date, machine, rounds }: Report): string {
  return `${date.slice(0, 10)}, ${machine.cores} cores of ${machine.cpu}, ` +
    `${machine.memoryGiB} GiB, ${machine.os}, Deno ${machine.deno}, ` +
    `Node ${machine.node}, Python ${machine.python ?? "missing"}. ` +
    `${rounds} rounds; load average before: ${machine.load}.`;
}

function isMeasured({ results }: RowReport): boolean {
  return results.some(({ summary }) => summary !== null);
}

/** How long the frames are that went to and fro. */
function sizes({ results, unit }: RowReport): string {
  const summary = results.map(({ summary }) => summary)
    .findLast((summary) => summary !== null);
  if (!summary) return "Nothing was measured.";
  const { requestBytes, answerBytes } = summary;
  return `${Math.round(requestBytes)} bytes there and ` +
    `${Math.round(answerBytes)} back for each of the ${unit}.`;
}

function times({ timing: { seconds, warmup, pause } }: RowReport): string {
  const pauses = pause > 0 ? `, ${pause} ms from answer to request` : "";
  return `${seconds} s a round, after ${warmup} s${pauses}.`;
}

/** The table, the headings first, without the columns that are empty. */
function cells(row: RowReport): string[][] {
  const measured = row.results.flatMap(({ title, summary }) =>
    summary ? [{ title, summary }] : []
  );
  const columns = columnsOf(row).map(({ heading, cell }) => [
    heading,
    ...measured.map(({ summary }) => cell(summary)),
  ]).filter(([, ...cells]) => cells.some((cell) => cell !== ""));
  const titles = ["", ...measured.map(({ title }) => title)];
  return titles.map((title, line) => [
    title,
    ...columns.map((column) => column[line]!),
  ]);
}

/** Who is the best peer, missing or failed, and whose figure is too low. */
function remarks(row: RowReport, markdown: boolean): string[] {
  const ofResults = row.results.flatMap((result) => {
    const prefix = result.summary ? "" : "not measured, ";
    const problems = [...result.missing ? [result.missing] : []]
      .concat(result.problems)
      .map((text) => prefix + oneLine(text));
    return [...doubts(result), ...problems]
      .map((remark) => `${result.title}: ${remark}`);
  });
  const lines = [...bestPeers(row), ...ofResults]
    .map((line) => `${markdown ? "- " : ""}${line}`);
  return lines.length > 0 ? ["", ...lines] : [];
}

/** Who the best peer is, for each goal that is about one. */
function bestPeers(row: RowReport): string[] {
  return row.goals.flatMap(({ measure, against }, index) => {
    const base = row.results
      .map(({ summary }) => summary?.comparisons[index]?.base)
      .find((base) => base !== undefined);
    return against === "peers" && base
      ? [`Best peer in ${measureName(measure, row)}: ${base}`]
      : [];
  });
}

function doubts({ summary }: Result): string[] {
  return (summary?.loadCores ?? 0) >= LOAD_LIMIT
    ? ["the load generator was at its limit, the server may do more"]
    : [];
}

/** The first line, or the last one where that says what it is about. */
function oneLine(text: string): string {
  const lines = text.split("\n");
  const isPython = lines[0]!.endsWith("Traceback (most recent call last):");
  return lines.at(isPython ? -1 : 0)!;
}

/** Three significant digits, thousands apart. */
function rate(perSecond: number): string {
  return perSecond.toLocaleString("en", { maximumSignificantDigits: 3 });
}

function ratio(spread: Spread | null): string {
  if (!spread) return "";
  const [median, min, max] = [spread.median, spread.min, spread.max]
    .map((value) =>
      value >= 0.1 ? value.toFixed(2) : `${Number(value.toPrecision(2))}`
    );
  return `${median} (${min} - ${max})`;
}

/** What is wanted of a ratio, and whether it is so. */
function verdict(comparison: Comparison | null): string {
  if (!comparison || comparison.wanted === null) return "";
  const { wanted, atLeast, met } = comparison;
  return `${atLeast ? "≥" : "≤"} ${wanted}: ${met ? "yes" : "no"}`;
}

function milliseconds(value: number): string {
  return value < 0.1 ? value.toFixed(4) : value.toFixed(2);
}

function mebibytes(bytes: number | null): string {
  return bytes === null ? "" : Math.round(bytes / 2 ** 20).toLocaleString("en");
}

function cores(value: number | null): string {
  return value === null ? "" : value.toFixed(2);
}

function markdownTable([headings, ...rows]: string[][]): string {
  const line = (cells: string[]) => `| ${cells.join(" | ")} |`;
  const rule = headings!.map((_, column) => column === 0 ? "---" : "---:");
  return [headings!, rule, ...rows].map(line).join("\n");
}

function plainTable(rows: string[][]): string {
  const widths = rows[0]!.map((_, column) =>
    Math.max(...rows.map((cells) => cells[column]!.length))
  );
  const line = (cells: string[]) =>
    cells.map((cell, column) =>
      column === 0
        ? cell.padEnd(widths[column]!)
        : cell.padStart(widths[column]!)
    ).join("  ").trimEnd();
  return rows.map(line).join("\n");
}
