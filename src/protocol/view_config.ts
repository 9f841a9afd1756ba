/**
 * What the router has to know of a `ViewConfig`.
 *
 * Everything here reads what an untrusted client wrote: a config that can't
 * be read makes these functions throw, and the router answers with the error.
 *
 * @module
 */

import { BinaryReader } from "@bufbuild/protobuf/wire";
import { forEachField, latin1 } from "./fields.ts";
import { NO_BYTES } from "./frame.ts";

/** Fields of a `ViewConfig`. */
const Field = {
  GROUP_BY: 1,
  SPLIT_BY: 2,
  FILTER: 4,
  SORT: 5,
  EXPRESSIONS: 6,
  AGGREGATES: 7,
  WINDOWS: 11,
  /** The last that is known. */
  LAST: 12,
} as const;

/** Fields that are maps, whose entries come in any order (ENGINE 4.6). */
const MAPS: ReadonlySet<number> = new Set([
  Field.EXPRESSIONS,
  Field.AGGREGATES,
  Field.WINDOWS,
]);

/**
 * Aggregates that say the same of the same rows, whenever the view was made.
 *
 * The others were seen not to, with whole rows and without nulls: `high` and
 * `low` are marks of how high or low a value was since then (ENGINE 4.2), `last`
 * is the last row that came since then, `any`, `or`, `dominant`, `median` and
 * quartiles choose among equals by the order in which rows came, `stddev` and
 * `var` are carried forward. What isn't known is taken for one of those.
 */
const AGELESS_AGGREGATES: ReadonlySet<string> = new Set([
  "sum",
  "sum abs",
  "abs sum",
  "sum not null",
  "avg",
  "mean",
  "mean by count",
  "weighted mean",
  "count",
  "distinct count",
  "unique",
  "min",
  "max",
  "first by index",
  "last by index",
  "join",
  "and",
  "pct sum grand total",
  "pct sum parent",
]);

/**
 * Functions whose value depends on when it was computed, and that is when a
 * row came or the view was made. Anywhere in an expression, in a string as
 * well: to find out more, it would have to be parsed.
 */
const AGEING_FUNCTION = /\b(random|now|today)\b/i;

/**
 * Filters that a live view doesn't apply as a new one does: it misses rows that
 * came without the column.
 */
const AGEING_FILTER = /\bnull\b/i;

/** What a `Sort` does if it sorts columns: `SORT_COL_ASC` and the like. */
const COLUMN_SORTS: ReadonlySet<number> = new Set([3, 4, 7, 8]);

/** Bytes of the longest config whose views are shared (Invariant 8). */
const LONGEST_CONFIG = 65_536;

/**
 * What a `ViewConfig` means, as text that is the same for all that mean the
 * same; `undefined` if views of it may differ by when they were made, if it
 * holds what isn't known here, or if it is very long.
 *
 * Those that may differ are listed in the constants above. Besides, in a view
 * that is split, columns that are sorted stay where they were, and rows as
 * well if nothing is grouped.
 */
export function viewKey(config: Uint8Array): string | undefined {
  if (config.length > LONGEST_CONFIG) return undefined;
  const parts: { field: number; key: string; bytes: string }[] = [];
  let ages = false;
  let groups = false;
  let splits = false;
  let sortsRows = false;
  let sortsColumns = false;
  forEachField(config, (field, reader, wireType) => {
    const start = reader.pos;
    reader.skip(wireType, field);
    const bytes = config.subarray(start, reader.pos);
    let key = "";
    if (field > Field.LAST) ages = true;
    else if (wireType === 2) {
      const value = new BinaryReader(bytes).bytes();
      if (MAPS.has(field)) key = latin1(fieldOf(value, 1));
      ages ||= isAgeing(field, value);
      if (field === Field.SORT) {
        if (COLUMN_SORTS.has(sortOf(value))) sortsColumns = true;
        else sortsRows = true;
      }
    } else if (MAPS.has(field)) ages = true;
    groups ||= field === Field.GROUP_BY;
    splits ||= field === Field.SPLIT_BY;
    parts.push({ field, key, bytes: `${wireType}:${latin1(bytes)}` });
  });
  if (ages || splits && (sortsColumns || sortsRows && !groups)) {
    return undefined;
  }
  // A sort is stable: what is repeated keeps its order.
  parts.sort((a, b) =>
    a.field - b.field || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)
  );
  // With lengths: no two configs run together to the same text.
  return parts.map(({ field, bytes }) => `${field}:${bytes.length}:${bytes}`)
    .join("");
}

/** Whether a `ViewConfig` has expressions. */
export function hasExpressions(config: Uint8Array): boolean {
  let has = false;
  forEachField(config, (field, reader, wireType) => {
    has ||= field === Field.EXPRESSIONS;
    reader.skip(wireType, field);
  });
  return has;
}

/**
 * What makes a `ViewConfig` cheap or dear, as text: everything in it but the
 * values that a filter compares with.
 */
export function shapeOf(config: Uint8Array): string {
  const parts: string[] = [];
  forEachField(config, (field, reader, wireType) => {
    if (field !== Field.FILTER || wireType !== 2) {
      parts.push(`${field}:${latin1(reader.skip(wireType, field))}`);
      return;
    }
    forEachField(reader.bytes(), (inner, filter, innerType) => {
      const bytes = filter.skip(innerType, inner);
      if (inner !== 3) parts.push(`4.${inner}:${latin1(bytes)}`);
    });
  });
  return parts.join(" ");
}

/**
 * Whether a `ViewConfig` only picks columns and rows: it doesn't group, split,
 * sort or compute.
 */
export function isFlat(config: Uint8Array): boolean {
  const { GROUP_BY, SPLIT_BY, SORT, EXPRESSIONS } = Field;
  return fieldsIn(config)
    .isDisjointFrom(new Set([GROUP_BY, SPLIT_BY, SORT, EXPRESSIONS]));
}

/** Whether a `ViewConfig` groups or splits by columns, and by nothing computed. */
export function isGrouped(config: Uint8Array): boolean {
  const fields = fieldsIn(config);
  return (fields.has(Field.GROUP_BY) || fields.has(Field.SPLIT_BY)) &&
    !fields.has(Field.EXPRESSIONS);
}

/** The fields that a config fills. */
function fieldsIn(config: Uint8Array): Set<number> {
  const fields = new Set<number>();
  forEachField(config, (field, reader, wireType) => {
    fields.add(field);
    reader.skip(wireType, field);
  });
  return fields;
}

/** Whether one field of a config makes views differ by when they were made. */
function isAgeing(field: number, value: Uint8Array): boolean {
  if (field === Field.FILTER) {
    return AGEING_FILTER.test(latin1(fieldOf(value, 2)));
  }
  if (field === Field.EXPRESSIONS) {
    return AGEING_FUNCTION.test(latin1(fieldOf(value, 2)));
  }
  if (field !== Field.AGGREGATES) return false;
  let isNamed = false;
  let ages = false;
  forEachField(value, (inner, reader, wireType) => {
    if (inner !== 2 || wireType !== 2) {
      reader.skip(wireType, inner);
      return;
    }
    // A list of the name and its arguments; given twice, they are one list.
    const name = latin1(fieldOf(reader.bytes(), 1, true));
    isNamed = true;
    if (!AGELESS_AGGREGATES.has(name)) ages = true;
  });
  return ages || !isNamed;
}

/** What a `Sort` does. */
function sortOf(sort: Uint8Array): number {
  let op = 0;
  forEachField(sort, (field, reader, wireType) => {
    if (field === 2 && wireType === 0) op = reader.int32();
    else reader.skip(wireType, field);
  });
  return op;
}

/** The bytes of a field: the last of them counts, or the first of a list. */
function fieldOf(
  message: Uint8Array,
  wanted: number,
  isList = false,
): Uint8Array {
  let found: Uint8Array | undefined;
  forEachField(message, (field, reader, wireType) => {
    if (field !== wanted || wireType !== 2) {
      reader.skip(wireType, field);
      return;
    }
    const bytes = reader.bytes();
    if (!isList || found === undefined) found = bytes;
  });
  return found ?? NO_BYTES;
}
