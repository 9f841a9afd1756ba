/**
 * Frames with something wrong on the wire. For tests only.
 *
 * @module
 */

import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { fields } from "../frames.ts";
import type { Random } from "../random.ts";

/** A field of a message that can be changed. */
interface Field {
  number: number;
  wireType: number;
  /** What follows the tag, with its length if it has one. */
  payload: Uint8Array;
  /** The message that it holds, if it can be read as one. */
  inner: Field[] | undefined;
}

/** One field, and where it is. */
interface Place {
  readonly among: Field[];
  readonly index: number;
  readonly field: Field;
}

/** What a frame is changed by; it returns `false` if that isn't possible. */
type Change = (random: Random, place: Place) => boolean;

const CHANGES: Readonly<Record<string, Change>> = {
  "field removed": (_, { among, index }) => {
    among.splice(index, 1);
    return true;
  },
  "field doubled": (random, { among, index, field }) => {
    for (let left = random.pick([1, 1, 2, 300]); left > 0; left--) {
      among.splice(index, 0, field);
    }
    return true;
  },
  "fields swapped": (random, { among, index, field }) => {
    const other = random.below(among.length);
    among[index] = among[other]!;
    among[other] = field;
    return among.length > 1;
  },
  "wrong length": (random, { field }) => {
    if (field.wireType !== 2) return false;
    const bytes = payloadOf(field);
    const length = random.pick([
      bytes.length + 1,
      Math.max(0, bytes.length - 1),
      random.below(300),
      0x7fff_ffff,
      0xffff_ffff,
    ]);
    field.payload = joined(varint(BigInt(length)), bytes);
    field.inner = undefined;
    return true;
  },
  "wrong wire type": (random, { field }) => {
    field.payload = written(field);
    field.inner = undefined;
    field.wireType = random.below(8);
    return true;
  },
  "wrong number": (random, { field }) => {
    field.number = random.pick([1, 2, 3, 4, 5, 6, 7, 11, 50, 1000, 536870911]);
    return true;
  },
  "huge varint": (random, { field }) => {
    if (field.wireType !== 0) return false;
    field.payload = random.pick([
      varint(0xffff_ffffn),
      varint(0x7fff_ffffn),
      varint(0x8000_0000n),
      varint(0xffff_ffff_ffff_ffffn),
      varint(1n << 63n),
      new Uint8Array([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1]),
      new Uint8Array(11).fill(0xff),
      new Uint8Array([0x80, 0x00]),
    ]);
    return true;
  },
  "invalid UTF-8": (random, { field }) => {
    if (field.wireType !== 2) return false;
    const bad = random.pick([
      [0xff],
      [0xc3],
      [0xed, 0xa0, 0x80],
      [0xc0, 0x80],
      [0xf8, 0x88, 0x80, 0x80, 0x80],
      [0x41, 0xfe, 0x42],
    ]);
    const before = payloadOf(field);
    const at = random.below(before.length + 1);
    setPayload(
      field,
      random.chance(0.5) ? Uint8Array.from(bad) : Uint8Array.from([
        ...before.slice(0, at),
        ...bad,
        ...before.slice(at),
      ]),
    );
    return true;
  },
  "other bytes": (random, { field }) => {
    if (field.wireType !== 2) return false;
    const length = random.pick([0, 1, 8, 60, 5000]);
    setPayload(
      field,
      random.chance(0.5)
        ? random.bytes(length)
        : new Uint8Array(length).fill(random.pick([0, 0x20, 0x22, 0x5b])),
    );
    return true;
  },
  "content cut short": (random, { field }) => {
    if (field.wireType !== 2) return false;
    const before = payloadOf(field);
    if (before.length === 0) return false;
    setPayload(field, before.slice(0, random.below(before.length)));
    return true;
  },
  "bits flipped": (random, { field }) => {
    const before = field.wireType === 2 ? payloadOf(field) : field.payload;
    if (before.length === 0) return false;
    const bytes = before.slice();
    for (let left = random.between(1, 4); left > 0; left--) {
      bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
    }
    if (field.wireType === 2) setPayload(field, bytes);
    else field.payload = bytes;
    return true;
  },
};

/** Names of all mutations. */
export const MUTATIONS: readonly string[] = [
  ...Object.keys(CHANGES),
  "frame cut short",
  "frame's bits flipped",
  "bytes inserted",
];

/** A frame with something wrong in it, and what that is. */
export function mutated(
  random: Random,
  frame: Uint8Array,
): { readonly bytes: Uint8Array; readonly mutation: string } {
  for (let attempt = 0; attempt < 20; attempt++) {
    const mutation = random.pick(MUTATIONS);
    const bytes = mutate(random, frame, mutation);
    if (bytes !== undefined) return { bytes, mutation };
  }
  return { bytes: frame, mutation: "none" };
}

function mutate(
  random: Random,
  frame: Uint8Array,
  mutation: string,
): Uint8Array | undefined {
  const bytes = frame.slice();
  if (mutation === "frame cut short") {
    return bytes.subarray(0, random.below(bytes.length));
  }
  if (mutation === "frame's bits flipped") {
    for (let left = random.between(1, 8); left > 0; left--) {
      bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
    }
    return bytes;
  }
  if (mutation === "bytes inserted") {
    const at = random.below(bytes.length + 1);
    return joined(
      bytes.subarray(0, at),
      random.bytes(random.between(1, 9)),
      bytes.subarray(at),
    );
  }
  const top = read(bytes, 0);
  if (top === undefined) return undefined;
  const places = [...placesIn(top)];
  // What is wrong on top is refused before an engine sees it.
  const below = places.filter(({ among }) => among !== top);
  const among = below.length === 0 || random.chance(0.15) ? places : below;
  const change = CHANGES[mutation]!;
  if (!change(random, random.pick(among))) return undefined;
  return writeAll(top);
}

function read(bytes: Uint8Array, depth: number): Field[] | undefined {
  try {
    return fields(bytes).map(({ field, wireType, raw, value }) => {
      const tagLength = varint(BigInt(field) << 3n).length;
      const inner = value instanceof Uint8Array && value.length > 1 && depth < 8
        ? read(value, depth + 1)
        : undefined;
      const payload = raw.slice(tagLength);
      return { number: field, wireType, payload, inner };
    });
  } catch {
    return undefined; // it is text, or something else
  }
}

function* placesIn(among: Field[]): Generator<Place, void> {
  for (const [index, field] of among.entries()) {
    yield { among, index, field };
    if (field.inner !== undefined) yield* placesIn(field.inner);
  }
}

/** What `field`, which has a length, holds. */
function payloadOf(field: Field): Uint8Array {
  if (field.inner !== undefined) return writeAll(field.inner);
  let start = 0;
  while (start < field.payload.length && field.payload[start]! >= 0x80) start++;
  return field.payload.slice(start + 1);
}

function setPayload(field: Field, bytes: Uint8Array): void {
  field.payload = joined(varint(BigInt(bytes.length)), bytes);
  field.inner = undefined;
}

/** What follows the tag. */
function written(field: Field): Uint8Array {
  if (field.inner === undefined) return field.payload;
  const bytes = writeAll(field.inner);
  return joined(varint(BigInt(bytes.length)), bytes);
}

function writeAll(all: readonly Field[]): Uint8Array {
  return joined(...all.flatMap((it) => [
    varint(BigInt(it.number) << 3n | BigInt(it.wireType)),
    written(it),
  ]));
}

function varint(value: bigint): Uint8Array {
  return new BinaryWriter().uint64(value).finish();
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(
    parts.reduce((sum, { length }) => sum + length, 0),
  );
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
