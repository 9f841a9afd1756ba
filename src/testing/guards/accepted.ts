/**
 * Sends an engine what the guards let through, and looks whether it is whole
 * afterwards. A process of its own, since what goes wrong may be a loop:
 *
 *     deno run -A src/testing/guards/accepted.ts LINE SEED SECONDS
 *
 * @module
 */

import { BinaryReader } from "@bufbuild/protobuf/wire";
import { loadPackage } from "../../engine/package.ts";
import { WasmServer } from "../../engine/wasm_server.ts";
import {
  decodeConfig,
  type DecodedConfig,
} from "../../guards/decoded_config.ts";
import { FUNCTIONS } from "../../guards/expression_functions.ts";
import {
  checkViewConfig,
  type ColumnType,
  DEFAULT_VIEW_LIMITS,
  type Need,
} from "../../guards/view_config.ts";
import {
  checkColumnPaths,
  checkValidation,
  checkViewport,
  checkViewState,
} from "../../guards/view_requests.ts";
import { Reframed, utf8 } from "../../protocol/frame.ts";
import { newHeader, readHeader } from "../../protocol/header.ts";
import { Kind, type Line } from "../../protocol/kinds.ts";
import { makeTable } from "../bare_engine.ts";
import { entry } from "../differential/asks.ts";
import { writeColumns } from "../differential/view_config.ts";
import { ENGINES } from "../engines.ts";
import {
  errorOf,
  fields,
  type Fill,
  frame,
  makeView,
  message,
  parts,
  readable,
} from "../frames.ts";
import { Random } from "../random.ts";
import { ORDINARY_EXPRESSIONS } from "./ordinary.ts";

const COLUMNS: ReadonlyMap<string, ColumnType> = new Map([
  ["k", "integer"],
  ["g", "string"],
  ["d", "date"],
  ["t", "datetime"],
  ["x", "float"],
  ["b", "boolean"],
]);

const TYPES = ["string", "date", "datetime", "integer", "float", "boolean"];

const ROWS = 60;

function rows(random: Random, count: number): Record<string, unknown>[] {
  return Array.from({ length: count }, (_, i) => ({
    k: random.chance(0.5) ? i : random.below(100),
    g: random.pick(["a", "bc", "it's", "ABC 123", "x@y.z"]),
    d: `2024-0${random.between(1, 9)}-1${random.below(9)}`,
    t: `2024-0${random.between(1, 9)}-11 10:0${random.below(9)}:00`,
    x: random.between(-100, 100) + 0.5,
    b: random.chance(0.5),
  }));
}

// -- What is sent ------------------------------------------------------------------

/** Pieces of expressions, put together at random where nothing nests. */
const PIECES = [
  ...["(", ")", "[", "]", "{", "}", ",", ";", "?", ":", ":=", "+", "-", "*"],
  ...["/", "^", "%", "<", "==", " and ", " or ", " not ", "if (", "else ", "'"],
  ...['"', "\\", "#", "//", "/*", "*/", "\n", "var v", "v[", "$f00(", "~{"],
  ...["switch {", "case ", "default:", "'a'", '"x"', '"g"', "1", "2.5", "v"],
  ...["''", "intern(", " in ", "true", "null", "[*] {", "<=>", "'b')", "\\'"],
];

function randomExpression(random: Random, line: Line): string {
  if (random.chance(0.15)) {
    return Array.from(
      { length: random.between(1, 40) },
      () => random.pick(PIECES),
    ).join("");
  }
  if (random.chance(0.15)) {
    return onOurColumns(random.pick(ORDINARY_EXPRESSIONS));
  }
  if (random.chance(0.1)) {
    const step = random.pick([
      '"x"+',
      '"x">1 and ',
      '"x"+"k"*',
      "'a'==\"g\" ? 1 : ",
    ]);
    return step.repeat(random.pick([5, 12, 20, 300, 900])) + '"x"';
  }
  const statements = random.chance(0.2)
    ? `var v := ${grown(random, 3, line)}; var w[3] := {1, "x", 3}; `
    : "";
  return statements + grown(random, random.pick([1, 2, 4, 8, 20, 40]), line);
}

/** The same expression with columns that there are. */
function onOurColumns(text: string): string {
  return text.replaceAll(
    /"[^"\\]+"/g,
    (it, at: number) => `"${["x", "g", "k", "t", "d"][(it.length + at) % 5]!}"`,
  );
}

/** An expression of up to `levels` levels, mostly one inside the other. */
function grown(random: Random, levels: number, line: Line): string {
  if (levels <= 0) {
    return random.pick(
      ['"x"', '"k"', '"g"', '"b"', '"t"', '"d"', "1", "2.5", "'a'", "true"],
    );
  }
  const inner = grown(random, levels - 1, line);
  const other = grown(random, random.below(2), line);
  const name = random.pick([...FUNCTIONS[line]]);
  return random.pick([
    `(${inner})`,
    `${other} ${random.pick(["+", "-", "*", "/", "%", "^"])} (${inner})`,
    `${inner} ${random.pick(["<", "==", "!=", "and", "or"])} ${other}`,
    `${name}(${inner})`,
    `${name}(${inner}, ${other})`,
    `${name}(${inner}, ${other}, ${grown(random, 0, line)})`,
    `concat(${inner}, 'x', ${other})`,
    `if (${other} > 1, ${inner}, ${other})`,
    `if (${other}) { ${inner} } else { ${other} }`,
    `if (${other}) ${other}; else ${inner}`,
    `(${other} ? ${inner} : ${other})`,
    `${other} ? ${inner} : ${other}`,
    `switch { case ${other} > 0 : ${inner}; default: ${other}; }`,
    `-${inner}`,
    `replace_all(${inner}, '${random.pick(["a", "(b)+", ".*"])}', 'yy')`,
    `match(${inner}, '${random.pick(["a", "[a-z]+$", "((a+)+)+", "("])}')`,
    `bucket(${inner}, ${random.pick(["0", "-1", "5", "'M'", "'s'", "'0D'"])})`,
  ]);
}

const AGGREGATES =
  ("abs sum|and|any|avg|mean|count|distinct count|distinct leaf|dominant|" +
    "first|first by index|high|low|max|max by|min|min by|high minus low|join|" +
    "last|last by index|last minus first|median|or|pct sum grand total|" +
    "pct sum parent|q1|q3|stddev|sum|sum abs|sum not null|unique|var|" +
    "weighted mean|mean by count|identity|nope").split("|");

const FILTERS = ("<|>|<=|>=|==|!=|begins with|ends with|contains|in|not in|" +
  "is null|is not null|&|and|nope").split("|");

function randomConfig(random: Random, line: Line): Uint8Array {
  const expressions = Array.from(
    { length: random.below(3) },
    (_, i) => [`e${i}`, randomExpression(random, line)] as const,
  );
  const names = [...COLUMNS.keys(), ...expressions.map(([name]) => name)];
  const name = () => random.chance(0.02) ? "nope" : random.pick(names);
  const some = (most: number) =>
    Array.from({ length: random.below(most + 1) }, name);
  return message((w) => {
    if (random.chance(0.6)) {
      for (const it of some(3)) w.tag(1, 2).string(it);
    }
    if (random.chance(0.3)) {
      for (const it of some(2)) w.tag(2, 2).string(it);
    }
    if (random.chance(0.7)) writeColumns(some(6))(w);
    else w.tag(3, 2).fork().tag(1, 0).int32(0).join();
    for (const it of some(random.chance(0.3) ? 2 : 0)) {
      w.tag(4, 2).fork().tag(1, 2).string(it);
      w.tag(2, 2).string(random.pick(FILTERS));
      for (let left = random.below(3); left > 0; left--) {
        w.tag(3, 2).fork();
        if (random.chance(0.5)) w.tag(4, 1).double(random.below(50));
        else w.tag(6, 2).string(random.pick(["a", "1", "2024-01-01", ""]));
        w.join();
      }
      w.join();
    }
    for (const it of some(random.chance(0.3) ? 2 : 0)) {
      w.tag(5, 2).fork().tag(1, 2).string(it).tag(2, 0)
        .int32(random.below(10)).join();
    }
    for (const [it, text] of expressions) entry(6, it, text)(w);
    for (const it of new Set(some(4))) {
      w.tag(7, 2).fork().tag(1, 2).string(it).tag(2, 2).fork();
      w.tag(1, 2).string(random.pick(AGGREGATES));
      if (random.chance(0.4)) w.tag(1, 2).string(name());
      w.join().join();
    }
    if (random.chance(0.2)) w.tag(9, 0).uint32(random.below(4));
    if (line === "5" && random.chance(0.1)) w.tag(10, 0).int32(random.below(3));
  });
}

// -- The engine ----------------------------------------------------------------------

/** An engine that nothing heals, asked with one poll after each request. */
class Subject {
  /** What was asked last. */
  last = "";
  readonly #server: WasmServer;

  constructor(server: WasmServer) {
    this.#server = server;
  }

  /** The content of the answer, `undefined` if it is an error. */
  ask(
    entity: string,
    kind: number,
    content?: Uint8Array | Fill,
  ): Uint8Array | undefined {
    const bytes = frame(7, entity, kind, content);
    this.last = readable(bytes, 20_000);
    const header = newHeader();
    readHeader(bytes, header);
    const { msgId, bodyStart, bodyEnd } = header;
    let answer: Uint8Array | undefined;
    const emit = (client: number, answered: Uint8Array) => {
      const { kind: answeredKind, content } = parts(answered);
      if (client === 0) throw new Error(errorOf(answered).message);
      if (answeredKind !== 50) answer = content;
    };
    this.#server.handle(
      new Reframed(msgId, utf8(entity), bytes, bodyStart, bodyEnd),
      emit,
    );
    this.#server.poll(emit);
    return answer;
  }
}

/**
 * Whether an expression chooses between values. Guards refuse those that may be
 * of different types on line 5, which traps of them. Among the others one run
 * in some thousand views has ended with a trap that isn't understood.
 */
function mayMixTypes(text: string): boolean {
  return /\?|\b(if|switch|coalesce|v|x|y|z|vec|w)\b(?!")|\[/i.test(text);
}

/** Tries one random view of `table`; whether the guards let it through. */
function tryView(
  random: Random,
  engine: Subject,
  table: string,
  line: Line,
): boolean {
  const bytes = randomConfig(random, line);
  const config = decodeConfig(bytes);
  const { expressions } = config;
  const of = { columns: COLUMNS, rows: ROWS, line };
  if (checkValidation(expressions, of) !== undefined) return false;
  const types = typesOf(engine.ask(table, Kind.TABLE_VALIDATE_EXPR, (w) => {
    for (const [name, text] of expressions) entry(1, name, text)(w);
  }));
  let checked: string | Need | undefined = checkViewConfig(config, of);
  if (typeof checked === "object") {
    const known = { types, distinct: new Map<string, number>() };
    checked = checkViewConfig(config, of, DEFAULT_VIEW_LIMITS, known);
  }
  if (checked !== undefined) return false;
  if (expressions.values().some(mayMixTypes)) return false;
  const made = engine.ask(table, Kind.TABLE_MAKE_VIEW, makeView("v", bytes));
  const update = () =>
    engine.ask(table, Kind.TABLE_UPDATE, (w) => {
      const value = JSON.stringify(rows(random, 2));
      w.tag(1, 2).fork().tag(4, 2).string(value).join();
    });
  update();
  if (made !== undefined) {
    read(random, engine, config);
    update();
    read(random, engine, config);
    engine.ask("v", Kind.VIEW_DELETE);
  }
  update();
  return true;
}

/** Reads the view in some ways, and changes what it shows. */
function read(random: Random, engine: Subject, config: DecodedConfig): void {
  const { groupBy, splitBy, expressions } = config;
  const columns = config.columns?.length ?? COLUMNS.size + expressions.size;
  const isPivoted = groupBy.length + splitBy.length > 0;
  const number = () => random.chance(0.8) ? random.below(70) : random.id();
  const shown = columnsOf(engine.ask("v", Kind.VIEW_DIMENSIONS));
  for (let left = 3; left > 0; left--) {
    const kind = random.pick([16, 24, 25, 26, 36]);
    const [startRow, startColumn, endRow, endColumn] = Array.from(
      { length: 4 },
      () => random.chance(0.5) ? undefined : number(),
    );
    const viewport = { startRow, startColumn, endRow, endColumn };
    if (checkViewport(viewport, shown) !== undefined) continue;
    engine.ask("v", kind, (w) => {
      w.tag(1, 2).fork();
      const numbers = [startRow, startColumn, endRow, endColumn];
      for (const [i, it] of numbers.entries()) {
        if (it !== undefined) w.tag(i + 1, 0).uint32(it);
      }
      w.join();
    });
  }
  const state = number();
  if (checkViewState(state) === undefined) {
    const kind = random.pick([18, 19, 23]);
    engine.ask("v", kind, (w) => w.tag(1, 0).uint32(state));
  }
  const [start, end] = [number(), number()];
  if (checkColumnPaths({ start, end }, columns, isPivoted) === undefined) {
    engine.ask("v", Kind.VIEW_COLUMN_PATHS, (w) => {
      w.tag(1, 0).uint32(start).tag(2, 0).uint32(end);
    });
  }
}

/** The columns of a view that `view_dimensions` answered. */
function columnsOf(content: Uint8Array = new Uint8Array(0)): number {
  const columns = fields(content).find(({ field }) => field === 4);
  return Number(columns?.value ?? 0);
}

/** The types that `table_validate_expr` answered. */
function typesOf(
  content: Uint8Array = new Uint8Array(0),
): Map<string, ColumnType> {
  const types = new Map<string, ColumnType>();
  const reader = new BinaryReader(content);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field !== 1) {
      reader.skip(wireType, field);
      continue;
    }
    const inner = new BinaryReader(reader.bytes());
    let name = "";
    let type = 0;
    while (inner.pos < inner.len) {
      const [of, innerType] = inner.tag();
      if (of === 1) name = inner.string();
      else if (of === 2) type = inner.int32();
      else inner.skip(innerType, of);
    }
    types.set(name, TYPES[type] as ColumnType);
  }
  return types;
}

if (import.meta.main) {
  const [line, seed, seconds] = Deno.args as [Line, string, string];
  const { newServer } = await loadPackage(ENGINES[line]);
  const engine = new Subject(new WasmServer(newServer()));
  const end = Date.now() + Number(seconds) * 1000;
  let tried = 0;
  let accepted = 0;
  let table = "";
  for (; Date.now() < end; tried++) {
    // One after the other, so that a failure is repeated by its own seed.
    const random = new Random(Number(seed) + tried);
    try {
      if (tried % 25 === 0) {
        if (table !== "") engine.ask(table, Kind.TABLE_DELETE);
        table = `t${tried}`;
        engine.ask(table, Kind.MAKE_TABLE, makeTable(rows(random, ROWS)));
      }
      if (tryView(random, engine, table, line)) accepted++;
    } catch (reason) {
      console.log(`${(reason as Error).message}\nafter ${engine.last}`);
      console.log(`Seed ${Number(seed) + tried}, line ${line}`);
      Deno.exit(1);
    }
  }
  console.log(`${accepted} of ${tried} let through`);
  Deno.exit(0);
}
