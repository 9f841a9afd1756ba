/**
 * The table of a file.
 *
 * @module
 */

import type { Client, Table } from "@finos/perspective";
import { BadFileError, reasonOf } from "./errors.ts";
import { surveyArrow } from "./formats/arrow.ts";
import { surveyCsv, surveyCsvEnd } from "./formats/csv.ts";
import { surveyJson } from "./formats/json.ts";
import { surveyNdjson } from "./formats/ndjson.ts";
import { surveyParquet } from "./formats/parquet.ts";
import { formatOf, KNOWN_ENDS } from "./names.ts";
import type { Schema } from "./shape.ts";
import {
  type Extent,
  type OnProgress,
  type Piece,
  readRange,
  type Survey,
} from "./source.ts";

/** How a table is made. */
export interface TableSettings {
  /** The column by which rows replace each other. */
  readonly index?: string;
  /** Rows that it keeps. */
  readonly limit?: number;
}

/** What has become of a table. */
export type Change = "same" | "appended" | "replaced";

/**
 * Has `change` put another table in a table's place, while nobody is connected
 * who could have views of it.
 */
export type Swap = (change: () => Promise<void>) => Promise<void>;

/** A table is made anew so often, with wider types, before its file is bad. */
const MOST_TRIES = 6;

/** Bytes that must be as they were for a file to have only grown. */
const TAIL = 64 * 1024;

const LINE_FEED = 0x0a;

/** What a file was like when it was read. */
interface Known {
  readonly size: number;
  readonly mtime: number;
  /** How far it was read: whole rows. */
  readonly end: number;
  /** What stood in front of that. */
  readonly tail: Uint8Array;
}

/** Some rows that don't fit into the table's columns. */
class Misfit extends Error {
  constructor(readonly piece: Piece, reason: string) {
    super(reason);
  }
}

/** The table of a file: loads it, and loads what has changed. */
export class FileTable {
  /** What the table is called. */
  readonly name: string;
  /** Where the file is. */
  readonly path: string;
  readonly #settings: TableSettings;
  #client: Client | undefined;
  #table: Table | undefined;
  #known: Known | undefined;
  /** The columns, where they are known without the engine. */
  #schema: Schema | undefined;
  /** The first line of a CSV file. */
  #header: string | undefined;

  /** The table `name` of the file at `path`; it isn't read yet. */
  constructor(name: string, path: string, settings: TableSettings = {}) {
    this.name = name;
    this.path = path;
    this.#settings = settings;
  }

  /** The table. It is another one when its columns have changed. */
  get table(): Table {
    return this.#table!;
  }

  /**
   * Makes the table.
   *
   * @throws {BadFileError} If the file can't be a table. Then there is none.
   */
  async load(client: Client, onProgress: OnProgress): Promise<void> {
    const { survey, info } = await this.#look(onProgress);
    this.#client = client;
    this.#table = await this.#make(survey, onProgress);
    await this.#remember(survey, info);
  }

  /**
   * Brings the table up to what the file is now.
   *
   * @throws {BadFileError} If it can't be a table now. Then that stays as it is.
   */
  async refresh(swap: Swap): Promise<Change> {
    const info = await this.#stat();
    const known = this.#known!;
    if (info.size === known.size && mtimeOf(info) === known.mtime) {
      return "same";
    }
    if (await this.#append(info)) return "appended";
    await this.#replace(swap);
    return "replaced";
  }

  async #look(onProgress: OnProgress) {
    const info = await this.#stat();
    return { survey: await this.#survey(info.size, onProgress), info };
  }

  async #stat(): Promise<Deno.FileInfo> {
    let info: Deno.FileInfo;
    try {
      info = await Deno.stat(this.path);
    } catch (error) {
      throw new BadFileError(reasonOf(error));
    }
    if (!info.isFile) throw new BadFileError("it is no file");
    return info;
  }

  #survey(size: number, onProgress: OnProgress): Promise<Survey> {
    const { path } = this;
    if (size === 0) throw new BadFileError("it is empty");
    const format = formatOf(path);
    switch (format) {
      case "arrow":
        return surveyArrow(path, size, onProgress);
      case "csv":
        return surveyCsv(path, size, onProgress);
      case "json":
        return surveyJson(path, size, onProgress);
      case "ndjson":
        return surveyNdjson(path, { start: 0, end: size }, onProgress);
      case "parquet":
        return surveyParquet(path, size);
      case undefined:
        throw new BadFileError(
          `its name must end in one of ${KNOWN_ENDS.join(", ")}`,
        );
      default:
        return format satisfies never;
    }
  }

  /** Makes the table of what has been found, with types that all of it fits. */
  async #make(survey: Survey, onProgress: OnProgress): Promise<Table> {
    for (let tries = 1;; tries++) {
      let table: Table | undefined;
      try {
        table = await this.#client!.table(survey.start as string, {
          ...this.#settings,
          name: this.name,
        });
        if (!survey.isAll) await fill(table, survey, onProgress);
        return table;
      } catch (error) {
        await table?.delete();
        const isMisfit = error instanceof Misfit;
        if (!isMisfit || survey.widen === undefined || tries === MOST_TRIES) {
          throw new BadFileError(reasonOf(error));
        }
        survey.widen(error.piece);
      }
    }
  }

  async #remember(survey: Survey, info: Deno.FileInfo): Promise<void> {
    this.#schema = survey.schema;
    this.#header = survey.header;
    await this.#note(info, survey.size);
  }

  async #note(info: Deno.FileInfo, end: number): Promise<void> {
    this.#known = {
      size: info.size,
      mtime: mtimeOf(info),
      end,
      tail: await this.#tail(end),
    };
  }

  /** What stands in front of `end`. */
  async #tail(end: number): Promise<Uint8Array> {
    const start = Math.max(0, end - TAIL);
    return await readRange(this.path, { start, end });
  }

  /** Appends what has come to the end of the file, if nothing else has changed. */
  async #append(info: Deno.FileInfo): Promise<boolean> {
    const { end, tail } = this.#known!;
    const format = formatOf(this.path);
    if (info.size < end || format !== "csv" && format !== "ndjson") {
      return false;
    }
    if (!isSame(await this.#tail(end), tail)) return false;
    if (info.size > end && !await this.#beginsLine(end, tail)) return false;
    const survey = await this.#surveyEnd(
      { start: end, end: info.size, isOpen: true },
      format,
    );
    if (survey === undefined) return false;
    let read = end;
    for await (const piece of survey.pieces()) {
      try {
        await this.#table!.update(piece.data as string);
      } catch {
        // Its columns need wider types.
        return false;
      }
      read = piece.end;
    }
    await this.#note(info, read);
    return true;
  }

  /** Whether a new line begins at `end`. */
  async #beginsLine(end: number, tail: Uint8Array): Promise<boolean> {
    if (tail.at(-1) === LINE_FEED) return true;
    const [next] = await readRange(this.path, { start: end, end: end + 1 });
    return next === LINE_FEED || next === 0x0d;
  }

  /** What has come, if it fits into the table's columns. */
  async #surveyEnd(
    extent: Extent,
    format: "csv" | "ndjson",
  ): Promise<Survey | undefined> {
    if (format === "csv") {
      return await surveyCsvEnd(this.path, extent, this.#header!);
    }
    const known = this.#schema!;
    const survey = await surveyNdjson(this.path, extent, () => {}, known);
    return isSameSchema(survey.schema!, known) ? survey : undefined;
  }

  async #replace(swap: Swap): Promise<void> {
    const { survey, info } = await this.#look(() => {});
    if (await this.#hasColumnsOf(survey)) {
      try {
        await fill(this.#table!, survey, () => {});
        return await this.#remember(survey, info);
      } catch (error) {
        if (!(error instanceof Misfit)) throw error;
        survey.widen?.(error.piece);
      }
    }
    await swap(async () => {
      await this.#table!.delete({ lazy: true });
      this.#table = await this.#make(survey, () => {});
    });
    await this.#remember(survey, info);
  }

  /** Whether the table can take the rows of `survey` as it is. */
  async #hasColumnsOf(survey: Survey): Promise<boolean> {
    const table = this.#table!;
    if (survey.schema !== undefined) {
      return isSameSchema(survey.schema, this.#schema!);
    }
    const scratch = await this.#client!.table(survey.start as string, {
      name: `${this.name} ${crypto.randomUUID()}`,
    }).catch((error) => {
      throw new BadFileError(reasonOf(error));
    });
    try {
      return `${await scratch.columns()}` === `${await table.columns()}` &&
        isSameSchema(
          await scratch.schema() as Schema,
          await table.schema() as Schema,
        );
    } finally {
      await scratch.delete();
    }
  }
}

/** Has a table hold the rows of `survey`, and nothing else. */
async function fill(
  table: Table,
  survey: Survey,
  onProgress: OnProgress,
): Promise<void> {
  let rows = 0;
  let isFirst = true;
  for await (const piece of survey.pieces()) {
    try {
      const data = piece.data as string;
      if (isFirst) await table.replace(data);
      else await table.update(data);
    } catch (error) {
      const last = rows + (piece.rows ?? 0);
      throw new Misfit(
        piece,
        `rows ${rows + 1} to ${last}: ${reasonOf(error)}`,
      );
    }
    isFirst = false;
    rows += piece.rows ?? 0;
    onProgress(piece.end, survey.size, rows);
  }
  // What it was made from are some of the rows.
  if (isFirst) await table.clear();
}

function mtimeOf(info: Deno.FileInfo): number {
  return info.mtime?.getTime() ?? 0;
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

function isSameSchema(a: Schema, b: Schema): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length &&
    names.every((name) => a[name] === b[name]);
}
