/**
 * A server for hostile peers, in a process of its own, whose memory is
 * watched. It tells its port on stdout, and its memory at `/rss`.
 *
 * @module
 */

import { PerspectiveHandler } from "../../socket/handler.ts";
import { serverWith } from "../serve.ts";

if (import.meta.main) {
  const handler = new PerspectiveHandler({
    server: await serverWith(100_000),
    maxBufferSize: 4 << 20,
    onError: () => {},
  });
  Deno.serve(
    {
      port: 0,
      hostname: "127.0.0.1",
      onListen: ({ port }) => console.log(port),
    },
    (request, info) => {
      if (new URL(request.url).pathname !== "/rss") {
        return handler.fetch(request, info);
      }
      const { rss } = Deno.memoryUsage();
      return Response.json({ rss, ...handler.stats() });
    },
  );
}
