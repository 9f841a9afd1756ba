/**
 * Puts files on the screen with [Perspective](https://perspective-dev.github.io):
 *
 * ```sh
 * deno run -A cli.ts sales.csv trades.arrow events.ndjson positions.parquet
 * ```
 *
 * `--help` lists its options.
 *
 * @module
 */

import { main } from "./src/cli/main.ts";

if (import.meta.main) Deno.exitCode = await main(Deno.args);
