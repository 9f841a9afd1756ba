/**
 * What passes `checkArrow` harms no engine: random payloads, right and broken,
 * are given to real ones. `PERSPECTIVE_FUZZ_SECONDS` makes it longer.
 */

import { assert, assertEquals } from "@std/assert";
import type { Line } from "../protocol/kinds.ts";
import { breakArrow, flipArrow } from "../testing/arrow/broken_arrow.ts";
import { FIXTURES } from "../testing/arrow/fixtures.ts";
import { HARMS } from "../testing/arrow/harms.ts";
import { randomArrow } from "../testing/arrow/random_arrow.ts";
import { tryArrow } from "../testing/arrow/trial.ts";
import { Random } from "../testing/random.ts";
import { type ArrowLimits, checkArrow } from "./arrow.ts";

const LIMITS: ArrowLimits = {
  maxColumns: 100,
  maxRows: 100_000,
  maxStringLength: 1000,
  maxNameLength: 100,
};

const SEED = Number(
  Deno.env.get("PERSPECTIVE_SEED") ??
    crypto.getRandomValues(new Uint32Array(1))[0],
);
const SECONDS = Number(
  Deno.env.get("PERSPECTIVE_FUZZ_SECONDS") ?? 3,
);
/** So many payloads are given to one process. */
const AT_ONCE = 200;

const LINES = ["3", "5"] as const satisfies readonly Line[];

for (const line of LINES) {
  Deno.test(`engine ${line} takes what other programs write`, async () => {
    const names = Object.keys(FIXTURES);
    const payloads = names.map((name) =>
      Uint8Array.fromBase64(FIXTURES[name]!)
    );
    const outcomes = await tryArrow(line, payloads);
    assertEquals(
      outcomes.map((outcome, i) => [names[i], outcome]),
      names.map((name) => [name, line === "3" ? of3(name) : {}]),
    );
  });

  Deno.test(`engine ${line} takes random tables`, async () => {
    const random = new Random(SEED);
    const tables = Array.from({ length: 100 }, () => randomArrow(random));
    const outcomes = await tryArrow(line, tables.map(({ bytes }) => bytes));
    tables.forEach(({ about, isNewer }, i) => {
      const { said, harm } = outcomes[i] ?? {};
      const isKnown = line === "3"
        ? isNewer && said?.includes("struct")
        : said?.includes("Cannot zip list columns");
      assert(
        harm === undefined && (said === undefined || isKnown),
        `${about}: ${harm ?? said}\nRepeat it with PERSPECTIVE_SEED=${SEED}`,
      );
    });
  });

  Deno.test(`engine ${line} isn't harmed by what checkArrow() lets through`, async () => {
    console.log(`PERSPECTIVE_SEED=${SEED}`);
    const end = performance.now() + SECONDS * 1000;
    let refused = 0;
    let passed = 0;
    for (let round = 0; round === 0 || performance.now() < end; round++) {
      const random = new Random(SEED + round);
      const payloads: Uint8Array[] = [];
      while (payloads.length < AT_ONCE) {
        const payload = anything(random);
        if (checkArrow(payload, LIMITS) === undefined) payloads.push(payload);
        else refused++;
      }
      const outcomes = await tryArrow(line, payloads);
      const harm = outcomes.findIndex(({ harm }) => harm !== undefined);
      assert(
        harm < 0,
        `${outcomes[harm]?.harm}: payload ${harm} of round ${round}\n` +
          `${payloads[harm]?.toHex()}\n` +
          `Repeat it with PERSPECTIVE_SEED=${SEED + round}`,
      );
      passed += payloads.length;
    }
    console.log(`${passed} passed and harmed nothing, ${refused} were refused`);
  });
}

// Else the tests above would show nothing.
const HARMFUL = {
  "3": [
    "a dictionary has a value twice",
    "strings in a list end beyond the text",
    "text isn't UTF-8",
  ],
  "5": [
    "a dictionary of numbers",
    "a name isn't UTF-8",
    "a name of the engine's own",
  ],
} as const satisfies Record<Line, readonly string[]>;

for (const line of LINES) {
  Deno.test(`engine ${line} is harmed by what checkArrow() refuses`, async () => {
    for (const name of HARMFUL[line]) {
      const random = new Random(7);
      const payloads = Array.from(
        { length: 20 },
        () => HARMS[name]!.make(random),
      );
      const outcomes = await tryArrow(line, payloads);
      assert(outcomes.some(({ harm }) => harm !== undefined), name);
    }
  });
}

/** What 3.8.0 says to some of the fixtures. */
function of3(name: string): { said?: string } {
  if (name !== "duckdb") return {};
  return { said: "Error: Given Unsupported type 'int64'.\n" };
}

/** Right, or broken in one of all ways. */
function anything(random: Random): Uint8Array {
  if (random.chance(0.1)) {
    return random.pick(Object.values(HARMS)).make(random);
  }
  const { bytes } = randomArrow(random);
  const isStream = bytes[0] === 0xff;
  return isStream ? breakArrow(random, bytes) : flipArrow(random, bytes);
}
