import { assertEquals } from "@std/assert";
import type { Engine, Executor } from "../engine/engine.ts";
import { WorkerPool } from "../engine/worker_pool.ts";
import { Server } from "../server/server.ts";
import { openSocket, serve, serverWith } from "../testing/serve.ts";
import { PerspectiveHandler } from "./handler.ts";

Deno.test("health() is ok, and draining from close() on", async () => {
  await using server = await serverWith(1);
  await using serving = serve({ server });
  const { handler } = serving;
  const engines = { engines: 1, size: 1 };
  assertEquals(handler.health(), { status: "ok", ...engines, connections: 0 });
  await openSocket(serving.url);
  await serving.open(1);
  assertEquals(handler.health().connections, 1);
  await handler.close();
  assertEquals(handler.health(), {
    status: "draining",
    ...engines,
    connections: 0,
  });
});

Deno.test("health() is starting until there are engines", async () => {
  await using server = new Server();
  await using handler = new PerspectiveHandler({ server });
  assertEquals(handler.health().status, "starting");
  await server.ready;
  assertEquals(handler.health().status, "ok");
  await server.close();
  assertEquals(handler.health().status, "lost");
});

Deno.test("health() is lost if the engine can't be loaded", async () => {
  await using server = new Server({ engine: "file:///no", onError: () => {} });
  await using handler = new PerspectiveHandler({ server });
  await server.ready.catch(() => {});
  assertEquals(handler.health(), {
    status: "lost",
    engines: 0,
    size: 1,
    connections: 0,
  });
});

Deno.test("health() of a handler that chooses is its own", async () => {
  await using handler = new PerspectiveHandler({
    server: () => Server.global(),
  });
  assertEquals(handler.health().status, "ok");
  await handler.close();
  assertEquals(handler.health().status, "draining");
});

Deno.test("health() is degraded while an engine is replaced", async () => {
  await using pool = new WorkerPool({ size: 2 });
  const started: Engine[] = [];
  const gate = Promise.withResolvers<void>();
  const executor: Executor = {
    size: 2,
    async start(options) {
      if (started.length >= 2) await gate.promise;
      const engine = await pool.start(options);
      started.push(engine);
      return engine;
    },
  };
  let onError = () => {};
  await using server = new Server({ executor, onError: () => onError() });
  await using handler = new PerspectiveHandler({ server });
  await server.ready;
  assertEquals(handler.health().status, "ok");
  const lost = new Promise<void>((resolve) => onError = resolve);
  const [mortal] = started as unknown as [{ crash(how: string): void }];
  mortal.crash("terminate");
  await lost;
  assertEquals(handler.health(), {
    status: "degraded",
    engines: 1,
    size: 2,
    connections: 0,
  });
  gate.resolve();
  while (handler.health().status !== "ok") {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
});
