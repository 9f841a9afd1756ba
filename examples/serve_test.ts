import { assertEquals, assertMatch } from "@std/assert";
import { fileURLToPath } from "node:url";
import { frame, parts } from "../src/testing/frames.ts";
import { openSocket } from "../src/testing/serve.ts";

const PROGRAM = fileURLToPath(import.meta.resolve("./serve.ts"));

Deno.test("serve.ts is what `deno serve` wants", async () => {
  await using child = new Deno.Command(Deno.execPath(), {
    args: ["serve", "-A", "--host", "127.0.0.1", "--port", "0", PROGRAM],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  }).spawn();
  // It tells its address where errors go.
  const reader = child.stderr.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  let url: string | undefined;
  while (!url) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`No address: ${text}`);
    text += value;
    url = /http:\/\/\S+\/(?=\s)/.exec(text)?.[0];
  }
  const page = await fetch(url);
  assertMatch(await page.text(), /<perspective-viewer>/);
  const health = await fetch(`${url}healthz`);
  assertEquals([health.status, (await health.json()).status], [200, "ok"]);
  const socket = await openSocket(`${url.replace("http", "ws")}websocket`);
  const answer = new Promise<Uint8Array>((resolve) => {
    socket.onmessage = ({ data }) => resolve(new Uint8Array(data));
  });
  socket.send(frame(1, "data_source_one", 8));
  assertEquals(parts(await answer).kind, 8);
  const closed = new Promise((resolve) => socket.onclose = resolve);
  socket.close();
  await closed;
  child.kill("SIGTERM");
  while (!(await reader.read()).done);
});
