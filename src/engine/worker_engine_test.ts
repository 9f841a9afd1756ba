import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { EngineLoadError } from "../errors.ts";
import { NO_BYTES, Reframed, utf8 } from "../protocol/frame.ts";
import { Kind } from "../protocol/kinds.ts";
import { ENGINES } from "../testing/engines.ts";
import { type Fill, frame, message, parts, text } from "../testing/frames.ts";
import { WorkerEngine } from "./worker_engine.ts";

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

/** Listens to `engine`; `until` resolves when so much was told. */
function listen(engine: WorkerEngine) {
  const told: string[] = [];
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
      tell(`${msgId}: ${kind}`);
    },
    failed: (msgId, error) => tell(`${msgId} failed: ${error.message}`),
    fault: (error) => tell(`fault: ${error.message}`),
    fatal: (error) => tell(`fatal: ${error.message}`),
    executed: () => {},
  });
  const until = (count: number) =>
    new Promise<void>((resolve) => {
      if (told.length >= count) resolve();
      else waiting.push([count, resolve]);
    });
  return { told, until };
}

for (const [line, specifier] of Object.entries(ENGINES)) {
  Deno.test(`WorkerEngine executes frames in order (${specifier})`, async () => {
    const engine = await WorkerEngine.start({ engine: specifier });
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
    engine.close();
    engine.close();
    engine.poll();
    engine.send(request(999, "t", 8), Kind.TABLE_SIZE, false);
    await until(expected.length + 1);
    assertEquals(told.at(-1), "999 failed: The engine is closed");
  });
}

Deno.test("WorkerEngine heals a view that failed", async () => {
  const engine = await WorkerEngine.start({ engine: ENGINES["3"] });
  const { told, until } = listen(engine);
  engine.send(request(1, "t", 27, rows([{ g: "a", n: 1 }])), 27, true);
  const config = message((writer) => {
    text(1, "g")(writer);
    const inner = message((it) => {
      text(1, "weighted mean")(it);
      text(1, "nothing")(it);
    });
    writer.tag(7, 2).fork().tag(1, 2).string("n").tag(2, 2).bytes(inner).join();
  });
  const view: Fill = (it) => it.tag(1, 2).string("v").tag(2, 2).bytes(config);
  engine.send(request(2, "t", 6, view), Kind.TABLE_MAKE_VIEW, false);
  engine.send(request(3, "t", 33, rows([{ g: "b", n: 2 }])), 33, true);
  engine.send(request(4, "t", 8), Kind.TABLE_SIZE, false);
  await until(4);
  assertEquals(told, ["1: 27", "2: 50", "3: 33", "4: 8"]);
  engine.close();
});

Deno.test("WorkerEngine.start() says why an engine can't be loaded", async () => {
  const error = await assertRejects(
    () => WorkerEngine.start({ engine: "file:///no/such/engine.js" }),
    EngineLoadError,
  );
  assertStringIncludes(error.message, "Module not found");
});

Deno.test("WorkerEngine tells when its engine is lost", async () => {
  // An engine that dies like the real one, but doesn't take this process along.
  const source = `
    export class PerspectiveServer {
      server = 8;
      module = {
        HEAPU8: new Uint8Array(1 << 17),
        _psp_is_memory64: () => 0,
        _psp_new_session: () => 1,
        _psp_alloc: () => 64,
        _psp_free: () => {},
        _psp_poll: () => 0,
        _psp_handle_request: () => {
          if (mode === "trap") throw new WebAssembly.RuntimeError("unreachable");
          if (mode === "later") return void queueMicrotask(() => { throw new Error("late") }), 0;
          throw new RangeError("too far");
        },
      };
    }
    export const make_client = () => {};
  `;
  const outcomes: Record<string, string[]> = {
    trap: ["fatal: unreachable"],
    later: ["fatal: Uncaught Error: late"],
    fail: ["7 failed: too far"],
  };
  for (const [mode, expected] of Object.entries(outcomes)) {
    const code = `const mode = "${mode}";${source}`;
    const engine = await WorkerEngine.start({
      engine: `data:text/javascript,${encodeURIComponent(code)}`,
    });
    const { told, until } = listen(engine);
    engine.send(request(7, "t", 8), Kind.TABLE_SIZE, false);
    await until(1);
    assertEquals(told, expected);
    engine.close();
  }
});
