import { assertEquals } from "@std/assert";
import { draw, type Series, ticks } from "./svg.ts";

Deno.test("ticks() are 1, 2 and 5 of each power of ten", () => {
  assertEquals(ticks(0.5, 30), [0.5, 1, 2, 5, 10, 20]);
  assertEquals(ticks(3, 4), []);
});

Deno.test("ticks() over a wide range are powers of ten", () => {
  assertEquals(ticks(0.01, 1_000), [0.01, 0.1, 1, 10, 100, 1_000]);
});

const style = { colour: "#000000", dashed: false };

function picture(...series: Partial<Series>[]): string {
  const all = series.map((one, index): Series => ({
    title: `Series ${index}`,
    style,
    points: [{ x: 1, y: 1 }, { x: 10, y: 10 }],
    failed: [],
    ...one,
  }));
  return draw({
    title: "A picture",
    panels: [{ xLabel: "x", yLabel: "y", series: all }],
  });
}

Deno.test("draw() leaves room for failures only where there are some", () => {
  const topOf = (svg: string) =>
    Number(/class="axis" d="M\d+ (\d+)V/.exec(svg)![1]);
  assertEquals(topOf(picture({})), 12);
  assertEquals(topOf(picture({}, { failed: [10] })), 58);
});

Deno.test("draw() fills its legend downwards", () => {
  const svg = picture({}, {}, {}, {}, {});
  const places = [0, 1, 2, 3, 4].map((index) => {
    const place = new RegExp(`x="(\\d+)" y="(\\d+)">Series ${index}<`);
    const [, x, y] = place.exec(svg)!;
    return { x: Number(x), y: Number(y) };
  });
  const xs = [...new Set(places.map(({ x }) => x))];
  const ys = [...new Set(places.map(({ y }) => y))];
  assertEquals(
    places.map(({ x, y }) => [xs.indexOf(x), ys.indexOf(y)]),
    [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1]],
  );
});
