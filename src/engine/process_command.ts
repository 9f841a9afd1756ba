/**
 * How a process with an engine is started.
 *
 * @module
 */

import { EngineLoadError, toError } from "../errors.ts";

/** How to start processes. */
export interface CommandOptions {
  /** The program with its arguments, instead of Deno with `worker.ts`. */
  readonly command?: readonly string[] | undefined;
  /** What `deno run` is told besides. */
  readonly flags?: readonly string[] | undefined;
}

/** From where Deno takes modules when nothing is said. */
const HOSTS = [
  "deno.land",
  "jsr.io",
  "esm.sh",
  "raw.esm.sh",
  "cdn.jsdelivr.net",
  "raw.githubusercontent.com",
];

/** The module that a process runs. */
function module(): string {
  return new URL("../../worker.ts", import.meta.url).href;
}

/**
 * What to run for a process with `engine`: the program, then its arguments.
 *
 * @throws {EngineLoadError} If this program isn't run by Deno but compiled, and
 * doesn't say what to run instead.
 */
export function commandFor(
  engine: string,
  { command, flags = [] }: CommandOptions,
  isCompiled: boolean = Deno.build.standalone,
): readonly string[] {
  if (command !== undefined) return command;
  if (isCompiled) {
    throw new EngineLoadError(
      engine,
      'Cannot start a process: a compiled program needs the option "command" ' +
        "to say what to run. Compile this package's worker.ts to a program " +
        `of its own, with ${permissions(engine).join(" ")}, and name that`,
    );
  }
  return [
    Deno.execPath(),
    "run",
    "--quiet",
    "--no-prompt",
    ...(flags.some(isAllowAll) ? [] : permissions(engine)),
    ...flags,
    module(),
  ];
}

/** Deno doesn't take it together with others. */
function isAllowAll(flag: string): boolean {
  return flag === "-A" || flag === "--allow-all";
}

/**
 * What an engine needs: its WebAssembly, two variables that its "ws" package
 * reads (ENGINE 7.6), and how much memory there is.
 */
function permissions(engine: string): string[] {
  const allowed = [
    "--allow-read",
    "--allow-env=WS_NO_BUFFER_UTIL,WS_NO_UTF_8_VALIDATE",
    "--allow-sys=systemMemoryInfo",
  ];
  const hosts = [module(), engine].flatMap(hostOf);
  // It replaces what Deno allows when nothing is said.
  if (hosts.some((host) => !HOSTS.includes(host))) {
    allowed.push(`--allow-import=${[...HOSTS, ...new Set(hosts)].join(",")}`);
  }
  return allowed;
}

/** The host that a module comes from, if it comes from one. */
function hostOf(specifier: string): string[] {
  if (!/^https?:/.test(specifier) || !URL.canParse(specifier)) return [];
  const { host, port, protocol } = new URL(specifier);
  return [port === "" && protocol === "http:" ? `${host}:80` : host];
}

/**
 * Starts a process, all of whose streams are piped.
 *
 * @throws {EngineLoadError} If it can't be started.
 */
export function spawn(
  engine: string,
  options: CommandOptions,
): Deno.ChildProcess {
  const [program, ...args] = commandFor(engine, options);
  try {
    return new Deno.Command(program!, {
      args,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  } catch (reason) {
    const error = toError(reason);
    throw new EngineLoadError(
      engine,
      `Cannot start a process: ${said(error)}${advice(error, program!)}`,
      reason,
    );
  }
}

function advice(error: Error, program: string): string {
  if (error instanceof Deno.errors.NotCapable) {
    return `. Allow it (--allow-run=${program}), or use WorkerPool`;
  }
  return `. Look at the option "command"`;
}

function said({ message }: Error): string {
  return message.split("\n")[0]!.replace(/\.$/, "");
}

/** A process that has ended in a way it shouldn't have, for people to read. */
export function outcome({ code, signal }: Deno.CommandStatus): string {
  return signal === null ? `with code ${code}` : `by ${signal}`;
}
