/**
 * Changing what is shown of a grouped view.
 *
 * @module
 */

import type { Header } from "../protocol/header.ts";
import { Kind, SERVER_ERROR } from "../protocol/kinds.ts";
import { stateValue } from "../protocol/requests.ts";
import {
  changedRows,
  pathsRequest,
  rowPaths,
  ViewState,
} from "../protocol/view_state.ts";
import type { Asker } from "./asker.ts";
import { contentOf, type RequestHeader } from "./request.ts";
import { ownRoute } from "./route.ts";
import type { Step } from "./session_host.ts";
import type { EngineView } from "./view.ts";

/** What is done beside a change of a view's state, to remember it. */
export interface Remembering {
  /** What is asked right before it. */
  readonly before: readonly Step[];
  /** Takes the answer to it. */
  answered(answer: Uint8Array, header: Header): void;
}

/**
 * Has `view` remember what a client does to its rows, where it may have to be
 * made again on another engine. The client names rows by their index, which
 * tells nothing later on, so their paths are read first.
 */
export function remember(
  asker: Asker,
  view: EngineView,
  frame: Uint8Array,
  header: RequestHeader,
): Remembering {
  const { kind } = header;
  const value = stateValue(contentOf(frame, header));
  const state = view.rowState ??= new ViewState(view.config);
  if (kind === Kind.VIEW_SET_DEPTH) {
    return {
      before: [],
      answered: (_, header) => {
        if (header.kind !== SERVER_ERROR) state.setDepth(value);
      },
    };
  }
  const ranges = state.ranges(value);
  const paths: string[][] = [];
  const before = ranges.map(({ start, end }, i): Step => {
    view.asked(asker.session);
    const kind = Kind.VIEW_TO_COLUMNS_STRING;
    const msgId = asker.router.register(ownRoute(kind, (answer, header) => {
      const { contentStart, bodyEnd } = header;
      paths[i] = header.kind === SERVER_ERROR
        ? []
        : rowPaths(answer.subarray(contentStart, bodyEnd));
    }, { on: view }));
    return { frame: pathsRequest(msgId, view.entity, start, end), kind };
  });
  return {
    before,
    answered: (answer, header) => {
      if (header.kind === SERVER_ERROR) return;
      const { contentStart, bodyEnd } = header;
      const changed = changedRows(answer.subarray(contentStart, bodyEnd));
      state.did({ kind, value }, changed, ranges, paths);
    },
  };
}
