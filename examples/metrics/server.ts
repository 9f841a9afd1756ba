/**
 * A Perspective server that shows what it is doing, as a table that it serves
 * itself: who looks at the page is part of what the page shows.
 *
 * ```sh
 * deno run -A examples/metrics/server.ts
 * OTEL_DENO=true deno run -A examples/metrics/server.ts --port 0
 * ```
 *
 * With `OTEL_DENO=true`, it exports the same, and more, by OpenTelemetry.
 *
 * @module
 */
import { serveFile } from "@std/http/file-server";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import {
  instrument,
  PerspectiveHandler,
  readOnly,
  Server,
  WorkerPool,
} from "../../mod.ts";
import { serveAsset } from "../assets.ts";
import { feed } from "./feed.ts";

const PAGE = fileURLToPath(import.meta.resolve("./index.html"));

/** A running dashboard. */
export interface Dashboard extends AsyncDisposable {
  /** Where the page is. */
  readonly url: string;
  /** The server, and what it shows. */
  readonly server: Server;
}

/** Serves the page, with a row every `intervalMs`. */
export async function serveDashboard(
  { port = 8080, intervalMs = 1_000 } = {},
): Promise<Dashboard> {
  const stack = new AsyncDisposableStack();
  const pool = stack.use(new WorkerPool());
  const server = stack.use(new Server({ executor: pool }));
  // Everybody may look, and nobody may touch.
  const handler = stack.use(
    new PerspectiveHandler({
      server,
      clients: "3",
      authorize: () => readOnly(),
    }),
  );
  stack.use(instrument({ server, handler }));
  stack.use(await feed(server.newLocalClient(), server, handler, intervalMs));
  const http = Deno.serve(
    { port, hostname: "127.0.0.1", onListen() {} },
    (request, info) => {
      const { pathname } = new URL(request.url);
      if (pathname === "/websocket") return handler.fetch(request, info);
      return pathname === "/" ? serveFile(request, PAGE) : serveAsset(request);
    },
  );
  stack.use(http);
  return {
    url: `http://127.0.0.1:${http.addr.port}/`,
    server,
    // The sockets first, or the HTTP server would wait for them.
    [Symbol.asyncDispose]: async () => {
      await handler.close();
      await stack.disposeAsync();
    },
  };
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { port: { type: "string", default: "8080" } },
  });
  const { url } = await serveDashboard({ port: Number(values.port) });
  console.log(`${url} (Ctrl-C to stop)`);
}
