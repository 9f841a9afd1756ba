/**
 * CSV files.
 *
 * They are read twice. First, here: whether rows are whole and where they can
 * be parted, and a few rows that show what columns hold. Then, by the engine,
 * piece by piece, into a table that is made from those few rows: by itself it
 * would take its types from the first piece alone.
 *
 * @module
 */

import { checkCsv } from "../../guards/csv.ts";
import { DEFAULT_PAYLOAD_LIMITS } from "../../guards/payload.ts";
import { checkText } from "../../guards/text.ts";
import { BadFileError } from "../errors.ts";
import {
  type Extent,
  findRanges,
  type OnProgress,
  type Piece,
  type Range,
  readRange,
  type RowFinder,
  type Survey,
} from "../source.ts";

const QUOTE = 0x22;
const COMMA = 0x2c;
const LINE_FEED = 0x0a;
const RETURN = 0x0d;

const decoder = new TextDecoder();

/**
 * Looks at a CSV file.
 *
 * @throws {BadFileError} If something is wrong with it.
 */
export async function surveyCsv(
  path: string,
  size: number,
  onProgress: OnProgress,
): Promise<Survey> {
  const finder = new CsvRows();
  const extent = { start: 0, end: size };
  const ranges = await findRanges(path, extent, finder, onProgress);
  if (finder.header === undefined) throw new BadFileError("it has no header");
  return new CsvSurvey(path, size, finder, ranges);
}

/**
 * Looks at rows that have come to the end of a CSV file. The engine can read
 * the pieces into the table of that file, if their values fit.
 *
 * @throws {BadFileError} If something is wrong with them.
 */
export async function surveyCsvEnd(
  path: string,
  extent: Extent,
  header: string,
): Promise<Survey> {
  const finder = new CsvRows(header);
  const ranges = await findRanges(path, extent, finder, () => {});
  return new CsvSurvey(path, extent.end, finder, ranges);
}

class CsvSurvey implements Survey {
  readonly isAll = false;
  readonly size: number;
  readonly #path: string;
  readonly #rows: CsvRows;
  readonly #ranges: readonly Range[];
  #start: string;

  constructor(
    path: string,
    size: number,
    rows: CsvRows,
    ranges: readonly Range[],
  ) {
    this.size = size;
    this.#path = path;
    this.#rows = rows;
    this.#ranges = ranges;
    this.#start = rows.header! + rows.sample.join("");
  }

  get header(): string {
    return this.#rows.header!;
  }

  get start(): string {
    return this.#start;
  }

  async *pieces(): AsyncIterable<Piece> {
    const { header } = this;
    for (const range of this.#ranges) {
      const text = decoder.decode(await readRange(this.#path, range));
      // The header is in the first one.
      const data = range.start === 0 ? text : header + text;
      if (range.rows > 0) yield { data, rows: range.rows, end: range.end };
    }
  }

  widen({ data }: Piece): void {
    const text = data as string;
    this.#start += text.slice(firstLineLength(text));
  }
}

function firstLineLength(text: string): number {
  const bytes = new TextEncoder().encode(text);
  const scanner = new CellScanner(bytes, false);
  scanner.row();
  return decoder.decode(bytes.subarray(0, scanner.at)).length;
}

/** What a cell looks like: columns whose cells look different need a wider type. */
const Look = {
  EMPTY: 0,
  INTEGER: 1,
  NUMBER: 2,
  /** Up to ten digits, dashes, slashes. */
  DATE: 4,
  /** Longer ones. */
  DATE_TIME: 8,
  TEXT: 16,
} as const;

/** Looks at rows: each must have as many cells as the header. */
export class CsvRows implements RowFinder {
  /** Rows without the header. */
  rows = 0;
  /** The first row, with its line break. */
  header: string | undefined;
  /** Rows with cells that look like none before in their column. */
  readonly sample: string[] = [];
  #columns = 0;
  readonly #looks: number[] = [];

  /** With `header`, the rows come without it. */
  constructor(header?: string) {
    if (header === undefined) return;
    const bytes = new TextEncoder().encode(header);
    this.find(bytes, 0, true);
  }

  find(bytes: Uint8Array, offset: number, isEnd: boolean): number {
    const scanner = new CellScanner(bytes, isEnd);
    if (this.header === undefined && bytes[0] === 0xef) scanner.at = 3;
    let done = 0;
    for (;;) {
      scanner.blankLines();
      const start = scanner.at;
      if (start >= bytes.length) {
        done = start;
        break;
      }
      const row = this.header === undefined ? "header" : `row ${this.rows + 1}`;
      const cells = scanner.row();
      if (cells < 0) {
        if (!isEnd) break;
        throw new BadFileError(
          `${row}: a quote doesn't end, at byte ${offset + scanner.quote}`,
        );
      }
      this.#row(bytes, offset, start, scanner, row, cells);
      done = scanner.at;
    }
    const refusal = checkText(bytes.subarray(0, done));
    if (refusal !== undefined) throw new BadFileError(moved(refusal, offset));
    return done;
  }

  #row(
    bytes: Uint8Array,
    offset: number,
    start: number,
    scanner: CellScanner,
    row: string,
    cells: number,
  ): void {
    const end = scanner.at;
    if (this.header === undefined) {
      const line = bytes.subarray(start, end);
      const refusal = checkCsv(line, DEFAULT_PAYLOAD_LIMITS);
      if (refusal !== undefined) throw new BadFileError(refusal);
      this.#columns = cells;
      this.header = withLineBreak(decoder.decode(line));
      return;
    }
    if (cells !== this.#columns) {
      throw new BadFileError(
        `${row}: it has ${cells} cells, the header ${this.#columns}, ` +
          `at byte ${offset + start}`,
      );
    }
    this.rows++;
    let isNew = false;
    for (let i = 0; i < cells; i++) {
      const look = scanner.looks[i]!;
      const known = this.#looks[i] ?? 0;
      if ((known & look) === look) continue;
      this.#looks[i] = known | look;
      isNew = true;
    }
    // Without a row, all columns would be text.
    if (isNew || this.rows === 1) {
      this.sample.push(
        withLineBreak(decoder.decode(bytes.subarray(start, end))),
      );
    }
  }
}

/** Reads cells as Arrow's reader does, which is the engine's. */
export class CellScanner {
  /** Where it is. */
  at = 0;
  /** Where the last quote began. */
  quote = 0;
  /** What the cells of the last row look like. */
  readonly looks: number[] = [];
  readonly #bytes: Uint8Array;
  readonly #isEnd: boolean;

  constructor(bytes: Uint8Array, isEnd: boolean) {
    this.#bytes = bytes;
    this.#isEnd = isEnd;
  }

  blankLines(): void {
    const bytes = this.#bytes;
    while (bytes[this.at] === LINE_FEED || bytes[this.at] === RETURN) this.at++;
  }

  /** Reads a row with its line break: says how many cells, -1 if it doesn't end. */
  row(): number {
    const bytes = this.#bytes;
    const size = bytes.length;
    let at = this.at;
    let cells = 0;
    for (;;) {
      const start = at;
      // A quote means something only where a cell begins.
      if (bytes[at] === QUOTE) {
        this.quote = at;
        at = this.#endOfQuotes(at);
        if (at < 0) return -1;
      }
      let byte = -1;
      for (; at < size; at++) {
        byte = bytes[at]!;
        if (byte > COMMA) continue;
        if (byte === COMMA || byte === LINE_FEED || byte === RETURN) break;
      }
      this.looks[cells++] = lookOf(bytes, start, at);
      if (at >= size) {
        if (!this.#isEnd) return -1;
        break;
      }
      at++;
      if (byte === COMMA) continue;
      if (byte === RETURN && bytes[at] === LINE_FEED) at++;
      break;
    }
    this.at = at;
    return cells;
  }

  /** Where the cell goes on behind its quotes; -1 if they don't end. */
  #endOfQuotes(start: number): number {
    const bytes = this.#bytes;
    let at = start + 1;
    for (;;) {
      at = bytes.indexOf(QUOTE, at);
      if (at < 0) return -1;
      // Whether it is doubled can't be told yet.
      if (at + 1 === bytes.length && !this.#isEnd) return -1;
      if (bytes[at + 1] !== QUOTE) return at + 1;
      at += 2;
    }
  }
}

function lookOf(bytes: Uint8Array, start: number, end: number): number {
  if (start === end) return Look.EMPTY;
  if (bytes[start] === QUOTE) {
    start++;
    end--;
  }
  let look: number = Look.INTEGER;
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!;
    if (byte >= 0x30 && byte <= 0x39) continue;
    const isSign = byte === 0x2d || byte === 0x2b;
    if (isSign && at === start) continue;
    if (byte === 0x2e || byte === 0x65 || byte === 0x45) {
      look = look > Look.NUMBER ? look : Look.NUMBER;
    } else if (
      byte === 0x2d || byte === 0x2f || byte === 0x3a || byte === 0x54 ||
      byte === 0x5a || byte === 0x20 || isSign
    ) {
      look = end - start > 10 ? Look.DATE_TIME : Look.DATE;
    } else return Look.TEXT;
  }
  return look;
}

/** The values of a row's cells. */
export function cellsOf(row: string): string[] {
  const line = row.replace(/[\r\n]+$/, "");
  const cell = /(?:"((?:[^"]|"")*)")?([^,]*)(,|$)/gy;
  const cells: string[] = [];
  for (;;) {
    const [, quoted, plain, end] = cell.exec(line)!;
    cells.push((quoted ?? "").replaceAll('""', '"') + plain);
    if (end === "") return cells;
  }
}

function withLineBreak(line: string): string {
  return /[\r\n]$/.test(line) ? line : `${line}\n`;
}

/** A guard's sentence about bytes that are at `offset`. */
function moved(refusal: string, offset: number): string {
  return refusal.replace(
    /at byte (\d+)/,
    (_, at) => `at byte ${Number(at) + offset}`,
  );
}
