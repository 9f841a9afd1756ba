/** What all ways of passing frames between threads have in common. */
import type { Rings } from "../../src/engine/worker_messages.ts";

/** The main thread's end of one worker. */
export interface Way {
  /** Passes a request; its answer comes to what the way was started with. */
  send(frame: Uint8Array): void;
  /** Lets go of the worker, so that it can be ended. */
  close(): void;
}

/** Takes an answer, which stands only as long as the call does. */
export type TakeAnswer = (frame: Uint8Array) => void;

/** Answers a request; the answer stands until the next one. */
export type Answer = (request: Uint8Array) => Uint8Array;

/** What is used of a worker's global scope. */
export interface Scope {
  onmessage: ((event: MessageEvent) => void) | null;
  postMessage(message: unknown, transfer?: Transferable[]): void;
}

/** A way: both ends, so that what belongs together stands together. */
export interface WayKind {
  readonly name: string;
  /** The main thread's end. The worker is hosting already. */
  start(worker: Worker, rings: Rings, take: TakeAnswer): Way;
  /** The worker's end. A way that blocks doesn't return. */
  host(scope: Scope, rings: Rings, answer: Answer): void;
}

/** A way to a process of its own. */
export interface ProcessWayKind {
  readonly name: string;
  /** Starts it. An answer takes `spin` microseconds to compute. */
  spawn(spin: number, take: TakeAnswer): Promise<Way>;
}

/** Any of them. */
export type AnyWayKind = WayKind | ProcessWayKind;

/** The first message to a worker. */
export interface Setup {
  readonly way: string;
  /** How long an answer takes to compute, in microseconds. */
  readonly spin: number;
  readonly rings: Rings;
}
