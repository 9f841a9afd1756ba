/** All ways, in the order of the report. */
import { each } from "./ways/each.ts";
import { packed, packedLater } from "./ways/packed.ts";
import { ringAsync } from "./ways/ring_async.ts";
import { ringBlocking, ringDoorbell } from "./ways/ring_blocking.ts";
import { ringTurns } from "./ways/ring_turns.ts";
import type { WayKind } from "./way.ts";

export const ways: readonly WayKind[] = [
  each,
  packed,
  packedLater,
  ringAsync,
  ringBlocking,
  ringDoorbell,
  ringTurns,
];

/** Finds a way. */
export function wayNamed(name: string): WayKind {
  const way = ways.find((way) => way.name === name);
  if (!way) throw new TypeError(`Cannot find a way called "${name}"`);
  return way;
}
