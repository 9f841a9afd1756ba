/**
 * Columns: an object of arrays.
 *
 * @module
 */

import { Cells, type ListFlatten } from "./cells.ts";
import type { JsonScanner } from "./json_scanner.ts";
import { type PayloadLimits, quoted, type Refusal } from "./payload.ts";

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** What a value is counted as at least where sizes are estimated. */
const SHORT_VALUE = 64;

/** Reads columns one after the other. */
export class ColumnScanner {
  readonly #json: JsonScanner;
  readonly #cells: Cells;
  /** The columns that were read, and the values in each. */
  readonly #lengths = new Map<string, number>();
  /** Rows that line 5 makes of each row, where these are several. */
  readonly #repeated = new Map<number, number>();
  /** Bytes of a row beyond {@linkcode SHORT_VALUE} for each value, where there are any. */
  readonly #more = new Map<number, number>();

  /** A reader of the columns in `bytes`, which must be UTF-8. */
  constructor(bytes: Uint8Array, limits: PayloadLimits, flatten: ListFlatten) {
    this.#cells = new Cells(bytes, limits, flatten);
    this.#json = this.#cells.json;
  }

  /** Reads all of them. */
  columns(): Refusal | undefined {
    const json = this.#json;
    if (!json.take(OPEN_OBJECT, "an object of columns")) return json.problem;
    if (json.next() === CLOSE_OBJECT) json.at++;
    else {
      for (let byte = COMMA; byte === COMMA;) {
        const refusal = this.#column();
        if (refusal !== undefined) return refusal;
        byte = json.next();
        if (byte !== COMMA && byte !== CLOSE_OBJECT) {
          json.expected('"," or "}"');
          return json.problem;
        }
        json.at++;
      }
    }
    return json.end() ? this.#checkRows() : json.problem;
  }

  #column(): Refusal | undefined {
    const json = this.#json;
    if (json.next() !== QUOTE) {
      json.expected("the name of a column in quotes");
      return json.problem;
    }
    const start = json.at;
    if (!json.string()) return json.problem;
    const name = json.text(start, json.at);
    if (this.#cells.column(name) < 0) return this.#cells.problem;
    const where = `column ${quoted(name)}`;
    if (this.#lengths.has(name)) {
      return `${where}: the name stands there twice, at byte ${start}`;
    }
    if (!json.take(COLON, '":"') || !json.take(OPEN_LIST, "an array")) {
      return `${where}: ${json.problem}`;
    }
    const length = this.#values(name);
    if (typeof length === "string") return `${where}, ${length}`;
    this.#lengths.set(name, length);
    return this.#checkLength(name, length);
  }

  /** Reads the rest of a column; returns how many values it has. */
  #values(name: string): number | Refusal {
    const json = this.#json;
    const nameOf = () => name;
    let length = 0;
    if (json.next() === CLOSE_LIST) {
      json.at++;
      return length;
    }
    for (;;) {
      const start = json.at;
      const made = this.#cells.value(nameOf);
      if (made < 0) return `row ${length + 1}: ${this.#cells.problem}`;
      if (made > 1) {
        const repeated = this.#repeated.get(length) ?? 1;
        this.#repeated.set(length, this.#cells.combined(repeated, made));
      }
      const size = json.at - start - SHORT_VALUE;
      if (size > 0) {
        this.#more.set(length, (this.#more.get(length) ?? 0) + size);
      }
      length++;
      const byte = json.next();
      if (byte !== COMMA && byte !== CLOSE_LIST) {
        json.expected('"," or "]"');
        return `row ${length}: ${json.problem}`;
      }
      json.at++;
      if (byte === CLOSE_LIST) return length;
    }
  }

  #checkLength(name: string, length: number): Refusal | undefined {
    const [first] = this.#lengths;
    const [firstName, expected] = first!;
    return length === expected
      ? undefined
      : `column ${quoted(name)} has ${length} values, but column ` +
        `${
          quoted(firstName)
        } has ${expected}: columns have to be of equal length`;
  }

  /** Whether the engine makes too much of them. */
  #checkRows(): Refusal | undefined {
    const cells = this.#cells;
    const [length = 0] = this.#lengths.values();
    const refusal = cells.add(length - this.#repeated.size, 0);
    if (refusal !== undefined) return refusal;
    const size = this.#lengths.size * SHORT_VALUE;
    for (const [row, repeated] of this.#repeated) {
      const refusal = cells.add(repeated, size + (this.#more.get(row) ?? 0));
      if (refusal !== undefined) return refusal;
    }
    return undefined;
  }
}
