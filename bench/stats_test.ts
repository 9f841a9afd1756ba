import { assertEquals, assertNotEquals } from "@std/assert";
import {
  inSeries,
  pairedRatios,
  randomFrom,
  shuffled,
  spread,
} from "./stats.ts";

Deno.test("spread() gives the median and the extremes", () => {
  assertEquals(spread([30, 10, 20]), { median: 20, min: 10, max: 30 });
  assertEquals(spread([4, 1, 3, 2]), { median: 2.5, min: 1, max: 4 });
  assertEquals(spread([7]), { median: 7, min: 7, max: 7 });
});

Deno.test("spread() of nothing is null", () => {
  assertEquals(spread([]), null);
});

Deno.test("spread() leaves its argument alone", () => {
  const values = [3, 1, 2];
  spread(values);
  assertEquals(values, [3, 1, 2]);
});

Deno.test("pairedRatios() compares within a round", () => {
  // The second round was disturbed for both: the ratio is the same.
  const ratios = pairedRatios([50, 5, 60], [100, 10, 120]);
  assertEquals(ratios, { median: 0.5, min: 0.5, max: 0.5 });
});

Deno.test("pairedRatios() leaves out rounds that one of them lacks", () => {
  const ratios = pairedRatios([50, null, 60, 70], [100, 10, null]);
  assertEquals(ratios, { median: 0.5, min: 0.5, max: 0.5 });
  assertEquals(pairedRatios([1, 2], []), null);
});

Deno.test("pairedRatios() leaves out rounds without anything to compare with", () => {
  const ratios = pairedRatios([1, 2, 0], [0, 4, 0]);
  assertEquals(ratios, { median: 0.5, min: 0.5, max: 0.5 });
  assertEquals(pairedRatios([1], [0]), null);
});

Deno.test("inSeries() adds up the times of a request", () => {
  assertEquals(inSeries([100, 30], [100, 60]), [50, 20]);
  assertEquals(inSeries([100, null, 1], [null, 5]), [null, null, null]);
});

Deno.test("shuffled() keeps every item and follows from the seed", () => {
  const items = Array.from({ length: 20 }, (_, index) => index);
  const order = shuffled(items, randomFrom(1));
  assertEquals(order.toSorted((a, b) => a - b), items);
  assertEquals(shuffled(items, randomFrom(1)), order);
  assertNotEquals(shuffled(items, randomFrom(2)), order);
  assertNotEquals(order, items);
});

Deno.test("randomFrom() stays between 0 and 1", () => {
  const random = randomFrom(42);
  const values = Array.from({ length: 10_000 }, random);
  assertEquals(values.every((value) => value >= 0 && value < 1), true);
  const mean = values.reduce((sum, value) => sum + value) / values.length;
  assertEquals(Math.round(mean * 10) / 10, 0.5);
});
