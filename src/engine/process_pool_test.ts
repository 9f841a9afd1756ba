import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { EngineLoadError } from "../errors.ts";
import { Server } from "../server/server.ts";
import { ENGINES } from "../testing/engines.ts";
import { neverLoaded } from "../testing/fake_package.ts";
import { runProgram } from "../testing/program.ts";
import { commandFor } from "./process_command.ts";
import { ProcessPool } from "./process_pool.ts";

Deno.test("ProcessPool refuses options that make no sense", () => {
  for (const size of [0, -1, 1.5, 65, NaN]) {
    assertThrows(() => new ProcessPool({ size }), RangeError, "a whole number");
  }
  for (const maxMemory of [0, -1, NaN]) {
    assertThrows(() => new ProcessPool({ maxMemory }), RangeError, "above 0");
  }
  for (const startTimeout of [-1, NaN]) {
    const construct = () => new ProcessPool({ startTimeout });
    assertThrows(construct, RangeError, `"startTimeout" must be >= 0`);
  }
  assertThrows(() => new ProcessPool({ command: [] }), TypeError, "a program");
});

for (const engine of Object.values(ENGINES)) {
  Deno.test(`ProcessPool runs a server's engines (${engine})`, async () => {
    await using executor = new ProcessPool({ size: 2, maxMemory: Infinity });
    await executor.ready(); // nobody has asked for any
    await using server = new Server({ engine, executor });
    await executor.ready();
    await server.ready;
    assertEquals(server.stats().replicas.length, 2);
    assertEquals(executor.stats(), { size: 2, running: 2, abandoned: 0 });
    const client = server.newLocalClient();
    const long = Array.from(
      { length: 3 },
      (_, n) => `${n}`.repeat(1_000_000),
    );
    const table = await client.table({ x: ["a", "b"] });
    await table.update({ x: long });
    assertEquals(await table.size(), 5);
    const view = await table.view();
    assertEquals(await view.to_columns(), { x: ["a", "b", ...long] });
    await view.delete();
    await server.close();
    await executor.close();
    assertEquals(executor.stats(), { size: 2, running: 0, abandoned: 0 });
  });
}

Deno.test("ProcessPool.ready() says once why a process can't be started", async () => {
  const errors: string[] = [];
  await using executor = new ProcessPool({ size: 2 });
  await using server = new Server({
    engine: "file:///no/such/engine.js",
    executor,
    onError: (error) => errors.push(error.name),
  });
  const refused = () => executor.ready();
  await assertRejects(refused, EngineLoadError, "Module not found");
  await assertRejects(() => server.ready, EngineLoadError, "Module not found");
  assertEquals(errors, ["EngineLoadError"]);
});

Deno.test("ProcessPool gives up a process that doesn't start", async () => {
  await using pool = new ProcessPool({ size: 1, startTimeout: 1000 });
  const start = () => pool.start({ engine: neverLoaded("for (;;)") });
  await assertRejects(start, EngineLoadError, `"startTimeout"`);
  assertEquals(pool.stats(), { size: 1, running: 0, abandoned: 0 });
});

Deno.test("ProcessPool.close() ends what is starting, and starts no more", async () => {
  const executor = new ProcessPool({ size: 1 });
  const closed = "Cannot start an engine: the process pool is closed";
  const endless = "data:text/javascript,for (;;);";
  const starting = assertRejects(
    () => executor.start({ engine: endless }),
    Error,
    closed,
  );
  await executor.close();
  await executor.close();
  await starting;
  const late = () => executor.start({ engine: ENGINES["3"] });
  await assertRejects(late, Error, closed);
});

const PROGRAM = `
  import { ProcessPool, Server } from "MOD";
  const [engine, ...flags] = Deno.args;
  await using executor = new ProcessPool({ size: 1, flags });
  await using server = new Server({ engine, executor });
  const table = await server.newLocalClient().table({ x: [1, 2, 3] });
  console.log("rows:", await table.size());
`;

for (const engine of Object.values(ENGINES)) {
  Deno.test(`ProcessPool needs --allow-run beside what a server does (${engine})`, async () => {
    const source = PROGRAM.replace("MOD", import.meta.resolve("../../mod.ts"));
    const { stdout, stderr } = await runProgram(source, [
      "--quiet",
      "--allow-read",
      "--allow-env",
      `--allow-run=${Deno.execPath()}`,
    ], [engine]);
    assertEquals(`${stdout}${stderr}`, "rows: 3\n");
  });
}

Deno.test("ProcessPool works when the package comes from the network", async () => {
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
  const source = PROGRAM.replace("MOD", `http://${host}/mod.ts`);
  const config = new URL("deno.json", root).pathname;
  const { stdout, stderr } = await runProgram(source, [
    "--quiet",
    "--allow-read",
    "--allow-env",
    "--allow-run",
    `--allow-import=${host}`,
    "--no-lock", // it would remember this host
  ], [ENGINES["3"], "--config", config, "--no-lock"]);
  assertEquals(`${stdout}${stderr}`, "rows: 3\n");
});

Deno.test("ProcessPool in a compiled program is told what to run", () => {
  const compiled = (command?: string[]) => commandFor("x", { command }, true);
  assertEquals(compiled(["./engine"]), ["./engine"]);
  assertThrows(() => compiled(), EngineLoadError, 'option "command"');
});
