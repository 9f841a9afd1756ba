import { assertEquals } from "@std/assert";
import { baseOf, bestPeer, compare, figure } from "./compare.ts";
import type { Goal } from "./load/types.ts";
import { entryOf, measurementOf } from "./testing.ts";

/** An entry whose rounds have those latencies, the same for each request. */
function withLatencies(entry: ReturnType<typeof entryOf>, ...all: number[]) {
  const rounds = all.map((latency) => measurementOf({ latencies: [latency] }));
  return { ...entry, rounds };
}

function goal(some: Partial<Goal>): Goal {
  return { measure: "rate", against: "peers", wanted: null, ...some };
}

Deno.test("bestPeer() takes the fastest of Perspective's own servers", () => {
  const all = [
    entryOf("bare", 3, 900),
    entryOf("pool", 3, 800),
    entryOf("node", 3, 100),
    entryOf("python", 5, 200),
    entryOf("python", 3),
  ];
  assertEquals(bestPeer("rate", all)?.contestant.name, "python-5");
  assertEquals(bestPeer("rate", all.slice(0, 2)), undefined);
});

Deno.test("bestPeer() takes the smallest latency", () => {
  const slow = withLatencies(entryOf("node", 3), 30);
  const fast = withLatencies(entryOf("python", 3), 20);
  assertEquals(bestPeer("p99", [slow, fast]), fast);
});

Deno.test("compare() says whether a pool does what is wanted of it", () => {
  const wanted = { 3: 1.5, 5: 3 };
  const third = entryOf("pool", 3, 200, 220);
  const fifth = entryOf("pool", 5, 200, 220);
  const all = [third, fifth, entryOf("node", 3, 100, 110)];
  assertEquals(compare(goal({ wanted }), third, all), {
    base: "The node-3",
    ratio: { median: 2, min: 2, max: 2 },
    wanted: 1.5,
    atLeast: true,
    met: true,
  });
  assertEquals(compare(goal({ wanted }), fifth, all)?.met, false);
});

Deno.test("compare() wants nothing of the others", () => {
  const node = entryOf("node", 3, 100);
  const made = compare(goal({ wanted: { 3: 2, 5: 2 } }), node, [node]);
  assertEquals(made?.ratio.median, 1);
  assertEquals([made?.wanted, made?.met], [null, null]);
});

Deno.test("compare() relates the latencies of all rounds", () => {
  const pool = withLatencies(entryOf("pool", 3), 1, 2, 4);
  const node = withLatencies(entryOf("node", 3), 10, 10, 40);
  const made = compare(
    goal({ measure: "p99", wanted: { 3: 0.5, 5: 0.5 } }),
    pool,
    [pool, node],
  );
  assertEquals(made!.ratio.median.toFixed(2), "0.10");
  assertEquals([made!.ratio.min, made!.ratio.max], [0.1, 0.2]);
  assertEquals([made!.atLeast, made!.met], [false, true]);
});

Deno.test("compare() relates what goes on beside", () => {
  const rounds = [measurementOf({ besidePerSecond: 6 })];
  const pool = { ...entryOf("pool", 3), rounds };
  const node = {
    ...entryOf("node", 3),
    rounds: [measurementOf({ besidePerSecond: 8 })],
  };
  const made = compare(goal({ measure: "beside", against: "node" }), pool, [
    pool,
    node,
  ]);
  assertEquals(made?.ratio.median, 0.75);
});

Deno.test("compare() has nothing to say without a base", () => {
  const pool = entryOf("pool", 3, 100);
  assertEquals(compare(goal({}), pool, [pool]), null);
  const failed = { ...entryOf("node", 3), rounds: [null] };
  assertEquals(compare(goal({}), pool, [pool, failed]), null);
});

Deno.test("baseOf() finds the one of the same line", () => {
  const all = [
    entryOf("echo", null, 9),
    entryOf("node", 3, 1),
    entryOf("node", 5, 1),
  ];
  const pool = entryOf("pool", 5, 2);
  assertEquals(baseOf("node", pool, all)?.contestant.name, "node-5");
  assertEquals(baseOf("echo", pool, all)?.contestant.name, "echo");
  assertEquals(baseOf("bare", pool, all), undefined);
});

Deno.test("figure() is nothing if nothing was measured", () => {
  assertEquals(figure(entryOf("node", 3), "rate"), null);
  assertEquals(figure(entryOf("node", 3), "p99"), null);
});
