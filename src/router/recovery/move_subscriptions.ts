/**
 * Having subscriptions that belong to no view on another engine.
 *
 * @module
 */

import { simpleRequest } from "../../protocol/answers.ts";
import { endedBy, Kind } from "../../protocol/kinds.ts";
import type { Replica } from "../replica.ts";
import { ownRoute, type Route } from "../route.ts";
import type { Tables } from "../tables.ts";
import type { ErrandHost } from "./errand.ts";

/** What {@linkcode moveSubscriptions} needs of the router. */
export interface MoveHost extends ErrandHost {
  /** The tables there are. */
  readonly tables: Tables;
  /** What each `msg_id` stands for at the engines. */
  readonly routes: Iterable<readonly [number, Route]>;
}

const decoder = new TextDecoder();

/**
 * Moves the subscriptions to hosted tables and to the end of tables from one
 * engine to another, at this place in the order of changes: `from` has executed
 * all that it was given, and so has pushed all that there was, and `to` has
 * been given the same (Invariant 3).
 *
 * They have another `msg_id` there. So it is for nobody what `from` still says,
 * which may be at the request for one of them.
 *
 * @returns Whether they could be moved: a table that is gone can't be
 * subscribed to, though an engine keeps the subscription for the next of that
 * name.
 */
export function moveSubscriptions(
  host: MoveHost,
  owner: object,
  from: Replica,
  to: Replica,
): boolean {
  const moving = [...host.routes].filter(([, { subscribed }]) =>
    subscribed !== undefined && subscribed.view === undefined
  );
  if (!moving.every(([, route]) => isThere(host.tables, route))) return false;
  for (const [msgId, route] of moving) {
    const { kind, entity, session, subscribed } = route;
    host.unregister(msgId);
    const id = host.register(route);
    const frame = subscribed!.frame.withMsgId(id);
    route.subscribed = { ...subscribed!, frame };
    session?.moved(msgId, id);
    to.sendInOrder([host.newJob({ frame, kind }, owner, undefined)]);
    const end = endedBy(kind);
    const ending = simpleRequest(
      host.register(ownRoute(end, undefined)),
      entity,
      end,
      msgId,
    );
    // Behind the request for it, which may wait there.
    const asker = session ?? owner;
    from.send(host.newJob({ frame: ending, kind: end }, asker, undefined));
  }
  return true;
}

/** Whether there is what `route` is about. */
function isThere(tables: Tables, { kind, entity }: Route): boolean {
  if (kind !== Kind.TABLE_ON_DELETE) return true;
  const table = decoder.decode(entity);
  return tables.origin(table) !== undefined ||
    tables.joinRequest(table) !== undefined;
}
