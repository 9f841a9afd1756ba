/** All ways. */
import { each } from "./ways/each.ts";
import { packed, packedLater } from "./ways/packed.ts";
import { processWay } from "./ways/process.ts";
import { ringAsync } from "./ways/ring_async.ts";
import { ringBlocking, ringDoorbell } from "./ways/ring_blocking.ts";
import { ringTurns } from "./ways/ring_turns.ts";
import type { AnyWayKind, WayKind } from "./way.ts";

const threads: readonly WayKind[] = [
  each,
  packed,
  packedLater,
  ringAsync,
  ringBlocking,
  ringDoorbell,
  ringTurns,
];

/** In the order of the report. */
export const ways: readonly AnyWayKind[] = [...threads, processWay];

/** Finds a way to a worker. */
export function wayNamed(name: string): WayKind {
  const way = threads.find((way) => way.name === name);
  if (!way) throw new TypeError(`Cannot find a way called "${name}"`);
  return way;
}
