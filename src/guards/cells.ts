/**
 * Values that stand in columns, in rows or one column after the other.
 *
 * @module
 */

import { JsonScanner } from "./json_scanner.ts";
import {
  CELL_SIZE,
  checkName,
  type PayloadLimits,
  type Refusal,
  tooLarge,
  tooManyColumns,
  tooManyRows,
} from "./payload.ts";

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/**
 * What line 5 makes of values that are arrays, as `MakeTableOptions.list_flatten`
 * of the table says; `"zip"` is its own default.
 *
 * With the first two it repeats a row for each element of its arrays. Three
 * arrays of 300 elements make 300 rows of one with `"zip"`, and 27 million with
 * `"cartesian"`: more than the engine is done with in 25 seconds. Objects become columns.
 * On line 3 it is of no consequence.
 */
export type ListFlatten = "zip" | "cartesian" | "stringify";

/** Reads values, and counts what the engine will make of them. */
export class Cells {
  /** Where it reads. */
  readonly json: JsonScanner;
  /** What is wrong, after a method has returned -1. */
  problem = "";
  readonly #limits: PayloadLimits;
  readonly #flatten: ListFlatten;
  readonly #columns = new Map<string, number>();
  /** Rows that the engine will make. */
  #rows = 0;
  /** Bytes of these rows. */
  #size = 0;

  /** A reader of `bytes`, which must be UTF-8. */
  constructor(bytes: Uint8Array, limits: PayloadLimits, flatten: ListFlatten) {
    this.json = new JsonScanner(bytes, limits.maxStringLength);
    this.#limits = limits;
    this.#flatten = flatten;
  }

  /** Columns that were named. */
  get columns(): number {
    return this.#columns.size;
  }

  /** The number of the column `name`, from 0; -1 if there can't be one. */
  column(name: string): number {
    const known = this.#columns.get(name);
    if (known !== undefined) return known;
    const column = this.#columns.size;
    const problem = checkName(name, this.#limits) ??
      (column >= this.#limits.maxColumns
        ? tooManyColumns(this.#limits)
        : undefined);
    if (problem !== undefined) return this.#fail(problem);
    this.#columns.set(name, column);
    return column;
  }

  /**
   * Reads a value of the column that `name` tells; returns how many rows it
   * makes of its row, or -1.
   */
  value(name: () => string): number {
    const byte = this.json.next();
    if (byte !== OPEN_LIST && byte !== OPEN_OBJECT) return this.#plain(byte, 0);
    const { maxDepth } = this.#limits;
    return this.#flatten === "stringify"
      ? this.#plain(byte, maxDepth)
      : this.#nested(name(), maxDepth);
  }

  /** How many rows are made of one in which two values make `a` and `b`. */
  combined(a: number, b: number): number {
    return this.#flatten === "cartesian" ? a * b : Math.max(a, b);
  }

  /** Counts a row of `size` bytes that becomes `repeated` ones. */
  add(repeated: number, size: number): Refusal | undefined {
    const { maxRows, maxExpandedSize } = this.#limits;
    this.#rows += repeated;
    if (this.#rows > maxRows) return tooManyRows(this.#limits);
    this.#size += repeated * size;
    const cells = this.#rows * this.#columns.size;
    return Math.max(this.#size, cells * CELL_SIZE) <= maxExpandedSize
      ? undefined
      : tooLarge(this.#limits);
  }

  #plain(byte: number, depth: number): number {
    return this.json.valueFrom(byte, depth) ? 1 : this.#fail(this.json.problem);
  }

  #nested(name: string, depth: number): number {
    const byte = this.json.next();
    if (depth > 0 && byte === OPEN_LIST) return this.#list(name, depth);
    if (depth > 0 && byte === OPEN_OBJECT) return this.#object(name, depth);
    return this.#plain(byte, 0);
  }

  /** Each element makes rows of its own. */
  #list(name: string, depth: number): number {
    const { json } = this;
    json.at++;
    if (json.next() === CLOSE_LIST) {
      json.at++;
      return 1;
    }
    let rows = 0;
    for (;;) {
      const made = this.#nested(name, depth - 1);
      if (made < 0) return made;
      rows += made;
      const byte = json.next();
      if (byte !== COMMA && byte !== CLOSE_LIST) {
        return this.#expected('"," or "]"');
      }
      json.at++;
      if (byte === CLOSE_LIST) return rows;
    }
  }

  /** Each field is a column of its own. */
  #object(name: string, depth: number): number {
    const { json } = this;
    json.at++;
    if (json.next() === CLOSE_OBJECT) {
      json.at++;
      return 1;
    }
    let rows = 1;
    for (;;) {
      if (json.next() !== QUOTE) return this.#expected("a name in quotes");
      const start = json.at;
      if (!json.string()) return this.#fail(json.problem);
      const field = `${name}.${json.text(start, json.at)}`;
      if (this.column(field) < 0) return -1;
      if (!json.take(COLON, '":"')) return this.#fail(json.problem);
      const made = this.#nested(field, depth - 1);
      if (made < 0) return made;
      rows = this.combined(rows, made);
      const byte = json.next();
      if (byte !== COMMA && byte !== CLOSE_OBJECT) {
        return this.#expected('"," or "}"');
      }
      json.at++;
      if (byte === CLOSE_OBJECT) return rows;
    }
  }

  #expected(what: string): -1 {
    this.json.expected(what);
    return this.#fail(this.json.problem);
  }

  #fail(problem: string): -1 {
    this.problem = problem;
    return -1;
  }
}
