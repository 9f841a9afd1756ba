import { assertEquals } from "@std/assert";
import { simpleRequest } from "../protocol/answers.ts";
import { NO_BYTES } from "../protocol/frame.ts";
import { Kind } from "../protocol/kinds.ts";
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
function engineOver(module: WasmModule): [LocalEngine, string[]] {
  const told: string[] = [];
  const engine = new LocalEngine({ module, server: 8 }, "3");
  engine.listen({
    frame: () => told.push("frame"),
    failed: (msgId, error) => told.push(`failed ${msgId}: ${error.message}`),
    fault: (error) => told.push(`fault: ${error.message}`),
    fatal: (error) => told.push(`fatal: ${error.message}`),
    executed: () => {},
  });
  return [engine, told];
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
  assertEquals(told, ["fatal: unreachable"]);
  engine.poll();
  engine.send(request(6), Kind.TABLE_UPDATE, true);
  assertEquals(told.slice(1), ["failed 6: The engine is closed"]);
  engine.close();
});
