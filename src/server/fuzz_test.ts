import { assert, assertEquals } from "@std/assert";
import type { Line } from "../protocol/kinds.ts";
import { ENGINES } from "../testing/engines.ts";
import { fuzz } from "../testing/fuzz/fuzz.ts";
import { dumped, inWords } from "../testing/fuzz/words.ts";

/** What a failure tells of is sent again with its seed. */
const SEED = Number(
  Deno.env.get("PERSPECTIVE_SEED") ??
    crypto.getRandomValues(new Uint16Array(1))[0]!,
);

const SECONDS = Number(
  Deno.env.get("PERSPECTIVE_FUZZ_SECONDS") ?? 10,
);

/** Engines write to stderr what they don't like, which here is most. */
async function silently<T>(run: () => Promise<T>): Promise<T> {
  const { writeSync } = Deno.stderr;
  Deno.stderr.writeSync = (bytes) => bytes.length;
  try {
    return await run();
  } finally {
    Deno.stderr.writeSync = writeSync;
  }
}

for (const [line, engine] of Object.entries(ENGINES) as [Line, string][]) {
  // Where it is asked for: it takes long.
  const test = Deno.env.has("PERSPECTIVE_FUZZ_SECONDS")
    ? Deno.test
    : Deno.test.ignore;
  test(`Clients don't see what a hostile one does (${engine})`, async () => {
    console.log(`PERSPECTIVE_SEED=${SEED}`);
    let last = "";
    const report = await silently(() =>
      fuzz({
        line,
        seed: SEED,
        seconds: SECONDS,
        onDeath: (death) => last = dumped(death),
      })
    );
    const whole = `${inWords(report)}\nThe last death:\n${
      last.split("\n").map((it) => it.slice(0, 1000)).join("\n")
    }`;
    assertEquals(report.failures, [], whole);
    assertEquals(report.lost, 0, whole);
    assert(report.sent > 0 && report.honest.answers > 0, whole);
    if (Deno.env.has("PERSPECTIVE_FUZZ_SECONDS")) console.log(whole);
  });
}
