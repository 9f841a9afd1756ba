/**
 * Parquet files, read by `hyparquet`, which is loaded only here.
 *
 * @module
 */

import type { FileMetaData, SchemaElement } from "hyparquet";
import { BadFileError, reasonOf } from "../errors.ts";
import { columnsOf, type ColumnType, type Row, type Schema } from "../shape.ts";
import { type Piece, readRange, type Survey } from "../source.ts";

/** Rows that the engine is given at once. */
const ROWS = 50_000;

/** The types of columns by what Parquet calls them. */
const LOGICAL: Readonly<Record<string, ColumnType>> = {
  DATE: "date",
  DECIMAL: "float",
  FLOAT16: "float",
  TIMESTAMP: "datetime",
  TIMESTAMP_MICROS: "datetime",
  TIMESTAMP_MILLIS: "datetime",
  // As fractions of seconds since midnight.
  TIME: "float",
  TIME_MICROS: "float",
  TIME_MILLIS: "float",
};

const PHYSICAL: Readonly<Record<string, ColumnType>> = {
  BOOLEAN: "boolean",
  DOUBLE: "float",
  FLOAT: "float",
  INT32: "integer",
  // The engine's integers that don't come from CSV or Arrow have 32 bits, so
  // this holds only for those that are too large for that.
  INT64: "float",
  INT96: "datetime",
};

/**
 * Looks at a Parquet file.
 *
 * @throws {BadFileError} If something is wrong with it.
 */
export async function surveyParquet(
  path: string,
  size: number,
): Promise<Survey> {
  const { parquetMetadataAsync, parquetReadObjects, parquetSchema } =
    await import("hyparquet");
  const { compressors } = await import("hyparquet-compressors");
  const file = {
    byteLength: size,
    slice: async (start: number, end = size) =>
      (await readRange(path, { start, end })).buffer,
  };
  const metadata = await parquetMetadataAsync(file).catch(fail);
  const schema: Schema = {};
  for (const { element, children } of parquetSchema(metadata).children) {
    const type = typeOf(element, children.length > 0);
    const isShort = element.type === "INT64" && type === "float" &&
      !isScaled(element) && fits32Bits(metadata, element.name);
    schema[element.name] = isShort ? "integer" : type;
  }
  if (Object.keys(schema).length === 0) {
    throw new BadFileError("it has no columns");
  }
  const total = Number(metadata.num_rows);
  async function* pieces(): AsyncIterable<Piece> {
    let first = 0;
    for (const group of metadata.row_groups) {
      const end = first + Number(group.num_rows);
      const rows: Row[] = await parquetReadObjects({
        file,
        metadata,
        compressors,
        rowStart: first,
        rowEnd: end,
      }).catch((error) => fail(error, first + 1));
      for (let at = 0; at < rows.length; at += ROWS) {
        const some = rows.slice(at, at + ROWS);
        yield {
          data: columnsOf(some, schema),
          rows: some.length,
          end: Math.round(size * (first + at + some.length) / total),
        };
      }
      first = end;
    }
  }
  return { start: schema, schema, isAll: false, size, pieces };
}

function typeOf(element: SchemaElement, isNested: boolean): ColumnType {
  const { type = "", logical_type, converted_type = "" } = element;
  if (isNested || element.repetition_type === "REPEATED") return "string";
  const logical = logical_type?.type ?? converted_type;
  const isLong = converted_type === "UINT_32" ||
    logical_type?.type === "INTEGER" && !logical_type.isSigned &&
      logical_type.bitWidth === 32;
  if (isLong) return "float";
  return LOGICAL[logical] ?? PHYSICAL[type] ?? "string";
}

/** Whether whole numbers stand for fractions, or times. */
function isScaled({ logical_type, converted_type }: SchemaElement): boolean {
  return (logical_type?.type ?? converted_type ?? "") in LOGICAL;
}

/** Whether the file says of all rows that their numbers fit. */
function fits32Bits({ row_groups }: FileMetaData, name: string): boolean {
  return row_groups.every(({ columns }) => {
    const column = columns.find(({ meta_data }) =>
      meta_data?.path_in_schema.join() === name
    );
    const { min_value, max_value } = column?.meta_data?.statistics ?? {};
    return typeof min_value === "bigint" && typeof max_value === "bigint" &&
      min_value >= -(2n ** 31n) && max_value < 2n ** 31n;
  });
}

function fail(error: unknown, row?: number): never {
  if (error instanceof BadFileError) throw error;
  const where = row === undefined ? "" : `from row ${row} on: `;
  throw new BadFileError(`${where}${reasonOf(error)}`);
}
