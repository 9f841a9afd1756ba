/**
 * Giving a client a view of its own.
 *
 * @module
 */

import { readdress, Reframed, utf8 } from "../protocol/frame.ts";
import { Kind, SERVER_ERROR } from "../protocol/kinds.ts";
import { makeViewRequest } from "../protocol/requests.ts";
import type { Asker } from "./asker.ts";
import { Feed } from "./feed.ts";
import { beginAndSettle, endIfEmpty } from "./feeds.ts";
import { entityBytes, type RequestHeader } from "./request.ts";
import { ownRoute } from "./route.ts";
import type { Step } from "./session_host.ts";
import { remember } from "./state_change.ts";
import type { EngineView, View } from "./view.ts";

/** Subscriptions that go from one view's feed to another's. */
interface Move {
  readonly kind: number;
  readonly ids: readonly number[];
  readonly from: Feed;
  readonly to: Feed;
}

/**
 * Gives the client of `view`, which others have too, one of its own in the same
 * state, before the request that changes it (Invariant 5). Its subscriptions
 * go with it: the engine is asked for all of it with nothing between, so that
 * a poll is either before or after, and pushed once.
 */
export function split(
  asker: Asker,
  frame: Uint8Array,
  header: RequestHeader,
  view: View,
): void {
  const { router, session } = asker;
  const { views } = router;
  const old = view.engineView;
  const own = router.viewNames.next(old, session);
  views.add(own);
  old.users.delete(view);
  own.users.add(view);
  view.engineView = own;
  view.from = old;
  old.asked(session); // it stays until the other is there
  const moves: Move[] = [];
  const steps: Step[] = [];
  for (const [kind, from] of old.feeds) {
    const ids = [...view.subscriptions].filter((id) => from.has(id));
    if (ids.length === 0) continue;
    const to = new Feed(router, ids.some((id) => from.sendsRows(id)));
    own.feeds.set(kind, to);
    steps.push(...beginAndSettle(asker, own, kind, to));
    moves.push({ kind, ids, from, to });
  }
  const { msgId: clientMsgId, kind, bodyStart, bodyEnd } = header;
  const entity = entityBytes(frame, header);
  /** Why there is none of its own. */
  let failure: Uint8Array | undefined;
  const state = router.replaces
    ? remember(asker, own, frame, header)
    : undefined;
  const msgId = asker.registerOn(own, header, entity, {
    take: (answer, changed) => {
      const { bodyStart, bodyEnd } = changed;
      if (failure !== undefined) {
        return asker.reply(
          readdress(clientMsgId, entity, failure, 0, failure.length),
        );
      }
      state?.answered(answer, changed);
      asker.reply(readdress(clientMsgId, entity, answer, bodyStart, bodyEnd));
    },
  });
  const makeId = router.register(
    ownRoute(Kind.TABLE_MAKE_VIEW, (answer, made) => {
      view.from = undefined;
      if (made.kind === SERVER_ERROR) {
        failure = answer.slice(made.bodyStart, made.bodyEnd);
        giveBack(view, own, old);
      } else {
        for (const { kind, ids, from, to } of moves) {
          for (const id of ids) from.move(id, to);
          endIfEmpty(asker, old, kind, from);
        }
      }
      views.made(own, failure === undefined);
      router.wake();
    }, { on: old }),
  );
  const table = utf8(own.table);
  asker.together(own, [
    {
      frame: makeViewRequest(makeId, table, own.id, own.config),
      kind: Kind.TABLE_MAKE_VIEW,
    },
    ...steps,
    ...state?.before ?? [],
    {
      frame: new Reframed(msgId, own.entity, frame, bodyStart, bodyEnd),
      kind,
    },
  ]);
}

/** The client has the old view again, if it still has it at all. */
function giveBack(view: View, own: EngineView, old: EngineView): void {
  if (!own.users.delete(view)) return;
  view.engineView = old;
  old.users.add(view);
}
