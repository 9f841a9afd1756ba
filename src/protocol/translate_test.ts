import { assertEquals } from "@std/assert";
import { type Fill, frame, hex, message, text } from "../testing/frames.ts";
import { forAll } from "../testing/random.ts";
import { utf8 } from "./frame.ts";
import { newHeader, readHeader } from "./header.ts";
import { Kind } from "./kinds.ts";
import {
  minMaxColumn,
  readViewSchema,
  translateMinMax,
  withStringifiedLists,
} from "./translate.ts";

const Type = {
  STRING: 0,
  DATE: 1,
  DATETIME: 2,
  INTEGER: 3,
  FLOAT: 4,
  BOOLEAN: 5,
} as const;

/** The messages of line 5. */
const Scalar = {
  bool: (value: boolean) => message((it) => it.tag(1, 0).bool(value)),
  number: (value: number) => message((it) => it.tag(4, 1).double(value)),
  string: (value: string) => message((it) => it.tag(6, 2).string(value)),
  null: message((it) => it.tag(7, 0).int32(0)),
} as const;

/** `content` of an answer with `min` and `max`. */
function content(min: Uint8Array, max: Uint8Array): Uint8Array {
  return message((it) => it.tag(1, 2).bytes(min).tag(2, 2).bytes(max));
}

/** The JSON that a client of line 3 gets for a scalar. */
function toJson(scalar: Uint8Array, type?: number): string {
  const { min, max } = translateMinMax(content(scalar, scalar), "3", type);
  assertEquals(min, max);
  return new TextDecoder().decode(min);
}

/** The scalar that a client of line 5 gets for JSON. */
function toScalar(json: string, type?: number): Uint8Array {
  const bytes = utf8(json);
  const { min, max } = translateMinMax(content(bytes, bytes), "5", type);
  assertEquals(min, max);
  return min.slice();
}

/** `year`, `month` and `day` as line 5 packs them. */
const packed = (year: number, month: number, day: number) =>
  Scalar.number(year * 65536 + (month - 1) * 256 + day);

/** Both lines' forms of a value, and the column's type. */
const PAIRS: [json: string, scalar: Uint8Array, type: number][] = [
  ["1.5", Scalar.number(1.5), Type.FLOAT],
  ["-3", Scalar.number(-3), Type.INTEGER],
  ["0", Scalar.number(0), Type.INTEGER],
  ["1e+300", Scalar.number(1e300), Type.FLOAT],
  ["true", Scalar.bool(true), Type.BOOLEAN],
  ["false", Scalar.bool(false), Type.BOOLEAN],
  ["null", Scalar.null, Type.FLOAT],
  ["null", Scalar.null, Type.DATETIME],
  ['"abc"', Scalar.string("abc"), Type.STRING],
  ['""', Scalar.string(""), Type.STRING],
  ['"say \\"表\\"\\n"', Scalar.string('say "表"\n'), Type.STRING],
  // What looks like a date is text in a column of text.
  ['"2024-01-02"', Scalar.string("2024-01-02"), Type.STRING],
  ['"2024-01-01"', Scalar.number(132_644_865), Type.DATE],
  ['"2024-12-31"', packed(2024, 12, 31), Type.DATE],
  ['"1969-07-20"', packed(1969, 7, 20), Type.DATE],
  ['"0001-01-01"', packed(1, 1, 1), Type.DATE],
  ['"9999-12-31"', packed(9999, 12, 31), Type.DATE],
  [
    '"2023-11-14 22:13:20.000"',
    Scalar.number(1_700_000_000_000),
    Type.DATETIME,
  ],
  ['"1970-01-01 00:00:00.000"', Scalar.number(0), Type.DATETIME],
  ['"1969-12-31 23:59:59.999"', Scalar.number(-1), Type.DATETIME],
  [
    '"1900-01-01 00:00:00.000"',
    Scalar.number(-2_208_988_800_000),
    Type.DATETIME,
  ],
  [
    '"0001-01-01 00:00:00.000"',
    Scalar.number(-62_135_596_800_000),
    Type.DATETIME,
  ],
];

Deno.test("translateMinMax() writes scalars as line 3 does", () => {
  for (const [json, scalar, type] of PAIRS) {
    assertEquals(toJson(scalar, type), json);
  }
});

Deno.test("translateMinMax() writes JSON as line 5 does", () => {
  for (const [json, scalar, type] of PAIRS) {
    assertEquals(toScalar(json, type), scalar, json);
  }
});

Deno.test("translateMinMax() translates min and max apart", () => {
  const both = content(Scalar.number(1), Scalar.null);
  const { min, max } = translateMinMax(both, "3", Type.FLOAT);
  assertEquals([min, max], [utf8("1"), utf8("null")]);
});

Deno.test("translateMinMax() gives back what it was given", async () => {
  await forAll(1000, (random) => {
    // From year 1 to 9999, to the millisecond.
    const time = -62_135_596_800_000 +
      Math.floor(random.uint32() / 2 ** 32 * 315_537_897_600_000);
    const scalar = Scalar.number(time);
    assertEquals(
      toScalar(toJson(scalar, Type.DATETIME), Type.DATETIME),
      scalar,
    );
    assertEquals(
      toJson(scalar, Type.DATETIME),
      JSON.stringify(
        new Date(time).toISOString().slice(0, 23).replace("T", " "),
      ),
    );
    const day = packed(
      1 + random.below(9999),
      1 + random.below(12),
      1 + random.below(31),
    );
    assertEquals(toScalar(toJson(day, Type.DATE), Type.DATE), day);
  });
});

Deno.test("translateMinMax() takes numbers for numbers where the type isn't known", () => {
  assertEquals(toJson(Scalar.number(132_644_865)), "132644865");
  assertEquals(toScalar('"2024-01-01"'), Scalar.string("2024-01-01"));
});

Deno.test("translateMinMax() writes null for what has no value", () => {
  assertEquals(toJson(hex("")), "null");
  for (const value of [NaN, Infinity, 1e300]) {
    assertEquals(toJson(Scalar.number(value), Type.DATETIME), "null");
  }
  assertEquals(toJson(Scalar.number(NaN), Type.FLOAT), "null");
  assertEquals(toScalar(""), Scalar.null);
  const nothing = translateMinMax(hex(""), "5", Type.FLOAT);
  assertEquals(nothing.min.slice(), Scalar.null);
});

Deno.test("readViewSchema() reads the columns' types", () => {
  const entry = (fill: Fill) => (it: Parameters<Fill>[0]) =>
    it.tag(1, 2).bytes(message(fill));
  const schema = message((it) => {
    entry((it) => it.tag(1, 2).string("when").tag(2, 0).int32(2))(it);
    entry((it) => it.tag(2, 0).int32(4).tag(1, 2).string("price"))(it);
    // STRING is 0, which protobuf leaves out.
    entry(text(1, "name"))(it);
  });
  assertEquals(
    [...readViewSchema(schema)],
    [["when", 2], ["price", 4], ["name", 0]],
  );
  assertEquals(readViewSchema(hex("")).size, 0);
});

Deno.test("minMaxColumn() reads the column's name", () => {
  assertEquals(minMaxColumn(message(text(1, "größe"))), "größe");
  assertEquals(minMaxColumn(hex("")), "");
});

Deno.test("withStringifiedLists() adds one option and changes nothing", () => {
  const options = message(text(1, "key"));
  const content = message((it) =>
    it.tag(1, 2).bytes(message(text(2, "x\n1"))).tag(2, 2).bytes(options)
  );
  const bytes = frame(9, "t", Kind.MAKE_TABLE, content);
  const header = newHeader();
  readHeader(bytes, header);
  const expected = frame(
    5,
    "t",
    Kind.MAKE_TABLE,
    new Uint8Array([...content, ...hex("12 02 20 02")]),
  );
  const result = withStringifiedLists(5, utf8("t"), bytes, header);
  assertEquals(result.toBytes(), expected);
});
