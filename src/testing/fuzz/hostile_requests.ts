/**
 * Requests that a hostile client may make up: right ones, such as are right
 * only in form, and such as are known to do damage. For tests only.
 *
 * @module
 */

import { Kind, type Line } from "../../protocol/kinds.ts";
import { entry, viewport } from "../differential/asks.ts";
import {
  COLUMNS,
  type Form,
  LOOKUP,
  randomRows,
  schemaField,
  TEXT_FORMS,
  written,
} from "../differential/data.ts";
import type { Table } from "../differential/model.ts";
import {
  BAD_EXPRESSIONS,
  EXPRESSIONS,
  randomConfig,
  writeColumns,
} from "../differential/view_config.ts";
import { type Fill, frame, message } from "../frames.ts";
import type { Random } from "../random.ts";
import { brokenArrow } from "./arrow.ts";

/**
 * What a request is feared to do: `"kills"` is a trap or damage that is seen,
 * `"hangs"` doesn't come back, `"eats"` takes gigabytes.
 */
export type Danger = "kills" | "hangs" | "eats";

/** A request before it has a `msg_id`. */
export interface HostileRequest {
  readonly kind: number;
  readonly entity: string;
  readonly content: Uint8Array;
  /** What it is made up of, for the counts. */
  readonly source: string;
  readonly danger?: Danger | undefined;
}

/** What requests are made up from. */
export interface Source {
  readonly random: Random;
  readonly line: Line;
  /** Tables of honest clients: they are read, but never changed. */
  readonly honest: readonly string[];
  /** Arrow that an engine wrote, of a table with {@linkcode COLUMNS}. */
  readonly arrow: Uint8Array;
}

/** The tables that a hostile session makes at first. */
export const PLAY = ["play", "plain", "limit", "lookup"] as const;

/** The views that it makes at first. */
export const PLAY_VIEWS = ["v0", "v1", "v2", "v3", "v4", "v5"] as const;

const MAX = 0xffff_ffff;

/** Numbers at edges, for rows, columns, depths, ports and ids. */
const EDGES = [
  ...[0, 1, 2, 5, 7, 8, 100, 255, 256, 65_535, 65_536],
  ...[0x7fff_fffe, 0x7fff_ffff, 0x8000_0000, MAX - 1, MAX],
];

/** Names that nobody has, or that mean something elsewhere. */
const NAMES = [
  "",
  "nope",
  "__INDEX__",
  "psp_okey",
  "psp_pkey",
  "psp_op",
  "__proto__",
  "constructor",
  "k\0",
  "Zoë|👍",
  "__ROW_PATH__",
  "a".repeat(300),
];

const NOBODYS = [
  "",
  "no such table",
  "copy-00000000-0000-0000-0000-000000000000",
  "__proto__",
  "\ufeffplay",
  "play\0",
  "p".repeat(4096),
  "p".repeat(4097),
  "00000000-00000000000001",
];

type Make = (source: Source) => HostileRequest | undefined;

/** How often, and what. */
const CHOICES: readonly (readonly [number, Make])[] = [
  [20, simple],
  [40, makeTable],
  [110, change],
  [10, remove],
  [120, makeView],
  [15, validate],
  [110, readView],
  [30, viewState],
  [30, subscription],
  [20, joins],
  [10, deletes],
  [15, unknownKind],
  [8, deepJson],
  [10, deepExpression],
  // Each of these takes seconds.
  [2, loop],
  [1, doubling],
  [1, endlessPaths],
  [1, greedyTable],
];

const TOTAL = CHOICES.reduce((sum, [weight]) => sum + weight, 0);

/** The next request. */
export function hostileRequest(source: Source): HostileRequest {
  for (;;) {
    let at = source.random.below(TOTAL);
    for (const [weight, make] of CHOICES) {
      at -= weight;
      if (at >= 0) continue;
      const made = make(source);
      if (made !== undefined) return made;
      break;
    }
  }
}

/** What a hostile session begins with, so that there is something to break. */
export function* setup(source: Source): Generator<HostileRequest, void> {
  const { random, honest, line } = source;
  const rows = randomRows(random, COLUMNS, 12, false);
  const options: Record<string, Fill> = {
    play: (w) => w.tag(1, 2).string("k"),
    limit: (w) => w.tag(2, 0).uint32(9),
    lookup: (w) => w.tag(1, 2).string("k"),
    plain: () => {},
  };
  for (const name of PLAY) {
    const columns = name === "lookup" ? LOOKUP : COLUMNS;
    yield request(Kind.MAKE_TABLE, name, "setup", (w) => {
      schemaField(columns)(w);
      w.tag(2, 2).bytes(message(options[name]!));
    });
    const data = name === "lookup"
      ? randomRows(random, LOOKUP, 5, false)
      : rows;
    yield request(
      Kind.TABLE_UPDATE,
      name,
      "setup",
      makeData("rows", JSON.stringify(data)),
    );
  }
  if (line === "5") {
    yield request(Kind.MAKE_JOIN_TABLE, "join", "setup", (w) => {
      w.tag(1, 2).string("play").tag(2, 2).string("lookup").tag(3, 2)
        .string("k");
    });
  }
  const groups: Fill = (w) => w.tag(1, 2).string("g").tag(1, 2).string("h");
  const configs: readonly (readonly [string, Fill])[] = [
    ["play", () => {}],
    ["play", groups],
    ["plain", (w) => w.tag(2, 2).string("g")],
    ["limit", (w) => {
      writeColumns(["i", "e"])(w);
      entry(6, "e", '"f" * 2')(w);
    }],
    [random.pick(honest), () => {}],
    ["play", (w) => {
      groups(w);
      w.tag(2, 2).string("b");
    }],
  ];
  for (const [i, [table, fill]] of configs.entries()) {
    const id = PLAY_VIEWS[i]!;
    yield makesView(table, id, "setup", fill);
    if (i === 4) continue;
    yield request(Kind.VIEW_ON_UPDATE, id, "setup", (w) => {
      if (i % 2 === 0) w.tag(1, 0).int32(0);
    });
  }
}

// -- Small things ---------------------------------------------------------------

function request(
  kind: number,
  entity: string,
  source: string,
  content: Uint8Array | Fill = new Uint8Array(0),
  danger?: Danger,
): HostileRequest {
  const bytes = typeof content === "function" ? message(content) : content;
  return { kind, entity, source, content: bytes, danger };
}

/** A table that may be changed, mostly one that is there. */
function ownTable({ random, line }: Source): string {
  if (random.chance(0.06)) return random.pick(NOBODYS);
  const others = ["new0", "new1", ...line === "5" ? ["join"] : []];
  return random.pick([...PLAY, ...PLAY, ...others]);
}

/** A table that may be asked of. */
function anyTable(source: Source): string {
  const { random, honest } = source;
  return random.chance(0.2) ? random.pick(honest) : ownTable(source);
}

/** A view: of its own, another session's, or nobody's. */
function anyView({ random }: Source): string {
  if (random.chance(0.1)) {
    return random.pick([...NOBODYS, "main", "grouped", "honest0-1", "probe"]);
  }
  return random.pick(PLAY_VIEWS);
}

function number({ random }: Source): number {
  return random.chance(0.6) ? random.below(12) : random.pick(EDGES);
}

function column({ random }: Source): string {
  return random.chance(0.75)
    ? random.pick(COLUMNS).name
    : random.pick([...NAMES, "x", "y", "e", "e0"]);
}

/** Values of JSON that columns may not expect. */
function oddValue({ random }: Source): string {
  return random.pick([
    "null",
    "true",
    '""',
    "-0",
    "1e308",
    "1e400",
    "-1e400",
    "9007199254740993",
    "9223372036854775807",
    "18446744073709551616",
    "123456789012345678901234567890",
    "NaN",
    "[]",
    "[1,[2]]",
    "{}",
    '{"k":1}',
    '"\\ud800"',
    '"\\u0000"',
    '"2024-13-45"',
    '"99999-01-01T00:00:00Z"',
    '"not a number"',
    `"${"x".repeat(20_000)}"`,
    String(random.uint32()),
  ]);
}

// -- Tables -------------------------------------------------------------------

function simple(source: Source): HostileRequest {
  const { random } = source;
  const kind = random.pick([
    Kind.GET_FEATURES,
    Kind.GET_HOSTED_TABLES,
    Kind.TABLE_SIZE,
    Kind.TABLE_SCHEMA,
    Kind.SERVER_SYSTEM_INFO,
    Kind.TABLE_MAKE_PORT,
  ]);
  const table = kind === Kind.TABLE_MAKE_PORT
    ? ownTable(source)
    : anyTable(source);
  return request(kind, table, "simple");
}

function makeData(form: Form, value: string | Uint8Array): Fill {
  const field = ["", "schema", "csv", "arrow", "rows", "cols", "view", "ndjson"]
    .indexOf(form);
  const bytes = typeof value === "string"
    ? new TextEncoder().encode(value)
    : value;
  return (w) => w.tag(1, 2).fork().tag(field, 2).bytes(bytes).join();
}

function makeTable(source: Source): HostileRequest {
  const { random, honest } = source;
  // That of a name which is taken changes nothing.
  const name = random.chance(0.15)
    ? random.pick(honest)
    : random.pick(["new0", "new1", "new2", "play"]);
  const { fill, source: of } = data(source, true);
  return request(Kind.MAKE_TABLE, name, `table of ${of}`, (w) => {
    fill(w);
    if (random.chance(0.5)) {
      w.tag(2, 2).fork();
      if (random.chance(0.6)) w.tag(1, 2).string(column(source));
      else w.tag(2, 0).uint32(random.pick([0, 1, 3, 100, 10_000]));
      if (random.chance(0.1)) w.tag(4, 0).int32(random.below(5));
      w.join();
    }
  });
}

function change(source: Source): HostileRequest {
  const { random } = source;
  const kind = random.chance(0.85) ? Kind.TABLE_UPDATE : Kind.TABLE_REPLACE;
  const { fill, source: of } = data(source, false);
  const table = ownTable(source);
  return request(kind, table, `change by ${of}`, (w) => {
    fill(w);
    if (kind !== Kind.TABLE_UPDATE || random.chance(0.85)) return;
    w.tag(2, 0).uint32(random.below(3));
  });
}

/** Data in some form, right or odd. */
function data(
  source: Source,
  isNew: boolean,
): { readonly fill: Fill; readonly source: string } {
  const { random, arrow } = source;
  const of = random.pick([
    ...isNew ? ["schema", "schema"] as const : [],
    ...["good", "good", "nulls", "odd", "csv", "ndjson"] as const,
    ...["broken", "arrow", "broken arrow", "view", "columns"] as const,
  ]);
  const rows = randomRows(
    random,
    random.some(COLUMNS, random.between(1, COLUMNS.length)),
    random.between(0, 6),
    of === "nulls",
  );
  const fills: Record<typeof of, () => Fill> = {
    schema: () => oddSchema(source),
    good: () => {
      const form = random.pick(TEXT_FORMS);
      const { value } = written(rows, form, COLUMNS);
      return makeData(form, value);
    },
    nulls: () => {
      // Any column, those that views group by, too.
      for (const row of rows) {
        for (const name of Object.keys(row)) {
          if (random.chance(0.3)) row[name] = null;
          if (random.chance(0.1)) delete row[name];
        }
      }
      return makeData("rows", JSON.stringify(rows));
    },
    odd: () => {
      const row = () =>
        `{${
          Array.from(
            { length: random.between(0, 4) },
            () => `${JSON.stringify(column(source))}:${oddValue(source)}`,
          ).join()
        }}`;
      const some = Array.from({ length: random.between(1, 4) }, row);
      return random.chance(0.7)
        ? makeData("rows", `[${some.join()}]`)
        : makeData("ndjson", some.join("\n"));
    },
    csv: () => makeData("csv", oddCsv(source)),
    ndjson: () =>
      makeData(
        "ndjson",
        random.pick([
          '{"k":1}',
          '{"k":1}{"k":2}',
          '\n\n{"k":1}\n\n',
          '{"k":1}\r\n{"k":2}\r\n',
          '{"k":1}\n[1]\n{"k":2}\n',
          "\n",
          '{"k":1}\n{"k":',
          '{"k":1,"k":2}\n',
          ` ${'{"g":"A"} '.repeat(50)}`,
        ]),
      ),
    broken: () =>
      makeData(
        random.pick(["rows", "cols", "ndjson"] as const),
        random.pick([
          "",
          " ",
          "[",
          "{",
          "[1]",
          "[[1,2]]",
          "[null]",
          "nul",
          "5",
          '"text"',
          '[{"k":1,',
          '[{"k":1}]]',
          '{"k":1}',
          '{"k":[1,2],"g":["A","B"]}',
          '{"k":[]}',
          '{"k":null}',
          '{"":[1]}',
          '[{"":1}]',
          "\ufeff[]",
        ]),
      ),
    arrow: () => makeData("arrow", arrow),
    "broken arrow": () => makeData("arrow", brokenArrow(random, arrow)),
    view: () =>
      makeData("view", random.pick([...PLAY_VIEWS, "nope", "", "main"])),
    columns: () => makeData("cols", unequalColumns(source)),
  };
  return { fill: fills[of](), source: of };
}

function oddSchema({ random }: Source): Fill {
  if (random.chance(0.5)) {
    return schemaField(random.some(COLUMNS, random.between(1, 9)));
  }
  return (w) => {
    w.tag(1, 2).fork().tag(1, 2).fork();
    for (let left = random.pick([0, 1, 2, 5, 300]); left > 0; left--) {
      const name = random.chance(0.5)
        ? `c${random.below(400)}`
        : random.pick([...NAMES, "k", "k"]);
      w.tag(1, 2).fork().tag(1, 2).string(name);
      const type = random.chance(0.9) ? random.below(6) : random.below(300);
      w.tag(2, 0).int32(type).join();
    }
    w.join().join();
  };
}

function oddCsv({ random }: Source): string {
  const cells = ["1", "A", "", '"', '"a,b"', '"a\nb"', '""""', "true", "1e999"];
  const cell = () => random.pick(cells);
  const lines = Array.from(
    { length: random.between(0, 5) },
    () => Array.from({ length: random.between(0, 5) }, cell).join(),
  );
  const head = random.pick([
    "k,g,i",
    "k,k,k",
    "",
    ",",
    '"k","g',
    "\ufeffk,g",
    "nope",
    "k;g;i",
  ]);
  return [head, ...lines].join(random.pick(["\n", "\r\n", "\r"]));
}

/** Line 3 writes beyond the end, but for few rows not beyond what it may. */
function unequalColumns({ random }: Source): string {
  const lengths = [random.between(0, 4), random.between(0, 4)];
  const values = (length: number) => Array.from({ length }, () => 1).join();
  return `{"k":[${values(lengths[0]!)}],"i":[${values(lengths[1]!)}]}`;
}

function remove(source: Source): HostileRequest {
  const { random } = source;
  const keys = random.pick([
    "[1,2,3]",
    "[null]",
    '["A"]',
    "[1e400]",
    "{}",
    '[{"k":1}]',
    "[[1]]",
    "",
    `[${"1,".repeat(500)}1]`,
  ]);
  return request(
    Kind.TABLE_REMOVE,
    ownTable(source),
    "removal",
    random.chance(0.85)
      ? makeData("rows", keys)
      : makeData("arrow", source.arrow),
  );
}

function joins(source: Source): HostileRequest | undefined {
  const { random, line } = source;
  if (line === "3") return undefined;
  const [left, right] = [anyTable(source), anyTable(source)];
  const name = random.pick(["join", "join1", "new0", "play"]);
  return request(Kind.MAKE_JOIN_TABLE, name, "join", (w) => {
    w.tag(1, 2).string(left).tag(2, 2).string(right);
    w.tag(3, 2).string(random.chance(0.7) ? "k" : column(source));
    if (random.chance(0.5)) w.tag(4, 0).int32(random.below(5));
    if (random.chance(0.2)) w.tag(5, 2).string(column(source));
  });
}

function deletes(source: Source): HostileRequest {
  const isImmediate = source.random.chance(0.5);
  return request(
    Kind.TABLE_DELETE,
    ownTable(source),
    "delete",
    (w) => isImmediate && w.tag(1, 0).bool(true),
  );
}

// -- Views ---------------------------------------------------------------------

function makesView(
  table: string,
  id: string,
  source: string,
  config: Fill,
  danger?: Danger,
): HostileRequest {
  return request(
    Kind.TABLE_MAKE_VIEW,
    table,
    source,
    (w) => w.tag(1, 2).string(id).tag(2, 2).bytes(message(config)),
    danger,
  );
}

function newView({ random }: Source): string {
  return random.pick([...PLAY_VIEWS, "v6", "v7", "v8", "v9", ""]);
}

function makeView(source: Source): HostileRequest {
  const { random, line } = source;
  const table = anyTable(source);
  const known: Table = {
    name: table,
    type: "indexed",
    columns: COLUMNS,
    nulls: true,
    ports: [0],
    sources: [],
    state: "there",
  };
  if (random.chance(0.35)) {
    const limits = { line, isAgeless: false, joinsChanges: false };
    const { content } = randomConfig(random, known, limits);
    return makesView(table, newView(source), "view", content);
  }
  return makesView(table, newView(source), "odd view", oddConfig(source));
}

function oddConfig(source: Source): Fill {
  const { random } = source;
  const some = (most: number, write: () => void) => {
    for (let left = random.between(0, most); left > 0; left--) write();
  };
  return (w) => {
    if (random.chance(0.5)) some(3, () => w.tag(1, 2).string(column(source)));
    if (random.chance(0.02)) {
      for (let i = 0; i < 200; i++) w.tag(1, 2).string("g");
    }
    if (random.chance(0.3)) some(2, () => w.tag(2, 2).string(column(source)));
    if (random.chance(0.7)) {
      const names: string[] = [];
      some(6, () => names.push(column(source)));
      writeColumns(names)(w);
    }
    if (random.chance(0.4)) {
      some(3, () => {
        w.tag(4, 2).fork().tag(1, 2).string(column(source));
        w.tag(2, 2).string(random.pick(OPERATORS));
        some(3, () => {
          w.tag(3, 2).fork();
          const type = random.below(5);
          if (type === 0) w.tag(1, 0).bool(true);
          if (type === 1) {
            w.tag(4, 1).double(random.pick([0, -0, NaN, Infinity, 1e300, 3]));
          }
          if (type === 2) w.tag(6, 2).string(random.pick([...NAMES, "A"]));
          if (type === 3) w.tag(7, 0).int32(0);
          w.join();
        });
        w.join();
      });
    }
    if (random.chance(0.4)) {
      some(3, () => {
        w.tag(5, 2).fork().tag(1, 2).string(column(source));
        w.tag(2, 0).int32(random.between(-1, 12)).join();
      });
    }
    if (random.chance(0.5)) {
      const name = random.pick(["e", "e0", "k", "", "__INDEX__"]);
      entry(6, name, expression(source))(w);
    }
    if (random.chance(0.4)) {
      some(3, () => {
        w.tag(7, 2).fork().tag(1, 2).string(column(source));
        w.tag(2, 2).fork();
        some(3, () => w.tag(1, 2).string(random.pick(AGGREGATES)));
        w.join().join();
      });
    }
    if (random.chance(0.2)) w.tag(8, 0).int32(random.below(4));
    if (random.chance(0.2)) w.tag(9, 0).uint32(number(source));
    if (random.chance(0.2)) w.tag(10, 0).int32(random.below(5));
    if (random.chance(0.2)) oddWindow(source)(w);
    if (random.chance(0.1)) w.tag(12, 0).int32(random.below(4));
  };
}

function oddWindow(source: Source): Fill {
  const { random } = source;
  return (w) => {
    w.tag(11, 2).fork().tag(1, 2).string(random.pick(["w", "k", ""]));
    w.tag(2, 2).fork();
    w.tag(2, 2).string(column(source));
    w.tag(3, 2).string(random.pick(WINDOWS));
    if (random.chance(0.5)) w.tag(4, 2).string(column(source));
    if (random.chance(0.6)) {
      w.tag(5, 2).fork().tag(1, 2).string(column(source)).join();
    }
    if (random.chance(0.5)) w.tag(6, 0).uint32(number(source));
    else w.tag(7, 1).double(random.pick([0, -1, 5, NaN, 1e300]));
    if (random.chance(0.3)) w.tag(9, 0).uint32(number(source));
    if (random.chance(0.3)) w.tag(10, 1).double(random.pick([0, 0.5, 2, -1]));
    w.join().join();
  };
}

const OPERATORS = [
  ...["==", "!=", "<", ">=", "in", "not in", "contains", "begins with"],
  ...["ends with", "is null", "is not null", "and", "or", "", "nope"],
];

const AGGREGATES = [
  ...["sum", "avg", "mean", "median", "count", "distinct count", "unique"],
  ...["any", "dominant", "first", "last", "last by index", "high", "low"],
  ...["max", "min", "max by", "min by", "join", "pct sum parent", "stddev"],
  ...["pct sum grand total", "weighted mean", "var", "q1", "sum not null"],
  ...["identity", "sum abs", "first by index", "distinct leaf", "", "nope"],
  ...["k", "f"],
];

const WINDOWS = [
  ...["sum", "mean", "min", "max", "count", "lag", "lead", "diff", "rank"],
  ...["row_number", "ewma", "first", "last", "stddev", "", "nope"],
];

/** Expressions without loops and deep nesting, right ones and odd ones. */
function expression({ random }: Source): string {
  const odd = [
    'bucket("f", 0)',
    'bucket("f", -1)',
    `bucket("t", 'Q')`,
    `bucket("t", '0s')`,
    `bucket("d", 'M')`,
    'substring("s", 5, -1)',
    'substring("s", 1e9, 1e9)',
    'substring("s", -3)',
    `match("s", '(a+)+$')`,
    `match("s", '(')`,
    `replace_all("s", '', 'x')`,
    `search("s", 'x')`,
    `var v[2]; indexof("s", '.', v)`,
    "var x := 1; x := x / 0; x",
    "var x[1000]; x[0] := 1; x[999]",
    "var x[10]; x[20]",
    "return [1]",
    'col("nope")',
    'col("k") + col("k")',
    "random()",
    "now()",
    "today()",
    'vlookup("nope", 0)',
    `vlookup('i', 1e9)`,
    "index()",
    'order("g")',
    `order("g", 'B', 'A')`,
    'integer("s")',
    'float("s")',
    'string("f")',
    "date(2024, 13, 45)",
    'datetime("i")',
    'inrange(1, "i", 2)',
    'percent_of("i", 0)',
    "1 / 0",
    "0 / 0",
    "-1 % 0",
    "pow(10, 400)",
    'if ("i" > 0) "g"; else 1;',
    `if ("i" > 0) 'a'; else 1;`,
    "// only a comment",
    "'unfinished",
    '"unfinished',
    "null",
    "is_null(null)",
    `'${"y".repeat(5000)}'`,
    Array.from({ length: 300 }, (_, i) => i).join(" + "),
    "switch { case 1 > 2 : 3; default: 4; }",
    "~{1, 2}",
    "\0",
    "day_of_week(1)",
  ];
  return random.chance(0.2)
    ? random.pick(EXPRESSIONS).text
    : random.pick([...BAD_EXPRESSIONS, ...odd]);
}

function validate(source: Source): HostileRequest {
  const { random } = source;
  return request(
    Kind.TABLE_VALIDATE_EXPR,
    anyTable(source),
    "validation",
    (w) => {
      for (let i = random.between(0, 4); i > 0; i--) {
        entry(1, random.pick(["e", "e1", "", "k"]), expression(source))(w);
      }
    },
  );
}

function readView(source: Source): HostileRequest {
  const { random } = source;
  const kind = random.pick([
    Kind.VIEW_DIMENSIONS,
    Kind.VIEW_EXPRESSION_SCHEMA,
    Kind.VIEW_GET_CONFIG,
    Kind.VIEW_SCHEMA,
    Kind.VIEW_COLUMN_PATHS,
    ...[Kind.VIEW_TO_ARROW, Kind.VIEW_TO_ARROW, Kind.VIEW_TO_CSV],
    Kind.VIEW_TO_COLUMNS_STRING,
    Kind.VIEW_TO_ROWS_STRING,
    Kind.VIEW_TO_NDJSON_STRING,
    ...[Kind.VIEW_GET_MIN_MAX, Kind.VIEW_GET_MIN_MAX, Kind.VIEW_DELETE],
  ]);
  const view = anyView(source);
  if (kind === Kind.VIEW_GET_MIN_MAX) {
    return request(
      kind,
      view,
      "min and max",
      (w) => w.tag(1, 2).string(column(source)),
    );
  }
  if (kind === Kind.VIEW_COLUMN_PATHS) {
    const end = random.pick([1, 2, 5, 100, MAX]);
    return request(
      kind,
      view,
      "paths",
      (w) => random.chance(0.7) && w.tag(1, 0).uint32(0).tag(2, 0).uint32(end),
    );
  }
  const isData = kind === Kind.VIEW_TO_ARROW || kind === Kind.VIEW_TO_CSV ||
    kind === Kind.VIEW_TO_COLUMNS_STRING ||
    kind === Kind.VIEW_TO_ROWS_STRING || kind === Kind.VIEW_TO_NDJSON_STRING;
  if (!isData) return request(kind, view, "read");
  if (random.chance(0.3)) return request(kind, view, "read", viewport());
  const range = [1, 2, 3, 4].map(() =>
    random.chance(0.7) ? number(source) : undefined
  );
  const [startRow = 0, startColumn = 0, endRow = MAX, endColumn = MAX] = range;
  // Some reads of line 3 never end then, or trap.
  const isBackwards = startRow > endRow || startColumn > endColumn;
  const isFar = Math.max(startRow, startColumn) > 65_536;
  const content: Fill = (w) => {
    w.tag(1, 2).fork();
    for (const [i, value] of range.entries()) {
      if (value !== undefined) w.tag(i + 1, 0).uint32(value);
    }
    w.join();
    if (kind === Kind.VIEW_TO_ARROW) {
      if (random.chance(0.3)) {
        w.tag(2, 2).string(random.pick(["lz4", "zstd", "", "uncompressed"]));
      }
    } else if (kind !== Kind.VIEW_TO_CSV) {
      for (const field of [2, 3, 4, 5]) {
        if (random.chance(0.3)) w.tag(field, 0).bool(true);
      }
    }
  };
  if (isBackwards) {
    const name = "range from end to start";
    return request(kind, view, name, content, "hangs");
  }
  if (isFar) return request(kind, view, "far range", content, "kills");
  return request(kind, view, "range", content);
}

function viewState(source: Source): HostileRequest {
  const { random } = source;
  const kind = random.pick([
    Kind.VIEW_EXPAND,
    Kind.VIEW_COLLAPSE,
    Kind.VIEW_SET_DEPTH,
  ]);
  return request(
    kind,
    anyView(source),
    "state",
    (w) => random.chance(0.9) && w.tag(1, 0).uint32(number(source)),
  );
}

function subscription(source: Source): HostileRequest {
  const { random, line } = source;
  const [kind, entity] = random.pick(
    [
      [Kind.VIEW_ON_UPDATE, anyView(source)],
      [Kind.VIEW_REMOVE_ON_UPDATE, anyView(source)],
      [Kind.VIEW_ON_DELETE, anyView(source)],
      [Kind.VIEW_REMOVE_DELETE, anyView(source)],
      [Kind.TABLE_ON_DELETE, anyTable(source)],
      [Kind.TABLE_REMOVE_DELETE, anyTable(source)],
      [Kind.REMOVE_HOSTED_TABLES_UPDATE, ""],
      ...line === "5"
        ? [
          [Kind.VIEW_ON_REMOVE, anyView(source)],
          [Kind.VIEW_REMOVE_ON_REMOVE, anyView(source)],
        ] as const
        : [],
    ] as const,
  );
  return request(
    kind,
    entity,
    "subscription",
    (w) => random.chance(0.7) && w.tag(1, 0).uint32(number(source)),
  );
}

function unknownKind(source: Source): HostileRequest {
  const { random } = source;
  const kind = random.pick([41, 45, 49, 50, 51, 1000, 0x1fff_ffff, 38, 39]);
  return request(kind, anyTable(source), "unknown kind");
}

// -- What does damage ------------------------------------------------------------

function deepJson(source: Source): HostileRequest {
  const { random } = source;
  // Up to a few hundred levels engines take.
  const levels = random.pick([10, 100, 1000, 3000, 10_000, 100_000]);
  const value = random.pick([
    `[{"k":${nested("[", "", "]", levels)}}]`,
    `[${nested('{"k":', "1", "}", levels)}]`,
    `{"k":[${nested("[", "", "]", levels)}]}`,
  ]);
  const form = random.pick(["rows", "cols", "ndjson"] as const);
  const kind = random.pick([
    Kind.MAKE_TABLE,
    Kind.TABLE_UPDATE,
    Kind.TABLE_REPLACE,
    Kind.TABLE_REMOVE,
  ]);
  const name = kind === Kind.MAKE_TABLE ? "new1" : ownTable(source);
  return request(
    kind,
    name,
    `JSON of ${levels} levels`,
    makeData(form, value),
    levels > 500 ? "kills" : undefined,
  );
}

function deepExpression(source: Source): HostileRequest {
  const { random } = source;
  const levels = random.pick([5, 9, 12, 14, 16, 18, 22, 26, 30, 36, 60, 400]);
  const text = random.pick([
    nested("(1 + ", "1", ")", levels),
    nested("(", "7", ")", levels),
    nested("abs(", "1", ")", levels),
    nested("(true ? ", "1", " : 2)", levels),
    nested("if (1 > 0) {", "1", "} else {2}", levels),
    nested("-", "1", "", levels),
  ]);
  return ofExpression(
    source,
    `expression of ${levels} levels`,
    text,
    levels > 10 ? "kills" : undefined,
  );
}

function loop(source: Source): HostileRequest {
  const { random } = source;
  const text = random.pick([
    "while (true) { 1; }",
    "for (var i := 0; i < 10; i -= 1) { i; }",
    "repeat 1; until (false)",
    "var i := 0; while (i < 1e12) { i += 1; } i",
  ]);
  return ofExpression(source, "loop", text, "hangs");
}

function doubling(source: Source): HostileRequest {
  const text = "var s := 'ab'; " +
    "for (var i := 0; i < 40; i += 1) { s := concat(s, s); } s";
  return ofExpression(source, "doubled string", text, "eats");
}

function ofExpression(
  source: Source,
  name: string,
  text: string,
  danger: Danger | undefined,
): HostileRequest {
  const table = anyTable(source);
  if (source.random.chance(0.3)) {
    return request(
      Kind.TABLE_VALIDATE_EXPR,
      table,
      name,
      entry(1, "e", text),
      danger,
    );
  }
  return makesView(table, newView(source), name, (w) => {
    writeColumns(["e"])(w);
    entry(6, "e", text)(w);
  }, danger);
}

function endlessPaths(source: Source): HostileRequest {
  const start = source.random.pick([3, 50, MAX]);
  return request(
    Kind.VIEW_COLUMN_PATHS,
    anyView(source),
    "paths from end to start",
    (w) => w.tag(1, 0).uint32(start).tag(2, 0).uint32(1),
    "eats",
  );
}

/** A limit that memory may be taken for at once. */
function greedyTable({ random }: Source): HostileRequest {
  const limit = random.pick([1 << 28, 0x7fff_ffff, MAX]);
  return request(
    Kind.MAKE_TABLE,
    random.pick(["new0", "new1"]),
    "huge limit",
    (w) => {
      schemaField(COLUMNS)(w);
      w.tag(2, 2).fork().tag(2, 0).uint32(limit).join();
    },
    "eats",
  );
}

function nested(
  open: string,
  inner: string,
  close: string,
  levels: number,
): string {
  return open.repeat(levels) + inner + close.repeat(levels);
}

/** `request` as a frame. */
export function framed(
  { kind, entity, content }: HostileRequest,
  msgId: number,
): Uint8Array {
  return frame(msgId, entity, kind, content);
}
