/**
 * The parts of a client's request, as those who handle it are lent them.
 *
 * @module
 */

import { NO_BYTES } from "../protocol/frame.ts";
import type { Header } from "../protocol/header.ts";

/**
 * The header of the request that is being handled. All requests are read into
 * the same one, so that reading allocates nothing: whoever is given it as an
 * argument is lent it.
 *
 * It may be read until something is handed to an engine or to the client, with
 * `request`, `change`, `ask` or `reply` of {@linkcode Asker}: answers may come,
 * and a client ask again, within that call, and then this is the header of
 * another request. So what a `take` needs is copied out of it first. The
 * request's frame stays as it is until the request is answered.
 *
 * `mayAsk` may have an engine poll, too. Where that pushes within the call,
 * without the engine being immediate, the header isn't safe after it yet.
 */
export type RequestHeader = Readonly<Header>;

/** The `entity_id` of a request, in the frame's own bytes. */
export function entityBytes(
  frame: Uint8Array,
  { entityStart, entityEnd }: RequestHeader,
): Uint8Array {
  return entityStart === entityEnd
    ? NO_BYTES
    : frame.subarray(entityStart, entityEnd);
}

/** The content of a request, in the frame's own bytes. */
export function contentOf(
  frame: Uint8Array,
  { contentStart, bodyEnd }: RequestHeader,
): Uint8Array {
  return frame.subarray(contentStart, bodyEnd);
}
