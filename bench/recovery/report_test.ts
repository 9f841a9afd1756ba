import { assertEquals, assertStringIncludes } from "@std/assert";
import { options } from "./options.ts";
import { formatMeasured, type Measured } from "./report.ts";
import type { Death, Round } from "./types.ts";

function death(some: Partial<Death>): Death {
  const longest = {
    light: 5,
    writer: 6,
    otherReaders: 7,
    reader: 300,
    subscriber: null,
  };
  return {
    cause: "primary",
    lost: 1,
    startedMs: 200,
    readMs: 300,
    fullMs: 250,
    longest,
    ...some,
  };
}

function measured(...rounds: Round[]): Measured {
  const node = {
    title: "Node",
    frame: "an update",
    requestBytes: 40_045,
    closed: 6,
    sockets: 6,
    closedMs: 33.4,
    ended: "Ended with 1",
  };
  return { title: "5.5.1", rounds, nodes: [node, { ...node, ended: null }] };
}

const counts = { "light, asked": 2, "writer, asked": 1, "light, answered": 2 };

Deno.test("formatMeasured() has a row for each cause, with median and extremes", () => {
  const text = formatMeasured(
    measured(
      { deaths: [death({})], counts, problems: [] },
      { deaths: [death({ readMs: 1300 })], counts, problems: [] },
    ),
    true,
  );
  assertStringIncludes(
    text,
    "| the primary is killed | 1 | 200 | 800 (300 - 1,300) | 250 | 5 | 6 | 7 " +
      "| 300 |  |\n",
  );
  assertStringIncludes(text, "\n| a fatal view |  |");
  assertStringIncludes(text, "- 6 requests, 4 answers, 0 pushes\n");
  assertStringIncludes(text, "- No client got an error");
});

Deno.test("formatMeasured() says what went wrong, and in which round", () => {
  const problems = ["light: Socket closed with 1006"];
  const text = formatMeasured(
    measured(
      { deaths: [], counts, problems: [] },
      { deaths: [], counts, problems },
    ),
    false,
  );
  assertStringIncludes(text, "\nround 2: light: Socket closed with 1006\n");
  assertEquals(text.includes("No client got an error"), false);
});

Deno.test("formatMeasured() says how Node's server ended, or that it didn't", () => {
  const lines = formatMeasured(measured(), false).split("\n").slice(-2);
  assertEquals(lines, [
    "Node, an update of 40,045 bytes: the process ends, 6 of 6 sockets are " +
    "closed after 33 ms. Ended with 1",
    "Node, an update of 40,045 bytes: goes on, 6 sockets closed",
  ]);
});

Deno.test("options() takes one engine, or both", () => {
  assertEquals(options([]).lines, [3, 5]);
  assertEquals(options(["--engine", "5.5.1"]).lines, [5]);
});
