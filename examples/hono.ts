/**
 * Perspective in a Hono app, as one route of it among others.
 *
 * ```sh
 * deno run -A examples/hono.ts
 * ```
 *
 * @module
 */
import { Hono } from "hono";
import { PerspectiveHandler, Server } from "../mod.ts";
import { healthOf, onInterrupt } from "./run.ts";

const server = new Server();
await server.newLocalClient().table(
  { symbol: ["ABC", "XYZ"], price: [1.5, 2.5] },
  { name: "prices", index: "symbol" },
);
/** The WebSocket handler; a program that stops closes it. */
export const handler = new PerspectiveHandler({ server });

/** The app. What Deno tells of the client is what Hono calls its environment. */
export const app = new Hono<{ Bindings: Deno.ServeHandlerInfo }>();

app.get("/", (context) => context.text("Perspective is at /perspective"));
app.get("/perspective", ({ req, env }) => handler.fetch(req.raw, env));
app.get("/healthz", () => healthOf(handler));

if (import.meta.main) {
  const http = Deno.serve({ port: 8080, hostname: "127.0.0.1" }, app.fetch);
  onInterrupt(async () => {
    await handler.close();
    await http.shutdown();
    await server.close();
  });
}
