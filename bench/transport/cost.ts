/** What processor time was used: by the process, and by the main thread. */
import process from "node:process";

/** Microseconds so far. */
export interface Cost {
  readonly process: number;
  /** `NaN` off Linux. */
  readonly main: number;
}

/** What was used so far; to be called on the main thread. */
export function cost(): Cost {
  const { user, system } = process.cpuUsage();
  return { process: user + system, main: mainMicros() };
}

function mainMicros(): number {
  try {
    const text = Deno.readTextFileSync("/proc/thread-self/schedstat");
    return Number(text.split(" ")[0]) / 1000;
  } catch {
    return NaN;
  }
}
