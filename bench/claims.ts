/** What is wanted of the pool across rows, or of a figure as such. */
import type { RowReport, Summary } from "./report.ts";

/** A figure of a contestant in a row. */
export interface Figure {
  readonly measure: "open" | "repaint";
  readonly row: string;
  readonly contestant: string;
}

/** A figure that is to be small. */
export interface Claim {
  readonly figure: Figure;
  /** As a share of that one; if absent, in the figure's own unit. */
  readonly of?: Figure;
  readonly atMost: number;
}

/** How the figures are called and read. */
const MEASURES = {
  open: {
    title: "opening",
    unit: "s",
    valueOf: ({ openSeconds }: Summary) => openSeconds?.median ?? null,
  },
  repaint: {
    title: "a repaint",
    unit: "ms",
    valueOf: ({ p50 }: Summary) => p50,
  },
} as const;

/** Each of them is about the pool. */
export const claims: readonly Claim[] = [
  {
    figure: open("tabs_100", "pool-3.8.0"),
    of: open("tabs_4", "node-3.8.0"),
    atMost: 0.5,
  },
  {
    figure: open("tabs_100", "pool-5.5.1"),
    of: open("tabs_16", "node-5.5.1"),
    atMost: 0.5,
  },
  {
    figure: repaint("tabs_100", "pool-3.8.0"),
    of: repaint("tabs_4", "node-3.8.0"),
    atMost: 0.5,
  },
  { figure: repaint("tabs_100", "pool-5.5.1"), atMost: 40 },
];

/**
 * What became of those whose rows and contestants were measured, a line for
 * each.
 */
export function claimsMet(
  rows: readonly RowReport[],
  all: readonly Claim[] = claims,
): string[] {
  return all.flatMap((claim) => {
    const line = met(claim, rows);
    return line === undefined ? [] : [line];
  });
}

function met(
  { figure, of, atMost }: Claim,
  rows: readonly RowReport[],
): string | undefined {
  const value = valueOf(figure, rows);
  const base = of && valueOf(of, rows);
  if (value === undefined || of && base === undefined) return undefined;
  const { title } = MEASURES[figure.measure];
  const what = `${title} in ${figure.row}, ${figure.contestant}`;
  const missing = value === null ? figure : base === null ? of : undefined;
  if (missing) {
    return `${what}: no figure, ${missing.contestant} failed in ${missing.row}`;
  }
  const limit = of ? atMost * base! : atMost;
  const compared = of
    ? `${(value! / base!).toFixed(3)} times the ${text(base!, of)} of ` +
      `${of.contestant} in ${of.row}`
    : "";
  const answer = value! <= limit ? "yes" : "no";
  return [
    `${what}: ${text(value!, figure)}`,
    ...compared ? [compared] : [],
    `wanted ≤ ${of ? atMost : `${atMost} ${unitOf(figure)}`}: ${answer}`,
  ].join(", ");
}

/** `undefined` if it wasn't to be measured, `null` if it failed. */
function valueOf(
  { measure, row, contestant }: Figure,
  rows: readonly RowReport[],
): number | null | undefined {
  const result = rows.find(({ name }) => name === row)?.results
    .find(({ name }) => name === contestant);
  if (!result) return undefined;
  return result.summary && MEASURES[measure].valueOf(result.summary);
}

function text(value: number, figure: Figure): string {
  return `${value.toFixed(2)} ${unitOf(figure)}`;
}

function unitOf({ measure }: Figure): string {
  return MEASURES[measure].unit;
}

function open(row: string, contestant: string): Figure {
  return { measure: "open", row, contestant };
}

function repaint(row: string, contestant: string): Figure {
  return { measure: "repaint", row, contestant };
}
