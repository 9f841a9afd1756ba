/**
 * Random subscriptions, and their ends. For tests only.
 *
 * @module
 */

import { hasKind, Kind, kindInfo, SERVER_ERROR } from "../../protocol/kinds.ts";
import { type Fill, message } from "../frames.ts";
import type { Ask } from "./asks.ts";
import type { Client, Table, View } from "./model.ts";
import { missingView } from "./view_asks.ts";
import type { World } from "./world.ts";

/** How many subscriptions a session has at most. */
const MOST_SUBSCRIPTIONS = 12;

/** What ends a subscription of a kind. */
const ENDS: ReadonlyMap<number, number> = new Map<number, number>([
  [Kind.GET_HOSTED_TABLES, Kind.REMOVE_HOSTED_TABLES_UPDATE],
  [Kind.TABLE_ON_DELETE, Kind.TABLE_REMOVE_DELETE],
  [Kind.VIEW_ON_UPDATE, Kind.VIEW_REMOVE_ON_UPDATE],
  [Kind.VIEW_ON_DELETE, Kind.VIEW_REMOVE_DELETE],
  [Kind.VIEW_ON_REMOVE, Kind.VIEW_REMOVE_ON_REMOVE],
]);

/** What else there is to say of a subscription. */
export interface SubscriptionDetails {
  readonly view?: View;
  readonly content?: Fill;
  /** See {@linkcode Ask.text}. */
  readonly text?: string | undefined;
  /** See {@linkcode Subscription.target}. */
  readonly target?: Table;
}

/** Subscribes to `kind` on a view. */
export function subscribeToView(
  world: World,
  client: Client,
  kind: number,
  details: SubscriptionDetails = {},
): Ask | undefined {
  const view = world.pickView(client);
  // An answer comes for a view that isn't there, but for view_on_delete.
  if (view === undefined) return missingView(world, kind);
  return subscribe(world, client, kind, view.id, { ...details, view });
}

/** Subscribes to `kind` on `entity`, if the session hasn't too much of that. */
export function subscribe(
  world: World,
  client: Client,
  kind: number,
  entity: string,
  { view, content, text, target }: SubscriptionDetails = {},
): Ask | undefined {
  if (client.subscriptions.size >= MOST_SUBSCRIPTIONS) return undefined;
  const withRows = kind === Kind.VIEW_ON_UPDATE && content !== undefined &&
    message(content).length > 0;
  if (world.sharesViews && withRows && view?.hasOldRows) return undefined;
  return {
    kind,
    entity,
    content,
    text,
    before: (msgId) => {
      if (withRows && view !== undefined) view.recordsRows = true;
      const subscription = { msgId, kind, entity, view, target, withRows };
      client.subscriptions.set(msgId, subscription);
    },
  };
}

/** Ends a subscription, or one that isn't there. */
export function unsubscribe(world: World, client: Client): Ask | undefined {
  const random = world.random;
  const live = [...client.subscriptions.values()].filter(({ view }) =>
    world.scope.owners === undefined || view !== undefined &&
      world.scope.owners.get(view.table) === client
  );
  // By kind first: there are many more on views than others.
  const kinds = [...new Set(live.map(({ kind }) => kind))];
  const chosen = kinds.length > 0 ? random.pick(kinds) : undefined;
  const subscription = chosen === undefined
    ? undefined
    : random.pick(live.filter(({ kind }) => kind === chosen));
  if (subscription === undefined || random.chance(0.25)) {
    // Not its own id, and as often not its kind or its view.
    if (world.scope.owners !== undefined) return undefined;
    const kind = random.pick(
      [...ENDS.values()].filter((it) => hasKind(world.line, it)),
    );
    const view = world.pickView(client)?.id ?? world.unknownName();
    return {
      kind,
      entity: kindInfo(kind)!.entity === "view" ? view : "t0",
      content: (w) => w.tag(1, 0).uint32(4_000_000_000),
      text: "an id that isn't known",
    };
  }
  return {
    kind: ENDS.get(subscription.kind)!,
    entity: subscription.entity,
    content: (w) => w.tag(1, 0).uint32(subscription.msgId),
    text: `subscription ${subscription.msgId}`,
    after: ({ kind }) => {
      if (kind === SERVER_ERROR) return;
      client.subscriptions.delete(subscription.msgId);
      const { view } = subscription;
      const isRead = [...client.subscriptions.values()].some((it) =>
        it.view === view && it.kind === Kind.VIEW_ON_UPDATE
      );
      if (view?.recordsRows && !isRead) view.hasOldRows = true;
    },
  };
}
