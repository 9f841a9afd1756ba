import { path } from "./path.ts";

/** The command for a program of this folder, with the package's imports. */
export function deno(program: string, ...args: string[]): string[] {
  return [
    Deno.execPath(),
    "run",
    "-A",
    `--config=${path("../deno.json")}`,
    path(program),
    ...args,
  ];
}
