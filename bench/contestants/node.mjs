// @ts-check
/** Contestant: Perspective's own `WebSocketServer`, for Node. */
import { readFile } from "node:fs/promises";
import { once } from "node:events";
import process from "node:process";
import { parseArgs } from "node:util";
import { TABLE } from "../load/data.mjs";

const { values } = parseArgs({
  options: {
    engine: { type: "string", default: "" },
    data: { type: "string", default: "" },
    index: { type: "string" },
  },
});
const { table, WebSocketServer } = await import(values.engine);
// It prints a line per connection; writing them isn't what is measured.
console.log = () => {};
const { buffer } = await readFile(values.data);
const { index } = values;
await table(buffer, { name: TABLE, ...(index && { index }) });
const { _server: http } = new WebSocketServer({ port: 0 });
await once(http, "listening");
const { port } = http.address();
process.stdout.write(`${JSON.stringify({ ready: true, port })}\n`);
