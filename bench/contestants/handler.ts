/** Contestant: this package, everything on the main thread. */
import { Server } from "../../mod.ts";
import { serveOptions } from "./serve.ts";
import { serveTable } from "./serve_table.ts";

const options = serveOptions();
await serveTable(options, new Server({ engine: options.engine }));
