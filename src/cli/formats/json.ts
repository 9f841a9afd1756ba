/**
 * JSON files: an array of rows, or an object of columns.
 *
 * @module
 */

import { checkColumns, checkRows } from "../../guards/json.ts";
import { DEFAULT_PAYLOAD_LIMITS } from "../../guards/payload.ts";
import { BadFileError } from "../errors.ts";
import { columnsOf, type Row, Shape, valueAs } from "../shape.ts";
import type { Columns } from "../shape.ts";
import {
  type OnProgress,
  type Piece,
  readRange,
  type Survey,
} from "../source.ts";

const OPEN_LIST = 0x5b;

/** Rows that the engine is given at once. */
const ROWS = 50_000;

/**
 * Looks at a JSON file.
 *
 * @throws {BadFileError} If something is wrong with it.
 */
export async function surveyJson(
  path: string,
  size: number,
  onProgress: OnProgress,
): Promise<Survey> {
  const bytes = await readRange(path, { start: 0, end: size });
  onProgress(size, size, 0);
  const json = parse(bytes);
  const survey = Array.isArray(json)
    ? ofRows(json, bytes)
    : ofColumns(json, bytes);
  if (Object.keys(survey.schema).length === 0) {
    throw new BadFileError("it has no columns");
  }
  return {
    ...survey,
    start: survey.schema,
    isAll: false,
    size,
  };
}

function parse(bytes: Uint8Array): object {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    refuse(bytes, "it isn't JSON");
  }
  if (typeof json !== "object" || json === null) {
    refuse(bytes, "it must be an array of rows or an object of columns");
  }
  return json;
}

function ofRows(rows: unknown[], bytes: Uint8Array) {
  const shape = new Shape();
  for (const [i, row] of rows.entries()) {
    if (typeof row !== "object" || row === null || Array.isArray(row)) {
      refuse(bytes, `row ${i + 1}: it isn't an object`);
    }
    const refusal = shape.add(row as Row);
    if (refusal !== undefined) refuse(bytes, `row ${i + 1}: ${refusal}`);
  }
  const schema = shape.schema();
  return {
    schema,
    pieces: () =>
      inPieces(
        rows.length,
        bytes.length,
        (start, end) => columnsOf(rows.slice(start, end) as Row[], schema),
      ),
  };
}

function ofColumns(columns: object, bytes: Uint8Array) {
  const shape = new Shape();
  let length: number | undefined;
  for (const [name, values] of Object.entries(columns)) {
    if (!Array.isArray(values)) {
      refuse(bytes, `column ${JSON.stringify(name)}: it isn't an array`);
    }
    length ??= values.length;
    if (values.length !== length) {
      refuse(
        bytes,
        `column ${JSON.stringify(name)}: it has ${values.length} values, ` +
          `others have ${length}`,
      );
    }
    shape.addValue(name, undefined);
    for (const value of values) {
      const refusal = shape.addValue(name, value);
      if (refusal !== undefined) refuse(bytes, refusal);
    }
  }
  const schema = shape.schema();
  const lists = columns as Columns;
  return {
    schema,
    pieces: () =>
      inPieces(length ?? 0, bytes.length, (start, end) =>
        Object.fromEntries(
          Object.entries(schema).map(([name, type]) => [
            name,
            lists[name]!.slice(start, end).map((it) => valueAs(it, type)),
          ]),
        )),
  };
}

async function* inPieces(
  rows: number,
  size: number,
  read: (start: number, end: number) => Columns,
): AsyncIterable<Piece> {
  for (let start = 0; start < rows; start += ROWS) {
    const end = Math.min(start + ROWS, rows);
    yield {
      data: read(start, end),
      rows: end - start,
      end: Math.round(size * end / rows),
    };
    // Others get their turn.
    await Promise.resolve();
  }
}

/** Says what a guard says, which knows the byte, or `otherwise`. */
function refuse(bytes: Uint8Array, otherwise: string): never {
  const first = bytes.find((it) => it > 0x20);
  const check = first === OPEN_LIST ? checkRows : checkColumns;
  throw new BadFileError(check(bytes, DEFAULT_PAYLOAD_LIMITS) ?? otherwise);
}
