import { assertEquals } from "@std/assert";
import { formatOf, tableNames } from "./names.ts";

function names(...paths: string[]) {
  const said: string[] = [];
  return { names: tableNames(paths, (line) => said.push(line)), said };
}

Deno.test("tableNames() calls tables as their files, without the extension", () => {
  assertEquals(names("sales.csv", "b/trades.2024.arrow", "-", ".csv"), {
    names: ["sales", "trades.2024", "stdin", ".csv"],
    said: [],
  });
});

Deno.test("tableNames() keeps the extension, or counts, where names clash", () => {
  const { names: given, said } = names("a.csv", "a.json", "b/a.csv", "c.csv");
  assertEquals(given, ["a.csv", "a.json", "a.csv (2)", "c"]);
  assertEquals(said, [
    'a.csv: its table is called "a.csv", others are "a"',
    'a.json: its table is called "a.json", others are "a"',
    'b/a.csv: its table is called "a.csv (2)", others are "a"',
  ]);
  // A name that one gets by a clash may be another's own.
  assertEquals(
    names("a.csv.json", "a.csv", "a.ndjson").names,
    ["a.csv", "a.csv (2)", "a.ndjson"],
  );
});

Deno.test("formatOf() goes by the end of the name", () => {
  assertEquals(formatOf("x.CSV"), "csv");
  assertEquals(formatOf("x.feather"), "arrow");
  assertEquals(formatOf("x.jsonl"), "ndjson");
  assertEquals(formatOf("x.parquet"), "parquet");
  assertEquals(formatOf("x.constructor"), undefined);
  assertEquals(formatOf("csv"), undefined);
});
