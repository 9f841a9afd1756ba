import { assertEquals, assertStringIncludes } from "@std/assert";
import { Inbox } from "./inbox.ts";

const frames = (...lengths: number[]) =>
  lengths.map((length) => new Uint8Array(length));

Deno.test("Inbox.whyFull() says how much is in flight", () => {
  // Invariant 8
  const inbox = new Inbox({ maxInFlight: 2, maxInFlightSize: 100 });
  inbox.add(60);
  assertEquals(inbox.whyFull(40), undefined);
  assertStringIncludes(inbox.whyFull(41)!, "1 requests of 60 bytes");
  inbox.add(10);
  assertStringIncludes(inbox.whyFull(1)!, "at most 2 of 100 bytes");
  inbox.done(60);
  assertEquals(inbox.whyFull(90), undefined);
});

Deno.test("Inbox.whyFull() takes a request alone whatever its size", () => {
  const inbox = new Inbox({ maxInFlight: 1, maxInFlightSize: 10 });
  assertEquals(inbox.whyFull(1000), undefined);
  inbox.add(1000);
  inbox.done(1000);
  assertEquals(inbox.whyFull(1000), undefined);
});

Deno.test("Inbox.hold() counts what it holds as in flight", () => {
  const inbox = new Inbox({ maxInFlight: 2, maxInFlightSize: 100 });
  assertEquals(inbox.isHolding, false);
  for (const frame of frames(5, 6)) inbox.hold(frame);
  assertEquals(inbox.isHolding, true);
  assertStringIncludes(inbox.whyFull(1)!, "2 requests of 11 bytes");
  inbox.retry(() => {});
  assertEquals(inbox.isHolding, false);
  assertEquals(inbox.whyFull(100), undefined);
});

Deno.test("Inbox.retry() takes up what is held in its order", () => {
  const inbox = new Inbox({ maxInFlight: 9, maxInFlightSize: 100 });
  for (const frame of frames(1, 2, 3)) inbox.hold(frame);
  const handled: number[] = [];
  inbox.retry(({ length }) => handled.push(length));
  assertEquals(handled, [1, 2, 3]);
  inbox.retry(({ length }) => handled.push(length));
  assertEquals(handled, [1, 2, 3]);
});

Deno.test("Inbox.retry() stops where something is held again", () => {
  const inbox = new Inbox({ maxInFlight: 3, maxInFlightSize: 100 });
  for (const frame of frames(1, 2, 3)) inbox.hold(frame);
  const handled: number[] = [];
  inbox.retry((frame) => {
    handled.push(frame.length);
    if (frame.length === 2) inbox.holdBack(frame);
  });
  assertEquals(handled, [1, 2]);
  assertStringIncludes(inbox.whyFull(100)!, "2 requests of 5 bytes");
  inbox.retry(({ length }) => handled.push(length));
  assertEquals(handled, [1, 2, 2, 3]);
  assertEquals(inbox.isHolding, false);
});

Deno.test("Inbox.retry() forgets what the first had to see with the first", () => {
  const inbox = new Inbox({ maxInFlight: 9, maxInFlightSize: 100 });
  for (const frame of frames(1, 2)) inbox.hold(frame);
  inbox.after = 7;
  const seen: unknown[] = [];
  inbox.retry((frame) => {
    seen.push(inbox.after);
    if (seen.length === 1) inbox.holdBack(frame);
  });
  assertEquals(inbox.after, 7, "it is held on");
  inbox.retry(() => seen.push(inbox.after));
  assertEquals(seen, [7, 7, undefined]);
});

Deno.test("Inbox.retry() lets nothing overtake what is held", () => {
  const inbox = new Inbox({ maxInFlight: 9, maxInFlightSize: 100 });
  for (const frame of frames(1, 2)) inbox.hold(frame);
  const handled: number[] = [];
  inbox.retry((frame) => {
    handled.push(frame.length);
    assertEquals(inbox.isHolding, true);
    // Asked within an answer, with the same bytes.
    if (handled.length === 1) inbox.hold(frame);
    inbox.retry(() => handled.push(NaN));
  });
  assertEquals(handled, [1, 2, 1]);
  assertEquals(inbox.isHolding, false);
});

Deno.test("Inbox.takeAll() takes what is held", () => {
  const inbox = new Inbox({ maxInFlight: 9, maxInFlightSize: 100 });
  for (const frame of frames(1, 2)) inbox.hold(frame);
  assertEquals(inbox.takeAll().map(({ length }) => length), [1, 2]);
  assertEquals(inbox.isHolding, false);
  assertEquals(inbox.whyFull(100), undefined);
  inbox.retry(() => {
    throw new Error("nothing is held");
  });
});

Deno.test("Inbox.isWaiting doesn't count what is put off", () => {
  const inbox = new Inbox({ maxInFlight: 3, maxInFlightSize: 100 });
  inbox.add(1);
  inbox.putOff();
  assertEquals(inbox.isWaiting, false);
  inbox.add(2);
  assertEquals(inbox.isWaiting, true);
  inbox.done(1, true);
  assertEquals(inbox.isWaiting, true);
  inbox.done(2);
  assertEquals(inbox.isWaiting, false);
});
