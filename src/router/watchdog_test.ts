import { assertEquals } from "@std/assert";
import { ManualClock } from "../testing/routing.ts";
import { Watchdog } from "./watchdog.ts";

/** What requests may take. */
const [SHORT, LONG, ANY] = [100, 1000, Infinity];

function watch() {
  const clock = new ManualClock();
  const hangs: number[] = [];
  const dog = new Watchdog({
    now: clock.now,
    later: clock.later,
    onHang: () => hangs.push(clock.now()),
  });
  return { clock, dog, hangs };
}

Deno.test("Watchdog.onHang is called once when a request takes too long", () => {
  const { clock, dog, hangs } = watch();
  dog.begin(SHORT);
  clock.advance(99);
  assertEquals(hangs, []);
  clock.advance(1);
  assertEquals([hangs, clock.pauses], [[100], []]);
  clock.advance(10_000);
  assertEquals(hangs, [100]);
});

Deno.test("Watchdog says nothing of what comes back in time", () => {
  const { clock, dog, hangs } = watch();
  for (let i = 0; i < 50; i++) {
    dog.begin(SHORT);
    clock.advance(90);
    // However many there are, there is one timer.
    assertEquals(clock.pauses.length, 1);
  }
  dog.end();
  clock.advance(1000);
  assertEquals([hangs, clock.pauses], [[], []]);
  dog.begin(SHORT);
  clock.advance(100);
  assertEquals(hangs.length, 1);
});

Deno.test("Watchdog counts from the begin of what is under way", () => {
  const { clock, dog, hangs } = watch();
  dog.begin(SHORT);
  clock.advance(60);
  dog.begin(SHORT);
  clock.advance(60);
  assertEquals([hangs, clock.pauses], [[], [40]]);
  clock.advance(40);
  assertEquals(hangs, [160]);
});

Deno.test("Watchdog gives each request its time", () => {
  const { clock, dog, hangs } = watch();
  dog.begin(LONG);
  clock.advance(500);
  // The timer would come too late for this one.
  dog.begin(SHORT);
  assertEquals(clock.pauses, [100]);
  dog.begin(LONG);
  clock.advance(999);
  assertEquals([hangs, clock.pauses], [[], [1]]);
  dog.begin(ANY);
  clock.advance(1e9);
  assertEquals([hangs, clock.pauses], [[], []]);
});

Deno.test("Watchdog.stop() leaves no timer behind", () => {
  const { clock, dog, hangs } = watch();
  dog.begin(SHORT);
  dog.stop();
  assertEquals(clock.pauses, []);
  clock.advance(1000);
  assertEquals(hangs, []);
});

Deno.test("Watchdog waits longer than a timer takes", () => {
  const clock = new ManualClock();
  let hangs = 0;
  const dog = new Watchdog({
    now: clock.now,
    later: clock.later,
    onHang: () => hangs++,
  });
  dog.begin(3e9);
  assertEquals(clock.pauses, [0x7fff_ffff]);
  clock.advance(3e9 - 1);
  assertEquals(hangs, 0);
  clock.advance(1);
  assertEquals(hangs, 1);
});
