/**
 * A server with a known load, which is measured. For tests only: it is started
 * with `OTEL_DENO=true`.
 *
 * It says `ready` when all is done, and ends when its input does.
 *
 * @module
 */

import { instrument, PerspectiveHandler, readOnly, Server } from "../../mod.ts";
import { Kind } from "../protocol/kinds.ts";
import { type Fill, frame, makeView, parts } from "./frames.ts";

if (import.meta.main) {
  await using server = new Server();
  await using handler = new PerspectiveHandler({
    server,
    authorize: (request) =>
      request.url.endsWith("/none")
        ? new Response("No", { status: 401 })
        : readOnly(),
  });
  using _ = instrument({
    server,
    handler,
    attributes: { "service.tier": "test" },
  });
  await using http = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    handler.fetch,
  );
  const { port } = http.addr;
  const table = await server.newLocalClient()
    .table({ name: ["Rome", "Oslo"] }, { name: "cities" });
  for (let i = 0; i < 3; i++) await table.update({ name: ["Bern"] });
  await new Promise((resolve) => {
    new WebSocket(`ws://127.0.0.1:${port}/none`).onerror = resolve;
  });
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
  socket.binaryType = "arraybuffer";
  await new Promise((resolve) => socket.onopen = resolve);
  let answered: (() => void) | undefined;
  let msgId = 0;
  socket.onmessage = ({ data }) => {
    if (parts(new Uint8Array(data)).msgId === msgId) answered?.();
  };
  const ask = async (kind: number, entity: string, content?: Fill) => {
    const answer = new Promise<void>((resolve) => answered = resolve);
    socket.send(frame(++msgId, entity, kind, content).slice());
    await answer;
  };
  await ask(Kind.TABLE_MAKE_VIEW, "cities", makeView("v"));
  for (let i = 0; i < 5; i++) await ask(Kind.VIEW_DIMENSIONS, "v");
  await ask(Kind.TABLE_DELETE, "cities");
  console.log("ready");
  for await (const _ of Deno.stdin.readable);
  socket.close();
}
