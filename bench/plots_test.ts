import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { DEFAULTS } from "./load/defaults.mjs";
import type { Entry } from "./measure.ts";
import { plots, type Results, roundsPlot, tabsPlot } from "./plots.ts";
import { reportRow } from "./report.ts";
import { contestantOf, entryOf, measurementOf } from "./testing.ts";

const timing = { rounds: 1, seconds: 2, warmup: 0.5, pause: 0 };

/** Rows and who took part in them. */
function resultsOf(rows: Record<string, Entry[]>): Results {
  return {
    rows: Object.entries(rows).map(([name, entries]) => {
      const row = { ...DEFAULTS, name, about: "A row", connections: 1 };
      return reportRow({ row, timing, entries });
    }),
  };
}

function took(
  role: "echo" | "pool" | "node",
  milliseconds: number,
  openSeconds = 1,
): Entry {
  const scene = {
    openSeconds,
    openBytes: 2 ** 20,
    peakBytes: 2 ** 30,
    frames: [],
  };
  const perSecond = 1_000 / milliseconds;
  const rounds = [
    measurementOf({ scene, perSecond, latencies: [milliseconds] }),
  ];
  return { ...entryOf(role, role === "echo" ? null : 3), rounds };
}

function failed(role: "node"): Entry {
  return {
    contestant: contestantOf(role, 3),
    rounds: [null],
    missing: null,
    problems: ["round 1 failed: std::bad_alloc"],
  };
}

/** How often something is in a text. */
function count(text: string, part: string): number {
  return text.split(part).length - 1;
}

Deno.test("roundsPlot() has a line for each contestant and a point for each row", () => {
  const svg = roundsPlot(
    resultsOf({
      dashboard_1: [took("echo", 1), took("pool", 4)],
      dashboard_100: [took("echo", 9), took("pool", 20)],
      viewer_1: [took("node", 3)],
    }),
    "dashboard",
  )!;
  // Four points, and one each in the legend.
  assertEquals(count(svg, "<circle"), 6);
  assertMatch(svg, /<title>The pool-3: 250 at 1</);
  assertStringIncludes(svg, ">viewers</text>");
  assertStringIncludes(svg, ">rounds/s</text>");
  assertStringIncludes(svg, ">100</text>");
  assertEquals(svg.includes("The node-3"), false);
  assertEquals(svg.includes("NaN"), false);
});

Deno.test("roundsPlot() is higher for what does more rounds", () => {
  const svg = roundsPlot(
    resultsOf({ dashboard_20: [took("pool", 4), took("node", 400)] }),
    "dashboard",
  )!;
  const [quick, slow] = [
    ...svg.matchAll(/cy="([\d.]+)" r="3.5" fill="[^"]+"><t/g),
  ]
    .map(([, y]) => Number(y));
  // What is higher has the smaller y.
  assertEquals(quick! < slow!, true);
});

Deno.test("tabsPlot() draws time to open, time to repaint and memory", () => {
  const svg = tabsPlot(
    resultsOf({ tabs_4: [took("pool", 4), took("node", 400, 30)] }),
  )!;
  for (const label of ["s to open all", "ms to repaint all", "MiB of the"]) {
    assertStringIncludes(svg, label);
  }
  assertStringIncludes(svg, "The node-3: 30 at 4");
  assertStringIncludes(svg, "The node-3: 1,020 at 4");
});

Deno.test("tabsPlot() marks where one failed", () => {
  const svg = tabsPlot(resultsOf({
    tabs_4: [took("pool", 4), took("node", 400)],
    tabs_16: [took("pool", 5), failed("node")],
  }))!;
  assertEquals(count(svg, `class="failed"`), 3);
  assertStringIncludes(svg, ">failed</text>");
  const without = tabsPlot(resultsOf({ tabs_4: [took("pool", 4)] }))!;
  assertEquals(without.includes(`class="failed"`), false);
});

Deno.test("a picture stands alone, is well formed and knows the dark", () => {
  const row = resultsOf({ dashboard_1: [took("pool", 4)] });
  const svg = roundsPlot(row, "dashboard")!;
  assertMatch(svg, /^<svg xmlns="http:\/\/www.w3.org\/2000\/svg" viewBox=/);
  assertStringIncludes(svg, "prefers-color-scheme: dark");
  for (const tag of ["svg", "g", "text", "title", "style"]) {
    assertEquals(
      [...svg.matchAll(new RegExp(`<${tag}[ >]`, "g"))].length,
      count(svg, `</${tag}>`),
    );
  }
});

Deno.test("a picture escapes what it is told", () => {
  const contestant = { ...contestantOf("pool", 3), title: "<a & b>" };
  const svg = roundsPlot(
    resultsOf({ dashboard_1: [{ ...took("pool", 4), contestant }] }),
    "dashboard",
  )!;
  assertStringIncludes(svg, "&lt;a &amp; b&gt;");
  assertEquals(svg.includes("<a &"), false);
});

Deno.test("plots() leaves out what wasn't measured", () => {
  const files = (rows: Record<string, Entry[]>) =>
    plots(resultsOf(rows)).map(({ file }) => file);
  assertEquals(files({ window: [took("pool", 4)] }), []);
  assertEquals(
    files({ tabs_1: [took("pool", 4)], dashboard_1: [took("pool", 4)] }),
    ["dashboard.svg", "tabs.svg"],
  );
  // Nobody was quick enough, or there at all.
  assertEquals(files({ viewer_1: [failed("node")] }), ["viewer.svg"]);
});
