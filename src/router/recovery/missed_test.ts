import { assertEquals } from "@std/assert";
import { Kind } from "../../protocol/kinds.ts";
import type { Job } from "../replica.ts";
import { Missed } from "./missed.ts";

const { MAKE_TABLE, TABLE_MAKE_PORT, TABLE_REMOVE, TABLE_REPLACE } = Kind;
const { TABLE_UPDATE } = Kind;

const change = (
  table: string | undefined,
  port?: number,
  kind: number = TABLE_UPDATE,
  number = 1,
): Job => ({
  ...{ table, port, kind, owner: {}, stamp: 1, frame: undefined },
  ...{ poll: false, key: "", predicted: 0, change: number },
});

Deno.test("Missed.portsFor() tells each port of a view's tables once", () => {
  const missed = new Missed();
  missed.add([change("t", 3), change("t"), change("t", 3), change("u", 4)]);
  missed.add([change("t", 5)]);
  assertEquals(missed.portsFor(["t"], 1), [3, 0, 5]);
  assertEquals(missed.portsFor(["u"], 1), [4]);
  // A join pushes port 0, whatever its sources are changed through.
  assertEquals(missed.portsFor(["j", "t", "u"], 1), [0]);
  assertEquals(missed.portsFor(["v"], 1), []);
  missed.told(["t", "v"]);
  assertEquals(missed.portsFor(["t"], 1), []);
  assertEquals(missed.portsFor(["j", "t", "u"], 1), [0]);
});

Deno.test("Missed.add() takes what views push, and nothing else", () => {
  const missed = new Missed();
  missed.add([
    change("made", 0, MAKE_TABLE),
    change("ported", 0, TABLE_MAKE_PORT),
    change(undefined), // a poll
    change("filled", 0, TABLE_UPDATE, 0),
    change("removed", 0, TABLE_REMOVE),
    change("replaced", 0, TABLE_REPLACE),
  ]);
  const tables = ["made", "ported", "filled", "removed", "replaced"];
  assertEquals(
    tables.map((it) => missed.portsFor([it], 1).length),
    [0, 0, 0, 1, 1],
  );
});

Deno.test("Missed.portsFor() leaves out who was told, unless there was more", () => {
  const missed = new Missed();
  missed.add([change("t", 1), change("t", 2)], new Set([7, 8]));
  assertEquals([7, 8, 9].map((it) => missed.portsFor(["t"], it)), [
    [],
    [],
    [1, 2],
  ]);
  missed.add([change("t", 1)], new Set([8, 9]));
  assertEquals([7, 8, 9].map((it) => missed.portsFor(["t"], it)), [
    [1],
    [],
    [1, 2],
  ]);
  missed.add([change("t", 2)]);
  assertEquals(missed.portsFor(["t"], 8), [2]);
});
