/**
 * What tables are called, and what their files are.
 *
 * @module
 */

import { basename, extname } from "node:path";
import { STDIN } from "./options.ts";

/** What a file is. */
export type Format = "arrow" | "csv" | "json" | "ndjson" | "parquet";

const FORMATS: Readonly<Record<string, Format>> = {
  ".arrow": "arrow",
  ".arrows": "arrow",
  ".feather": "arrow",
  ".ipc": "arrow",
  ".csv": "csv",
  ".json": "json",
  ".jsonl": "ndjson",
  ".ndjson": "ndjson",
  ".parquet": "parquet",
};

/** The ends of names that {@linkcode formatOf} knows. */
export const KNOWN_ENDS: readonly string[] = Object.keys(FORMATS);

/** What a file is, by the end of its name; `undefined` if that isn't known. */
export function formatOf(path: string): Format | undefined {
  const end = extname(path).toLowerCase();
  return Object.hasOwn(FORMATS, end) ? FORMATS[end] : undefined;
}

/**
 * A name for each of `paths`: that of the file without its extension; with it,
 * if several have the same; and a number if they still do. `say` is told of
 * names that aren't the obvious ones.
 */
export function tableNames(
  paths: readonly string[],
  say: (line: string) => void,
): string[] {
  const short = paths.map(shortName);
  const taken = new Set<string>();
  return paths.map((path, i) => {
    const isShared = short.filter((it) => it === short[i]).length > 1;
    const wanted = isShared ? fullName(path) : short[i]!;
    let name = wanted;
    for (let n = 2; taken.has(name); n++) name = `${wanted} (${n})`;
    taken.add(name);
    if (name !== short[i]) {
      say(`${path}: its table is called "${name}", others are "${short[i]}"`);
    }
    return name;
  });
}

function shortName(path: string): string {
  if (path === STDIN) return "stdin";
  return basename(path, extname(path)) || basename(path);
}

function fullName(path: string): string {
  return path === STDIN ? "stdin" : basename(path);
}
