/** What the numbers were measured on. */
import { cpus } from "node:os";
import { python } from "./python.ts";

/** A machine and what runs on it. */
export interface Machine {
  readonly os: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  /** Load average of the last minute when the run began. */
  readonly load: number;
  readonly deno: string;
  readonly v8: string;
  readonly node: string;
  readonly python: string | null;
}

/** Looks around. */
export async function machine(): Promise<Machine> {
  const { total } = Deno.systemMemoryInfo();
  return {
    os: `${Deno.build.os} ${Deno.osRelease()} ${Deno.build.arch}`,
    cpu: cpus()[0]?.model ?? "unknown",
    cores: navigator.hardwareConcurrency,
    memoryGiB: Math.round(total / 2 ** 30 * 10) / 10,
    load: Math.round(Deno.loadavg()[0]! * 100) / 100,
    deno: Deno.version.deno,
    v8: Deno.version.v8,
    node: await nodeVersion(),
    python: await python.version(),
  };
}

async function nodeVersion(): Promise<string> {
  const { stdout } = await new Deno.Command("node", { args: ["--version"] })
    .output();
  return new TextDecoder().decode(stdout).trim().replace(/^v/, "");
}
