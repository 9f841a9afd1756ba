/**
 * The columns of rows that are JSON: which there are, and of what type.
 *
 * The engine guesses them from the first rows: later it cuts 1.5 to 1 in a
 * column that it took for integers, and drops columns that it hasn't seen. So
 * they are found here, in all rows, and the engine is told.
 *
 * @module
 */

import { checkName, DEFAULT_PAYLOAD_LIMITS } from "../guards/payload.ts";

/** The engine's types of columns. */
export type ColumnType =
  | "boolean"
  | "date"
  | "datetime"
  | "float"
  | "integer"
  | "string";

/** Types by the names of columns. */
export type Schema = Record<string, ColumnType>;

/** Values by the names of columns. */
export type Columns = Record<string, unknown[]>;

/** A row as it is in a file. */
export type Row = Readonly<Record<string, unknown>>;

const DATE = /^\d{4}-\d\d-\d\d$/;
const DATE_TIME =
  /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?$/;
const ZONE = /(?:Z|[+-]\d\d:?\d\d)$/;

/** The type of a value; `undefined` if it fits all. */
export function typeOf(value: unknown): ColumnType | undefined {
  switch (typeof value) {
    case "boolean":
      return "boolean";
    case "number":
      // The engine's integers that don't come from CSV or Arrow have 32 bits.
      return value === (value | 0) ? "integer" : "float";
    case "string":
      if (DATE.test(value) && !Number.isNaN(Date.parse(value))) return "date";
      return DATE_TIME.test(value) && !Number.isNaN(millisecondsOf(value))
        ? "datetime"
        : "string";
    default:
      return value === null || value === undefined ? undefined : "string";
  }
}

/** The type that has room for both. */
export function widest(a: ColumnType, b: ColumnType): ColumnType {
  if (a === b) return a;
  const both = new Set([a, b]);
  if (both.has("integer") && both.has("float")) return "float";
  return both.has("date") && both.has("datetime") ? "datetime" : "string";
}

/** The columns of rows that have been looked at. */
export class Shape {
  readonly #types = new Map<string, ColumnType | undefined>();

  /** Begins with the columns of `schema`. */
  constructor(schema: Schema = {}) {
    for (const [name, type] of Object.entries(schema)) {
      this.#types.set(name, type);
    }
  }

  /** Makes room for a row; says what is wrong with the name of a column. */
  add(row: Row): string | undefined {
    for (const name in row) {
      const refusal = this.addValue(name, row[name]);
      if (refusal !== undefined) return refusal;
    }
    return undefined;
  }

  /** Makes room for a value; says what is wrong with the column's name. */
  addValue(name: string, value: unknown): string | undefined {
    const known = this.#types.get(name);
    if (known === "string") return undefined;
    if (known === undefined && !this.#types.has(name)) {
      const refusal = checkName(name, DEFAULT_PAYLOAD_LIMITS);
      if (refusal !== undefined) return refusal;
    }
    const type = typeOf(value);
    const wider = known && type ? widest(known, type) : known ?? type;
    if (wider !== known || known === undefined) this.#types.set(name, wider);
    return undefined;
  }

  /** The types; what never had a value is taken for text. */
  schema(): Schema {
    return Object.fromEntries(
      [...this.#types].map(([name, type]) => [name, type ?? "string"]),
    );
  }
}

/** `rows` as columns of a table with `schema`. */
export function columnsOf(rows: readonly Row[], schema: Schema): Columns {
  const columns: Columns = {};
  for (const [name, type] of Object.entries(schema)) {
    columns[name] = rows.map((row) =>
      Object.hasOwn(row, name) ? valueAs(row[name], type) : null
    );
  }
  return columns;
}

/** A value as one of a column of `type`; null if it can't be that. */
export function valueAs(value: unknown, type: ColumnType): unknown {
  if (value === null || value === undefined) return null;
  switch (type) {
    case "string":
      return textOf(value);
    case "boolean":
      return typeof value === "boolean" ? value : null;
    case "integer":
    case "float": {
      const number = typeof value === "bigint" ? Number(value) : value;
      if (typeof number !== "number" || !Number.isFinite(number)) return null;
      return type === "float" || number === (number | 0) ? number : null;
    }
    case "date":
    case "datetime": {
      const ms = millisecondsOf(value);
      return Number.isNaN(ms) ? null : ms;
    }
    default:
      return type satisfies never;
  }
}

function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value !== "object") return String(value);
  if (value instanceof Date && Number.isNaN(value.getTime())) return "";
  return JSON.stringify(
    value,
    (_, it) => typeof it === "bigint" ? Number(it) : it,
  );
}

/** Milliseconds since 1970. A time without a zone is UTC, as for the engine. */
function millisecondsOf(value: unknown): number {
  if (value instanceof Date) return value.getTime();
  if (typeof value !== "string") return NaN;
  if (!DATE.test(value) && !DATE_TIME.test(value)) return NaN;
  const text = value.replace(" ", "T");
  return Date.parse(DATE.test(text) || ZONE.test(text) ? text : `${text}Z`);
}
