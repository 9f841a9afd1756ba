/**
 * What the programs of the examples have in common: listening, and stopping in
 * good order.
 *
 * @module
 */
import { parseArgs } from "node:util";
import type { PerspectiveHandler, Server } from "../mod.ts";
import { serveAsset } from "./assets.ts";

/** A running example. */
export interface Running extends AsyncDisposable {
  /** Where the page is. */
  readonly url: string;
  /** The server with the tables. */
  readonly server: Server;
  /** The WebSocket handler. */
  readonly handler: PerspectiveHandler;
  /** The HTTP server. */
  readonly http: Deno.HttpServer<Deno.NetAddr>;
  /**
   * Answers what is under way, for ten seconds at most, says goodbye to the
   * browsers (1001) and stops. Safe to call twice.
   */
  shutdown(): Promise<void>;
}

/** What makes one example different from another. */
export interface RunOptions {
  /** The server with the tables. It is closed at the end. */
  readonly server: Server;
  /** The WebSocket handler, at `/websocket`. */
  readonly handler: PerspectiveHandler;
  /** The page's file in `examples/page/`. */
  readonly page: string;
  /** The port to listen on, where 0 is any free one. */
  readonly port: number;
  /** Asked first; what it doesn't answer goes on. */
  readonly route?: (
    request: Request,
  ) => Response | undefined | Promise<Response | undefined>;
  /** Called when it stops, before all else does. */
  readonly onStop?: () => void | Promise<void>;
}

/** Serves a page and its WebSocket. */
export function run(options: RunOptions): Running {
  const { server, handler, page, port, route, onStop } = options;
  const http = Deno.serve(
    { port, hostname: "127.0.0.1", onListen() {} },
    async (request, info) => {
      const { pathname } = new URL(request.url);
      if (pathname === "/websocket") return handler.fetch(request, info);
      if (pathname === "/healthz") return healthOf(handler);
      return await route?.(request) ?? await serveAsset(request, page);
    },
  );
  const stop = async () => {
    await onStop?.();
    await handler.close();
    await http.shutdown();
    await server.close();
  };
  let stopped: Promise<void> | undefined;
  const shutdown = () => stopped ??= stop();
  const url = urlOf(http.addr);
  return {
    url,
    server,
    handler,
    http,
    shutdown,
    [Symbol.asyncDispose]: shutdown,
  };
}

/** Runs an example as a program: `--port` says where, Ctrl-C stops it. */
export async function runMain(
  serve: (port: number) => Promise<Running>,
): Promise<void> {
  const { values } = parseArgs({
    args: Deno.args,
    options: { port: { type: "string", default: "8080" } },
  });
  const running = await serve(Number(values.port));
  onInterrupt(running.shutdown);
  console.log(`${running.url} (Ctrl-C to stop)`);
}

/** For a readiness probe: whether to send browsers here. */
export function healthOf(handler: PerspectiveHandler): Response {
  const health = handler.health();
  const isReady = health.status === "ok" || health.status === "degraded";
  return Response.json(health, { status: isReady ? 200 : 503 });
}

/** The address as one types it into a browser. */
export function urlOf({ hostname, port }: Deno.NetAddr): string {
  if (hostname === "0.0.0.0" || hostname === "::") hostname = "localhost";
  return `http://${
    hostname.includes(":") ? `[${hostname}]` : hostname
  }:${port}/`;
}

/**
 * Calls `stop` on the first Ctrl-C or SIGTERM, which answers what is under way;
 * the second ends at once.
 */
export function onInterrupt(stop: () => Promise<void>): void {
  let stopping = false;
  const listener = async () => {
    if (stopping) Deno.exit(130);
    stopping = true;
    await stop();
    // A listener keeps the process alive. Without them it ends by itself.
    for (const signal of signals) Deno.removeSignalListener(signal, listener);
  };
  const signals: Deno.Signal[] = Deno.build.os === "windows"
    ? ["SIGINT"]
    : ["SIGINT", "SIGTERM"];
  for (const signal of signals) Deno.addSignalListener(signal, listener);
}
