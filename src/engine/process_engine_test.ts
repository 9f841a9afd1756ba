import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { Buffer } from "node:buffer";
import { EngineLoadError } from "../errors.ts";
import { NO_BYTES, Reframed, utf8 } from "../protocol/frame.ts";
import { Kind } from "../protocol/kinds.ts";
import { ENGINES } from "../testing/engines.ts";
import {
  type Fill,
  frame,
  makeView,
  message,
  parts,
  text,
  uint,
} from "../testing/frames.ts";
import { neverLoaded } from "../testing/fake_package.ts";
import { runProgram } from "../testing/program.ts";
import type { Engine } from "./engine.ts";
import { LocalEngine } from "./local_engine.ts";
import { loadPackage } from "./package.ts";
import { ProcessEngine, type ProcessOptions } from "./process_engine.ts";

const MiB = 2 ** 20;

/** A request as the router makes it. */
function request(msgId: number, entity: string, kind: number, fill?: Fill) {
  const body = frame(0, "", kind, fill ?? NO_BYTES);
  return new Reframed(msgId, utf8(entity), body);
}

/** Data in rows, as changes carry them. */
function rows(data: unknown[]): Fill {
  const content = message(text(4, JSON.stringify(data)));
  return (writer) => writer.tag(1, 2).bytes(content);
}

function start(
  engine: string,
  options: Partial<ProcessOptions> = {},
): Promise<ProcessEngine> {
  return ProcessEngine.start({ engine }, { processes: 1, ...options });
}

/** Listens to `engine`; `until` resolves when so much was told. */
function listen(engine: Engine) {
  const told: string[] = [];
  const frames: Uint8Array[] = [];
  const waiting: [number, () => void][] = [];
  const tell = (what: string) => {
    told.push(what);
    for (const [count, resolve] of waiting) {
      if (told.length >= count) resolve();
    }
  };
  engine.listen({
    frame: (bytes) => {
      const { msgId, kind } = parts(bytes);
      frames.push(bytes.slice());
      tell(`${msgId}: ${kind}`);
    },
    failed: (msgId, error) => tell(`${msgId} failed: ${error.message}`),
    fault: (error) => tell(`fault: ${error.message}`),
    fatal: (error) => tell(`fatal: ${error.message}`),
    executed: () => {},
    heap: () => {},
  });
  const until = (count: number) =>
    new Promise<void>((resolve) => {
      if (told.length >= count) resolve();
      else waiting.push([count, resolve]);
    });
  return { told, frames, until };
}

/** The specifier of an engine that does what `handle` says with a request. */
function fakeEngine(handle: string, atStart = ""): string {
  const source = `
    ${atStart};
    const memory = new DataView(new ArrayBuffer(1 << 20));
    export class PerspectiveServer {
      server = 8;
      module = {
        HEAPU8: new Uint8Array(memory.buffer),
        _psp_is_memory64: () => 0,
        _psp_new_session: () => 1,
        _psp_alloc: () => 64,
        _psp_free: () => {},
        _psp_poll: () => 0,
        _emscripten_stack_get_current: () => 1 << 17,
        _psp_handle_request: () => { ${handle}; return 0; },
      };
    }
    export const make_client = () => {};
  `;
  return `data:text/javascript,${encodeURIComponent(source)}`;
}

for (const [line, specifier] of Object.entries(ENGINES)) {
  Deno.test(`ProcessEngine executes frames in order (${specifier})`, async () => {
    const engine = await start(specifier);
    assertEquals(engine.line, line);
    const { told, until } = listen(engine);
    const expected: string[] = [];
    engine.send(request(1, "t", 27, rows([{ x: 1 }])), Kind.MAKE_TABLE, true);
    expected.push("1: 27");
    for (let i = 2; i < 200; i += 2) {
      engine.send(request(i, "t", 33, rows([{ x: i }])), 33, i % 4 === 0);
      engine.send(request(i + 1, "t", 8), Kind.TABLE_SIZE, false);
      expected.push(`${i}: 33`, `${i + 1}: 8`);
      // Some in the same turn of the event loop, some not.
      if (i % 10 === 0) await new Promise((resolve) => setTimeout(resolve));
    }
    engine.poll();
    await until(expected.length);
    assertEquals(told, expected);
    const closed = engine.close();
    await engine.close();
    await closed;
    engine.poll();
    engine.send(request(999, "t", 8), Kind.TABLE_SIZE, false);
    await until(expected.length + 1);
    assertEquals(told.at(-1), "999 failed: The engine is closed");
  });

  Deno.test(`ProcessEngine keeps long frames in their order (${specifier})`, async () => {
    const long = (nth: number) =>
      rows(Array.from({ length: 30 }, (_, row) => ({
        x: `${nth} ${row} `.padEnd(100_000, "x"),
      })));
    const requests: [Reframed, number, boolean][] = [];
    const ask = (entity: string, kind: number, fill?: Fill, shared = false) => {
      const plain = request(requests.length + 1, entity, kind, fill);
      requests.push([shared ? plain.share() : plain, kind, kind === 33]);
    };
    ask("t", Kind.MAKE_TABLE, rows([{ x: "a" }]));
    ask("t", Kind.TABLE_MAKE_VIEW, makeView("v"));
    for (let nth = 0; nth < 2; nth++) {
      ask("t", Kind.TABLE_SIZE);
      ask("t", Kind.TABLE_UPDATE, rows([{ x: "b" }]), true);
      ask("t", Kind.TABLE_UPDATE, long(2 * nth));
      ask("t", Kind.TABLE_SIZE);
      ask("t", Kind.TABLE_UPDATE, long(2 * nth + 1), true);
      ask("v", Kind.VIEW_TO_CSV);
      ask("v", Kind.VIEW_DIMENSIONS);
      ask("v", Kind.VIEW_TO_ARROW);
    }
    const answers = async (engine: Engine) => {
      const { frames, until } = listen(engine);
      for (const it of requests) engine.send(...it);
      await until(requests.length);
      await engine.close();
      return frames;
    };
    const { newServer, line } = await loadPackage(specifier);
    const expected = await answers(new LocalEngine(newServer(), line));
    const isLong = expected.filter(({ length }) => length > 5_000_000);
    assert(isLong.length >= 3, "The answers aren't long");
    const got = await answers(await start(specifier));
    assertEquals(got.length, expected.length);
    assert(got.every((it, nth) => Buffer.compare(it, expected[nth]!) === 0));
  });
}

Deno.test("ProcessEngine executes more than a pipe holds", async () => {
  const change = rows([{ x: "x".repeat(1000) }]);
  const count = 2000;
  const engine = await start(ENGINES["3"]);
  const { told, frames, until } = listen(engine);
  engine.send(request(1, "t", 27, rows([{ x: "" }])), Kind.MAKE_TABLE, true);
  const expected = ["1: 27"];
  for (let id = 2; id <= count; id++) {
    engine.send(request(id, "t", 33, change), Kind.TABLE_UPDATE, id === count);
    expected.push(`${id}: 33`);
  }
  engine.send(request(count + 1, "t", 8), Kind.TABLE_SIZE, false);
  expected.push(`${count + 1}: 8`);
  await until(expected.length);
  await engine.close();
  assertEquals(told, expected);
  assertEquals(parts(frames.at(-1)!).content, message(uint(2, count)));
});

Deno.test("ProcessEngine tells when its process is killed", async () => {
  const engine = await start(ENGINES["3"]);
  const { told, until } = listen(engine);
  engine.send(request(1, "t", 27, rows([{ x: 1 }])), Kind.MAKE_TABLE, true);
  await until(1);
  Deno.kill(engine.pid, "SIGKILL");
  await until(2);
  await engine.close();
  assertEquals(told, [
    "1: 27",
    "fatal: The engine's process has ended by SIGKILL",
  ]);
});

/** Requests from which an engine doesn't come back. */
const HANGS: Record<string, [string, number, Fill]> = {
  "3": ["t", Kind.TABLE_VALIDATE_EXPR, (writer) => {
    const expression = message((it) => {
      text(1, "e")(it);
      text(2, "var i := 1; while (i > 0) { i := 2; }; i")(it);
    });
    writer.tag(1, 2).bytes(expression);
  }],
  "5": ["v", Kind.VIEW_COLUMN_PATHS, (it) => {
    uint(1, 3)(it);
    uint(2, 1)(it);
  }],
};

for (const [line, specifier] of Object.entries(ENGINES)) {
  Deno.test(`ProcessEngine.abandon() ends an engine that hangs (${specifier})`, async () => {
    const engine = await start(specifier);
    const { told, until } = listen(engine);
    engine.send(request(1, "t", 27, rows([{ x: 1 }])), Kind.MAKE_TABLE, true);
    engine.send(request(2, "t", 6, makeView("v")), Kind.TABLE_MAKE_VIEW, false);
    const [entity, kind, fill] = HANGS[line]!;
    engine.send(request(3, entity, kind, fill), kind, false);
    engine.send(request(4, "t", 8), Kind.TABLE_SIZE, false);
    await until(2); // the third is under way
    assertEquals(engine.abandon(), true);
    await engine.ended;
    await engine.close();
    assertEquals(told, ["1: 27", "2: 6"]);
  });
}

Deno.test("ProcessEngine.close() ends an engine that hangs", async () => {
  const handle = `
    for (; globalThis.isBegun;);
    globalThis.isBegun = true;
    throw new RangeError("the next one hangs")`;
  const engine = await start(fakeEngine(handle));
  const { told, until } = listen(engine);
  engine.send(request(1, "t", 8), Kind.TABLE_SIZE, false);
  engine.send(request(2, "t", 8), Kind.TABLE_SIZE, false);
  await until(1);
  await engine.close();
  assertEquals(told, ["1 failed: the next one hangs"]);
});

Deno.test("ProcessEngine tells when its process takes too much memory", async () => {
  const handle = "globalThis.kept = new Uint8Array(1 << 30).fill(1)";
  const engine = await start(fakeEngine(handle), { maxMemory: 600 * MiB });
  const { told, until } = listen(engine);
  engine.send(request(1, "t", 8), Kind.TABLE_SIZE, false);
  await until(1);
  await engine.close();
  assertEquals(told, [
    "fatal: The engine's process has taken more memory than it may " +
    `("maxMemory": ${600 * MiB})`,
  ]);
});

Deno.test("ProcessEngine tells when its engine is lost", async () => {
  const outcomes: Record<string, string> = {
    'throw new WebAssembly.RuntimeError("unreachable")': "fatal: unreachable",
    'queueMicrotask(() => { throw new Error("late") })':
      "fatal: Uncaught Error: late",
    'throw new RangeError("too far")': "7 failed: too far",
    'Deno.stdout.writeSync(new TextEncoder().encode("Hello, world"))':
      "fatal: The engine's process has written what is no answer",
  };
  await Promise.all(
    Object.entries(outcomes).map(async ([handle, expected]) => {
      const engine = await start(fakeEngine(handle));
      const { told, until } = listen(engine);
      engine.send(request(7, "t", 8), Kind.TABLE_SIZE, false);
      await until(1);
      await engine.close();
      assertEquals(told, [expected]);
    }),
  );
});

Deno.test("A process leaves signals to its parent", async () => {
  const engine = await start(ENGINES["3"]);
  const { told, until } = listen(engine);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    Deno.kill(engine.pid, signal);
  }
  engine.send(request(1, "t", 27, rows([{ x: 1 }])), Kind.MAKE_TABLE, true);
  await until(1);
  await engine.close();
  assertEquals(told, ["1: 27"]);
});

Deno.test("ProcessEngine.start() says why a process can't be started", async () => {
  const nowhere = "file:///no/such/engine.js";
  const failures: [string, Partial<ProcessOptions>, string][] = [
    [nowhere, {}, "Module not found"],
    [
      ENGINES["3"],
      { command: ["no-such-program"] },
      "Cannot start a process: Failed to spawn 'no-such-program'",
    ],
    [
      ENGINES["3"],
      { flags: ["--no-such-flag"] },
      "Cannot start a process: The engine's process has ended with code 1: " +
      "error: unexpected argument '--no-such-flag'",
    ],
    [
      fakeEngine("", "for (;;);"),
      { signal: AbortSignal.abort() },
      "Cannot start a process: it isn't wanted any more",
    ],
    [
      neverLoaded("Deno.kill(Deno.pid, 'SIGKILL')"),
      { flags: ["--allow-run"] },
      "Cannot start a process: The engine's process has ended by SIGKILL",
    ],
    [
      neverLoaded("self.close()"),
      {},
      "Cannot start a process: The engine's thread has ended",
    ],
    [
      neverLoaded("setTimeout(() => { throw new Error('late') })"),
      {},
      "Cannot start a process: Uncaught Error: late",
    ],
    [
      neverLoaded("for (;;)"),
      { startTimeout: 1000 },
      "Cannot start a process: the engine isn't loaded after 1000 ms " +
      '("startTimeout")',
    ],
  ];
  await Promise.all(failures.map(async ([engine, options, expected]) => {
    const refused = () => start(engine, options);
    const { message } = await assertRejects(refused, EngineLoadError);
    // deno-lint-ignore no-control-regex -- colors
    assertStringIncludes(message.replace(/\x1b\[\d+m/g, ""), expected);
  }));
});

Deno.test("ProcessEngine is lost when its engine's thread ends by itself", async () => {
  const engine = await start(fakeEngine("self.close()"));
  const { told, until } = listen(engine);
  engine.send(request(1, "t", 8), Kind.TABLE_SIZE, false);
  await until(1);
  assertEquals(told, ["fatal: The engine's thread has ended"]);
  await engine.close();
});

Deno.test("ProcessEngine.start() says what to allow", async () => {
  const program = `
    import { ProcessEngine } from ${
    JSON.stringify(import.meta.resolve("./process_engine.ts"))
  };
    const options = { processes: 1 };
    await ProcessEngine.start({ engine: "x" }, options).catch((error) =>
      console.log(error.name, error.message)
    );
  `;
  const { stdout, stderr } = await runProgram(program, ["--no-check"]);
  assertEquals(stderr, "");
  assertEquals(
    stdout,
    "EngineLoadError Cannot start a process: Requires run access to " +
      `"${Deno.execPath()}", run again with the --allow-run flag. Allow it ` +
      `(--allow-run=${Deno.execPath()}), or use WorkerPool\n`,
  );
});

/** A module of WebAssembly with one function, `f`, that never returns. */
const ENDLESS = "0061736d0100000001040160000003020100070501016600000a09010700" +
  "03400c000b0b";

Deno.test("A process ends with its parent, whatever its engine is at", async () => {
  // While the process is there, so is a connection that its engine has made.
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const engine = fakeEngine(
    'console.log("looping"); endless.exports.f()',
    `const bytes = Uint8Array.fromHex("${ENDLESS}");
    const endless = new WebAssembly.Instance(new WebAssembly.Module(bytes));
    globalThis.connection = await Deno.connect({ hostname: "127.0.0.1", port: ${listener.addr.port} })`,
  );
  const url = (module: string) => JSON.stringify(import.meta.resolve(module));
  const program = `
    import { NO_BYTES, Reframed } from ${url("../protocol/frame.ts")};
    import { ProcessEngine } from ${url("./process_engine.ts")};
    const options = { processes: 1, flags: ["--allow-net=127.0.0.1"] };
    const specifier = ${JSON.stringify(engine)};
    const engine = await ProcessEngine.start({ engine: specifier }, options);
    const nothing = () => {};
    engine.listen({ frame: nothing, heap: nothing, executed: nothing });
    engine.send(new Reframed(1, NO_BYTES, Uint8Array.of(0x42, 0)), 8, false);
  `;
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  await Deno.writeTextFile(file, program);
  const config = new URL("../../deno.json", import.meta.url).pathname;
  const parent = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--config", config, file],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const failed = parent.status.then(() => {
    throw new Error("The program has ended");
  });
  using connection = await Promise.race([listener.accept(), failed]);
  failed.catch(() => {});
  const reader = parent.stderr.getReader();
  const { value } = await reader.read();
  assertEquals(new TextDecoder().decode(value), "looping\n");
  parent.kill("SIGKILL");
  const end = await connection.read(new Uint8Array(1));
  assertEquals(end, null);
  await reader.cancel();
  await parent.status;
  await Deno.remove(file);
});
