// @ts-check
/** The load generator: drives one server with one row, for Node. */
import process from "node:process";
import { setTimeout as pause } from "node:timers/promises";
import { Client } from "./client.mjs";
import { Meter } from "./meter.mjs";
import { main } from "./options.mjs";
import { rowNamed } from "./rows.mjs";
import { play } from "./stage.mjs";
import { teach } from "./teach.mjs";
import { echoScene, perspectiveTerms } from "./terms.mjs";

/** @typedef {import("./options.mjs").Options} Options */
/** @typedef {import("./types.ts").Row} Row */
/** @typedef {import("./types.ts").SceneRow} SceneRow */
/** @typedef {import("./types.ts").Script} Script */

/** How long to wait for the first answer to count, in milliseconds. */
const PATIENCE_MS = 60_000;

/** What makes names of views unique. */
const RUN = `bench_${process.pid}`;

await main((options) => {
  const row = rowNamed(options.row);
  return "scene" in row ? playScene(row, options) : runLoops(row, options);
});

/**
 * Measures viewers and a writer who take turns.
 *
 * @param {SceneRow} row
 * @param {Options} options
 */
async function playScene({ scene: make, patience }, options) {
  const scene = make(RUN);
  const { url, echo } = options;
  if (echo === undefined) {
    return play(scene, perspectiveTerms(scene), options, patience);
  }
  const like = echoScene(scene, typeof echo === "number" ? "request" : echo);
  await teach(`${url}?teach`, like.taught);
  const each = { ...options, url: `${url}?each` };
  return play(like.scene, like.terms, each, patience);
}

/**
 * Measures connections that each go on by themselves.
 *
 * @param {Row} row
 * @param {Options} options
 */
async function runLoops({ beside, scripts: make }, options) {
  const pause = beside ? options.pause : 0;
  const scripts = make(RUN)
    .map((script) => script.counted ? { ...script, pause } : script);
  const meter = new Meter(options.serverPid, process.pid);
  const clients = options.echo === undefined
    ? scripts.map((script) => new Client(options.url, script, meter))
    : scripts.map((script) => echoClient(options, script, meter));
  await Promise.all(clients.map((client) => client.open()));
  const loops = Promise.all(clients.map((client) => client.loop()));
  await Promise.race([loops, count(meter, options)]);
  await Promise.all(clients.map((client) => client.finish()));
  await Promise.all(clients.map((client) => client.close()));
  return meter.result();
}

/**
 * Lets the clients warm up, then counts, and goes on until there is something.
 *
 * @param {Meter} meter
 * @param {Options} options
 */
async function count(meter, { warmup, seconds }) {
  await pause(warmup * 1000);
  meter.start();
  await pause(seconds * 1000);
  const end = performance.now() + PATIENCE_MS;
  while (meter.empty && performance.now() < end) await pause(20);
  meter.stop();
}

/**
 * A client of the echo server: it sends the row's timed requests only and
 * gets frames of a known length.
 *
 * @param {Options} options
 * @param {Script} script
 * @param {Meter} meter
 */
function echoClient({ url, echo }, script, meter) {
  const bytes = typeof echo === "number" ? echo : undefined;
  return new Client(
    bytes === undefined ? url : `${url}?answer=${bytes}`,
    { ...script, open: [], close: [], strict: false },
    meter,
    (asked, frame) =>
      frame.length === (bytes ?? asked.frame.length)
        ? undefined
        : `${frame.length} bytes`,
  );
}
