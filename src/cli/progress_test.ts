import { assertEquals, assertStringIncludes } from "@std/assert";
import { Progress } from "./progress.ts";

function setup(isTerminal = true) {
  let now = 0;
  const written: string[] = [];
  const write = (text: string) => void written.push(text);
  return {
    progress: new Progress({ isTerminal, write }, () => now),
    written,
    wait: (ms: number) => now += ms,
  };
}

Deno.test("Progress shows bytes and rows, and goes away", () => {
  const { progress, written, wait } = setup();
  progress.begin("a.csv");
  wait(1000);
  progress.update(5e6, 10e6, 12_345);
  assertStringIncludes(written[0]!, `a.csv ${"█".repeat(12)}${"░".repeat(12)}`);
  assertStringIncludes(written[0]!, "5.0 of 10.0 MB, 12,345 rows");
  progress.end();
  progress.end();
  assertEquals(written.slice(1), ["\r\x1b[K"]);
});

Deno.test("Progress shows nothing of short loads, and little at a time", () => {
  const { progress, written, wait } = setup();
  progress.begin("a.csv");
  progress.update(1, 2, 0);
  progress.end();
  assertEquals(written, []);
  progress.begin("b.csv");
  wait(1000);
  for (let i = 0; i < 10; i++) progress.update(i, 10, i);
  assertEquals(written.length, 1);
  wait(100);
  progress.update(10, 10, 10);
  assertEquals(written.length, 2);
});

Deno.test("Progress writes nothing where nobody looks", () => {
  const { progress, written, wait } = setup(false);
  progress.begin("a.csv");
  wait(1000);
  progress.update(1, 2, 3);
  progress.end();
  assertEquals(written, []);
});
