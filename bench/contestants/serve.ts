/** What the contestants that run in Deno have in common. */
import { parseArgs } from "node:util";

/** What the runner tells a contestant. */
export interface ServeOptions {
  /** Package of the engine. */
  readonly engine: string;
  /** File of the table, in Arrow's format. */
  readonly data: string;
  /** The table's index, if it is to have one. */
  readonly index: string | undefined;
}

/** Reads the command line. */
export function serveOptions(): ServeOptions {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      engine: { type: "string", default: "" },
      data: { type: "string", default: "" },
      index: { type: "string" },
    },
  });
  return { ...values, index: values.index };
}

/** Serves on a free port and tells the runner which. */
export function serve(handler: Deno.ServeHandler): void {
  Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen: ({ port }) => console.log(JSON.stringify({ ready: true, port })),
  }, handler);
}
