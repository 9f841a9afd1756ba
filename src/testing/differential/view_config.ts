/**
 * Random configurations of views, a few of them bad. For tests only.
 *
 * @module
 */

import type { Line } from "../../protocol/kinds.ts";
import type { Fill } from "../frames.ts";
import type { Random } from "../random.ts";
import { entry } from "./asks.ts";
import type { Row } from "./data.ts";
import type { Column, ColumnType, Table } from "./model.ts";

/** What a view is made of. */
export interface Config {
  /** The `ViewConfig`. */
  readonly content: Fill;
  /** The same for a reader. */
  readonly text: string;
  /** See {@linkcode View.pivots}. */
  readonly pivots: number;
  readonly isSplit: boolean;
  /** Those of the table, or of expressions, that it shows. */
  readonly columns: readonly Column[];
}

/** What isn't to be in a configuration. */
export interface Limits {
  /** What this line's engine doesn't do. */
  readonly line: Line;
  /** What depends on when the view was made, or polled. */
  readonly isAgeless: boolean;
  /** What depends on how many changes a poll is for. */
  readonly joinsChanges: boolean;
}

interface Expression {
  readonly text: string;
  /** The columns that it reads. */
  readonly needs: readonly string[];
  readonly type: ColumnType;
}

/** Deterministic, without nesting. */
export const EXPRESSIONS: readonly Expression[] = [
  { text: '"i" + 1', needs: ["i"], type: "float" },
  { text: '"f" * 2', needs: ["f"], type: "float" },
  { text: '"i" > 0', needs: ["i"], type: "boolean" },
  { text: 'upper("g")', needs: ["g"], type: "string" },
  { text: 'concat("g", \'-\', "h")', needs: ["g", "h"], type: "string" },
  { text: 'bucket("f", 5)', needs: ["f"], type: "float" },
  { text: 'length("s")', needs: ["s"], type: "float" },
  { text: "'constant'", needs: [], type: "string" },
];

/** Expressions that don't validate. */
export const BAD_EXPRESSIONS: readonly string[] = [
  '"nope" + 1',
  "1 +",
  '"g" * 2',
  "",
];

interface Filter {
  readonly name: string;
  readonly op: string;
  readonly values: Row[string][];
}

/** The fields of a `ViewConfig`. */
interface ConfigFields {
  readonly groups: readonly string[];
  readonly splits: readonly string[];
  /** Without it, the default columns. */
  readonly columns: readonly string[] | undefined;
  readonly filters: readonly Filter[];
  readonly sorts: readonly { readonly name: string; readonly op: number }[];
  readonly expressions: readonly {
    readonly name: string;
    readonly text: string;
  }[];
  readonly aggregates: ReadonlyMap<string, readonly string[]>;
  /** Whether one of the filters is enough. */
  readonly isOr: boolean;
  readonly depth: number | undefined;
  readonly rollup: number;
}

/** A configuration for a view of `table`. */
export function randomConfig(
  random: Random,
  table: Table,
  limits: Limits,
): Config {
  const { line, isAgeless } = limits;
  const named = new Map(table.columns.map((it) => [it.name, it]));
  const expressions = randomExpressions(random, table);
  const all: Column[] = [
    ...table.columns,
    ...expressions.map(({ name, type }): Column => ({
      name,
      type,
      role: "value",
    })),
  ];
  const pivotable = [
    ...table.columns.filter(({ role }) => role === "pivot")
      .map(({ name }) => name),
    ...expressions.filter(({ text }) =>
      text.startsWith("upper") && named.get("g")?.role === "pivot"
    ).map(({ name }) => name),
  ];
  const chosen = random.shuffled(pivotable);
  let groups: string[] = [];
  let splits: string[] = [];
  if (random.chance(0.5)) groups = chosen.splice(0, random.between(1, 2));
  if (random.chance(0.25)) splits = chosen.splice(0, 1);
  // A column that may hold nulls.
  if (
    groups.length === 1 && splits.length === 0 && line === "3" &&
    !isAgeless && named.has("s") && random.chance(0.15)
  ) groups = ["s"];
  const isPivoted = groups.length + splits.length > 0;
  // The engine adds expressions to its default columns in the order of a map.
  const isDefault = table.columns.length === 0 ||
    expressions.length < 2 && random.chance(0.3);
  const columns = isDefault
    ? table.columns
    : random.some(all, random.between(1, 5));
  const shown = new Map(columns.map((it) => [it.name, it]));

  const aggregates = new Map<string, string[]>();
  if (groups.length > 0) {
    for (const it of columns) {
      if (!random.chance(0.5)) continue;
      aggregates.set(it.name, [randomAggregate(random, it, limits)]);
    }
  }
  const sorts = random.chance(0.35) && !(isPivoted && isAgeless)
    ? random.some(isPivoted ? [...shown.values()] : all, random.between(1, 2))
      .map(({ name }) => ({
        name,
        op: random.pick(splits.length > 0 ? [1, 2, 3, 4] : [1, 2]),
      }))
    : [];
  const filters = random.chance(0.35)
    ? random.some(table.columns, random.between(1, 2)).flatMap((it) =>
      randomFilter(random, it) ?? []
    )
    : [];
  const isOr = random.chance(0.3);
  const depth = groups.length > 0 && random.chance(0.2)
    ? random.below(groups.length + 1)
    : undefined;
  const rollup = line === "5" && groups.length > 0 && random.chance(0.2)
    ? random.between(1, 2)
    : 0;

  const bad = random.chance(0.05)
    ? random.pick(["group", "column", "sort", "filter", "aggregate", "late"])
    : undefined;
  if (bad === "group") groups = [...groups, "nope"];
  if (bad === "sort") sorts.push({ name: "nope", op: 1 });
  if (bad === "late") {
    // Fails when the view is half made (ENGINE 6.3).
    groups = groups.length > 0 ? groups : pivotable.slice(0, 1);
    for (const it of columns) {
      if (it.type === "float") {
        aggregates.set(it.name, ["weighted mean", "nope"]);
      }
    }
  }
  if (bad === "aggregate") aggregates.set("f", ["no such aggregate"]);
  const names = [
    ...columns.map(({ name }) => name),
    ...bad === "column" ? ["nope"] : [],
  ];
  if (bad === "filter") {
    filters.push({ name: "nope", op: "==", values: ["x"] });
  }

  return {
    content: written({
      groups,
      splits,
      columns: isDefault && bad !== "column" ? undefined : names,
      filters,
      sorts,
      expressions,
      aggregates,
      isOr,
      depth,
      rollup,
    }),
    text: JSON.stringify({
      group_by: groups,
      split_by: splits,
      columns: isDefault ? "default" : names,
      filters,
      sorts,
      expressions: expressions.map(({ text }) => text),
      aggregates: Object.fromEntries(aggregates),
      isOr,
      depth,
      rollup,
    }),
    // Only these have rows to expand.
    pivots: rollup === 0 ? groups.length : 0,
    isSplit: splits.length > 0 || rollup !== 0,
    columns,
  };
}

function randomExpressions(
  random: Random,
  { columns }: Table,
): (Expression & { readonly name: string })[] {
  if (columns.length === 0 || !random.chance(0.25)) return [];
  const names = columns.map(({ name }) => name);
  const fitting = EXPRESSIONS.filter(({ needs }) =>
    needs.every((it) => names.includes(it))
  );
  return random.some(fitting, random.between(1, 2))
    .map((it, i) => ({ ...it, name: `e${i}` }));
}

function randomAggregate(
  random: Random,
  { type }: Column,
  { isAgeless, joinsChanges }: Limits,
): string {
  const isNumber = type === "integer" || type === "float";
  return random.pick([
    "count",
    "distinct count",
    "unique",
    ...isNumber ? ["sum", "avg", "min", "max", "sum abs"] : [],
    ...joinsChanges ? [] : ["first by index", "last by index"],
    ...isAgeless ? [] : ["any", "dominant", "last"],
    ...isAgeless || !isNumber ? [] : ["median"],
    ...isAgeless || !isNumber ? [] : ["high", "low"],
  ]);
}

function randomFilter(
  random: Random,
  { name, type }: Column,
): Filter | undefined {
  if (random.chance(0.15)) {
    return {
      name,
      op: random.pick(["is null", "is not null"]),
      values: [],
    };
  }
  if (type === "integer" || type === "float") {
    const op = random.pick(["==", "!=", ">", ">=", "<", "<="]);
    return { name, op, values: [random.between(-20, 20)] };
  }
  if (type === "boolean") {
    return { name, op: "==", values: [random.chance(0.5)] };
  }
  if (type !== "string") return undefined;
  const word = () => random.pick(["A", "B", "x", "y", "a", "bc", "日本"]);
  return random.chance(0.3) ? { name, op: "in", values: [word(), word()] } : {
    name,
    op: random.pick(["==", "!=", "contains", "begins with", "ends with"]),
    values: [word()],
  };
}

function written(config: ConfigFields): Fill {
  const { groups, splits, columns, filters, sorts, expressions } = config;
  const { aggregates, isOr, depth, rollup } = config;
  return (w) => {
    for (const it of groups) w.tag(1, 2).string(it);
    for (const it of splits) w.tag(2, 2).string(it);
    if (columns !== undefined) writeColumns(columns)(w);
    else w.tag(3, 2).fork().tag(1, 0).int32(0).join();
    for (const { name, op, values } of filters) {
      w.tag(4, 2).fork().tag(1, 2).string(name).tag(2, 2).string(op);
      for (const it of values) {
        w.tag(3, 2).fork();
        if (typeof it === "string") w.tag(6, 2).string(it);
        else if (typeof it === "number") w.tag(4, 1).double(it);
        else w.tag(1, 0).bool(it === true);
        w.join();
      }
      w.join();
    }
    for (const { name, op } of sorts) {
      w.tag(5, 2).fork().tag(1, 2).string(name).tag(2, 0).int32(op).join();
    }
    for (const { name, text } of expressions) entry(6, name, text)(w);
    for (const [name, how] of aggregates) {
      w.tag(7, 2).fork().tag(1, 2).string(name).tag(2, 2).fork();
      for (const it of how) w.tag(1, 2).string(it);
      w.join().join();
    }
    if (isOr) w.tag(8, 0).int32(1);
    if (depth !== undefined) w.tag(9, 0).uint32(depth);
    if (rollup !== 0) w.tag(10, 0).int32(rollup);
  };
}

/** `columns` of a `ViewConfig`. */
export function writeColumns(names: readonly string[]): Fill {
  return (w) => {
    w.tag(3, 2).fork().tag(2, 2).fork();
    for (const it of names) w.tag(1, 2).string(it);
    w.join().join();
  };
}
