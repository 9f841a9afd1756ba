/**
 * Perspective for `deno serve`, which does the listening.
 *
 * ```sh
 * deno serve -A --port 8080 examples/serve.ts
 * ```
 *
 * Not with `--parallel`: each of its threads would have tables of its own. For
 * several cores there is `WorkerPool`.
 *
 * @module
 */
import { PerspectiveHandler, Server } from "../mod.ts";
import { serveAsset } from "./assets.ts";
import { healthOf } from "./run.ts";

const server = new Server();
const table = await server.newLocalClient().table(
  { symbol: ["ABC", "XYZ"], price: [1.5, 2.5] },
  // The name by which the page opens it.
  { name: "data_source_one", index: "symbol" },
);
const handler = new PerspectiveHandler({ server });

// A price, now and then. It doesn't keep the program running.
Deno.unrefTimer(setInterval(async () => {
  const price = Math.round(100 + 100 * Math.random()) / 100;
  await table.update([{ symbol: "ABC", price }]);
}, 1000));

export default {
  fetch(request, info) {
    const { pathname } = new URL(request.url);
    if (pathname === "/websocket") return handler.fetch(request, info);
    if (pathname === "/healthz") return healthOf(handler);
    return serveAsset(request);
  },
} satisfies Deno.ServeDefaultExport;
