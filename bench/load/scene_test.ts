import { assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { rows } from "./rows.mjs";
import type { Part, Request, Scene, SceneRow } from "./types.ts";
import {
  bytesField,
  Kind,
  readAnswer,
  stringField,
  uint32Field,
} from "./wire.mjs";

/** Those in which viewers and a writer take turns. */
const scenes = rows.filter((row): row is SceneRow => "scene" in row);

/** That of one row. */
function sceneOf(name: string, run = "bench_12345"): Scene {
  return scenes.find((row) => row.name === name)!.scene(run);
}

/** The frames with which a viewer makes its view. */
function making({ open }: Part): Request {
  return open.flat().find(({ kind }) => kind === Kind.makeView)!;
}

function configOf(part: Part): Uint8Array {
  return bytesField(readAnswer(making(part).frame).body, 2);
}

function kindsOf(steps: readonly (readonly Request[])[]): number[] {
  return steps.flat().map(({ kind }) => kind).sort((a, b) => a - b);
}

/** The columns of an update. */
function columnsOf({ frame }: Request): Record<string, number[]> {
  return JSON.parse(stringField(bytesField(readAnswer(frame).body, 1), 5));
}

Deno.test("a scene has a connection for each viewer and the writer", () => {
  for (const row of scenes) {
    assertEquals(row.scene("test").viewers.length + 1, row.connections);
    assertEquals([row.byDefault, row.bare, row.pushes], [false, false, true]);
  }
});

Deno.test("all viewers of a scene have the same config and a view of their own", () => {
  for (const name of ["dashboard_20", "viewer_100", "tabs_16"]) {
    const { viewers } = sceneOf(name);
    const configs = viewers.map((part) => configOf(part).toString());
    assertEquals(new Set(configs).size, 1);
    const views = viewers
      .map((part) => stringField(readAnswer(making(part).frame).body, 1));
    assertEquals(new Set(views).size, viewers.length);
    assertEquals(views.every(({ length }) => length === 21), true);
  }
});

Deno.test("a viewer sends what a <perspective-viewer> does", () => {
  for (const name of ["viewer_1", "tabs_1"]) {
    const [viewer] = sceneOf(name).viewers;
    assertEquals(
      kindsOf(viewer!.open),
      [3, 4, 5, 6, 7, 7, 7, 9, 10, 12, 12, 12, 13, 14, 15, 15, 15, 21, 24],
    );
    for (const repaint of viewer!.repaints) {
      assertEquals(kindsOf(repaint), [12, 12, 12, 15, 24]);
    }
  }
});

Deno.test("a viewer's frames are as long as in a browser", () => {
  const [viewer] = sceneOf("tabs_1").viewers;
  const lengths = viewer!.open.flat().map(({ frame }) => frame.length);
  const [hosted, features, schema, , port, validate, make] = lengths;
  assertEquals([hosted, features, schema], [8, 8, 25]);
  assertEquals([port, validate, make], [25, 25, 200]);
  const repaint = viewer!.repaints[0]!.flat().map(({ frame }) => frame.length);
  assertEquals(repaint, [31, 31, 31, 31, 44]);
});

Deno.test("a subscription has rows where that is wanted, and is followed by a read", () => {
  for (const [name, bytes] of [["dashboard_1", 2], ["viewer_1", 0]] as const) {
    const [viewer] = sceneOf(name).viewers;
    const at = viewer!.open.findIndex((step) =>
      step.some(({ subscribes }) => subscribes)
    );
    const step = viewer!.open[at]!;
    assertEquals(readAnswer(step[0]!.frame).body.length, bytes);
    assertEquals(step.at(-1)!.subscribes, undefined);
  }
});

Deno.test("no msg_id comes twice in a round and the next", () => {
  for (const name of ["dashboard_1", "viewer_1", "tabs_1"]) {
    const [viewer] = sceneOf(name).viewers;
    const { open, repaints, close } = viewer!;
    const ids = [...open, ...repaints.flat(), close].flat()
      .map(({ msgId }) => msgId);
    assertEquals(new Set(ids).size, ids.length);
  }
});

Deno.test("every update changes what earlier ones and other runs have written", () => {
  for (const [name, id] of [["dashboard_1", "Row ID"], ["tabs_1", "id"]]) {
    const updates = sceneOf(name!).updates.map(columnsOf);
    const last = new Map<number, string>();
    for (const { [id!]: ids, ...values } of [...updates, ...updates]) {
      assertEquals(new Set(ids).size, 50);
      for (const [index, key] of ids!.entries()) {
        const row = Object.values(values).map((list) => list[index]).join();
        assertNotEquals(last.get(key), row);
        last.set(key, row);
      }
    }
  }
  const [one, other] = ["bench_1", "bench_2"]
    .map((run) => columnsOf(sceneOf("viewer_1", run).updates[0]!));
  assertEquals(one!["Row ID"], other!["Row ID"]);
  assertNotEquals(one!.Sales, other!.Sales);
});

Deno.test("updates go to rows that are there", () => {
  for (const update of sceneOf("dashboard_1").updates) {
    const ids = columnsOf(update)["Row ID"]!;
    assertEquals(ids.every((id) => id >= 1 && id <= 9_994), true);
  }
  for (const [nth, update] of sceneOf("tabs_1").updates.entries()) {
    const ids = columnsOf(update).id!;
    assertEquals(ids.every((id) => id >= 0 && id < 1_000_000), true);
    assertEquals(ids[0], nth % 50); // one that the viewers see
  }
});

Deno.test("a window must have 50 rows of all columns", () => {
  const [viewer] = sceneOf("dashboard_1").viewers;
  const { check } = viewer!.repaints[0]!.flat().at(-1)!;
  const said = (columns: Record<string, unknown[]>) =>
    check!(json(JSON.stringify(columns)));
  const list = (length: number) => new Array(length).fill(0);
  const good = { Sales: list(50), Quantity: list(50), Profit: list(50) };
  assertEquals(said(good), undefined);
  assertEquals(said({ ...good, Sales: list(49) }), "a column of 49 rows");
  const { Profit: _, ...less } = good;
  assertEquals(said(less), 'there is no column "Profit"');
  assertThrows(() => check!(json("no")));
});

Deno.test("dimensions must be those of the whole table", () => {
  const [viewer] = sceneOf("viewer_1").viewers;
  const { check } = viewer!.repaints[0]!.flat()[0]!;
  const rowsOf = (table: number, view: number) =>
    check!(new Uint8Array([8, ...varint(table), 24, ...varint(view)]));
  assertEquals(rowsOf(9_994, 54), undefined);
  assertEquals(rowsOf(9_995, 54), "54 rows of a table of 9995");
  assertEquals(uint32Field(new Uint8Array([8, ...varint(300)]), 1), 300);
});

/** A message with a text as its first field. */
function json(text: string): Uint8Array {
  const bytes = new TextEncoder().encode(text);
  return new Uint8Array([10, ...varint(bytes.length), ...bytes]);
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [value & 127 | 128, ...varint(value >> 7)];
}
