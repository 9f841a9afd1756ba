import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  BareEngine,
  type Config,
  makeTable,
  schemaOf,
} from "../testing/bare_engine.ts";
import {
  type Fill,
  hex,
  message,
  parts,
  text,
  uint,
} from "../testing/frames.ts";
import { forAll, type Random } from "../testing/random.ts";
import { utf8 } from "./frame.ts";
import { Kind, type Line } from "./kinds.ts";
import {
  columnsOf,
  copiedArrow,
  copyReadRequest,
  copyViewRequest,
  countSteps,
  isCopyable,
  lastIndexRequest,
  makeCopyRequest,
  makesUncopyable,
  nextIndex,
  numberedRows,
  rangeRows,
  readTableMeta,
  restoreSteps,
  rowsOf,
  type TableCopy,
} from "./table_copy.ts";

const LINES: readonly Line[] = ["3", "5"];
const T = utf8("t");
const COPY = utf8("copy");

/** Reads table "t" in ranges of `size` rows. */
function read(
  engine: BareEngine,
  content: Uint8Array,
  ports: number,
  size: number,
  isKeyed = false,
): TableCopy {
  const meta = readTableMeta(content);
  const isNumbered = isKeyed || !meta.isIndexed;
  const columns = columnsOf(engine.ask("t", Kind.TABLE_SCHEMA));
  const rows = rowsOf(engine.ask("t", Kind.TABLE_SIZE));
  engine.send(
    copyViewRequest(1, T, "copy", columns, isNumbered),
    Kind.TABLE_MAKE_VIEW,
  );
  const ranges: Uint8Array[] = [];
  for (let start = 0; start === 0 || start < rows; start += size) {
    const request = copyReadRequest(1, COPY, start, start + size);
    ranges.push(copiedArrow(engine.send(request, Kind.VIEW_TO_ARROW)));
  }
  const next = meta.isIndexed ? 0 : nextIndex(engine.send(
    lastIndexRequest(1, COPY, columns.length, rows),
    Kind.VIEW_TO_COLUMNS_STRING,
  ));
  engine.ask("copy", Kind.VIEW_DELETE);
  return { table: T, meta, ranges, rows, next, ports };
}

function restore(engine: BareEngine, copy: TableCopy): void {
  for (const { frame, kind } of restoreSteps(copy, 7)) engine.send(frame, kind);
}

const COLUMNS = { i: 3, s: 0, f: 4, d: 1, t: 2, b: 5 };

function row(random: Random, leavesOut: boolean): Record<string, unknown> {
  const all = {
    i: random.between(-5, 25),
    s: random.pick(["a", "b", "", "é", `x${random.below(20)}`]),
    f: random.below(100) / 4,
    d: `2024-0${random.between(1, 5)}-11`,
    t: 1_700_000_000_000 + random.below(1_000_000_000),
    b: random.chance(0.5),
  };
  if (!leavesOut) return all;
  return Object.fromEntries(
    Object.entries(all).filter(() => random.chance(0.8)),
  );
}

const VIEWS: Readonly<Record<string, Config>> = {
  flat: {},
  grouped: { groupBy: ["s"] },
  deeper: { groupBy: ["s", "b"], columns: ["i", "t"] },
  split: { groupBy: ["s"], splitBy: ["b"], columns: ["i"] },
  sorted: { sort: ["i", 2] },
};

for (const line of LINES) {
  Deno.test(`a table copied in ranges is the same, and goes on alike, line ${line}`, async () => {
    // ENGINE 3.2, 9.10
    await forAll(5, async (random) => {
      const donor = await BareEngine.start(line);
      const copy = await BareEngine.start(line);
      const isIndexed = random.chance(0.4);
      const options = random.pick<Fill>(
        isIndexed ? [text(1, "k")] : [() => {}, uint(2, random.between(5, 30))],
      );
      // Groups of null differ on line 3: ENGINE 3.4.
      const leavesOut = line === "5" && random.chance(0.5);
      const rows = (count: number) =>
        Array.from({ length: count }, () => ({
          ...isIndexed && { k: `k${random.below(40)}` },
          ...row(random, leavesOut),
        }));
      let ports = 0;
      const change = (...engines: BareEngine[]) => {
        const what = random.below(12);
        const data = rows(random.between(1, 10));
        const port = random.below(ports + 1);
        const key = `k${random.below(40)}`;
        if (what === 0) ports++;
        for (const engine of engines) {
          if (what === 0) engine.ask("t", Kind.TABLE_MAKE_PORT);
          else if (what === 1) engine.change("t", data, Kind.TABLE_REPLACE);
          else if (what === 2 && isIndexed) {
            engine.change("t", [key], Kind.TABLE_REMOVE);
          } else engine.change("t", data, Kind.TABLE_UPDATE, port);
        }
      };
      const types = isIndexed ? { k: 0, ...COLUMNS } : COLUMNS;
      const content = donor.makeTable("t", schemaOf(types), options);
      for (let i = random.below(20); i > 0; i--) change(donor);
      donor.change("t", rows(3));
      restore(copy, read(donor, content, ports, random.between(1, 15)));

      const views: Record<string, Config> = { ...VIEWS };
      if (!isIndexed) {
        views.numbers = { columns: ["n"], expression: ["n", "index()"] };
      }
      const compare = (suffix: string) => {
        for (const id of Object.keys(views)) {
          assertEquals(
            copy.arrow(id + suffix).toHex(),
            donor.arrow(id + suffix).toHex(),
            id,
          );
        }
        for (const kind of [Kind.TABLE_SCHEMA, Kind.TABLE_SIZE]) {
          assertEquals(copy.ask("t", kind), donor.ask("t", kind));
        }
      };
      const makeViews = (suffix: string, subscribes: boolean) => {
        for (const [id, config] of Object.entries(views)) {
          donor.makeView("t", id + suffix, config, subscribes);
          copy.makeView("t", id + suffix, config, subscribes);
        }
      };
      makeViews("", true);
      compare("");
      for (let i = 0; i < 10; i++) {
        change(donor, copy);
        const [theirs, ours] = [donor, copy].map((engine) =>
          engine.pushes.splice(0).map((it) => {
            const { entity, kind, content } = parts(it);
            return `${entity} ${kind} ${content.toHex()}`;
          })
        );
        assertEquals(ours, theirs);
      }
      compare("");
      makeViews(" later", false);
      compare(" later");
      assertEquals(
        copy.ask("t", Kind.TABLE_MAKE_PORT),
        donor.ask("t", Kind.TABLE_MAKE_PORT),
      );
      donor.close();
      copy.close();
    });
  });

  Deno.test(`an empty table doesn't tell how many rows it ever had, line ${line}`, async () => {
    const donor = await BareEngine.start(line);
    const content = donor.makeTable("t", [{ a: 1 }, { a: 2 }]);
    donor.change("t", [], Kind.TABLE_REPLACE);
    const found = read(donor, content, 0, 10);
    assertEquals([found.ranges.length, found.rows, found.next], [1, 0, 0]);
    const numbers = async (next: number) => {
      const copy = await BareEngine.start(line);
      restore(copy, { ...found, next });
      copy.change("t", [{ a: 3 }]);
      copy.makeView("t", "v", { expression: ["n", "index()"] });
      const { n } = copy.columns("v");
      copy.close();
      return n;
    };
    assertEquals(await numbers(0), [0]);
    assertEquals(await numbers(2), [2], "as on the donor");
    donor.close();
  });

  Deno.test(`nextIndex() is too low after rows that named their number, line ${line}`, async () => {
    const donor = await BareEngine.start(line);
    const content = donor.makeTable("t", [{ a: 1 }, { a: 2 }]);
    assertEquals(read(donor, content, 0, 10).next, 2);
    donor.change("t", [{ __INDEX__: 0, a: 5 }]);
    assertEquals(read(donor, content, 0, 10).next, 2, "it is 3");
    donor.change("t", [{ a: 3 }]);
    assertEquals(read(donor, content, 0, 10).next, 4, "it is 4");
    donor.close();
  });

  Deno.test(`columnsOf() and rowsOf() read what an engine of line ${line} writes`, async () => {
    const engine = await BareEngine.start(line);
    engine.makeTable("t", [{ b: 1, "x y": 2, 'é"': "x", a: null }, {
      a: true,
    }]);
    const columns = columnsOf(engine.ask("t", Kind.TABLE_SCHEMA));
    assertEquals(columns.filter((it) => it !== "a"), ["b", "x y", 'é"']);
    assertEquals(rowsOf(engine.ask("t", Kind.TABLE_SIZE)), 2);
    engine.close();
  });

  Deno.test(`a table with a column __INDEX__ can't be copied, line ${line}`, async () => {
    const engine = await BareEngine.start(line);
    engine.makeTable("t", [{ a: 1, __INDEX__: 5 }]);
    const columns = columnsOf(engine.ask("t", Kind.TABLE_SCHEMA));
    assertEquals(isCopyable(columns), false);
    assertEquals(isCopyable(["a"]), true);
    assertThrows(() =>
      engine.send(
        copyViewRequest(1, T, "copy", columns, true),
        Kind.TABLE_MAKE_VIEW,
      )
    );
    engine.close();
  });
}

for (const line of LINES) {
  Deno.test(`keys that aren't what the index says are copied, line ${line}`, async () => {
    for (
      const data of ["k,a,__INDEX__\nn,9,50\nm,8,51\n", [{ k: "n", a: 1 }]]
    ) {
      const [donor, copy] = [
        await BareEngine.start(line),
        await BareEngine.start(line),
      ];
      const content = donor.makeTable("t", data, text(1, "k"));
      const isText = typeof data === "string";
      const key = isText ? 52 : "x";
      if (!isText) donor.change("t", [{ __INDEX__: key, a: 7 }]);
      const size = rangeRows(2, true);
      restore(copy, read(donor, content, 0, size, true));
      const found = [donor, copy].map((engine) => {
        if (!isText) engine.change("t", [{ __INDEX__: key, a: 8 }]);
        engine.makeView("t", "v", { expression: ["n", "index()"] });
        return engine.columns("v");
      });
      assertEquals(found[1], found[0]);
      assertEquals(found[0]!.n, isText ? [50, 51] : ["n", "x"]);
      donor.close();
      copy.close();
    }
  });

  Deno.test(`a column without a name is copied, line ${line}`, async () => {
    const [donor, copy] = [
      await BareEngine.start(line),
      await BareEngine.start(line),
    ];
    const content = donor.makeTable("t", ",k,a\n0,x,1.5\n1,y,2.5\n");
    restore(copy, read(donor, content, 0, 1));
    for (const engine of [donor, copy]) {
      engine.change("t", [{ "": 2, k: "z" }]);
      engine.makeView("t", "v");
    }
    assertEquals(copy.columns("v"), {
      "": [0, 1, 2],
      k: ["x", "y", "z"],
      a: [1.5, 2.5, null],
    });
    assertEquals(copy.arrow("v"), donor.arrow("v"));
    donor.close();
    copy.close();
  });

  Deno.test(`makesUncopyable() says which tables line ${line} makes with a column __INDEX__`, async () => {
    const of = (field: number, value: string): Fill => text(field, value);
    const cases: Fill[] = [
      schemaOf({ a: 3, __INDEX__: 3 }),
      schemaOf({ a: 3, index: 3 }),
      of(2, "a,__INDEX__\n1,5\n"),
      of(4, '[{"a":1,"__INDEX__":5}]'),
      of(4, '[{"a":1,"\\u005f_\\u0049ND\\u0045X_\\u005F" : 5}]'),
      of(4, '[{"a":"__INDEX__"},{"a":"\\"__INDEX__\\":\\u0041"}]'),
      of(5, '{"a":[1],"__INDEX__":["x"]}'),
      of(7, '{"a":1,"__INDEX__":5}\n{"a":2,"__INDEX__":6}\n'),
      of(4, '[{"a":1,"x__INDEX__":5}]'),
    ];
    let uncopyable = 0;
    for (const fill of cases) {
      const engine = await BareEngine.start(line);
      const content = engine.makeTable("t", fill);
      const columns = columnsOf(engine.ask("t", Kind.TABLE_SCHEMA));
      assertEquals(makesUncopyable(content), !isCopyable(columns));
      if (!isCopyable(columns)) uncopyable++;
      engine.close();
    }
    assertEquals(uncopyable, 5);
  });
}

Deno.test("a join of copied tables is made by its own request", async () => {
  // ENGINE 9.11
  const [donor, copy] = [
    await BareEngine.start("5"),
    await BareEngine.start("5"),
  ];
  const join = message((it) =>
    it.tag(1, 2).string("l").tag(2, 2).string("t").tag(3, 2).string("k")
  );
  const left = [{ k: 1, a: 1 }, { k: 2, a: 2 }];
  donor.makeTable("l", left, text(1, "k"));
  const content = donor.makeTable("t", [{ k: 1, b: "x" }], text(1, "k"));
  donor.ask("j", Kind.MAKE_JOIN_TABLE, join);
  donor.change("t", [{ k: 2, b: "y" }]);
  copy.makeTable("l", left, text(1, "k"));
  restore(copy, read(donor, content, 0, 1));
  copy.ask("j", Kind.MAKE_JOIN_TABLE, join);
  for (const engine of [donor, copy]) {
    engine.makeView("j", "v");
    engine.change("l", [{ k: 2, a: 5 }]);
  }
  assertEquals(copy.columns("v"), { k: [1, 2], a: [1, 5], b: ["x", "y"] });
  assertEquals(copy.arrow("v"), donor.arrow("v"));
  donor.close();
  copy.close();
});

Deno.test("readTableMeta() throws if a schema can't be read", () => {
  // Engines make a table of the first column, and without an index.
  const schema = hex("0a050a01611003" + "0a058a81691003" + "0a050a01621003");
  const content = (schema: Uint8Array) =>
    message((it) => {
      it.tag(1, 2).fork().tag(1, 2).bytes(schema).join();
      it.tag(2, 2).fork().tag(1, 2).string("b").join();
    });
  assertThrows(() => readTableMeta(content(schema)));
  assertEquals(readTableMeta(content(schema.subarray(14))).isIndexed, true);
});

Deno.test("readTableMeta() reads the options and passes over the data", () => {
  const meta = (options?: Fill) =>
    readTableMeta(makeTable([{ a: 1 }], options));
  assertEquals(meta(), { options: hex(""), isIndexed: false });
  assertEquals(meta(text(1, "k")).isIndexed, true);
  assertEquals(meta(text(1, "k")).options, message(text(1, "k")));
  assertEquals(meta(text(1, "")).isIndexed, false, "as engines have it");
  assertEquals(meta(uint(2, 5)).isIndexed, false);
  assertEquals(meta(uint(3, 1)).options, hex("18 01"), "page_to_disk");
  // Of index and limit the last counts.
  const both = (...fills: Fill[]): Fill => (it) => fills.forEach((f) => f(it));
  assertEquals(meta(both(text(1, "k"), uint(2, 5))).isIndexed, false);
  assertEquals(meta(both(uint(2, 5), text(1, "k"))).isIndexed, true);
  // Given twice they are merged, as for `list_flatten`.
  const twice = readTableMeta(hex("12 03 0a 01 6b 12 02 20 02"));
  assertEquals(twice, { options: hex("0a 01 6b 20 02"), isIndexed: true });
  assertEquals(
    parts(makeCopyRequest(1, T, twice, hex("ff")).toBytes()).content,
    hex("0a 03 1a 01 ff 12 05 0a 01 6b 20 02"),
  );
  assertThrows(() => readTableMeta(hex("12 05 61")));
  assertThrows(() => readTableMeta(hex("12 02 0a 05")));
});

Deno.test("countSteps() counts many rows in several requests", () => {
  assertEquals([...countSteps(T, 0)], []);
  assertEquals([...countSteps(T, -1)], []);
  const rows = [...countSteps(T, 450_000)].map(({ frame }) =>
    new TextDecoder().decode(frame.toBytes()).split("{}").length - 1
  );
  assertEquals(rows, [200_000, 200_000, 50_000]);
});

Deno.test("rangeRows() is some rows, whatever the columns", () => {
  assertEquals(rangeRows(6), 21_428);
  assertEquals(rangeRows(1_000_000), 1);
  assert(rangeRows(0) > rangeRows(1));
});

Deno.test("numberedRows() counts rows that name their number", () => {
  const update = (field: number, text: string) =>
    new BinaryWriter().tag(1, 2).fork().tag(field, 2).string(text).join()
      .finish();
  const cases: [number, string, number][] = [
    [4, '[{"__INDEX__":1,"x":2},{"__INDEX__":2,"x":3}]', 2],
    [4, '[{"x":2},{"x":3}]', 0],
    [5, '{"__INDEX__":[4,5,6],"x":[1,2,3]}', 3],
    [2, "__INDEX__,x\n1,2\n2,3\n", 2],
    [7, '{"__INDEX__":1,"x":2}\n{"__INDEX__":2,"x":2}\n', 2],
    [4, '[{"__INDEX__":', 0], // the engine refuses it, and counts nothing
    [5, '{"__INDEX__":{}}', 0],
  ];
  for (const [field, text, rows] of cases) {
    assertEquals(numberedRows(update(field, text)), rows, text);
  }
});
