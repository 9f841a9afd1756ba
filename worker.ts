/**
 * What a worker of `WorkerPool` or a process of `ProcessPool` runs: an engine
 * that takes frames from the program's main thread and hands the answers back.
 *
 * It isn't imported but started, by its URL.
 *
 * @module
 */

import {
  hostProcess,
  PROCESS_THREAD,
  serveProcess,
} from "./src/engine/process_host.ts";
import { hostEngine, type WorkerScope } from "./src/engine/worker_host.ts";

const scope = globalThis as unknown as WorkerScope & { readonly name?: string };

if (!("WorkerGlobalScope" in globalThis)) hostProcess(import.meta.url);
else if (scope.name === PROCESS_THREAD) {
  serveProcess((message) => scope.postMessage(message as never, []));
} else hostEngine(scope);
