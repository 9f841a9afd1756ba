/**
 * CSV that makes or changes tables.
 *
 * The engine reads it with Arrow's reader, which is robust: rows with more or
 * fewer cells than the header, values that aren't of their column's type,
 * nothing at all and lines longer than 1 MB are answered with an error, on
 * both lines of engines. Blank lines, `\r\n`, a lone `\r`, a byte order mark,
 * line breaks in quotes, a header with empty names or with the same name twice
 * are fine.
 *
 * What it doesn't see to is left to a guard: it takes what isn't UTF-8, and
 * the names that the engine uses itself. To a name that stands there again it
 * adds `*` until it is new: with 4,000 empty names, 8 KB, it isn't done after
 * 25 seconds. A quote that never ends swallows the rest of the rows, which is
 * answered with success.
 *
 * @module
 */

import {
  CELL_SIZE,
  checkName,
  type PayloadLimits,
  quoted,
  type Refusal,
  tooLarge,
  tooManyColumns,
  tooManyRows,
} from "./payload.ts";
import { checkText } from "./text.ts";

const QUOTE = 0x22;
const COMMA = 0x2c;
const LINE_FEED = 0x0a;
const RETURN = 0x0d;

/** So many columns may have a name that another one has already. */
const MAX_REPEATED = 100;

const decoder = new TextDecoder();

/** Checks `from_csv`. */
export function checkCsv(
  bytes: Uint8Array,
  limits: PayloadLimits,
): Refusal | undefined {
  return checkText(bytes) ?? new CsvScanner(bytes, limits).rows();
}

/** Reads CSV as Arrow does. */
class CsvScanner {
  readonly #bytes: Uint8Array;
  readonly #limits: PayloadLimits;
  #at: number;
  /** The row that is read; 0 is the header. */
  #row = 0;
  /** The column that is read. */
  #column = 0;
  readonly #names: string[] = [];
  readonly #different = new Set<string>();

  constructor(bytes: Uint8Array, limits: PayloadLimits) {
    this.#bytes = bytes;
    this.#limits = limits;
    const hasMark = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
    this.#at = hasMark ? 3 : 0;
  }

  rows(): Refusal | undefined {
    const bytes = this.#bytes;
    while (this.#at < bytes.length) {
      const byte = bytes[this.#at];
      if (byte === LINE_FEED || byte === RETURN) {
        this.#at++;
        continue;
      }
      const { maxRows, maxExpandedSize } = this.#limits;
      if (this.#row > maxRows) return tooManyRows(this.#limits);
      if (this.#row * this.#names.length * CELL_SIZE > maxExpandedSize) {
        return tooLarge(this.#limits);
      }
      const refusal = this.#cells();
      if (refusal !== undefined) return refusal;
      this.#row++;
    }
    return undefined;
  }

  /** Reads a row. */
  #cells(): Refusal | undefined {
    const bytes = this.#bytes;
    for (this.#column = 0;; this.#column++) {
      const start = this.#at;
      // A quote means something only where a cell begins.
      if (bytes[start] === QUOTE && !this.#quotes()) {
        return `${this.#where()}: this quote doesn't end, at byte ${start}`;
      }
      this.#plain();
      const refusal = this.#checkCell(start);
      if (refusal !== undefined) return refusal;
      if (bytes[this.#at] !== COMMA) return undefined;
      this.#at++;
    }
  }

  /** Reads what is in quotes; says whether it ends. */
  #quotes(): boolean {
    const bytes = this.#bytes;
    let at = this.#at + 1;
    for (;;) {
      at = bytes.indexOf(QUOTE, at);
      if (at < 0) return false;
      if (bytes[at + 1] !== QUOTE) {
        this.#at = at + 1;
        return true;
      }
      at += 2;
    }
  }

  /** Reads up to the end of the cell. */
  #plain(): void {
    const bytes = this.#bytes;
    const end = bytes.length;
    let at = this.#at;
    for (; at < end; at++) {
      const byte = bytes[at]!;
      if (byte > COMMA) continue;
      if (byte === COMMA || byte === LINE_FEED || byte === RETURN) break;
    }
    this.#at = at;
  }

  #checkCell(start: number): Refusal | undefined {
    const limits = this.#limits;
    if (this.#column >= limits.maxColumns) return tooManyColumns(limits);
    if (this.#row === 0) return this.#checkName(start);
    const length = this.#at - start;
    return length <= limits.maxStringLength
      ? undefined
      : `${this.#where()}: this value has ${length} bytes, at most ` +
        `${limits.maxStringLength} are allowed, at byte ${start}`;
  }

  #checkName(start: number): Refusal | undefined {
    const cell = decoder.decode(this.#bytes.subarray(start, this.#at));
    const name = cell.startsWith('"') ? unquoted(cell) : cell;
    this.#names.push(name);
    this.#different.add(name);
    return this.#names.length - this.#different.size > MAX_REPEATED
      ? `header: more than ${MAX_REPEATED} columns have the name of another one`
      : checkName(name, this.#limits);
  }

  #where(): string {
    if (this.#row === 0) return `header, column ${this.#column + 1}`;
    const name = this.#names[this.#column];
    const column = name === undefined ? this.#column + 1 : quoted(name);
    return `row ${this.#row}, column ${column}`;
  }
}

/** What a cell says that begins with a quote. */
function unquoted(cell: string): string {
  const end = /^"(?:[^"]|"")*/.exec(cell)![0].length;
  return cell.slice(1, end).replaceAll('""', '"') + cell.slice(end + 1);
}
