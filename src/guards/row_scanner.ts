/**
 * Rows: objects whose names are columns.
 *
 * @module
 */

import { Cells, type ListFlatten } from "./cells.ts";
import type { JsonScanner } from "./json_scanner.ts";
import { type PayloadLimits, quoted, type Refusal } from "./payload.ts";

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN = 0x7b;
const CLOSE = 0x7d;

/** So many columns are looked at where another one was expected. */
const LOOKED_AT = 12;

/**
 * Reads one row after the other.
 *
 * Nearly always the columns of a row come in the order in which they came in
 * the row before. So a name is first compared with the one that followed its
 * predecessor last time; only if it is none of these, it is decoded and looked up.
 */
export class RowScanner {
  /** Where it reads, for what stands between the rows. */
  readonly json: JsonScanner;
  readonly #bytes: Uint8Array;
  readonly #cells: Cells;
  /** Rows that were begun. */
  #row = 0;
  /** The column that is read; -1 before the first. */
  #column = -1;
  /** The name of each column as it was first written, with its quotation marks. */
  readonly #written: (Uint8Array | undefined)[] = [];
  /** The last row in which each column stood. */
  readonly #lastRow: number[] = [];
  /** The column that followed each one last time; that before the first is at 0. */
  readonly #next: number[] = [0];

  /** A reader of the rows in `bytes`, which must be UTF-8. */
  constructor(bytes: Uint8Array, limits: PayloadLimits, flatten: ListFlatten) {
    this.#cells = new Cells(bytes, limits, flatten);
    this.json = this.#cells.json;
    this.#bytes = bytes;
  }

  /** Reads a row. */
  row(): Refusal | undefined {
    const { json } = this;
    this.#row++;
    this.#column = -1;
    if (json.next() !== OPEN) {
      return this.#expected("an object, the columns of a row by name");
    }
    const start = json.at++;
    let repeated = 1;
    if (json.next() === CLOSE) json.at++;
    else {
      for (let byte = COMMA; byte === COMMA;) {
        const refusal = this.#readName();
        if (refusal !== undefined) return refusal;
        const made = this.#cells.value(this.#name);
        if (made < 0) return this.#refusal(this.#cells.problem);
        repeated = this.#cells.combined(repeated, made);
        byte = json.next();
        if (byte !== COMMA && byte !== CLOSE) {
          return this.#expected('"," or "}"');
        }
        json.at++;
      }
    }
    return this.#cells.add(repeated, json.at - start);
  }

  /** Reads the name of the next column, and the colon after it. */
  #readName(): Refusal | undefined {
    const { json } = this;
    const previous = this.#column;
    this.#column = -1;
    if (json.next() !== QUOTE) {
      return this.#expected("the name of a column in quotes");
    }
    const start = json.at;
    let column = this.#next[previous + 1] ?? -1;
    if (this.#stands(column, start)) {
      json.at += this.#written[column]!.length;
    } else {
      if (!json.string()) return this.#refusal(json.problem);
      column = this.#find(previous, start);
    }
    if (column < 0) return this.#refusal(this.#cells.problem);
    this.#column = column;
    if (this.#lastRow[column] === this.#row) {
      return this.#refusal(`the name stands there twice, at byte ${start}`);
    }
    this.#lastRow[column] = this.#row;
    this.#next[previous + 1] = column;
    return json.take(COLON, '":"') ? undefined : this.#refusal(json.problem);
  }

  /** The column whose name stands from `start` to here; -1 if there can't be one. */
  #find(previous: number, start: number): number {
    // Some may be left out, or in another order.
    const count = this.#written.length;
    for (let i = 1; i <= LOOKED_AT && i <= count; i++) {
      const column = (previous + i) % count;
      if (this.#stands(column, start)) return column;
    }
    const end = this.json.at;
    const column = this.#cells.column(this.json.text(start, end));
    if (column >= 0) this.#written[column] ??= this.#bytes.subarray(start, end);
    return column;
  }

  /** Whether a column's name stands at `start` as it was first written. */
  #stands(column: number, start: number): boolean {
    const written = this.#written[column];
    if (written === undefined) return false;
    const bytes = this.#bytes;
    // No name begins with all of another one, since a quotation mark ends it.
    for (let i = 0; i < written.length; i++) {
      if (written[i] !== bytes[start + i]) return false;
    }
    return true;
  }

  /** The name of the column that is read. */
  readonly #name = (): string => {
    const written = this.#written[this.#column]!;
    const start = written.byteOffset - this.#bytes.byteOffset;
    return this.json.text(start, start + written.length);
  };

  #expected(what: string): Refusal {
    this.json.expected(what);
    return this.#refusal(this.json.problem);
  }

  #refusal(problem: string): Refusal {
    const column = this.#column < 0 ? "" : `, column ${quoted(this.#name())}`;
    return `row ${this.#row}${column}: ${problem}`;
  }
}
