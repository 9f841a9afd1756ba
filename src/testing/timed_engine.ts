/**
 * An engine that takes its time. For tests only.
 *
 * @module
 */

import type { Engine, EngineListener } from "../engine/engine.ts";
import type { Reframed } from "../protocol/frame.ts";
import { Kind, kindInfo, type Line } from "../protocol/kinds.ts";
import type { FakeEngineOptions } from "./fake_engine.ts";
import { frame, parts, serverError } from "./frames.ts";

/** Something that an engine was sent. */
interface Sent {
  /** Without it, a poll alone. */
  readonly frame: Uint8Array | undefined;
  readonly kind: number;
  /** The name of the kind, with `+` if it polls after it; or `poll`. */
  readonly step: string;
  readonly polls: boolean;
}

/** What a {@linkcode TimedEngine} says: see {@linkcode FakeEngineOptions}. */
export type Behaviour = Required<Pick<FakeEngineOptions, "script" | "onPoll">>;

/** Answers everything, and pushes nothing. */
const PLAIN: Behaviour = {
  script: ({ msgId, entity, kind }) =>
    kind === Kind.VIEW_ON_UPDATE ? [] : [frame(msgId, entity, kind)],
  onPoll: () => [],
};

/**
 * An engine that executes one thing whenever it is told to; by default it
 * answers everything.
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
  /** How often it was closed, and given up. */
  closes = 0;
  abandons = 0;
  /** What it says when it is given up: whether that ended it. */
  endsAbandoned = true;
  readonly #behaviour: Behaviour;
  #listener: EngineListener | undefined;

  constructor(line: Line = "3", behaviour: Behaviour = PLAIN) {
    this.line = line;
    this.#behaviour = behaviour;
  }

  listen(listener: EngineListener): void {
    this.#listener = listener;
  }

  send(request: Reframed, kind: number, poll: boolean): void {
    this.msgIds.push(request.msgId);
    const step = kindInfo(kind)!.name + (poll ? "+" : "");
    this.#take({ frame: request.toBytes(), kind, step, polls: poll });
  }

  poll(): void {
    this.#take({ frame: undefined, kind: 0, step: "poll", polls: true });
  }

  close(): void {
    this.closes++;
    this.waiting.length = 0;
  }

  abandon(): boolean {
    this.abandons++;
    this.waiting.length = 0;
    return this.endsAbandoned;
  }

  /** Executes one thing, in so many microseconds. */
  step(micros: number): void {
    const { frame: request, kind, polls } = this.waiting.shift()!;
    this.done.push(kind);
    const { script, onPoll } = this.#behaviour;
    if (request !== undefined) this.#say(script(parts(request)));
    if (polls) this.#say(onPoll());
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

  /** Dies; of the first thing if that is `guilty`. */
  die(why: string, guilty?: boolean): void {
    this.waiting.length = 0;
    this.#listener!.fatal(new Error(why), guilty);
  }

  /** Executes the first thing, says `count` frames of what comes of it, and dies. */
  breakOff(count: number, why: string, guilty?: boolean): void {
    const { frame: request, polls } = this.waiting.shift()!;
    const { script, onPoll } = this.#behaviour;
    const said = request === undefined ? [] : [...script(parts(request))];
    if (polls) said.push(...onPoll());
    this.#say(said.slice(0, count));
    this.die(why, guilty);
  }

  /** Fails the first thing. */
  failFirst(why: string): void {
    const { frame: request, kind } = this.waiting.shift()!;
    this.done.push(kind);
    this.#listener!.failed(parts(request!).msgId, new Error(why));
    this.#listener!.executed(1);
  }

  /** Reports a fault. */
  fault(why: string): void {
    this.#listener!.fault(new Error(why));
  }

  /** Says how large its memory is. */
  growTo(bytes: number): void {
    this.#listener!.heap(bytes);
  }

  /** Executes all there is, views in `viewMicros`, the rest in 50 µs. */
  run(viewMicros = 50): void {
    while (this.waiting.length > 0) {
      const isView = this.waiting[0]!.kind === Kind.TABLE_MAKE_VIEW;
      this.step(isView ? viewMicros : 50);
    }
  }

  #say(frames: readonly Uint8Array[]): void {
    for (const said of frames) this.#listener!.frame(said);
  }

  #take(sent: Sent): void {
    this.steps.push(sent.step);
    this.waiting.push(sent);
  }
}
