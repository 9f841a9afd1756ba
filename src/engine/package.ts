/**
 * Loading an engine's package: the only place that knows there are two.
 *
 * @module
 */

import type { Client } from "@finos/perspective";
import process from "node:process";
import os from "node:os";
import { EngineLoadError, toError } from "../errors.ts";
import type { Line } from "../protocol/kinds.ts";
import { NO_PORT } from "../protocol/table_copy.ts";
import type { ForeignServer } from "./session_engine.ts";
import type { PackageServer } from "./wasm_server.ts";

/** The engine that is used when the program names none. */
export const DEFAULT_ENGINE = "npm:@finos/perspective@3.8.0";

/** Makes a Perspective client that writes its requests to `send`. */
export type MakeClient = (
  send: (frame: Uint8Array) => Promise<void>,
  close?: () => void,
) => Client;

/** What is used of an engine's package. */
export interface EnginePackage {
  /** Which line it is of. */
  readonly line: Line;
  /** A new, empty server. All of one thread share one WebAssembly memory. */
  newServer(): PackageServer;
  /** A client of the package. */
  readonly newClient: MakeClient;
  /** The package's global server, which its own `table()` fills. */
  readonly global: ForeignServer;
}

/** The exports of both packages that are used here. */
interface PackageModule {
  PerspectiveServer: new () => PackageServer;
  make_client: MakeClient;
  make_session: ForeignServer["make_session"];
  host_supports_memory64?: unknown;
}

/**
 * Loads the package that `specifier` names.
 *
 * @throws {EngineLoadError} If it can't be loaded, or is no engine.
 */
export async function loadPackage(specifier: string): Promise<EnginePackage> {
  const module = await importPackage(specifier);
  if (
    typeof module.PerspectiveServer !== "function" ||
    typeof module.make_client !== "function"
  ) {
    throw new EngineLoadError(
      specifier,
      `Cannot use engine ${quote(specifier)}: it must export ` +
        `PerspectiveServer and make_client, as ${DEFAULT_ENGINE} does`,
    );
  }
  return {
    line: module.host_supports_memory64 === undefined ? "3" : "5",
    newServer: () => new module.PerspectiveServer(),
    newClient: module.make_client,
    global: { make_session: module.make_session },
  };
}

async function importPackage(specifier: string): Promise<PackageModule> {
  try {
    // Written out, the default is part of the module graph: it is downloaded,
    // checked and compiled with the program. Any other is loaded only if asked.
    if (specifier === DEFAULT_ENGINE) {
      return await import("@finos/perspective") as unknown as PackageModule;
    }
    return await guarded(() => import(specifier)) as PackageModule;
  } catch (reason) {
    throw new EngineLoadError(
      specifier,
      `Cannot load engine ${quote(specifier)}: ${advice(toError(reason))}`,
      reason,
    );
  }
}

function quote(text: string): string {
  return JSON.stringify(text);
}

/** What to do about a failed import. */
function advice(error: Error): string {
  const said = error.message.split("\n")[0]!.replace(/\.$/, "");
  if (
    error instanceof Deno.errors.NotCapable ||
    error.cause instanceof Deno.errors.NotCapable
  ) {
    return `${said}. Allow it: the engine reads its WebAssembly from Deno's ` +
      `npm cache (--allow-read), and its "ws" package reads two variables ` +
      `(--allow-env=WS_NO_BUFFER_UTIL,WS_NO_UTF_8_VALIDATE)`;
  }
  return `${said}. Check its name and version; "deno cache SPECIFIER" ` +
    `downloads it`;
}

/** What the package says of rows that are to be counted. */
const COUNTED =
  `Cannot send table to port \`${NO_PORT}\`, which does not exist.`;

/** One at a time, since it changes what other code sees. */
let turn: Promise<unknown> = Promise.resolve();

/**
 * Imports a package without three habits of `@perspective-dev/client` 5.5.1
 * (ENGINE 9.3 to 9.5): it copies the whole of `process.env`, which takes an
 * unrestricted `--allow-env`; it ends the process on SIGINT before the program's
 * own listener gets to shut down; and it writes to stderr that rows are for a
 * port that isn't there, which is how the rows of a copied table are counted.
 *
 * While the package loads, the environment can be read name by name, as ever,
 * but lists no names. Of `console.error` it then has one that doesn't say that.
 */
function guarded<T>(load: () => Promise<T>): Promise<T> {
  const run = async () => {
    const { env } = process;
    const { tmpdir } = os;
    const { error } = console;
    const before = new Set(process.listeners("SIGINT"));
    process.env = unlisted(env);
    os.tmpdir = () => mayRead("TMPDIR") ? tmpdir() : "/tmp";
    console.error = (...said) => {
      if (said[0] !== COUNTED) error.apply(console, said);
    };
    try {
      return await load();
    } finally {
      process.env = env;
      os.tmpdir = tmpdir;
      console.error = error;
      for (const listener of process.listeners("SIGINT")) {
        if (!before.has(listener) && exits(listener)) {
          process.off("SIGINT", listener);
        }
      }
    }
  };
  const result = turn.then(run);
  turn = result.catch(() => {});
  return result;
}

/** `env`, to be read and written by name. */
function unlisted(env: typeof process.env): typeof process.env {
  // The target is another object since the runtime asks that one for its
  // names, too, when it checks what `ownKeys` returns.
  return new Proxy({}, {
    get: (_, name) => Reflect.get(env, name),
    set: (_, name, value) => Reflect.set(env, name, value),
    has: (_, name) => Reflect.has(env, name),
    deleteProperty: (_, name) => Reflect.deleteProperty(env, name),
  });
}

function mayRead(variable: string): boolean {
  const { state } = Deno.permissions.querySync({ name: "env", variable });
  return state === "granted";
}

/** Whether it is the package's listener, not one that the program added meanwhile. */
// deno-lint-ignore ban-types -- that is how node:process types a listener
function exits(listener: Function): boolean {
  return String(listener).includes("process.exit(130)");
}
