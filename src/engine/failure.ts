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
  const isLost = error instanceof WebAssembly.RuntimeError;
  if (isLost) listener.fatal(error);
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
