import { assert, assertEquals } from "@std/assert";
import { simpleRequest } from "../protocol/answers.ts";
import { NO_BYTES } from "../protocol/frame.ts";
import { Kind } from "../protocol/kinds.ts";
import { FakeEngine } from "../testing/fake_engine.ts";
import { TimedEngine } from "../testing/timed_engine.ts";
import { Replica } from "./replica.ts";
import { Sequencer, type SequencerOwner } from "./sequencer.ts";

const writer = {};
const another = {};

type Unnumbered = Parameters<Sequencer["change"]>[0];

const change = (
  msgId: number,
  more: Partial<Unnumbered> = {},
): Unnumbered => ({
  frame: simpleRequest(msgId, NO_BYTES, Kind.TABLE_UPDATE),
  kind: Kind.TABLE_UPDATE,
  owner: writer,
  stamp: msgId,
  key: "",
  predicted: 0,
  table: "t",
  port: 0,
  ...more,
});

/** A change that needs a poll of its own. */
const replace = (
  msgId: number,
  more: Partial<Unnumbered> = {},
): Unnumbered =>
  change(msgId, {
    frame: simpleRequest(msgId, NO_BYTES, Kind.TABLE_REPLACE),
    kind: Kind.TABLE_REPLACE,
    port: undefined,
    ...more,
  });

/** A poll that takes so long that no replica can be given another batch. */
const SLOW = 1e6;

/** A sequencer over so many engines, which execute what a test says. */
function sequence(count: number, more: Partial<SequencerOwner> = {}) {
  const engines = Array.from({ length: count }, () => new TimedEngine());
  const reports: string[] = [];
  /** What a lost engine was to get, as `msg_id`s behind its index. */
  const replayed: [number, ...string[]][] = [];
  let moves = 0;
  const replicas = engines.map((engine, i) =>
    new Replica(engine, i, {
      frame: () => {},
      failed: () => {},
      fault: () => {},
      fatal: () => {},
      hung: () => {},
      dropped: () => false,
      heap: () => {},
      measured: () => {},
      executed: ({ frame }) => {
        // The answer; only the primary is asked with a msg_id.
        if (frame?.msgId) sequencer.answered(frame.msgId, false);
      },
      progress: () => sequencer.progress(),
    }, count === 1)
  );
  const sequencer = new Sequencer(replicas, {
    sourcesOf: (table) => table === "join" ? ["t", "u"] : [],
    wake: () => void moves++,
    behind: ({ index }) => reports.push(`engine ${index}`),
    mayRisk: () => true,
    replay: ({ index }, made) =>
      void replayed.push([
        index,
        ...made.map(({ change, poll }) => `${change}${poll ? "+" : ""}`),
      ]),
    ...more,
  });
  /** Loses the primary; the next one takes its place. */
  const lose = (refused: number[] = []) => {
    const lost = sequencer.primary;
    const next = replicas.find((it) => it !== lost && it.state === "up")!;
    lost.fail();
    lost.isPrimary = false;
    next.isPrimary = true;
    sequencer.promote(next, ({ frame }) => refused.includes(frame!.msgId));
    sequencer.progress();
  };
  const run = () => {
    while (engines.some((it) => it.waiting.length > 0)) {
      for (const engine of engines) engine.run();
    }
  };
  /** Makes every replica one that can't be given more while it is at something. */
  const slowDown = () => {
    sequencer.change(change(900));
    for (const engine of engines) engine.step(SLOW);
    for (const engine of engines) {
      engine.steps.length = engine.msgIds.length = 0;
    }
  };
  return {
    sequencer,
    engines,
    replicas,
    reports,
    replayed,
    lose,
    run,
    slowDown,
    get moves() {
      return moves;
    },
  };
}

/** A sequencer over an engine that executes at once. */
function immediate(onPollRequest?: () => void) {
  const engine = new FakeEngine();
  const owner = {
    frame: () => {},
    failed: () => {},
    fault: () => {},
    fatal: () => {},
    hung: () => {},
    dropped: () => false,
    heap: () => {},
    measured: () => {},
    executed: () => {},
    progress: () => {},
  };
  const replica = new Replica(engine, 0, owner, true);
  const sequencer = new Sequencer([replica], {
    sourcesOf: () => [],
    wake: () => {},
    behind: () => {},
    mayRisk: () => true,
    replay: () => {},
    onPollRequest,
  });
  const read = (msgId: number) => {
    sequencer.beforeRead("t");
    const frame = simpleRequest(msgId, NO_BYTES, Kind.TABLE_SIZE);
    replica.sendNow(frame, Kind.TABLE_SIZE);
  };
  return { sequencer, engine, replica, read };
}

Deno.test("Sequencer.change() numbers changes and polls after each", () => {
  // Invariants 1 and 2
  const { sequencer, engine, replica, read } = immediate();
  sequencer.change(change(1));
  assertEquals([sequencer.changes, replica.given("t")], [1, 1]);
  read(2);
  sequencer.change(change(3));
  assertEquals([sequencer.changes, replica.given("t")], [2, 2]);
  assertEquals(engine.steps, ["table_update+", "table_size", "table_update+"]);
  assertEquals(engine.requests.map((it) => it.msgId), [1, 2, 3]);
});

Deno.test("Sequencer.poll() polls when it is asked to", () => {
  const { sequencer, engine } = immediate();
  sequencer.poll();
  assertEquals(engine.steps, ["poll"]);
});

Deno.test("Sequencer with onPollRequest leaves polling to the program", () => {
  let asked = 0;
  const { sequencer, engine, read } = immediate(() => asked++);
  for (const msgId of [1, 2, 3]) {
    sequencer.change(change(msgId));
  }
  assertEquals(asked, 1);
  assertEquals(engine.steps, ["table_update", "table_update", "table_update"]);
  read(4);
  assertEquals(engine.steps.slice(3), ["poll", "table_size"]);
  read(5);
  assertEquals(engine.steps.slice(5), ["table_size"]);
  sequencer.change(change(6));
  assertEquals(asked, 2);
});

Deno.test("Sequencer.answered() hands a change on to the others", () => {
  // Invariants 1 and 6
  const { sequencer, engines: [primary, ...others] } = sequence(3);
  for (const msgId of [1, 2, 3]) {
    sequencer.change(replace(msgId));
  }
  const polled = "table_replace+";
  assertEquals(primary!.steps, [polled, polled, polled]); // it isn't waited for
  for (const other of others) assertEquals(other.steps, []);
  sequencer.answered(1, false);
  for (const other of others) assertEquals(other.steps, [polled]);
  sequencer.answered(2, true); // it never happened
  sequencer.answered(3, false);
  sequencer.answered(3, false);
  for (const other of others) {
    // Where the primary polled, so do they.
    assertEquals(other.steps, [polled, "poll", polled]);
    // Nobody waits for their answers.
    assertEquals(other.msgIds, [0, 0]);
  }
});

// ENGINE 4.8: a poll costs the same for one update and for a thousand.
Deno.test("Sequencer lets changes be answered before they are polled", () => {
  const { sequencer, engines, run, slowDown } = sequence(2);
  const [primary, other] = engines as [TimedEngine, TimedEngine];
  slowDown();
  sequencer.change(change(1)); // nothing is under way
  primary.step(SLOW);
  for (let msgId = 2; msgId <= 50; msgId++) sequencer.change(change(msgId));
  primary.run();
  // They are executed, and answered, while the other one is still at the first.
  assertEquals(primary.steps.slice(1), Array(49).fill("table_update"));
  assertEquals(sequencer.unpolled, 49);
  assertEquals(other.steps, ["table_update+"]);
  other.step(SLOW);
  assertEquals(primary.steps.at(-1), "poll");
  assertEquals(sequencer.unpolled, 0);
  assertEquals(sequencer.joined, 48);
  run();
  const batch = [...Array(48).fill("table_update"), "table_update+"];
  assertEquals(other.steps.slice(1), batch);
});

Deno.test("Sequencer lets updates of several tables and owners share a poll", () => {
  const { sequencer, engines: [primary], run, slowDown } = sequence(2);
  slowDown();
  sequencer.change(change(1));
  sequencer.change(change(2));
  sequencer.change(change(3, { table: "u", port: 7 }));
  sequencer.change(change(4, { owner: another }));
  assertEquals(sequencer.unpolled, 3);
  assertEquals(primary!.steps.length, 4);
  run();
  assertEquals(sequencer.unpolled, 0);
});

// ENGINE 2.2
Deno.test("Sequencer doesn't let updates of two ports share a poll", () => {
  const { sequencer, engines, run, slowDown } = sequence(2);
  const [primary, other] = engines as [TimedEngine, TimedEngine];
  slowDown();
  sequencer.change(change(1));
  sequencer.change(change(2));
  sequencer.change(change(3, { port: 1, owner: another }));
  sequencer.change(change(4, { owner: another })); // behind its owner's
  sequencer.change(change(5)); // not behind another's
  sequencer.change(replace(6));
  assertEquals(sequencer.collected, 3);
  assertEquals(sequencer.hasCollected(another), true);
  run();
  assertEquals(sequencer.collected, 0);
  const polls = (steps: string[]) => steps.join(" ").replaceAll(" poll", "+");
  const update = "table_update";
  assertEquals(polls(primary.steps).split(" "), [
    ...[`${update}+`],
    ...[update, `${update}+`], // 2 and 5
    ...[`${update}+`], // 3
    ...[`${update}+`, "table_replace+"], // 4 and 6
  ]);
  assertEquals(primary.msgIds, [1, 2, 5, 3, 4, 6]);
  assertEquals(other.steps.join(" "), polls(primary.steps));
});

Deno.test("Sequencer.mayAsk() has a read come after a poll", () => {
  // Invariant 2
  const { sequencer, engines, replicas, slowDown } = sequence(2);
  const [primary, other] = engines as [TimedEngine, TimedEngine];
  sequencer.change(change(1));
  sequencer.change(change(2));
  sequencer.change(change(3));
  assertEquals(sequencer.unpolled, 2); // one batch is under way
  // Nothing of it has been answered.
  assertEquals(sequencer.mayAsk(replicas[1]!, "t"), true);
  assertEquals(sequencer.mayAsk(replicas[0]!, "v"), true);
  assertEquals(sequencer.mayAsk(replicas[0]!, undefined), true);
  assertEquals(sequencer.unpolled, 2);
  assertEquals(sequencer.mayAsk(replicas[0]!, "join"), true);
  assertEquals(sequencer.unpolled, 0);
  assertEquals(primary.steps.at(-1), "poll");
  slowDown();
  sequencer.change(change(4));
  primary.run();
  sequencer.change(change(5));
  primary.run();
  const after = sequencer.lastAnswered("t");
  assert(after > 0);
  for (const replica of replicas) {
    assertEquals(sequencer.mayAsk(replica, "t"), false, "it is far behind");
    assertEquals(sequencer.mayAsk(replica, "v"), true);
  }
  other.run();
  // It was waited for, so it was polled and passed on.
  assertEquals(sequencer.unpolled, 0);
  assertEquals(sequencer.mayAsk(replicas[1]!, "t", after), true);
  assertEquals(sequencer.lastAnswered("t"), 0);
});

Deno.test("Sequencer.mayAsk() doesn't ask for more than was answered", () => {
  const { sequencer, engines: [primary], replicas } = sequence(2);
  sequencer.change(change(1));
  primary!.step(50);
  assertEquals(sequencer.lastAnswered("t"), 0, "it has been passed on");
  sequencer.change(change(2));
  assertEquals(sequencer.lastAnswered("t"), 0);
  primary!.step(50);
  const second = sequencer.lastAnswered("t");
  assertEquals(sequencer.mayAsk(replicas[1]!, "t", second), true);
  sequencer.change(change(3));
  primary!.run();
  assert(sequencer.lastAnswered("t") > second);
  assertEquals(sequencer.mayAsk(replicas[1]!, "t", second), true);
});

Deno.test("Sequencer doesn't wait for a replica that is at a read", () => {
  const { sequencer, engines, replicas, run } = sequence(2);
  const [primary, other] = engines as [TimedEngine, TimedEngine];
  replicas[1]!.send({
    ...change(0),
    poll: false,
    change: 0,
    kind: Kind.TABLE_SIZE,
    owner: another,
    frame: simpleRequest(7, NO_BYTES, Kind.TABLE_SIZE),
  });
  for (let msgId = 1; msgId <= 2_500; msgId++) {
    sequencer.change(change(msgId));
    primary.run();
  }
  // Each was polled, as far as the other one can soon catch up with that.
  assert(sequencer.joined > 0 && sequencer.joined < 2_000);
  assertEquals(sequencer.collected, 0);
  for (let msgId = 2_501; msgId <= 20_000; msgId++) {
    sequencer.change(change(msgId));
    primary.run();
  }
  // It can't be any amount, though (Invariant 8).
  assert(replicas[1]!.behind <= 11_000);
  assert(sequencer.collected > 5_000);
  assertEquals(other.waiting.length <= 64, true);
  run();
  assertEquals(sequencer.collected, 0);
});

Deno.test("Sequencer.beforeRead() polls whoever is behind", () => {
  const { sequencer, engines: [primary], slowDown } = sequence(2);
  slowDown();
  sequencer.change(change(1));
  sequencer.change(change(2));
  sequencer.beforeRead("v");
  assertEquals(sequencer.unpolled, 1);
  sequencer.beforeRead("t");
  assertEquals(primary!.steps.at(-1), "poll");
});

Deno.test("Sequencer doesn't leave changes unpolled before reads that wait", () => {
  const { sequencer, engines: [primary], replicas, slowDown } = sequence(1, {});
  slowDown();
  sequencer.change(change(1));
  for (let i = 0; i < 3; i++) {
    replicas[0]!.send({
      ...change(0),
      poll: false,
      change: 0,
      kind: Kind.TABLE_SIZE,
      owner: another,
      predicted: SLOW,
      frame: simpleRequest(7, NO_BYTES, Kind.TABLE_SIZE),
    });
  }
  assertEquals(replicas[0]!.hasReadsWaiting, true);
  sequencer.change(change(2));
  assertEquals(sequencer.unpolled, 0);
  assertEquals(sequencer.collected, 1);
  primary!.run();
  assertEquals(primary!.steps.includes("table_update+"), true);
});

Deno.test("Sequencer tells once of a replica that stays behind", () => {
  // Invariants 8 and 10
  const { sequencer, engines, reports, run, slowDown } = sequence(2);
  const [primary, other] = engines as [TimedEngine, TimedEngine];
  slowDown();
  let msgId = 0;
  while (msgId < 40_000) {
    for (let i = 0; i < 100; i++) sequencer.change(change(++msgId));
    primary.run();
    // It executes fewer than come.
    for (let i = 0; i < 50 && other.waiting.length > 0; i++) other.step(SLOW);
  }
  assert(sequencer.full > 16);
  assertEquals(reports, ["engine 1"]);
  run();
  assertEquals(sequencer.collected, 0);
});

Deno.test("Sequencer.pauseWhile() makes changes afterwards", () => {
  const { sequencer, engines: [primary] } = sequence(2);
  sequencer.pauseWhile(() => {
    sequencer.change(change(1));
    sequencer.change(change(2));
    assertEquals(primary!.steps, []);
  });
  assertEquals(primary!.msgIds, [1, 2]);
});

Deno.test("Sequencer.poll() has its place in the order of changes", () => {
  const { sequencer, engines: [primary, other] } = sequence(2, {
    onPollRequest: () => {},
  });
  sequencer.change(change(1));
  sequencer.change(replace(2));
  sequencer.poll();
  sequencer.change(change(3));
  assertEquals(primary!.steps, [
    "table_update",
    "table_replace",
    "poll",
    "table_update",
  ]);
  assertEquals(other!.steps, []);
  sequencer.answered(1, false);
  sequencer.answered(2, false);
  assertEquals(other!.steps, ["table_update", "table_replace+"]);
  sequencer.answered(3, false);
  assertEquals(other!.steps.length, 2);
  sequencer.poll();
  assertEquals(other!.steps.at(-1), "table_update+");
});

/** What an engine was sent: steps of changes with their `msg_id`s. */
function given({ steps, msgIds }: TimedEngine): string[] {
  const left = [...msgIds];
  return steps.map((step) => {
    if (step === "poll") return step;
    return `${left.shift()}${step.endsWith("+") ? "+" : ""}`;
  });
}

Deno.test("Sequencer.promote() passes on what was answered, and tries the rest again", () => {
  // Invariants 1 and 6
  const { sequencer, engines, lose, replayed } = sequence(3);
  for (const msgId of [1, 2, 3]) sequencer.change(replace(msgId));
  engines[0]!.step(50);
  assertEquals(engines.map(given).slice(1), [["0+"], ["0+"]]);
  lose();
  // A poll does nothing where nothing has changed.
  const made = (it: TimedEngine) => given(it).filter((it) => it !== "poll");
  assertEquals(engines.map(made).slice(1), [["0+", "2+", "3+"], ["0+"]]);
  engines[1]!.run();
  assertEquals(made(engines[2]!), ["0+", "0+", "0+"]);
  // What is tried again has another place in the order.
  assertEquals(replayed.filter(([, it]) => it !== "0+"), [
    [0, "4+"],
    [0, "5+"],
  ]);
  assertEquals(sequencer.changes, 3, "they count once");
});

Deno.test("Sequencer.owes() what was asked for before, and isn't given", () => {
  const { sequencer, engines, replicas, slowDown } = sequence(2);
  const [primary, other] = replicas;
  const [own, others] = [{}, {}];
  const owes = (stamp: number) =>
    [primary!, other!].map((it) => sequencer.owes(it, own, stamp));
  sequencer.change({ ...change(1), owner: own, stamp: 5 });
  // The primary is given it at once, the other when it is answered.
  assertEquals([owes(5), owes(6)], [[false, false], [false, true]]);
  engines[0]!.step(50);
  assertEquals(owes(6), [false, false]);
  slowDown();
  sequencer.change({ ...change(2), owner: others, stamp: 7 });
  sequencer.change({ ...replace(3), owner: own, stamp: 8 });
  assertEquals(sequencer.hasCollected(own), true);
  assertEquals([owes(8), owes(9)], [[false, false], [true, true]]);
});

Deno.test("Sequencer numbers changes in the order in which they are made", () => {
  // Invariant 1: a number tells which changes there have been.
  const { sequencer, engines, slowDown, replicas, run } = sequence(2);
  slowDown();
  // This needs a poll of its own, for which nobody has room.
  sequencer.change(change(1));
  sequencer.change(replace(2, { owner: {} }));
  sequencer.change(change(3, { table: "u", owner: {} }));
  assertEquals(sequencer.collected, 1);
  run();
  assertEquals(engines[0]!.msgIds, [1, 3, 2]);
  const [primary] = replicas;
  assertEquals(primary!.given("t") > primary!.given("u"), true);
});

Deno.test("Sequencer.promote() gives to all what was answered of a batch", () => {
  const { sequencer, engines, lose, slowDown } = sequence(3);
  slowDown();
  for (const msgId of [1, 2, 3, 4]) sequencer.change(change(msgId));
  // The first has a poll of its own, the others are in one batch.
  for (let i = 0; i < 3; i++) engines[0]!.step(SLOW);
  engines[1]!.steps.length = engines[1]!.msgIds.length = 0;
  engines[2]!.steps.length = engines[2]!.msgIds.length = 0;
  lose();
  assertEquals(given(engines[1]!).slice(0, 2), ["0", "0+"]);
  assertEquals(given(engines[2]!), ["0", "0+"]);
  engines[2]!.run();
  engines[1]!.run();
  engines[2]!.run();
  engines[1]!.run();
  assertEquals(
    given(engines[1]!).slice(2).join(" ").replace(" poll", "+"),
    "4+",
  );
  engines[2]!.run();
  assertEquals(given(engines[2]!).slice(2), ["0+"]);
});

Deno.test("Sequencer.promote() leaves out what is refused, and what failed", () => {
  // Invariant 6
  const { sequencer, engines, lose } = sequence(2);
  for (const msgId of [1, 2, 3]) sequencer.change(replace(msgId));
  sequencer.answered(1, true);
  lose([2]);
  engines[1]!.run();
  assertEquals(engines[1]!.msgIds, [3]);
  assertEquals([sequencer.collected, sequencer.settlePrimary().length], [0, 0]);
});

Deno.test("Sequencer.promote() takes what has collected after what is tried again", () => {
  const { sequencer, engines, lose, run, slowDown } = sequence(3);
  slowDown();
  sequencer.change(change(1));
  sequencer.change(replace(2)); // has to wait
  sequencer.change(replace(3));
  const collected = sequencer.collected;
  assert(collected > 0);
  lose();
  run();
  assertEquals(engines[1]!.msgIds.filter((it) => it > 0), [1, 2, 3]);
  assertEquals([sequencer.collected, sequencer.hasCollected(writer)], [
    0,
    false,
  ]);
});

Deno.test("Sequencer.promote() waits with a suspect while there is one engine", () => {
  let mayRisk = false;
  const { sequencer, engines, lose, run } = sequence(2, {
    mayRisk: () => mayRisk,
  });
  const suspect = { ...replace(1), deaths: 1 };
  sequencer.change(replace(2));
  lose();
  sequencer.change(suspect);
  sequencer.change(replace(3));
  sequencer.change(replace(4, { owner: another }));
  run();
  // Nothing of its owner overtakes it; others go on.
  assertEquals(engines[1]!.msgIds, [2, 4]);
  assertEquals([sequencer.collected, sequencer.hasCollected(writer)], [
    2,
    true,
  ]);
  mayRisk = true;
  sequencer.progress();
  run();
  assertEquals(engines[1]!.msgIds, [2, 4, 1, 3]);
});

Deno.test("Sequencer.settlePrimary() polls, and tells what the others don't have", () => {
  const { sequencer, engines, slowDown, run } = sequence(2);
  const numbers = () => sequencer.settlePrimary().map(({ change }) => change);
  assertEquals(numbers(), []);
  sequencer.change(replace(1));
  sequencer.change(replace(2));
  assertEquals(numbers(), [1, 2]);
  engines[0]!.step(50);
  assertEquals(numbers(), [2]);
  engines[0]!.step(50);
  assertEquals(numbers(), []);
  run();
  slowDown();
  sequencer.change(change(4)); // under way
  sequencer.change(change(5)); // unpolled
  sequencer.change(replace(6)); // collected
  assertEquals([numbers(), sequencer.collected], [[4, 5], 1]);
  assertEquals(sequencer.unpolled, 0);
});

Deno.test("Sequencer.promote() asks the program to poll again", () => {
  let asked = 0;
  const { sequencer, engines, lose } = sequence(2, {
    onPollRequest: () => void asked++,
  });
  sequencer.change(change(1));
  sequencer.change(change(2));
  engines[0]!.step(50);
  lose();
  assertEquals(asked, 2);
  engines[1]!.run();
  // What was answered has been polled, what is tried again hasn't.
  assertEquals([given(engines[1]!), sequencer.unpolled], [["0+", "2"], 1]);
  sequencer.poll();
  assertEquals(sequencer.unpolled, 0);
});
