/**
 * What the configuration of a view may be.
 *
 * A view that fails late, when its context is registered already, leaves that
 * context behind, and a later update of the table traps (ENGINE 6.3). So what
 * makes it fail late is refused before: a missing column among the arguments
 * of an aggregate (line 3), `avg` and `mean` of what is no number (both lines),
 * aggregates that aren't implemented (line 3), sorts by some aggregates of
 * columns that aren't shown (line 3) and the filters `&`, `|`, `and`
 * and `or` (both lines). The other limits are on time and memory: an engine
 * can't be interrupted.
 *
 * @module
 */

import type { Line } from "../protocol/kinds.ts";
import type { DecodedConfig } from "./decoded_config.ts";
import {
  type ExpressionLimits,
  expressionLimits,
  type ExpressionSize,
  measureExpression,
} from "./expression.ts";

/** A column's type, by the name that schemas have for it. */
export type ColumnType =
  | "string"
  | "date"
  | "datetime"
  | "integer"
  | "float"
  | "boolean";

/** What the view is to be of. */
export interface ViewSource {
  /** The table's columns. */
  readonly columns: ReadonlyMap<string, ColumnType>;
  /** The table's rows. */
  readonly rows: number;
  /** The engine's line. */
  readonly line: Line;
}

/**
 * What a view may have. `0` allows none, `Infinity` any number. Whoever passes
 * one is refused with a `server_error`. What is measured was measured with one
 * engine on one core, on both lines.
 */
export interface ViewLimits {
  /**
   * What each expression may be; what it leaves out is as
   * {@linkcode ExpressionLimits} says.
   */
  readonly expression?:
    | Partial<Omit<ExpressionLimits, "line">>
    | undefined;
  /** Expressions; 1,000 take 2 s. @default {128} */
  readonly maxExpressions: number;
  /**
   * Columns, repeated ones too; and those of a table that is made of a schema,
   * each of which takes 22 KB before it has a row.
   *
   * @default {2048}
   */
  readonly maxColumns: number;
  /** Levels of `group_by`. 1,000 of them don't come back. @default {16} */
  readonly maxGroupBy: number;
  /** Levels of `split_by`; 200 take 2 s. @default {8} */
  readonly maxSplitBy: number;
  /** Columns to sort by; 2,000 take 2 s for 200 rows. @default {32} */
  readonly maxSorts: number;
  /** Filters. @default {256} */
  readonly maxFilters: number;
  /** Windows, of line 5. @default {64} */
  readonly maxWindows: number;
  /** Values of all filters together. @default {16384} */
  readonly maxFilterValues: number;
  /**
   * Comparisons that filters make: rows times values, where a filter is 50
   * more. A comparison takes 4 to 10 ns.
   *
   * @default {1e9}
   */
  readonly maxComparisons: number;
  /**
   * Steps that expressions take: rows times tokens, at 10 to 20 ns each.
   *
   * @default {5e8}
   */
  readonly maxSteps: number;
  /**
   * Characters that expressions build in all rows together, at most one byte
   * each in the engine's heap, for ever.
   *
   * @default {4e9}
   */
  readonly maxCharacters: number;
  /**
   * Columns that a split makes: its groups times the columns. 16,000 take 1 to
   * 2 s and 140 MB, 64,000 up to 11 s to be read.
   *
   * @default {16384}
   */
  readonly maxSplitColumns: number;
  /**
   * Cells of a split view. To read 16 million takes 4 to 14 s and 0.9 GB,
   * four times as many 26 s and 3.4 GB.
   *
   * @default {16777216}
   */
  readonly maxCells: number;
  /**
   * Groups of all levels of `group_by`. 100,000 take 1.5 s, 400,000 take 11 to
   * 23 s and 0.3 GB.
   *
   * @default {262144}
   */
  readonly maxGroups: number;
  /**
   * Groups that have groups below them: each is expanded one after the other.
   * 8,000 take 4.5 s, 32,000 take 15 to 19 s.
   *
   * @default {8192}
   */
  readonly maxInnerGroups: number;
}

/** The limits that apply where none are given. */
export const DEFAULT_VIEW_LIMITS: ViewLimits = {
  maxExpressions: 128,
  maxColumns: 2048,
  maxGroupBy: 16,
  maxSplitBy: 8,
  maxSorts: 32,
  maxFilters: 256,
  maxWindows: 64,
  maxFilterValues: 16_384,
  maxComparisons: 1e9,
  maxSteps: 5e8,
  maxCharacters: 4e9,
  maxSplitColumns: 16_384,
  maxCells: 16_777_216,
  maxGroups: 262_144,
  maxInnerGroups: 8192,
};

/**
 * `limits`, and the defaults for what they leave out.
 *
 * @throws {RangeError} If a limit isn't a number from 0 on.
 */
export function viewLimits(limits: Partial<ViewLimits> = {}): ViewLimits {
  const complete = { ...DEFAULT_VIEW_LIMITS, ...limits };
  const { expression = {}, ...numbers } = complete;
  for (const [name, value] of Object.entries({ ...expression, ...numbers })) {
    if (typeof value === "boolean" || Number(value) >= 0) continue;
    throw new RangeError(
      `Cannot limit views: "${name}" must be >= 0, received ${value}`,
    );
  }
  return complete;
}

/**
 * What has to be known before it can be said.
 */
export interface Need {
  /** Names, of expressions too, whose number of distinct values is needed. */
  readonly distinct: readonly string[];
  /** Expressions whose type is needed, which `table_validate_expr` tells. */
  readonly types: readonly string[];
}

/** The answer to a {@linkcode Need}. */
export interface Known {
  /** What isn't in it counts as unique. */
  readonly distinct: ReadonlyMap<string, number>;
  /** What isn't in it counts as a string. */
  readonly types: ReadonlyMap<string, ColumnType>;
}

/** What comparisons a filter counts as besides its values: `contains` is slow. */
const FILTER_COST = 50;

/** The filters that both engines have and survive. */
const FILTERS: ReadonlySet<string> = new Set(
  ("<|>|<=|>=|==|!=|begins with|ends with|contains|in|not in|is null|" +
    "is not null").split("|"),
);

/** The aggregates that both engines have and survive. */
const AGGREGATES: ReadonlySet<string> = new Set(
  ("abs sum|and|any|avg|mean|count|distinct count|distinct leaf|dominant|" +
    "first|first by index|high|low|max|max by|min|min by|high minus low|join|" +
    "last|last by index|last minus first|median|or|pct sum grand total|" +
    "pct sum parent|q1|q3|stddev|standard deviation|sum|sum abs|sum not null|" +
    "unique|var|variance|weighted mean").split("|"),
);

/** Aggregates with a column as their argument. */
const WITH_COLUMN: ReadonlySet<string> = new Set(
  ["max by", "min by", "weighted mean"],
);

/** Those that divide: of what is no number, they fail late. */
const OF_NUMBERS: ReadonlySet<string> = new Set(["avg", "mean"]);

/**
 * Aggregates that line 3 can't sort by unless their column is shown: it reads
 * the name of a column from memory that is none, and fails late.
 */
const BY_ORDER: ReadonlySet<string> = new Set(
  ["first", "first by index", "last by index", "last minus first"],
);

/** The highest `SortOp`. */
const LAST_SORT = 8;

/**
 * Why a view of `config` is refused, `undefined` if it may be made, or what has
 * to be known first: the number of rows alone may allow for more groups than
 * the limits do, and some aggregates are only for numbers. With `known`, it is
 * always decided.
 */
export function checkViewConfig(
  config: DecodedConfig,
  of: ViewSource,
  limits: ViewLimits = DEFAULT_VIEW_LIMITS,
  known?: Known,
): string | undefined | Need {
  const refused = countsOf(config, limits) ??
    expressionsOf(config, of, limits) ?? namesOf(config, of) ??
    operatorsOf(config) ?? aggregatesOf(config, of, known) ??
    hiddenSortsOf(config, of) ?? comparisonsOf(config, of, limits);
  if (refused !== undefined) return `Cannot make view: ${refused}`;
  const distinct = known === undefined ? namesToCount(config, of, limits) : [];
  const types = known === undefined ? typesToKnow(config) : [];
  if (distinct.length + types.length > 0) return { distinct, types };
  return sizeOf(config, of, limits, known?.distinct);
}

/** The columns whose distinct values may bring the view below a limit. */
function namesToCount(
  config: DecodedConfig,
  of: ViewSource,
  limits: ViewLimits,
): string[] {
  if (sizeOf(config, of, limits, undefined) === undefined) return [];
  return [...new Set([...config.groupBy, ...config.splitBy])];
}

/** The expressions with aggregates that are only for numbers. */
function typesToKnow({ aggregates, expressions }: DecodedConfig): string[] {
  return [...aggregates].flatMap(([column, [name = ""]]) =>
    expressions.has(column) && OF_NUMBERS.has(name) ? [column] : []
  );
}

function countsOf(
  config: DecodedConfig,
  limits: ViewLimits,
): string | undefined {
  const { groupBy, splitBy, columns, filters, sorts, expressions } = config;
  const values = filters.reduce((sum, filter) => sum + filter.values, 0);
  const counts: readonly (readonly [string, number, number])[] = [
    ["group_by", groupBy.length, limits.maxGroupBy],
    ["split_by", splitBy.length, limits.maxSplitBy],
    ["columns", columns?.length ?? 0, limits.maxColumns],
    ["filter", filters.length, limits.maxFilters],
    ["sort", sorts.length, limits.maxSorts],
    ["expressions", expressions.size, limits.maxExpressions],
    ["aggregates", config.aggregates.size, limits.maxColumns],
    ["windows", config.windows.size, limits.maxWindows],
    ["values of filters", values, limits.maxFilterValues],
  ];
  for (const [name, count, most] of counts) {
    if (count > most) {
      return `"${name}" must have at most ${most} entries, received ${count}`;
    }
  }
  return undefined;
}

function expressionsOf(
  { expressions }: DecodedConfig,
  { columns, rows, line }: ViewSource,
  limits: ViewLimits,
): string | undefined {
  const each = expressionLimits(line, limits.expression);
  let tokens = 0;
  let characters = 0;
  for (const [name, text] of expressions) {
    const size: ExpressionSize | string = measureExpression(
      text,
      each,
      columns,
    );
    if (typeof size === "string") {
      return `expression ${quoted(name)}: ${size}`;
    }
    if (columns.has(name)) {
      return `expression ${quoted(name)} must not have the name of a column`;
    }
    tokens += size.tokens;
    characters += size.stringLength;
  }
  if (rows * tokens > limits.maxSteps) {
    return `expressions must take at most ${limits.maxSteps} steps, received ` +
      `${tokens} for each of ${rows} rows; make them shorter`;
  }
  if (rows * characters > limits.maxCharacters) {
    return `expressions must build at most ${limits.maxCharacters} ` +
      `characters, received up to ${characters} for each of ${rows} rows`;
  }
  return undefined;
}

/** Names that aren't columns: some of the engine's own would be taken. */
function namesOf(
  config: DecodedConfig,
  { columns, line }: ViewSource,
): string | undefined {
  const { expressions, windows, filters, sorts, aggregates } = config;
  const isColumn = (name: string) =>
    columns.has(name) || expressions.has(name) ||
    line === "5" && windows.has(name);
  const uses: readonly (readonly [string, Iterable<string>])[] = [
    ["columns", config.columns ?? []],
    ["group_by", config.groupBy],
    ["split_by", config.splitBy],
    ["filter", filters.map(({ column }) => column)],
    ["sort", sorts.map(({ column }) => column)],
    ["aggregates", aggregates.keys()],
    ["windows", [...windows.values()].flatMap(namesOfWindow)],
  ];
  for (const [field, names] of uses) {
    for (const name of names) {
      if (!isColumn(name)) {
        return `"${field}" names ${quoted(name)}, which is neither a column ` +
          `of the table nor an expression`;
      }
    }
  }
  return undefined;
}

function namesOfWindow(
  { source, partitionBy, orderBy }: {
    readonly source: string;
    readonly partitionBy: readonly string[];
    readonly orderBy: string;
  },
): string[] {
  return [source, ...partitionBy, orderBy].filter((it) => it !== "");
}

function operatorsOf({ filters, sorts }: DecodedConfig): string | undefined {
  for (const { column, op } of filters) {
    if (!FILTERS.has(op)) {
      return `the filter of ${quoted(column)} must be one of ` +
        `${[...FILTERS].join(", ")}, received ${quoted(op)}`;
    }
  }
  for (const { column, op } of sorts) {
    if (op < 0 || op > LAST_SORT) {
      return `the sort of ${quoted(column)} must be from 0 to ${LAST_SORT}, ` +
        `received ${op}`;
    }
  }
  return undefined;
}

function aggregatesOf(
  { aggregates, expressions, windows }: DecodedConfig,
  { columns, line }: ViewSource,
  known: Known | undefined,
): string | undefined {
  for (const [column, [name = "", ...names]] of aggregates) {
    const what = `the aggregate of ${quoted(column)}`;
    if (!AGGREGATES.has(name)) {
      return `${what} must be one of ${[...AGGREGATES].join(", ")}, received ` +
        quoted(name);
    }
    if (WITH_COLUMN.has(name) && names.length === 0) {
      return `${what}, ${quoted(name)}, must name a column`;
    }
    for (const it of names) {
      const isColumn = columns.has(it) || expressions.has(it) ||
        line === "5" && windows.has(it);
      if (!isColumn) {
        return `${what}, ${quoted(name)}, names ${quoted(it)}, which is no ` +
          `column`;
      }
    }
    let type = columns.get(column);
    if (expressions.has(column) && known !== undefined) {
      type = known.types.get(column) ?? "string";
    }
    const isText = type === "string" || type === "date" || type === "datetime";
    if (OF_NUMBERS.has(name) && isText) {
      return `${what}, ${quoted(name)}, is only for numbers; its type is ` +
        `${type}`;
    }
  }
  return undefined;
}

function hiddenSortsOf(
  { sorts, columns, aggregates }: DecodedConfig,
  { line }: ViewSource,
): string | undefined {
  if (line !== "3" || columns === undefined) return undefined;
  for (const { column } of sorts) {
    const name = aggregates.get(column)?.[0] ?? "";
    if (!columns.includes(column) && BY_ORDER.has(name)) {
      return `the sort of ${quoted(column)} is by its aggregate, ` +
        `${quoted(name)}, so "columns" must name it, too`;
    }
  }
  return undefined;
}

function comparisonsOf(
  { filters }: DecodedConfig,
  { rows }: ViewSource,
  { maxComparisons }: ViewLimits,
): string | undefined {
  const each = filters
    .reduce((sum, { values }) => sum + values + FILTER_COST, 0);
  return rows * each <= maxComparisons
    ? undefined
    : `filters must make at most ${maxComparisons} comparisons, received ` +
      `${each} for each of ${rows} rows; use fewer filters or values`;
}

/** What the view will hold, at most. */
interface Bounds {
  readonly groups: number;
  readonly innerGroups: number;
  readonly splitColumns: number;
  readonly cells: number;
}

function sizeOf(
  config: DecodedConfig,
  of: ViewSource,
  limits: ViewLimits,
  distinct: ReadonlyMap<string, number> | undefined,
): string | undefined {
  const bounds = boundsOf(config, of, distinct);
  const checks: readonly (readonly [string, keyof Bounds, number])[] = [
    ["groups", "groups", limits.maxGroups],
    ["groups that are expanded", "innerGroups", limits.maxInnerGroups],
    ["columns by its split", "splitColumns", limits.maxSplitColumns],
    ["cells", "cells", limits.maxCells],
  ];
  const found = checks.find(([, bound, most]) => bounds[bound] > most);
  if (found === undefined) return undefined;
  const [what, bound, most] = found;
  return `Cannot make view: it must have at most ${most} ${what}, received ` +
    `up to ${bounds[bound]}; group or split by columns with fewer values`;
}

function boundsOf(
  config: DecodedConfig,
  { columns, rows }: ViewSource,
  distinct: ReadonlyMap<string, number> | undefined,
): Bounds {
  const { groupBy, splitBy } = config;
  const width = config.columns?.length ??
    columns.size + config.expressions.size + config.windows.size;
  const groups = levelsOf(groupBy, rows, distinct);
  const last = groups.at(-1) ?? 0;
  const all = groups.reduce((sum, it) => sum + it, 0);
  const splits = levelsOf(splitBy, rows, distinct).at(-1) ?? 0;
  const height = groupBy.length === 0 ? rows : all + 1;
  // A column that is only sorted by gets a column in each split, too.
  const splitColumns = splits * (width + config.sorts.length);
  return {
    groups: all,
    innerGroups: all - last,
    splitColumns,
    cells: splitColumns * height,
  };
}

/** The groups of each level: no more than rows, or combinations of values. */
function levelsOf(
  names: readonly string[],
  rows: number,
  distinct: ReadonlyMap<string, number> | undefined,
): number[] {
  let count = 1;
  const seen = new Set<string>();
  return names.map((name) => {
    // Null is a value, too. The same column again makes no more groups.
    if (!seen.has(name)) count *= (distinct?.get(name) ?? rows) + 1;
    seen.add(name);
    return count = Math.min(count, rows);
  });
}

/** A name in a message, shortened. */
function quoted(name: string): string {
  return JSON.stringify(name.length <= 64 ? name : `${name.slice(0, 64)}…`);
}
