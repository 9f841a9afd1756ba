import { assertEquals } from "@std/assert";
import { frame, parts } from "../src/testing/frames.ts";
import { openSocket } from "../src/testing/serve.ts";
import { app, handler } from "./hono.ts";

Deno.test("hono.ts has Perspective at a route, and others beside it", async () => {
  await using http = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    app.fetch,
  );
  const { port } = http.addr;
  const url = `http://127.0.0.1:${port}`;
  const get = async (path: string) => {
    const response = await fetch(url + path);
    return [response.status, await response.text()] as const;
  };
  assertEquals((await get("/"))[0], 200);
  assertEquals((await get("/perspective"))[0], 426);
  assertEquals((await get("/elsewhere"))[0], 404);
  const [status, health] = await get("/healthz");
  assertEquals([status, JSON.parse(health).status], [200, "ok"]);

  const socket = await openSocket(`ws://127.0.0.1:${port}/perspective`);
  const answer = new Promise<Uint8Array>((resolve) => {
    socket.onmessage = ({ data }) => resolve(new Uint8Array(data));
  });
  socket.send(frame(1, "prices", 8));
  assertEquals(parts(await answer).kind, 8);
  // Hono hands on what Deno tells of the client.
  assertEquals(handler.sessions()[0]?.remoteAddress, "127.0.0.1");
  const closed = new Promise<CloseEvent>((resolve) => {
    socket.onclose = resolve;
  });
  await handler.close();
  assertEquals((await closed).code, 1001);
});
