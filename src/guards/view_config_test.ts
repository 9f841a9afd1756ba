import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { configBytes } from "../testing/bare_engine.ts";
import { message } from "../testing/frames.ts";
import { forAll, type Random } from "../testing/random.ts";
import { decodeConfig, type DecodedConfig } from "./decoded_config.ts";
import {
  checkViewConfig,
  type ColumnType,
  DEFAULT_VIEW_LIMITS,
  type Known,
  type Need,
  viewLimits,
  type ViewSource,
} from "./view_config.ts";

const COLUMNS: ReadonlyMap<string, ColumnType> = new Map([
  ["State", "string"],
  ["City", "string"],
  ["Order Date", "date"],
  ["when", "datetime"],
  ["Row ID", "integer"],
  ["Sales", "float"],
  ["Profit", "float"],
  ["new", "boolean"],
]);

const NAMES = [...COLUMNS.keys()];

const EMPTY: DecodedConfig = {
  groupBy: [],
  splitBy: [],
  columns: undefined,
  filters: [],
  sorts: [],
  expressions: new Map(),
  aggregates: new Map(),
  windows: new Map(),
};

const SMALL: ViewSource = { columns: COLUMNS, rows: 10_000, line: "3" };

function check(
  config: Partial<DecodedConfig>,
  of: Partial<ViewSource> = {},
  known?: Known,
): string | undefined | Need {
  const source = { ...SMALL, ...of };
  return checkViewConfig(
    { ...EMPTY, ...config },
    source,
    DEFAULT_VIEW_LIMITS,
    known,
  );
}

function known(
  distinct: Record<string, number>,
  types: Record<string, ColumnType> = {},
): Known {
  return {
    distinct: new Map(Object.entries(distinct)),
    types: new Map(Object.entries(types)),
  };
}

const anyLine = (random: Random) => ({
  line: random.pick(["3", "5"] as const),
});

// -- Limits ----------------------------------------------------------------------

Deno.test("viewLimits() fills in the defaults, and names the limit that is wrong", () => {
  assertEquals(viewLimits(), DEFAULT_VIEW_LIMITS);
  const given = { maxCells: 0, maxSorts: Infinity, expression: {} };
  assertEquals(viewLimits(given), { ...DEFAULT_VIEW_LIMITS, ...given });
  const wrong = [
    [{ maxGroups: -1 }, '"maxGroups" must be >= 0, received -1'],
    [{ maxSteps: NaN }, '"maxSteps" must be >= 0, received NaN'],
    [{ expression: { maxDepth: -2 } }, '"maxDepth" must be >= 0, received -2'],
  ] as const;
  for (const [limits, message] of wrong) {
    assertThrows(() => viewLimits(limits), RangeError, message);
  }
});

Deno.test("checkViewConfig() limits expressions as is said, and otherwise as the line needs", () => {
  const limits = viewLimits({ expression: { maxLength: 50 } });
  const of = (text: string, line: "3" | "5") =>
    checkViewConfig(
      { ...EMPTY, expressions: new Map([["e", text]]) },
      { ...SMALL, line },
      limits,
    );
  const nested = `${"(".repeat(21)}1${")".repeat(21)}`;
  assertEquals(of(nested, "3"), undefined);
  assertMatch(String(of(nested, "5")), /at most 20 levels/);
  assertMatch(String(of("1 + ".repeat(20) + "1", "3")), /at most 50 char/);
});

// -- What is let through ---------------------------------------------------------

Deno.test("checkViewConfig() lets dashboards through, on large tables as well", () => {
  const million = { rows: 1_000_000 };
  assertEquals(check({}, million), undefined);
  assertEquals(check({ columns: [] }, million), undefined);
  const dashboard = {
    groupBy: ["State", "City"],
    splitBy: ["Order Date"],
    columns: ["Sales", "Profit", "margin"],
    sorts: [{ column: "Sales", op: 2 }],
    filters: [{ column: "State", op: "in", values: 40 }],
    expressions: new Map([["margin", '"Profit" / "Sales"']]),
    aggregates: new Map([
      ["Sales", ["sum"]],
      ["Profit", ["weighted mean", "Sales"]],
      ["margin", ["avg"]],
    ]),
  };
  assertEquals(check(dashboard, million), {
    distinct: ["State", "City", "Order Date"],
    types: ["margin"],
  });
  assertEquals(
    check(
      dashboard,
      million,
      known({ State: 50, City: 500, "Order Date": 48 }, { margin: "float" }),
    ),
    undefined,
  );
  // Asking for nothing where the rows alone are few enough.
  assertEquals(check({ groupBy: ["State"] }), undefined);
  assertEquals(
    check({ splitBy: ["State"], columns: ["Sales"] }, { rows: 1000 }),
    undefined,
  );
});

// -- What fails late in the engine ------------------------------------------------

Deno.test("checkViewConfig() refuses names that aren't columns, in every field", async () => {
  await forAll(300, (random) => {
    const name = random.pick(
      ["nope", "", "psp_okey", "psp_pkey", "__ROW_PATH__", "sales", "w"],
    );
    const uses: Partial<DecodedConfig>[] = [
      { columns: [...random.some(NAMES, 3), name] },
      { groupBy: ["State", name] },
      { splitBy: [name] },
      { filters: [{ column: name, op: "==", values: 1 }] },
      { sorts: [{ column: name, op: 1 }] },
      { aggregates: new Map([[name, ["sum"]]]) },
      { aggregates: new Map([["Sales", ["weighted mean", name]]]) },
      { aggregates: new Map([["Sales", ["max by", "Profit", name]]]) },
      { aggregates: new Map([["Sales", ["sum", name]]]) },
      {
        windows: new Map([
          ["v", { source: "Sales", partitionBy: ["", name, "x"], orderBy: "" }],
        ]),
      },
    ];
    const refused = check(random.pick(uses), anyLine(random));
    assertMatch(String(refused), /^Cannot make view: .*names? "/);
  });
});

Deno.test("checkViewConfig() takes expressions for columns, and windows on line 5", () => {
  const expressions = new Map([["e", '"Sales" + 1']]);
  for (
    const use of [
      { columns: ["e"] },
      { groupBy: ["e"] },
      { sorts: [{ column: "e", op: 1 }] },
      { filters: [{ column: "e", op: ">", values: 1 }] },
      { aggregates: new Map([["Sales", ["weighted mean", "e"]]]) },
    ]
  ) assertEquals(check({ ...use, expressions }), undefined);
  const windows = new Map([
    ["w", { source: "Sales", partitionBy: ["State"], orderBy: "when" }],
  ]);
  assertEquals(check({ columns: ["w"], windows }, { line: "5" }), undefined);
  assertMatch(String(check({ columns: ["w"], windows })), /neither a column/);
});

Deno.test("checkViewConfig() refuses aggregates that fail late", async () => {
  await forAll(200, (random) => {
    const column = random.pick(["State", "Order Date", "when"]);
    const name = random.pick(["avg", "mean"]);
    const aggregates = new Map([[column, [name]]]);
    assertMatch(String(check({ aggregates }, anyLine(random))), /for numbers/);
    const odd = random.pick(["identity", "mean by count", "min_by", "", "udf"]);
    assertMatch(
      String(check({ aggregates: new Map([["Sales", [odd]]]) })),
      /must be one of/,
    );
    const bare = random.pick(["weighted mean", "max by", "min by"]);
    assertMatch(
      String(check({ aggregates: new Map([["Sales", [bare]]]) })),
      /must name a column/,
    );
  });
  const ofExpression = {
    expressions: new Map([["e", "'a'"]]),
    aggregates: new Map([["e", ["avg"]]]),
  };
  assertEquals(check(ofExpression), { distinct: [], types: ["e"] });
  assertMatch(String(check(ofExpression, {}, known({}))), /for numbers/);
  assertEquals(check(ofExpression, {}, known({}, { e: "float" })), undefined);
});

Deno.test("checkViewConfig() refuses sorts by what line 3 can't find", async () => {
  await forAll(100, (random) => {
    const [column, other] = random.shuffled(NAMES) as [string, string];
    const name = random.pick(
      ["first", "first by index", "last by index", "last minus first"],
    );
    const config = {
      groupBy: [other],
      sorts: [{ column, op: random.between(0, 8) }],
      aggregates: new Map([[column, [name]]]),
      columns: [other],
    };
    assertMatch(String(check(config)), /"columns" must name it/);
    assertEquals(check(config, { line: "5" }), undefined);
    assertEquals(check({ ...config, columns: [column] }), undefined);
    assertEquals(check({ ...config, columns: undefined }), undefined);
    const sum = new Map([[column, ["count"]]]);
    assertEquals(check({ ...config, aggregates: sum }), undefined);
  });
});

Deno.test("checkViewConfig() refuses filters and sorts that the engines don't survive", async () => {
  await forAll(200, (random) => {
    const op = random.pick(["&", "|", "and", "or", "nope", "", "LIKE"]);
    const column = random.pick(NAMES);
    assertMatch(
      String(check({ filters: [{ column, op, values: 1 }] }, anyLine(random))),
      /must be one of <, >/,
    );
    const sort = random.pick([9, -1, 2 ** 31 - 1]);
    assertMatch(
      String(check({ sorts: [{ column, op: sort }] })),
      /from 0 to 8/,
    );
  });
});

Deno.test("checkViewConfig() checks expressions, and their names", async () => {
  await forAll(100, (random) => {
    const bad = random.pick(
      ["(".repeat(100), "while (1) {1}", "nope(1)", "var v[9999999]; 1"],
    );
    const expressions = new Map([["e", bad]]);
    assertMatch(String(check({ expressions })), /expression "e": Cannot use/);
    const name = random.pick(NAMES);
    assertMatch(
      String(check({ expressions: new Map([[name, "1"]]) })),
      /must not have the name of a column/,
    );
  });
});

// -- What takes too much ----------------------------------------------------------

Deno.test("checkViewConfig() bounds the numbers of everything", async () => {
  await forAll(100, (random) => {
    const over = random.between(1, 500);
    const column = random.pick(NAMES);
    const fill = <T>(most: number, it: T) => new Array<T>(most + over).fill(it);
    const many: Partial<DecodedConfig>[] = [
      { groupBy: fill(16, column) },
      { splitBy: fill(8, column) },
      { columns: fill(2048, column) },
      { sorts: fill(32, { column, op: 1 }) },
      { filters: fill(256, { column, op: "==", values: 1 }) },
      { filters: [{ column, op: "in", values: 16_384 + over }] },
      {
        expressions: new Map(
          fill(128, "1").map((it, i) => [`e${i}`, it] as const),
        ),
      },
    ];
    for (const config of many) {
      assertMatch(String(check(config, { rows: 0 })), /must have at most/);
    }
  });
});

Deno.test("checkViewConfig() bounds the work of filters and expressions by the rows", () => {
  const filters = [{ column: "State", op: "in", values: 10_000 }];
  assertEquals(check({ filters }), undefined);
  assertMatch(
    String(check({ filters }, { rows: 1_000_000 })),
    /comparisons, received 10050 for each of 1000000 rows/,
  );
  const long = new Map([["e", '"Sales" + '.repeat(300) + "1"]]);
  assertEquals(check({ expressions: long }), undefined);
  assertMatch(String(check({ expressions: long }, { rows: 1e6 })), /steps/);
  const texts = new Map([["e", `concat(${'"State", '.repeat(99)}"City")`]]);
  assertEquals(check({ expressions: texts }), undefined);
  assertMatch(
    String(check({ expressions: texts }, { rows: 1e6 })),
    /build at most/,
  );
});

Deno.test("checkViewConfig() asks for distinct values, and decides with them", async () => {
  await forAll(200, (random) => {
    const rows = random.between(300_000, 2_000_000);
    const [a, b, c] = random.shuffled(NAMES) as [string, string, string];
    const config = random.pick<Partial<DecodedConfig>>([
      { splitBy: [a] },
      { groupBy: [a] },
      { groupBy: [a, b] },
      { groupBy: [a], splitBy: [b] },
      { splitBy: [a, b] },
      { groupBy: [a, b], splitBy: [c] },
    ]);
    const names = [...config.groupBy ?? [], ...config.splitBy ?? []];
    const asked = check(config, { rows });
    assert(typeof asked === "object");
    assertEquals(new Set(asked.distinct), new Set(names));
    // A million rows split in themselves are eight million cells already.
    const few = Object.fromEntries(names.map((it) => [it, 1]));
    const isFlat = config.groupBy === undefined;
    const columns = isFlat ? ["Sales"] : NAMES;
    const some = { ...config, columns };
    assertEquals(check(some, { rows }, known(few)), undefined);
    assertMatch(String(check(config, { rows }, known({}))), /at most/);
    const unique = Object.fromEntries(names.map((it) => [it, rows]));
    assertMatch(String(check(config, { rows }, known(unique))), /at most/);
  });
});

Deno.test("checkViewConfig() refuses each measure of a pivot by itself", () => {
  const rows = 100_000;
  const refused = (config: Partial<DecodedConfig>, distinct: number[]) => {
    const names = [...config.groupBy ?? [], ...config.splitBy ?? []];
    const counts = names.map((it, i) => [it, distinct[i]!] as const);
    return String(
      check(
        { columns: ["Sales"], ...config },
        { rows },
        known(Object.fromEntries(counts)),
      ),
    );
  };
  assertMatch(refused({ splitBy: ["City"] }, [20_000]), /columns by its split/);
  assertMatch(refused({ splitBy: ["City"] }, [1000]), /cells/);
  assertMatch(
    refused({ groupBy: ["City", "State"] }, [10_000, 2]),
    /groups that are expanded/,
  );
  assertMatch(
    refused({ groupBy: ["State", "new", "City"] }, [2, 2, 90_000]),
    /undefined/,
  );
  assertMatch(
    refused({ groupBy: ["City"], splitBy: ["Row ID"] }, [20_000, 1000]),
    /cells/,
  );
});

// -- Reading ------------------------------------------------------------------------

Deno.test("decodeConfig() reads what clients write", () => {
  const config = decodeConfig(configBytes({
    groupBy: ["a", "b"],
    splitBy: ["c"],
    columns: ["d"],
    sort: ["d", 2],
    expression: ["e", "1 + 1"],
    depth: 1,
  }));
  assertEquals(config, {
    ...EMPTY,
    groupBy: ["a", "b"],
    splitBy: ["c"],
    columns: ["d"],
    sorts: [{ column: "d", op: 2 }],
    expressions: new Map([["e", "1 + 1"]]),
  });
  assertEquals(decodeConfig(configBytes({})), EMPTY);
});

Deno.test("decodeConfig() reads what is given twice as the engine does", () => {
  const config = decodeConfig(message((w) => {
    w.tag(4, 2).fork().tag(1, 2).string("x").tag(2, 2).string("in");
    w.tag(3, 2).string("").tag(3, 2).string("").tag(1, 2).string("y").join();
    w.tag(7, 2).fork().tag(1, 2).string("x");
    w.tag(2, 2).fork().tag(1, 2).string("weighted mean").join();
    w.tag(2, 2).fork().tag(1, 2).string("nope").join().join();
    w.tag(6, 2).fork().tag(1, 2).string("e").tag(2, 2).string("1")
      .tag(2, 2).string("2").join();
    w.tag(3, 2).fork().tag(2, 2).fork().tag(1, 2).string("a").join().join();
    w.tag(3, 2).fork().tag(2, 2).fork().tag(1, 2).string("b").join().join();
    w.tag(11, 2).fork().tag(1, 2).string("w").tag(2, 2).fork();
    w.tag(2, 2).string("x").tag(4, 2).string("y");
    w.tag(5, 2).fork().tag(1, 2).string("z").join().join().join();
  }));
  assertEquals(config, {
    ...EMPTY,
    columns: ["a", "b"],
    filters: [{ column: "y", op: "in", values: 2 }],
    expressions: new Map([["e", "2"]]),
    aggregates: new Map([["x", ["weighted mean", "nope"]]]),
    windows: new Map([
      ["w", { source: "x", partitionBy: ["y"], orderBy: "z" }],
    ]),
  });
});
