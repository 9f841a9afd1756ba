import { assertEquals } from "@std/assert";
import { WaitingDeletes } from "./waiting_deletes.ts";

Deno.test("WaitingDeletes.answered() gives those who asked before", () => {
  const waiting = new WaitingDeletes();
  for (const msgId of [3, 1, 2]) waiting.add("t", msgId);
  waiting.add("u", 4);
  assertEquals(waiting.size, 4);
  assertEquals(waiting.answered("t", 1), [3]);
  assertEquals(waiting.size, 2);
  assertEquals(waiting.answered("t", 2), []);
  assertEquals(waiting.answered("u", 4), []);
  assertEquals(waiting.size, 0);
});

Deno.test("WaitingDeletes.answered() gives nothing for a request that didn't wait", () => {
  const waiting = new WaitingDeletes();
  assertEquals(waiting.answered("t", 1), []);
  waiting.add("t", 1);
  assertEquals(waiting.answered("t", 2), []);
  assertEquals(waiting.answered("u", 1), []);
  assertEquals(waiting.size, 1);
});
