import { assertEquals, assertRejects } from "@std/assert";
import { ENGINES } from "../testing/engines.ts";
import { FakeEngine } from "../testing/fake_engine.ts";
import { FaultyPool } from "../testing/soak/faulty_pool.ts";
import type { LocalClient } from "./local_client.ts";
import { Server } from "./server.ts";

/** A server whose engine is lost, and whose second one starts when told to. */
async function reloading(
  onLost: (client: LocalClient) => void | Promise<void>,
) {
  const errors: string[] = [];
  const first = new FakeEngine();
  const engines = [first];
  const second = Promise.withResolvers<FakeEngine>();
  const starts = [Promise.resolve(first), second.promise];
  const server = new Server({
    executor: { start: () => starts.shift()! },
    onLost,
    onError: (error, { stage }) => errors.push(`${stage}: ${error.message}`),
  });
  await server.ready;
  first.die("x");
  const lost = "engine: The engine is lost, and its tables with it: x";
  assertEquals(errors.splice(0), [lost]);
  const start = () => {
    const engine = new FakeEngine();
    engines.push(engine);
    second.resolve(engine);
    return engine;
  };
  return { server, errors, start, fail: second.reject, starts };
}

/** Lets pass what is resolved. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

Deno.test("Server.close() waits for engines that are to take the place of lost ones", async () => {
  let calls = 0;
  const it = await reloading(() => void calls++);
  let isClosed = false;
  const closing = it.server.close().then(() => isClosed = true);
  await turn();
  assertEquals(isClosed, false);
  const engine = it.start();
  await closing;
  assertEquals([engine.closes, calls, it.errors], [1, 0, []]);
});

Deno.test("Server.close() says nothing of engines that can't take the place of lost ones", async () => {
  const it = await reloading(() => {});
  const closing = it.server.close();
  it.fail(new Error("no memory"));
  await closing;
  await turn();
  assertEquals(it.errors, []);
});

Deno.test("Server.close() ends what onLost is at, and doesn't wait for it", async () => {
  const called = Promise.withResolvers<void>();
  const refused = Promise.withResolvers<void>();
  const it = await reloading(async (client) => {
    const first = client.table({ x: [1] });
    called.resolve();
    await assertRejects(() => first, Error);
    await assertRejects(() => client.table({ x: [1] }), Error);
    refused.resolve();
    await new Promise(() => {});
  });
  const engine = it.start();
  await called.promise;
  while (engine.requests.length === 0) await turn();
  await it.server.close();
  assertEquals(engine.closes >= 1, true);
  await refused.promise;
  await turn();
  assertEquals(it.errors, []);
});

Deno.test("Server.close() may be called by onLost", async () => {
  const closed = Promise.withResolvers<void>();
  const it = await reloading(async (client) => {
    await it.server.close();
    // Also for whoever hasn't asked before.
    await assertRejects(() => client.table({ x: [1] }), Error, "closed");
    closed.resolve();
    throw new Error("given up");
  });
  it.start();
  await closed.promise;
  await turn();
  assertEquals(it.errors, []);
});

Deno.test("New engines that are lost before they are in use aren't used", async () => {
  // What onLost does with it: nothing, or it throws.
  for (const isCaught of [true, false]) {
    const failed = Promise.withResolvers<void>();
    const it = await reloading(async (client) => {
      try {
        await client.table({ x: [1] });
      } catch (reason) {
        failed.resolve();
        if (!isCaught) throw reason;
      }
    });
    const engine = it.start();
    while (engine.requests.length === 0) await turn();
    engine.die("y");
    await failed.promise;
    await turn();
    assertEquals(it.starts.length, 0); // and no third was asked for
    const { length } = it.errors.filter((it) => it.startsWith("hook: "));
    assertEquals(length, isCaught ? 0 : 1);
    assertEquals(it.server.lost?.message.endsWith("x"), true);
    await it.server.close();
  }
});

for (const engine of Object.values(ENGINES)) {
  for (const when of ["starting", "loading"] as const) {
    Deno.test(`Server.close() leaves nothing open while new engines are ${when} (${engine})`, async () => {
      const errors: string[] = [];
      await using executor = new FaultyPool(2);
      const reloads = Promise.withResolvers<void>();
      if (when === "starting") executor.onDeath = () => reloads.resolve();
      const server = new Server({
        engine,
        executor,
        onLost: async (client) => {
          await client.table({ x: [1] });
          reloads.resolve();
          for (;;) await client.table({ x: [1] });
        },
        onError: (error, { stage }) => errors.push(`${stage}: ${error.name}`),
      });
      await server.ready;
      // The one that is lost first would be replaced.
      for (const it of executor.alive) it.crash("terminate");
      while (server.lost === undefined) await turn();
      await reloads.promise;
      errors.length = 0;
      await server.close();
      assertEquals(executor.alive.length, 0);
      await turn();
      assertEquals(errors, []);
    });
  }
}
