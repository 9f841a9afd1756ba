/**
 * Reading the header of a frame: who asks (`msg_id`), about what
 * (`entity_id`) and what kind of request or answer it is. The payload is
 * found, never read or copied.
 *
 * ```text
 *   08 <msg_id varint>   12 <length> <entity_id>   <tag of kind> <length> <content>
 *                              |entityStart  |entityEnd
 *                                             bodyStart|          contentStart|    |bodyEnd
 * ```
 *
 * @module
 */

/**
 * Where the parts of one frame are. It is filled by {@linkcode readHeader}
 * and meant to be used again for the next frame, so that reading allocates
 * nothing.
 */
export interface Header {
  /** `msg_id`; 0 where the frame has none. */
  msgId: number;
  /** First byte of `entity_id`; equal to `entityEnd` where there is none. */
  entityStart: number;
  /** Byte after `entity_id`. */
  entityEnd: number;
  /** Number of the field that the frame fills in its `oneof`; 0 for none. */
  kind: number;
  /** First byte of that field, its tag included. */
  bodyStart: number;
  /** First byte of the field's content. */
  contentStart: number;
  /** Byte after the field. */
  bodyEnd: number;
  /** How many bytes the frame has. */
  end: number;
}

/** A header to read into. */
export function newHeader(): Header {
  return {
    msgId: 0,
    entityStart: 0,
    entityEnd: 0,
    kind: 0,
    bodyStart: 0,
    contentStart: 0,
    bodyEnd: 0,
    end: 0,
  };
}

/** The next byte to read after a varint, for {@linkcode readVarint}. */
let next = 0;

/**
 * Reads a varint at `at` and leaves the position after it in {@linkcode next}
 * (-1 if it is cut short or longer than ten bytes). Bits above 32 are dropped,
 * as protobuf does for a `uint32`.
 */
function readVarint(frame: Uint8Array, at: number, end: number): number {
  let value = 0;
  for (let shift = 0; shift < 70; shift += 7) {
    if (at >= end) break;
    const byte = frame[at++]!;
    if (shift < 32) value |= (byte & 0x7f) << shift;
    if (byte < 0x80) {
      next = at;
      return value >>> 0;
    }
  }
  next = -1;
  return 0;
}

/**
 * Reads the header of `frame` into `header`, in one pass and without touching
 * the payload.
 *
 * It is stricter than the engine, which executes frames that are cut short
 * and takes the last of several requests in one frame (ENGINE 1.4).
 *
 * @returns `undefined`, or what is wrong with the frame; then `header` holds
 * what could be read, `msgId` above all, so that the answer finds its client.
 */
export function readHeader(
  frame: Uint8Array,
  header: Header,
): string | undefined {
  header.msgId = 0;
  header.entityStart = header.entityEnd = 0;
  header.kind =
    header.bodyStart =
    header.contentStart =
    header.bodyEnd =
      0;
  const end = header.end = frame.length;
  let at = 0;
  while (at < end) {
    const tagAt = at;
    const tag = readVarint(frame, at, end);
    if (next < 0) return `the tag at byte ${tagAt} is cut short`;
    at = next;
    // The engine reads no longer one, and would execute nothing.
    if (at - tagAt > 4 && (at - tagAt > 5 || frame[at - 1]! > 0x0f)) {
      return `the tag at byte ${tagAt} is too long`;
    }
    const field = tag >>> 3;
    if (field === 1) {
      if ((tag & 7) !== 0) return `msg_id at byte ${tagAt} is no varint`;
      header.msgId = readVarint(frame, at, end);
      if (next < 0) return `msg_id at byte ${tagAt} is cut short`;
      at = next;
      continue;
    }
    if ((tag & 7) !== 2 || field === 0) {
      return `field ${field} at byte ${tagAt} has wire type ${tag & 7}`;
    }
    const length = readVarint(frame, at, end);
    if (next < 0) return `the length at byte ${at} is cut short`;
    if (length > end - next) {
      return `field ${field} at byte ${tagAt} needs ${length} bytes, ` +
        `${end - next} are left`;
    }
    if (field === 2) {
      header.entityStart = next;
      header.entityEnd = next + length;
    } else if (header.kind !== 0) {
      return `it holds two requests, of kind ${header.kind} and ${field}`;
    } else {
      header.kind = field;
      header.bodyStart = tagAt;
      header.contentStart = next;
      header.bodyEnd = next + length;
    }
    at = next + length;
  }
  return header.kind === 0 ? "it holds no request" : undefined;
}

const decoder = new TextDecoder("utf-8", {
  fatal: true,
  ignoreBOM: true, // two names that differ by it are two names
});

/**
 * The `entity_id` of a frame, for looking things up by name.
 *
 * @throws {TypeError} If it isn't UTF-8.
 */
export function entityOf(frame: Uint8Array, header: Header): string {
  const { entityStart, entityEnd } = header;
  // Nearly every name is short and ASCII, for which a TextDecoder is the
  // slower way by several times.
  if (entityEnd - entityStart <= 32) {
    let text = "";
    let at = entityStart;
    for (; at < entityEnd; at++) {
      const byte = frame[at]!;
      if (byte >= 0x80) break;
      text += String.fromCharCode(byte);
    }
    if (at === entityEnd) return text;
  }
  return decoder.decode(frame.subarray(entityStart, entityEnd));
}
