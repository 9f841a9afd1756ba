/**
 * What a person at a terminal is told in one line.
 *
 * @module
 */

/** A mistake on the command line: exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** A file that can't be shown, and why. */
export class BadFileError extends Error {
  override readonly name = "BadFileError";
}

/** The reason in one line, for somebody who doesn't know the code. */
export function reasonOf(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "there is no such file";
  if (error instanceof Deno.errors.AddrInUse) return "the port is in use";
  if (error instanceof Deno.errors.PermissionDenied) {
    return "the system doesn't allow it";
  }
  const message = error instanceof Error ? error.message : String(error);
  return message.split("\n", 1)[0]!.replace(/^Abort\(\): /, "");
}
