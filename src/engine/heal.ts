/**
 * Mending what a failed `table_make_view` leaves behind.
 *
 * In `@finos/perspective` 3.8.0 a view whose making fails late, for instance
 * on an aggregate that names a missing column, leaves a context in its table
 * that was never set up. The next update freezes every view of that table or
 * traps (ENGINE 6.3); a viewer's user gets there with one typing error.
 * Making a view of the same name replaces the context, and deleting it then
 * takes it away. The view has no columns, so that it costs little: 0.2 s on a
 * million rows, where the empty config takes more than 1 s.
 *
 * @module
 */

import { simpleRequest } from "../protocol/answers.ts";
import type { Reframed } from "../protocol/frame.ts";
import { utf8 } from "../protocol/frame.ts";
import { newHeader, readHeader } from "../protocol/header.ts";
import { Kind, SERVER_ERROR } from "../protocol/kinds.ts";
import { makeViewRequest, readMakeView } from "../protocol/requests.ts";

/** `ViewConfig { columns { columns {} } }`: a view without columns. */
const NO_COLUMNS = new Uint8Array([0x1a, 0x02, 0x12, 0x00]);

const header = newHeader();

/** Whether `frame` is an answer that reports an error. */
export function isError(frame: Uint8Array): boolean {
  readHeader(frame, header);
  return header.kind === SERVER_ERROR;
}

/**
 * The requests to execute right after `table_make_view` has failed, before
 * anything else. Their answers, which carry no `msg_id`, are for nobody.
 */
export function healingRequests(failed: Reframed): Reframed[] {
  const frame = failed.toBytes();
  readHeader(frame, header);
  const table = frame.slice(header.entityStart, header.entityEnd);
  const { viewId } = readMakeView(
    frame.subarray(header.contentStart, header.bodyEnd),
  );
  return [
    makeViewRequest(0, table, viewId, NO_COLUMNS),
    simpleRequest(0, utf8(viewId), Kind.VIEW_DELETE),
  ];
}
