/**
 * What watching costs a request: `table_size`, answered from memory within the
 * call, so that nothing else is as short.
 *
 * ```sh
 * deno run -A src/testing/metrics_cost.ts
 * OTEL_DENO=true OTEL_METRIC_EXPORT_INTERVAL=3600000 deno run -A src/testing/metrics_cost.ts
 * ```
 *
 * The second measures with Deno's own meter and tracer, which find nobody to
 * export to before it ends. The ways take turns in any order, so that what else
 * the machine does meets all.
 *
 * @module
 */

import { createNoopMeter, type Meter } from "@opentelemetry/api";
import { instrument, Server } from "../../mod.ts";
import { Kind } from "../protocol/kinds.ts";
import { frame } from "./frames.ts";

const REQUESTS = 30_000;
const ROUNDS = 31;

/** A meter whose histograms do nothing, but aren't known to. */
function deafMeter(): Meter {
  const meter: Meter = Object.create(createNoopMeter());
  meter.createHistogram = () => ({ record: () => {} });
  return meter;
}

/** Watches a server in one way or another. */
const WAYS: Record<string, (server: Server) => Disposable | undefined> = {
  "not instrumented": () => undefined,
  "nobody exports": (server) =>
    instrument({ server, meter: createNoopMeter(), tracer: false }),
  "hooks alone": (server) =>
    instrument({ server, meter: deafMeter(), tracer: false }),
  ...Deno.env.get("OTEL_DENO") === "true" && {
    "metrics": (server) => instrument({ server, tracer: false }),
    "metrics and traces": (server) => instrument({ server }),
  },
};

/** Nanoseconds for a request. */
async function measure(
  server: Server,
  way: (server: Server) => Disposable | undefined,
): Promise<number> {
  using _ = way(server);
  const session = server.newSession(() => {}, { takesLent: true });
  const request = frame(7, "cities", Kind.TABLE_SIZE);
  const start = performance.now();
  for (let i = 0; i < REQUESTS; i++) session.handleRequest(request);
  const ms = performance.now() - start;
  session.close();
  await new Promise((resolve) => setTimeout(resolve, 20)); // what is exported goes
  return ms * 1e6 / REQUESTS;
}

if (import.meta.main) {
  await using server = new Server();
  await server.newLocalClient().table("x\n1", { name: "cities" });
  const taken = new Map<string, number[]>();
  for (let round = 0; round < ROUNDS; round++) {
    const ways = Object.entries(WAYS).sort(() => Math.random() - 0.5);
    for (const [name, way] of ways) {
      const ns = await measure(server, way);
      if (round > 0) taken.set(name, [...taken.get(name) ?? [], ns]);
    }
  }
  for (const [name, all] of taken) {
    all.sort((a, b) => a - b);
    const at = (share: number) =>
      `${Math.round(all[Math.floor(all.length * share)]!)}`.padStart(6);
    console.log(name.padEnd(20), at(0), at(0.5), "ns, least and median");
  }
  Deno.exit(); // without an export to somebody who isn't there
}
