/**
 * What one server of so many workers takes: `probe.ts ENGINE WORKERS FILE INDEX`.
 * 0 workers is the engine on the main thread. Prints one line of JSON.
 */
import { Server, WorkerPool } from "../../mod.ts";

const [engine = "", workers = "0", file = "", index = ""] = Deno.args;
const size = Number(workers);

/** MiB that the process has, threads and WebAssembly included. */
const memory = () => Deno.memoryUsage().rss / 2 ** 20;

const empty = memory();
const began = performance.now();
await using executor = size > 0 ? new WorkerPool({ size }) : undefined;
await using server = new Server({ engine, ...executor && { executor } });
await server.ready;
const started = performance.now() - began;
const ready = memory();

const { buffer } = await Deno.readFile(file);
const loadBegan = performance.now();
const client = server.newLocalClient();
const table = await client.table(buffer, { ...index && { index } });
await table.size();
// The other workers hold it, too, when they have nothing left to do.
while (server.stats().replicas.some(({ outstanding }) => outstanding > 0)) {
  await new Promise((resolve) => setTimeout(resolve, 10));
}
const loaded = performance.now() - loadBegan;
console.log(JSON.stringify({
  startMs: started,
  memoryMiB: ready - empty,
  loadMs: loaded,
  tableMiB: memory() - ready - buffer.byteLength / 2 ** 20,
}));
