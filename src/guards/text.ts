/**
 * Text that may be handed to the engine.
 *
 * The engine stores what it gets, whatever it is. A string that isn't UTF-8
 * makes every later answer undecodable in which it stands, for all clients: a
 * table's rows as JSON or CSV, group headers, min and max (ENGINE 6.4, 9.18).
 *
 * @module
 */

import type { Refusal } from "./payload.ts";

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Whether `bytes` are well-formed UTF-8 in which no character is U+0000.
 *
 * For the engine a text ends at that character: it would execute the part
 * before, and answer success.
 */
export function checkText(bytes: Uint8Array): Refusal | undefined {
  const nul = bytes.indexOf(0);
  if (nul >= 0) return `text can't hold the character U+0000, at byte ${nul}`;
  return isUtf8(bytes)
    ? undefined
    : `text must be UTF-8, and isn't at byte ${firstBad(bytes)}`;
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    decoder.decode(bytes);
    return true;
  } catch {
    return false;
  }
}

/** Where the first sequence begins that isn't a character (Unicode 3.9, table 3-7). */
function firstBad(bytes: Uint8Array): number {
  let at = 0;
  for (;;) {
    const length = characterLength(bytes, at);
    if (length === 0) return at;
    at += length;
  }
}

/** Bytes of the character at `at`; 0 if there is none. */
function characterLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at];
  if (first === undefined) return 0;
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  const length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  const second = bytes[at + 1] ?? 0;
  const [low, high] = secondByte(first);
  if (second < low || second > high) return 0;
  for (let i = 2; i < length; i++) {
    if (((bytes[at + i] ?? 0) & 0xc0) !== 0x80) return 0;
  }
  return length;
}

/** What may follow the first byte: no overlong form, no surrogate, nothing above U+10FFFF. */
function secondByte(first: number): readonly [number, number] {
  switch (first) {
    case 0xe0:
      return [0xa0, 0xbf];
    case 0xed:
      return [0x80, 0x9f];
    case 0xf0:
      return [0x90, 0xbf];
    case 0xf4:
      return [0x80, 0x8f];
    default:
      return [0x80, 0xbf];
  }
}
