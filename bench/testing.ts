/** Results for tests. */
import type { Contestant, Line, Role } from "./contestants.ts";
import { histogramOf } from "./load/histogram.mjs";
import type { Measurement } from "./load/types.ts";
import type { Entry } from "./measure.ts";

/** A contestant called after its role and line. */
export function contestantOf(role: Role, line: Line | null): Contestant {
  const name = line ? `${role}-${line}` : role;
  const program = { kind: "server", command: () => [] } as const;
  return { name, title: `The ${name}`, role, line, program };
}

/** What a test says of a round. */
export interface Said extends Partial<Measurement> {
  /** The only ones there were, in milliseconds, ascending. */
  readonly latencies?: readonly number[];
}

/** A round of a contestant. */
export function measurementOf(
  { latencies = [0.25, 1.5], ...said }: Said = {},
): Measurement {
  const perSecond = said.perSecond ?? 100;
  return {
    requests: perSecond * 2,
    seconds: 2,
    perSecond,
    besidePerSecond: 0,
    pushesPerSecond: 0,
    latency: {
      p50: latencies[0]!,
      p99: latencies.at(-1)!,
      max: latencies.at(-1)!,
    },
    histogram: histogramOf(latencies),
    requestBytes: 22,
    answerBytes: 25,
    checked: 10,
    serverCores: 0.9,
    loadCores: 0.5,
    scene: null,
    ...said,
  };
}

/** A contestant and its rounds. */
export function entryOf(
  role: Role,
  line: Line | null,
  ...rates: number[]
): Entry {
  return {
    contestant: contestantOf(role, line),
    rounds: rates.map((perSecond) => measurementOf({ perSecond })),
    missing: null,
    problems: [],
  };
}
