/**
 * The engines and clients that tests run with.
 *
 * @module
 */

import * as finos from "@finos/perspective";
import type { Client } from "@finos/perspective";
import type { Line } from "../protocol/kinds.ts";

/** The two engines. */
export const ENGINES = {
  "3": "npm:@finos/perspective@3.8.0",
  "5": "npm:@perspective-dev/client@5.5.1",
} as const satisfies Record<Line, string>;

/** Which clients meet which engine. */
export interface Pairing {
  /** For test names. */
  readonly name: string;
  readonly engine: Line;
  readonly client: Line;
}

/** Both engines with their own clients, and the older client on the newer engine. */
export const PAIRINGS: readonly Pairing[] = [
  { name: "3.8.0", engine: "3", client: "3" },
  { name: "5.5.1", engine: "5", client: "5" },
  { name: "5.5.1 with 3.8.0 clients", engine: "5", client: "3" },
];

/** A real client of `line`, connected to `url`. */
export async function connect(line: Line, url: string): Promise<Client> {
  return await (await clientPackage(line)).websocket(url);
}

/** A client of `line` over frames. */
export async function clientOver(
  line: Line,
  send: (frame: Uint8Array) => Promise<void>,
): Promise<Client> {
  return (await clientPackage(line)).make_client(send);
}

async function clientPackage(line: Line): Promise<typeof finos> {
  if (line === "3") return finos;
  // Loaded as the server loads it, for the sake of its SIGINT listener.
  const { loadPackage } = await import("../engine/package.ts");
  await loadPackage(ENGINES["5"]);
  return await import(ENGINES["5"]) as unknown as typeof finos;
}
