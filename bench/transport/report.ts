/** The table of a load. */
import { spread } from "../stats.ts";
import type { Load, Sample } from "./loads.ts";

/** All samples of a way under a load; the bare echo is a way, too. */
export interface Measured {
  readonly way: string;
  readonly samples: Sample[];
}

/** What the ratios are ratios to. */
const BASE = "packed";

/** The table as text. */
export function formatLoad(load: Load, measured: readonly Measured[]): string {
  const base = measured.find(({ way }) => way === BASE);
  const baseRate = base && of(base, "rate").median;
  const rows = measured.map((one) => {
    const rate = of(one, "rate");
    const row = [
      one.way,
      rate.median.toFixed(0),
      `${rate.min.toFixed(0)} - ${rate.max.toFixed(0)}`,
      baseRate === undefined ? "" : (rate.median / baseRate).toFixed(2),
      of(one, "cpu").median.toFixed(1),
      of(one, "main").median.toFixed(1),
    ];
    if (load.sockets) {
      row.push(of(one, "p50").median.toFixed(2));
      row.push(of(one, "p99").median.toFixed(2));
    }
    return row;
  });
  const head = [load.name, "trips/s", "min - max", `of ${BASE}`];
  head.push("CPU us", "main us");
  if (load.sockets) head.push("p50 ms", "p99 ms");
  return `${load.what}\n${align([head, ...rows])}`;
}

function of({ samples }: Measured, key: keyof Sample) {
  return spread(samples.map((sample) => sample[key] ?? NaN))!;
}

function align(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) =>
    Math.max(...rows.map((row) => row[column]!.length))
  );
  return rows.map((row) =>
    row.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)
    ).join("  ")
  ).join("\n");
}
