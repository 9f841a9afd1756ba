/** What the contestants that run this package have in common. */
import { PerspectiveHandler, type Server } from "../../mod.ts";
import { TABLE } from "../load/data.mjs";
import { serve, type ServeOptions } from "./serve.ts";

/** Serves the table with this package's handler. */
export async function serveTable(
  { data, index }: ServeOptions,
  server: Server,
): Promise<void> {
  await server.ready;
  const { buffer } = await Deno.readFile(data);
  await server.newLocalClient()
    .table(buffer, { name: TABLE, ...index && { index } });
  const handler = new PerspectiveHandler({ server });
  serve((request, info) => handler.fetch(request, info));
}
