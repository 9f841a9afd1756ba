import { assertEquals } from "@std/assert";
import { histogramOf, pooledQuantile } from "./histogram.mjs";

/** Asserts that a value is right to a bit more than half a percent. */
function assertNear(value: number | null, wanted: number): void {
  const isNear = Math.abs((value ?? 0) / wanted - 1) < 0.0051;
  assertEquals(isNear, true, `${value}, wanted ${wanted}`);
}

Deno.test("pooledQuantile() is right to half a percent", () => {
  const values = Array.from({ length: 1000 }, (_, index) => index + 1);
  const histograms = [
    histogramOf(values.filter((value) => value % 3 === 0)),
    histogramOf(values.filter((value) => value % 3 !== 0)),
  ];
  for (const share of [0.01, 0.5, 0.99, 1]) {
    assertNear(pooledQuantile(histograms, share), share * 1000);
  }
});

Deno.test("pooledQuantile() weighs each latency, not each round", () => {
  const quiet = histogramOf(new Array<number>(99).fill(1));
  const disturbed = histogramOf([500]);
  assertNear(pooledQuantile([quiet, disturbed], 0.99), 1);
  assertNear(pooledQuantile([quiet, disturbed], 1), 500);
});

Deno.test("histograms take what is too short for the clock", () => {
  const found = pooledQuantile([histogramOf([0, 0])], 0.5)!;
  assertEquals(found > 0 && found < 0.001, true);
});

Deno.test("pooledQuantile() of nothing is null", () => {
  assertEquals(pooledQuantile([], 0.5), null);
  assertEquals(pooledQuantile([histogramOf([])], 0.5), null);
});
