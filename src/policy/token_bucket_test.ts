import { assert, assertEquals } from "@std/assert";
import { burstOf, TokenBucket } from "./token_bucket.ts";

/** A bucket, and a clock to turn. */
function bucket(rate: number, burst: number) {
  const clock = { ms: 5_000 };
  return {
    clock,
    bucket: new TokenBucket({ rate, burst, now: () => clock.ms }),
  };
}

/** How many tokens it gives now. */
function drain(it: TokenBucket, most = 1_000): number {
  let taken = 0;
  while (taken < most && it.take()) taken++;
  return taken;
}

Deno.test("TokenBucket.take() gives a burst, and then as many as come back", () => {
  const { bucket: it, clock } = bucket(10, 3);
  assert(it.isFull);
  assertEquals(drain(it), 3);
  assert(!it.isFull);
  assertEquals(it.secondsUntilNext, 0.1);
  clock.ms += 99;
  assertEquals(drain(it), 0);
  clock.ms += 1;
  assertEquals(it.secondsUntilNext, 0);
  assertEquals(drain(it), 1);
  clock.ms += 250;
  assertEquals(drain(it), 2);
  clock.ms += 50; // with the half that was left
  assertEquals(drain(it), 1);
  clock.ms += 60_000; // no more than the burst
  assert(it.isFull);
  assertEquals(drain(it), 3);
});

Deno.test("TokenBucket takes part of a token a second, none, and any number", () => {
  const slow = bucket(0.5, burstOf(0.5));
  assertEquals(drain(slow.bucket), 5);
  slow.clock.ms += 1_999;
  assertEquals(drain(slow.bucket), 0);
  slow.clock.ms += 1;
  assertEquals(drain(slow.bucket), 1);
  const none = bucket(0, burstOf(0));
  none.clock.ms += 1e9;
  assertEquals(drain(none.bucket), 0);
  assertEquals(none.bucket.secondsUntilNext, Infinity);
  const any = bucket(Infinity, burstOf(Infinity));
  assertEquals(drain(any.bucket), 1_000);
  assert(any.bucket.isFull);
  assertEquals(any.bucket.secondsUntilNext, 0);
});

Deno.test("TokenBucket stands still while its clock goes back", () => {
  const { bucket: it, clock } = bucket(10, 2);
  assertEquals(drain(it), 2);
  clock.ms -= 4_000;
  assertEquals(drain(it), 0);
  clock.ms += 100;
  assertEquals(drain(it), 1);
});

Deno.test("burstOf() is ten seconds' worth, and one at least", () => {
  assertEquals([0, 0.01, 5, Infinity].map(burstOf), [0, 1, 50, Infinity]);
});
