import { assert, assertEquals, assertLess } from "@std/assert";
import { Door, type DoorLimits, type Pass, type TurnedAway } from "./door.ts";

const NO_LIMITS: DoorLimits = {
  maxConnections: Infinity,
  maxConnectionsPerAddress: Infinity,
  maxHandshakesPerSecond: Infinity,
  maxHandshakesPerSecondPerAddress: Infinity,
};

/** A door, and a clock to turn. */
function door(limits: Partial<DoorLimits>) {
  const clock = { ms: 0 };
  const it = new Door({ ...NO_LIMITS, ...limits }, () => clock.ms);
  const enter = (address?: string): Pass => {
    const entry = it.enter(address);
    if ("reason" in entry) throw new Error(`turned away: ${entry.reason}`);
    return entry;
  };
  const refused = (address?: string): TurnedAway => {
    const entry = it.enter(address);
    if ("reason" in entry) return entry;
    throw new Error("let in");
  };
  return { door: it, clock, enter, refused };
}

Deno.test("Door.enter() lets in maxConnections", () => {
  const { enter, refused } = door({ maxConnections: 2 });
  const pass = enter("1.1.1.1");
  enter(undefined);
  assertEquals(refused("2.2.2.2"), { reason: "maxConnections", retryAfter: 5 });
  pass.leave();
  pass.leave(); // counts once
  enter("2.2.2.2");
  assertEquals(refused("1.1.1.1").reason, "maxConnections");
});

Deno.test("Door.enter() lets in maxConnectionsPerAddress", () => {
  const { enter, refused } = door({ maxConnectionsPerAddress: 2 });
  const passes = [enter("1.1.1.1"), enter("::ffff:1.1.1.1")];
  assertEquals(refused("1.1.1.1"), {
    reason: "maxConnectionsPerAddress",
    retryAfter: 5,
  });
  enter("1.1.1.2");
  enter("2001:db8::1");
  enter("2001:db8::2");
  assertEquals(refused("2001:db8::3").reason, "maxConnectionsPerAddress");
  enter("2001:db8:0:1::3");
  for (let i = 0; i < 5; i++) enter(undefined); // has none to be counted by
  passes[0]!.leave();
  enter("1.1.1.1");
  assertEquals(refused("1.1.1.1").reason, "maxConnectionsPerAddress");
});

Deno.test("Door.enter() lets in so many handshakes a second of an address", () => {
  const { enter, refused, clock } = door({
    maxHandshakesPerSecondPerAddress: 0.5,
  });
  for (let i = 0; i < 5; i++) enter("1.1.1.1").leave();
  assertEquals(refused("1.1.1.1"), {
    reason: "maxHandshakesPerSecondPerAddress",
    retryAfter: 2,
  });
  enter("2.2.2.2"); // isn't concerned
  clock.ms += 1_000;
  assertEquals(refused("1.1.1.1").retryAfter, 1);
  clock.ms += 1_000;
  enter("1.1.1.1");
  refused("1.1.1.1");
});

Deno.test("Door.enter() lets in so many handshakes a second", () => {
  const { enter, refused, clock } = door({
    maxHandshakesPerSecond: 1,
    maxHandshakesPerSecondPerAddress: 0.5,
  });
  for (let i = 0; i < 5; i++) enter("1.1.1.1");
  // One address doesn't use up what is for all.
  for (let i = 0; i < 50; i++) refused("1.1.1.1");
  for (let i = 0; i < 5; i++) enter(`2.2.2.${i}`);
  assertEquals(refused("3.3.3.3"), {
    reason: "maxHandshakesPerSecond",
    retryAfter: 1,
  });
  clock.ms += 1_000;
  enter("3.3.3.3");
});

Deno.test("Door.enter() lets in nobody with 0", () => {
  for (const name of Object.keys(NO_LIMITS) as (keyof DoorLimits)[]) {
    const { refused, clock } = door({ [name]: 0 });
    clock.ms += 1e6;
    const { reason, retryAfter } = refused("1.1.1.1");
    assertEquals(reason, name);
    assertEquals(retryAfter, name.startsWith("maxHandshakes") ? 3_600 : 5);
  }
});

// Invariant 8
Deno.test("Door forgets addresses", () => {
  const { door: it, enter, clock } = door({
    maxHandshakesPerSecondPerAddress: 1,
  });
  const stays = enter("9.9.9.9");
  for (let i = 0; i < 30_000; i++) {
    enter(`2001:db8:${(i >> 8).toString(16)}:${(i & 255).toString(16)}::1`)
      .leave();
  }
  assertEquals(it.addresses, 10_001);
  // One that has been away for long enough is as good as new.
  clock.ms += 1_000;
  for (let i = 0; i < 10_000; i++) {
    enter(`3.0.${i >> 8}.${i & 255}`).leave();
  }
  clock.ms += 1_000;
  for (let i = 0; i < 10_000; i++) {
    enter("1.1.1.1").leave();
    clock.ms += 1_000;
  }
  assertLess(it.addresses, 10);
  stays.leave();
  clock.ms += 20_000;
  enter("1.1.1.1").leave();
  assert(it.addresses <= 2);
});

Deno.test("Door remembers nobody where rates don't count", () => {
  const { door: it, enter } = door({});
  for (let i = 0; i < 1_000; i++) enter(`1.1.1.${i}`).leave();
  assert(it.addresses <= 2);
});
