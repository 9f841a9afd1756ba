/**
 * Pipes to a process, as `ProcessPool` has them. What its threads use of the
 * processor isn't in the report: it isn't this process's.
 */
import { fileURLToPath } from "node:url";
import {
  EntryPacker,
  EntryReader,
} from "../../../src/engine/process_entries.ts";
import type { ProcessWayKind, TakeAnswer } from "../way.ts";

/** The main thread's end; the other is `../process.ts`. */
export const processWay: ProcessWayKind = {
  name: "process",
  async spawn(spin, take) {
    const program = fileURLToPath(new URL("../process.ts", import.meta.url));
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--allow-read", program, String(spin)],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const input = child.stdin.getWriter();
    const packer = new EntryPacker();
    let waiting: Uint8Array[] = [];
    let isWriting = false;
    const write = async () => {
      while (waiting.length > 0) {
        for (const frame of waiting) {
          packer.add(frame.length, (bytes, at) => bytes.set(frame, at));
        }
        waiting = [];
        await input.write(packer.take());
      }
      isWriting = false;
    };
    const hosting = Promise.withResolvers<void>();
    readAll(child.stdout, take, hosting.resolve);
    await hosting.promise;
    return {
      send(frame) {
        waiting.push(frame);
        if (isWriting) return;
        isWriting = true;
        queueMicrotask(write);
      },
      close: () => child.kill("SIGKILL"),
    };
  },
};

/** The first entry says that the process is there. */
async function readAll(
  stream: ReadableStream<Uint8Array>,
  take: TakeAnswer,
  onStart: () => void,
): Promise<void> {
  const entries = new EntryReader();
  const reader = stream.getReader({ mode: "byob" });
  let hasStarted = false;
  for (;;) {
    const { value, done } = await reader.read(entries.space);
    if (done) return;
    entries.filled(value.length, value.buffer);
    for (let entry; (entry = entries.next()) !== undefined;) {
      if (hasStarted) take(entry);
      hasStarted = true;
      onStart();
    }
  }
}
