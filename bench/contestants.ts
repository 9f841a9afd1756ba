/**
 * Who takes part. A new contestant is a program in `contestants/` and an entry
 * here.
 *
 * A server gets `--data=FILE` (the table, in Arrow's format, to be served as
 * `data_source_one`), `--index=COLUMN` if the table is to have one, and
 * whatever its entry adds. It listens on a free port and prints a line
 * `{"ready":true,"port":N}`, or `{"missing":"why"}` if it can't run here. It
 * is stopped with SIGTERM.
 */
import type { Data } from "./data.ts";
import { deno } from "./deno.ts";
import { path } from "./path.ts";
import { type Installed, PYTHON, python } from "./python.ts";

/** The two lines of the engine. */
export type Line = 3 | 5;

/** What is measured of each. */
export const ENGINES = {
  3: { name: "@finos/perspective", version: "3.8.0" },
  5: { name: "@perspective-dev/client", version: "5.5.1" },
} as const satisfies Record<Line, { name: string; version: string }>;

/** What a contestant stands for; the ratios are made from this. */
export type Role =
  /** A bare socket: what the way there costs. */
  | "echo"
  /** A bare engine: what the computation costs. */
  | "bare"
  /** This package, everything on one thread. */
  | "handler"
  /** This package with a pool of workers. */
  | "pool"
  /** Perspective's own server for Node. */
  | "node"
  /** Perspective's own server for Python. */
  | "python";

/** How a contestant is run. */
export interface Program {
  /**
   * A server for the load generator to drive, or a loop that is its own load
   * generator and gets that one's options as well.
   */
  readonly kind: "server" | "loop";
  /** The command to start it with. */
  command(data: Data): string[];
  /** Installs what it needs, unless that is there. */
  install?(): Promise<Installed>;
}

/** One who takes part. */
export interface Contestant {
  /** Its name on the command line and in the results. */
  readonly name: string;
  /** What it is, for the report. */
  readonly title: string;
  readonly role: Role;
  /** Which engine it runs; `null` for the echo, which has none. */
  readonly line: Line | null;
  readonly program: Program;
}

/** Every contestant, in the order of the report. */
export const contestants: readonly Contestant[] = [
  {
    name: "echo",
    title: "Deno.serve, echo",
    role: "echo",
    line: null,
    program: { kind: "server", command: () => deno("contestants/echo.ts") },
  },
  bare(3),
  bare(5),
  handler(3),
  handler(5),
  pool(3),
  pool(5),
  node(3),
  node(5),
  tornado(3, false),
  tornado(3, true),
  tornado(5, false),
  tornado(5, true),
];

function bare(line: Line): Contestant {
  const { version } = ENGINES[line];
  return {
    name: `bare-${version}`,
    title: `Engine ${version}, no socket`,
    role: "bare",
    line,
    program: {
      kind: "loop",
      command: (data) =>
        deno("contestants/bare.ts", npmEngine(line), ...options(data)),
    },
  };
}

function handler(line: Line): Contestant {
  const { version } = ENGINES[line];
  return {
    name: `handler-${version}`,
    title: `This handler, ${version}, one thread`,
    role: "handler",
    line,
    program: {
      kind: "server",
      command: (data) =>
        deno("contestants/handler.ts", npmEngine(line), ...options(data)),
    },
  };
}

function pool(line: Line): Contestant {
  const { version } = ENGINES[line];
  return {
    name: `pool-${version}`,
    title: `This handler, ${version}, pool`,
    role: "pool",
    line,
    program: {
      kind: "server",
      command: (data) =>
        deno("contestants/pool.ts", npmEngine(line), ...options(data)),
    },
  };
}

function node(line: Line): Contestant {
  const { name, version } = ENGINES[line];
  return {
    name: `node-${version}`,
    title: `Node's WebSocketServer, ${version}`,
    role: "node",
    line,
    program: {
      kind: "server",
      command: (data) => [
        "node",
        path("contestants/node.mjs"),
        `--engine=${name}`,
        ...options(data),
      ],
    },
  };
}

function tornado(line: Line, threads: boolean): Contestant {
  const version = PYTHON[line];
  return {
    name: `tornado-${version}${threads ? "-threads" : ""}`,
    title: `PerspectiveTornadoHandler, ${version}${threads ? ", threads" : ""}`,
    role: "python",
    line,
    program: {
      kind: "server",
      command: (data) => [
        python.program(version),
        // Isolated: else the program's name hides the package's.
        "-I",
        path("contestants/tornado.py"),
        ...threads ? ["--threads"] : [],
        ...options(data),
      ],
      install: () => python.install(version),
    },
  };
}

function options({ file, index }: Data): string[] {
  return [`--data=${file}`, ...index ? [`--index=${index}`] : []];
}

function npmEngine(line: Line): string {
  const { name, version } = ENGINES[line];
  return `--engine=npm:${name}@${version}`;
}
