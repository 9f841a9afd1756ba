import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { NO_BYTES } from "../protocol/frame.ts";
import { Kind } from "../protocol/kinds.ts";
import { errorOf, frame, parts } from "../testing/frames.ts";
import { timedRouting, type TimedRoutingOptions } from "../testing/routing.ts";
import type { TimedEngine } from "../testing/timed_engine.ts";
import type { Session } from "./session.ts";

/** A router over so many timed engines, and what their views are placed by. */
function timed(count: number, options: TimedRoutingOptions = {}) {
  const { router, ...rest } = timedRouting(count, options);
  /** Where the next view of `session` goes. */
  let views = 0;
  const place = (session: Session, config: string): number => {
    const before = router.stats().replicas.map((it) => it.views);
    const id = `view ${++views}`;
    session.handleRequest(
      frame(views, "t", Kind.TABLE_MAKE_VIEW, (writer) => {
        writer.tag(1, 2).string(id).tag(2, 2).fork();
        writer.tag(1, 2).string(config);
        writer.join();
      }),
    );
    const after = router.stats().replicas.map((it) => it.views);
    return after.findIndex((it, i) => it > before[i]!);
  };
  return { router, ...rest, place };
}

Deno.test("Router.placeView() keeps long requests off the fast lane", () => {
  const { open, run, place } = timed(3);
  const { session } = open();
  // Nothing is known: it may go anywhere, and is learnt from.
  place(session, "heavy");
  run(400_000);
  for (let i = 0; i < 6; i++) {
    assert(place(session, "heavy") > 0, "the lane is for short requests");
  }
  run(400_000);
  place(session, "light");
  run(400);
  // What is short goes to the lane, whether the others are busy or not yet.
  assertEquals(place(open().session, "light"), 0);
  for (let i = 0; i < 2; i++) place(session, "heavy");
  assertEquals(place(open().session, "light"), 0);
});

Deno.test("Router.placeView() takes a flat view for shorter than others", () => {
  const { engines, open, run, place } = timed(3);
  const { session } = open();
  session.handleRequest(frame(1, "t", Kind.MAKE_TABLE));
  while (engines.some((it) => it.waiting.length > 0)) {
    for (const engine of engines) {
      while (engine.waiting.length > 0) engine.step(80_000);
    }
  }
  assert(place(session, "grouped") > 0, "as long as reading the table");
  session.handleRequest(
    frame(2, "t", Kind.TABLE_MAKE_VIEW, (writer) => {
      writer.tag(1, 2).string("flat").tag(2, 2).bytes(new Uint8Array(0));
    }),
  );
  assert(engines[0]!.waiting.length === 1);
  run();
});

Deno.test("Router.placeView() uses every engine without a fast lane", () => {
  for (const [count, fastLane] of [[2, true], [3, false]] as const) {
    const { open, run, place } = timed(count, { fastLane });
    const { session } = open();
    place(session, "heavy");
    run(400_000);
    const places = new Set<number>();
    for (let i = 0; i < 2 * count; i++) places.add(place(session, "heavy"));
    assertEquals(places.size, count);
  }
});

Deno.test("Router.placeView() keeps long requests away from readers", () => {
  const { open, run, place, router } = timed(3);
  const heavy = open().session;
  place(heavy, "heavy");
  run(400_000);
  // A reader whose view was long to make, so that it isn't on the lane.
  const reader = open().session;
  const home = place(reader, "heavy");
  run(400_000);
  assert(home > 0);
  const view = "view 2";
  const read = () => {
    reader.handleRequest(frame(99, view, Kind.VIEW_DIMENSIONS));
    run();
  };
  // Long enough that what it asks is mostly short.
  for (let i = 0; i < 6; i++) read();
  for (let i = 0; i < 4; i++) {
    assertEquals(place(heavy, "heavy"), 3 - home, "nobody reads there");
    run(400_000);
    read();
  }
  assertEquals(router.stats().predictions[0]!.key.includes("heavy"), true);
});

Deno.test("Replica hands an engine little ahead of time", () => {
  const { engines: [engine], open, run } = timed(1);
  const [greedy, modest] = [open(), open()];
  for (let i = 1; i <= 1000; i++) {
    greedy.session.handleRequest(frame(i, "t", Kind.TABLE_SIZE));
  }
  modest.session.handleRequest(frame(1, "t", Kind.TABLE_SCHEMA));
  assert(engine!.waiting.length < 100);
  while (modest.frames.length === 0) engine!.step(50);
  assert(greedy.frames.length < 100, "it has waited for a thousand");
  run();
  assertEquals(greedy.frames.length, 1000);
});

// Invariant 2
Deno.test("Session waits for its own changes where they have not been made", () => {
  const { engines, open, run, place } = timed(2);
  const { session, frames } = open();
  const writer = open();
  const home = [place(session, "a"), place(session, "b")].indexOf(1);
  run();
  frames.length = 0;
  const view = `view ${home + 1}`;
  session.handleRequest(frame(10, "t", Kind.TABLE_UPDATE));
  session.handleRequest(frame(11, view, Kind.VIEW_DIMENSIONS));
  session.handleRequest(frame(12, "t", Kind.TABLE_SIZE));
  // Another session's change isn't waited for.
  writer.session.handleRequest(frame(13, "t", Kind.TABLE_UPDATE));
  assertEquals(engines[1]!.waiting, []);
  engines[0]!.step(50);
  // Now it has been answered, and the read comes behind it.
  assertEquals(
    engines[1]!.waiting.map((it) => it.kind),
    [
      Kind.TABLE_UPDATE,
      Kind.VIEW_DIMENSIONS,
      Kind.TABLE_SIZE,
    ].slice(0, engines[1]!.waiting.length),
  );
  assert(engines[1]!.waiting.length >= 2);
  run();
  assertEquals(frames.map((it) => parts(it).msgId).toSorted(), [10, 11, 12]);
});

Deno.test("Session.close() comes after what the session has asked", () => {
  const { engines, router, open, run, place } = timed(2);
  const { session, frames } = open();
  const home = [place(session, "a"), place(session, "b")].indexOf(1);
  run();
  frames.length = 0;
  session.handleRequest(frame(10, "t", Kind.TABLE_UPDATE));
  session.handleRequest(frame(11, `view ${home + 1}`, Kind.VIEW_DIMENSIONS));
  session.handleRequest(frame(12, "t", Kind.TABLE_UPDATE)); // behind the read
  session.close();
  assertEquals(session.closed, true);
  assertEquals(router.stats().views, 2);
  run();
  for (const engine of engines) {
    const updates = engine.done.filter((kind) => kind === Kind.TABLE_UPDATE);
    assertEquals(updates.length, 2);
  }
  const { sessions, views, pending } = router.stats();
  assertEquals([sessions, views, pending], [0, 0, 0]);
  assertEquals(frames, []);
});

// ENGINE 4.8: a poll costs the same for one update and for a thousand.
Deno.test("Router lets updates share a poll when an engine is behind", () => {
  const { engines, router, open, run } = timed(2);
  const [primary, other] = engines as [TimedEngine, TimedEngine];
  const { session, frames } = open();
  const reader = open();
  const update = (msgId: number, table = "t") =>
    session.handleRequest(frame(msgId, table, Kind.TABLE_UPDATE));
  for (let i = 1; i <= 100; i++) update(i);
  update(101, "another");
  primary.run();
  assertEquals(frames.length, 101, "all are answered, polled or not");
  assertEquals(router.stats().unpolledChanges, 100);
  assertEquals(other.steps, ["table_update+"]);
  // Invariant 2: whoever reads now sees all of it.
  reader.session.handleRequest(frame(1, "t", Kind.TABLE_SIZE));
  assertEquals(primary.steps.slice(-2), ["poll", "table_size"]);
  run();
  assertEquals(reader.frames.length, 1);
  const { joinedChanges, changes, unpolledChanges } = router.stats();
  assertEquals([changes, joinedChanges, unpolledChanges], [101, 99, 0]);
  // Each engine executes the same, and polls at the same places.
  const polls = primary.steps.slice(0, -1).join(" ").replaceAll(" poll", "+");
  assertEquals(other.steps.join(" "), polls);
});

// Invariant 2
Deno.test("Router has a read wait until a slow engine can be polled again", () => {
  const { engines, router, open, run } = timed(2);
  const [primary, other] = engines as [TimedEngine, TimedEngine];
  const writer = open();
  const reader = open();
  let msgId = 0;
  const update = () =>
    writer.session.handleRequest(frame(++msgId, "t", Kind.TABLE_UPDATE));
  update();
  primary.step(50);
  other.step(1e6); // so much for a poll
  update();
  primary.step(50);
  update();
  primary.step(50);
  assertEquals(writer.frames.length, 3);
  assertEquals(router.stats().unpolledChanges, 1);
  reader.session.handleRequest(frame(1, "t", Kind.TABLE_SIZE));
  reader.session.handleRequest(frame(2, "u", Kind.TABLE_SIZE)); // in its order
  assertEquals(primary.waiting, []);
  // What comes now isn't waited for, and waits for nothing.
  update();
  primary.step(50);
  assertEquals(writer.frames.length, 4);
  other.step(1e6);
  assertEquals(primary.steps.slice(-3), ["poll", "table_size", "table_size"]);
  run();
  assertEquals(reader.frames.length, 2);
  assertEquals(router.stats().pending, 0);
});

Deno.test("Session leaves nothing behind of a change that can't be read", () => {
  const { router, open } = timed(2);
  const { session, frames } = open();
  const bad = frame(5, "t", Kind.TABLE_UPDATE);
  bad[bad.indexOf(0x74)] = 0xff; // its table's name isn't UTF-8
  session.handleRequest(bad);
  assertEquals(frames.length, 1);
  assertStringIncludes(errorOf(frames[0]!).message, "Cannot read table_update");
  assertEquals(router.stats().pending, 0);
});

// Invariant 3
Deno.test("Router.close() answers what sessions hold, too", async () => {
  const { router, open, run, place } = timed(2);
  const { session, frames } = open();
  const home = [place(session, "a"), place(session, "b")].indexOf(1);
  run();
  frames.length = 0;
  session.handleRequest(frame(10, "t", Kind.TABLE_UPDATE));
  session.handleRequest(frame(11, `view ${home + 1}`, Kind.VIEW_DIMENSIONS));
  session.handleRequest(frame(12, "", Kind.SERVER_SYSTEM_INFO));
  await router.close();
  assertEquals(frames.map((it) => parts(it).msgId).toSorted(), [10, 11, 12]);
  for (const each of frames) {
    assertEquals(errorOf(each).message, "The server is closed");
  }
});

Deno.test("Session answers server_system_info with the error of one engine", () => {
  const { engines, router, open, run } = timed(3);
  const { session, frames } = open();
  session.handleRequest(frame(7, "", Kind.SERVER_SYSTEM_INFO));
  assertEquals(router.stats().pending > 0, true);
  engines[1]!.refuse("out of memory");
  run();
  assertEquals(frames.length, 1);
  const { message } = errorOf(frames[0]!);
  assertEquals(message, "out of memory");
  assertEquals(router.stats().pending, 0);
});

Deno.test("Router answers lazy deletes whatever is asked within the answers", () => {
  const { open, run } = timed(2, { line: "5" });
  const makeView = (msgId: number, table: string) =>
    frame(msgId, table, Kind.TABLE_MAKE_VIEW, (writer) => {
      writer.tag(1, 2).string(`view of ${table}`).tag(2, 2).bytes(NO_BYTES);
    });
  const listener = open();
  listener.session.handleRequest(
    frame(
      1,
      "",
      Kind.GET_HOSTED_TABLES,
      (writer) => writer.tag(1, 0).bool(true),
    ),
  );
  const first = open((bytes) => {
    if (parts(bytes).msgId !== 20) return;
    // Tells the listener that the list of tables has changed.
    first.session.handleRequest(frame(21, "u", Kind.TABLE_DELETE));
  });
  const second = open();
  first.session.handleRequest(makeView(2, "t"));
  first.session.handleRequest(makeView(3, "u"));
  run();
  first.session.handleRequest(frame(20, "t", Kind.TABLE_DELETE));
  second.session.handleRequest(frame(30, "t", Kind.TABLE_DELETE));
  first.session.handleRequest(frame(4, "view of t", Kind.VIEW_DELETE));
  run();
  const { msgId, entity, kind } = parts(second.frames.at(-1)!);
  assertEquals([msgId, entity, kind], [30, "t", Kind.TABLE_DELETE]);
  assert(listener.frames.length > 0);
});
