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
const SECONDS = Number(Deno.env.get("PERSPECTIVE_SOAK_SECONDS") ?? 60);

/** It takes long. `deno task soak` says so by an argument. */
const IS_ASKED_FOR = Deno.env.has("PERSPECTIVE_SOAK_SECONDS") ||
  Deno.args.includes("soak");

/** Seconds with the same two servers at most; the next seed goes on. */
const ROUND = 20;

/** Two files that get all steps, one for each engine. */
const LOG = Deno.env.get("PERSPECTIVE_SOAK_LOG");

/** What is reported when an engine is lost, and nothing else may be. */
const EXPECTED = /^engine: Engine \d (is lost|can't be replaced now)/;

async function round(
  line: Line,
  seed: number,
  seconds: number,
): Promise<SoakReport> {
  const engine = ENGINES[line];
  const errors: string[] = [];
  const onError = (error: Error, { stage }: { stage: string }) =>
    errors.push(`${stage}: ${error.message}`);
  let isReferenceWrong = false;
  await using executor = new FaultyPool(3);
  await using left = new Server({
    engine,
    sharing: false,
    onError: () => isReferenceWrong = true,
  });
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
      Deno.writeTextFileSync(
        `${LOG}-${line}`,
        `${performance.now().toFixed()} ${words}\n`,
        { append: true },
      );
  try {
    const report = await soak(left, right, executor, {
      ...options,
      onStep,
      isReferenceWrong: () => isReferenceWrong,
    });
    assertEquals(errors.filter((it) => !EXPECTED.test(it)), []);
    return report;
  } catch (reason) {
    const { message } = reason as Error;
    throw new Error([message, ...errors].join("\n"), { cause: reason });
  }
}

for (const [line, engine] of Object.entries(ENGINES) as [Line, string][]) {
  Deno.test({
    name: `Clients don't see that engines die (${engine})`,
    ignore: !IS_ASKED_FOR,
    // An engine may hang in it, and nothing stops its thread.
    sanitizeOps: false,
    sanitizeResources: false,
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
    console.log(inWords(report));
    if (report.isCut) {
      const left = Math.floor((until - performance.now()) / 1000);
      if (left > 1) return await goOnElsewhere(line, seed + 1, left);
    }
  }
  assert(lost > 0, "No engine died");
  assert(compared > 0, "Nothing was compared");
}

/**
 * All servers on this thread share the reference's engine, which is of no use
 * any more: another process has a new one.
 */
async function goOnElsewhere(
  line: Line,
  seed: number,
  seconds: number,
): Promise<void> {
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--filter", ENGINES[line], import.meta.filename!],
    env: {
      PERSPECTIVE_SEED: `${seed}`,
      PERSPECTIVE_SOAK_SECONDS: `${seconds}`,
    },
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  }).output();
  assert(success, "It failed with another engine, see above");
}

/** A report in a few lines. */
function inWords({ faults, recovery, ...counts }: SoakReport): string {
  const { isCut, ...numbers } = counts;
  return [
    numbers,
    Object.fromEntries(faults),
    recovery,
    ...isCut ? ["The reference's engine was lost, which is the end of it"] : [],
  ].map((it) => `  ${typeof it === "string" ? it : listed(it)}`).join("\n");
}

function listed(numbers: object): string {
  return Object.entries(numbers).map(([name, n]) => `${name}: ${n}`).join(", ");
}
