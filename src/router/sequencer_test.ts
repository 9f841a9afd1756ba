import { assertEquals } from "@std/assert";
import { simpleRequest } from "../protocol/answers.ts";
import { NO_BYTES } from "../protocol/frame.ts";
import { Kind } from "../protocol/kinds.ts";
import { FakeEngine } from "../testing/fake_engine.ts";
import { Sequencer } from "./sequencer.ts";

const change = (msgId: number) =>
  simpleRequest(msgId, NO_BYTES, Kind.TABLE_UPDATE);
const read = (msgId: number) => simpleRequest(msgId, NO_BYTES, Kind.TABLE_SIZE);

Deno.test("Sequencer.change() numbers changes and polls after each", () => {
  // Invariants 1 and 2
  const engine = new FakeEngine();
  const sequencer = new Sequencer(engine);
  assertEquals(sequencer.change(change(1), Kind.TABLE_UPDATE), 1);
  sequencer.request(read(2), Kind.TABLE_SIZE);
  assertEquals(sequencer.change(change(3), Kind.TABLE_UPDATE), 2);
  assertEquals(sequencer.changes, 2);
  assertEquals(engine.steps, ["table_update+", "table_size", "table_update+"]);
  assertEquals(engine.requests.map((it) => it.msgId), [1, 2, 3]);
});

Deno.test("Sequencer.poll() polls when it is asked to", () => {
  const engine = new FakeEngine();
  const sequencer = new Sequencer(engine);
  sequencer.poll();
  assertEquals(engine.steps, ["poll"]);
});

Deno.test("Sequencer with onPollRequest leaves polling to the program", () => {
  const engine = new FakeEngine();
  let asked = 0;
  const sequencer = new Sequencer(engine, () => asked++);
  for (const msgId of [1, 2, 3]) {
    sequencer.change(change(msgId), Kind.TABLE_UPDATE);
  }
  assertEquals(asked, 1);
  assertEquals(engine.steps, ["table_update", "table_update", "table_update"]);
  sequencer.request(read(4), Kind.TABLE_SIZE);
  assertEquals(engine.steps.slice(3), ["poll", "table_size"]);
  sequencer.request(read(5), Kind.TABLE_SIZE);
  assertEquals(engine.steps.slice(5), ["table_size"]);
  sequencer.change(change(6), Kind.TABLE_UPDATE);
  assertEquals(asked, 2);
});
