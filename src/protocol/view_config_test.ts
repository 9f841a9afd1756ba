import { assert, assertEquals, assertThrows } from "@std/assert";
import { type Fill, hex, message, text, uint } from "../testing/frames.ts";
import { forAll, type Random } from "../testing/random.ts";
import { isFlat, shapeOf, viewKey } from "./view_config.ts";

/** A `ViewConfig` of these fields, in this order. */
function config(...fields: readonly Fill[]): Uint8Array {
  return message((it) => fields.forEach((fill) => fill(it)));
}

/** A message in `field`. */
function nested(field: number, fill: Fill): Fill {
  return (it) => it.tag(field, 2).bytes(message(fill));
}

/** Several in one message. */
function all(...fills: readonly Fill[]): Fill {
  return (it) => fills.forEach((fill) => fill(it));
}

/** A number as protobuf's `double`. */
function double(field: number, value: number): Fill {
  return (it) => it.tag(field, 1).double(value);
}

const group = (column: string) => text(1, column);
const split = (column: string) => text(2, column);
const columns = (...names: string[]) =>
  nested(3, nested(2, all(...names.map((it) => text(1, it)))));
const filter = (column: string, op: string, ...values: string[]) =>
  nested(
    4,
    all(text(1, column), text(2, op), ...values.map((it) => scalar(it))),
  );
const scalar = (value: string) => nested(3, text(6, value));
const sort = (column: string, op: number) =>
  nested(5, all(text(1, column), uint(2, op)));
const expression = (name: string, source: string) =>
  nested(6, all(text(1, name), text(2, source)));
const aggregate = (column: string, ...names: string[]) =>
  nested(
    7,
    all(text(1, column), nested(2, all(...names.map((it) => text(1, it))))),
  );
const window = (name: string, column: string, op: string) =>
  nested(11, all(text(1, name), nested(2, all(text(2, column), text(3, op)))));

/** One of each field, such that views of it may be shared. */
const FIELDS: readonly Fill[] = [
  group("State"),
  split("Region"),
  columns("Sales", "Profit"),
  filter("State", "==", "Texas"),
  expression("twice", '"Sales" * 2'),
  aggregate("Sales", "sum"),
  uint(8, 1),
  uint(9, 2),
  uint(10, 1),
  window("running", "Sales", "sum"),
  uint(12, 1),
];

// -- viewKey() ---------------------------------------------------------------

Deno.test("viewKey() is the same for map entries in any order", () => {
  // ENGINE 4.6
  const entries: readonly (readonly Fill[])[] = [
    [expression("a", "1"), expression("b", "2"), expression("", "3")],
    [aggregate("a", "sum"), aggregate("b", "max"), aggregate("c", "count")],
    [window("a", "x", "sum"), window("b", "x", "avg"), window("c", "y", "sum")],
  ];
  for (const [a, b, c] of entries) {
    const key = viewKey(config(group("x"), a!, b!, c!));
    assert(key !== undefined);
    assertEquals(viewKey(config(group("x"), c!, a!, b!)), key);
    assertEquals(viewKey(config(b!, group("x"), c!, a!)), key);
    assert(viewKey(config(group("x"), a!, b!)) !== key);
  }
});

Deno.test("viewKey() tells other orders apart", () => {
  const pairs: readonly (readonly [Fill, Fill])[] = [
    [group("a"), group("b")],
    [split("a"), split("b")],
    [filter("a", "==", "x"), filter("b", "==", "x")],
    [sort("a", 1), sort("b", 1)],
    // The last entry of one name counts.
    [expression("a", "1"), expression("a", "2")],
    [aggregate("a", "sum"), aggregate("a", "max")],
  ];
  for (const [a, b] of pairs) {
    const [one, other] = [viewKey(config(a, b)), viewKey(config(b, a))];
    assert(one !== undefined && other !== undefined);
    assert(one !== other);
  }
  assert(
    viewKey(config(columns("a", "b"))) !==
      viewKey(config(columns("b", "a"))),
  );
});

Deno.test("viewKey() is another without any one field, and with another value in it", () => {
  const key = viewKey(config(...FIELDS));
  assert(key !== undefined);
  const others: Fill[][] = FIELDS.map((_, i) => FIELDS.toSpliced(i, 1));
  const changed: readonly Fill[] = [
    group("City"),
    split("City"),
    columns("Sales"),
    filter("State", "==", "Ohio"),
    expression("twice", '"Sales" * 3'),
    aggregate("Sales", "avg"),
    uint(8, 0),
    uint(9, 3),
    uint(10, 2),
    window("running", "Sales", "avg"),
    uint(12, 0),
  ];
  changed.forEach((field, i) => others.push(FIELDS.toSpliced(i, 1, field)));
  others.push(
    FIELDS.toSpliced(3, 1, filter("State", "!=", "Texas")),
    FIELDS.toSpliced(3, 1, filter("City", "==", "Texas")),
    FIELDS.toSpliced(4, 1, expression("thrice", '"Sales" * 2')),
    FIELDS.toSpliced(5, 1, aggregate("Profit", "sum")),
    FIELDS.toSpliced(9, 1, window("other", "Sales", "sum")),
  );
  const keys = new Set([key, ...others.map((it) => viewKey(config(...it)))]);
  assertEquals(keys.size, others.length + 1);
  // A sort can't be beside a split.
  const sorted = [sort("a", 1), sort("b", 1), sort("a", 2)].map((it) =>
    viewKey(config(group("a"), it))
  );
  assertEquals(new Set([...sorted, viewKey(config(group("a")))]).size, 4);
  assert(!sorted.includes(undefined));
});

/** A config, and the same as text in which all that means something stands. */
interface Sample {
  readonly fields: { field: number; fill: Fill }[];
  readonly meaning: string;
}

/** Few names and short, so that the same config comes up again. */
function sample(random: Random): Sample {
  const names = ["a", "b", "ab"];
  const list = (most: number) =>
    Array.from({ length: random.below(most + 1) }, () => random.pick(names));
  const map = <T>(value: () => T) =>
    [...names].filter(() => random.chance(0.4)).map((name) =>
      [name, value()] as const
    );
  const groups = list(2);
  const shown = list(2);
  const filters = list(1).map((it) => [it, random.pick(["==", "<"])] as const);
  const sorts = list(1).map((it) => [it, random.below(2)] as const);
  const expressions = map(() => random.pick(["1", "2"]));
  const aggregates = map(() =>
    random.pick([["sum"], ["weighted mean", "a"], ["weighted mean", "b"]])
  );
  const windows = map(() => random.pick(["sum", "avg"]));
  const depth = random.chance(0.5) ? random.below(2) : undefined;
  const fields: { field: number; fill: Fill }[] = [];
  const add = (field: number, fill: Fill) => fields.push({ field, fill });
  for (const it of groups) add(1, group(it));
  add(3, columns(...shown));
  for (const [column, op] of filters) add(4, filter(column, op, "x"));
  for (const [column, op] of sorts) add(5, sort(column, op));
  for (const [name, source] of expressions) add(6, expression(name, source));
  for (const [name, list] of aggregates) add(7, aggregate(name, ...list));
  if (depth !== undefined) add(9, uint(9, depth));
  for (const [name, op] of windows) add(11, window(name, "x", op));
  const meaning = JSON.stringify(
    [groups, shown, filters, sorts, expressions, aggregates, depth, windows],
    (_, it) => it === undefined ? "none" : it,
  );
  return { fields, meaning };
}

const MAPS = [6, 7, 11];

/** The same fields in another order, in which nothing else is said. */
function reordered(
  random: Random,
  fields: readonly { field: number; fill: Fill }[],
): Uint8Array {
  const rest = [...fields];
  const order: Fill[] = [];
  while (rest.length > 0) {
    const at = random.below(rest.length);
    const { field } = rest[at]!;
    // What is repeated keeps its order.
    const first = MAPS.includes(field)
      ? at
      : rest.findIndex((it) => it.field === field);
    order.push(rest.splice(first, 1)[0]!.fill);
  }
  return config(...order);
}

Deno.test("viewKey() is the same for two configs if, and only if, they mean the same", async () => {
  const byKey = new Map<string, string>();
  const byMeaning = new Map<string, string>();
  await forAll(5_000, (random) => {
    const { fields, meaning } = sample(random);
    const key = viewKey(reordered(random, fields));
    assert(key !== undefined);
    assertEquals(byKey.get(key) ?? meaning, meaning);
    assertEquals(byMeaning.get(meaning) ?? key, key);
    byKey.set(key, meaning);
    byMeaning.set(meaning, key);
  });
});

Deno.test("viewKey() tells apart configs that run together to the same bytes", () => {
  const pairs: readonly (readonly [Fill[], Fill[]])[] = [
    [[group("ab")], [group("a"), group("b")]],
    [[group("a"), group("bc")], [group("ab"), group("c")]],
    [[group("a"), split("b")], [group("ab")]],
    [[group("a"), group("")], [group("a")]],
    // One string that holds what the key of two would be written with.
    [[group("a3:2:\u0001b")], [group("a"), group("b")]],
    [[expression("a", "1")], [expression("a1", "")]],
    [[aggregate("a", "sum"), aggregate("b", "sum")], [
      aggregate("a", "sum", "b", "sum"),
    ]],
    // A number and a string of the same bytes.
    [[uint(1, 0)], [text(1, "")]],
  ];
  for (const [one, other] of pairs) {
    assert(viewKey(config(...one)) !== viewKey(config(...other)));
  }
});

Deno.test("viewKey() is undefined for aggregates that depend on when a view was made", () => {
  // ENGINE 4.2
  const ageing = [
    "high",
    "low",
    "high minus low",
    "last",
    "first",
    "any",
    "or",
    "dominant",
    "median",
    "q1",
    "q3",
    "stddev",
    "standard deviation",
    "var",
    "variance",
    "max by",
    "min by",
    "never heard of",
    "",
    "SUM",
    "sum ",
    "sums",
  ];
  for (const name of ageing) {
    const one = aggregate("x", name);
    assertEquals(viewKey(config(group("g"), one)), undefined, name);
    assertEquals(
      viewKey(config(aggregate("a", "sum"), one, aggregate("z", "sum"))),
      undefined,
      name,
    );
    // With an argument it is the first of a list.
    assertEquals(viewKey(config(aggregate("x", name, "sum"))), undefined, name);
  }
  assertEquals(viewKey(config(aggregate("x"))), undefined, "none at all");
  assertEquals(viewKey(config(nested(7, text(1, "x")))), undefined);
  const twoNames = nested(7, all(text(1, "x"), uint(2, 1)));
  assertEquals(viewKey(config(twoNames)), undefined, "not a list");
});

Deno.test("viewKey() shares the aggregates that say the same of the same rows", () => {
  const ageless = [
    "sum",
    "sum abs",
    "abs sum",
    "sum not null",
    "avg",
    "mean",
    "mean by count",
    "count",
    "distinct count",
    "unique",
    "min",
    "max",
    "first by index",
    "last by index",
    "join",
    "and",
    "pct sum grand total",
    "pct sum parent",
  ];
  const keys = ageless.map((it) => viewKey(config(aggregate("x", it))));
  assert(!keys.includes(undefined));
  assertEquals(new Set(keys).size, ageless.length);
  const weighted = (by: string) =>
    viewKey(config(aggregate("x", "weighted mean", by)));
  assert(weighted("y") !== undefined);
  assert(weighted("y") !== weighted("z"));
  // Only the name is looked up.
  assert(viewKey(config(aggregate("high", "weighted mean", "low"))));
});

Deno.test("viewKey() is undefined for expressions that depend on when they are computed", () => {
  const ageing = [
    "random()",
    "now()",
    "today()",
    "1 + random()",
    "RANDOM()",
    "Now ()",
    'if (today() > "d") 1; else 2',
    "'says now'", // it isn't parsed
    "/* random */ 1",
  ];
  for (const source of ageing) {
    assertEquals(viewKey(config(expression("e", source))), undefined, source);
    assertEquals(
      viewKey(config(expression("a", "1"), expression("e", source))),
      undefined,
    );
  }
  for (const source of ['"known"', "nowhere", "pseudorandom(1)", "todays"]) {
    assert(viewKey(config(expression("e", source))) !== undefined, source);
  }
  // A name says nothing of what is computed.
  assert(viewKey(config(expression("now", "1"))) !== undefined);
  assert(viewKey(config(group("random"))) !== undefined);
});

Deno.test("viewKey() is undefined for filters about null", () => {
  for (const op of ["is null", "is not null", "IS NULL", "Is Not Null"]) {
    assertEquals(viewKey(config(filter("x", op))), undefined, op);
    assertEquals(
      viewKey(config(filter("a", "==", "1"), filter("x", op))),
      undefined,
      op,
    );
  }
  assert(viewKey(config(filter("null", "==", "null"))) !== undefined);
  assert(viewKey(config(filter("x", "annulled"))) !== undefined);
});

Deno.test("viewKey() is undefined for sorted columns, and for sorted rows without groups, of what is split", () => {
  for (const op of [1, 2, 5, 6]) {
    const sorted = sort("x", op);
    assertEquals(viewKey(config(split("a"), sorted)), undefined);
    assert(viewKey(config(sorted, group("g"), split("a"))) !== undefined);
    assert(viewKey(config(group("g"), sorted)) !== undefined);
  }
  for (const op of [3, 4, 7, 8]) {
    const sorted = sort("x", op);
    assertEquals(viewKey(config(split("a"), sorted)), undefined);
    assertEquals(viewKey(config(sorted, group("g"), split("a"))), undefined);
    // There is nothing to sort.
    assert(viewKey(config(group("g"), sorted)) !== undefined);
  }
  assert(viewKey(config(group("g"), split("a"))) !== undefined);
});

Deno.test("viewKey() is undefined for fields that aren't known", () => {
  for (const field of [13, 14, 50, 1000, 0x1fff_ffff]) {
    for (const fill of [uint(field, 1), text(field, "x"), double(field, 1)]) {
      assertEquals(viewKey(config(group("g"), fill)), undefined);
      assertEquals(viewKey(config(fill, group("g"))), undefined);
    }
  }
  assert(viewKey(config(group("g"), uint(12, 1))) !== undefined);
});

Deno.test("viewKey() is undefined for maps of a wrong wire type, and tells types of others apart", () => {
  for (const field of [6, 7, 11]) {
    for (const fill of [uint(field, 1), double(field, 1)]) {
      assertEquals(viewKey(config(group("g"), fill)), undefined);
    }
  }
  for (const field of [1, 2, 3, 4, 5, 8, 9, 10, 12]) {
    const keys = [uint(field, 0), text(field, ""), double(field, 0)].map(
      (it) => viewKey(config(it)),
    );
    assertEquals(new Set(keys).size, 3);
  }
});

Deno.test("viewKey() of a config without fields is one like any other", () => {
  assertEquals(viewKey(hex("")), "");
  assert(viewKey(config(columns())) !== "");
});

const MALFORMED = [
  "0a", // no length
  "0a 05 61", // cut short
  "08", // no number
  "0c", // the end of no group
  "ff", // half a tag
  "0b 08 01", // a group without its end
];

Deno.test("viewKey() throws of a config that can't be read", () => {
  const inside = [
    "22 01 12", // a filter
    "32 02 0a 05", // an expression
    "3a 03 0a 01 61 3a", // an aggregate's entry, and what follows
    "3a 04 12 02 0a 05", // its list
  ];
  for (const bytes of [...MALFORMED, ...inside]) {
    assertThrows(() => viewKey(hex(bytes)), Error, "", bytes);
  }
});

// -- shapeOf() ---------------------------------------------------------------

Deno.test("shapeOf() leaves out what a filter compares with, and nothing else", () => {
  const shape = shapeOf(config(...FIELDS));
  assertEquals(
    shapeOf(config(...FIELDS.toSpliced(3, 1, filter("State", "==", "Ohio")))),
    shape,
  );
  const others = [
    ...FIELDS.map((_, i) => FIELDS.toSpliced(i, 1)),
    FIELDS.toSpliced(3, 1, filter("State", "!=", "Texas")),
    FIELDS.toSpliced(3, 1, filter("City", "==", "Texas")),
    FIELDS.toSpliced(0, 1, group("City")),
    FIELDS.toSpliced(4, 1, expression("twice", "1")),
  ].map((it) => shapeOf(config(...it)));
  assertEquals(new Set([shape, ...others]).size, others.length + 1);
  assertEquals(shapeOf(hex("")), "");
});

Deno.test("shapeOf() throws of a config that can't be read", () => {
  for (const bytes of [...MALFORMED, "22 01 12", "22 03 1a 05 61"]) {
    assertThrows(() => shapeOf(hex(bytes)), Error, "", bytes);
  }
});

// -- isFlat() ----------------------------------------------------------------

Deno.test("isFlat() says whether a view only picks columns and rows", () => {
  const flat = [columns("a"), filter("a", "==", "x"), uint(8, 1), uint(9, 1)];
  assertEquals(isFlat(hex("")), true);
  assertEquals(isFlat(config(...flat)), true);
  for (
    const other of [group("a"), split("a"), sort("a", 1), expression("a", "1")]
  ) {
    assertEquals(isFlat(config(...flat, other)), false);
    assertEquals(isFlat(config(other, ...flat)), false);
  }
  for (const bytes of MALFORMED) assertThrows(() => isFlat(hex(bytes)));
});

Deno.test("viewKey() takes an aggregate's list that is given twice for one list", () => {
  const entry = message((it) =>
    it.tag(1, 2).string("x")
      .tag(2, 2).bytes(message(text(1, "high")))
      .tag(2, 2).bytes(message(text(1, "sum")))
  );
  assertEquals(viewKey(message((it) => it.tag(7, 2).bytes(entry))), undefined);
});
