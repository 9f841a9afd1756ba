import { assertEquals, assertStringIncludes } from "@std/assert";
import { connect } from "../testing/engines.ts";
import { runProgram } from "../testing/program.ts";

const PACKAGE = import.meta.resolve("./package.ts");
const MOD = import.meta.resolve("../../mod.ts");
const FIVE = "npm:@perspective-dev/client@5.5.1";
const WS = "--allow-env=WS_NO_BUFFER_UTIL,WS_NO_UTF_8_VALIDATE";

Deno.test("loadPackage() leaves the program its environment and its signals", async () => {
  const { stdout } = await runProgram(
    `
    import process from "node:process";
    import os from "node:os";
    const { loadPackage } = await import(${JSON.stringify(PACKAGE)});
    process.on("SIGINT", function mine() {});
    const { env } = process;
    const { tmpdir } = os;
    const loading = loadPackage(${JSON.stringify(FIVE)});
    await Promise.resolve();
    const meanwhile = process.env.SECRET;
    const { line } = await loading;
    console.log(JSON.stringify([
      line, meanwhile, process.env === env, os.tmpdir === tmpdir,
      process.listeners("SIGINT").map((it) => it.name),
    ]));
    process.removeAllListeners("SIGINT");
    `,
    ["-A"],
  );
  assertEquals(JSON.parse(stdout), ["5", "hidden", true, true, ["mine"]]);
});

Deno.test("An engine says nothing of rows that are counted for a copy, but of any other port", async () => {
  const url = (module: string) => JSON.stringify(import.meta.resolve(module));
  const { stdout, stderr } = await runProgram(
    `
    import { LocalEngine } from ${url("./local_engine.ts")};
    import { loadPackage } from ${url("./package.ts")};
    import { Reframed, utf8 } from ${url("../protocol/frame.ts")};
    import { countRequest } from ${url("../protocol/table_copy.ts")};
    import { frame, message, text, uint } from ${url("../testing/frames.ts")};
    const { error } = console;
    const { newServer, line } = await loadPackage(${JSON.stringify(FIVE)});
    const engine = new LocalEngine(newServer(), line);
    const kinds = [];
    engine.listen({
      frame: (bytes) => kinds.push(bytes.length),
      executed() {},
      heap() {},
    });
    const t = utf8("t");
    const rows = message(text(4, '[{ "x": 1 }]'));
    const send = (kind, fill) =>
      engine.send(new Reframed(0, t, frame(0, "", kind, fill)), kind, true);
    send(27, (it) => it.tag(1, 2).bytes(rows));
    engine.send(countRequest(0, t, 3), 33, true);
    send(33, (it) => (it.tag(1, 2).bytes(rows), uint(2, 7)(it)));
    console.log(kinds.length, console.error === error);
    console.error("mine");
    `,
    ["--no-check", "--quiet", "-A"],
  );
  assertEquals([stdout, stderr.split("\n")], ["3 true\n", [
    "Cannot send table to port `7`, which does not exist.",
    "mine",
    "",
  ]]);
});

for (const engine of ["npm:@finos/perspective@3.8.0", FIVE]) {
  Deno.test(`loadPackage() needs little to load ${engine}`, async () => {
    const { stdout, stderr } = await runProgram(
      `
      const { Server } = await import(${JSON.stringify(MOD)});
      await using server = new Server({ engine: ${JSON.stringify(engine)} });
      const table = await server.newLocalClient().table("x\\n1\\n2");
      console.log(await table.size());
      `,
      ["--allow-read", WS],
    );
    assertEquals([stdout, stderr], ["2\n", ""]);
  });
}

Deno.test("loadPackage() says which permission is missing", async () => {
  const { stdout } = await runProgram(
    `
    const { Server } = await import(${JSON.stringify(MOD)});
    const server = new Server({ onError: () => {} });
    await server.ready.catch(({ name, message }) => console.log(name, message));
    `,
    [WS],
  );
  assertStringIncludes(stdout, "EngineLoadError Cannot load engine");
  assertStringIncludes(stdout, "--allow-read");
});

Deno.test("deno serve takes a handler for its default export", async () => {
  const config = new URL("../../deno.json", import.meta.url).pathname;
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  await Deno.writeTextFile(
    file,
    `
    import { PerspectiveHandler, Server } from ${JSON.stringify(MOD)};
    const server = new Server();
    await server.newLocalClient().table("x\\n1\\n2\\n3", { name: "t" });
    export default new PerspectiveHandler({ server });
    `,
  );
  const process = new Deno.Command(Deno.execPath(), {
    args: [
      "serve",
      "-A",
      "--port=0",
      "--host=127.0.0.1",
      "--config",
      config,
      file,
    ],
    env: { NO_COLOR: "1" },
    stdout: "null",
    stderr: "piped",
  }).spawn();
  try {
    const reader = process.stderr.pipeThrough(new TextDecoderStream())
      .getReader();
    let said = "";
    let port: string | undefined;
    while (port === undefined) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`deno serve ended: ${said}`);
      said += value;
      port = /127\.0\.0\.1:(\d+)/.exec(said)?.[1];
    }
    const client = await connect("3", `ws://127.0.0.1:${port}/`);
    assertEquals(await (await client.open_table("t")).size(), 3);
    const closed = Promise.withResolvers<void>();
    await client.on_error(() => closed.resolve());
    process.kill("SIGTERM");
    await closed.promise;
    await reader.cancel();
  } finally {
    await process.status;
    await Deno.remove(file);
  }
});
