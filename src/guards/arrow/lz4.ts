/**
 * Decompressing LZ4 frames.
 *
 * Written here since what npm has is either native, needs WebAssembly of its
 * own or hasn't been touched for years, and none of it takes a limit.
 *
 * @module
 */

const MAGIC = 0x184d_2204;
/** In the header: version 1, and a dictionary, which nobody could look up. */
const VERSION = 0x40;
const VERSION_BITS = 0xc0;
const HAS_BLOCK_CHECKSUM = 0x10;
const HAS_SIZE = 0x08;
const HAS_DICTIONARY = 0x01;
/** In a block's length: the block isn't compressed. */
const IS_STORED = 0x8000_0000;
const MIN_MATCH = 4;

/**
 * The `size` bytes of an LZ4 frame, or nothing if it isn't one of that size.
 * Checksums aren't looked at: the engine does that.
 */
export function decompressLz4(
  bytes: Uint8Array,
  size: number,
): Uint8Array | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < 7 || view.getUint32(0, true) !== MAGIC) return undefined;
  const flags = bytes[4]!;
  if ((flags & VERSION_BITS) !== VERSION) return undefined;
  if ((flags & HAS_DICTIONARY) !== 0) return undefined;
  // Flags, block size and header checksum.
  let at = 7 + ((flags & HAS_SIZE) === 0 ? 0 : 8);
  const checksum = (flags & HAS_BLOCK_CHECKSUM) === 0 ? 0 : 4;

  const output = new Uint8Array(size);
  let written = 0;
  for (;;) {
    if (at + 4 > bytes.length) return undefined;
    const word = view.getUint32(at, true);
    at += 4;
    if (word === 0) return written === size ? output : undefined;
    const isStored = (word & IS_STORED) !== 0;
    const end = at + (word & ~IS_STORED);
    if (end > bytes.length) return undefined;
    const block = bytes.subarray(at, end);
    if (!isStored) written = decompressBlock(block, output, written);
    else if (written + block.length > size) return undefined;
    else {
      output.set(block, written);
      written += block.length;
    }
    if (written < 0) return undefined;
    at = end + checksum;
  }
}

/** Where `output` ends after `block`, or -1. */
function decompressBlock(
  block: Uint8Array,
  output: Uint8Array,
  start: number,
): number {
  let written = start;
  for (let at = 0; at < block.length;) {
    const token = block[at++]!;
    let literals = token >> 4;
    if (literals === 15) {
      for (let more = 255; more === 255;) {
        if (at >= block.length) return -1;
        more = block[at++]!;
        literals += more;
      }
    }
    if (at + literals > block.length) return -1;
    if (written + literals > output.length) return -1;
    if (literals < 16) {
      for (const end = at + literals; at < end;) {
        output[written++] = block[at++]!;
      }
    } else {
      output.set(block.subarray(at, at + literals), written);
      at += literals;
      written += literals;
    }
    // The last sequence has no match.
    if (at === block.length) return written;

    if (at + 2 > block.length) return -1;
    const distance = block[at]! | (block[at + 1]! << 8);
    at += 2;
    if (distance === 0 || distance > written) return -1;
    let length = (token & 15) + MIN_MATCH;
    if (length === 15 + MIN_MATCH) {
      for (let more = 255; more === 255;) {
        if (at >= block.length) return -1;
        more = block[at++]!;
        length += more;
      }
    }
    if (written + length > output.length) return -1;
    written = copyMatch(output, written, distance, length);
  }
  return -1;
}

/** Repeats what stands `distance` before: it may overlap what is written. */
function copyMatch(
  output: Uint8Array,
  at: number,
  distance: number,
  length: number,
): number {
  const end = at + length;
  if (length < 32) {
    for (; at < end; at++) output[at] = output[at - distance]!;
    return end;
  }
  if (distance === 1) {
    output.fill(output[at - 1]!, at, end);
    return end;
  }
  // What has been copied is copied again: it doubles with each step.
  const from = at - distance;
  for (let done = distance; at < end; done *= 2) {
    const step = Math.min(done, end - at);
    output.copyWithin(at, from, from + step);
    at += step;
  }
  return end;
}
