import { assertEquals } from "@std/assert";
import { columnsOf, type Row, type Schema, Shape, typeOf } from "./shape.ts";

function shapeOf(...rows: Row[]): Schema {
  const shape = new Shape();
  for (const row of rows) assertEquals(shape.add(row), undefined);
  return shape.schema();
}

Deno.test("typeOf() tells numbers and dates apart as the engine does", () => {
  for (
    const [value, type] of [
      [1, "integer"],
      [2 ** 31, "float"],
      [1.5, "float"],
      [true, "boolean"],
      ["2024-02-03", "date"],
      ["2024-13-03", "string"],
      ["2024-02-03T10:00:00Z", "datetime"],
      ["2024-02-03 10:00:00.5", "datetime"],
      ["2024", "string"],
      [[1], "string"],
      [null, undefined],
    ] as const
  ) assertEquals(typeOf(value), type, JSON.stringify(value));
});

Deno.test("Shape finds columns with room for all rows", () => {
  assertEquals(
    shapeOf(
      { a: 1, b: null, d: "2024-02-03", e: true },
      { a: 1.5, c: "x", d: "2024-02-03T10:00:00", e: "yes" },
      { b: null, f: 1 },
    ),
    {
      a: "float",
      b: "string",
      d: "datetime",
      e: "string",
      c: "string",
      f: "integer",
    },
  );
});

Deno.test("Shape refuses names that the engine uses itself", () => {
  assertEquals(
    new Shape().add({ psp_op: 1 }),
    'column "psp_op": the engine uses this name itself',
  );
});

Deno.test("columnsOf() writes values as their columns want them", () => {
  const rows: Row[] = [
    { s: 1, d: "1970-01-02", t: "1970-01-01T00:00:01", f: 1n },
    { s: { a: [1] }, d: null, t: "1970-01-01T01:00:00+01:00", f: NaN },
    {},
  ];
  const schema = { s: "string", d: "date", t: "datetime", f: "float" } as const;
  assertEquals(columnsOf(rows, schema), {
    s: ["1", '{"a":[1]}', null],
    d: [86_400_000, null, null],
    t: [1000, 0, null],
    f: [1, null, null],
  });
  // A name of every object's.
  const inherited: Schema = Object.fromEntries([["toString", "string"]]);
  assertEquals(columnsOf([{}], inherited), { toString: [null] } as unknown);
});
