/**
 * What files of all formats have in common.
 *
 * @module
 */

import { BadFileError } from "./errors.ts";
import type { Columns, Schema } from "./shape.ts";

/** What the engine takes. */
export type TableData = string | ArrayBuffer | Columns;

/** A part of a file's rows. */
export interface Piece {
  /** The rows. */
  readonly data: TableData;
  /** How many there are; `undefined` if that isn't known. */
  readonly rows: number | undefined;
  /** Bytes of the file up to the end of the piece. */
  readonly end: number;
}

/** A file that has been looked at, and has rows for a table. */
export interface Survey {
  /** A table made from this has the file's columns. */
  readonly start: TableData | Schema;
  /** Whether `start` has all rows as well. */
  readonly isAll: boolean;
  /** Bytes of the file. */
  readonly size: number;
  /** Reads the rows. */
  pieces(): AsyncIterable<Piece>;
  /** Changes `start` so that `piece`, which didn't fit, does. */
  widen?(piece: Piece): void;
  /** The types of the columns, where they are known without the engine. */
  readonly schema?: Schema;
  /** The first line, with its line break, of CSV. */
  readonly header?: string;
}

/** Told how far reading has come. */
export type OnProgress = (bytes: number, size: number, rows: number) => void;

/** A range of a file with whole rows. */
export interface Range {
  readonly start: number;
  readonly end: number;
  readonly rows: number;
}

/** Bytes that are read at once, and that pieces have, more or less. */
export const PIECE_SIZE = 4 * 1024 * 1024;

/** Bytes that one row may have: what is longer has a quote that doesn't end. */
const LONGEST_ROW = 16 * 1024 * 1024;

/** Finds the rows in some bytes. */
export interface RowFinder {
  /**
   * Looks at the whole rows from the beginning of `bytes`, which are at
   * `offset` in the file. With `isEnd`, there is nothing behind them, so that the
   * last row needn't end.
   *
   * @returns Bytes that the rows have.
   * @throws {BadFileError} If something is wrong with a row.
   */
  find(bytes: Uint8Array, offset: number, isEnd: boolean): number;
  /** Rows so far. */
  readonly rows: number;
}

/** What is read of a file. */
export interface Extent {
  readonly start: number;
  readonly end: number;
  /** Whether somebody may be writing the last row. Then it isn't read yet. */
  readonly isOpen?: boolean;
}

/**
 * Reads the rows of a file and finds out where they can be parted.
 *
 * @throws {BadFileError} If something is wrong with a row.
 */
export async function findRanges(
  path: string,
  { start, end, isOpen = false }: Extent,
  finder: RowFinder,
  onProgress: OnProgress,
): Promise<Range[]> {
  const ranges: Range[] = [];
  using file = await Deno.open(path);
  await file.seek(start, Deno.SeekMode.Start);
  let bytes = new Uint8Array(PIECE_SIZE);
  let filled = 0;
  let at = start;
  for (let isEnd = false; !isEnd;) {
    const left = end - at - filled;
    const room = bytes.subarray(filled, Math.min(bytes.length, filled + left));
    const read = room.length === 0 ? null : await file.read(room);
    filled += read ?? 0;
    isEnd = left === (read ?? 0) || (read === null && room.length > 0);
    // Small reads are collected.
    if (!isEnd && filled < bytes.length) continue;
    const before = finder.rows;
    const length = finder.find(
      bytes.subarray(0, filled),
      at,
      isEnd && !isOpen,
    );
    if (length > 0) {
      ranges.push({ start: at, end: at + length, rows: finder.rows - before });
    } else if (!isEnd) {
      if (bytes.length >= LONGEST_ROW) {
        throw new BadFileError(
          `row ${finder.rows + 1}: it has more than ${LONGEST_ROW} bytes, ` +
            `at byte ${at}; maybe a quote doesn't end`,
        );
      }
      const larger = new Uint8Array(bytes.length * 2);
      larger.set(bytes);
      bytes = larger;
      continue;
    }
    bytes.copyWithin(0, length, filled);
    filled -= length;
    at += length;
    onProgress(at, end, finder.rows);
  }
  return ranges;
}

/**
 * Reads a range of a file.
 *
 * @throws {BadFileError} If the file isn't that long any more.
 */
export async function readRange(
  path: string,
  { start, end }: Extent,
): Promise<Uint8Array<ArrayBuffer>> {
  using file = await Deno.open(path);
  await file.seek(start, Deno.SeekMode.Start);
  const bytes = new Uint8Array(end - start);
  for (let filled = 0; filled < bytes.length;) {
    const read = await file.read(bytes.subarray(filled));
    if (read === null) throw new BadFileError("it was cut while it was read");
    filled += read;
  }
  return bytes;
}
