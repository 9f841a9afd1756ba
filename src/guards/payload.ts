/**
 * What every guard of a payload has in common.
 *
 * A guard looks at what an untrusted session sends before the engine does. It
 * is a pure function of bytes: it neither waits nor asks the runtime for
 * anything, so that it can run on any thread. It says `undefined` if the
 * engine may have them, and otherwise in one sentence what is wrong and where:
 * rows, lines and columns count from 1, bytes from 0.
 *
 * Guards are there for what breaks an engine, or makes it take gigabytes for a
 * few kilobytes. What the engine itself answers with an error, and is none the
 * worse for, may pass.
 *
 * @module
 */

/** Why a payload isn't handed on: one sentence, for the client that sent it. */
export type Refusal = string;

/**
 * How large the data of one request may be, beside their bytes, which
 * `maxMessageSize` limits. In each, `0` lets nothing through that has any, and
 * `Infinity` means no limit. Whoever passes one is refused with a
 * `server_error`.
 *
 * Arrow is flat, so that `maxDepth` and `maxExpandedSize` don't apply to it; what
 * is compressed there may become 128 MiB.
 */
export interface PayloadLimits {
  /**
   * Arrays and objects in one value that lie in each other: `[1]` is one deep,
   * `[[1]]` two. `0` lets only strings, numbers, booleans and nulls through.
   *
   * The engine recurses, and dies of a few thousand (ENGINE 6.4, 9.18), so that
   * this can't be more than 64. Line 5 makes rows and columns
   * of what is nested; line 3 answers with an error, unless the table hasn't
   * such a column.
   *
   * @default {16}
   */
  readonly maxDepth: number;
  /**
   * Columns, or different names in rows. 20,000 in 300 KB take the engine 0.3 GB.
   *
   * @default {4096}
   */
  readonly maxColumns: number;
  /**
   * Rows. A row with arrays counts as often as line 5 will repeat it.
   *
   * @default {10000000}
   */
  readonly maxRows: number;
  /**
   * Bytes that the engine makes of a payload: those of all rows, each as often
   * as line 5 will repeat it, or 32 for each cell if that is more. What a row leaves out is a cell, too: 63 KB of one row with 4,000
   * columns and 4,000 rows without any are 16 million, and 0.5 GB.
   *
   * @default {536870912}
   */
  readonly maxExpandedSize: number;
  /**
   * Bytes of one value. The engine bears any length, but answers each read
   * with all of it; in CSV a line may have 1 MB.
   *
   * @default {16777216}
   */
  readonly maxStringLength: number;
  /**
   * Bytes of the name of a column; in Arrow, characters.
   *
   * @default {1024}
   */
  readonly maxNameLength: number;
}

/** The most that {@linkcode PayloadLimits.maxDepth} may be. */
export const MAX_DEPTH = 64;

/** Bytes that the engine needs for a cell, be it empty; measured with 16 million. */
export const CELL_SIZE = 32;

/** The limits of a server that sets none. */
export const DEFAULT_PAYLOAD_LIMITS: PayloadLimits = Object.freeze({
  maxDepth: 16,
  maxColumns: 4096,
  maxRows: 10_000_000,
  maxExpandedSize: 512 * 1024 * 1024,
  maxStringLength: 16 * 1024 * 1024,
  maxNameLength: 1024,
});

/**
 * `limits`, and the defaults for what they leave out.
 *
 * @throws {RangeError} If a limit isn't a number from 0 on.
 */
export function payloadLimits(
  limits: Partial<PayloadLimits> = {},
): PayloadLimits {
  const complete = { ...DEFAULT_PAYLOAD_LIMITS, ...limits };
  for (const [name, value] of Object.entries(complete)) {
    const most = name === "maxDepth" ? MAX_DEPTH : Infinity;
    if (!(value >= 0 && value <= most)) {
      throw new RangeError(
        `Cannot limit payloads: "${name}" must be from 0 to ${most}, ` +
          `received ${value}`,
      );
    }
  }
  return complete;
}

/**
 * Columns that the engine adds to a table of its own. A table that has one
 * already can't be read or changed; one that is sent in an update moves rows.
 */
const ENGINES_COLUMNS: ReadonlySet<string> = new Set([
  "psp_pkey",
  "psp_okey",
  "psp_op",
]);

const encoder = new TextEncoder();

/** What is wrong with a column's name, in whatever payload it stands. */
export function checkName(
  name: string,
  { maxNameLength }: PayloadLimits,
): Refusal | undefined {
  if (ENGINES_COLUMNS.has(name)) {
    return `column ${quoted(name)}: the engine uses this name itself`;
  }
  // The engine reads names as C strings: what follows is cut off, and two
  // names become one.
  if (name.includes("\0")) {
    return `column ${quoted(name)}: a name can't hold the character U+0000`;
  }
  if (name.length * 3 <= maxNameLength) return undefined;
  const length = encoder.encode(name).length;
  return length <= maxNameLength
    ? undefined
    : `column ${quoted(name)}: its name has ${length} bytes, at most ` +
      `${maxNameLength} are allowed`;
}

/** What is said of too many columns. */
export function tooManyColumns({ maxColumns }: PayloadLimits): Refusal {
  return `there are more than ${maxColumns} columns`;
}

/** What is said of too many rows. */
export function tooManyRows({ maxRows }: PayloadLimits): Refusal {
  return `there are more than ${maxRows} rows`;
}

/** What is said of rows that are too much for the engine together. */
export function tooLarge({ maxExpandedSize }: PayloadLimits): Refusal {
  return `the engine would make more than ${maxExpandedSize} bytes of this`;
}

/** A name or a value for a sentence: short, and on one line. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}
