import { assert, assertEquals } from "@std/assert";
import { createNoopMeter } from "@opentelemetry/api";
import { fileURLToPath } from "node:url";
import { ENGINES } from "../testing/engines.ts";
import { collect, type Collector } from "../testing/otlp.ts";
import { Server } from "../server/server.ts";
import { instrument } from "./instrument.ts";

const SCOPE = "@perspective-deno/handler";
const PROGRAM = fileURLToPath(
  import.meta.resolve("../testing/metrics_program.ts"),
);
const DOCS = new URL("../../docs/metrics.md", import.meta.url);

/** Runs the program with the known load until all it did is exported. */
async function runProgram(collector: Collector): Promise<void> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", PROGRAM],
    env: { ...collector.env, NO_COLOR: "1" },
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const output = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  assertEquals((await output.read()).value, "ready\n");
  await collector.newer();
  await child.stdin.close();
  while (!(await output.read()).done);
  assert((await child.status).success);
}

/** Metrics that the documentation names, with their types and units. */
async function documented(): Promise<Map<string, string>> {
  const text = await Deno.readTextFile(DOCS);
  const rows = text.matchAll(
    /^\| `(perspective\.[a-z._]+)` +\| (\w+) +\| `([^`]+)` +\|/gm,
  );
  return new Map([...rows].map(([, name, type, unit]) => [
    name!,
    `${type} ${unit}`,
  ]));
}

Deno.test("instrument() exports what a server did, to a collector of OpenTelemetry", async () => {
  await using collector = collect();
  await runProgram(collector);
  const metrics = collector.metrics(SCOPE);
  const values = (name: string) => {
    const all = [...metrics.get(name)?.values ?? []];
    return Object.fromEntries(
      all.map(([attributes, value]) => [
        attributes.replace(/ ?service\.tier=test/, ""),
        value,
      ]),
    );
  };
  // Every one of them, and nothing that the documentation doesn't name.
  assertEquals(
    [...metrics].map(([name, { type, unit }]) => `${name} ${type} ${unit}`)
      .sort(),
    [...await documented()].map(([name, what]) => `${name} ${what}`).sort(),
  );
  for (const [name, { values }] of metrics) {
    for (const attributes of values.keys()) {
      assert(attributes.includes("service.tier=test"), `${name} ${attributes}`);
    }
  }
  const requests = values("perspective.request.duration");
  const of = (kind: string, error?: string) =>
    requests[
      (error ? `error.type=${error} ` : "") + `perspective.request.kind=${kind}`
    ];
  assertEquals(of("make_table"), 1);
  assertEquals(of("table_update"), 3);
  assertEquals(of("table_make_view"), 1);
  assertEquals(of("view_dimensions"), 5);
  assertEquals([of("table_delete"), of("table_delete", "access")], [
    undefined,
    1,
  ]);
  // Once computed, and then remembered.
  const executed = values("perspective.engine.duration");
  assertEquals(executed["perspective.request.kind=view_dimensions"], 1);
  assertEquals(executed, values("perspective.engine.wait.duration"));
  assertEquals(values("perspective.request.refusals"), {
    "error.type=access": 1,
    "error.type=guards": 0,
    "error.type=invalid": 0,
    "error.type=limits": 0,
  });
  assertEquals(values("perspective.handshakes"), {
    "": 1,
    "error.type=authorize": 1,
  });
  assertEquals(values("perspective.connection.count"), { "": 1 });
  assertEquals(values("perspective.session.count"), { "": 2 });
  assertEquals(values("perspective.view.count"), { "": 1 });
  assertEquals(values("perspective.engine.up"), {
    "perspective.engine.index=0": 1,
  });
  const { "perspective.read.answer=remembered": remembered } = values(
    "perspective.reads",
  );
  assertEquals(remembered, 4);
  const heap = values("perspective.engine.heap.size");
  assert(heap["perspective.engine.index=0"]! > 1_000_000, `${heap}`);

  const spans = collector.spans(SCOPE);
  const named = (name: string) => spans.filter((it) => it.name === name);
  const updates = named("table_update cities");
  assertEquals(updates.length, 3);
  assertEquals(updates[0], {
    name: "table_update cities",
    isRoot: true,
    attributes: "perspective.request.kind=table_update " +
      "perspective.table=cities service.tier=test",
  });
  assertEquals(named("view_dimensions cities").length, 5);
  assertEquals(named("table_delete cities").map((it) => it.attributes), [
    "error.type=access perspective.request.kind=table_delete " +
    "perspective.table=cities service.tier=test",
  ]);
});

Deno.test("instrument() installs nothing where nobody gets what is measured", async () => {
  await using server = new Server({ engine: ENGINES["3"] });
  using _ = instrument({ server });
  using __ = instrument({ server, meter: createNoopMeter() });
  // It could not, if one of them had.
  using ___ = server.observe({
    now: () => 0,
    opened: () => {
      throw new Error("No session is opened");
    },
    executed: () => {},
  });
});
