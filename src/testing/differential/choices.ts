/**
 * What may be asked, and how often. For tests only.
 *
 * @module
 */

import { Kind } from "../../protocol/kinds.ts";
import type { Ask } from "./asks.ts";
import { copyView } from "./copies.ts";
import type { Client } from "./model.ts";
import {
  subscribe,
  subscribeToView,
  unsubscribe,
} from "./subscription_asks.ts";
import {
  change,
  deleteTable,
  makeJoin,
  makePort,
  makeTable,
  onTable,
  remove,
  validate,
} from "./table_asks.ts";
import {
  deleteView,
  expand,
  makeView,
  missingView,
  readView,
} from "./view_asks.ts";
import type { World } from "./world.ts";

/** Makes up a request; `undefined` if there is nothing to ask that of. */
type Make = (world: World, client: Client) => Ask | undefined;

/** How often, what, and whether only outside bursts of several sessions. */
const CHOICES: readonly (readonly [number, Make, "alone"?])[] = [
  [1, () => ({ kind: Kind.GET_FEATURES, entity: "" })],
  [1, () => ({ kind: Kind.SERVER_SYSTEM_INFO, entity: "" })],
  [2, () => ({ kind: Kind.GET_HOSTED_TABLES, entity: "" }), "alone"],
  [3, subscribeToTables, "alone"],
  [1, unknownKind],
  [4, unsubscribe],
  [6, makeTable, "alone"],
  [4, makeJoin, "alone"],
  [3, (world, client) => onTable(world, client, Kind.TABLE_SIZE)],
  [2, (world, client) => onTable(world, client, Kind.TABLE_SCHEMA)],
  [2, makePort],
  [2, validate],
  [28, (world, client) => change(world, client, Kind.TABLE_UPDATE)],
  [3, (world, client) => change(world, client, Kind.TABLE_REPLACE)],
  [5, remove],
  [4, deleteTable, "alone"],
  [2, subscribeToDelete, "alone"],
  [16, makeView],
  [5, deleteAnyView],
  [24, readView],
  [6, expand],
  [9, subscribeToUpdates],
  [
    2,
    (world, client) => subscribeToView(world, client, Kind.VIEW_ON_DELETE),
  ],
  [
    4,
    (world, client) =>
      world.line === "5"
        ? subscribeToView(world, client, Kind.VIEW_ON_REMOVE)
        : undefined,
  ],
  [3, copyView, "alone"],
];

const TOTAL = CHOICES.reduce((sum, [weight]) => sum + weight, 0);

/** A request of `client`; `undefined` if it can't be asked now. */
export function randomAsk(world: World, client: Client): Ask | undefined {
  let at = world.random.below(TOTAL);
  for (const [weight, make, alone] of CHOICES) {
    at -= weight;
    if (at >= 0) continue;
    if (world.scope.owners !== undefined && alone) return undefined;
    return make(world, client);
  }
  return undefined;
}

function subscribeToTables(world: World, client: Client): Ask | undefined {
  if (world.scope.client !== undefined) return undefined;
  return subscribe(world, client, Kind.GET_HOSTED_TABLES, "", {
    content: (w) => w.tag(1, 0).bool(true),
    text: "subscribed to",
  });
}

function unknownKind({ random, line }: World): Ask {
  return {
    kind: random.pick([41, 45, 49, ...line === "3" ? [38] : []]),
    entity: "t0",
    text: "a kind that isn't known",
  };
}

function subscribeToDelete(world: World, client: Client): Ask | undefined {
  const table = world.pickTable(client)?.name ?? world.unknownName();
  return subscribe(world, client, Kind.TABLE_ON_DELETE, table);
}

function deleteAnyView(world: World, client: Client): Ask | undefined {
  const view = world.pickView(client);
  if (view === undefined) return missingView(world, Kind.VIEW_DELETE);
  // The table would go with it.
  if (world.scope.owners && view.table.state !== "there") return undefined;
  return deleteView(world, client, view.id);
}

function subscribeToUpdates(world: World, client: Client): Ask | undefined {
  const withRows = world.random.chance(0.5);
  return subscribeToView(world, client, Kind.VIEW_ON_UPDATE, {
    content: (w) => withRows && w.tag(1, 0).int32(0),
    text: withRows ? "with row deltas" : undefined,
  });
}
