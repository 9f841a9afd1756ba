import { assertEquals } from "@std/assert";
import { Server } from "../server/server.ts";
import type { TableSettings } from "./file_table.ts";
import { StreamTable } from "./stream_table.ts";

/** What becomes of a stream with these chunks. */
async function streamed(
  chunks: readonly string[],
  settings: TableSettings = {},
) {
  await using server = new Server();
  const client = server.newLocalClient();
  const said: string[] = [];
  const stream = new StreamTable("s", client, settings, (it) => said.push(it));
  await stream.read(
    ReadableStream.from(chunks).pipeThrough(new TextEncoderStream()),
  );
  if (!(await client.get_hosted_table_names()).includes("s")) {
    return { said, rows: undefined };
  }
  const table = await client.open_table("s");
  const view = await table.view();
  const rows = await view.to_json() as unknown;
  await view.delete();
  return { said, rows, schema: await table.schema() as unknown };
}

Deno.test("StreamTable appends NDJSON lines, wherever chunks part them", async () => {
  const { said, rows, schema } = await streamed([
    ' {"a":1,"b":"x',
    '"}\n{"a":1.5,"b"',
    ':"ü"}\n\n{"a":null}\n{"a":3,',
    '"b":"end"}',
  ]);
  assertEquals(said, []);
  assertEquals(rows, [
    { a: 1, b: "x" },
    { a: 1.5, b: "ü" },
    { a: null, b: null },
    { a: 3, b: "end" },
  ]);
  assertEquals(schema, { a: "float", b: "string" });
});

Deno.test("StreamTable appends CSV lines", async () => {
  const { said, rows } = await streamed([
    'a,"b ""c""",d\n1,"x,\ny",2024-01-02\n',
    "1.5,,",
    "\n2,true,2024-01-03",
  ]);
  assertEquals(said, []);
  assertEquals(rows, [
    { a: 1, 'b "c"': "x,\ny", d: Date.UTC(2024, 0, 2) },
    { a: 1.5, 'b "c"': null, d: null },
    { a: 2, 'b "c"': "true", d: Date.UTC(2024, 0, 3) },
  ]);
});

Deno.test("StreamTable replaces rows by an index, or keeps the last", async () => {
  const text = "a,b\n1,x\n2,y\n1,z\n";
  assertEquals((await streamed([text], { index: "a" })).rows, [
    { a: 1, b: "z" },
    { a: 2, b: "y" },
  ]);
  const { rows } = await streamed([text, "3,w\n"], { limit: 1 });
  assertEquals(rows, [{ a: 3, b: "w" }]);
});

Deno.test("StreamTable leaves out what is wrong, says so, and goes on", async () => {
  const csv = await streamed(["a,b\n1,x\n1,2,3\n2,y\n", "z,q\n"]);
  assertEquals(csv.rows, [
    { a: 1, b: "x" },
    { a: 2, b: "y" },
    { a: null, b: "q" },
  ]);
  assertEquals(csv.said, [
    "s: row 2 is left out: it has 3 cells, the header 2",
    's: column "a" is of type float; what isn\'t, is left empty',
  ]);
  const ndjson = await streamed([
    '{"a":1}\n[1]\n{"a":2}\n',
    '{"a":3,"new":1}\n{"a":4,"new":1}\n',
  ]);
  assertEquals(ndjson.rows, [{ a: 1 }, { a: 2 }, { a: 3 }, { a: 4 }]);
  assertEquals(ndjson.said, [
    "s: row 2 is left out: it isn't an object",
    's: column "new" isn\'t in the first rows, and is left out',
  ]);
});

Deno.test("StreamTable makes no table of nothing", async () => {
  assertEquals(await streamed([]), { said: [], rows: undefined });
  assertEquals(await streamed(["a,b\n"]), { said: [], rows: undefined });
});
