/**
 * The engine's C functions, called directly.
 *
 * The packages' own `session.handle_request` polls after an `await`, so that
 * calls which aren't awaited one by one run together by chance (ENGINE 2.3).
 * Here a request, its answers and the poll are one synchronous step.
 *
 * @module
 */

import { toError } from "../errors.ts";
import type { Reframed } from "../protocol/frame.ts";
import { EngineDamagedError } from "./failure.ts";
import { StackGuard } from "./stack_guard.ts";

/** A pointer or length: a BigInt when the memory is addressed by 64 bits. */
type Pointer = number | bigint;

/** What is used of the module that emscripten made. */
export interface WasmModule {
  readonly HEAPU8: Uint8Array<ArrayBuffer>;
  _psp_is_memory64(): number;
  _psp_new_session(server: Pointer): number;
  _psp_close_session(server: Pointer, client: number): void;
  _psp_alloc(length: Pointer): Pointer;
  _psp_free(pointer: Pointer): void;
  _psp_handle_request(
    server: Pointer,
    client: number,
    frame: Pointer,
    length: Pointer,
  ): Pointer;
  _psp_poll(server: Pointer): Pointer;
  _psp_delete_server(server: Pointer): void;
  _emscripten_stack_get_current?(): Pointer;
}

/** What is used of `PerspectiveServer` in both packages. */
export interface PackageServer {
  readonly module: WasmModule;
  readonly server: Pointer;
}

/** Called with each frame the engine wrote and whom it is for. The bytes are lent. */
export type Emit = (clientId: number, frame: Uint8Array) => void;

/** Requests up to this size share one buffer in the engine's memory. */
const SCRATCH = 64 * 1024;

/** Why an engine isn't used though it did nothing wrong itself. */
export const SHARED_DAMAGE =
  "The engine shares its WebAssembly instance with one that is lost";

/** A `PerspectiveServer` and one session on it. */
export class WasmServer {
  readonly #module: WasmModule;
  readonly #server: Pointer;
  readonly #is64: boolean;
  readonly #client: number;
  readonly #scratch: Pointer;
  readonly #guard: StackGuard;
  /** The engine's memory, for reading lists; detached when it has grown. */
  #memory: DataView<ArrayBuffer>;

  /**
   * Opens a session on `server`.
   *
   * @throws {EngineDamagedError} If another server has damaged the instance
   * that this one shares with it.
   */
  constructor({ module, server }: PackageServer) {
    this.#guard = StackGuard.of(module);
    if (this.isBroken) throw new EngineDamagedError(SHARED_DAMAGE);
    this.#module = module;
    this.#server = server;
    this.#is64 = module._psp_is_memory64() !== 0;
    this.#client = module._psp_new_session(server);
    this.#memory = new DataView(module.HEAPU8.buffer);
    this.#scratch = this.#allocate(SCRATCH);
  }

  /** The number of the session, as `emit` gets it. */
  get clientId(): number {
    return this.#client;
  }

  /** Bytes of the engine's memory. It never shrinks. */
  get heap(): number {
    return this.#currentMemory().byteLength;
  }

  /**
   * Whether the WebAssembly instance is known to be damaged, by whichever of
   * the thread's servers.
   */
  get isBroken(): boolean {
    return this.#guard.isBroken;
  }

  /**
   * Executes one request and hands on what it answered.
   *
   * @throws {WebAssembly.RuntimeError} If the engine trapped; it is lost then.
   * @throws {EngineDamagedError} If it damaged itself; it is lost as well, and
   * nothing it said is handed on.
   * @throws {RangeError} If the engine has no memory left for the request.
   */
  handle(frame: Reframed, emit: Emit): void {
    const length = frame.byteLength;
    const pointer = length <= SCRATCH ? this.#scratch : this.#allocate(length);
    frame.writeTo(this.#module.HEAPU8, this.#address(pointer));
    let answers: Pointer;
    try {
      answers = this.#call(() =>
        this.#module._psp_handle_request(
          this.#server,
          this.#client,
          pointer,
          this.#pointer(length),
        )
      );
    } finally {
      if (pointer !== this.#scratch && !this.isBroken) {
        this.#module._psp_free(pointer);
      }
    }
    this.#decode(answers, emit);
  }

  /**
   * Passes pending changes on to views and hands on what they say.
   *
   * @throws As {@linkcode WasmServer.handle} does.
   */
  poll(emit: Emit): void {
    const pushes = this.#call(() => this.#module._psp_poll(this.#server));
    this.#decode(pushes, emit);
  }

  /** Ends the session and gives the server's memory back. */
  close(): void {
    this.#module._psp_free(this.#scratch);
    this.#module._psp_close_session(this.#server, this.#client);
    this.#module._psp_delete_server(this.#server);
  }

  /** What the engine returns; nothing of it is read if the engine is damaged. */
  #call(call: () => Pointer): Pointer {
    let result: Pointer;
    try {
      result = call();
    } catch (reason) {
      if (reason instanceof WebAssembly.RuntimeError) {
        this.#guard.isBroken = true;
      } else this.#check(reason);
      throw reason;
    }
    this.#check();
    return result;
  }

  #check(cause?: unknown): void {
    if (this.#guard.isWhole()) return;
    this.#guard.isBroken = true;
    // What isn't a trap may have left C++ in the middle, too: V8's own stack
    // was used up, for instance, which is a RangeError.
    const what = cause === undefined
      ? "The engine has written beyond its stack"
      : `The engine was left in the middle: ${toError(cause).message}`;
    throw new EngineDamagedError(what, cause);
  }

  /**
   * Reads the list that the engine returns, `{ u32 count; ptr messages }`
   * with `{ ptr data; u32 length; u32 client }` for each message, and frees
   * it. Memory may grow in `emit`, so every view is made anew.
   */
  #decode(list: Pointer, emit: Emit): void {
    const module = this.#module;
    const at = this.#address(list);
    let memory = this.#currentMemory();
    const count = memory.getUint32(at, true);
    const messages = this.#read(memory, at + 4);
    const pointerSize = this.#is64 ? 8 : 4;
    let entry = this.#address(messages);
    for (let i = 0; i < count; i++, entry += pointerSize + 8) {
      memory = this.#currentMemory();
      const data = this.#read(memory, entry);
      const length = memory.getUint32(entry + pointerSize, true);
      const client = memory.getUint32(entry + pointerSize + 4, true);
      try {
        emit(
          client,
          new Uint8Array(module.HEAPU8.buffer, this.#address(data), length),
        );
      } finally {
        module._psp_free(data);
      }
    }
    module._psp_free(messages);
    module._psp_free(list);
  }

  #currentMemory(): DataView<ArrayBuffer> {
    if (this.#memory.buffer.byteLength === 0) {
      this.#memory = new DataView(this.#module.HEAPU8.buffer);
    }
    return this.#memory;
  }

  #allocate(length: number): Pointer {
    const pointer = this.#module._psp_alloc(this.#pointer(length));
    if (Number(pointer) === 0) {
      throw new RangeError(
        `Cannot hand a request to the engine: no ${length} bytes of memory left`,
      );
    }
    return pointer;
  }

  #read(memory: DataView, at: number): Pointer {
    return this.#is64
      ? memory.getBigUint64(at, true)
      : memory.getUint32(at, true);
  }

  /** `value` as the C functions take a pointer or a length. */
  #pointer(value: number): Pointer {
    return this.#is64 ? BigInt(value) : value;
  }

  /** A pointer as an index into `HEAPU8`. Above 2 GiB, 32 bits come signed. */
  #address(pointer: Pointer): number {
    return typeof pointer === "bigint" ? Number(pointer) : pointer >>> 0;
  }
}
