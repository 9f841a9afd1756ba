/**
 * Saying why a payload of Arrow is refused.
 *
 * @module
 */

/** What is wrong with a payload; its message says where and what to do. */
export class Refusal extends Error {
  /** The class, for logs. */
  override readonly name = "Refusal";
}

/** Where in a payload something is. */
export interface Place {
  /** What holds it: `record batch 2`, `dictionary 0`. */
  readonly batch?: string;
  /** The name of the column. */
  readonly column?: string;
  /** The row in that batch, from 0. */
  readonly row?: number;
}

/** Ends the check. `what` is a sentence without its start and its full stop. */
export function refuse(
  what: string,
  { batch, column, row }: Place = {},
): never {
  const where = [
    batch,
    column === undefined ? undefined : `column ${quote(column)}`,
    row === undefined ? undefined : `row ${row}`,
  ].filter((part) => part !== undefined).join(", ");
  throw new Refusal(
    `Cannot read Arrow: ${where === "" ? "" : `${where}: `}${what}`,
  );
}

/** A name as a message shows it: short, and without control characters. */
export function quote(name: string): string {
  return JSON.stringify(name.length > 60 ? `${name.slice(0, 60)}…` : name);
}
