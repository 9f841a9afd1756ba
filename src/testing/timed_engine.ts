/**
 * An engine that takes its time. For tests only.
 *
 * @module
 */

import type { Engine, EngineListener } from "../engine/engine.ts";
import type { Reframed } from "../protocol/frame.ts";
import { Kind, kindInfo, type Line } from "../protocol/kinds.ts";
import { frame, parts, serverError } from "./frames.ts";

/** Something that an engine was sent. */
interface Sent {
  /** Without it, a poll alone. */
  readonly frame: Uint8Array | undefined;
  readonly kind: number;
  /** The name of the kind, with `+` if it polls after it; or `poll`. */
  readonly step: string;
}

/**
 * An engine that executes one thing whenever it is told to, and answers
 * everything.
 */
export class TimedEngine implements Engine {
  readonly line: Line;
  /** What it was sent and hasn't executed. */
  readonly waiting: Sent[] = [];
  /** Kinds that it has executed; 0 for a poll alone. */
  readonly done: number[] = [];
  /** What it was sent: see {@linkcode Sent.step}. */
  readonly steps: string[] = [];
  /** The `msg_id`s of these, polls left out. */
  readonly msgIds: number[] = [];
  #listener: EngineListener | undefined;

  constructor(line: Line = "3") {
    this.line = line;
  }

  listen(listener: EngineListener): void {
    this.#listener = listener;
  }

  send(request: Reframed, kind: number, poll: boolean): void {
    this.msgIds.push(request.msgId);
    const step = kindInfo(kind)!.name + (poll ? "+" : "");
    this.#take({ frame: request.toBytes(), kind, step });
  }

  poll(): void {
    this.#take({ frame: undefined, kind: 0, step: "poll" });
  }

  close(): void {}

  /** Executes one thing, in so many microseconds. */
  step(micros: number): void {
    const { frame: request, kind } = this.waiting.shift()!;
    this.done.push(kind);
    if (request !== undefined && kind !== Kind.VIEW_ON_UPDATE) {
      const { msgId, entity } = parts(request);
      this.#listener!.frame(frame(msgId, entity, kind));
    }
    this.#listener!.executed(micros);
  }

  /** Answers the first thing with an error. */
  refuse(why: string): void {
    const { frame: request, kind } = this.waiting.shift()!;
    this.done.push(kind);
    const { msgId, entity } = parts(request!);
    this.#listener!.frame(frame(msgId, entity, 50, serverError(why)));
    this.#listener!.executed(1);
  }

  /** Executes all there is, views in `viewMicros`, the rest in 50 µs. */
  run(viewMicros = 50): void {
    while (this.waiting.length > 0) {
      const isView = this.waiting[0]!.kind === Kind.TABLE_MAKE_VIEW;
      this.step(isView ? viewMicros : 50);
    }
  }

  #take(sent: Sent): void {
    this.steps.push(sent.step);
    this.waiting.push(sent);
  }
}
