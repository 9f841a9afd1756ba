/** What a run's results look like. */
import type { Report, Result, Summary } from "./report.ts";
import { draw, type Panel, type Series, type Style } from "./svg.ts";

/** The rows of a report: all that a picture needs. */
export type Results = Pick<Report, "rows">;

/** A picture and what to call its file. */
export interface Plot {
  readonly file: string;
  readonly svg: string;
}

/** A row of a family, such as `tabs_16`. */
interface Member {
  /** The number in its name. */
  readonly count: number;
  readonly results: readonly Result[];
}

const MEBIBYTE = 2 ** 20;

/** Colours by the beginning of a contestant's name. */
const COLOURS: readonly (readonly [prefix: string, colour: string])[] = [
  ["echo", "#8b949e"],
  ["pool", "#2f81f7"],
  ["handler", "#1f9e9e"],
  ["node", "#e0752d"],
  ["tornado", "#b05cd6"],
];

/** Of those that answer with more threads than one, in Python. */
const THREADS_COLOUR = "#d64f8a";

/** What the families of rows that go in rounds are called in their picture. */
const ROUNDS = {
  dashboard: "One dashboard: an update, and each viewer reads it",
  viewer: "One dashboard, each viewer a <perspective-viewer>",
};

/** Pictures of the rows that were measured; none of the others. */
export function plots(results: Results): Plot[] {
  const pictures = [
    ["dashboard.svg", roundsPlot(results, "dashboard")],
    ["viewer.svg", roundsPlot(results, "viewer")],
    ["tabs.svg", tabsPlot(results)],
  ] as const;
  return pictures.flatMap(([file, svg]) => svg === null ? [] : [{ file, svg }]);
}

/**
 * How many rounds there are in a second with more and more viewers; the echo,
 * with the same bytes, is the limit. `null` without such rows.
 *
 * @param family what their names begin with
 */
export function roundsPlot(
  results: Results,
  family: keyof typeof ROUNDS,
): string | null {
  const members = membersOf(results, family);
  if (members.length === 0) return null;
  return draw({
    title: ROUNDS[family],
    panels: [
      panelOf(
        members,
        "viewers",
        "rounds/s",
        ({ perSecond }) => perSecond.median,
      ),
    ],
  });
}

/**
 * What more and more tabs of a large table take: time to open, time to
 * repaint, and memory. `null` without such rows.
 */
export function tabsPlot(results: Results): string | null {
  const members = membersOf(results, "tabs");
  if (members.length === 0) return null;
  const panels = [
    panelOf(
      members,
      "tabs",
      "s to open all",
      ({ openSeconds }) => openSeconds?.median ?? null,
    ),
    panelOf(members, "tabs", "ms to repaint all", ({ p50 }) => p50),
    panelOf(
      members,
      "tabs",
      "MiB of the server at most",
      ({ peakBytes }) => peakBytes === null ? null : peakBytes / MEBIBYTE,
    ),
  ];
  return draw({ title: "tabs: a million rows in each of them", panels });
}

function membersOf({ rows }: Results, family: string): Member[] {
  return rows.flatMap(({ name, results }) => {
    const count = Number(new RegExp(`^${family}_(\\d+)$`).exec(name)?.[1] ?? 0);
    return count > 0 ? [{ count, results }] : [];
  }).sort((a, b) => a.count - b.count);
}

function panelOf(
  members: readonly Member[],
  xLabel: string,
  yLabel: string,
  valueOf: (summary: Summary) => number | null,
): Panel {
  const all = members.flatMap(({ results }) => results);
  const titles = new Map(all.map(({ name, title }) => [name, title]));
  const series = [...titles].map(([name, title]): Series => {
    const measured = members.map(({ count, results }) => ({
      count,
      result: results.find((result) => result.name === name),
    }));
    return {
      title,
      style: styleOf(name),
      points: measured.flatMap(({ count, result }) => {
        const value = result?.summary ? valueOf(result.summary) : null;
        return value !== null && value > 0 ? [{ x: count, y: value }] : [];
      }),
      failed: measured.flatMap(({ count, result }) =>
        result && !result.summary && result.problems.length > 0 ? [count] : []
      ),
    };
  });
  return {
    xLabel,
    yLabel,
    series: series.filter(({ points, failed }) =>
      points.length + failed.length > 0
    ),
  };
}

/** The two lines of the engine differ in the stroke. */
function styleOf(name: string): Style {
  const colour = name.endsWith("-threads")
    ? THREADS_COLOUR
    : COLOURS.find(([prefix]) => name.startsWith(prefix))?.[1];
  return { colour: colour ?? "#8b949e", dashed: name.includes("-3.") };
}
