/**
 * The table of a live stream.
 *
 * What has come can't be read again, so the first rows decide on the columns.
 * Numbers are taken for floats, since an integer may be followed by one.
 *
 * @module
 */

import type { Client, Table } from "@finos/perspective";
import { reasonOf } from "./errors.ts";
import type { TableSettings } from "./file_table.ts";
import { CellScanner, cellsOf } from "./formats/csv.ts";
import { columnsOf, type Row, type Schema, Shape, valueAs } from "./shape.ts";

/** Bytes that a row may have. */
const LONGEST_ROW = 16 * 1024 * 1024;

const BRACE = 0x7b;
const LINE_FEED = 0x0a;
const SPACE = 0x20;

const decoder = new TextDecoder("utf-8", { fatal: true });

/** Reads NDJSON or CSV lines into a table as they come. */
export class StreamTable {
  /** What the table is called. */
  readonly name: string;
  readonly #settings: TableSettings;
  readonly #say: (line: string) => void;
  #client: Client;
  #table: Table | undefined;
  #schema: Schema = {};
  /** The names of the columns, in CSV. */
  #header: string[] | undefined;
  #isCsv: boolean | undefined;
  #rest = new Uint8Array(0);
  #row = 0;
  /** Columns that somebody has been told about. */
  readonly #told = new Set<string>();

  /** Makes the table `name` when the first row comes; `say` is told of rows that are left out. */
  constructor(
    name: string,
    client: Client,
    settings: TableSettings,
    say: (line: string) => void,
  ) {
    this.name = name;
    this.#client = client;
    this.#settings = settings;
    this.#say = say;
  }

  /** Goes on in another database, where there is no such table yet. */
  restart(client: Client): void {
    this.#client = client;
    this.#table = undefined;
  }

  /** Reads all of a stream. */
  async read(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (const chunk of stream) await this.#take(chunk, false);
    await this.#take(new Uint8Array(0), true);
  }

  async #take(chunk: Uint8Array, isEnd: boolean): Promise<void> {
    let bytes = joined(this.#rest, chunk);
    if (this.#isCsv === undefined) {
      const first = bytes.find((byte) => byte > SPACE);
      if (first !== undefined) this.#isCsv = first !== BRACE;
    }
    const rows: Row[] = [];
    const length = this.#isCsv
      ? this.#csvRows(bytes, isEnd, rows)
      : this.#ndjsonRows(bytes, isEnd, rows);
    bytes = bytes.subarray(length);
    if (bytes.length > LONGEST_ROW) {
      this.#leaveOut(`it has more than ${LONGEST_ROW} bytes`);
      bytes = bytes.subarray(bytes.length);
    }
    this.#rest = bytes.slice();
    if (rows.length > 0) await this.#write(rows);
  }

  #ndjsonRows(bytes: Uint8Array, isEnd: boolean, rows: Row[]): number {
    let at = 0;
    while (at < bytes.length) {
      let end = bytes.indexOf(LINE_FEED, at);
      if (end < 0 && !isEnd) break;
      if (end < 0) end = bytes.length;
      const line = bytes.subarray(at, end);
      at = end + 1;
      if (line.every((byte) => byte <= SPACE)) continue;
      this.#row++;
      try {
        const row: unknown = JSON.parse(decoder.decode(line));
        if (typeof row === "object" && row !== null && !Array.isArray(row)) {
          rows.push(row as Row);
        } else this.#leaveOut("it isn't an object");
      } catch (error) {
        this.#leaveOut(reasonOf(error));
      }
    }
    return Math.min(at, bytes.length);
  }

  #csvRows(bytes: Uint8Array, isEnd: boolean, rows: Row[]): number {
    const scanner = new CellScanner(bytes, isEnd);
    let done = 0;
    for (;;) {
      scanner.blankLines();
      const start = done = scanner.at;
      if (start >= bytes.length || scanner.row() < 0) return done;
      done = scanner.at;
      let cells: string[];
      try {
        cells = cellsOf(decoder.decode(bytes.subarray(start, done)));
      } catch {
        this.#row++;
        this.#leaveOut("it isn't UTF-8");
        continue;
      }
      if (this.#header === undefined) {
        this.#header = cells;
        continue;
      }
      this.#row++;
      if (cells.length === this.#header.length) {
        rows.push(
          Object.fromEntries(
            this.#header.map((name, i) => [name, cellValue(cells[i]!)]),
          ),
        );
      } else {
        this.#leaveOut(
          `it has ${cells.length} cells, the header ${this.#header.length}`,
        );
      }
    }
  }

  async #write(rows: Row[]): Promise<void> {
    try {
      this.#table ??= await this.#make(rows);
      this.#tellMisfits(rows);
      await this.#table.update(columnsOf(rows, this.#schema));
    } catch (error) {
      this.#say(
        `${this.name}: ${rows.length} rows are lost: ${reasonOf(error)}`,
      );
    }
  }

  async #make(rows: Row[]): Promise<Table> {
    const shape = new Shape();
    for (const row of rows) {
      const refusal = shape.add(row);
      if (refusal !== undefined) throw new Error(refusal);
    }
    this.#schema = Object.fromEntries(
      Object.entries(shape.schema()).map((
        [name, type],
      ) => [name, type === "integer" ? "float" : type]),
    );
    // The client's types don't know that it takes a schema.
    const schema: unknown = this.#schema;
    return await this.#client.table(schema as string, {
      ...this.#settings,
      name: this.name,
    });
  }

  /** Tells, once for each column, what isn't written. */
  #tellMisfits(rows: readonly Row[]): void {
    for (const row of rows) {
      for (const [name, value] of Object.entries(row)) {
        if (value === null || this.#told.has(name)) continue;
        const type = Object.hasOwn(this.#schema, name)
          ? this.#schema[name]
          : undefined;
        if (type !== undefined && valueAs(value, type) !== null) continue;
        this.#told.add(name);
        this.#say(
          type === undefined
            ? `${this.name}: column ${
              JSON.stringify(name)
            } isn't in the first rows, and is left out`
            : `${this.name}: column ${
              JSON.stringify(name)
            } is of type ${type}; what isn't, is left empty`,
        );
      }
    }
  }

  #leaveOut(reason: string): void {
    this.#say(`${this.name}: row ${this.#row} is left out: ${reason}`);
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  if (a.length === 0) return b;
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

/** What a cell of CSV says. */
function cellValue(cell: string): unknown {
  if (cell === "") return null;
  if (cell === "true" || cell === "false") return cell === "true";
  return /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(cell)
    ? Number(cell)
    : cell;
}
