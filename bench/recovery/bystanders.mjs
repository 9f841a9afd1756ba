// @ts-check
/**
 * What the clients of a server see when one of them sends a frame that its
 * engine doesn't survive: `bystanders.mjs URL view|update TABLE`. Prints a line
 * of JSON, a `Bystanders`.
 */
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
// @ts-ignore: npm installs it beside this file for Node; Deno doesn't load it
import WebSocket from "ws";
import { killer } from "./killers.mjs";

/** How many there are, and how long they wait, in milliseconds. */
const SOCKETS = 6;
const PATIENCE_MS = 10_000;

const [url = "", name = "", table = ""] = process.argv.slice(2);
const sockets = Array.from(
  { length: SOCKETS },
  () => new WebSocket(url, { perMessageDeflate: false }),
);
await Promise.all(
  sockets.map((it) => new Promise((resolve) => it.on("open", resolve))),
);
let closed = 0;
/** @type {number | null} */
let closedMs = null;
const { frame } = killer(name, table);
const sentAt = performance.now();
const all = sockets.map((it) =>
  new Promise((resolve) => {
    it.on("error", () => {}); // it is closed then
    it.on("close", () => {
      closed++;
      closedMs ??= performance.now() - sentAt;
      resolve(undefined);
    });
  })
);
sockets[0]?.send(frame);
await Promise.race([Promise.all(all), sleep(PATIENCE_MS)]);
console.log(JSON.stringify({
  closed,
  sockets: SOCKETS,
  closedMs,
  requestBytes: frame.length,
}));
process.exit();
