/**
 * A server with three engines that can be let die. It gets what a contestant
 * gets, and `--isolation=worker|process`. Beside WebSockets it takes
 *
 * - `/state`: how its engines are, a `State`
 * - `/watch`: look at the engines from now on; with `?kill=N`, let one die
 * - `/recovered`: resolves when all are up again, to a `Recovery`
 */
import { parseArgs } from "node:util";
import {
  PerspectiveHandler,
  ProcessPool,
  Server,
  WorkerPool,
} from "../../mod.ts";
import { serve } from "../contestants/serve.ts";
import { TABLE } from "../load/data.mjs";
import { MortalPool } from "./mortal_pool.ts";
import { Watch } from "./watch.ts";

/** How many engines there are. */
const SIZE = 3;

const { values } = parseArgs({
  args: Deno.args,
  options: {
    engine: { type: "string", default: "" },
    data: { type: "string", default: "" },
    index: { type: "string" },
    isolation: { type: "string", default: "worker" },
  },
});
const { engine, index } = values;
const executor = new MortalPool(
  values.isolation === "process"
    ? new ProcessPool({ size: SIZE, maxMemory: Infinity })
    : new WorkerPool({ size: SIZE }),
  () => server.stats().replicas.findIndex(({ state }) => state === "down"),
);
const watch = new Watch(() => server.stats());
const server: Server = new Server({
  engine,
  executor,
  onError: (error) => watch.report(error),
});
await server.ready;
const { buffer } = await Deno.readFile(values.data);
await server.newLocalClient()
  .table(buffer, { name: TABLE, ...index && { index } });
const handler = new PerspectiveHandler({ server });

serve(async (request, info) => {
  const { pathname, searchParams } = new URL(request.url);
  if (pathname === "/state") {
    return Response.json({ primary: executor.primary, ...watch.state() });
  }
  if (pathname === "/watch") {
    const kill = searchParams.get("kill");
    watch.begin(kill === null ? 0 : 1);
    if (kill !== null) executor.kill(Number(kill));
    return new Response();
  }
  if (pathname === "/recovered") return Response.json(await watch.end());
  return handler.fetch(request, info);
});
