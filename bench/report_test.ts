import { assertEquals, assertStringIncludes } from "@std/assert";
import type { Contestant, Line, Role } from "./contestants.ts";
import type { Measurement } from "./load/types.ts";
import type { Entry } from "./measure.ts";
import { failed, formatReport, type Report, reportRow } from "./report.ts";

function contestant(role: Role, line: Line | null): Contestant {
  const name = line ? `${role}-${line}` : role;
  const program = { kind: "server", command: () => [] } as const;
  return { name, title: `The ${name}`, role, line, program };
}

function measurement(perSecond: number, loadCores = 0.5): Measurement {
  return {
    requests: perSecond * 2,
    seconds: 2,
    perSecond,
    latency: { p50: 0.25, p99: 1.5, max: 3 },
    requestBytes: 22,
    answerBytes: 25,
    checked: 10,
    serverCores: 0.9,
    loadCores,
  };
}

function entry(role: Role, line: Line | null, ...rates: number[]): Entry {
  return {
    contestant: contestant(role, line),
    rounds: rates.map((rate) => measurement(rate)),
    problems: [],
  };
}

function report(...entries: Entry[]): Report {
  const row = {
    name: "small",
    about: "Small requests",
    connections: 8,
    echo: "request",
  } as const;
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
    },
    packages: {},
    timing: { rounds: 2, seconds: 2, warmup: 0.5 },
    seed: 1,
    rows: [reportRow({ row, entries })],
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

Deno.test("failed() forgives a contestant without a program", () => {
  const missing: Entry = {
    contestant: {
      ...contestant("python", 3),
      program: { kind: "missing", why: "not yet" },
    },
    rounds: [],
    problems: ["not yet"],
  };
  assertEquals(failed(report(missing).rows[0]!), false);
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
    "            requests/s         min - max             of echo" +
      "  of the limit  of Node  p50 ms  p99 ms  server cores  load cores",
  );
  assertEquals(
    echo,
    "The echo       102,000  98,800 - 106,000                    " +
      "                           0.25    1.50          0.90        0.50",
  );
  assertEquals(
    node,
    "The node-3        12.3       12.3 - 12.3  0.00 (0.00 - 0.00)" +
      "                           0.25    1.50          0.90        0.50",
  );
});

Deno.test("formatReport() writes Markdown", () => {
  const text = formatReport(report(entry("echo", null, 1000)), true);
  assertStringIncludes(text, "### small\n\nSmall requests. A request has 22");
  assertStringIncludes(text, "\n| --- | ---: |");
  assertStringIncludes(text, "\n| The echo | 1,000 | 1,000 - 1,000 |");
});

Deno.test("formatReport() says when and where", () => {
  const text = formatReport(report(), false);
  assertStringIncludes(text, "2026-01-02, 2 cores of A Processor, 8 GiB");
  assertStringIncludes(text, "Medians of 2 rounds of 2 s");
  assertStringIncludes(text, "Nothing was measured.");
});

Deno.test("formatReport() names who is missing and what failed", () => {
  const silent: Entry = {
    contestant: contestant("handler", 3),
    rounds: [],
    problems: ["did not start: no such module\nwith a stack"],
  };
  const text = formatReport(report(silent), true);
  assertStringIncludes(
    text,
    "- The handler-3: not measured, did not start: no such module\n",
  );
  assertEquals(text.includes("with a stack"), false);
});

Deno.test("formatReport() doubts a figure that the load generator limits", () => {
  const limited: Entry = {
    contestant: contestant("echo", null),
    rounds: [measurement(1000, 0.97)],
    problems: [],
  };
  assertStringIncludes(
    formatReport(report(limited), false),
    "The echo: the load generator was at its limit",
  );
});
