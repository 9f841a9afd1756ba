/**
 * Programs of their own, with permissions of their own. For tests only.
 *
 * @module
 */

/** What a program said. */
export interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs `source` with this repository's configuration and otherwise only what
 * `flags` allow.
 */
export async function runProgram(
  source: string,
  flags: readonly string[],
  args: readonly string[] = [],
): Promise<Output> {
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  const config = new URL("../../deno.json", import.meta.url).pathname;
  try {
    await Deno.writeTextFile(file, source);
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", "--config", config, ...flags, file, ...args],
      env: { NO_COLOR: "1", SECRET: "hidden" },
      stdin: "null",
    }).output();
    const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code, stdout: decode(stdout), stderr: decode(stderr) };
  } finally {
    await Deno.remove(file);
  }
}
