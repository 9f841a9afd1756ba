/**
 * The command line.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { reasonOf, UsageError } from "./errors.ts";

/** The engines, by what `--engine` calls them. */
const ENGINES: Readonly<Record<string, string>> = {
  "3.8.0": "npm:@finos/perspective@3.8.0",
  "5.5.1": "npm:@perspective-dev/client@5.5.1",
};

/** The name that stands for standard input. */
export const STDIN = "-";

/** What the command line asks for. */
export interface CliOptions {
  /** Paths, and {@linkcode STDIN}. */
  readonly files: readonly string[];
  /** The module specifier of the engine. */
  readonly engine: string;
  /** Workers that compute; 0 for none, `undefined` for as many as fit. */
  readonly workers: number | undefined;
  /** The address to listen on. */
  readonly host: string;
  /** The port, 0 for any free one. */
  readonly port: number;
  /** Index columns as they were given: `column` or `table=column`. */
  readonly index: readonly string[];
  /** Rows that a table keeps. */
  readonly limit: number | undefined;
  /** Whether files are looked at when they change. */
  readonly watch: boolean;
  /** Whether browsers may change rows. */
  readonly isEditable: boolean;
  /** What a client has to bring; `""` for one that is made up. */
  readonly token: string | undefined;
  /** Whether to open the page in a browser. */
  readonly open: boolean;
}

/** The text of `--help`. */
export const HELP = `Puts files on the screen with Perspective.

Usage: deno run -A cli.ts [options] <file>...

Each file is a table, named after it. Formats, by the end of the name:
  .csv, .arrow (also .arrows, .feather, .ipc), .json (rows or columns),
  .ndjson (also .jsonl), .parquet
"-" is standard input as a live stream of NDJSON or CSV lines.

  --watch              a file that changes replaces its table; an NDJSON or CSV
                       file that grows adds to it
  --index <column>     rows with the same value here replace each other; with
                       <table>=<column> for one table. May be repeated
  --limit <number>     rows that a table keeps: the last ones
  --editable           lets browsers change rows; in memory, never in files
  --read-only          doesn't (default)
  --token [<token>]    lets in only who has it, as ?token= or as a bearer token.
                       Without a value, at the end or in front of another
                       option, one is made up
  --host <name>        the address to listen on (default: 127.0.0.1)
  --port <number>      the port; 0 takes a free one (default: 8080)
  --open               opens the page in the browser
  --workers <number>   workers that compute, by default one per core and one
                       more, five at most; 0 computes on the main thread
  --engine <version>   the engine, 3.8.0 or 5.5.1 (default: 3.8.0)
  -h, --help           shows this text
  --version            shows the version

Exit codes: 1 if no file can be served, 2 for a mistake on the command line.

Permissions instead of -A: --allow-net, --allow-read (the files and Deno's npm
cache) and --allow-env=WS_NO_BUFFER_UTIL,WS_NO_UTF_8_VALIDATE; for --open,
--allow-run as well.`;

/**
 * Reads the command line.
 *
 * @throws {UsageError} If it has a mistake.
 */
export function parseOptions(args: string[]): CliOptions | "help" | "version" {
  const { values, positionals } = parse(args);
  if (values.help) return "help";
  if (values.version) return "version";
  if (values.editable && values["read-only"]) {
    throw mistake("--editable and --read-only exclude each other");
  }
  if (positionals.length === 0) throw mistake("a file is needed");
  if (positionals.filter((it) => it === STDIN).length > 1) {
    throw mistake('standard input, "-", can be read only once');
  }
  const { index = [], limit, engine } = values;
  if (index.length > 0 && limit !== undefined) {
    throw mistake("--index and --limit exclude each other");
  }
  if (!Object.hasOwn(ENGINES, engine)) {
    const known = Object.keys(ENGINES).join(" or ");
    throw mistake(`--engine must be ${known}, received "${engine}"`);
  }
  return {
    files: positionals,
    engine: ENGINES[engine]!,
    workers: numberOf("workers", values.workers, 0, 64),
    host: values.host,
    port: numberOf("port", values.port, 0, 65535)!,
    index,
    limit: numberOf("limit", limit, 1, 2 ** 31 - 1),
    watch: values.watch,
    isEditable: values.editable,
    token: values.token,
    open: values.open,
  };
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args: withTokenValue(args),
      allowPositionals: true,
      options: {
        watch: { type: "boolean", default: false },
        index: { type: "string", multiple: true },
        limit: { type: "string" },
        editable: { type: "boolean", default: false },
        "read-only": { type: "boolean", default: false },
        token: { type: "string" },
        host: { type: "string", default: "127.0.0.1" },
        port: { type: "string", default: "8080" },
        open: { type: "boolean", default: false },
        workers: { type: "string" },
        engine: { type: "string", default: "3.8.0" },
        help: { type: "boolean", short: "h", default: false },
        version: { type: "boolean", default: false },
      },
    });
  } catch (error) {
    throw mistake(reasonOf(error));
  }
}

/** `parseArgs` knows no option that may have a value or not. */
function withTokenValue(args: string[]): string[] {
  const end = args.indexOf("--");
  return args.map((arg, i) => {
    const next = args[i + 1];
    const isBare = arg === "--token" && (end < 0 || i < end) &&
      (next === undefined || next.startsWith("-"));
    return isBare ? "--token=" : arg;
  });
}

function numberOf(
  name: string,
  value: string | undefined,
  least: number,
  most: number,
): number | undefined {
  if (value === undefined) return undefined;
  const number = Number(value);
  if (/^\d{1,10}$/.test(value) && number >= least && number <= most) {
    return number;
  }
  throw mistake(
    `--${name} must be from ${least} to ${most}, received "${value}"`,
  );
}

function mistake(reason: string): UsageError {
  return new UsageError(`${reason} (see --help)`);
}
