/**
 * `view_get_min_max` between lines.
 *
 * @module
 */

import { minMax } from "../protocol/answers.ts";
import { reframe, Reframed } from "../protocol/frame.ts";
import { Kind } from "../protocol/kinds.ts";
import {
  minMaxColumn,
  readViewSchema,
  translateMinMax,
} from "../protocol/translate.ts";
import type { Asker } from "./asker.ts";
import { contentOf, entityBytes, type RequestHeader } from "./request.ts";
import type { EngineView } from "./view.ts";

/** Asks `view` for a client of the other line, which reads the answer otherwise. */
export function readMinMax(
  asker: Asker,
  frame: Uint8Array,
  header: RequestHeader,
  view: EngineView,
): void {
  const { msgId: clientMsgId, bodyStart, bodyEnd } = header;
  const entity = entityBytes(frame, header);
  const column = minMaxColumn(contentOf(frame, header));
  const msgId = asker.registerOn(view, header, entity, {
    take: (answer, { kind, contentStart, bodyStart, bodyEnd }) => {
      if (kind !== Kind.VIEW_GET_MIN_MAX) {
        return asker.reply(
          reframe(clientMsgId, entity, answer, bodyStart, bodyEnd),
        );
      }
      const { min, max } = translateMinMax(
        answer.slice(contentStart, bodyEnd),
        asker.router.line === "3" ? "5" : "3",
        view.types?.get(column),
      );
      asker.reply(minMax(clientMsgId, entity, min, max));
    },
  });
  // Asked first, so it is answered first.
  if (view.types === undefined) askTypes(asker, view);
  asker.requestOf(
    view,
    new Reframed(msgId, view.entity, frame, bodyStart, bodyEnd),
    Kind.VIEW_GET_MIN_MAX,
  );
}

/** Has `view` know its columns' types. */
function askTypes(asker: Asker, view: EngineView): void {
  asker.router.askView(
    view,
    Kind.VIEW_SCHEMA,
    asker.session,
    (answer, { kind, contentStart, bodyEnd }) => {
      if (kind !== Kind.VIEW_SCHEMA) return;
      view.types = readViewSchema(answer.slice(contentStart, bodyEnd));
    },
  );
}
