/**
 * Client/server replicated: a view of the server's table feeds a table in the
 * browser, which has an engine of its own. What the user sorts, groups and
 * filters is computed there; the server sends only what changes.
 *
 * ```sh
 * deno run -A examples/replicated.ts
 * ```
 *
 * @module
 */
import type { Table } from "@finos/perspective";
import { PerspectiveHandler, readOnly, Server } from "../mod.ts";
import { run, runMain, type Running } from "./run.ts";

/** A running {@linkcode serveReplicated}. */
export interface ReplicatedExample extends Running {
  /** The table on the server. */
  readonly table: Table;
}

/** Serves a table and the page that replicates it. */
export async function serveReplicated(
  port = 8080,
): Promise<ReplicatedExample> {
  const server = new Server();
  const table = await server.newLocalClient().table({
    sensor: ["attic", "cellar", "hall", "porch"],
    floor: ["up", "down", "ground", "ground"],
    celsius: [24.5, 14, 20.5, 11],
  }, { name: "sensors", index: "sensor" });
  const handler = new PerspectiveHandler({
    server,
    authorize: () => readOnly(),
  });
  const running = run({ server, handler, page: "replicated.html", port });
  return { ...running, table };
}

if (import.meta.main) {
  await runMain(async (port) => {
    const example = await serveReplicated(port);
    // A reading, now and then. It doesn't keep the program running.
    Deno.unrefTimer(setInterval(async () => {
      const celsius = Math.round(200 + 100 * Math.random()) / 10;
      await example.table.update([{ sensor: "attic", celsius }]);
    }, 1000));
    return example;
  });
}
