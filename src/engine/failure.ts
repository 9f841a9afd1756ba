/**
 * Telling the router what went wrong in an engine.
 *
 * @module
 */

import { EngineFaultError } from "../errors.ts";
import { errorMessage } from "../protocol/answers.ts";
import { newHeader, readHeader } from "../protocol/header.ts";
import type { EngineListener } from "./engine.ts";

/**
 * The engine's memory isn't what it should be, though it didn't trap. Like
 * after a trap, nothing it says can be trusted.
 */
export class EngineDamagedError extends Error {
  /** The class, for logs and for errors that crossed a thread. */
  override readonly name = "EngineDamagedError";

  /** An error whose `cause` is what the engine threw, if it threw anything. */
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
  }
}

/**
 * Tells of an error that came up in request `msgId`, or in a poll.
 *
 * @returns Whether the engine is lost. After a trap its stack pointer isn't
 * what it was, so that nothing it says can be trusted (ENGINE 6.1).
 */
export function tellFailure(
  listener: EngineListener,
  error: Error,
  msgId?: number,
): boolean {
  const isLost = error instanceof WebAssembly.RuntimeError ||
    error instanceof EngineDamagedError;
  if (isLost) listener.fatal(error, msgId !== undefined);
  else if (msgId === undefined) listener.fault(error);
  else listener.failed(msgId, error);
  return isLost;
}

const header = newHeader();

/** What the engine says in an answer to client 0, whom nobody is (ENGINE 1.6). */
export function faultOf(frame: Uint8Array): EngineFaultError {
  readHeader(frame, header);
  const said = errorMessage(
    frame.subarray(header.contentStart, header.bodyEnd),
  );
  return new EngineFaultError(
    `The engine could not pass a change on to its views: ${said}`,
  );
}
