/**
 * What is asked at the end, when nothing else is on its way: all that the
 * tables hold. For tests only.
 *
 * @module
 */

import { Kind } from "../../protocol/kinds.ts";
import { type Ask, viewport } from "./asks.ts";
import type { Client, Table } from "./model.ts";
import { deleteView } from "./view_asks.ts";
import { writeColumns } from "./view_config.ts";
import type { World } from "./world.ts";

/** Who asks, and what. */
export interface FinalAsk {
  readonly client: Client;
  readonly ask: Ask;
}

/** Reads all tables through `client`, and has all sessions delete their views. */
export function* finalAsks(
  world: World,
  client: Client,
): Generator<FinalAsk, void> {
  const tables = world.tables.filter((it) => it.state !== "gone");
  const hosted = { kind: Kind.GET_HOSTED_TABLES, entity: "" };
  yield { client, ask: hosted };
  for (const table of tables) {
    for (const ask of wholeTable(table)) yield { client, ask };
  }
  // Lazy deletes are answered when the views are gone.
  for (const other of world.live) {
    if (other === client) continue;
    for (const ask of farewell(world, other)) yield { client: other, ask };
  }
  for (const { name } of tables) {
    yield { client, ask: { kind: Kind.TABLE_SIZE, entity: name } };
  }
  yield { client, ask: hosted };
}

/** Reads all of a table, through views that are made and deleted for it. */
export function* wholeTable(
  { name, columns }: Pick<Table, "name" | "columns">,
): Generator<Ask, void> {
  yield { kind: Kind.TABLE_SIZE, entity: name };
  yield { kind: Kind.TABLE_SCHEMA, entity: name };
  // Several different ones, so that they may be made in several places.
  const views = [0, 1, 2].map((by) => ({
    id: `last-${by}`,
    columns: rotated(columns.map((it) => it.name), by),
  }));
  for (const { id, columns } of views) {
    yield {
      kind: Kind.TABLE_MAKE_VIEW,
      entity: name,
      content: (w) => {
        w.tag(1, 2).string(id);
        w.tag(2, 2).fork();
        writeColumns(columns)(w);
        w.join();
      },
    };
  }
  for (const { id } of views) {
    yield { kind: Kind.VIEW_TO_ARROW, entity: id, content: viewport() };
    yield { kind: Kind.VIEW_TO_CSV, entity: id, content: viewport() };
  }
  for (const { id } of views) yield { kind: Kind.VIEW_DELETE, entity: id };
}

/** Deletes all views of `client`. */
function* farewell(world: World, client: Client): Generator<Ask, void> {
  for (const id of [...client.views.keys()]) {
    yield deleteView(world, client, id);
  }
  // Comes after all pushes that are on their way in one engine.
  yield { kind: Kind.GET_FEATURES, entity: "" };
}

function rotated<T>(values: readonly T[], by: number): T[] {
  const at = values.length === 0 ? 0 : by % values.length;
  return [...values.slice(at), ...values.slice(0, at)];
}
