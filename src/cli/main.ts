/**
 * The command in a process of its own.
 *
 * @module
 */

import { run } from "./run.ts";

const encoder = new TextEncoder();

/** Runs the command with this process's input, output and signals. */
export async function main(args: string[]): Promise<number> {
  const { promise: stopped, resolve: stop } = Promise.withResolvers<void>();
  using _ = onInterrupt(stop);
  const code = await run(args, {
    get stdin() {
      return Deno.stdin.readable;
    },
    out: (line) => console.log(line),
    terminal: {
      isTerminal: Deno.stderr.isTerminal(),
      write: (text) => void Deno.stderr.writeSync(encoder.encode(text)),
    },
    stopped,
  });
  // Reading standard input, which may be a terminal, would keep it alive.
  if (args.includes("-")) Deno.exit(code);
  return code;
}

/**
 * Calls `stop` on the first Ctrl-C or SIGTERM, which answers what is under way;
 * the second ends at once.
 */
function onInterrupt(stop: () => void): Disposable {
  let isStopping = false;
  const listener = () => {
    if (isStopping) Deno.exit(130);
    isStopping = true;
    stop();
  };
  const signals: Deno.Signal[] = Deno.build.os === "windows"
    ? ["SIGINT"]
    : ["SIGINT", "SIGTERM"];
  for (const signal of signals) Deno.addSignalListener(signal, listener);
  return {
    [Symbol.dispose]() {
      for (const signal of signals) Deno.removeSignalListener(signal, listener);
    },
  };
}
