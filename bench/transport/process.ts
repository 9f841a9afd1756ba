/** The other end of the way "process": a thread that reads and writes pipes. */
import { setImmediate } from "node:timers";
import { EntryPacker, EntryReader } from "../../src/engine/process_entries.ts";
import { answerAfter } from "./work.ts";

if ("WorkerGlobalScope" in globalThis) await serve();
else new Worker(import.meta.url, { type: "module", name: Deno.args[0]! });

async function serve(): Promise<void> {
  const answer = answerAfter(Number(self.name));
  const requests = new EntryReader();
  const answers = new EntryPacker();
  write(answers, new Uint8Array(1));
  for (;;) {
    await new Promise((resolve) => setImmediate(resolve));
    const count = Deno.stdin.readSync(requests.space);
    if (count === null) return;
    requests.filled(count);
    for (let entry; (entry = requests.next()) !== undefined;) {
      write(answers, answer(entry));
    }
  }
}

/** Each on its own, as `process_host.ts` does. */
function write(packer: EntryPacker, content: Uint8Array): void {
  packer.add(content.length, (bytes, at) => bytes.set(content, at));
  const chunk = packer.take();
  for (let at = 0; at < chunk.length;) {
    at += Deno.stdout.writeSync(chunk.subarray(at));
  }
}
