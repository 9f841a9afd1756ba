/**
 * The command.
 *
 * @module
 */

import type { Client } from "@finos/perspective";
import { WorkerPool } from "../engine/worker_pool.ts";
import {
  EngineFaultError,
  EngineLoadError,
  type OnError,
  ServerLostError,
} from "../errors.ts";
import { Server } from "../server/server.ts";
import { BadFileError, reasonOf, UsageError } from "./errors.ts";
import { FileTable, type TableSettings } from "./file_table.ts";
import { tableNames } from "./names.ts";
import { openInBrowser } from "./open.ts";
import { type CliOptions, HELP, parseOptions, STDIN } from "./options.ts";
import { Progress, type Terminal } from "./progress.ts";
import { Site } from "./site.ts";
import { StreamTable } from "./stream_table.ts";
import { newToken } from "./token.ts";
import { FileWatcher } from "./watch.ts";
import config from "../../deno.json" with { type: "json" };

/** Where the command reads from and writes to. */
export interface Surroundings {
  /** Standard input. */
  readonly stdin: ReadableStream<Uint8Array>;
  /** Writes a line to standard output. */
  out(line: string): void;
  /** Where it says what goes wrong, and how far it has come. */
  readonly terminal: Terminal;
  /** Resolves when it shall end. */
  readonly stopped: Promise<void>;
}

/** Runs the command; resolves with its exit code. */
export async function run(
  args: string[],
  surroundings: Surroundings,
): Promise<number> {
  const say = (line: string) => surroundings.terminal.write(`${line}\n`);
  try {
    const options = parseOptions(args);
    if (options === "help") surroundings.out(HELP);
    else if (options === "version") surroundings.out(config.version);
    else {
      await using show = new Show(options, surroundings, say);
      return await show.run();
    }
    return 0;
  } catch (error) {
    const code = error instanceof UsageError
      ? 2
      : error instanceof EngineLoadError
      ? 1
      : undefined;
    if (code === undefined) throw error;
    say(reasonOf(error));
    return code;
  }
}

/** Some files on the screen. */
class Show implements AsyncDisposable {
  readonly #options: CliOptions;
  readonly #surroundings: Surroundings;
  readonly #say: (line: string) => void;
  readonly #progress: Progress;
  readonly #names: ReadonlyMap<string, string>;
  readonly #server: Server;
  readonly #pool: WorkerPool | undefined;
  #files: FileTable[] = [];
  #stream: StreamTable | undefined;
  #site: Site | undefined;
  #watcher: FileWatcher | undefined;

  constructor(
    options: CliOptions,
    surroundings: Surroundings,
    say: (line: string) => void,
  ) {
    this.#options = options;
    this.#surroundings = surroundings;
    const { terminal } = surroundings;
    this.#progress = new Progress(terminal, () => performance.now());
    this.#say = (line) => {
      this.#progress.end();
      say(line);
    };
    const names = tableNames(options.files, this.#say);
    this.#names = new Map(names.map((name, i) => [name, options.files[i]!]));
    checkIndex(options, names);
    const { workers: size, engine } = options;
    this.#pool = size === 0
      ? undefined
      : new WorkerPool(size === undefined ? {} : { size });
    this.#server = new Server({
      engine,
      ...this.#pool &&
        { executor: this.#pool, onLost: (client) => this.#reload(client) },
      onError: onError(this.#say),
    });
  }

  /** Shows them until it shall stop; says the exit code. */
  async run(): Promise<number> {
    const { stopped } = this.#surroundings;
    await checkPaths(this.#options.files);
    await this.#server.ready;
    const client = this.#server.newLocalClient();
    await this.#load(client);
    if (this.#files.length === 0 && this.#stream === undefined) return 1;
    const site = this.#site = this.#open();
    if (this.#options.watch) this.#watch();
    // It may go on for ever; cancelled when the command ends.
    const reading = this.#stream?.read(this.#surroundings.stdin).catch((
      error,
    ) => this.#say(`stdin: ${reasonOf(error)}`));
    const url = await this.#tell(site);
    if (this.#options.open) {
      await openInBrowser(url).catch((error) =>
        this.#say(`Cannot open a browser: ${reasonOf(error)}`)
      );
    }
    await stopped;
    await site.close();
    void reading;
    return 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#progress.end();
    this.#watcher?.[Symbol.dispose]();
    await this.#watcher?.done;
    await this.#site?.close();
    await this.#server.close();
    await this.#pool?.close();
  }

  /** Loads what can be loaded, and says what can't. */
  async #load(client: Client): Promise<void> {
    for (const [name, path] of this.#names) {
      const settings = this.#settingsOf(name);
      if (path === STDIN) {
        this.#stream = new StreamTable(name, client, settings, this.#say);
        continue;
      }
      const file = new FileTable(name, path, settings);
      if (await this.#try(file, () => this.#loadFile(file, client))) {
        this.#files.push(file);
      }
    }
  }

  async #loadFile(file: FileTable, client: Client): Promise<void> {
    this.#progress.begin(file.path);
    await file.load(client, (...it) => this.#progress.update(...it));
    this.#progress.end();
  }

  /** All engines were lost, and the tables with them. */
  async #reload(client: Client): Promise<void> {
    for (const file of this.#files) {
      await this.#try(file, () => this.#loadFile(file, client));
    }
    this.#stream?.restart(client);
    this.#say("The engines were lost; the files are loaded again");
  }

  /** Whether `act` goes well; otherwise says in a line why it doesn't. */
  async #try(file: FileTable, act: () => Promise<void>): Promise<boolean> {
    try {
      await act();
      return true;
    } catch (error) {
      if (!(error instanceof BadFileError)) throw error;
      this.#say(`${file.path}: ${error.message}`);
      return false;
    }
  }

  #settingsOf(name: string): TableSettings {
    const { index, limit } = this.#options;
    const names = [...this.#names.keys()];
    const entries = new Map(index.map((entry) => splitIndex(entry, names)));
    const column = entries.get(name) ?? entries.get(undefined);
    return {
      ...column !== undefined && { index: column },
      ...limit !== undefined && { limit },
    };
  }

  #open(): Site {
    const { isEditable, host, port, token } = this.#options;
    const tables = this.#files.map(({ name }) => name);
    if (this.#stream !== undefined) tables.push(this.#stream.name);
    return new Site({
      server: this.#server,
      tables: [...this.#names.keys()].filter((name) => tables.includes(name)),
      isEditable,
      host,
      port,
      token: token === "" ? newToken() : token,
    });
  }

  #watch(): void {
    const paths = this.#files.map(({ path }) => path);
    this.#watcher = new FileWatcher(paths, (path) => this.#refresh(path));
  }

  async #refresh(path: string): Promise<void> {
    for (const file of this.#files.filter((it) => it.path === path)) {
      await this.#try(file, async () => {
        const change = await file.refresh((it) => this.#site!.swap(it));
        if (change === "replaced") this.#say(`${path}: loaded again`);
      }).catch((error) => this.#say(`${path}: ${reasonOf(error)}`));
    }
  }

  /** Tells what there is, and where; says the URL. */
  async #tell(site: Site): Promise<string> {
    for (const { name, path, table } of this.#files) {
      const rows = (await table.size()).toLocaleString("en");
      this.#surroundings.out(`${name}: ${rows} rows of ${path}`);
    }
    if (this.#stream) {
      this.#surroundings.out(`${this.#stream.name}: as rows come`);
    }
    this.#surroundings.out(`${site.pageUrl} (Ctrl-C to stop)`);
    return site.pageUrl;
  }
}

/** @throws {UsageError} If a file isn't there. */
async function checkPaths(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    if (path === STDIN) continue;
    await Deno.stat(path).catch((error) => {
      throw new UsageError(`${path}: ${reasonOf(error)}`);
    });
  }
}

/** `table=column`, if there is such a table, else a column of all. */
function splitIndex(
  entry: string,
  names: readonly string[],
): [table: string | undefined, column: string] {
  const name = names.find((it) => entry.startsWith(`${it}=`));
  return name === undefined
    ? [undefined, entry]
    : [name, entry.slice(name.length + 1)];
}

/** @throws {UsageError} If an index names no column. */
function checkIndex({ index }: CliOptions, names: readonly string[]): void {
  for (const entry of index) {
    if (splitIndex(entry, names)[1] === "") {
      throw new UsageError(
        `--index must name a column, received "${entry}" (see --help)`,
      );
    }
  }
}

function onError(say: (line: string) => void): OnError {
  return (error, { stage }) => {
    // That one is thrown as well, and told in one line.
    if (error instanceof EngineLoadError) return;
    // The server sees to it: there is nothing to find in the program.
    const isSeenTo = error instanceof EngineFaultError ||
      error instanceof ServerLostError;
    say(
      `perspective (${stage}): ${
        isSeenTo ? reasonOf(error) : error.stack ?? error
      }`,
    );
  };
}
