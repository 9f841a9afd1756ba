/** Contestant: this package with a pool of workers of its default size. */
import * as mod from "../../mod.ts";
import { serveOptions } from "./serve.ts";
import { serveTable } from "./serve_table.ts";

/** The pool's class, if this version of the package has one. */
const WorkerPool = Reflect.get(mod, "WorkerPool") as
  | (new () => mod.Executor)
  | undefined;

if (WorkerPool) {
  const options = serveOptions();
  const { engine } = options;
  const executor = new WorkerPool();
  await serveTable(options, new mod.Server({ engine, executor }));
} else {
  console.log(JSON.stringify({ missing: "mod.ts exports no WorkerPool yet" }));
}
