import { assertEquals } from "@std/assert";
import { simpleRequest } from "../protocol/answers.ts";
import { NO_BYTES } from "../protocol/frame.ts";
import { Kind } from "../protocol/kinds.ts";
import { FakeEngine } from "../testing/fake_engine.ts";
import { Replica, type ReplicaOwner } from "./replica.ts";
import { Sequencer } from "./sequencer.ts";

const writer = {};

const change = (msgId: number) => ({
  frame: simpleRequest(msgId, NO_BYTES, Kind.TABLE_UPDATE),
  kind: Kind.TABLE_UPDATE,
  poll: true,
  owner: writer,
  stamp: msgId,
  key: "",
  predicted: 0,
  joins: "0 t",
});
const read = (msgId: number) => simpleRequest(msgId, NO_BYTES, Kind.TABLE_SIZE);

const nobody: ReplicaOwner = {
  frame: () => {},
  failed: () => {},
  fault: () => {},
  fatal: () => {},
  executed: () => {},
  progress: () => {},
};

/** A sequencer over so many engines, which answer nothing by themselves. */
function sequence(count: number, onPollRequest?: () => void) {
  const engines = Array.from({ length: count }, () => new FakeEngine());
  const replicas = engines.map((engine, i) => new Replica(engine, i, nobody));
  const sequencer = new Sequencer(replicas, onPollRequest);
  return { sequencer, engines, replicas, engine: engines[0]! };
}

Deno.test("Sequencer.change() numbers changes and polls after each", () => {
  // Invariants 1 and 2
  const { sequencer, engine, replicas } = sequence(1);
  assertEquals(sequencer.change(change(1)), 1);
  sequencer.beforeRead();
  replicas[0]!.sendNow(read(2), Kind.TABLE_SIZE, false);
  assertEquals(sequencer.change(change(3)), 2);
  assertEquals(sequencer.changes, 2);
  assertEquals(engine.steps, ["table_update+", "table_size", "table_update+"]);
  assertEquals(engine.requests.map((it) => it.msgId), [1, 2, 3]);
});

Deno.test("Sequencer.poll() polls when it is asked to", () => {
  const { sequencer, engine } = sequence(1);
  sequencer.poll();
  assertEquals(engine.steps, ["poll"]);
});

Deno.test("Sequencer with onPollRequest leaves polling to the program", () => {
  let asked = 0;
  const { sequencer, engine, replicas } = sequence(1, () => asked++);
  for (const msgId of [1, 2, 3]) {
    sequencer.change(change(msgId));
  }
  assertEquals(asked, 1);
  assertEquals(engine.steps, ["table_update", "table_update", "table_update"]);
  sequencer.beforeRead();
  replicas[0]!.sendNow(read(4), Kind.TABLE_SIZE, false);
  assertEquals(engine.steps.slice(3), ["poll", "table_size"]);
  sequencer.beforeRead();
  replicas[0]!.sendNow(read(5), Kind.TABLE_SIZE, false);
  assertEquals(engine.steps.slice(5), ["table_size"]);
  sequencer.change(change(6));
  assertEquals(asked, 2);
});

Deno.test("Sequencer.answered() hands a change on to the others", () => {
  // Invariants 1 and 6
  const { sequencer, engines: [primary, ...others] } = sequence(3);
  for (const msgId of [1, 2, 3]) {
    sequencer.change(change(msgId));
  }
  const polled = "table_update+";
  assertEquals(primary!.steps, [polled, polled, polled]); // it isn't waited for
  for (const other of others) assertEquals(other.steps, []);
  assertEquals(sequencer.isSettled, false);
  sequencer.answered(1, false);
  for (const other of others) assertEquals(other.steps, [polled]);
  sequencer.answered(2, true); // it never happened
  sequencer.answered(3, false);
  sequencer.answered(3, false);
  for (const other of others) {
    assertEquals(other.steps, [polled, polled]);
    // Nobody waits for their answers.
    assertEquals(other.requests.map((it) => it.msgId), [0, 0]);
  }
  assertEquals(sequencer.isSettled, true);
});

Deno.test("Sequencer.poll() has its place in the order of changes", () => {
  const { sequencer, engines: [primary, other] } = sequence(2, () => {});
  sequencer.change(change(1));
  sequencer.poll();
  sequencer.change(change(2));
  assertEquals(primary!.steps, ["table_update", "poll", "table_update"]);
  assertEquals(other!.steps, []);
  sequencer.answered(1, false);
  assertEquals(other!.steps, ["table_update", "poll"]);
  sequencer.answered(2, false);
  assertEquals(other!.steps, ["table_update", "poll", "table_update"]);
});
