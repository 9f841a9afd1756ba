// @ts-check
/**
 * The load generator, for Node: `load.mjs HOST superstore|million SECONDS`. It
 * has clients work, lets one engine after the other die, looks on for so many
 * seconds after each, and prints a line of JSON, a `Round`.
 */
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { writer as stream } from "../load/stream.mjs";
import { updates } from "../load/superstore.mjs";
import { complaint } from "../load/wire.mjs";
import { Line } from "../load/line.mjs";
import { newLight, newWriter, now, Reader } from "./clients.mjs";
import { killer } from "./killers.mjs";

/** @typedef {import("../load/types.ts").NamedColumns} NamedColumns */
/** @typedef {import("./types.ts").Cause} Cause */
/** @typedef {import("./types.ts").Death} Death */
/** @typedef {import("./types.ts").Recovery} Recovery */
/** @typedef {import("./types.ts").Round} Round */
/** @typedef {import("./types.ts").State} State */

/** How often to try to have a view on each engine. */
const MOST_VIEWS = 40;
const MOST_IN_VAIN = 2;

/** How long the last answers, or the error of a fatal frame, may take. */
const PATIENCE_MS = 60_000;

/** By how much of themselves sums may differ that were added up differently. */
const ROUNDING = 1e-9;

/**
 * What readers look at: sums. (An average on a million rows takes an engine
 * 220 ms an update.) The filter lets all rows pass, and makes views differ, so
 * that they aren't shared.
 *
 * @type {Readonly<Record<string, (nth: number) => NamedColumns>>}
 */
const VIEWS = {
  superstore: (nth) => ({
    groupBy: ["State", "City"],
    columns: ["Sales", "Quantity", "Profit"],
    atLeast: { column: "Row ID", value: -nth },
  }),
  million: (nth) => ({
    groupBy: ["symbol", "venue"],
    columns: ["quantity", "price"],
    atLeast: { column: "id", value: -nth },
  }),
};

const [host = "", table = "", seconds = "1"] = process.argv.slice(2);
const url = `ws://${host}/`;
/** @type {string[]} */
const problems = [];
const fail = (/** @type {string} */ who, /** @type {Error} */ error) => {
  if (problems.length < 20) problems.push(`${who}: ${error.message}`);
};
const light = newLight(url, fail);
const writer = newWriter(
  url,
  fail,
  table === "million" ? stream().loop : updates(`${process.pid}`),
);

try {
  console.log(JSON.stringify(await play()));
} catch (error) {
  problems.push(error instanceof Error ? error.message : String(error));
  console.log(JSON.stringify({ deaths: [], counts: {}, problems }));
}
process.exit();

/** @returns {Promise<Round>} */
async function play() {
  await light.line.connect();
  await writer.line.connect();
  await writer.tick();
  const readers = await placeReaders();
  for (const reader of readers) await reader.subscribe();
  light.start();
  writer.start();
  const reading = readers.map((it) => it.start());
  await sleep(Number(seconds) * 1000);
  /** @type {Death[]} */
  const deaths = [await look("nothing", readers, async () => {})];
  const { primary } = await state();
  for (const place of readers.keys()) {
    if (place !== primary) await kill("other", place);
  }
  await kill("primary", primary);
  for (const cause of /** @type {const} */ (["update", "view"])) {
    deaths.push(await look(cause, readers, () => sendKiller(cause)));
  }
  const wantedPush = now();
  await writer.tick();
  for (const it of [light, writer, ...readers]) it.stop();
  await within(Promise.all(reading), "Readers wait for answers");
  await within(
    until(() =>
      [light, writer, ...readers].every(({ waits }) =>
        waits.ended === waits.begun
      )
    ),
    "Answers are missing",
  );
  await within(
    until(() => readers.every(({ lastPush }) => lastPush >= wantedPush)),
    "Subscribers weren't told of the last update",
  );
  await compare(readers);
  const { removedViews, complaints } = await state();
  if (removedViews > 0) problems.push(`${removedViews} views were removed`);
  problems.push(...complaints.map((it) => `the server says: ${it}`));
  return { deaths, counts: counts(), problems };

  /** @type {(cause: Cause, place: number) => Promise<void>} */
  async function kill(cause, place) {
    deaths.push(await look(cause, readers, () => ask(`watch?kill=${place}`)));
  }

  function counts() {
    /** @type {Record<string, number>} */
    const all = {};
    for (const { name, waits } of [light, writer, ...readers]) {
      all[`${name}, asked`] = waits.begun;
      all[`${name}, answered`] = waits.ended;
    }
    for (const { name, pushes } of readers) all[`${name}, told`] = pushes;
    return all;
  }
}

/**
 * Has something happen, and looks at what comes of it.
 *
 * @param {Cause} cause
 * @param {readonly Reader[]} readers by the place of their view's engine
 * @param {() => Promise<unknown>} happen
 * @returns {Promise<Death>}
 */
async function look(cause, readers, happen) {
  const all = [light, writer, ...readers].map(({ waits }) => waits)
    .concat(readers.map(({ gaps }) => gaps));
  const before = await state();
  for (const waits of all) waits.forget();
  await ask("watch");
  const began = now();
  await happen();
  /** @type {Recovery} */
  const recovery = JSON.parse(await ask("recovered"));
  const after = await state();
  const isLost = readers.map((_, place) =>
    /** @type {number} */ (after.deaths[place]) >
      /** @type {number} */ (before.deaths[place])
  );
  const dead = readers.filter((_, place) => isLost[place]);
  const others = readers.filter((_, place) => !isLost[place]);
  // One that is killed is lost at once; a frame takes a while to do it.
  const isKilled = cause === "other" || cause === "primary";
  const [firstLost = NaN] = recovery.lost;
  const death = isKilled ? began : firstLost;
  const hasDied = recovery.lost.length > 0;
  if (hasDied !== (cause !== "nothing")) {
    problems.push(`${recovery.lost.length} engines were lost at "${cause}"`);
  }
  const isServed = () =>
    dead.every(({ waits }) => waits.firstAfter(death) !== null);
  await within(until(isServed), `No answer to a reader after "${cause}"`);
  await sleep(Number(seconds) * 1000);
  const longest = (/** @type {{ longest: number }[]} */ waits) =>
    waits.length === 0 ? null : Math.max(...waits.map((it) => it.longest));
  const firsts = dead.map(({ waits }) => waits.firstAfter(death));
  return {
    cause,
    lost: recovery.lost.length,
    startedMs: hasDied && recovery.started !== null
      ? recovery.started - death
      : null,
    readMs: firsts.length === 0 || firsts.includes(null)
      ? null
      : Math.max(...firsts.map(Number)),
    fullMs: hasDied ? recovery.full - death : null,
    longest: {
      light: light.waits.longest,
      writer: writer.waits.longest,
      otherReaders: longest(others.map(({ waits }) => waits)),
      reader: longest(dead.map(({ waits }) => waits)),
      subscriber: longest(dead.map(({ gaps }) => gaps)),
    },
  };
}

/**
 * A connection of its own sends a frame that an engine is lost at, and gets an
 * error.
 *
 * @param {Cause} cause
 */
async function sendKiller(cause) {
  const asked = killer(cause, table);
  const line = new Line(url, (error) => fail("killer", error));
  await line.connect();
  let isRefused = false;
  const answered = line.ask([asked], (asked, frame) => {
    isRefused = complaint(asked, frame) !== undefined;
    return undefined;
  });
  await within(answered, `No answer to the fatal "${cause}"`);
  if (!isRefused) problems.push(`The fatal "${cause}" was no error`);
  line.close();
}

/** A reader on each engine, in the order of the engines. */
async function placeReaders() {
  const { deaths } = await state();
  /** @type {(Reader | undefined)[]} */
  const readers = deaths.map(() => undefined);
  /** @type {number[]} */
  const places = [];
  for (let inVain = 0; readers.includes(undefined);) {
    if (places.length === MOST_VIEWS) {
      throw new Error(`There is no view on some engine, only on ${places}`);
    }
    const reader = await openReader(places.length);
    places.push(reader.place);
    if (reader.place >= 0 && readers[reader.place] === undefined) {
      readers[reader.place] = reader;
      inVain = 0;
    } else {
      await reader.close();
      inVain++;
    }
    // The primary takes no view that is long in the making, or all that aren't.
    // When it is lost, another one is the primary.
    if (inVain < MOST_IN_VAIN) continue;
    inVain = 0;
    await ask(`watch?kill=${(await state()).primary}`);
    await ask("recovered");
    await writer.tick();
  }
  return /** @type {Reader[]} */ (readers);
}

/** @param {number} nth */
async function openReader(nth) {
  const config = /** @type {(nth: number) => NamedColumns} */ (VIEWS[table]);
  const reader = new Reader(url, fail, nth, config(nth));
  const before = await state();
  await reader.open();
  const after = await state();
  reader.place = after.views.findIndex((it, i) =>
    it > /** @type {number} */ (before.views[i])
  );
  return reader;
}

/**
 * All views show the same, wherever they live.
 *
 * @param {readonly Reader[]} readers
 */
async function compare(readers) {
  const [first, ...others] = await Promise.all(readers.map((it) => it.all()));
  for (const other of others) {
    for (const [name, values] of Object.entries(first ?? {})) {
      const odd = values.findIndex((value, row) =>
        !isSame(value, other[name]?.[row])
      );
      if (odd < 0) continue;
      const seen = [values[odd], other[name]?.[odd]].map((it) =>
        JSON.stringify(it)
      );
      problems.push(`Views differ in "${name}": ${seen.join(", ")}`);
    }
  }
}

/**
 * @param {unknown} one
 * @param {unknown} other
 */
function isSame(one, other) {
  if (typeof one !== "number" || typeof other !== "number") {
    return JSON.stringify(one) === JSON.stringify(other);
  }
  return Math.abs(one - other) <= ROUNDING * Math.max(1, Math.abs(one));
}

/** @param {() => boolean} is */
async function until(is) {
  while (!is()) await sleep(5);
}

/**
 * @param {Promise<unknown>} done
 * @param {string} otherwise
 */
async function within(done, otherwise) {
  const late = sleep(PATIENCE_MS, "late", { ref: false });
  if (await Promise.race([done, late]) === "late") problems.push(otherwise);
}

/** @returns {Promise<State>} */
async function state() {
  return JSON.parse(await ask("state"));
}

/** @param {string} what */
async function ask(what) {
  const response = await fetch(`http://${host}/${what}`);
  const text = await response.text();
  if (!response.ok) throw new Error(`/${what}: ${response.status} ${text}`);
  return text;
}
