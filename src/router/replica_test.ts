import { assertEquals } from "@std/assert";
import { simpleRequest } from "../protocol/answers.ts";
import { NO_BYTES } from "../protocol/frame.ts";
import { Kind } from "../protocol/kinds.ts";
import { ManualClock } from "../testing/routing.ts";
import { TimedEngine } from "../testing/timed_engine.ts";
import { type Job, Replica } from "./replica.ts";
import { ViewNames } from "./view.ts";

const { TABLE_SIZE, TABLE_UPDATE, VIEW_SCHEMA, VIEW_TO_CSV } = Kind;

const someone = {};
const another = {};

/** A request about table `t`, which is thought to take a millisecond. */
const job = (msgId: number, more: Partial<Job> = {}): Job => ({
  frame: simpleRequest(msgId, NO_BYTES, more.kind ?? TABLE_SIZE),
  kind: TABLE_SIZE,
  owner: someone,
  stamp: msgId,
  key: "",
  predicted: 1000,
  table: "t",
  change: 0,
  poll: false,
  ...more,
});

const change = (msgId: number, poll: boolean): Job =>
  job(msgId, { kind: TABLE_UPDATE, change: msgId, poll });

/** A view on `replica`. */
const aView = (replica: Replica) =>
  new ViewNames().next({
    table: "t",
    config: NO_BYTES,
    shape: "",
    isGrouped: false,
    replica,
  }, someone);

/** The `msg_id`s of jobs. */
const ids = (jobs: readonly Job[]) => jobs.map((it) => it.frame?.msgId);

function replicaOf() {
  const engine = new TimedEngine();
  const clock = new ManualClock();
  const told: string[] = [];
  const replica = new Replica(
    engine,
    1,
    {
      frame: () => told.push("frame"),
      failed: () => told.push("failed"),
      fault: () => told.push("fault"),
      fatal: (_, { message }, guilty) => told.push(`${message} ${guilty}`),
      hung: () => told.push("hung"),
      dropped: () => false,
      heap: () => told.push("heap"),
      measured: () => {},
      executed: () => {},
      progress: () => told.push("progress"),
    },
    false,
    {
      now: clock.now,
      later: clock.later,
      timeout: (kind) => kind === TABLE_SIZE ? 100 : Infinity,
    },
  );
  return { engine, replica, told, clock };
}

Deno.test("Replica.fail() tells what the engine owes, in order", () => {
  const { engine, replica } = replicaOf();
  replica.sendChanges([change(1, false), change(2, false)]);
  replica.sendChanges([change(3, false), change(4, true)]);
  replica.send(job(5), job(6, { kind: VIEW_SCHEMA }));
  replica.send(job(7, { owner: another }));
  replica.sendChanges([change(8, true)]);
  engine.step(50);
  const debts = replica.fail();
  assertEquals(replica.state, "down");
  assertEquals(debts.running?.frame?.msgId, 2);
  // The first was executed, but no view has been told of it.
  assertEquals(ids(debts.unpolled), [1, 2, 3, 4]);
  assertEquals(ids(debts.changes), [8]);
  assertEquals(debts.reads.map(ids), [[5, 6], [7]]);
  const { outstanding, behind, predictedMs, deaths } = replica.stats();
  assertEquals([outstanding, behind, predictedMs, deaths], [0, 0, 0, 1]);
});

Deno.test("Replica.fail() at a read owes no poll, but for what was executed", () => {
  const { engine, replica } = replicaOf();
  replica.sendChanges([change(1, false)]);
  engine.step(50);
  replica.send(job(2), job(3));
  replica.sendChanges([change(4, true)]);
  engine.step(50);
  const { running, reads, unpolled, changes } = replica.fail();
  assertEquals([running?.frame?.msgId, reads.map(ids)], [3, [[3]]]);
  assertEquals([ids(unpolled), ids(changes)], [[1], [4]]);
});

Deno.test("Replica.fail() owes nothing of what was polled", () => {
  const { engine, replica } = replicaOf();
  replica.sendChanges([change(1, false), change(2, true)]);
  engine.run();
  const { running, reads, unpolled, changes } = replica.fail();
  assertEquals([running, reads, unpolled, changes], [undefined, [], [], []]);
});

Deno.test("Replica.fail() gives back what is done in the order of changes, and meanwhile", () => {
  const { engine, replica } = replicaOf();
  replica.sendInOrder([job(1)], true);
  engine.step(50);
  replica.sendDuring(job(2));
  replica.sendInOrder([job(3)]);
  replica.sendChanges([change(4, true)]);
  replica.sendDuring(job(5));
  const { reads, changes } = replica.fail();
  // One of them is in the engine.
  assertEquals([reads.map(ids), ids(changes)], [[[2], [5], [3]], [4]]);
});

Deno.test("Replica.pushedTo is whom the poll under way has pushed to", () => {
  const { engine, replica } = replicaOf();
  replica.sendChanges([change(1, true)]);
  replica.sendChanges([change(2, true)]);
  replica.pushed(7);
  engine.step(50);
  replica.pushed(8);
  assertEquals([...replica.fail().pushedTo], [8]);
  assertEquals([...replica.fail().pushedTo], []);
});

Deno.test("Replica.pushed() is news unless the engine that was lost has said it", () => {
  const { engine, replica } = replicaOf();
  replica.sendChanges([{ ...change(1, true), told: new Set([7]) }]);
  replica.sendChanges([change(2, true)]);
  assertEquals([replica.pushed(7), replica.pushed(8)], [false, true]);
  engine.step(50);
  assertEquals([replica.pushed(7), replica.pushed(8)], [true, true]);
});

Deno.test("Replica.fail() says whether what was under way is answered", () => {
  const { engine, replica } = replicaOf();
  replica.sendChanges([change(1, true), change(2, true)]);
  replica.made(1);
  engine.step(50);
  assertEquals(replica.fail().isMade, false);
  replica.attach(engine);
  replica.sendChanges([change(3, true)]);
  replica.made(3);
  assertEquals(replica.fail().isMade, true);
});

Deno.test("Replica.send() waits for another engine, in front of which are the debts", () => {
  const { engine, replica } = replicaOf();
  replica.send(job(1));
  const { reads } = replica.fail();
  replica.send(job(2), job(3));
  replica.park(reads);
  assertEquals(replica.stats().outstanding, 2);
  assertEquals(engine.msgIds, [1]);
  const other = new TimedEngine();
  replica.attach(other);
  assertEquals(replica.state, "filling");
  replica.send(job(4));
  replica.sendChanges([change(5, true)]);
  other.run();
  assertEquals(other.msgIds, [5]);
  replica.open();
  assertEquals(replica.state, "up");
  const parked = replica.takeParked();
  assertEquals(parked.map(ids), [[1], [2, 3], [4]]);
  for (const jobs of parked) replica.send(...jobs);
  other.run();
  assertEquals(other.msgIds, [5, 1, 2, 3, 4]);
  assertEquals(replica.stats().outstanding, 0);
});

Deno.test("Replica.unpark() takes out what needn't be asked any more", () => {
  const { replica } = replicaOf();
  replica.fail();
  replica.send(job(1), job(2));
  replica.send(job(3));
  replica.unpark(3);
  replica.unpark(1);
  assertEquals(replica.takeParked().map(ids), [[2]]);
});

Deno.test("Replica.takeParked() takes what waits to another one", () => {
  const { replica } = replicaOf();
  replica.fail();
  replica.send(job(1), job(2));
  replica.send(job(3));
  replica.send(job(4));
  const isThird = ([first]: readonly Job[]) => first!.frame!.msgId === 3;
  assertEquals(replica.takeParked(isThird).map(ids), [[3]]);
  assertEquals(replica.takeParked().map(ids), [[1, 2], [4]]);
  assertEquals(replica.takeParked(), []);
});

Deno.test("Replica.serve() takes what is about views that are there, while it is filled", () => {
  const { replica } = replicaOf();
  const [there, missing] = [aView(replica), aView(replica)];
  replica.fail();
  const other = new TimedEngine();
  replica.attach(other);
  replica.serve([there]);
  replica.send(job(1, { view: there }));
  replica.send(job(2, { view: missing }));
  replica.send(job(3));
  assertEquals(other.msgIds, [1]);
  // The next engine doesn't have them.
  assertEquals(replica.fail().reads.map(ids), [[1]]);
  replica.attach(new TimedEngine());
  replica.send(job(4, { view: there }));
  assertEquals(replica.takeParked().map(ids), [[2], [3], [4]]);
});

Deno.test("Replica hears nothing more of an engine that is lost", () => {
  const { engine, replica, told, clock } = replicaOf();
  replica.send(job(1));
  replica.send(job(2, { kind: VIEW_TO_CSV }));
  replica.fail();
  engine.step(50);
  engine.growTo(7);
  engine.fault("f");
  engine.die("x", true);
  clock.advance(1000);
  assertEquals(told, []);
  const other = new TimedEngine();
  replica.attach(other);
  engine.die("x", true);
  assertEquals(told, []);
  other.growTo(7);
  other.die("y");
  assertEquals(told, ["heap", "y undefined"]);
});

Deno.test("Replica.retire() waits for what is under way, and sends no more", () => {
  const { engine, replica } = replicaOf();
  let retired = 0;
  replica.send(job(1, { predicted: 5000 }));
  replica.send(job(2));
  replica.retire(() => {
    retired++;
    assertEquals(engine.msgIds, [1]);
    assertEquals(replica.fail().reads.map(ids), [[2], [3]]);
  });
  replica.retire(() => retired += 10); // it does already
  replica.send(job(3));
  assertEquals(retired, 0);
  engine.step(50);
  assertEquals([retired, replica.state], [1, "down"]);
});

Deno.test("Replica.retire() of an idle engine is done at once", () => {
  const { replica } = replicaOf();
  let retired = 0;
  replica.retire(() => retired++);
  assertEquals(retired, 1);
});

Deno.test("Replica tells of a request that doesn't come back, until it is lost", () => {
  const { engine, replica, told, clock } = replicaOf();
  replica.send(job(1, { kind: VIEW_TO_CSV }));
  replica.send(job(2));
  clock.advance(5000);
  assertEquals(told, [], "it may take any time");
  engine.step(50);
  clock.advance(99);
  assertEquals(told, ["frame"]);
  clock.advance(1);
  assertEquals(told, ["frame", "hung"]);
  replica.fail();
  assertEquals([replica.abandon(), engine.abandons], [true, 1]);
  const other = new TimedEngine();
  replica.attach(other);
  replica.open();
  replica.send(job(3));
  replica.fail();
  assertEquals(clock.pauses, []);
  other.endsAbandoned = false;
  assertEquals(replica.abandon(), false);
});

Deno.test("Replica.sendInOrder() holds changes, which don't keep others waiting", () => {
  const { engine, replica, told } = replicaOf();
  replica.sendChanges([change(1, true)]);
  replica.sendInOrder([job(2)], true);
  replica.sendChanges([change(3, true)]);
  engine.run();
  assertEquals(engine.msgIds, [1, 2]);
  // The sequencer goes on as while it is at a read.
  assertEquals([replica.behind, replica.hasRoom], [1, true]);
  replica.sendDuring(job(4));
  engine.run();
  replica.sendDuring(job(5));
  told.length = 0;
  replica.letGo();
  engine.run();
  assertEquals(engine.msgIds, [1, 2, 4, 5, 3]);
  assertEquals(told.includes("progress"), true);
});
