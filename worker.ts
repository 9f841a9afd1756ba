/**
 * What a worker of `WorkerPool` runs: an engine that takes frames from the
 * main thread and posts the answers back.
 *
 * It isn't imported but started, by its URL.
 *
 * @module
 */

import { hostEngine, type WorkerScope } from "./src/engine/worker_host.ts";

hostEngine(globalThis as unknown as WorkerScope);
