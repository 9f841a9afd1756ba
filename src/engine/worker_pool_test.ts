import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { EngineLoadError } from "../errors.ts";
import { NO_BYTES, Reframed } from "../protocol/frame.ts";
import { Server } from "../server/server.ts";
import { ENGINES } from "../testing/engines.ts";
import { BusyPackage, neverLoaded } from "../testing/fake_package.ts";
import { runProgram } from "../testing/program.ts";
import type { WorkerEngine } from "./worker_engine.ts";
import { WorkerPool } from "./worker_pool.ts";

Deno.test("WorkerPool refuses a size that is none", () => {
  for (const size of [0, -1, 1.5, 65, NaN]) {
    assertThrows(() => new WorkerPool({ size }), RangeError, "a whole number");
  }
});

Deno.test("WorkerPool refuses a maxAbandoned that is no count", () => {
  for (const maxAbandoned of [-1, 1.5, NaN, -Infinity]) {
    const construct = () => new WorkerPool({ maxAbandoned });
    assertThrows(construct, RangeError, `"maxAbandoned" must be`);
  }
});

Deno.test("WorkerPool refuses a startTimeout that is none", () => {
  for (const startTimeout of [-1, NaN]) {
    const construct = () => new WorkerPool({ startTimeout });
    assertThrows(construct, RangeError, `"startTimeout" must be >= 0`);
  }
});

Deno.test("WorkerPool gives up a worker that doesn't start, and counts it while it goes on", async () => {
  using busy = new BusyPackage(0);
  await using pool = new WorkerPool({ size: 1, startTimeout: 3000 });
  const load = "const end = Date.now() + 4000; while (Date.now() < end);";
  const start = () => pool.start({ engine: neverLoaded(load) });
  await assertRejects(start, EngineLoadError, `"startTimeout"`);
  assertEquals(pool.stats(), { size: 1, running: 0, abandoned: 1 });
  await assertRejects(() => pool.ready(), EngineLoadError, `"startTimeout"`);
  (await pool.start({ engine: busy.specifier })).close();
  while (pool.stats().abandoned > 0) {
    await new Promise((resolve) => setTimeout(resolve));
  }
});

Deno.test("WorkerPool replaces workers that hang, up to a number", async () => {
  using busy = new BusyPackage(1500);
  const options = { engine: busy.specifier };
  await using pool = new WorkerPool({ size: 2, maxAbandoned: 1 });
  const [first, second] = await Promise.all([
    pool.start(options) as Promise<WorkerEngine>,
    pool.start(options) as Promise<WorkerEngine>,
  ]);
  const hang = async (engine: WorkerEngine) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    // After the pool's own.
    const { onAbandoned } = engine;
    engine.onAbandoned = (ended) => {
      onAbandoned!(ended);
      ended.then(resolve);
    };
    const begins = busy.begins();
    engine.send(new Reframed(1, NO_BYTES, Uint8Array.of(0x42, 0)), 8, false);
    await begins;
    assertEquals(engine.abandon(), false);
    return { ended: promise };
  };
  const one = await hang(first);
  assertEquals(pool.stats(), { size: 2, running: 1, abandoned: 1 });
  const replacement = await pool.start(options);
  const other = await hang(second);
  assertEquals(pool.stats(), { size: 2, running: 1, abandoned: 2 });
  await assertRejects(
    () => pool.start(options),
    Error,
    `2 of the pool's workers hang, and "maxAbandoned" is 1`,
  );
  await pool.ready(); // that isn't remembered
  await Promise.all([one.ended, other.ended]);
  assertEquals(pool.stats(), { size: 2, running: 1, abandoned: 0 });
  (await pool.start(options)).close();
  replacement.close();
  assertEquals(pool.stats(), { size: 2, running: 0, abandoned: 0 });
});

// A request that never comes back, on either engine (ENGINE 6.4, 9.18).
const HANG = `
  import { frame, makeView, message, text, uint } from "SRC/testing/frames.ts";
  import { NO_BYTES, Reframed, utf8 } from "SRC/protocol/frame.ts";
  import { WorkerPool } from "SRC/engine/worker_pool.ts";
  const options = { engine: Deno.args[0] };
  const pool = new WorkerPool({ size: 1, maxAbandoned: 0 });
  const engine = await pool.start(options);
  let executed = 0;
  const told = [];
  const { promise, resolve } = Promise.withResolvers();
  engine.listen({
    heap() {},
    frame: () => told.push("frame"),
    failed: () => told.push("failed"),
    fault: () => told.push("fault"),
    fatal: () => told.push("fatal"),
    executed: () => ++executed === 2 && resolve(),
  });
  const send = (id, entity, kind, fill) => engine.send(
    new Reframed(id, utf8(entity), frame(0, "", kind, fill)), kind, false,
  );
  const data = message(text(4, '[{ "x": 1 }]'));
  send(1, "t", 27, (it) => it.tag(1, 2).bytes(data));
  send(2, "t", 6, makeView("v"));
  await promise;
  send(3, "v", 10, (it) => (uint(1, 2)(it), uint(2, 1)(it)));
  send(4, "t", 8, NO_BYTES);
  // Long enough for it to get there, and to come back if it did.
  await new Promise((resolve) => setTimeout(resolve, 500));
  console.log(told.join(), executed, engine.abandon(), pool.stats());
  await new Promise((resolve) => setTimeout(resolve, 500));
  const { message: why } = await pool.start(options).catch((error) => error);
  console.log(told.join(), executed, why);
  console.log(pool.stats());
  Deno.exit(0); // it wouldn't end by itself
`;

for (const engine of Object.values(ENGINES)) {
  Deno.test(`WorkerPool counts a worker that never comes back (${engine})`, async () => {
    const source = HANG.replaceAll(
      "SRC/",
      new URL("../", import.meta.url).href,
    );
    const flags = ["--quiet", "--no-check", "-A"];
    const { stdout, stderr } = await runProgram(source, flags, [engine]);
    const stats = "{ size: 1, running: 0, abandoned: 1 }";
    assertEquals(`${stdout}${stderr}`.split("\n"), [
      `frame,frame 2 false ${stats}`,
      "frame,frame 2 Cannot start an engine: 1 of the pool's workers hang, " +
      'and "maxAbandoned" is 0',
      stats,
      "",
    ]);
  });
}

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

Deno.test("WorkerPool.close() ends what is starting", async () => {
  const pool = new WorkerPool({ size: 1, startTimeout: 0 });
  const starting = pool.start({ engine: neverLoaded() });
  const refused = assertRejects(
    () => starting,
    Error,
    "Cannot start an engine: the worker pool is closed",
  );
  await pool.close();
  await refused;
});

const PROGRAM = `
  import { Server, WorkerPool } from "MOD";
  await using executor = new WorkerPool({ size: 2 });
  await using server = new Server({ engine: Deno.args[0], executor });
  const table = await server.newLocalClient().table({ x: [1, 2, 3] });
  console.log("rows:", await table.size());
`;

/** What the program above says with `mod` for the package, and nothing but `flags`. */
async function run(mod: string, engine: string, flags: string[]) {
  const source = PROGRAM.replace("MOD", mod);
  // Otherwise an empty cache is told of.
  const output = await runProgram(source, ["--quiet", ...flags], [engine]);
  return `${output.stdout}${output.stderr}`;
}

for (const engine of Object.values(ENGINES)) {
  Deno.test(`WorkerPool needs no more permissions than a server does (${engine})`, async () => {
    const mod = import.meta.resolve("../../mod.ts");
    const permissions = ["--allow-read", "--allow-env", "--allow-net"];
    assertEquals(await run(mod, engine, permissions), "rows: 3\n");
  });
}

Deno.test("WorkerPool works when the package comes from the network", async () => {
  const root = new URL("../../", import.meta.url);
  await using http = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    async (request) => {
      const { pathname } = new URL(request.url);
      const source = await Deno.readTextFile(new URL(`.${pathname}`, root));
      const headers = { "content-type": "application/typescript" };
      return new Response(source, { headers });
    },
  );
  const host = `127.0.0.1:${http.addr.port}`;
  const output = await run(`http://${host}/mod.ts`, ENGINES["3"], [
    "--allow-read",
    "--allow-env",
    "--allow-net",
    `--allow-import=${host}`,
    "--no-lock", // it would remember this host
  ]);
  assertEquals(output, "rows: 3\n");
});
