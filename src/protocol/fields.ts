/**
 * Going through the fields of a message.
 *
 * @module
 */

import { BinaryReader } from "@bufbuild/protobuf/wire";

/**
 * Calls `visit` with every field of a message; it must read or skip the field.
 *
 * @throws If the message can't be read.
 */
export function forEachField(
  message: Uint8Array,
  visit: (field: number, reader: BinaryReader, wireType: number) => void,
): void {
  const reader = new BinaryReader(message);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    visit(field, reader, wireType);
  }
}

/** Bytes as text, only to be compared. */
export function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
