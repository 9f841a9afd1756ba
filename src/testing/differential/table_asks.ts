/**
 * Random requests on tables: made, changed, deleted, joined. For tests only.
 *
 * @module
 */

import { Kind, SERVER_ERROR } from "../../protocol/kinds.ts";
import type { Fill } from "../frames.ts";
import { type Ask, entry, valueIn } from "./asks.ts";
import {
  COLUMNS,
  type Data,
  dataField,
  dataText,
  type Form,
  LOOKUP,
  randomRows,
  schemaField,
  TEXT_FORMS,
  WHOLE_FORMS,
  written,
} from "./data.ts";
import type { Client, Column, Table } from "./model.ts";
import { BAD_EXPRESSIONS, EXPRESSIONS } from "./view_config.ts";
import { MOST_TABLES, type World } from "./world.ts";

/** Asks `kind` of a table, or of one that isn't there. */
export function onTable(world: World, client: Client, kind: number): Ask {
  const table = world.random.chance(0.05) ? undefined : world.pickTable(client);
  return { kind, entity: table?.name ?? "no such table" };
}

/** Makes a port, for updates to come. */
export function makePort(world: World, client: Client): Ask {
  const table = world.pickTable(client);
  return {
    kind: Kind.TABLE_MAKE_PORT,
    entity: table?.name ?? "no such table",
    after: ({ kind, content }) => {
      if (kind === SERVER_ERROR || table === undefined) return;
      const port = valueIn(content, 1);
      if (typeof port === "number") table.ports.push(port);
    },
  };
}

/** Validates expressions, good and bad ones. */
export function validate(world: World, client: Client): Ask {
  const random = world.random;
  const table = world.pickTable(client);
  const known = EXPRESSIONS.map(({ text }) => text);
  const texts = random.some([...known, ...BAD_EXPRESSIONS], 3);
  return {
    kind: Kind.TABLE_VALIDATE_EXPR,
    entity: table?.name ?? "no such table",
    content: (w) => {
      texts.forEach((text, i) => entry(1, `e${i}`, text)(w));
    },
    text: JSON.stringify(texts),
  };
}

/** Makes a table with a schema or with rows. */
export function makeTable(world: World): Ask | undefined {
  const random = world.random;
  const there = world.tables.filter((it) => it.state !== "gone");
  const isTaken = there.length > 0 && random.chance(0.1);
  if (!isTaken && there.length >= MOST_TABLES) return undefined;
  const name = isTaken ? random.pick(there).name : world.freeName("t");
  const isLookup = world.line === "5" &&
    random.chance(
      there.some(({ columns }) => columns === LOOKUP) ? 0.1 : 0.4,
    );
  const columns = isLookup ? LOOKUP : random.shuffled(
    COLUMNS,
  )
    .filter(({ name, role }) =>
      name === "g" || role === "key" || random.chance(0.8)
    );
  const type = isLookup
    ? "indexed"
    : random.pick(["plain", "indexed", "limit"] as const);
  const nulls = world.line === "3" || type !== "indexed" ||
    random.chance(0.5);
  const form = random.pick(["schema", "schema", ...TEXT_FORMS] as const);
  let data: Data | Fill;
  let used = columns;
  if (random.chance(0.04)) {
    data = { form: "rows", value: '[{"k": 1,' };
    used = [];
  } else if (form === "schema") data = schemaField(columns);
  else {
    used = columns.filter(({ type }) =>
      type !== "datetime" && !(form === "csv" && type === "boolean")
    );
    const rows = randomRows(random, used, random.between(3, 8), false);
    // So that the type of a column of floats is told from its first row.
    for (const row of rows) {
      if ("f" in row) row["f"] = Number(row["f"]) + 0.125;
    }
    data = written(rows, form, used);
  }
  return tableOf(world, { name, type, columns: used, nulls, data, form });
}

/** What a table is made of. */
export interface TableMaking {
  readonly name: string;
  readonly type: "plain" | "indexed" | "limit";
  readonly columns: readonly Column[];
  /** See {@linkcode Table.nulls}. */
  readonly nulls: boolean;
  /** Its first rows, or its schema. */
  readonly data: Data | Fill;
  readonly form: Form;
}

/** Makes a table. */
export function tableOf(
  world: World,
  { name, type, columns, nulls, data, form }: TableMaking,
): Ask {
  const table: Table = {
    name,
    type,
    columns,
    nulls,
    ports: [0],
    sources: [],
    state: "there",
  };
  const limit = world.random.between(4, 15);
  return {
    kind: Kind.MAKE_TABLE,
    entity: name,
    content: (w) => {
      if (typeof data === "function") data(w);
      else dataField(data)(w);
      if (type === "indexed") w.tag(2, 2).fork().tag(1, 2).string("k").join();
      if (type === "limit") w.tag(2, 2).fork().tag(2, 0).uint32(limit).join();
    },
    text: `${type} from ${form}: ${
      typeof data === "function"
        ? columns.map((it) => it.name).join()
        : dataText(data)
    }`,
    after: ({ kind }) => {
      const isThere = world.tables.some((it) =>
        it.name === name && it.state !== "gone"
      );
      if (kind !== SERVER_ERROR && !isThere) world.tables.push(table);
    },
  };
}

/** Joins two tables, on line 5. */
export function makeJoin(world: World): Ask | undefined {
  if (world.line !== "5") return undefined;
  const random = world.random;
  const there = world.tables.filter((it) =>
    it.state === "there" && it.type !== "join"
  );
  const isLookup = ({ columns }: Table) =>
    columns.some(({ name }) => name === "x");
  const lefts = there.filter((it) =>
    it.columns.some(({ name }) => name === "k") && !isLookup(it)
  );
  const rights = there.filter(isLookup);
  if (rights.length === 0 || lefts.length === 0) return undefined;
  const [left, right] = [random.pick(lefts), random.pick(rights)];
  const name = world.freeName("j");
  const joinType = random.below(3);
  const table: Table = {
    name,
    type: "join",
    // Nulls may stand anywhere, so nothing can be grouped by.
    columns: [...left.columns, ...right.columns.slice(1)].map((it) => ({
      ...it,
      role: "value",
    })),
    nulls: true,
    ports: [0],
    sources: [left, right],
    state: "there",
  };
  return {
    kind: Kind.MAKE_JOIN_TABLE,
    entity: name,
    content: (w) => {
      w.tag(1, 2).string(left.name).tag(2, 2).string(right.name);
      w.tag(3, 2).string("k");
      if (joinType !== 0) w.tag(4, 0).int32(joinType);
    },
    text: `${left.name} and ${right.name}, type ${joinType}`,
    after: ({ kind }) => {
      if (kind !== SERVER_ERROR) world.tables.push(table);
    },
  };
}

/** Updates or replaces a table's rows. */
export function change(
  world: World,
  client: Client,
  kind: number,
): Ask | undefined {
  const random = world.random;
  // A table that is written by its sources, or that nothing is known of,
  // isn't updated.
  const table = world.pickTable(
    client,
    ({ type, nulls, columns }) =>
      type !== "join" && columns.length > 0 &&
      (kind === Kind.TABLE_UPDATE || world.line === "3" ||
        type !== "indexed" || !nulls),
  );
  if (table === undefined || random.chance(0.02)) {
    if (world.scope.owners !== undefined || random.chance(0.7)) {
      return undefined;
    }
    const data: Data = { form: "rows", value: '[{"k":1}]' };
    return { kind, entity: "no such table", content: dataField(data) };
  }
  const data = dataFor(world, client, table, kind === Kind.TABLE_REPLACE);
  let port = 0;
  if (kind === Kind.TABLE_UPDATE && random.chance(0.4)) {
    port = random.pick(table.ports);
  }
  return {
    kind,
    entity: table.name,
    content: (w) => {
      dataField(data)(w);
      if (port !== 0) w.tag(2, 0).uint32(port);
    },
    text: dataText(data) + (port === 0 ? "" : ` by port ${port}`),
    anyError: data.form === "view",
  };
}

/** What can be sent to `table`. */
function dataFor(
  world: World,
  client: Client,
  table: Table,
  isReplace: boolean,
): Data {
  const random = world.random;
  const { columns } = table;
  const nulls = table.nulls && !world.isAgeless;
  if (random.chance(0.06)) {
    return {
      form: "rows",
      value: random.pick(["[]", "null", "5", '[{"k": 1,', "{"]),
    };
  }
  const must = columns.filter(({ role }) => role !== "value");
  const fits = (from: readonly Column[]) =>
    nulls && must.every(({ name }) => from.some((it) => it.name === name)) &&
    from.every((it) =>
      columns.every(({ name, type }) => name !== it.name || type === it.type)
    );
  const arrows = world.arrows.filter((it) => fits(it.columns));
  if (arrows.length > 0 && random.chance(0.2)) {
    return { form: "arrow", value: random.pick(arrows).bytes };
  }
  const view = world.pickView(
    client,
    (it) => it.pivots === 0 && !it.isSplit && fits(it.columns),
  );
  if (!isReplace && view !== undefined && random.chance(0.2)) {
    return { form: "view", value: view.id };
  }
  if (!isReplace && nulls && random.chance(0.02)) {
    return { form: "view", value: "no such view" };
  }
  const form = random.pick(
    world.isAgeless ? WHOLE_FORMS : TEXT_FORMS,
  );
  const sent = columns.filter(({ role, type }) =>
    role !== "value" || world.isAgeless ||
    // Line 3 reads a number as text in CSV otherwise than in JSON.
    !(form === "csv" && type === "datetime") && random.chance(0.8)
  );
  const count = form === "ndjson" ? random.between(2, 5) : random.between(1, 5);
  const rows = randomRows(random, sent, count, nulls && form !== "csv");
  if (!world.isAgeless && (form === "rows" || form === "ndjson")) {
    for (const row of rows) {
      for (const { name, role } of sent) {
        if (role === "value" && random.chance(0.15)) delete row[name];
      }
    }
    if (form === "rows" && random.chance(0.04)) {
      // Of a wrong type.
      const values = sent.filter(({ type }) =>
        type === "integer" || type === "float"
      ).filter(({ role }) => role === "value");
      for (const { name } of values) rows[0]![name] = "not a number";
    }
  }
  return written(rows, form, sent);
}

/** Removes rows by their keys. */
export function remove(world: World, client: Client): Ask | undefined {
  const random = world.random;
  const table = world.pickTable(
    client,
    ({ type }) => type === "indexed" || type !== "join" && random.chance(0.1),
  );
  if (table === undefined) return undefined;
  const keys = Array.from(
    { length: random.between(1, 3) },
    () => random.below(20),
  );
  const data: Data = { form: "rows", value: JSON.stringify(keys) };
  return {
    kind: Kind.TABLE_REMOVE,
    entity: table.name,
    content: dataField(data),
    text: dataText(data),
  };
}

/** Deletes a table, at once or with its last view. */
export function deleteTable(world: World, client: Client): Ask | undefined {
  const random = world.random;
  if (random.chance(0.1)) {
    return { kind: Kind.TABLE_DELETE, entity: "no such table" };
  }
  // Two tables at least stay.
  const there = world.tables.filter((it) => it.state === "there");
  if (there.length < 3) return undefined;
  const table = world.pickTable(client);
  if (table === undefined) return undefined;
  const hasViews = world.hasViews(table);
  if (table.type === "join" && hasViews) return undefined;
  const isImmediate = random.chance(0.6);
  return {
    kind: Kind.TABLE_DELETE,
    entity: table.name,
    content: (w) => isImmediate && w.tag(1, 0).bool(true),
    text: isImmediate ? "at once" : "lazily",
    before: () => {
      const isSource = world.tables.some((it) =>
        it.state !== "gone" && it.sources.includes(table)
      );
      if (!isImmediate && !isSource && hasViews) {
        table.state = "waits for its views";
      }
    },
    after: ({ kind }) => {
      if (kind !== SERVER_ERROR) world.tableGone(table);
    },
  };
}
