import { assertEquals } from "@std/assert";
import { Kind } from "../protocol/kinds.ts";
import { errorOf, frame, parts, text, uint } from "../testing/frames.ts";
import { routing, timedRouting, tinyRouting } from "../testing/routing.ts";
import type { TimedEngine } from "../testing/timed_engine.ts";

const { MAKE_TABLE, TABLE_UPDATE, TABLE_SIZE, TABLE_DELETE } = Kind;

Deno.test("A table is read once until it changes", () => {
  const { engine, router, open } = tinyRouting({ sharing: true });
  const [a, b] = [open(), open()];
  a.ask(1, "t", MAKE_TABLE);
  a.ask(2, "u", MAKE_TABLE);
  engine.steps.length = 0;
  a.ask(3, "t", TABLE_SIZE);
  b.ask(4, "t", TABLE_SIZE);
  b.ask(5, "t", TABLE_SIZE);
  assertEquals(engine.steps, ["table_size"]);
  const [first] = a.take().slice(2);
  const [second, third] = b.take();
  // The same answer, to whoever asked.
  assertEquals(parts(second!), { ...parts(first!), msgId: 4 });
  assertEquals(parts(third!), { ...parts(first!), msgId: 5 });

  b.ask(6, "u", TABLE_UPDATE);
  a.ask(7, "t", TABLE_SIZE); // another's change is none of it
  b.ask(8, "t", TABLE_UPDATE);
  a.ask(9, "t", TABLE_SIZE);
  assertEquals(engine.steps.slice(1), [
    "table_update+",
    "table_update+",
    "table_size",
  ]);
  const { cacheSize, ...reads } = router.stats().reads;
  assertEquals(reads, { asked: 5, computed: 2, joined: 0, remembered: 3 });
  assertEquals(cacheSize > 0, true);
  b.ask(10, "t", TABLE_DELETE, uint(1, 1));
  assertEquals(router.stats().reads.cacheSize, 0);
});

Deno.test("What is read with other parameters is another read", () => {
  const { engine, open } = tinyRouting({ sharing: true });
  const client = open();
  for (const expression of ["a", "b", "a"]) {
    client.ask(1, "t", Kind.TABLE_VALIDATE_EXPR, text(1, expression));
  }
  assertEquals(engine.steps.length, 2);
  const long = text(1, "x".repeat(5_000));
  for (let i = 0; i < 2; i++) {
    client.ask(1, "t", Kind.TABLE_VALIDATE_EXPR, long); // too long to keep
  }
  assertEquals(engine.steps.length, 4);
});

Deno.test("sharing: false asks the engine each time", () => {
  const { engine, open } = tinyRouting({ sharing: false });
  const client = open();
  for (let i = 0; i < 3; i++) client.ask(1, "t", TABLE_SIZE);
  assertEquals(engine.steps.length, 3);
});

Deno.test("An engine whose tables others change, too, is asked each time", () => {
  const { engine, open } = tinyRouting({ sharing: true, isForeign: true });
  const client = open();
  for (let i = 0; i < 3; i++) client.ask(1, "t", TABLE_SIZE);
  assertEquals(engine.steps.length, 3);
});

Deno.test("Answers are remembered in so many bytes, the last used longest", () => {
  const { engine, router, open } = tinyRouting({
    sharing: true,
    cacheSize: 800, // two answers, with what they take besides
  });
  const client = open();
  const asked = (...tables: string[]) => {
    engine.steps.length = 0;
    for (const table of tables) client.ask(1, table, TABLE_SIZE);
    assertEquals(router.stats().reads.cacheSize <= 800, true);
    return engine.steps.length;
  };
  assertEquals(asked("a", "b", "a"), 2);
  assertEquals(asked("c"), 1); // b goes
  assertEquals(asked("a", "c"), 0);
  assertEquals(asked("b"), 1);
  assertEquals(asked("c", "b"), 0);

  const none = tinyRouting({ sharing: true, cacheSize: 0 });
  const other = none.open();
  for (let i = 0; i < 3; i++) other.ask(1, "t", TABLE_SIZE);
  assertEquals(none.engine.steps.length, 3);
});

Deno.test("An error is everyone's own", () => {
  const { engine, router, open } = routing({ sharing: true });
  const [a, b] = [open(), open()];
  a.ask(1, "t", TABLE_SIZE);
  b.ask(2, "t", TABLE_SIZE);
  assertEquals(engine.requests.length, 1);
  engine.refuse(engine.last, "Couldn't find key.");
  for (const [client, msgId] of [[a, 1], [b, 2]] as const) {
    const [answer] = client.take();
    assertEquals(parts(answer!).msgId, msgId);
    assertEquals(errorOf(answer!).message, "Couldn't find key.");
  }
  a.ask(3, "t", TABLE_SIZE);
  assertEquals(engine.requests.length, 2); // it isn't remembered
  assertEquals(router.stats().pending, 1);
});

Deno.test("A read waits for one like it, also if who asked first has gone", () => {
  const { engines, router, open, run } = timedRouting(1, { sharing: true });
  const [a, b] = [open(), open()];
  a.session.handleRequest(frame(1, "t", TABLE_SIZE));
  b.session.handleRequest(frame(2, "t", TABLE_SIZE));
  a.session.close();
  assertEquals(engines[0]!.steps, ["table_size"]);
  run();
  assertEquals(a.frames, []);
  assertEquals(b.frames.map((it) => parts(it).msgId), [2]);
  const { computed, joined } = router.stats().reads;
  assertEquals([computed, joined], [1, 1]);
});

Deno.test("A change doesn't overtake a read of its session that waits for another's", () => {
  const { engines, open, run } = timedRouting(1, { sharing: true });
  const [a, b, c] = [open(), open(), open()];
  // Something is under way, so that what follows takes turns.
  for (let i = 0; i < 100; i++) {
    c.session.handleRequest(frame(i, `t${i}`, TABLE_SIZE));
  }
  a.session.handleRequest(frame(1, "t", TABLE_SIZE));
  b.session.handleRequest(frame(2, "t", TABLE_SIZE));
  b.session.handleRequest(frame(3, "t", TABLE_UPDATE));
  run();
  assertEquals(b.frames.map((it) => parts(it).msgId), [2, 3]);
  assertEquals(
    engines[0]!.steps.filter((it) => it.startsWith("table_update")).length,
    1,
  );
});

Deno.test("What was read before a change doesn't answer who has heard of it", () => {
  // Invariant 2
  const { engines, open } = timedRouting(2, { sharing: true });
  const [primary, other] = engines as [TimedEngine, TimedEngine];
  const [a, b] = [open(), open()];
  a.session.handleRequest(frame(1, "t", TABLE_UPDATE));
  primary.step(10_000); // from now on it is known to take long
  other.step(10_000);
  a.session.handleRequest(frame(2, "t", TABLE_UPDATE));
  b.session.handleRequest(frame(3, "t", TABLE_SIZE));
  assertEquals(other.steps.at(-1), "table_size");
  other.step(50); // it hasn't seen the change
  primary.step(50);
  assertEquals(a.frames.map((it) => parts(it).msgId), [1, 2]);
  b.session.handleRequest(frame(4, "t", TABLE_SIZE));
  other.step(50); // the change, with its poll
  assertEquals(other.waiting.length + primary.waiting.length, 1);
  for (const engine of engines) if (engine.waiting.length > 0) engine.step(50);
  assertEquals(b.frames.map((it) => parts(it).msgId), [3, 4]);
  // Now all have the same, and it is known.
  a.session.handleRequest(frame(5, "t", TABLE_SIZE));
  assertEquals(a.frames.map((it) => parts(it).msgId), [1, 2, 5]);
});
