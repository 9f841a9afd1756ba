/**
 * How a socket ends, and how a handshake is refused: one table for the code,
 * one for the documentation (README, "When something goes wrong").
 *
 * @module
 */

/** A WebSocket close code and its reason. */
export interface CloseReason {
  /** See RFC 6455, section 7.4.1. */
  readonly code: number;
  /** At most 123 bytes of UTF-8. */
  readonly reason: string;
}

/** The closes that this package makes. */
export const Close = {
  /** `handler.close()`. */
  SHUTTING_DOWN: { code: 1001, reason: "server is shutting down" },
  /** Engines were lost at its requests, `maxStrikes` times. */
  TOO_MANY_STRIKES: { code: 1008, reason: "requests that harm the engine" },
  /** More requests than `maxRequestsPerSecond`, for long. */
  TOO_MANY_REQUESTS: { code: 1008, reason: "too many requests" },
  /** A message above `maxMessageSize`. */
  MESSAGE_TOO_BIG: { code: 1009, reason: "message is too big" },
  /** The engine is lost; its tables have to be made again. */
  SERVER_LOST: { code: 1012, reason: "engine is lost" },
  /** More than `maxBufferSize` waits for the client to read. */
  TOO_SLOW: { code: 1013, reason: "client reads too slowly" },
} as const satisfies Record<string, CloseReason>;

/**
 * Checks a code that the program wants to close with.
 *
 * @throws {RangeError} If a close frame can't carry it: 1005, 1006 and 1015
 * only stand for something, and 1004 is reserved.
 */
export function assertCloseCode(code: number): void {
  const isReserved = code === 1004 || code === 1005 || code === 1006 ||
    code === 1015;
  if (!Number.isInteger(code) || code < 1000 || code > 4999 || isReserved) {
    throw new RangeError(
      `Cannot close: "code" must be a close code from 1000 to 4999, ` +
        `received ${code}`,
    );
  }
}

/** `reason` cut to what a close frame holds. */
export function fitReason(reason: string): string {
  const bytes = new TextEncoder().encode(reason);
  if (bytes.length <= 123) return reason;
  // A character that is cut in two decodes to U+FFFD.
  return new TextDecoder().decode(bytes.subarray(0, 123)).replace(
    /\ufffd$/,
    "",
  );
}
