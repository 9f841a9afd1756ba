import { assert, assertEquals, assertRejects } from "@std/assert";
import { Server } from "../server/server.ts";
import { arrowOf, Folder, parquetOf } from "../testing/files.ts";
import { BadFileError } from "./errors.ts";
import { FileTable, type TableSettings } from "./file_table.ts";
import { PIECE_SIZE } from "./source.ts";

/** A database, a folder, and the tables of files in it. */
class Stage implements AsyncDisposable {
  readonly folder = new Folder();
  readonly server = new Server();
  readonly client = this.server.newLocalClient();
  /** How often tables were exchanged. */
  swaps = 0;

  async load(name: string, settings?: TableSettings): Promise<FileTable> {
    const file = new FileTable("t", this.folder.at(name), settings);
    await file.load(this.client, () => {});
    return file;
  }

  /** A table of a new file. */
  make(name: string, content: string | Uint8Array, settings?: TableSettings) {
    this.folder.write(name, content);
    return this.load(name, settings);
  }

  refresh(file: FileTable) {
    return file.refresh((change) => {
      this.swaps++;
      return change();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.close();
    await this.folder[Symbol.asyncDispose]();
  }
}

async function rowsOf({ table }: FileTable): Promise<unknown[]> {
  const view = await table.view();
  try {
    return await view.to_json() as unknown as unknown[];
  } finally {
    await view.delete();
  }
}

const ROWS = [{ a: 1, b: "x" }, { a: 2.5, b: "y" }];

Deno.test("FileTable reads every format", async () => {
  await using stage = new Stage();
  const columns = { a: new Float64Array([1, 2.5]), b: ["x", "y"] };
  for (
    const [name, content] of [
      ["a.csv", "a,b\n1,x\n2.5,y"],
      ["mark.csv", "\ufeffa,b\r\n1,x\r\n\r\n2.5,y\r\n"],
      ["rows.json", JSON.stringify(ROWS)],
      ["columns.json", '{"a": [1, 2.5], "b": ["x", "y"]}'],
      ["a.ndjson", '{"a": 1, "b": "x"}\n\n{"b": "y", "a": 2.5}'],
      ["a.jsonl", '{"a": 1, "b": "x"}\r\n{"a": 2.5, "b": "y"}\r\n'],
      ["stream.arrow", arrowOf(columns, "stream")],
      ["file.arrow", arrowOf(columns, "file")],
      [
        "a.parquet",
        parquetOf([
          { name: "a", data: [1, 2.5], type: "DOUBLE" },
          { name: "b", data: ["x", "y"], type: "STRING" },
        ]),
      ],
    ] as const
  ) {
    const file = await stage.make(name, content);
    assertEquals(await rowsOf(file), ROWS, name);
    assertEquals(await file.table.get_name(), "t");
    await file.table.delete();
  }
});

Deno.test("FileTable has types that all rows of a CSV file fit", async () => {
  await using stage = new Stage();
  const filler = `${"1,,2024-01-01,true,x\n".repeat(300_000)}`;
  assert(filler.length > PIECE_SIZE);
  const file = await stage.make(
    "a.csv",
    `i,late,d,f,s\n${filler}3000000000,1.5,2024-01-02 10:00:00,maybe,"a,\nb"\n`,
  );
  assertEquals(await file.table.size(), 300_001);
  assertEquals(await file.table.schema(), {
    i: "integer",
    late: "float",
    d: "datetime",
    f: "string",
    s: "string",
  });
  const view = await file.table.view({
    filter: [["late", "is not null", null]],
  });
  assertEquals(await view.to_json(), [{
    i: 3_000_000_000,
    late: 1.5,
    d: Date.UTC(2024, 0, 2, 10),
    f: "maybe",
    s: "a,\nb",
  }]);
  await view.delete();
});

Deno.test("FileTable doesn't take CSV for text that is empty at first", async () => {
  await using stage = new Stage();
  const file = await stage.make("a.csv", "a,b\n1,\n2,\n3,1.5\n");
  assertEquals(await file.table.schema(), { a: "integer", b: "float" });
});

Deno.test("FileTable widens the columns of CSV that look alike and aren't", async () => {
  await using stage = new Stage();
  // Both look like text, and only the first means that there is nothing.
  const file = await stage.make(
    "a.csv",
    `a,b\nNA,1\n${"2,1\n".repeat(1_200_000)}word,1\n`,
  );
  assertEquals((await file.table.schema()).a, "string");
  assertEquals(await file.table.size(), 1_200_002);
});

Deno.test("FileTable reads what Parquet has", async () => {
  await using stage = new Stage();
  const date = new Date("2024-02-03T00:00:00Z");
  const file = await stage.make(
    "a.parquet",
    parquetOf([
      { name: "short", data: [1n, 2n], type: "INT64" },
      { name: "long", data: [1n, 2n ** 40n], type: "INT64" },
      { name: "date", data: [date, date] },
      { name: "time", data: [date, null], type: "TIMESTAMP" },
      { name: "flag", data: [true, null], type: "BOOLEAN" },
      { name: "json", data: [{ x: 1 }, null], type: "JSON" },
    ], {
      date: {
        name: "date",
        type: "INT32",
        converted_type: "DATE",
        repetition_type: "OPTIONAL",
      },
    }),
  );
  assertEquals(await file.table.schema(), {
    short: "integer",
    long: "float",
    date: "date",
    time: "datetime",
    flag: "boolean",
    json: "string",
  });
  const ms = date.getTime();
  assertEquals(await rowsOf(file), [
    { short: 1, long: 1, date: ms, time: ms, flag: true, json: '{"x":1}' },
    { short: 2, long: 2 ** 40, date: ms, time: null, flag: null, json: null },
  ]);
});

Deno.test("FileTable says what is wrong with a file, and where", async () => {
  await using stage = new Stage();
  for (
    const [name, content, reason] of [
      ["a.txt", "x", "its name must end in one of .arrow"],
      ["a.csv", "", "it is empty"],
      ["b.csv", "\n\n", "it has no header"],
      [
        "c.csv",
        "a,b\n1,2\n\n1,2,3\n",
        "row 2: it has 3 cells, the header 2, at byte 9",
      ],
      ["d.csv", 'a,b\n1,"2\n', "row 1: a quote doesn't end, at byte 6"],
      [
        "e.csv",
        new Uint8Array([0x61, 0x0a, 0x31, 0x0a, 0xff, 0x0a]),
        "text must be UTF-8, and isn't at byte 4",
      ],
      ["f.csv", "psp_op,b\n1,2\n", 'column "psp_op": the engine uses'],
      ["a.ndjson", '{"a":1}\n\n{"a":2\n', "line 3: "],
      ["b.ndjson", '{"a":1}\n[1]\n', "line 2: "],
      ["c.ndjson", '{"a":1}\n{"a":1} {"a":2}\n', "at byte 15"],
      ["d.ndjson", "\n", "it has no columns"],
      ["a.json", "[{}, 1]", "row 2"],
      ["b.json", '[{"a": 1}', "at byte 9"],
      ["c.json", '{"a": [1], "b": [1, 2]}', 'column "b"'],
      ["d.json", "3", "expected"],
      ["a.arrow", "nonsense", ""],
      ["a.parquet", "nonsense", "parquet"],
    ] as const
  ) {
    const path = stage.folder.write(name, content);
    const file = new FileTable("t", path);
    const error = await assertRejects(
      () => file.load(stage.client, () => {}),
      BadFileError,
      reason,
      name,
    );
    assert(!error.message.includes("\n"), error.message);
    assertEquals(await stage.client.get_hosted_table_names(), []);
  }
  const file = new FileTable("t", stage.folder.path);
  await assertRejects(
    () => file.load(stage.client, () => {}),
    BadFileError,
    "no file",
  );
});

Deno.test("FileTable counts rows and bytes beyond the first piece", async () => {
  await using stage = new Stage();
  const rows = PIECE_SIZE / 4;
  const text = `a,b\n${"1,2\n".repeat(rows)}1\n`;
  await assertRejects(
    () => stage.make("a.csv", text),
    BadFileError,
    `row ${rows + 1}: it has 1 cells, the header 2, at byte ${text.length - 2}`,
  );
  const lines = `${'{"a":1}\n'.repeat(rows)}{"a":x}\n`;
  await assertRejects(
    () => stage.make("a.ndjson", lines),
    BadFileError,
    `line ${rows + 1}: `,
  );
});

Deno.test("FileTable makes tables with an index, or with a limit", async () => {
  await using stage = new Stage();
  const text = "a,b\n1,x\n2,y\n1,z\n";
  const indexed = await stage.make("a.csv", text, { index: "a" });
  assertEquals(await rowsOf(indexed), [{ a: 1, b: "z" }, { a: 2, b: "y" }]);
  await indexed.table.delete();
  const limited = await stage.make("a.csv", text, { limit: 2 });
  assertEquals(await limited.table.size(), 2);
  await limited.table.delete();
  await assertRejects(
    () => stage.make("a.csv", text, { index: "c" }),
    BadFileError,
    "`c`",
  );
});

Deno.test("FileTable appends what comes to the end of CSV and NDJSON", async () => {
  await using stage = new Stage();
  const { folder } = stage;
  for (
    const [name, first, more, half, rest] of [
      ["a.csv", "a,b\n1,x\n", "2,y\n", "3,", '"z\n"\n4,w\n'],
      [
        "a.ndjson",
        '{"a":1,"b":"x"}\n',
        '{"a":2,"b":"y"}\n',
        '{"a":3,',
        '"b":"z\\n"}\n{"a":4,"b":"w"}\n',
      ],
    ] as const
  ) {
    const file = await stage.make(name, first);
    const { table } = file;
    assertEquals(await stage.refresh(file), "same");
    folder.append(name, more);
    assertEquals(await stage.refresh(file), "appended");
    folder.append(name, half);
    assertEquals(await stage.refresh(file), "appended");
    assertEquals(await table.size(), 2);
    folder.append(name, rest);
    assertEquals(await stage.refresh(file), "appended");
    assertEquals(await rowsOf(file), [
      { a: 1, b: "x" },
      { a: 2, b: "y" },
      { a: 3, b: "z\n" },
      { a: 4, b: "w" },
    ]);
    assert(file.table === table);
    await table.delete();
  }
  assertEquals(stage.swaps, 0);
});

Deno.test("FileTable goes on behind a last line that had no end", async () => {
  await using stage = new Stage();
  const file = await stage.make("a.csv", "a\n1");
  stage.folder.append("a.csv", "\n2\n");
  assertEquals(await stage.refresh(file), "appended");
  assertEquals(await rowsOf(file), [{ a: 1 }, { a: 2 }]);
  const other = await stage.make("b.csv", "a\n1").catch(() => undefined);
  assertEquals(other?.name, "t");
  stage.folder.append("b.csv", "5\n");
  assertEquals(await stage.refresh(other!), "replaced");
  assertEquals(await rowsOf(other!), [{ a: 15 }]);
});

Deno.test("FileTable replaces the rows when a file is another one", async () => {
  await using stage = new Stage();
  for (
    const [name, before, after] of [
      ["a.csv", "a,b\n9,x\n8,y\n", "a,b\n1,x\n2,y\n"],
      ["a.ndjson", '{"a":9,"b":"x"}\n', '{"a":1,"b":"x"}\n{"a":2,"b":"y"}\n'],
      ["a.json", '[{"a":9,"b":"x"}]', '[{"a":1,"b":"x"},{"a":2,"b":"y"}]'],
      [
        "a.arrow",
        arrowOf({ a: new Float64Array([9]), b: ["x"] }, "file"),
        arrowOf({ a: new Float64Array([1, 2]), b: ["x", "y"] }, "stream"),
      ],
    ] as const
  ) {
    const file = await stage.make(name, before);
    const { table } = file;
    const view = await table.view();
    stage.folder.write(name, after);
    Deno.utimeSync(file.path, 1, 1);
    assertEquals(await stage.refresh(file), "replaced");
    // Views stay.
    assertEquals(await view.to_json(), [{ a: 1, b: "x" }, { a: 2, b: "y" }]);
    assert(file.table === table);
    await view.delete();
    await table.delete();
  }
  assertEquals(stage.swaps, 0);
});

Deno.test("FileTable makes another table when the columns are others", async () => {
  await using stage = new Stage();
  const file = await stage.make("a.csv", "a\n1\n");
  stage.folder.append("a.csv", "1.5\n");
  assertEquals(await stage.refresh(file), "replaced");
  assertEquals(await rowsOf(file), [{ a: 1 }, { a: 1.5 }]);
  stage.folder.write("a.csv", "b,c\nx,y\n");
  assertEquals(await stage.refresh(file), "replaced");
  assertEquals(await rowsOf(file), [{ b: "x", c: "y" }]);
  assertEquals(await file.table.get_name(), "t");
  assertEquals(stage.swaps, 2);
});

Deno.test("FileTable keeps its rows when a file gets bad, or goes", async () => {
  await using stage = new Stage();
  const file = await stage.make("a.csv", "a,b\n1,2\n");
  stage.folder.write("a.csv", "a,b\n1,2,3\n");
  await assertRejects(() => stage.refresh(file), BadFileError, "row 1");
  await Deno.remove(file.path);
  await assertRejects(() => stage.refresh(file), BadFileError, "no such file");
  assertEquals(await rowsOf(file), [{ a: 1, b: 2 }]);
  stage.folder.write("a.csv", "a,b\n3,4\n");
  assertEquals(await stage.refresh(file), "replaced");
  assertEquals(await rowsOf(file), [{ a: 3, b: 4 }]);
});
