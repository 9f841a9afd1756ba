// @ts-check
/** The load generator: drives one server with one row, for Node. */
import process from "node:process";
import { setTimeout as pause } from "node:timers/promises";
import { Client } from "./client.mjs";
import { Meter } from "./meter.mjs";
import { main } from "./options.mjs";
import { rowNamed } from "./rows.mjs";

/** @typedef {import("./options.mjs").Options} Options */
/** @typedef {import("./types.ts").Script} Script */

/** How long to wait for the first answer to count, in milliseconds. */
const PATIENCE_MS = 60_000;

await main(async (options) => {
  const { beside, scripts: make } = rowNamed(options.row);
  const pause = beside ? options.pause : 0;
  const scripts = make(`bench_${process.pid}`)
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
});

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
