/**
 * Writes what a server and its handler are doing into a table, row by row.
 *
 * @module
 */
import type { Client, Table } from "@finos/perspective";
import type {
  HandlerStats,
  PerspectiveHandler,
  Server,
  ServerStats,
} from "../../mod.ts";

/** The name of the table. */
export const TABLE = "server_stats";

/** Rows that are kept: nearly three hours, with one a second. */
const MOST_ROWS = 10_000;

const SCHEMA = {
  time: "datetime",
  "requests/s": "float",
  "changes/s": "float",
  "pushes/s": "float",
  "computed/s": "float",
  "joined/s": "float",
  "remembered/s": "float",
  "refused/s": "float",
  connections: "integer",
  views: "integer",
  "engine views": "integer",
  pending: "integer",
  lag: "integer",
  "buffered KB": "float",
  "heaps MB": "float",
  "engines lost": "integer",
} as const;

/** A row of the table. */
export type Row = Record<keyof typeof SCHEMA, number>;

/** What there is to say at one time. */
export interface Sample {
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly server: ServerStats;
  readonly handler: HandlerStats;
}

/** What has happened between two samples, and what there is at the second. */
export function rowOf(before: Sample, now: Sample): Row {
  const seconds = (now.time - before.time) / 1000;
  const rate = (of: (sample: Sample) => number) =>
    (of(now) - of(before)) / seconds;
  const { server, handler } = now;
  const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);
  return {
    time: now.time,
    "requests/s": rate((it) => it.server.requests),
    "changes/s": rate((it) => it.server.changes),
    "pushes/s": rate((it) => it.server.pushes.sent),
    "computed/s": rate((it) => it.server.reads.computed),
    "joined/s": rate((it) => it.server.reads.joined),
    "remembered/s": rate((it) => it.server.reads.remembered),
    "refused/s": rate((it) => it.server.refused),
    connections: handler.connections,
    views: server.views,
    "engine views": server.engineViews,
    pending: server.pending,
    lag: Math.max(...server.replicas.map(({ behind }) => behind)),
    "buffered KB": handler.bufferedAmount / 1024,
    "heaps MB": sum(server.replicas.map((it) => it.heapSize)) / 1024 ** 2,
    "engines lost": server.recovery.lost,
  };
}

/** A table that is being written to. */
export interface Feed extends AsyncDisposable {
  readonly table: Table;
}

/**
 * Makes the table with `client`, and writes a row into it every `intervalMs`
 * until it is disposed of.
 */
export async function feed(
  client: Client,
  server: Server,
  handler: PerspectiveHandler,
  intervalMs = 1_000,
): Promise<Feed> {
  // Its types know of data only, not of schemas.
  const schema = SCHEMA as unknown as Record<string, unknown[]>;
  const table = await client.table(schema, { name: TABLE, limit: MOST_ROWS });
  const sample = () => ({
    time: Date.now(),
    server: server.stats(),
    handler: handler.stats(),
  });
  let before = sample();
  let writing = Promise.resolve();
  const timer = setInterval(() => {
    const now = sample();
    if (now.time <= before.time) return; // the clock was set
    const row = rowOf(before, now);
    before = now;
    writing = writing.then(() => table.update([row]))
      .catch((error) => console.error("Cannot write down stats:", error));
  }, intervalMs);
  return {
    table,
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer);
      await writing;
    },
  };
}
