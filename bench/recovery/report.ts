/** What was measured, as text. */
import { spread } from "../stats.ts";
import type { Bystanders, Cause, Death, Round } from "./types.ts";

/** Servers of one engine. */
export interface Measured {
  readonly title: string;
  readonly rounds: readonly Round[];
  readonly nodes: readonly NodeEnd[];
}

/** What became of Perspective's server for Node. */
export interface NodeEnd extends Bystanders {
  readonly title: string;
  /** What the fatal frame is, for people. */
  readonly frame: string;
  /** How the process ended; `null` if it goes on. */
  readonly ended: string | null;
}

/** What the rows are called, in their order. */
const CAUSES: Readonly<Record<Cause, string>> = {
  nothing: "nothing",
  other: "another one is killed",
  primary: "the primary is killed",
  update: "a fatal update",
  view: "a fatal view",
};

/** The columns, and what they are made of. */
const COLUMNS: readonly [string, (death: Death) => number | null][] = [
  ["lost", ({ lost }) => lost],
  ["new engine", ({ startedMs }) => startedMs],
  ["read again", ({ readMs }) => readMs],
  ["all up", ({ fullMs }) => fullMs],
  ["light", ({ longest }) => longest.light],
  ["writer", ({ longest }) => longest.writer],
  ["other readers", ({ longest }) => longest.otherReaders],
  ["its reader", ({ longest }) => longest.reader],
  ["its subscriber", ({ longest }) => longest.subscriber],
];

/** Writes all of one engine as text. */
export function formatMeasured(
  { title, rounds, nodes }: Measured,
  markdown: boolean,
): string {
  const deaths = rounds.flatMap((round) => round.deaths);
  const rows = (Object.keys(CAUSES) as Cause[]).map((cause) => {
    const some = deaths.filter((death) => death.cause === cause);
    return [CAUSES[cause], ...COLUMNS.map(([, of]) => cell(some.map(of)))];
  });
  const head = ["ms", ...COLUMNS.map(([name]) => name)];
  const prefix = markdown ? "- " : "";
  return [
    markdown ? `### ${title}` : title,
    "",
    (markdown ? markdownTable : plainTable)([head, ...rows]),
    "",
    ...[asked(rounds), ...problemsOf(rounds), ...nodes.map(formatNode)]
      .map((line) => `${prefix}${line}`),
  ].join("\n");
}

/** How many requests there were, and whether each was answered. */
function asked(rounds: readonly Round[]): string {
  const sum = (what: string) =>
    rounds.flatMap(({ counts }) => Object.entries(counts))
      .filter(([name]) => name.endsWith(what))
      .reduce((total, [, count]) => total + count, 0)
      .toLocaleString("en");
  return `${sum(", asked")} requests, ${sum(", answered")} answers, ` +
    `${sum(", told")} pushes`;
}

/** What should not have been, each once. */
function problemsOf(rounds: readonly Round[]): string[] {
  const problems = rounds.flatMap(({ problems }, round) =>
    problems.map((text) => `round ${round + 1}: ${text}`)
  );
  return problems.length === 0
    ? ["No client got an error or was disconnected, and all views are the same"]
    : problems;
}

function formatNode(
  { title, frame, requestBytes, ended, closed, sockets, closedMs }: NodeEnd,
): string {
  const what = `${title}, ${frame} of ${
    requestBytes.toLocaleString("en")
  } bytes: `;
  if (ended === null) return `${what}goes on, ${closed} sockets closed`;
  return `${what}the process ends, ${closed} of ${sockets} sockets are ` +
    `closed after ${Math.round(closedMs ?? NaN)} ms. ${ended}`;
}

/** Median, and the extremes where there are several. */
function cell(values: readonly (number | null)[]): string {
  const of = spread(values.filter((it) => it !== null));
  if (of === null) return "";
  const [median, min, max] = [of.median, of.min, of.max].map(rounded);
  return min === max ? median! : `${median} (${min} - ${max})`;
}

function rounded(value: number): string {
  return value < 10 && !Number.isInteger(value)
    ? value.toFixed(1)
    : Math.round(value).toLocaleString("en");
}

function markdownTable([head, ...rows]: string[][]): string {
  const line = (cells: string[]) => `| ${cells.join(" | ")} |`;
  const rule = head!.map((_, column) => column === 0 ? "---" : "---:");
  return [head!, rule, ...rows].map(line).join("\n");
}

function plainTable(rows: string[][]): string {
  const widths = rows[0]!.map((_, column) =>
    Math.max(...rows.map((cells) => cells[column]!.length))
  );
  return rows.map((cells) =>
    cells.map((cell, column) =>
      column === 0
        ? cell.padEnd(widths[column]!)
        : cell.padStart(widths[column]!)
    ).join("  ").trimEnd()
  ).join("\n");
}
