/**
 * Columns, random rows of them, and rows as clients send them. For tests only.
 *
 * @module
 */

import type { Fill } from "../frames.ts";
import type { Random } from "../random.ts";
import type { Column, ColumnType } from "./model.ts";

/** Forms in which nothing is taken for a null. */
export const WHOLE_FORMS = ["rows", "cols", "ndjson"] as const;

/** The columns that a table may have. */
export const COLUMNS: readonly Column[] = [
  { name: "k", type: "integer", role: "key" },
  { name: "g", type: "string", role: "pivot" },
  { name: "h", type: "string", role: "pivot" },
  { name: "b", type: "boolean", role: "pivot" },
  { name: "i", type: "integer", role: "value" },
  { name: "f", type: "float", role: "value" },
  { name: "s", type: "string", role: "value" },
  { name: "d", type: "date", role: "value" },
  { name: "t", type: "datetime", role: "value" },
];

/** The right side of joins. */
export const LOOKUP: readonly Column[] = [
  { name: "k", type: "integer", role: "key" },
  { name: "x", type: "integer", role: "value" },
  { name: "y", type: "string", role: "value" },
];

/** In the order of their numbers in a schema. */
const COLUMN_TYPES: readonly ColumnType[] = [
  "string",
  "date",
  "datetime",
  "integer",
  "float",
  "boolean",
];

const WORDS = [
  "",
  "a",
  "bc",
  "Zoë",
  "日本",
  "x,y",
  '"q"',
  "long long ago",
  "👍",
];

/** Forms that are text. */
export const TEXT_FORMS = ["rows", "cols", "ndjson", "csv"] as const;

/** How data is sent. */
export type Form =
  | "schema"
  | "csv"
  | "arrow"
  | "rows"
  | "cols"
  | "view"
  | "ndjson";

/** Where it stands in `MakeTableData`. */
const FORM_FIELDS: Record<Form, number> = {
  schema: 1,
  csv: 2,
  arrow: 3,
  rows: 4,
  cols: 5,
  view: 6,
  ndjson: 7,
};

/** What a request sends. */
export interface Data {
  readonly form: Form;
  readonly value: string | Uint8Array;
}

/** A row, with or without all columns. */
export type Row = Record<string, string | number | boolean | null>;

/** An Arrow that the left server wrote. */
export interface Arrow {
  readonly bytes: Uint8Array;
  readonly columns: readonly Column[];
}

function randomCell(
  random: Random,
  { name, type, role }: Column,
  nulls: boolean,
): Row[string] {
  if (role === "value" && nulls && random.chance(0.12)) return null;
  if (name === "k") return random.below(20);
  if (name === "g") return random.pick(["A", "B", "C", "D"]);
  if (name === "h") return random.pick(["x", "y", "z"]);
  if (type === "boolean") return random.chance(0.5);
  if (type === "integer") return random.between(-50, 50);
  if (type === "float") return random.between(-200, 200) / 4;
  if (type === "date") return `2024-0${random.between(1, 9)}-15`;
  if (type === "datetime") return 1_700_000_000_000 + random.below(1e9);
  return random.pick(WORDS);
}

/** Rows with few different keys and groups; only values are ever null. */
export function randomRows(
  random: Random,
  columns: readonly Column[],
  count: number,
  nulls: boolean,
): Row[] {
  return Array.from(
    { length: count },
    () =>
      Object.fromEntries(
        columns.map((it) => [it.name, randomCell(random, it, nulls)]),
      ),
  );
}

/** `rows` as a client would send them. */
export function written(
  rows: readonly Row[],
  form: Form,
  columns: readonly Column[],
): Data {
  const names = columns.map(({ name }) => name);
  let value: string;
  if (form === "rows") value = JSON.stringify(rows);
  else if (form === "ndjson") {
    value = rows.map((it) => `${JSON.stringify(it)}\n`).join("");
  } else if (form === "cols") {
    value = JSON.stringify(Object.fromEntries(
      names.map((name) => [name, rows.map((row) => row[name] ?? null)]),
    ));
  } else {
    value = [names, ...rows.map((row) => names.map((name) => row[name]))]
      .map((cells) => `${cells.map(csvCell).join(",")}\n`).join("");
  }
  return { form, value };
}

/** `data` in field 1 of a request. */
export function dataField({ form, value }: Data): Fill {
  return (w) => {
    w.tag(1, 2).fork().tag(FORM_FIELDS[form], 2);
    if (typeof value === "string") w.string(value);
    else w.bytes(value);
    w.join();
  };
}

/** `data` for a reader. */
export function dataText({ form, value }: Data): string {
  return typeof value === "string"
    ? `${form} ${JSON.stringify(value)}`
    : `${form} of ${value.length} bytes`;
}

/** `from_schema` with `columns`. */
export function schemaField(columns: readonly Column[]): Fill {
  return (w) => {
    w.tag(1, 2).fork().tag(1, 2).fork();
    for (const { name, type } of columns) {
      w.tag(1, 2).fork().tag(1, 2).string(name);
      w.tag(2, 0).int32(COLUMN_TYPES.indexOf(type)).join();
    }
    w.join().join();
  };
}

function csvCell(value: Row[string] | undefined): string {
  const text = value === null || value === undefined ? "" : String(value);
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
