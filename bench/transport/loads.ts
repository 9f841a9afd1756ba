/** The loads: who sends, and to how many workers. */
import { type Cost, cost } from "./cost.ts";
import { Sockets } from "./sockets.ts";
import { start } from "./start.ts";
import type { AnyWayKind, Way } from "./way.ts";
import { markOf, newRequest } from "./work.ts";

/** What one turn of a way under a load was like. */
export interface Sample {
  /** Round trips a second. */
  readonly rate: number;
  /** Microseconds of the process per round trip, all threads together. */
  readonly cpu: number;
  /** The same of the main thread alone. */
  readonly main: number;
  /** Percentiles of the time from request to answer, in ms, by sockets only. */
  readonly p50?: number;
  readonly p99?: number;
}

/** How to measure. */
export interface Turn {
  readonly spin: number;
  /** How long to count, and how long to warm up before, in seconds. */
  readonly seconds: number;
  readonly warmup: number;
}

/** A load. */
export interface Load {
  readonly name: string;
  readonly what: string;
  readonly workers: number;
  /** Requests in flight for each worker, or sockets altogether. */
  readonly inFlight: number;
  readonly sockets: boolean;
}

/** A loop is steadier than sockets: a part of their time does. */
const LOOP_SHARE = 0.2;

export const loads: readonly Load[] = [
  loop("loop-1", 1, 1),
  loop("loop-8", 1, 8),
  loop("loop-32", 1, 32),
  loop("loop-3x8", 3, 8),
  sockets("sockets", 1, 8),
  sockets("sockets-1", 1, 1),
  sockets("sockets-32", 1, 32),
  sockets("sockets-3x8", 3, 24),
];

function loop(name: string, workers: number, inFlight: number): Load {
  const what = `${workers} worker(s), ${inFlight} in flight on each`;
  return { name, what, workers, inFlight, sockets: false };
}

function sockets(name: string, workers: number, inFlight: number): Load {
  const what = `${inFlight} socket(s) with one in flight, ${workers} worker(s)`;
  return { name, what, workers, inFlight, sockets: true };
}

/** Measures a way under a load. Without a way, the sockets are echoed. */
export function measure(
  kind: AnyWayKind | undefined,
  load: Load,
  turn: Turn,
): Promise<Sample> {
  return load.sockets
    ? throughSockets(kind, load, turn)
    : inALoop(kind!, load, turn);
}

async function inALoop(
  kind: AnyWayKind,
  { workers, inFlight }: Load,
  { spin, seconds, warmup }: Turn,
): Promise<Sample> {
  let answers = 0;
  let running = true;
  const run = async () => {
    const waiting: number[] = [];
    const way: Way = await start(kind, spin, (frame) => {
      answers++;
      const mark = markOf(frame);
      if (mark !== waiting.shift()) throw new Error("Answers out of order");
      if (running) ask(mark);
    });
    const frames = Array.from(
      { length: inFlight },
      (_, nth) => newRequest(nth),
    );
    const ask = (nth: number) => {
      waiting.push(nth);
      way.send(frames[nth]!);
    };
    return { way, begin: () => frames.forEach((_, nth) => ask(nth)) };
  };
  const all = await Promise.all(Array.from({ length: workers }, run));
  for (const { begin } of all) begin();
  await sleep(warmup * LOOP_SHARE);
  const answersBefore = answers;
  const before = cost();
  const began = performance.now();
  await sleep(seconds * LOOP_SHARE);
  const took = performance.now() - began;
  const after = cost();
  const counted = answers - answersBefore;
  running = false;
  for (const { way } of all) way.close();
  return { rate: counted / took * 1000, ...per(before, after, counted) };
}

async function throughSockets(
  kind: AnyWayKind | undefined,
  { workers, inFlight }: Load,
  turn: Turn,
): Promise<Sample> {
  await using server = await Sockets.serve(kind, turn.spin, workers);
  const before = cost();
  const result = await server.load(inFlight, turn);
  const after = cost();
  const { rate, p50, p99 } = result;
  return { rate, p50, p99, ...per(before, after, server.answers) };
}

function per(before: Cost, after: Cost, count: number) {
  return {
    cpu: (after.process - before.process) / count,
    main: (after.main - before.main) / count,
  };
}

function sleep(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}
