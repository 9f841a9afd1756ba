import { assertEquals } from "@std/assert";
import { type Claim, claims, claimsMet } from "./claims.ts";
import { contestants } from "./contestants.ts";
import { DEFAULTS } from "./load/defaults.mjs";
import { rows } from "./load/rows.mjs";
import type { Entry } from "./measure.ts";
import { reportRow, type RowReport } from "./report.ts";
import { entryOf, measurementOf } from "./testing.ts";

const timing = { rounds: 1, seconds: 2, warmup: 0.5, pause: 0 };

function rowOf(name: string, ...entries: Entry[]): RowReport {
  const row = { ...DEFAULTS, name, about: "Tabs", connections: 1 };
  return reportRow({ row, timing, entries });
}

/** One who opened in so many seconds and repainted in so many milliseconds. */
function entry(
  role: "pool" | "node",
  openSeconds: number,
  repaint: number,
): Entry {
  const scene = { openSeconds, openBytes: 1, peakBytes: 1, frames: [] };
  const rounds = [measurementOf({ scene, latencies: [repaint] })];
  return { ...entryOf(role, 3), rounds };
}

const opening: Claim = {
  figure: { measure: "open", row: "many", contestant: "pool-3" },
  of: { measure: "open", row: "few", contestant: "node-3" },
  atMost: 0.5,
};

const repainting: Claim = {
  figure: { measure: "repaint", row: "many", contestant: "pool-3" },
  atMost: 40,
};

Deno.test("claimsMet() compares across rows", () => {
  const said = (seconds: number) =>
    claimsMet([
      rowOf("few", entry("node", 4, 100)),
      rowOf("many", entry("pool", seconds, 30)),
    ], [opening]);
  assertEquals(said(1), [
    "opening in many, pool-3: 1.00 s, 0.250 times the 4.00 s of node-3 in " +
    "few, wanted ≤ 0.5: yes",
  ]);
  assertEquals(said(3)[0]!.endsWith("wanted ≤ 0.5: no"), true);
});

Deno.test("claimsMet() takes a figure by itself", () => {
  const said = (repaint: number) =>
    claimsMet([rowOf("many", entry("pool", 1, repaint))], [repainting])[0]!;
  assertEquals(said(30).endsWith(" ms, wanted ≤ 40 ms: yes"), true);
  assertEquals(said(50).endsWith(" ms, wanted ≤ 40 ms: no"), true);
});

Deno.test("claimsMet() is silent about what wasn't measured", () => {
  const row = rowOf("many", entry("pool", 1, 30));
  assertEquals(claimsMet([row], [opening]), []);
  assertEquals(claimsMet([], [repainting]), []);
});

Deno.test("claimsMet() says who failed", () => {
  const broken = { ...entryOf("node", 3), rounds: [null] };
  assertEquals(
    claimsMet([
      rowOf("few", broken),
      rowOf("many", entry("pool", 1, 30)),
    ], [opening]),
    ["opening in many, pool-3: no figure, node-3 failed in few"],
  );
});

Deno.test("claims are about rows and contestants that there are", () => {
  const names = rows.map(({ name }) => name);
  const who = contestants.map(({ name }) => name);
  for (const { figure, of } of claims) {
    for (const { row, contestant } of of ? [figure, of] : [figure]) {
      assertEquals([names.includes(row), who.includes(contestant)], [
        true,
        true,
      ]);
    }
  }
});
