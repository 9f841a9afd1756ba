import { assert, assertEquals } from "@std/assert";
import type { Line } from "../protocol/kinds.ts";
import { ENGINES } from "../testing/engines.ts";
import { FaultyPool } from "../testing/soak/faulty_pool.ts";
import { soak, type SoakReport } from "../testing/soak/soak.ts";
import { Server } from "./server.ts";

/** What a failure tells of is asked again with its seed. */
const SEED = Number(
  Deno.env.get("PERSPECTIVE_SEED") ??
    crypto.getRandomValues(new Uint16Array(1))[0]!,
);
const SECONDS = Number(Deno.env.get("PERSPECTIVE_SOAK_SECONDS") ?? 5);

/** Seconds with the same two servers at most; the next seed goes on. */
const ROUND = 20;

/** Two files that get all steps, one for each engine. */
const LOG = Deno.env.get("PERSPECTIVE_SOAK_LOG");

/** What is reported when an engine is lost, and nothing else may be. */
const EXPECTED = /^engine: Engine \d (is lost|can't be replaced now)/;

/** What is reported when the reference's engine is lost. */
const CUT = /^engine: The engine is lost/;

async function round(
  line: Line,
  seed: number,
  seconds: number,
): Promise<SoakReport> {
  const engine = ENGINES[line];
  const errors: string[] = [];
  const onError = (error: Error, { stage }: { stage: string }) =>
    errors.push(`${stage}: ${error.message}`);
  await using executor = new FaultyPool(3);
  await using left = new Server({ engine, sharing: false, onError });
  await using right = new Server({
    engine,
    executor,
    onError,
    viewLinger: 500,
    // Until what is remembered is forgotten with its engine.
    cacheSize: 0,
  });
  const options = { line, seed, seconds, sessions: 8 };
  const onStep = LOG === undefined
    ? undefined
    : (words: string) =>
      Deno.writeTextFileSync(`${LOG}-${line}`, `${words}\n`, { append: true });
  try {
    const report = await soak(left, right, executor, { ...options, onStep });
    const isExpected = (it: string) =>
      EXPECTED.test(it) || report.isCut && CUT.test(it);
    assertEquals(errors.filter((it) => !isExpected(it)), []);
    return report;
  } catch (reason) {
    const { message } = reason as Error;
    throw new Error([message, ...errors].join("\n"), { cause: reason });
  }
}

for (const [line, engine] of Object.entries(ENGINES) as [Line, string][]) {
  Deno.test({
    name: `Clients don't see that engines die (${engine})`,
    // It takes long, and at its very end may find an engine that is just dying.
    ignore: !Deno.env.has("PERSPECTIVE_SOAK_SECONDS"),
    fn: () => die(line),
  });
}

async function die(line: Line): Promise<void> {
  const until = performance.now() + SECONDS * 1000;
  let lost = 0;
  let compared = 0;
  for (let seed = SEED;; seed++) {
    const seconds = (until - performance.now()) / 1000;
    if (seconds < 1) break;
    console.log(`PERSPECTIVE_SEED=${seed}`);
    const report = await round(line, seed, Math.min(seconds, ROUND));
    lost += report.recovery.lost;
    compared += report.compared;
    if (SECONDS > ROUND) console.log(report);
    // All servers on this thread share the reference's engine.
    if (report.isCut) break;
  }
  assert(lost > 0, "No engine died");
  assert(compared > 0, "Nothing was compared");
}
