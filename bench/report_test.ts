import { assertEquals, assertStringIncludes } from "@std/assert";
import { contestants, type Role } from "./contestants.ts";
import { DEFAULTS } from "./load/defaults.mjs";
import type { Goal, RowInfo } from "./load/types.ts";
import type { Entry } from "./measure.ts";
import { failed, formatReport, type Report, reportRow } from "./report.ts";
import { entryOf as entry, measurementOf } from "./testing.ts";

/** One that claims are about. */
const POOL = contestants.find(({ name }) => name === "pool-5.5.1")!;

function report(...entries: Entry[]): Report {
  return reportOn({}, ...entries);
}

function reportOn(some: Partial<RowInfo>, ...entries: Entry[]): Report {
  const about = "Small requests";
  const row = { ...DEFAULTS, name: "small", about, connections: 8, ...some };
  const timing = { rounds: 2, seconds: 2, warmup: 0.5, pause: 0 };
  return {
    date: "2026-01-02T03:04:05.678Z",
    command: "deno run -A bench/run.ts",
    machine: {
      os: "linux 6 x86_64",
      cpu: "A Processor",
      cores: 2,
      memoryGiB: 8,
      load: 0.1,
      deno: "2.9.6",
      v8: "15",
      node: "20.20.2",
      python: null,
    },
    packages: {},
    rounds: 2,
    seed: 1,
    rows: [reportRow({ row, timing, entries })],
  };
}

function summaryOf(report: Report, name: string) {
  return report.rows[0]!.results.find((result) => result.name === name)
    ?.summary;
}

Deno.test("reportRow() compares with the echo and the server of the same line", () => {
  const made = report(
    entry("echo", null, 1000, 1000),
    entry("bare", 3, 1000, 1000),
    entry("bare", 5, 250, 250),
    entry("handler", 3, 400, 500),
    entry("handler", 5, 100, 200),
    entry("node", 3, 200, 200),
    entry("node", 5, 100, 100),
  );
  const third = summaryOf(made, "handler-3");
  assertEquals(third?.perSecond, { median: 450, min: 400, max: 500 });
  assertEquals(third?.ofEcho, { median: 0.45, min: 0.4, max: 0.5 });
  assertEquals(third?.ofLimit, { median: 0.9, min: 0.8, max: 1 });
  assertEquals(third?.ofNode, { median: 2.25, min: 2, max: 2.5 });
  const fifth = summaryOf(made, "handler-5");
  assertEquals(fifth?.ofLimit, { median: 0.75, min: 0.5, max: 1 });
  assertEquals(fifth?.ofNode, { median: 1.5, min: 1, max: 2 });
});

Deno.test("reportRow() gives the limits and Node's server no ratio to themselves", () => {
  const made = report(
    entry("echo", null, 1000),
    entry("bare", 3, 1000),
    entry("node", 3, 200),
  );
  assertEquals(summaryOf(made, "echo")?.ofEcho, null);
  assertEquals(summaryOf(made, "bare-3")?.ofEcho, null);
  assertEquals(summaryOf(made, "node-3")?.ofNode, null);
  assertEquals(summaryOf(made, "node-3")?.ofEcho?.median, 0.2);
});

Deno.test("reportRow() leaves out ratios to those who are missing", () => {
  const made = report(entry("handler", 3, 400));
  const summary = summaryOf(made, "handler-3");
  assertEquals(summary?.ofEcho, null);
  assertEquals(summary?.ofLimit, null);
  assertEquals(summary?.ofNode, null);
});

Deno.test("reportRow() takes no account of a failed round", () => {
  const broken = entry("node", 3, 200, 300);
  broken.rounds.unshift(null);
  broken.problems.push("round 1 failed: gone");
  const made = report(entry("handler", 3, 1, 400, 300), broken);
  assertEquals(summaryOf(made, "node-3")?.perSecond.min, 200);
  assertEquals(summaryOf(made, "handler-3")?.ofNode?.median, 1.5);
  assertEquals(failed(made.rows[0]!), true);
});

Deno.test("failed() forgives a contestant that can't run here", () => {
  const missing: Entry = { ...entry("python", 3), missing: "no Python" };
  const made = report(missing);
  assertEquals(failed(made.rows[0]!), false);
  assertStringIncludes(
    formatReport(made, true),
    "- The python-3: not measured, no Python\n",
  );
});

Deno.test("reportRow() keeps no histograms, and no frames", () => {
  const figures = { openSeconds: 1.5, openBytes: null, peakBytes: null };
  const rounds = [measurementOf({ scene: { ...figures, frames: ["CAE="] } })];
  const [row] = report({ ...entry("node", 3), rounds }).rows;
  const [round] = row!.results[0]!.rounds;
  assertEquals("histogram" in round!, false);
  assertEquals(round!.scene, figures);
});

Deno.test("formatReport() shows what is wanted beside what is", () => {
  const goals: Goal[] = [
    { measure: "p99", against: "peers", wanted: { 3: 0.5, 5: 0.5 } },
    { measure: "beside", against: "node", wanted: { 3: 0.7, 5: 0.7 } },
  ];
  const withRound = (role: Role, p99: number, besidePerSecond: number) => ({
    ...entry(role, 3),
    rounds: [measurementOf({ latencies: [p99], besidePerSecond })],
  });
  const text = formatReport(
    reportOn(
      { goals, unit: "reads", beside: "writes" },
      withRound("pool", 20, 6),
      withRound("node", 100, 10),
      withRound("python", 50, 9),
    ),
    true,
  );
  assertStringIncludes(
    text,
    "| reads/s | min - max | p50 ms | p99 ms | writes/s " +
      "| p99 of the best peer | wanted | writes/s of Node | wanted |",
  );
  assertStringIncludes(text, "| 0.40 (0.40 - 0.40) | ≤ 0.5: yes |");
  assertStringIncludes(text, "| 0.60 (0.60 - 0.60) | ≥ 0.7: no |");
  assertStringIncludes(text, "- Best peer in p99: The python-3");
});

Deno.test("formatReport() shows pushes where there are some", () => {
  const rounds = [measurementOf({ pushesPerSecond: 12 })];
  const listening = { ...entry("node", 3), rounds };
  const text = formatReport(reportOn({ pushes: true }, listening), true);
  assertStringIncludes(text, "| pushes/s |");
  assertEquals(formatReport(report(listening), true).includes("pushes"), false);
});

Deno.test("formatReport() shows how long it took to open, and the memory", () => {
  const scene = {
    openSeconds: 1.5,
    openBytes: 1_500 * 2 ** 20,
    peakBytes: 2 ** 31,
    frames: [],
  };
  const opening = { ...entry("node", 3), rounds: [measurementOf({ scene })] };
  const text = formatReport(report(opening), true);
  assertStringIncludes(text, "| open s | MiB open | MiB at most |");
  assertStringIncludes(text, "| 1.50 | 1,500 | 2,048 |");
  const without = formatReport(report(entry("node", 3, 200)), true);
  assertEquals(without.includes("MiB"), false);
});

Deno.test("formatReport() says what became of claims across rows", () => {
  const { rows, ...rest } = reportOn(
    { name: "tabs_100" },
    { ...entry("pool", 5, 100), contestant: POOL },
  );
  const text = formatReport({ ...rest, rows }, true);
  assertStringIncludes(text, "### Across rows\n\n- a repaint in tabs_100, ");
  assertEquals(formatReport(report(), true).includes("Across"), false);
});

Deno.test("formatReport() shows a ratio once", () => {
  const goals: Goal[] = [
    { measure: "rate", against: "node", wanted: { 3: 10, 5: 10 } },
  ];
  const all = [entry("pool", 3, 500), entry("node", 3, 100)];
  const text = formatReport(reportOn({ goals }, ...all), true);
  assertStringIncludes(text, "| requests/s of Node | wanted |");
  assertEquals(text.includes("| of Node |"), false);
});

Deno.test("formatReport() aligns the columns", () => {
  const text = formatReport(
    report(entry("echo", null, 106_234, 98_765), entry("node", 3, 12.34)),
    false,
  );
  const lines = text.split("\n");
  const [headings, echo, node] = lines.slice(lines.indexOf("small") + 4);
  assertEquals(
    headings,
    "            requests/s         min - max                      of echo" +
      "  p50 ms  p99 ms  server cores  load cores",
  );
  assertEquals(
    echo,
    "The echo       102,000  98,800 - 106,000                             " +
      "    0.25    1.50          0.90        0.50",
  );
  assertEquals(
    node,
    "The node-3        12.3       12.3 - 12.3  0.00012 (0.00012 - 0.00012)" +
      "    0.25    1.50          0.90        0.50",
  );
});

Deno.test("formatReport() writes Markdown", () => {
  const text = formatReport(report(entry("echo", null, 1000)), true);
  assertStringIncludes(
    text,
    "### small\n\nSmall requests. 22 bytes there and 25 back for each of the requests.",
  );
  assertStringIncludes(text, "\n| --- | ---: |");
  assertStringIncludes(text, "\n| The echo | 1,000 | 1,000 - 1,000 |");
});

Deno.test("formatReport() says when and where", () => {
  const text = formatReport(report(), false);
  assertStringIncludes(text, "2026-01-02, 2 cores of A Processor, 8 GiB");
  assertStringIncludes(text, "2 rounds; load average before: 0.1.");
  assertStringIncludes(text, "Nothing was measured.");
});

Deno.test("formatReport() names who is missing and what failed", () => {
  const silent: Entry = {
    ...entry("handler", 3),
    problems: ["did not start: no such module\nwith a stack"],
  };
  const text = formatReport(report(silent), true);
  assertStringIncludes(
    text,
    "- The handler-3: not measured, did not start: no such module\n",
  );
  assertEquals(text.includes("with a stack"), false);
});

Deno.test("formatReport() names what a Python program ended with", () => {
  const silent: Entry = {
    ...entry("python", 3),
    problems: [
      "did not start: Traceback (most recent call last):\n  line 1\nNo module",
    ],
  };
  assertStringIncludes(
    formatReport(report(silent), true),
    "- The python-3: not measured, No module",
  );
});

Deno.test("formatReport() doubts a figure that the load generator limits", () => {
  const limited: Entry = {
    ...entry("echo", null),
    rounds: [measurementOf({ perSecond: 1000, loadCores: 0.97 })],
  };
  assertStringIncludes(
    formatReport(report(limited), false),
    "The echo: the load generator was at its limit",
  );
});
