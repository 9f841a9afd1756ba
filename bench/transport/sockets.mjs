// @ts-check
/**
 * The load generator, for Node: `sockets.mjs URL SOCKETS SECONDS WARMUP`. Each
 * socket sends the next request when it has the answer.
 */
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
// @ts-ignore: npm installs it beside this file for Node; Deno doesn't load it
import WebSocket from "ws";

/** The requests that `work.ts` makes, and what answers them. */
const REQUEST_BYTES = 40;
const ANSWER_BYTES = 60;
const HEADER = [0x08, 0x81, 0x81, 0x81, 0x81, 0x01, 0x12, 24];
const BODY = [0xc2, 0x01, 5, 0, 0, 0, 0];

/** How long to wait for the last answers. */
const PATIENCE_MS = 5_000;

const [url = "", count = "8", seconds = "1", warmup = "0.3"] = process.argv
  .slice(2);
/** @type {number[]} */
const times = [];
let counting = false;
let running = true;

const sockets = Array.from({ length: Number(count) }, (_, nth) => drive(nth));
await Promise.all(sockets.map(({ opened }) => opened));
for (const { ask } of sockets) ask();
await sleep(Number(warmup) * 1000);
counting = true;
const began = performance.now();
await sleep(Number(seconds) * 1000);
counting = false;
const took = performance.now() - began;
running = false;
const patience = setTimeout(() => {
  throw new Error("Answers are missing");
}, PATIENCE_MS);
await Promise.all(sockets.map(({ closed }) => closed));
clearTimeout(patience);
times.sort((a, b) => a - b);
console.log(JSON.stringify({
  rate: times.length / took * 1000,
  p50: times[Math.floor(times.length * 0.5)],
  p99: times[Math.floor(times.length * 0.99)],
}));

/** @param {number} mark */
function drive(mark) {
  const frame = Buffer.alloc(REQUEST_BYTES, 0x76);
  frame.set(HEADER);
  frame.set([...BODY, mark], REQUEST_BYTES - BODY.length - 1);
  const socket = new WebSocket(url, { perMessageDeflate: false });
  let sent = 0;
  const ask = () => {
    sent = performance.now();
    socket.send(frame);
  };
  socket.on("message", (/** @type {Buffer} */ answer) => {
    if (answer.length !== ANSWER_BYTES || answer.at(-1) !== mark) {
      throw new Error("Got somebody else's answer");
    }
    if (counting) times.push(performance.now() - sent);
    if (running) ask();
    else socket.close();
  });
  const opened = new Promise((resolve, reject) => {
    socket.on("open", resolve).on("error", reject);
  });
  const closed = new Promise((resolve) => socket.on("close", resolve));
  return { opened, closed, ask };
}
