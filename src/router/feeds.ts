/**
 * Subscribing to what a view pushes.
 *
 * @module
 */

import { simpleRequest } from "../protocol/answers.ts";
import { endedBy } from "../protocol/kinds.ts";
import type { Asker } from "./asker.ts";
import { Feed } from "./feed.ts";
import { ownRoute, type Route } from "./route.ts";
import type { Step } from "./session_host.ts";
import type { EngineView } from "./view.ts";

/**
 * Whether something can be subscribed to, or not any more, now: what others
 * have begun there must have been done before.
 */
export function isReady(
  { session }: Asker,
  view: EngineView,
  kind: number,
): boolean {
  return view.feeds.get(kind)?.isReadyFor(session) ?? true;
}

/**
 * Has the client's subscription `msgId` get what `view` pushes, from its place
 * in the order on. There is one subscription in the engine. It is replaced when
 * somebody wants the rows that changed, and nobody has so far; then nothing
 * comes between the new one and the end of the old.
 */
export function subscribe(
  asker: Asker,
  view: EngineView,
  kind: number,
  msgId: number,
  withRows: boolean,
): void {
  let feed = view.feeds.get(kind);
  if (feed === undefined || feed.isEnding) {
    feed = new Feed(asker.router, withRows);
    view.feeds.set(kind, feed);
    feed.add(msgId, { withRows, isActive: true });
    return asker.together(view, beginAndSettle(asker, view, kind, feed));
  }
  const known = feed;
  known.add(msgId, { withRows, isActive: false });
  const activate = () => known.activate(msgId);
  if (!withRows || known.withRows) return asker.mark(view, activate);
  const oldId = known.id;
  known.withRows = true;
  asker.together(view, [
    beginning(asker, view, kind, known),
    ending(asker, view, kind, known, oldId, activate),
  ]);
}

/** The client's subscription `msgId` gets nothing of what `view` pushes any more. */
export function unsubscribe(
  asker: Asker,
  view: EngineView,
  kind: number,
  msgId: number,
): void {
  const feed = view.feeds.get(kind);
  if (feed === undefined || !feed.has(msgId)) return;
  feed.remove(msgId);
  endIfEmpty(asker, view, kind, feed);
}

/** Begins `feed` in the engine. What others want of it waits for that. */
export function beginAndSettle(
  asker: Asker,
  view: EngineView,
  kind: number,
  feed: Feed,
): readonly Step[] {
  feed.begin(asker.session);
  return [
    beginning(asker, view, kind, feed),
    asker.marker(view, () => settled(asker, view, kind, feed)),
  ];
}

/**
 * Ends `feed` in the engine, if it is for nobody. One with rows goes on: an
 * engine that has begun to record which rows change doesn't end it, and would
 * send them all to the next who asks.
 */
export function endIfEmpty(
  asker: Asker,
  view: EngineView,
  kind: number,
  feed: Feed,
): void {
  if (!feed.isEmpty || feed.isEnding || feed.withRows) return;
  // Otherwise it is looked at again when it is settled.
  if (!feed.isReadyFor(asker.session)) return;
  // With the view it ends anyway.
  if (view.state !== "made" || view.feeds.get(kind) !== feed) return;
  feed.isEnding = true;
  asker.together(view, [
    ending(asker, view, kind, feed, feed.id, () => {
      if (view.feeds.get(kind) === feed) view.feeds.delete(kind);
    }),
  ]);
}

function beginning(
  asker: Asker,
  view: EngineView,
  kind: number,
  feed: Feed,
): Step {
  const push: Route["take"] = (frame, header) => feed.push(frame, header);
  const route = ownRoute(kind, push, { subscription: true });
  feed.id = asker.router.register(route);
  const mode = feed.withRows ? 0 : undefined;
  const frame = simpleRequest(feed.id, view.entity, kind, mode);
  route.subscribed = { frame, view, withRows: feed.withRows };
  return { frame, kind };
}

function ending(
  asker: Asker,
  view: EngineView,
  kind: number,
  feed: Feed,
  id: number,
  ended: () => void,
): Step {
  feed.begin(asker.session);
  const reached = () => {
    asker.router.unregister(id);
    ended();
    settled(asker, view, kind, feed);
  };
  return asker.marker(view, reached, endedBy(kind), id);
}

/** The engine has done something to `feed` that others may have waited for. */
function settled(
  asker: Asker,
  view: EngineView,
  kind: number,
  feed: Feed,
): void {
  if (!feed.settle()) return;
  endIfEmpty(asker, view, kind, feed);
  asker.router.wake();
}
