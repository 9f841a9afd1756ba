/**
 * What engines don't survive (ENGINE 6.3, 6.4, 9.17 to 9.20), by what it is.
 * For tests only.
 *
 * @module
 */

import { Kind, type Line } from "../../protocol/kinds.ts";
import { breakArrow } from "../arrow/broken_arrow.ts";
import { HARMS } from "../arrow/harms.ts";
import type { Random } from "../random.ts";
import { doubling, loop, nested, vectors } from "./expressions.ts";
import {
  deleteView,
  type Form,
  type HostileConfig,
  type HostileRequest,
  makeFromSchema,
  makeView,
  put,
  read,
  request,
  sendData,
  validate,
} from "./requests.ts";
import { badText, PLACES } from "./strings.ts";

/** What requests are made up of. */
export interface Source {
  readonly random: Random;
  readonly line: Line;
  /** Which variant it is, for names that nobody else has. */
  readonly nth: number;
  /** Arrow that an engine wrote. */
  readonly arrow: Uint8Array;
}

/** One way to do harm. */
export interface HostileClass {
  /**
   * Whether the last request has to be refused. Otherwise it may be harmless
   * as well.
   */
  readonly isRefused: boolean;
  make(source: Source): readonly HostileRequest[];
}

/** Rows of the table `big`, whose `id` and `uid` are unique. */
export const BIG = 100_000;

/** Columns of the table `play`, by the numbers of their types. */
const PLAY: readonly (readonly [string, number])[] = [
  ["k", 3],
  ["s", 0],
  ["f", 4],
  ["g", 0],
  ["b", 5],
  ["d", 1],
  ["t", 2],
];

/** What a hostile session begins with. */
export function setUp(): HostileRequest[] {
  const rows = Array.from({ length: 12 }, (_, i) => ({
    k: i,
    s: `é${i}`,
    f: i / 4,
    g: "ab"[i % 2],
    b: i % 3 === 0,
    d: "2024-01-02",
    t: 1.7e12 + i,
  }));
  // The last is what engines call the paths of rows.
  const big = ["id,uid,n,__ROW_PATH__"];
  for (let i = 0; i < BIG; i++) big.push(`${i},u${i},${i % 10},${i}`);
  return [
    makeFromSchema("play", PLAY, put(1, "k")),
    sendData(Kind.TABLE_UPDATE, "play", "rows", JSON.stringify(rows)),
    sendData(Kind.MAKE_TABLE, "big", "csv", big.join("\n")),
    makeView("play", "flat"),
    makeView("play", "grouped", { groupBy: ["g"] }),
    makeView("play", "split", { splitBy: ["g"] }),
  ];
}

/** Each of them. */
export const CLASSES: Readonly<Record<string, HostileClass>> = {
  "expressions that are nested": refused(ofExpression(nested)),
  "loops in expressions": refused(ofExpression(loop)),
  "strings that double": refused(ofExpression(doubling)),
  "vectors": refused(ofExpression(vectors)),
  "columns of unequal lengths": refused(({ random, nth }) => {
    const lengths = [random.below(9), random.between(9, 5000)];
    const [first, second] = random.shuffled(lengths);
    const ones = (length: number) => Array.from({ length }, () => 1).join();
    const rest = random.chance(0.5) ? "" : `,"f":[${ones(first!)}]`;
    const text = `{"k":[${ones(first!)}],"g":[${ones(second!)}]${rest}}`;
    return [change(random, nth, "cols", text)];
  }),
  "NDJSON without line breaks": refused(({ random, nth }) => {
    const row = random.pick([
      '{"k":1}',
      '{"k":1,"s":"\\n"}',
      '{"k":1,"s":"x"} ',
    ]);
    const count = random.between(2, random.pick([3, 50, 5000]));
    const rows = row.repeat(count);
    const text = random.pick([rows, `{"k":0}\n${rows}`, `${rows}\n{"k":2}\n`]);
    return [change(random, nth, "ndjson", text)];
  }),
  "JSON that is nested": refused(({ random, nth }) => {
    const n = random.pick([65, 100, 1000, 5000, 100_000]);
    const value = random.chance(0.5)
      ? "[".repeat(n) + "]".repeat(random.pick([n, 0]))
      : '{"a":'.repeat(n) + `1${"}".repeat(n)}`;
    return [
      random.pick([
        () => change(random, nth, "rows", `[{"k":1,"s":${value}}]`),
        () => change(random, nth, "rows", value),
        () => change(random, nth, "cols", `{"k":[1],"s":[${value}]}`),
        () => change(random, nth, "cols", value),
        () => change(random, nth, "ndjson", `{"k":1,"s":${value}}\n`),
        () => sendData(Kind.TABLE_REMOVE, "play", "rows", `[${value}]`),
        () => sendData(Kind.TABLE_REMOVE, "play", "rows", value),
      ])(),
    ];
  }),
  "rows that are no objects": refused(({ random, nth }) => {
    const bad = random.pick([
      ...['"abc"', "[1,2]", "[]", "null", "1", "true", '""', '[["k",1]]'],
      `"${"x".repeat(random.below(5000))}"`,
    ]);
    const good = '{"k":1}';
    const rows = random.shuffled([bad, ...Array(random.below(4)).fill(good)]);
    return [
      random.chance(0.7)
        ? change(random, nth, "rows", `[${rows.join()}]`)
        : change(random, nth, "ndjson", `${rows.join("\n")}\n`),
    ];
  }),
  "Arrow that would be read out of bounds": refused(({ random, nth }) => {
    // What some lists may do depends on the limits, which others test.
    const names = Object.keys(HARMS).filter((it) =>
      it !== "rows without bytes" && it !== "lists that multiply"
    );
    return [
      change(random, nth, "arrow", HARMS[random.pick(names)]!.make(random)),
    ];
  }),
  "Arrow that is broken somewhere": maybe(({ random, nth, line, arrow }) => {
    const bytes = breakArrow(random, arrow);
    // There may be nulls in it: see below.
    return [
      line === "5"
        ? sendData(Kind.MAKE_TABLE, `new${nth}`, "arrow", bytes)
        : change(random, nth, "arrow", bytes),
    ];
  }),
  "Arrow that is cut off": maybe(({ random, nth, arrow }) => [
    change(random, nth, "arrow", arrow.slice(0, random.below(arrow.length))),
  ]),
  "strings that aren't text": refused(({ random, nth, line }) => {
    const places = Object.keys(PLACES)
      .filter((it) => line === "5" || it !== "the field of a join");
    const place = places[nth % places.length]!;
    return [PLACES[place]!(badText(random), random)];
  }),
  "columns behind the last": refused(({ random }) => {
    const far = random.pick([9, 100, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]);
    const paths = (view: string, start: number, end?: number) =>
      request(Kind.VIEW_COLUMN_PATHS, view, (w) => {
        w.tag(1, 0).uint32(start);
        if (end !== undefined) w.tag(2, 0).uint32(end);
      });
    return [
      random.pick([
        () => paths("flat", far),
        () => paths("flat", far, 0xffff_ffff),
        () => paths("flat", 5, 1),
        () => paths("grouped", 2, 0),
        () => paths("split", far, far - 1),
        () =>
          read("flat", {
            startColumn: far,
            startRow: random.pick([0, 99]),
          }, Kind.VIEW_TO_CSV),
      ])(),
    ];
  }),
  "viewports that don't end": refused(({ random }) => {
    const view = random.pick(["flat", "grouped", "split"]);
    const kind = random.pick([
      Kind.VIEW_TO_ARROW,
      Kind.VIEW_TO_COLUMNS_STRING,
      Kind.VIEW_TO_CSV,
      Kind.VIEW_TO_ROWS_STRING,
      Kind.VIEW_TO_NDJSON_STRING,
    ]);
    const far = random.pick([0x8000_0000, 0xffff_ffff]);
    return [
      read(
        view,
        random.pick([
          { startRow: far },
          { startColumn: far },
          { startRow: far, endRow: far },
          { startRow: 5, endRow: 4 },
          { startColumn: 2, endColumn: 1 },
        ]),
        kind,
      ),
    ];
  }),
  "rows and depths that are negative": refused(({ random }) => {
    const value = random.between(0x8000_0000, 0xffff_ffff);
    const kind = random.pick([
      Kind.VIEW_EXPAND,
      Kind.VIEW_COLLAPSE,
      Kind.VIEW_SET_DEPTH,
    ]);
    return [request(kind, "grouped", (w) => w.tag(1, 0).uint32(value))];
  }),
  "views of somebody else": maybe(({ random }) => {
    const id = random.pick(["honest flat", "honest grouped"]);
    const kind = random.pick([
      Kind.VIEW_DELETE,
      Kind.VIEW_EXPAND,
      Kind.VIEW_SET_DEPTH,
      Kind.VIEW_SCHEMA,
      Kind.VIEW_REMOVE_ON_UPDATE,
      Kind.VIEW_GET_CONFIG,
    ]);
    return random.pick([
      () => [makeView("play", id), read(id), deleteView(id), read(id)],
      () => [makeView("honest", id, { groupBy: ["g"] }), deleteView(id)],
      () => [request(kind, id)],
      () => [read(id)],
      () => [sendData(Kind.TABLE_UPDATE, "play", "view", id)],
    ])();
  }),
  "groups and splits of what is unique": refused(({ random, nth }) => {
    // Texts take longer to count.
    const unique = random.pick(["id", "id", "id", "uid", "e"]);
    const other = random.pick(["id", "uid"].filter((it) => it !== unique));
    const expressions = [
      [
        "e",
        random.pick([
          `concat("uid", 'x')`,
          `"id" * 1.5`,
          `concat('${random.below(9)}', "uid")`,
          "random()",
        ]),
      ] as const,
    ];
    const config = random.pick<HostileConfig>([
      { splitBy: [unique] },
      { groupBy: ["n"], splitBy: [unique] },
      { groupBy: [unique], splitBy: [other!] },
      { groupBy: [unique, other!] },
      { groupBy: [unique, "n"] },
      { groupBy: ["n", unique, other!] },
      { splitBy: ["n", unique] },
      { splitBy: [unique], columns: ["n"] },
      { splitBy: ["__ROW_PATH__"], columns: ["n"] },
      { groupBy: ["__ROW_PATH__", "n"] },
    ]);
    return [makeView("big", `x${nth}`, { ...config, expressions })];
  }),
  "too much for each of many rows": refused(({ random, nth }) => {
    const many = (count: number, text: string) =>
      Array.from({ length: count }, (_, i) => [`e${i}`, text] as const);
    const values = Array.from({ length: 200 }, (_, i) => `u${i}`);
    const config = random.pick<HostileConfig>([
      { expressions: many(5, `1${" + 1".repeat(1000)}`.slice(0, 2001)) },
      { expressions: many(30, `1${" + 1".repeat(100)}`) },
      {
        filters: Array.from(
          { length: random.between(60, 80) },
          () => ["uid", "not in", ...values],
        ),
      },
      { expressions: many(1, `concat(${`"uid", `.repeat(700)}'')`) },
    ]);
    return [makeView("big", `x${nth}`, config)];
  }),
  "aggregates that fail late": refused(({ random, nth }) => {
    const missing = random.pick(["nope", "", "K", "psp_okey"]);
    const how = random.pick<readonly string[]>([
      ["weighted mean", missing],
      ["max by", missing],
      ["min by", missing],
      ["max by"],
      ["weighted mean"],
      ["identity"],
      ["udf combiner"],
      ["scaled div"],
      ["nope"],
      [""],
    ]);
    const column = random.pick(["k", "f", "s"]);
    const config = random.pick<HostileConfig>([
      { aggregates: [[column, ...how]] },
      { aggregates: [[random.pick(["s", "g", "d", "t"]), "avg"]] },
      { aggregates: [["s", "mean"]] },
      { aggregates: [["e", "avg"]], expressions: [["e", `upper("s")`]] },
      { aggregates: [[missing, "sum"]] },
    ]);
    return [makeView("play", `x${nth}`, { groupBy: ["g"], ...config })];
  }),
  "filters and sorts that fail late": refused(({ random, nth }) => [
    makeView(
      "play",
      `x${nth}`,
      random.pick<HostileConfig>([
        {
          filters: [["k", random.pick(["&", "|", "and", "or", "nope", ""]), 1]],
        },
        { filters: [["nope", "==", 1]] },
        { sorts: [["k", random.pick([-1, 9, 0x7fff_ffff])]] },
        { sorts: [["nope", 1]] },
        { columns: ["k", "nope"] },
        { groupBy: ["nope"] },
        { splitBy: ["psp_pkey"] },
      ]),
    ),
  ]),
  "huge counts": refused(({ random, nth }) => {
    const some = (from: number) => random.between(from, from * 2);
    const view = (config: HostileConfig) => makeView("play", `x${nth}`, config);
    const copies = (count: number) => Array<string>(count).fill("g");
    return [
      random.pick([
        () => view({ groupBy: copies(some(17)) }),
        () => view({ groupBy: copies(2000) }),
        () => view({ splitBy: copies(some(9)) }),
        () => view({ columns: copies(some(2049)) }),
        () => view({ sorts: copies(some(33)).map((it) => [it, 1]) }),
        () => view({ filters: copies(some(257)).map((it) => [it, "==", "a"]) }),
        () => view({ filters: [["g", "in", ...copies(some(16_385))]] }),
        () =>
          view({
            expressions: copies(some(129)).map((_, i) => [`e${i}`, "1"]),
          }),
        () =>
          view({
            windows: copies(some(65)).map((
              _,
              i,
            ) => [`w${i}`, "k", "sum", "g", "k"]),
          }),
        () => view({ expressions: [["e", `1${" + 1".repeat(5000)}`]] }),
        () =>
          makeFromSchema(
            `new${nth}`,
            copies(some(4097)).map((_, i) => [`c${i}`, 0]),
          ),
        () => {
          const names = copies(some(4097)).map((_, i) => `c${i}`);
          const row = names.map((name) => `"${name}":1`).join();
          return change(random, nth, "rows", `[{${row}}]`);
        },
        () => {
          const names = copies(some(4097)).map((_, i) => `c${i}`);
          return change(random, nth, "csv", `${names.join()}\n`);
        },
        () =>
          change(
            random,
            nth,
            "rows",
            `[{"k":1,"s":"${"x".repeat(17_000_000)}"}]`,
          ),
      ])(),
    ];
  }),
  "names that the engine uses itself": refused(({ random, nth }) => {
    const name = random.pick(["psp_pkey", "psp_okey", "psp_op"]);
    return [
      random.pick([
        () => makeFromSchema(`new${nth}`, [["k", 3], [name, 0]]),
        () => change(random, nth, "rows", `[{"k":1,"${name}":1}]`),
        () => change(random, nth, "cols", `{"k":[1],"${name}":[1]}`),
        () => change(random, nth, "ndjson", `{"k":1,"${name}":1}\n`),
        () => change(random, nth, "csv", `k,${name}\n1,1\n`),
        () => makeView("play", `x${nth}`, { columns: [name] }),
        () => makeView("play", `x${nth}`, { groupBy: [name] }),
      ])(),
    ];
  }),
  "requests that are damaged": maybe((source) => {
    const { random } = source;
    return random.pick(SHORT).make(source)
      .filter(({ kind }) => kind !== Kind.TABLE_DELETE)
      .map((it) => ({ ...it, content: damaged(random, it.content) }));
  }),
  "explicit nulls": maybe(({ random, nth, line }) => {
    const table = `nulls${nth}`;
    const value = () => random.pick([null, null, 1, 2]);
    const row = () => ({
      k: random.below(9),
      g: value(),
      h: value(),
      i: value(),
    });
    const rows = () =>
      JSON.stringify(Array.from({ length: random.between(1, 5) }, row));
    const schema = ["k", "g", "h", "i"].map((it) => [it, 3] as const);
    const grouped = random.pick<HostileConfig>([
      { groupBy: ["g"] },
      { splitBy: ["g"] },
      { groupBy: ["g", "h"] },
      { groupBy: ["g"], splitBy: ["h"] },
    ]);
    const { groupBy = [], splitBy = [] } = grouped;
    // What is ordinary use is let through, and engines don't survive all of
    // it: line 3 two levels over nulls in an indexed table (ENGINE 6.2), line 5
    // nulls in the first rows of a table or in an indexed one (ENGINE 9.20).
    const isFragile = line === "5";
    const isIndexed = !isFragile && groupBy.length + splitBy.length === 1 &&
      random.chance(0.5);
    const kinds = isFragile
      ? [Kind.TABLE_UPDATE]
      : [Kind.TABLE_UPDATE, Kind.TABLE_UPDATE, Kind.TABLE_REPLACE];
    const update = () => sendData(random.pick(kinds), table, "rows", rows());
    const first = '[{"k":1,"g":1,"h":1,"i":1}]';
    const id = `x${nth}`;
    return [
      makeFromSchema(table, schema, isIndexed ? put(1, "k") : undefined),
      ...isFragile ? [sendData(Kind.TABLE_UPDATE, table, "rows", first)] : [],
      makeView(table, id, grouped),
      update(),
      update(),
      read(id),
      update(),
      read(id, {}, Kind.VIEW_TO_CSV),
      deleteView(id),
      request(Kind.TABLE_DELETE, table, (w) => w.tag(1, 0).bool(true)),
    ];
  }),
};

/** Classes whose requests are worth damaging: they are short. */
const SHORT: readonly HostileClass[] = [
  "expressions that are nested",
  "strings that double",
  "vectors",
  "rows that are no objects",
  "Arrow that is broken somewhere",
  "columns behind the last",
  "viewports that don't end",
  "rows and depths that are negative",
  "aggregates that fail late",
  "filters and sorts that fail late",
  "names that the engine uses itself",
].map((it) => CLASSES[it]!);

/** `content` with some bits changed, or some bytes left out. */
function damaged(random: Random, content: Uint8Array): Uint8Array {
  const bytes = content.slice();
  if (bytes.length === 0) return bytes;
  for (let left = random.between(1, 3); left > 0; left--) {
    bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
  }
  return random.chance(0.2)
    ? bytes.slice(0, random.below(bytes.length))
    : bytes;
}

function refused(make: HostileClass["make"]): HostileClass {
  return { isRefused: true, make };
}

function maybe(make: HostileClass["make"]): HostileClass {
  return { isRefused: false, make };
}

/** A view with an expression, or its validation. */
function ofExpression(
  expression: (random: Random) => string,
): HostileClass["make"] {
  return ({ random, nth }) => {
    const text = expression(random);
    return [
      random.chance(0.3)
        ? validate("play", "e", text)
        : makeView("play", `x${nth}`, { expressions: [["e", text]] }),
    ];
  };
}

/** A change of `play`, or a new table. */
function change(
  random: Random,
  nth: number,
  form: Form,
  data: string | Uint8Array,
): HostileRequest {
  const kind = random.pick([
    Kind.TABLE_UPDATE,
    Kind.TABLE_UPDATE,
    Kind.TABLE_REPLACE,
    Kind.MAKE_TABLE,
  ]);
  const table = kind === Kind.MAKE_TABLE ? `new${nth}` : "play";
  return sendData(kind, table, form, data);
}
