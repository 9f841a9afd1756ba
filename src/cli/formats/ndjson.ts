/**
 * NDJSON files: an object on each line. They are read twice: for the columns,
 * and for the rows.
 *
 * @module
 */

import { checkNdjson } from "../../guards/ndjson.ts";
import { DEFAULT_PAYLOAD_LIMITS } from "../../guards/payload.ts";
import { BadFileError } from "../errors.ts";
import { columnsOf, type Row, type Schema, Shape } from "../shape.ts";
import {
  type Extent,
  findRanges,
  type OnProgress,
  type Piece,
  readRange,
  type RowFinder,
  type Survey,
} from "../source.ts";

const LINE_FEED = 0x0a;

const decoder = new TextDecoder("utf-8", { fatal: true });

/**
 * Looks at an NDJSON file, or at what has come to its end.
 *
 * @param known Columns that the table has already.
 * @throws {BadFileError} If something is wrong with it.
 */
export async function surveyNdjson(
  path: string,
  extent: Extent,
  onProgress: OnProgress,
  known: Schema = {},
): Promise<Survey> {
  const shape = new Shape(known);
  const finder = new NdjsonRows((row) => shape.add(row));
  const ranges = await findRanges(path, extent, finder, onProgress);
  const schema = shape.schema();
  if (Object.keys(schema).length === 0) {
    throw new BadFileError("it has no columns");
  }
  async function* pieces(): AsyncIterable<Piece> {
    for (const range of ranges) {
      const rows: Row[] = [];
      const finder = new NdjsonRows((row) => void rows.push(row));
      finder.find(await readRange(path, range), range.start, true);
      if (rows.length === 0) continue;
      const data = columnsOf(rows, schema);
      yield { data, rows: rows.length, end: range.end };
    }
  }
  return { start: schema, schema, isAll: false, size: extent.end, pieces };
}

/** Reads the objects of lines. */
export class NdjsonRows implements RowFinder {
  /** Lines with an object. */
  rows = 0;
  readonly #onRow: (row: Row) => string | undefined | void;
  #line = 0;

  /** Calls `onRow` for each row; it may say what is wrong with it. */
  constructor(onRow: (row: Row) => string | undefined | void) {
    this.#onRow = onRow;
  }

  find(bytes: Uint8Array, offset: number, isEnd: boolean): number {
    let at = 0;
    while (at < bytes.length) {
      let end = bytes.indexOf(LINE_FEED, at);
      if (end < 0 && !isEnd) break;
      if (end < 0) end = bytes.length;
      this.#line++;
      this.#read(bytes.subarray(at, end), offset + at);
      at = end + 1;
    }
    return Math.min(at, bytes.length);
  }

  #read(line: Uint8Array, offset: number): void {
    let row: unknown;
    try {
      const text = decoder.decode(line);
      if (text.trim() === "") return;
      row = JSON.parse(text);
    } catch {
      return this.#refuse(line, offset, "it isn't JSON");
    }
    if (typeof row !== "object" || row === null || Array.isArray(row)) {
      return this.#refuse(line, offset, "it isn't an object");
    }
    const refusal = this.#onRow(row as Row);
    if (typeof refusal === "string") this.#refuse(line, offset, refusal);
    this.rows++;
  }

  /** Says what a guard says of the line, or `otherwise`. */
  #refuse(line: Uint8Array, offset: number, otherwise: string): never {
    const said = checkNdjson(line, DEFAULT_PAYLOAD_LIMITS)
      ?.replace(/^line \d+, /, "").replace(/^row \d+(?:: |, )/, "")
      .replace(/at byte (\d+)/, (_, at) => `at byte ${Number(at) + offset}`);
    throw new BadFileError(
      `line ${this.#line}: ${said ?? `${otherwise}, at byte ${offset}`}`,
    );
  }
}
