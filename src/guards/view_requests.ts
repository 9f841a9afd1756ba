/**
 * What the other requests on views and tables may ask for.
 *
 * What isn't here was tried on both engines and does no harm, odd as it may
 * be: `view_get_min_max` of any name, rows behind the last one, `table_remove`
 * of any JSON and any other data, `make_table` with both an index and a limit,
 * with either of any value, a schema with a type or a name twice; joins on
 * missing columns or of missing tables, or of a type that doesn't exist. Their
 * answer is an error or odd.
 *
 * @module
 */

import { checkExpression, expressionLimits } from "./expression.ts";
import {
  DEFAULT_VIEW_LIMITS,
  type Need,
  type ViewLimits,
  type ViewSource,
} from "./view_config.ts";

/**
 * Numbers from here on are negative in the engine. Line 5 traps on a column or
 * a row that begins there.
 */
const TOO_LARGE = 2 ** 31;

/** The range of `view_column_paths`. */
export interface ColumnRange {
  /** The first column, 0 by default. */
  readonly start?: number | undefined;
  /** The column after the last, by default all. */
  readonly end?: number | undefined;
}

/**
 * Why a `view_column_paths` is refused. For a view without groups and splits,
 * both engines run forever from a start that is behind the end or behind the
 * last column. For one with them and without columns, line 3 traps on any
 * range (it divides by their number).
 *
 * @param columns How many columns the configuration of the view has.
 * @param isPivoted Whether the view is grouped or split.
 */
export function checkColumnPaths(
  { start, end }: ColumnRange,
  columns: number,
  isPivoted: boolean,
): string | undefined {
  const refuse = (what: string) => `Cannot read column paths: ${what}`;
  const isRange = start !== undefined || end !== undefined;
  if (isPivoted && columns === 0 && isRange) {
    return refuse("a view without columns must be read without a range");
  }
  const most = Math.min(end ?? Infinity, isPivoted ? Infinity : columns);
  return (start ?? 0) <= most ? undefined : refuse(
    `the range must start at ${most} or before, received ${start}`,
  );
}

/** The viewport of a `view_to_*`. What isn't given is all of the view. */
export interface Viewport {
  readonly startRow?: number | undefined;
  readonly endRow?: number | undefined;
  readonly startColumn?: number | undefined;
  readonly endColumn?: number | undefined;
}

/**
 * Why a read of a viewport is refused.
 *
 * On both lines, `view_to_csv` of no columns and of rows that end before they
 * begin, or begin behind the last one, writes four billion empty rows in 7 to
 * 18 s. So there have to be columns: `columns` is how many the view has, as
 * `view_dimensions` told; with `Infinity`, as long as that isn't known, only
 * the order is checked.
 */
export function checkViewport(
  { startRow = 0, endRow, startColumn = 0, endColumn }: Viewport,
  columns: number,
): string | undefined {
  const refuse = (what: string) =>
    `Cannot read view: its viewport must ${what}`;
  const start = Math.max(startRow, startColumn);
  if (start >= TOO_LARGE) {
    return refuse(`start before ${TOO_LARGE}, received ${start}`);
  }
  if (startRow > (endRow ?? Infinity)) {
    return refuse(`end after its first row ${startRow}, received ${endRow}`);
  }
  if (startColumn > (endColumn ?? Infinity)) {
    return refuse(
      `end after its first column ${startColumn}, received ${endColumn}`,
    );
  }
  if (startColumn > 0 && startColumn >= columns) {
    return refuse(`start before column ${columns}, received ${startColumn}`);
  }
  return undefined;
}

/**
 * Why a `view_expand`, `view_collapse` or `view_set_depth` is refused; `value`
 * is its row or depth. Rows that a view doesn't have do no harm.
 */
export function checkViewState(value: number): string | undefined {
  return value < TOO_LARGE
    ? undefined
    : `Cannot change view: the row or depth must be below ${TOO_LARGE}, ` +
      `received ${value}`;
}

/**
 * Why a `table_validate_expr` is refused: the engine computes what it
 * validates.
 */
export function checkValidation(
  expressions: ReadonlyMap<string, string>,
  { columns, line }: Pick<ViewSource, "columns" | "line">,
  limits: ViewLimits = DEFAULT_VIEW_LIMITS,
): string | undefined {
  const each = expressionLimits(line, limits.expression);
  if (expressions.size > limits.maxExpressions) {
    return `Cannot validate expressions: there must be at most ` +
      `${limits.maxExpressions}, received ${expressions.size}`;
  }
  for (const [name, text] of expressions) {
    const refused = checkExpression(text, each, columns);
    if (refused !== undefined) {
      const short = name.length <= 64 ? name : `${name.slice(0, 64)}…`;
      return `Cannot validate expression ${JSON.stringify(short)}: ${refused}`;
    }
  }
  return undefined;
}

/** Names that the engine has for columns of its own. */
const RESERVED: ReadonlySet<string> = new Set(
  ["psp_okey", "psp_pkey", "psp_op"],
);

/**
 * Why a `make_table` with `from_schema` is refused. A column takes 22 KB
 * before it has a row. One that is named as the engine's own makes every
 * update or every read of the table fail.
 */
export function checkSchema(
  columns: readonly string[],
  { maxColumns }: ViewLimits = DEFAULT_VIEW_LIMITS,
): string | undefined {
  if (columns.length > maxColumns) {
    return `Cannot make table: it must have at most ${maxColumns} columns, ` +
      `received ${columns.length}`;
  }
  const reserved = columns.find((it) => RESERVED.has(it));
  return reserved === undefined
    ? undefined
    : `Cannot make table: the name ${JSON.stringify(reserved)} is the ` +
      `engine's own; give the column another`;
}

/** A table that is to be joined. */
export interface JoinSide {
  /** The table's rows. */
  readonly rows: number;
  /** The column that is joined on. */
  readonly column: string;
  /** The table's index, if it has one. */
  readonly index?: string | undefined;
}

/**
 * Why a `make_join_table` is refused, or which side's column has to be counted.
 * Rows with equal keys are all paired: two tables of 3,000 rows with one key
 * become 9 million rows, in 10 s and 2.2 GB. A column whose values are all
 * different, as those of an index are, pairs each row once. `distinct` is the
 * number of different values of the left and the right column.
 *
 * What is updated later isn't looked at.
 *
 * @param maxRows Rows that the join may have; `Infinity` for any number.
 */
export function checkJoin(
  left: JoinSide,
  right: JoinSide,
  maxRows = 4_194_304,
  distinct?: { readonly left: number; readonly right: number },
): string | undefined | Need {
  const isUnique = ({ rows, column, index }: JoinSide, values?: number) =>
    column === index || values !== undefined && values >= rows;
  // An outer join has what isn't paired besides.
  const rows = isUnique(left, distinct?.left) ||
      isUnique(right, distinct?.right)
    ? left.rows + right.rows
    : left.rows * right.rows;
  if (rows <= maxRows) return undefined;
  if (distinct === undefined) {
    return { distinct: [left.column, right.column], types: [] };
  }
  return `Cannot join tables: the join must have at most ${maxRows} rows, ` +
    `received up to ${rows}; join on a column that has each value once`;
}
