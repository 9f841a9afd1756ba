import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { Buffer } from "node:buffer";
import { EngineLoadError } from "../errors.ts";
import { NO_BYTES, Reframed, utf8 } from "../protocol/frame.ts";
import { Kind } from "../protocol/kinds.ts";
import { ENGINES } from "../testing/engines.ts";
import {
  answering,
  BusyPackage,
  fakePackage,
  neverLoaded,
  spinning,
} from "../testing/fake_package.ts";
import {
  type Fill,
  frame,
  makeView,
  message,
  parts,
  text,
  uint,
} from "../testing/frames.ts";
import type { Engine } from "./engine.ts";
import { LocalEngine } from "./local_engine.ts";
import { loadPackage } from "./package.ts";
import { LONGEST_ENTRY } from "./ring.ts";
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

/** What `engine` answers to `requests`, which are all sent at once. */
function answersOf(
  engine: Engine,
  requests: readonly [Reframed, number, boolean][],
): Promise<Uint8Array[]> {
  const frames: Uint8Array[] = [];
  return new Promise((resolve, reject) => {
    let executed = 0;
    engine.listen({
      frame: (frame) => frames.push(frame.slice()),
      failed: (_msgId, error) => reject(error),
      fault: reject,
      fatal: reject,
      heap: () => {},
      executed() {
        if (++executed === requests.length) resolve(frames);
      },
    });
    for (const request of requests) engine.send(...request);
  });
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
    fatal: (error, guilty) =>
      tell(`fatal${guilty ? " and guilty" : ""}: ${error.message}`),
    heap: () => {},
    executed: () => {},
  });
  const until = (count: number) =>
    new Promise<void>((resolve) => {
      if (told.length >= count) resolve();
      else waiting.push([count, resolve]);
    });
  return { told, until };
}

/** Blocks this thread while the worker goes on. */
function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** The address of a module here, quoted for a program elsewhere. */
function resolved(module: string): string {
  return JSON.stringify(import.meta.resolve(module));
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

for (const specifier of Object.values(ENGINES)) {
  Deno.test(`WorkerEngine keeps long frames in their order (${specifier})`, async () => {
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
      ask("t", Kind.TABLE_SIZE);
      ask("v", Kind.VIEW_TO_CSV);
      ask("v", Kind.VIEW_DIMENSIONS);
      ask("v", Kind.VIEW_TO_ARROW);
    }
    const { newServer, line } = await loadPackage(specifier);
    const local = new LocalEngine(newServer(), line);
    const expected = await answersOf(local, requests);
    local.close();
    const isLong = expected.filter(({ length }) => length > 5_000_000);
    assert(isLong.length >= 3, "The answers aren't long");
    const engine = await WorkerEngine.start({ engine: specifier });
    const got = await answersOf(engine, requests);
    engine.close();
    const brief = (frame: Uint8Array) => {
      const { msgId, kind } = parts(frame);
      return [msgId, kind, frame.length];
    };
    assertEquals(got.map(brief), expected.map(brief));
    assert(got.every((it, nth) => Buffer.compare(it, expected[nth]!) === 0));
  });
}

Deno.test("WorkerEngine executes more than there is room for", async () => {
  const change = rows([{ x: "x".repeat(1000) }]);
  const count = 5000;
  assert(count * 1000 > 4 * LONGEST_ENTRY);
  const requests: [Reframed, number, boolean][] = [
    [request(1, "t", 27, rows([{ x: "" }])), Kind.MAKE_TABLE, true],
  ];
  const expected = ["1: 27"];
  for (let id = 2; id <= count; id++) {
    const isLast = id === count;
    requests.push([request(id, "t", 33, change), Kind.TABLE_UPDATE, isLast]);
    expected.push(`${id}: 33`);
  }
  requests.push([request(count + 1, "t", 8), Kind.TABLE_SIZE, false]);
  expected.push(`${count + 1}: 8`);
  const engine = await WorkerEngine.start({ engine: ENGINES["3"] });
  const got = (await answersOf(engine, requests)).map(parts);
  engine.close();
  assertEquals(got.map(({ msgId, kind }) => `${msgId}: ${kind}`), expected);
  assertEquals(got.at(-1)!.content, message(uint(2, count)));
});

Deno.test("WorkerEngine waits for a frame that comes after its entry", async () => {
  const lengths = `nth % 2 === 0 ? ${LONGEST_ENTRY} : nth`;
  const specifier = fakePackage(answering(lengths));
  const engine = await WorkerEngine.start({ engine: specifier });
  const got: number[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  let left = 20;
  engine.listen({
    frame: ({ length }) => {
      // Entries are there at once, messages only when the event loop goes on.
      if (got.push(length) === 1) block(50);
    },
    failed: () => {},
    fault: () => {},
    fatal: () => {},
    heap: () => {},
    executed: () => --left === 0 && resolve(),
  });
  for (let id = 1; id <= left; id++) {
    engine.send(request(id, "t", 8), Kind.TABLE_SIZE, false);
  }
  await promise;
  engine.close();
  const expected = Array.from(
    { length: 20 },
    (_, nth) => nth % 2 === 0 ? nth + 1 : LONGEST_ENTRY,
  );
  assertEquals(got, expected);
});

Deno.test("WorkerEngine.close() leaves what isn't executed yet", async () => {
  const specifier = fakePackage(spinning(1));
  const engine = await WorkerEngine.start({ engine: specifier });
  const told: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  engine.listen({
    frame: () => told.push("frame"),
    failed: (msgId, { message }) => {
      told.push(`${msgId} failed: ${message}`);
      if (msgId === 102) resolve();
    },
    fault: () => told.push("fault"),
    fatal: () => told.push("fatal"),
    heap: () => {},
    executed: () => {
      told.push("executed");
      block(20); // the next ones are executed, but not told yet
      engine.close();
      engine.send(request(101, "t", 8), Kind.TABLE_SIZE, false);
    },
  });
  for (let id = 1; id <= 100; id++) {
    engine.send(request(id, "t", 8), Kind.TABLE_SIZE, false);
  }
  await new Promise((resolve) => setTimeout(resolve, 20));
  engine.send(request(102, "t", 8), Kind.TABLE_SIZE, false);
  await promise;
  assertEquals(told, [
    "executed",
    "101 failed: The engine is closed",
    "102 failed: The engine is closed",
  ]);
});

// A process ends only when its workers have, and terminating them is no help
// while they compute or block.
const BUSY_WITH = {
  "nothing": { handle: "return 0", count: 1 },
  "many requests": { handle: spinning(20), count: 100 },
  "answers that nobody reads": { handle: answering("100_000"), count: 100 },
};

for (const [what, { handle, count }] of Object.entries(BUSY_WITH)) {
  Deno.test(`A worker ends when it is closed while busy with ${what}`, async () => {
    const program = `
      import { NO_BYTES, Reframed } from ${resolved("../protocol/frame.ts")};
      import { WorkerEngine } from ${resolved("./worker_engine.ts")};
      const specifier = ${JSON.stringify(fakePackage(handle))};
      const engine = await WorkerEngine.start({ engine: specifier });
      engine.listen({ failed() {}, frame() {}, heap() {}, executed() {} });
      const frame = new Reframed(1, NO_BYTES, Uint8Array.of(0x42, 0));
      for (let i = 0; i < ${count}; i++) engine.send(frame, 8, false);
      await Promise.resolve();
      // Long enough for the worker to get as far as it can. Nobody reads.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
      engine.close();
      console.log("closed");
    `;
    const config = new URL("../../deno.json", import.meta.url).pathname;
    const file = await Deno.makeTempFile({ suffix: ".ts" });
    await Deno.writeTextFile(file, program);
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", "--config", config, file],
      stdin: "null",
      stdout: "piped",
      env: { NO_COLOR: "1" },
    }).spawn();
    const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
    try {
      const reader = child.stdout.getReader();
      const { value } = await reader.read();
      assertEquals(new TextDecoder().decode(value), "closed\n");
      const closed = performance.now();
      const { code } = await child.status;
      const took = performance.now() - closed;
      assertEquals(code, 0);
      assert(took < 600, `It took ${took} ms`);
      await reader.cancel();
    } finally {
      clearTimeout(timer);
      await child.status;
      await Deno.remove(file);
    }
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

Deno.test("WorkerEngine.start() says that its worker has ended", async () => {
  const endings = {
    "self.close()": "it ended before its engine was loaded",
    'setTimeout(() => { throw new Error("late") })': "Uncaught Error: late",
  };
  for (const [load, why] of Object.entries(endings)) {
    const { message } = await assertRejects(
      () => WorkerEngine.start({ engine: neverLoaded(load) }),
      EngineLoadError,
    );
    assertEquals(message, `Cannot start a worker: ${why}`);
  }
});

Deno.test("WorkerEngine.start() takes no longer than it may", async () => {
  const options = { engine: neverLoaded() };
  const { message } = await assertRejects(
    () => WorkerEngine.start(options, { startTimeout: 500 }),
    EngineLoadError,
  );
  assertEquals(
    message,
    `Cannot start a worker: the engine isn't loaded after 500 ms ` +
      `("startTimeout")`,
  );
});

Deno.test("WorkerEngine.start() can be called off", async () => {
  const gone = new AbortController();
  const starting = [neverLoaded(), ENGINES["3"]].map((engine) =>
    WorkerEngine.start({ engine }, { signal: gone.signal })
  );
  starting.push(WorkerEngine.start({ engine: ENGINES["3"] }, {
    signal: AbortSignal.abort(),
  }));
  gone.abort();
  for (const it of starting) {
    await assertRejects(() => it, EngineLoadError, "it isn't wanted any more");
  }
});

Deno.test("WorkerEngine tells when its engine is lost", async () => {
  // It dies like the real one, but doesn't take this process along.
  const outcomes: Record<string, string> = {
    'throw new WebAssembly.RuntimeError("unreachable")':
      "fatal and guilty: unreachable",
    'return void queueMicrotask(() => { throw new Error("late") }), 0':
      "fatal: Uncaught Error: late",
    'throw new RangeError("too far")': "7 failed: too far",
  };
  for (const [handle, expected] of Object.entries(outcomes)) {
    const engine = await WorkerEngine.start({ engine: fakePackage(handle) });
    const { told, until } = listen(engine);
    engine.send(request(7, "t", 8), Kind.TABLE_SIZE, false);
    await until(1);
    assertEquals(told, [expected]);
    engine.close();
  }
});

/** A view of one expression. */
function expressionView(expression: string): Fill {
  const columns = message((it) => it.tag(2, 2).bytes(message(text(1, "e"))));
  const config = message((it) => {
    it.tag(3, 2).bytes(columns);
    const entry = message((it) => (text(1, "e")(it), text(2, expression)(it)));
    it.tag(6, 2).bytes(entry);
  });
  return makeView("v", config);
}

/** Expressions that nest, and what they come to. */
const NESTED: Record<string, (levels: number) => [string, number]> = {
  sums: (n) => ["(1 + ".repeat(n) + "1" + ")".repeat(n), n + 1],
  calls: (n) => ["abs(".repeat(n) + "7" + ")".repeat(n), 7],
};

/** An engine with a table `t`, and all that it tells. */
async function engineWithTable(specifier: string) {
  const engine = await WorkerEngine.start({ engine: specifier });
  const frames = new Map<number, Uint8Array>();
  const told: string[] = [];
  const heaps: number[] = [];
  let wake: (() => void) | undefined;
  let executed = 0;
  let isLost = false;
  const end = () => wake?.();
  engine.listen({
    frame: (bytes) => {
      told.push("frame");
      frames.set(parts(bytes).msgId, bytes.slice());
    },
    failed: (msgId, error) => told.push(`${msgId} failed: ${error.message}`),
    fault: (error) => told.push(`fault: ${error.message}`),
    fatal: (error, guilty) => {
      told.push(`fatal${guilty ? " and guilty" : ""}: ${error.message}`);
      isLost = true;
      end();
    },
    heap: (bytes) => heaps.push(bytes),
    executed: () => {
      executed++;
      end();
    },
  });
  let nth = 0;
  /** What it answers, if it isn't lost by then. */
  const ask = async (
    entity: string,
    kind: number,
    fill?: Fill,
    poll = false,
  ) => {
    engine.send(request(++nth, entity, kind, fill), kind, poll);
    while (!isLost && executed < nth) {
      await new Promise<void>((resolve) => wake = resolve);
    }
    const answer = frames.get(nth);
    return answer && parts(answer);
  };
  await ask("t", Kind.MAKE_TABLE, rows([{ x: 1 }]), true);
  return { engine, told, heaps, ask };
}

for (const specifier of Object.values(ENGINES)) {
  for (const [what, nested] of Object.entries(NESTED)) {
    Deno.test(`An engine is lost before it says anything wrong after nested ${what} (${specifier})`, async () => {
      // ENGINE 6.4, 9.19: the first that is too deep mostly doesn't trap.
      const { engine, told, ask } = await engineWithTable(specifier);
      let levels = 8;
      for (;; levels++) {
        const [expression, value] = nested(levels);
        const kind = Kind.TABLE_MAKE_VIEW;
        const made = await ask("t", kind, expressionView(expression));
        if (made === undefined) break;
        assertEquals(made.kind, kind);
        const read = await ask("v", Kind.VIEW_TO_CSV);
        assertStringIncludes(
          new TextDecoder().decode(read!.content),
          `"e"\n${value}\n`,
        );
        await ask("v", Kind.VIEW_DELETE);
      }
      assert(levels > 10 && levels < 60, `${levels} levels`);
      assertStringIncludes(told.at(-1)!, "fatal and guilty: ");
      const { length } = told;
      await ask("t", Kind.TABLE_SIZE);
      engine.poll();
      engine.close();
      assertEquals(told.length, length, "It went on");
    });
  }

  for (const levels of [20, 40, 200]) {
    Deno.test(`An engine that meets ${levels} levels says nothing wrong (${specifier})`, async () => {
      const { engine, told, ask } = await engineWithTable(specifier);
      const [expression, value] = NESTED.sums!(levels);
      await ask("t", Kind.TABLE_MAKE_VIEW, expressionView(expression));
      const read = await ask("v", Kind.VIEW_TO_CSV);
      engine.close();
      if (read === undefined) {
        assertEquals(told.length, 2); // the table, and its end
        assertStringIncludes(told[1]!, "fatal and guilty: ");
      } else {
        const csv = new TextDecoder().decode(read.content);
        assertStringIncludes(csv, `"e"\n${value}\n`);
      }
    });
  }

  Deno.test(`An engine is lost when it uses up V8's own stack (${specifier})`, async () => {
    // Not a trap but a RangeError, after which C++'s stack isn't restored.
    const { engine, told, ask } = await engineWithTable(specifier);
    const depth = 100_000;
    const json = `[{ "x": ${"[".repeat(depth)}${"]".repeat(depth)} }]`;
    const data = message(text(4, json));
    await ask("t", Kind.TABLE_UPDATE, (it) => it.tag(1, 2).bytes(data), true);
    assertEquals(told.length, 2);
    assertMatch(told[1]!, /^fatal and guilty: .*Maximum call stack size/);
    engine.close();
  });

  Deno.test(`WorkerEngine tells how much memory its engine has (${specifier})`, async () => {
    const { engine, told, heaps, ask } = await engineWithTable(specifier);
    assertEquals(heaps.length, 1);
    const long = rows([{ x: 1, y: "y".repeat(3_000_000) }]);
    await ask("u", Kind.MAKE_TABLE, rows([{ x: 1, y: "" }]), true);
    for (let i = 0; i < 20; i++) await ask("u", Kind.TABLE_UPDATE, long, true);
    engine.close();
    assert(heaps.length > 1, "It has grown");
    assertEquals(heaps, heaps.toSorted((a, b) => a - b));
    assert(heaps[0]! >= 2 ** 24 && heaps.at(-1)! > heaps[0]!, heaps.join());
    assertEquals(new Set(told), new Set(["frame"]));
  });

  for (const how of ["terminate", "throw"] as const) {
    Deno.test(`WorkerEngine is lost when its worker dies by ${how} (${specifier})`, async () => {
      const { engine, told, ask } = await engineWithTable(specifier);
      let ended = 0;
      engine.onEnd = () => ended++;
      const last = ask("t", Kind.TABLE_SIZE);
      engine.crash(how);
      engine.crash(how);
      await last;
      // By chance it answered this before; if not, it won't.
      while (!told.at(-1)!.startsWith("fatal")) await ask("t", Kind.TABLE_SIZE);
      assertMatch(
        told.at(-1)!,
        how === "throw" ? /^fatal: Uncaught / : /^fatal: The worker has ended$/,
      );
      assertEquals(ended, 1);
      assertEquals(engine.abandon(), true);
      engine.close();
    });
  }
}

Deno.test("WorkerEngine is lost when its worker ends by itself", async () => {
  // That cuts it off within the call.
  const closing = fakePackage(`if (nth === 2) close(); ${answering("0")}`);
  const engine = await WorkerEngine.start({ engine: closing });
  const { told, until } = listen(engine);
  // A worker that has ended keeps no event loop alive.
  const timer = setInterval(() => {}, 1000);
  for (let id = 1; id <= 3; id++) {
    engine.send(request(id, "t", 8), Kind.TABLE_SIZE, false);
  }
  await until(2);
  clearInterval(timer);
  // What it said before is still read.
  assertEquals(told, ["0: 0", "fatal: The worker has ended"]);
});

Deno.test("WorkerEngine.abandon() tells when its thread has ended after all", async () => {
  using busy = new BusyPackage(300);
  const engine = await WorkerEngine.start({ engine: busy.specifier });
  const { told } = listen(engine);
  const steps: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  engine.onEnd = () => steps.push("end");
  engine.onAbandoned = (ended) => {
    steps.push("abandoned");
    ended.then(resolve);
  };
  const begins = busy.begins();
  engine.send(request(1, "t", 8), Kind.TABLE_SIZE, false);
  await begins;
  assertEquals(engine.abandon(), false);
  assertEquals(engine.abandon(), true, "It has been");
  assertEquals(steps, ["end", "abandoned"]);
  await promise;
  engine.close();
  assertEquals(told, []);
});

Deno.test("What a worker said before it died is still read", async () => {
  const busy = `for (const t = Date.now() + 100; Date.now() < t;);`;
  const specifier = fakePackage(`${busy} ${answering("0")}`);
  const engine = await WorkerEngine.start({ engine: specifier });
  const { told, until } = listen(engine);
  engine.send(request(1, "t", 8), Kind.TABLE_SIZE, false);
  // This thread stops looking for answers, and the message that would wake it
  // dies with the worker.
  await new Promise((resolve) => setTimeout(resolve, 20));
  block(200);
  engine.crash("terminate");
  assertEquals(told, [], "Not within the call");
  await until(2);
  assertEquals(told, ["0: 0", "fatal: The worker has ended"]);
});
