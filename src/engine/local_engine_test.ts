import { assert, assertEquals, assertThrows } from "@std/assert";
import { simpleRequest } from "../protocol/answers.ts";
import { NO_BYTES } from "../protocol/frame.ts";
import { Kind } from "../protocol/kinds.ts";
import { EngineDamagedError } from "./failure.ts";
import { LocalEngine } from "./local_engine.ts";
import type { WasmModule } from "./wasm_server.ts";

/** An engine's memory with an empty list of answers at address 0. */
function fakeModule(): WasmModule {
  return {
    HEAPU8: new Uint8Array(1024),
    _psp_is_memory64: () => 0,
    _psp_new_session: () => 1,
    _psp_close_session: () => {},
    _psp_alloc: () => 64,
    _psp_free: () => {},
    _psp_handle_request: () => 0,
    _psp_poll: () => 0,
    _psp_delete_server: () => {},
  };
}

/** A LocalEngine over `module`, and what it tells its listener. */
function engineOver(
  module: WasmModule,
): [LocalEngine, told: string[], heaps: number[]] {
  const told: string[] = [];
  const heaps: number[] = [];
  const engine = new LocalEngine({ module, server: 8 }, "3");
  engine.listen({
    frame: () => told.push("frame"),
    failed: (msgId, error) => told.push(`failed ${msgId}: ${error.message}`),
    fault: (error) => told.push(`fault: ${error.message}`),
    fatal: (error, guilty) =>
      told.push(`fatal${guilty ? " and guilty" : ""}: ${error.message}`),
    heap: (bytes) => heaps.push(bytes),
    executed: () => {},
  });
  return [engine, told, heaps];
}

const request = (msgId: number) =>
  simpleRequest(msgId, NO_BYTES, Kind.TABLE_UPDATE);

Deno.test("LocalEngine.poll() tells of a poll that fails", () => {
  // Invariant 10
  const module = fakeModule();
  module._psp_poll = () => {
    throw new RangeError("out of reach");
  };
  const [engine, told] = engineOver(module);
  engine.poll();
  assertEquals(told, ["fault: out of reach"]);
  engine.send(request(5), Kind.TABLE_UPDATE, true);
  // It has been answered; it is the poll that failed.
  assertEquals(told.slice(1), ["fault: out of reach"]);
  engine.send(request(6), Kind.TABLE_UPDATE, false);
  assertEquals(told.length, 2, "it lives");
});

Deno.test("LocalEngine is lost after a trap", () => {
  // ENGINE 6.1
  const module = fakeModule();
  module._psp_handle_request = () => {
    throw new WebAssembly.RuntimeError("unreachable");
  };
  const [engine, told] = engineOver(module);
  engine.send(request(5), Kind.TABLE_UPDATE, true);
  assertEquals(told, ["fatal and guilty: unreachable"]);
  engine.poll();
  engine.send(request(6), Kind.TABLE_UPDATE, true);
  assertEquals(told.length, 1, "It went on");
  engine.close();
});

/** Where the stack of {@linkcode guardedModule} starts. */
const STACK_POINTER = 80 * 1024;

/**
 * An engine with a stack and static data below it, which answers every call
 * with a frame and then does what `after` says.
 */
function guardedModule() {
  let memory = new DataView(new ArrayBuffer(128 * 1024));
  memory.setUint32(STACK_POINTER - 65536 - 2000, 12345);
  const answers = () => {
    // { count, messages } and { data, length, client }
    const list = [1, 108, 200, 3, 1];
    list.forEach((word, at) => memory.setUint32(100 + 4 * at, word, true));
    return 100;
  };
  let pointer = STACK_POINTER;
  const after = { request: () => {}, poll: () => {} };
  const module: WasmModule = {
    ...fakeModule(),
    get HEAPU8() {
      return new Uint8Array(memory.buffer as ArrayBuffer);
    },
    _emscripten_stack_get_current: () => pointer,
    _psp_handle_request() {
      const list = answers();
      after.request();
      return list;
    },
    _psp_poll() {
      const list = answers();
      after.poll();
      return list;
    },
  };
  return {
    module,
    after,
    moveStack: () => pointer -= 16,
    /** Writes so many bytes below the stack. */
    overflow: (bytes: number) =>
      memory.setUint8(STACK_POINTER - 65536 - bytes, 1),
    grow() {
      const buffer = memory.buffer as ArrayBuffer;
      memory = new DataView(buffer.transfer(2 * buffer.byteLength));
    },
  };
}

const BEYOND = "The engine has written beyond its stack";

Deno.test("LocalEngine hands on nothing that a damaged engine says", () => {
  const damages = (fake: ReturnType<typeof guardedModule>) => ({
    "moves its stack": fake.moveStack,
    "writes below it": () => fake.overflow(1),
    "writes far below it": () => fake.overflow(4096),
  });
  for (const what of Object.keys(damages(guardedModule()))) {
    for (const where of ["request", "poll"] as const) {
      const fake = guardedModule();
      const damage = damages(fake)[what as keyof ReturnType<typeof damages>];
      const [engine, told] = engineOver(fake.module);
      engine.send(request(5), Kind.TABLE_UPDATE, true);
      assertEquals(told.splice(0), ["frame", "frame"]);
      fake.after[where] = damage;
      engine.send(request(6), Kind.TABLE_UPDATE, true);
      const expected = where === "request"
        ? [`fatal and guilty: ${BEYOND}`]
        : ["frame", `fatal: ${BEYOND}`];
      assertEquals(told, expected, `${what} in ${where}`);
      engine.send(request(7), Kind.TABLE_UPDATE, true);
      engine.poll();
      assertEquals(told, expected, `after ${what} in ${where}`);
    }
  }
});

Deno.test("LocalEngine is lost when C++ is left in the middle", () => {
  const fake = guardedModule();
  const [engine, told] = engineOver(fake.module);
  fake.after.request = () => {
    throw new RangeError("no memory");
  };
  engine.send(request(5), Kind.TABLE_UPDATE, false);
  fake.after.request = () => {
    fake.moveStack();
    throw new RangeError("too deep");
  };
  engine.send(request(6), Kind.TABLE_UPDATE, false);
  assertEquals(told, [
    "failed 5: no memory",
    "fatal and guilty: The engine was left in the middle: too deep",
  ]);
});

Deno.test("An engine is lost with the one whose instance it shares", () => {
  const fake = guardedModule();
  const [engine, told] = engineOver(fake.module);
  const [other, toldOther] = engineOver(fake.module);
  other.send(request(5), Kind.TABLE_UPDATE, false);
  fake.after.request = fake.moveStack;
  engine.send(request(6), Kind.TABLE_UPDATE, false);
  assertEquals(told, [`fatal and guilty: ${BEYOND}`]);
  fake.after.request = () => assert(false, "It executed a request");
  other.send(request(7), Kind.TABLE_UPDATE, false);
  other.poll();
  const why =
    "The engine shares its WebAssembly instance with one that is lost";
  assertEquals(toldOther, ["frame", `fatal: ${why}`]);
  assertThrows(() => engineOver(fake.module), EngineDamagedError, why);
});

Deno.test("LocalEngine tells how large its memory is", () => {
  const fake = guardedModule();
  const [engine, told, heaps] = engineOver(fake.module);
  engine.send(request(5), Kind.TABLE_UPDATE, true);
  engine.poll();
  assertEquals(heaps, [128 * 1024]);
  fake.after.request = fake.grow;
  engine.send(request(6), Kind.TABLE_UPDATE, true);
  assertEquals(heaps, [128 * 1024, 256 * 1024]);
  fake.after.request = () => {};
  fake.after.poll = fake.grow;
  engine.poll();
  assertEquals(heaps, [128 * 1024, 256 * 1024, 512 * 1024]);
  assertEquals(new Set(told), new Set(["frame"]));
  // It still looks at the stack, wherever that is now.
  fake.after.poll = () => fake.overflow(4096);
  engine.poll();
  assertEquals(told.at(-1), `fatal: ${BEYOND}`);
});
