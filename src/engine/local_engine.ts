/**
 * The engine on this thread.
 *
 * @module
 */

import { toError } from "../errors.ts";
import type { Reframed } from "../protocol/frame.ts";
import { Kind, type Line } from "../protocol/kinds.ts";
import type { Engine, EngineListener } from "./engine.ts";
import { EngineDamagedError, faultOf, tellFailure } from "./failure.ts";
import { healingRequests, isError } from "./heal.ts";
import {
  type PackageServer,
  SHARED_DAMAGE,
  WasmServer,
} from "./wasm_server.ts";

/** A step that waits for the one under way to end. */
type Step = () => void;

/**
 * An engine that executes a frame within the call of `send`.
 *
 * That makes an answer as quick as it can be, and the thread's other work
 * waits as long as the engine computes.
 */
export class LocalEngine implements Engine {
  /** Which line of packages it is. */
  readonly line: Line;
  /** See {@linkcode Engine.isImmediate}. */
  readonly isImmediate = true;
  readonly #wasm: WasmServer;
  #listener: EngineListener | undefined;
  // What a listener sends while it is being told of a frame comes after it:
  // the engine's answers lie in its memory until all of them have been read.
  #running = false;
  readonly #waiting: Step[] = [];
  #state: "open" | "lost" | "closed" = "open";
  // `table_make_view` on an engine that has to be healed when it fails.
  #watching = false;
  #sawError = false;
  /** Bytes of its memory that were told. */
  #heap = 0;

  /** An engine over a new `PerspectiveServer` of a package of `line`. */
  constructor(server: PackageServer, line: Line) {
    this.#wasm = new WasmServer(server);
    this.line = line;
  }

  /** See {@linkcode Engine.listen}. */
  listen(listener: EngineListener): void {
    this.#listener = listener;
  }

  /** See {@linkcode Engine.send}. */
  send(frame: Reframed, kind: number, poll: boolean): void {
    if (this.#running) {
      this.#waiting.push(() => this.#execute(frame, kind, poll));
      return;
    }
    this.#execute(frame, kind, poll);
    if (this.#waiting.length > 0) this.#drain();
  }

  /** See {@linkcode Engine.poll}. */
  poll(): void {
    if (this.#running) {
      this.#waiting.push(() => this.#poll());
      return;
    }
    this.#poll();
    this.#drain();
  }

  /** See {@linkcode Engine.close}. */
  close(): void {
    if (this.#state === "open" && !this.#running) this.#wasm.close();
    this.#state = "closed";
  }

  #drain(): void {
    for (let step; (step = this.#waiting.shift()) !== undefined;) step();
  }

  get #isLost(): boolean {
    return this.#state === "lost";
  }

  #execute(frame: Reframed, kind: number, poll: boolean): void {
    if (this.#isBroken()) return;
    if (this.#state !== "open") {
      this.#listener!.failed(frame.msgId, new Error("The engine is closed"));
      this.#listener!.executed(0);
      return;
    }
    this.#running = true;
    this.#watching = kind === Kind.TABLE_MAKE_VIEW && this.line === "3";
    this.#sawError = false;
    const isMeasured = kind === Kind.TABLE_MAKE_VIEW;
    const start = isMeasured ? performance.now() : 0;
    try {
      this.#wasm.handle(frame, this.#emit);
      if (this.#sawError) {
        for (const request of healingRequests(frame)) {
          this.#wasm.handle(request, ignore);
        }
      }
      this.#tellHeap();
    } catch (reason) {
      this.#fail(toError(reason), frame.msgId);
    } finally {
      this.#running = false;
    }
    if (this.#isLost) return;
    // Failed or not: other changes may share the poll.
    if (poll && this.#state === "open") this.#poll();
    else {
      const ms = isMeasured ? performance.now() - start : 0;
      this.#listener!.executed(Math.ceil(ms * 1000));
    }
  }

  #poll(): void {
    if (this.#isBroken() || this.#state !== "open") return;
    this.#running = true;
    try {
      this.#wasm.poll(this.#emit);
      this.#tellHeap();
    } catch (reason) {
      this.#fail(toError(reason));
    } finally {
      this.#running = false;
    }
    if (!this.#isLost) this.#listener!.executed(0);
  }

  /** Whether it is lost, maybe by what another engine of this thread did. */
  #isBroken(): boolean {
    if (this.#state === "open" && this.#wasm.isBroken) {
      this.#fail(new EngineDamagedError(SHARED_DAMAGE));
    }
    return this.#isLost;
  }

  /** While it runs, so that what the listener sends then comes after it. */
  #tellHeap(): void {
    const bytes = this.#wasm.heap;
    if (bytes !== this.#heap) this.#listener!.heap(this.#heap = bytes);
  }

  #fail(error: Error, msgId?: number): void {
    if (tellFailure(this.#listener!, error, msgId)) this.#state = "lost";
  }

  readonly #emit = (clientId: number, frame: Uint8Array): void => {
    if (clientId === this.#wasm.clientId) {
      if (this.#watching && isError(frame)) this.#sawError = true;
      this.#listener!.frame(frame);
    } else {
      this.#listener!.fault(faultOf(frame));
    }
  };
}

function ignore(): void {}
