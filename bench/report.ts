/** The results as a table and as JSON. */
import type { Contestant, Role } from "./contestants.ts";
import type { Measurement } from "./load/types.ts";
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
  readonly timing: Timing;
  /** What the order of the contestants follows from. */
  readonly seed: number;
  readonly rows: readonly RowReport[];
}

/** One row of it. */
export interface RowReport {
  readonly name: string;
  readonly about: string;
  readonly results: readonly Result[];
}

/** One contestant of a row. */
export interface Result {
  readonly name: string;
  readonly title: string;
  /** Whether there is no program for it. */
  readonly missing: boolean;
  readonly summary: Summary | null;
  readonly rounds: readonly (Measurement | null)[];
  readonly problems: readonly string[];
}

/** A contestant's rounds in short. Ratios are made round by round. */
export interface Summary {
  readonly perSecond: Spread;
  /** Medians of the rounds' latencies, in milliseconds. */
  readonly p50: number;
  readonly p99: number;
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
}

/** Sums a row up. */
export function reportRow({ row, entries }: RowResult): RowReport {
  const results = entries.map((entry): Result => ({
    name: entry.contestant.name,
    title: entry.contestant.title,
    missing: entry.contestant.program.kind === "missing",
    summary: summarize(entry, entries),
    rounds: entry.rounds,
    problems: entry.problems,
  }));
  return { name: row.name, about: row.about, results };
}

/**
 * Says whether a contestant who should be there is missing or went wrong. One
 * without a program is no failure.
 */
export function failed({ results }: RowReport): boolean {
  return results.some(({ missing, problems }) =>
    !missing && problems.length > 0
  );
}

function summarize(entry: Entry, all: readonly Entry[]): Summary | null {
  const perSecond = spread(numbers(rates(entry)));
  if (!perSecond) return null;
  const { contestant } = entry;
  const of = (role: Role) => rates(find(all, role, contestant));
  const against = (base: readonly (number | null)[]) =>
    pairedRatios(rates(entry), base);
  const isServer = contestant.role !== "echo" && contestant.role !== "bare";
  return {
    perSecond,
    p50: medianOf(entry, ({ latency }) => latency.p50) ?? 0,
    p99: medianOf(entry, ({ latency }) => latency.p99) ?? 0,
    requestBytes: medianOf(entry, ({ requestBytes }) => requestBytes) ?? 0,
    answerBytes: medianOf(entry, ({ answerBytes }) => answerBytes) ?? 0,
    serverCores: medianOf(entry, ({ serverCores }) => serverCores),
    loadCores: medianOf(entry, ({ loadCores }) => loadCores),
    ofEcho: isServer ? against(of("echo")) : null,
    ofLimit: isServer ? against(inSeries(of("echo"), of("bare"))) : null,
    ofNode: isServer && contestant.role !== "node" ? against(of("node")) : null,
  };
}

/** The one of that role, of the same line of the engine if it has one. */
function find(
  entries: readonly Entry[],
  role: Role,
  { line }: Contestant,
): Entry | undefined {
  return entries.find(({ contestant }) =>
    contestant.role === role &&
    (contestant.line === null || contestant.line === line)
  );
}

function rates(entry: Entry | undefined): (number | null)[] {
  return entry?.rounds.map((round) => round?.perSecond ?? null) ?? [];
}

function medianOf(
  { rounds }: Entry,
  value: (measurement: Measurement) => number | null,
): number | null {
  const values = rounds.map((round) => round && value(round));
  return spread(numbers(values))?.median ?? null;
}

function numbers(values: readonly (number | null)[]): number[] {
  return values.filter((value) => value !== null);
}

/** From how many busy cores on the load generator is what is measured. */
const LOAD_LIMIT = 0.9;

const HEADINGS = [
  "",
  "requests/s",
  "min - max",
  "of echo",
  "of the limit",
  "of Node",
  "p50 ms",
  "p99 ms",
  "server cores",
  "load cores",
];

/** Writes a report as text, its tables for people or for Markdown. */
export function formatReport(report: Report, markdown: boolean): string {
  const table = markdown ? markdownTable : plainTable;
  const sections = report.rows.map((row) =>
    [
      markdown ? `### ${row.name}` : row.name,
      "",
      `${row.about}. ${sizes(row)}`,
      "",
      table([HEADINGS, ...row.results.flatMap(cells)]),
      ...remarks(row, markdown),
    ].join("\n")
  );
  return `${[circumstances(report), ...sections].join("\n\n")}\n`;
}

function circumstances({ date, machine, timing }: Report): string {
  return `${date.slice(0, 10)}, ${machine.cores} cores of ${machine.cpu}, ` +
    `${machine.memoryGiB} GiB, ${machine.os}, Deno ${machine.deno}, ` +
    `Node ${machine.node}. Medians of ${timing.rounds} rounds of ` +
    `${timing.seconds} s; load average before: ${machine.load}.`;
}

/** How long the frames are that went to and fro. */
function sizes({ results }: RowReport): string {
  const summary = results.map(({ summary }) => summary)
    .findLast((summary) => summary !== null);
  if (!summary) return "Nothing was measured.";
  const { requestBytes, answerBytes } = summary;
  return `A request has ${Math.round(requestBytes)} bytes, ` +
    `an answer ${Math.round(answerBytes)}.`;
}

function cells({ title, summary }: Result): string[][] {
  if (!summary) return [];
  const { perSecond: { median, min, max } } = summary;
  return [[
    title,
    rate(median),
    `${rate(min)} - ${rate(max)}`,
    ratio(summary.ofEcho),
    ratio(summary.ofLimit),
    ratio(summary.ofNode),
    milliseconds(summary.p50),
    milliseconds(summary.p99),
    cores(summary.serverCores),
    cores(summary.loadCores),
  ]];
}

/** Who is missing or failed, and whose figure is too low. */
function remarks({ results }: RowReport, markdown: boolean): string[] {
  const lines = results.flatMap((result) => {
    const prefix = result.summary ? "" : "not measured, ";
    const problems = result.problems.map((text) => prefix + firstLine(text));
    return [...doubts(result), ...problems]
      .map((remark) => `${markdown ? "- " : ""}${result.title}: ${remark}`);
  });
  return lines.length > 0 ? ["", ...lines] : [];
}

function doubts({ summary }: Result): string[] {
  return (summary?.loadCores ?? 0) >= LOAD_LIMIT
    ? ["the load generator was at its limit, the server may do more"]
    : [];
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0]!;
}

/** Three significant digits, thousands apart. */
function rate(perSecond: number): string {
  return perSecond.toLocaleString("en", { maximumSignificantDigits: 3 });
}

function ratio(spread: Spread | null): string {
  if (!spread) return "";
  const [median, min, max] = [spread.median, spread.min, spread.max]
    .map((value) => value.toFixed(2));
  return `${median} (${min} - ${max})`;
}

function milliseconds(value: number): string {
  return value < 0.1 ? value.toFixed(4) : value.toFixed(2);
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
