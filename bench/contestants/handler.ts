/** Contestant: this package, everything on the main thread. */
import { PerspectiveHandler, Server } from "../../mod.ts";
import { TABLE } from "../load/data.mjs";
import { serve, serveOptions } from "./serve.ts";

const { engine, data } = serveOptions();
const server = new Server({ engine });
await server.ready;
const { buffer } = await Deno.readFile(data);
await server.newLocalClient().table(buffer, { name: TABLE });
const handler = new PerspectiveHandler({ server });
serve((request, info) => handler.fetch(request, info));
