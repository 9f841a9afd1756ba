/**
 * Finding out that an engine has written beyond its stack.
 *
 * The engine's C++ stack has 64 KB and no fence: what overflows it writes over
 * static data, often without a trap, and later answers are wrong (ENGINE 6.4,
 * 9.19). Whatever leaves C++ by an exception, a trap or not, leaves the stack
 * pointer where it was (ENGINE 6.1). Both can be seen (ENGINE 6.7, 9.21).
 *
 * @module
 */

import { Buffer } from "node:buffer";

/** What is used of an engine's module. */
export interface GuardedModule {
  /** The engine's memory, in which the stack lies. */
  readonly HEAPU8: Uint8Array<ArrayBuffer>;
  /** The stack pointer. */
  _emscripten_stack_get_current?(): number | bigint;
}

/** The size of the stack in both packages. */
const STACK = 64 * 1024;

/** So many bytes below the stack are watched. Normal use writes to none of them. */
const WATCHED = 4 * 1024;

const guards = new WeakMap<GuardedModule, StackGuard>();

/**
 * Watches the stack of a WebAssembly instance.
 *
 * A look takes 55 to 75 ns on either engine, nearly all of it for the 4 KB:
 * they are compared natively, since a loop in JavaScript takes 200 to 300 ns.
 * The shortest request, `table_size`, takes 1.2 µs.
 */
export class StackGuard {
  readonly #module: GuardedModule;
  readonly #pointer: number | bigint | undefined;
  readonly #start: number;
  readonly #expected: Buffer | undefined;
  /** A window on the memory below the stack; detached when that has grown. */
  #actual: Buffer | undefined;
  /** Whether the instance is known to be damaged. */
  isBroken = false;

  private constructor(module: GuardedModule) {
    this.#module = module;
    this.#pointer = module._emscripten_stack_get_current?.();
    this.#start = Number(this.#pointer ?? 0) - STACK - WATCHED;
    const data = this.#start < 0 ? undefined : this.#window();
    // In both packages static data lies there. Nothing but zeros would be the
    // unused part of a longer stack.
    if (data?.some((byte) => byte !== 0)) {
      this.#actual = data;
      this.#expected = Buffer.alloc(WATCHED, data);
    }
  }

  /** The guard of `module`. All servers of a thread share one instance. */
  static of(module: GuardedModule): StackGuard {
    let guard = guards.get(module);
    if (guard === undefined) {
      guards.set(module, guard = new StackGuard(module));
    }
    return guard;
  }

  /** Whether the stack is as it was at the start. Not to be asked during a call. */
  isWhole(): boolean {
    if (this.#module._emscripten_stack_get_current?.() !== this.#pointer) {
      return false;
    }
    if (this.#expected === undefined) return true;
    if (this.#actual!.length === 0) this.#actual = this.#window();
    return this.#expected.equals(this.#actual!);
  }

  #window(): Buffer {
    return Buffer.from(this.#module.HEAPU8.buffer, this.#start, WATCHED);
  }
}
