// @ts-check
/** The command line of a load generator. */
import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import process from "node:process";
import { parseArgs } from "node:util";

/**
 * @typedef {object} Options
 * @property {string} row the workload's name
 * @property {number} warmup seconds before counting
 * @property {number} seconds to count
 * @property {number} pause milliseconds from an answer to the next request,
 *   for those who are measured beside others
 * @property {string} url of the server, if there is one
 * @property {number | undefined} serverPid its process
 * @property {"request" | number | readonly Uint8Array[] | undefined} echo for
 *   an echo server: what it sends back, the request, or so many bytes, or in a
 *   scene these frames
 * @property {string} engine package of the engine, if there is no server
 * @property {string} data file of the table, if there is no server
 * @property {string | undefined} index its index, if it has one
 */

/**
 * Reads it.
 *
 * @param {string[]} args
 * @returns {Options}
 */
export function loadOptions(args) {
  const { values } = parseArgs({
    args,
    options: {
      row: { type: "string", default: "table_size" },
      warmup: { type: "string", default: "0.5" },
      seconds: { type: "string", default: "2" },
      pause: { type: "string", default: "0" },
      url: { type: "string", default: "" },
      "server-pid": { type: "string" },
      echo: { type: "string" },
      engine: { type: "string", default: "" },
      data: { type: "string", default: "" },
      index: { type: "string" },
    },
  });
  const { "server-pid": pid, echo } = values;
  return {
    row: values.row,
    warmup: Number(values.warmup),
    seconds: Number(values.seconds),
    pause: Number(values.pause),
    url: values.url,
    serverPid: pid === undefined ? undefined : Number(pid),
    echo: echoOption(echo),
    engine: values.engine,
    data: values.data,
    index: values.index,
  };
}

/**
 * Frames come in a file, `@FILE`, in base64 with commas in between: they may be
 * longer than an argument can be.
 *
 * @param {string | undefined} value
 */
function echoOption(value) {
  if (value === undefined || value === "request") return value;
  if (!value.startsWith("@")) return Number(value);
  return readFileSync(value.slice(1), "utf8").split(",")
    .map((text) => Buffer.from(text, "base64"));
}

/**
 * Runs a load generator and prints its outcome as the last line.
 *
 * @param {(options: Options) => Promise<import("./types.ts").Measurement>} run
 */
export async function main(run) {
  /** @type {import("./types.ts").Outcome} */
  let outcome;
  try {
    outcome = { measurement: await run(loadOptions(process.argv.slice(2))) };
  } catch (error) {
    outcome = { error: error instanceof Error ? error.message : `${error}` };
  }
  const code = "error" in outcome ? 1 : 0;
  process.stdout.write(`${JSON.stringify(outcome)}\n`, () => {
    process.exit(code);
  });
}
