/**
 * Who takes part. A new contestant is a program in `contestants/` and an entry
 * here.
 *
 * A server gets `--data=FILE` (the table, in Arrow's format, to be served as
 * `data_source_one`) and whatever its entry adds, listens on a free port and
 * prints a line `{"ready":true,"port":N}`. It is stopped with SIGTERM.
 */
import { path } from "./path.ts";

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
  /** This package. */
  | "handler"
  /** Perspective's own server for Node. */
  | "node"
  /** Perspective's own server for Python. */
  | "python";

/** How a contestant is run. */
export type Program =
  /** A server for the load generator to drive. */
  | { readonly kind: "server"; command(data: string): string[] }
  /** Its own load generator; gets that one's options as well. */
  | { readonly kind: "loop"; command(data: string): string[] }
  /** Nobody has written it yet, or it can't run here. */
  | { readonly kind: "missing"; readonly why: string };

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
    program: { kind: "server", command: () => deno("echo.ts") },
  },
  bare(3),
  bare(5),
  handler(3),
  handler(5),
  node(3),
  node(5),
  // Python's servers, with and without a thread pool, belong here.
  python("3.8.0", 3),
  python("5.6.1", 5),
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
      command: (data) => deno("bare.ts", npmEngine(line), `--data=${data}`),
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
      command: (data) => deno("handler.ts", npmEngine(line), `--data=${data}`),
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
        `--data=${data}`,
      ],
    },
  };
}

function python(version: string, line: Line): Contestant {
  return {
    name: `tornado-${version}`,
    title: `PerspectiveTornadoHandler, ${version}`,
    role: "python",
    line,
    program: { kind: "missing", why: "no program for it yet" },
  };
}

/** Runs a program in Deno, with the imports of the package. */
function deno(program: string, ...args: string[]): string[] {
  return [
    Deno.execPath(),
    "run",
    "-A",
    `--config=${path("../deno.json")}`,
    path(`contestants/${program}`),
    ...args,
  ];
}

function npmEngine(line: Line): string {
  const { name, version } = ENGINES[line];
  return `--engine=npm:${name}@${version}`;
}
