/**
 * Payloads of Arrow that may have anything wrong in them. For tests only.
 *
 * @module
 */

import type { Random } from "../random.ts";
import { brokenArrow } from "../fuzz/arrow.ts";
import { type Piece, piecesOf } from "./anatomy.ts";

const ODD = [-1, -8, 0, 1, 2, 7, 8, 64, 100, 1_000_000, 0x7fff_ffff];

/** `good` with some bits changed anywhere. */
export function flipArrow(random: Random, good: Uint8Array): Uint8Array {
  const bytes = good.slice();
  for (let left = random.between(1, 3); left > 0; left--) {
    bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
  }
  return bytes;
}

/** `good`, a stream that is right, with something changed. */
export function breakArrow(random: Random, good: Uint8Array): Uint8Array {
  const pieces = piecesOf(good);
  const described = pieces.filter(({ kind }) => kind !== "schema");
  if (described.every(({ body }) => body.end === body.start)) {
    return flipArrow(random, good);
  }
  if (random.chance(0.3)) return brokenArrow(random, good);
  const bytes = good.slice();
  const view = new DataView(bytes.buffer);
  for (let left = random.between(1, 3); left > 0; left--) {
    changeOne(random, view, random.pick(described), pieces[0]!);
  }
  return bytes;
}

function changeOne(
  random: Random,
  view: DataView,
  piece: Piece,
  schema: Piece,
): void {
  const odd = () => BigInt(random.pick(ODD));
  const nudged = (at: number) =>
    view.setBigInt64(
      at,
      random.chance(0.5)
        ? view.getBigInt64(at, true) + BigInt(random.pick([-8, -1, 1, 8]))
        : odd(),
      true,
    );
  switch (random.below(6)) {
    case 0: // how many values and nulls
      if (piece.nodes.length === 0) return;
      return nudged(random.pick(piece.nodes) + random.pick([0, 8]));
    case 1: // where a buffer is
      if (piece.buffers.length === 0) return;
      return nudged(random.pick(piece.buffers) + random.pick([0, 8]));
    case 2: // how many rows
      if (piece.lengthAt < 0) return;
      return nudged(piece.lengthAt);
    case 3: { // the types of columns, and what holds them
      const { start, end } = schema.metadata;
      const at = random.between(start, end - 1);
      return view.setUint8(at, view.getUint8(at) ^ (1 << random.below(8)));
    }
    default: { // what a buffer holds
      const spans = piece.spans.filter(({ start, end }) => end > start);
      if (spans.length === 0) return;
      const { start, end } = random.pick(spans);
      const at = random.between(start, end - 1);
      if (random.chance(0.5) || at + 4 > end) {
        return view.setUint8(at, random.pick([0, 1, 2, 127, 128, 255]));
      }
      return view.setInt32(at, random.pick(ODD), true);
    }
  }
}
