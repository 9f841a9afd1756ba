/** A contestant's figures, and how they relate to those of others. */
import type { Line, Role } from "./contestants.ts";
import { pooledQuantile } from "./load/histogram.mjs";
import type { Goal, Measure, Measurement } from "./load/types.ts";
import type { Entry } from "./measure.ts";
import { pairedRatios, type Spread, spread } from "./stats.ts";

/** Perspective's own servers. */
const PEERS: readonly Role[] = ["node", "python"];

/** How a figure relates to that of another contestant. */
export interface Comparison {
  /** The title of the one it is compared with. */
  readonly base: string;
  /** The extremes are those of the rounds. */
  readonly ratio: Spread;
  /** What is wanted of it; `null` if nothing is, or not of this one. */
  readonly wanted: number | null;
  /** Whether that is to be exceeded, not to be fallen short of. */
  readonly atLeast: boolean;
  readonly met: boolean | null;
}

/** Compares a contestant with the goal's base; `null` if there is none. */
export function compare(
  goal: Goal,
  entry: Entry,
  all: readonly Entry[],
): Comparison | null {
  const { measure, against } = goal;
  const base = against === "peers"
    ? bestPeer(measure, all)
    : baseOf(against, entry, all);
  const ratio = base && ratioOf(measure, entry, base);
  if (!ratio) return null;
  const wanted = wantedOf(goal, entry);
  const atLeast = moreIsBetter(measure);
  const met = wanted === null
    ? null
    : atLeast
    ? ratio.median >= wanted
    : ratio.median <= wanted;
  return { base: base.contestant.title, ratio, wanted, atLeast, met };
}

/** The one of that role, of the same line of the engine if it has one. */
export function baseOf(
  role: Role,
  { contestant: { line } }: Entry,
  all: readonly Entry[],
): Entry | undefined {
  return all.find(({ contestant }) =>
    contestant.role === role &&
    (contestant.line === null || contestant.line === line)
  );
}

/** The one of Perspective's own servers with the best figure. */
export function bestPeer(
  measure: Measure,
  all: readonly Entry[],
): Entry | undefined {
  const sign = moreIsBetter(measure) ? 1 : -1;
  const worth = (entry: Entry) => sign * (figure(entry, measure) ?? 0);
  return all
    .filter(({ contestant: { role } }) => PEERS.includes(role))
    .filter((entry) => figure(entry, measure) !== null)
    .toSorted((a, b) => worth(b) - worth(a))[0];
}

/** What a contestant achieved; `null` if nothing was measured. */
export function figure(entry: Entry, measure: Measure): number | null {
  if (measure === "p50" || measure === "p99") {
    const histograms = entry.rounds.flatMap((round) =>
      round ? [round.histogram] : []
    );
    return pooledQuantile(histograms, measure === "p50" ? 0.5 : 0.99);
  }
  return spread(numbers(series(entry, measure)))?.median ?? null;
}

/** The same, round by round. */
export function series(
  entry: Entry | undefined,
  measure: Measure,
): (number | null)[] {
  return entry?.rounds.map((round) => round && valueOf(round, measure)) ?? [];
}

/** Those that were measured. */
export function numbers(values: readonly (number | null)[]): number[] {
  return values.filter((value) => value !== null);
}

function valueOf(round: Measurement, measure: Measure): number {
  if (measure === "rate") return round.perSecond;
  return measure === "beside" ? round.besidePerSecond : round.latency[measure];
}

/** Rates are related round by round, latencies those of all rounds. */
function ratioOf(measure: Measure, entry: Entry, base: Entry): Spread | null {
  const paired = pairedRatios(series(entry, measure), series(base, measure));
  if (measure === "rate" || measure === "beside") return paired;
  const [value, other] = [figure(entry, measure), figure(base, measure)];
  if (!paired || value === null || other === null) return null;
  return { ...paired, median: value / other };
}

/** Goals are those of the pool. */
function wantedOf(
  { wanted }: Goal,
  { contestant: { role, line } }: Entry,
): number | null {
  if (role !== "pool" || line === null) return null;
  return wanted?.[line satisfies Line] ?? null;
}

function moreIsBetter(measure: Measure): boolean {
  return measure === "rate" || measure === "beside";
}
