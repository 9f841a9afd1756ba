/**
 * Random requests on views: made, read, expanded, deleted. For tests only.
 *
 * @module
 */

import { Kind, SERVER_ERROR } from "../../protocol/kinds.ts";
import { message } from "../frames.ts";
import { type Ask, bytesOf, valueIn, viewport } from "./asks.ts";
import type { Client, Table, View } from "./model.ts";
import { type Config, randomConfig } from "./view_config.ts";
import type { World } from "./world.ts";

/** How many views a session has at most. */
const MOST_VIEWS = 5;

/** Makes a view, now and then with a name that is taken. */
export function makeView(world: World, client: Client): Ask | undefined {
  const random = world.random;
  const taken = world.pickView(client);
  const table = world.pickTable(client);
  if (table === undefined) return undefined;
  let id = `v${world.names++}`;
  if (taken !== undefined && random.chance(0.05)) id = taken.id;
  else if (client.views.size >= MOST_VIEWS) return undefined;
  const entity = random.chance(0.02) ? "no such table" : table.name;
  const config = knownConfig(world, table) ??
    randomConfig(random, table, world);
  const { content, text, pivots, isSplit, columns } = config;
  if (world.sharesViews) world.configs.push({ table, config });
  const view: View = {
    id,
    table,
    pivots,
    isSplit,
    columns,
    recordsRows: false,
    hasOldRows: false,
  };
  return {
    kind: Kind.TABLE_MAKE_VIEW,
    entity,
    content: (w) => {
      w.tag(1, 2).string(id);
      w.tag(2, 2).fork();
      content(w);
      w.join();
    },
    text: `"${id}" ${text}`,
    after: ({ kind }) => {
      if (kind !== SERVER_ERROR) client.views.set(id, view);
    },
  };
}

/** One that a view of `table` was made of before. */
function knownConfig(world: World, table: Table): Config | undefined {
  if (!world.sharesViews || !world.random.chance(0.6)) return undefined;
  const known = world.configs.filter((it) => it.table === table).slice(-4);
  return known.length === 0 ? undefined : world.random.pick(known).config;
}

/** Deletes the view `id`. */
export function deleteView(world: World, client: Client, id: string): Ask {
  const view = client.views.get(id);
  return {
    kind: Kind.VIEW_DELETE,
    entity: id,
    after: ({ kind }) => {
      if (kind === SERVER_ERROR || view === undefined) return;
      client.views.delete(id);
      for (const [msgId, it] of client.subscriptions) {
        if (it.view === view) client.subscriptions.delete(msgId);
      }
      world.viewGone(view.table);
    },
  };
}

/** Reads a view in one way or another. */
export function readView(world: World, client: Client): Ask | undefined {
  const random = world.random;
  const kind = random.pick([
    Kind.VIEW_COLUMN_PATHS,
    Kind.VIEW_DIMENSIONS,
    Kind.VIEW_DIMENSIONS,
    Kind.VIEW_EXPRESSION_SCHEMA,
    Kind.VIEW_GET_CONFIG,
    Kind.VIEW_SCHEMA,
    Kind.VIEW_TO_ARROW,
    Kind.VIEW_TO_ARROW,
    Kind.VIEW_GET_MIN_MAX,
    Kind.VIEW_TO_COLUMNS_STRING,
    Kind.VIEW_TO_COLUMNS_STRING,
    Kind.VIEW_TO_CSV,
    Kind.VIEW_TO_ROWS_STRING,
    Kind.VIEW_TO_NDJSON_STRING,
  ]);
  const view = world.pickView(client);
  if (view === undefined) return missingView(world, kind);
  // It may be a view of its own, of a table that isn't its own to ask of.
  const isUnknown = random.chance(0.02) && world.scope.owners === undefined;
  const entity = isUnknown ? world.unknownName() : view.id;
  if (kind === Kind.VIEW_COLUMN_PATHS) {
    // From the first: a start after the last column never ends either.
    const end = random.between(1, 5);
    const isWhole = random.chance(0.5);
    return {
      kind,
      entity,
      content: (w) => isWhole || w.tag(1, 0).uint32(0).tag(2, 0).uint32(end),
      text: isWhole ? undefined : `to ${end}`,
    };
  }
  if (kind === Kind.VIEW_GET_MIN_MAX) {
    const name = view.columns.length === 0
      ? "k"
      : random.pick(view.columns).name;
    return {
      kind,
      entity,
      content: (w) => w.tag(1, 2).string(name),
      text: name,
    };
  }
  const isFlat = view.pivots === 0 && !view.isSplit;
  if (kind === Kind.VIEW_TO_ARROW && isFlat && random.chance(0.4)) {
    return {
      kind,
      entity: view.id,
      content: viewport(),
      after: (answer) => {
        const bytes = bytesOf(answer);
        if (bytes === undefined) return;
        world.arrows.push({ bytes, columns: view.columns });
        if (world.arrows.length > 4) world.arrows.shift();
      },
    };
  }
  // Rows and columns from the first, so that the range is never empty.
  const to = random.chance(0.5)
    ? undefined
    : { row: random.between(1, 8), column: random.between(1, 5) };
  // The second says to which rows a group belongs.
  const flags = random.below(8) & (world.isAgeless && !isFlat ? 5 : 7);
  const isJson = kind === Kind.VIEW_TO_COLUMNS_STRING ||
    kind === Kind.VIEW_TO_ROWS_STRING || kind === Kind.VIEW_TO_NDJSON_STRING;
  const isString = isJson || kind === Kind.VIEW_TO_CSV ||
    kind === Kind.VIEW_TO_ARROW;
  if (!isString) return { kind, entity };
  return {
    kind,
    entity,
    content: (w) => {
      viewport(to)(w);
      if (!isJson) return;
      for (const bit of [0, 1, 2]) {
        if ((flags >> bit) & 1) w.tag(2 + bit, 0).bool(true);
      }
    },
    text: JSON.stringify({ to, flags }),
  };
}

/** Expands or collapses groups of a view. */
export function expand(world: World, client: Client): Ask | undefined {
  const random = world.random;
  const view = world.pickView(client, ({ pivots }) => pivots > 0);
  if (view === undefined) return missingView(world, Kind.VIEW_EXPAND);
  if (random.chance(0.3)) {
    const depth = random.below(view.pivots + 1);
    return {
      kind: Kind.VIEW_SET_DEPTH,
      entity: view.id,
      content: (w) => w.tag(1, 0).uint32(depth),
      text: `${depth}`,
    };
  }
  const kind = random.pick([Kind.VIEW_EXPAND, Kind.VIEW_COLLAPSE]);
  // A row that isn't there breaks the engine, so first ask how many there
  // are, and before anything of somebody else can come between.
  return {
    kind: Kind.VIEW_DIMENSIONS,
    entity: view.id,
    after: ({ kind: answered, content }) => {
      if (answered === SERVER_ERROR) return;
      const rows = valueIn(content, 3);
      if (typeof rows !== "number" || rows < 1) return;
      const row = random.below(rows);
      world.urgent = {
        client,
        ask: {
          kind,
          entity: view.id,
          content: (w) => w.tag(1, 0).uint32(row),
          text: `row ${row} of ${rows}`,
        },
      };
    },
  };
}

/** Now and then, `kind` on a view that isn't there. */
export function missingView(world: World, kind: number): Ask | undefined {
  if (!world.random.chance(0.1)) return undefined;
  return { kind, entity: "no such view", content: message(viewport()) };
}
