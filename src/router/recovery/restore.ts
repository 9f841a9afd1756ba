/**
 * Making views again on another engine.
 *
 * @module
 */

import { simpleRequest, updatePush } from "../../protocol/answers.ts";
import { type Reframed, utf8 } from "../../protocol/frame.ts";
import { newHeader, readHeader } from "../../protocol/header.ts";
import { Kind } from "../../protocol/kinds.ts";
import { makeViewRequest } from "../../protocol/requests.ts";
import { copiedArrow, copyReadRequest } from "../../protocol/table_copy.ts";
import {
  pathsRequest,
  rowPaths,
  stateRequest,
  type StateStep,
} from "../../protocol/view_state.ts";
import type { FeedHost } from "../feed.ts";
import type { Job } from "../replica.ts";
import type { Route } from "../route.ts";
import type { Tables } from "../tables.ts";
import type { EngineView } from "../view.ts";
import type { Errand } from "./errand.ts";
import type { Missed } from "./missed.ts";

/** What {@linkcode restore} needs of the router. */
export interface RestoreHost extends Pick<FeedHost, "deliver"> {
  /** The tables there are. */
  readonly tables: Tables;
  /** What each `msg_id` stands for at the engines. */
  readonly routes: Iterable<readonly [number, Route]>;
}

/** Where and how a view is made again. */
export interface Place {
  /** Asks the engine. */
  readonly errand: Errand;
  /** Puts something in front of the engine, with no changes between. */
  send(job: Job): void;
  /** What waits for the engine needn't begin this subscription any more. */
  begun(msgId: number): void;
  /** What the engine before it hasn't told. */
  readonly missed: Missed;
}

type Ask = (
  kind: number,
  frame: (msgId: number) => Reframed,
) => Promise<Uint8Array>;

/** More rows than any view has. */
const ALL = 0xffff_ffff;

/** More columns than anybody groups by. */
const MOST_LEVELS = 64;

/**
 * Makes `view` again, by the same name, with its subscriptions, and tells these
 * what they have missed.
 *
 * @throws {Error} If it can't be made.
 */
export async function restore(
  host: RestoreHost,
  view: EngineView,
  { errand, send, begun, missed }: Place,
): Promise<void> {
  const { table, id, config } = view;
  const ask: Ask = (kind, frame) =>
    errand.ask({ kind, table, view, frame, send });
  await ask(
    Kind.TABLE_MAKE_VIEW,
    (msgId) => makeViewRequest(msgId, utf8(table), id, config),
  );
  await restoreState(view, ask);
  errand.check();
  const subscriptions = subscriptionsOn(host, view);
  for (const [msgId, { kind, subscribed }] of subscriptions) {
    // Also one that waits: it is to be told of what changes from here on.
    begun(msgId);
    errand.tell(subscribed!.frame, { kind, table, view, send });
  }
  // Also those whose place in the order hasn't come: it is behind what they missed.
  for (const feed of view.feeds.values()) feed.activateAll();
  await tellMissed(host, view, subscriptions, missed, ask);
}

/**
 * Has `view` made, which no engine has made yet: `parked` is what clients asked
 * for that, the subscriptions included, which are told what they have missed.
 *
 * @throws {Error} If the engine is lost.
 */
export async function makeFirst(
  host: RestoreHost,
  view: EngineView,
  parked: ReadonlyArray<readonly Job[]>,
  { errand, send, missed }: Omit<Place, "begun">,
): Promise<void> {
  const { table } = view;
  const ask: Ask = (kind, frame) =>
    errand.ask({ kind, table, view, frame, send });
  for (const jobs of parked) for (const job of jobs) send(job);
  // When this is answered, the others are.
  const kind = Kind.TABLE_SIZE;
  await ask(kind, (msgId) => simpleRequest(msgId, utf8(table), kind));
  if (view.state !== "made") return;
  // What comes with the making is told of by the view that there was before.
  const [first = []] = parked;
  const told = new Set(first.map(({ frame }) => frame?.msgId));
  const subscriptions = subscriptionsOn(host, view)
    .filter(([msgId]) => !told.has(msgId));
  await tellMissed(host, view, subscriptions, missed, ask);
}

type Subscription = readonly [number, Route];

function subscriptionsOn(
  host: RestoreHost,
  view: EngineView,
): readonly Subscription[] {
  return [...host.routes].filter(([, { subscribed }]) =>
    subscribed?.view === view
  );
}

/** Tells `subscriptions` on `view` what they have missed. */
async function tellMissed(
  host: RestoreHost,
  { table, entity }: EngineView,
  subscriptions: readonly Subscription[],
  missed: Missed,
  ask: Ask,
): Promise<void> {
  const tables = [table, ...host.tables.sourcesOf(table)];
  let rows: Uint8Array | undefined;
  for (const [msgId, { kind, subscribed }] of subscriptions) {
    if (kind !== Kind.VIEW_ON_UPDATE) continue;
    for (const port of missed.portsFor(tables, msgId)) {
      // Which of them have changed nobody knows any more.
      if (subscribed!.withRows) {
        rows ??= copiedArrow(
          await ask(
            Kind.VIEW_TO_ARROW,
            (id) => copyReadRequest(id, entity, 0, ALL),
          ),
        );
      }
      push(
        host,
        msgId,
        updatePush(port, subscribed!.withRows ? rows : undefined),
      );
    }
    missed.tell(tables, msgId);
  }
}

/** Expands and collapses what clients had. */
async function restoreState(
  { entity, rowState }: EngineView,
  ask: Ask,
): Promise<void> {
  if (rowState === undefined || rowState.isInitial) return;
  const change = (step: StateStep) =>
    ask(step.kind, (msgId) => stateRequest(msgId, entity, step));
  for (const step of rowState.firstSteps()) await change(step);
  const kind = Kind.VIEW_TO_COLUMNS_STRING;
  // Each time one level deeper, and as often as there may be levels.
  for (let isFirst = true, left = MOST_LEVELS; left > 0; left--) {
    const paths = rowPaths(
      await ask(kind, (msgId) => pathsRequest(msgId, entity, 0, ALL)),
    );
    const steps = rowState.steps(paths, isFirst);
    if (steps.length === 0) return;
    isFirst = false;
    for (const step of steps) await change(step);
  }
}

/** Has the subscription `msgId` get `frame`, as if an engine had pushed it. */
export function push(
  host: RestoreHost,
  msgId: number,
  frame: Uint8Array,
): void {
  const header = newHeader();
  readHeader(frame, header);
  host.deliver(msgId, frame, header);
}
