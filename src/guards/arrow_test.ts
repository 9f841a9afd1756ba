import { assertEquals, assertMatch } from "@std/assert";
import {
  Dictionary,
  Field,
  Int32,
  List,
  Table,
  tableToIPC,
  Utf8,
  vectorFromArray,
} from "apache-arrow";
import { FIXTURES } from "../testing/arrow/fixtures.ts";
import { HARMS } from "../testing/arrow/harms.ts";
import { randomArrow } from "../testing/arrow/random_arrow.ts";
import { BareEngine } from "../testing/bare_engine.ts";
import { valueIn } from "../testing/differential/asks.ts";
import { goodArrow } from "../testing/fuzz/arrow.ts";
import { forAll, Random } from "../testing/random.ts";
import { type ArrowLimits, checkArrow } from "./arrow.ts";

const LIMITS: ArrowLimits = {
  maxColumns: 100,
  maxRows: 1_000_000,
  maxStringLength: 1000,
  maxNameLength: 100,
};

const utf8 = new Utf8();
const numbers = new List(new Field("item", new Int32(), true));

function written(columns: Record<string, unknown>): Uint8Array {
  // deno-lint-ignore ban-types
  return tableToIPC(new Table(columns as {}), "stream");
}

function fixture(name: keyof typeof FIXTURES): Uint8Array {
  return Uint8Array.fromBase64(FIXTURES[name]!);
}

// -- What is right ------------------------------------------------------------

for (const name of Object.keys(FIXTURES)) {
  Deno.test(`checkArrow() lets through what other programs write: ${name}`, () => {
    assertEquals(checkArrow(fixture(name), LIMITS), undefined);
  });
}

Deno.test("checkArrow() takes Infinity for no limit", () => {
  const limits = {
    maxColumns: Infinity,
    maxRows: Infinity,
    maxStringLength: Infinity,
    maxNameLength: Infinity,
    maxDecompressed: Infinity,
  };
  for (const name of Object.keys(FIXTURES)) {
    assertEquals(checkArrow(fixture(name), limits), undefined, name);
  }
});

Deno.test("checkArrow() lets through random tables", async () => {
  await forAll(300, (random) => {
    const { bytes, about } = randomArrow(random);
    assertEquals(checkArrow(bytes, LIMITS), undefined, about);
  });
});

for (const line of ["3", "5"] as const) {
  Deno.test(`checkArrow() lets through what engine ${line} writes`, async () => {
    assertEquals(checkArrow(await goodArrow(line), LIMITS), undefined);
    const engine = await BareEngine.start(line);
    const rows = Array.from(
      { length: 500 },
      (_, i) => ({ a: i % 7, s: i % 5 === 0 ? null : `some text ${i % 9}` }),
    );
    engine.makeTable("t", rows);
    engine.makeView("t", "v");
    for (const compression of [undefined, "lz4"]) {
      const answer = engine.ask("v", 16, (it) => {
        it.tag(1, 2).bytes(new Uint8Array(0));
        if (compression !== undefined) it.tag(2, 2).string(compression);
      });
      const arrow = valueIn(answer, 1) as Uint8Array;
      assertEquals(checkArrow(arrow, LIMITS), undefined);
    }
    engine.close();
  });
}

Deno.test("checkArrow() reads a payload wherever it lies in a frame", () => {
  for (const name of Object.keys(FIXTURES)) {
    const bytes = fixture(name);
    for (let before = 1; before < 8; before++) {
      const frame = new Uint8Array(before + bytes.length);
      frame.set(bytes, before);
      assertEquals(checkArrow(frame.subarray(before), LIMITS), undefined);
    }
  }
});

Deno.test("checkArrow() lets an index be anything where there is a null", () => {
  // As pandas has it.
  const bytes = fixture("pandas");
  const pattern = Uint8Array.of(0, 255, 1);
  const at = bytes.findIndex((_, i) =>
    pattern.every((byte, j) => bytes[i + j] === byte)
  );
  assertEquals(at > 0, true);
  assertEquals(checkArrow(bytes, LIMITS), undefined);
});

// -- What is wrong ------------------------------------------------------------

for (const [name, harm] of Object.entries(HARMS)) {
  Deno.test(`checkArrow() refuses it when ${name}`, async () => {
    await forAll(40, (random) => {
      const said = checkArrow(harm.make(random), LIMITS);
      assertMatch(said ?? "nothing", harm.says);
      assertMatch(said ?? "nothing", /^Cannot read Arrow: /);
    });
  });
}

Deno.test("checkArrow() says what is wrong, where, and what to do", () => {
  const say = (harm: string) =>
    checkArrow(HARMS[harm]!.make(new Random(3)), LIMITS);
  assertMatch(
    say("text isn't UTF-8")!,
    /^Cannot read Arrow: record batch 0, column "c", row 0: a string isn't UTF-8; write it as UTF-8$/,
  );
  assertEquals(
    checkArrow(new Uint8Array(0), LIMITS),
    "Cannot read Arrow: it is empty; send a schema and record batches",
  );
});

Deno.test("checkArrow() refuses what isn't Arrow", async () => {
  for (
    const text of ["a,b\n1,2\n", '[{"a":1}]', "ARROW1", "ARROW1\0\0ARROW1"]
  ) {
    assertMatch(
      checkArrow(new TextEncoder().encode(text), LIMITS) ?? "nothing",
      /^Cannot read Arrow: /,
    );
  }
  await forAll(300, (random) => {
    const bytes = random.bytes(random.between(1, 200));
    assertMatch(checkArrow(bytes, LIMITS) ?? "nothing", /^Cannot read Arrow: /);
  });
});

Deno.test("checkArrow() keeps the limits", () => {
  const refusal = (columns: Record<string, unknown>, limits: ArrowLimits) =>
    checkArrow(written(columns), limits) ?? "nothing";
  const ints = vectorFromArray([1, 2, 3], new Int32());
  const words = vectorFromArray(["a", "four", "b"], utf8);
  const coded = vectorFromArray(
    ["a", "four"],
    new Dictionary(utf8, new Int32()),
  );

  assertEquals(refusal({ a: ints }, { ...LIMITS, maxRows: 3 }), "nothing");
  assertMatch(
    refusal({ a: ints }, { ...LIMITS, maxRows: 2 }),
    /more than 2 rows/,
  );
  assertMatch(
    refusal({ a: ints, b: ints }, { ...LIMITS, maxColumns: 1 }),
    /more than 1 columns/,
  );
  assertMatch(
    refusal({ abc: ints }, { ...LIMITS, maxNameLength: 2 }),
    /column "abc": a column's name has more than 2 characters/,
  );
  for (const column of [words, coded]) {
    const of4 = { ...LIMITS, maxStringLength: 4 };
    assertEquals(refusal({ a: column }, of4), "nothing");
    assertMatch(
      refusal({ a: column }, { ...LIMITS, maxStringLength: 3 }),
      /row 1: a string of 4 bytes is longer than 3/,
    );
  }
});

Deno.test("checkArrow() counts the rows of all batches", () => {
  const of = (rows: number[]) =>
    new Table({ a: vectorFromArray(rows, new Int32()) });
  const bytes = tableToIPC(of([1, 2]).concat(of([3, 4])), "stream");
  assertEquals(checkArrow(bytes, { ...LIMITS, maxRows: 4 }), undefined);
  assertMatch(
    checkArrow(bytes, { ...LIMITS, maxRows: 3 }) ?? "nothing",
    /record batch 1: it has more than 3 rows/,
  );
});

Deno.test("checkArrow() counts the rows that lists expand to", () => {
  const column = vectorFromArray([[1, 2, 3], null, [], [4]], numbers);
  const bytes = written({ a: column, b: column });
  const isFine = (maxRows: number, lists: "zip" | "cartesian" | "text") =>
    checkArrow(bytes, { ...LIMITS, maxRows }, lists) === undefined;

  // 3 + 1 + 1 + 1, 9 + 1 + 1 + 1, and a row each.
  assertEquals([isFine(5, "zip"), isFine(6, "zip")], [false, true]);
  assertEquals(
    [isFine(11, "cartesian"), isFine(12, "cartesian")],
    [false, true],
  );
  assertEquals([isFine(3, "text"), isFine(4, "text")], [false, true]);
});

Deno.test("checkArrow() counts what compressed bodies become", () => {
  for (const name of ["pyarrow stream, LZ4", "pyarrow file, Zstandard"]) {
    assertMatch(
      checkArrow(fixture(name), { ...LIMITS, maxDecompressed: 500 }) ??
        "nothing",
      /record batch 0, column "\w": its \w+ become \d+ bytes, more than/,
    );
  }
});

// -- Whatever comes -----------------------------------------------------------

Deno.test("checkArrow() never throws, whatever is changed", async () => {
  const good = Object.keys(FIXTURES).map(fixture);
  await forAll(5000, (random) => {
    const bytes = random.pick(good).slice();
    const view = new DataView(bytes.buffer);
    for (let left = random.between(1, 5); left > 0; left--) {
      const at = random.below(bytes.length - 8);
      if (random.chance(0.5)) bytes[at]! ^= 1 << random.below(8);
      else view.setInt32(at, random.pick([-1, 0, 1, 8, 0x7fff_ffff]), true);
    }
    const said = checkArrow(bytes, LIMITS);
    assertMatch(said ?? "Cannot read Arrow: ", /^Cannot read Arrow: /);
  });
});
