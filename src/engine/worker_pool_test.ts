import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { EngineLoadError } from "../errors.ts";
import { Server } from "../server/server.ts";
import { ENGINES } from "../testing/engines.ts";
import { WorkerPool } from "./worker_pool.ts";

Deno.test("WorkerPool refuses a size that is none", () => {
  for (const size of [0, -1, 1.5, 65, NaN]) {
    assertThrows(() => new WorkerPool({ size }), RangeError, "a whole number");
  }
});

for (const engine of Object.values(ENGINES)) {
  Deno.test(`WorkerPool.ready() resolves when all workers take requests (${engine})`, async () => {
    await using executor = new WorkerPool({ size: 2 });
    await executor.ready(); // nobody has asked for any
    await using server = new Server({ engine, executor });
    await executor.ready();
    assertEquals(server.stats().replicas.length, 2);
  });
}

Deno.test("WorkerPool.ready() says once why a worker can't be started", async () => {
  const errors: string[] = [];
  await using executor = new WorkerPool({ size: 3 });
  await using server = new Server({
    engine: "file:///no/such/engine.js",
    executor,
    onError: (error) => errors.push(error.name),
  });
  const refused = () => executor.ready();
  await assertRejects(refused, EngineLoadError, "Module not found");
  await assertRejects(() => server.ready, EngineLoadError, "Module not found");
  // And so does the first request.
  const table = server.newLocalClient().table({ x: [1] });
  await assertRejects(() => table, Error, "Module not found");
  assertEquals(errors, ["EngineLoadError"]);
});

Deno.test("WorkerPool.close() ends what servers have started, and starts no more", async () => {
  const executor = new WorkerPool({ size: 2 });
  const errors: string[] = [];
  const onError = (error: Error) => errors.push(error.message);
  await using server = new Server({ executor, onError });
  const table = await server.newLocalClient().table({ x: [1] });
  await executor.close();
  await executor.close();
  await assertRejects(() => table.size(), Error, "closed");
  await using late = new Server({ executor, onError });
  await assertRejects(() => late.ready, Error, "the worker pool is closed");
});
