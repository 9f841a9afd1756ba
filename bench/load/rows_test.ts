import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { TABLE_ROWS } from "./data.mjs";
import { quantile } from "./meter.mjs";
import { rows as allRows } from "./rows.mjs";
import type { Row, Script } from "./types.ts";
import {
  bytesField,
  complaint,
  Kind,
  msgIdOf,
  quickComplaint,
  readAnswer,
  request,
  stringField,
  tableSize,
} from "./wire.mjs";

/** An answer as the engine writes it: a request with other fields in it. */
const answer = request;

/** Those in which each connection goes on by itself. */
const rows = allRows.filter((row): row is Row => "scripts" in row);

/** The scripts of each row; some take long to make. */
const scripts = new Map(
  rows.map((row) => [row.name, row.scripts("test")] as const),
);

/** Those of one row. */
function scriptsOf(name: string): Script[] {
  return scripts.get(name)!;
}

Deno.test("rows have names of their own", () => {
  const names = allRows.map(({ name }) => name);
  assertEquals(new Set(names).size, names.length);
});

Deno.test("every row has a script for each of its connections", () => {
  for (const row of rows) {
    const scripts = scriptsOf(row.name);
    assertEquals(scripts.length, row.connections);
    assertEquals(scripts.some(({ counted }) => counted), true);
    const others = scripts.filter(({ counted, loop }) =>
      !counted && loop.length > 0
    );
    assertEquals(others.length > 0, row.beside !== null);
    const subscribes = scripts.some(({ open }) =>
      open.some(({ subscribes }) => subscribes)
    );
    assertEquals(subscribes, row.pushes);
  }
});

Deno.test("every script repeats whole cycles", () => {
  for (const row of rows) {
    for (const script of scriptsOf(row.name)) {
      const { loop, first, cycle = 1, inFlight = 1 } = script;
      if (loop.length === 0) continue;
      assertEquals(loop[first] !== undefined, true);
      assertEquals([loop.length % cycle, first % cycle], [0, 0]);
      // Its answers are told apart by their msg_id.
      assertEquals(loop.length > inFlight, true);
      assertEquals(cycle === 1 || inFlight === 1, true);
    }
  }
});

Deno.test("every request can be told from its neighbours by its msg_id", () => {
  for (const row of rows) {
    for (const { open, loop, close } of scriptsOf(row.name)) {
      const ids = [...open, ...loop, ...close].map(({ msgId }) => msgId);
      assertEquals(new Set(ids).size, ids.length);
    }
  }
});

Deno.test("the window row reads every window once before it repeats", () => {
  const [script] = scriptsOf("window");
  const bodies = script!.loop.map(({ frame }) =>
    readAnswer(frame).body.toString()
  );
  assertEquals(new Set(bodies).size, TABLE_ROWS - 49);
});

Deno.test("the window row has a view for each connection, all of one config", () => {
  const made = scriptsOf("window")
    .map(({ open }) => readAnswer(open[0]!.frame).body);
  const views = made.map((body) => stringField(body, 1));
  assertEquals(new Set(views).size, 8);
  const configs = made.map((body) => bytesField(body, 2).toString());
  assertEquals(new Set(configs).size, 1);
});

Deno.test("everybody in the window row reads the same windows", () => {
  const firsts = scriptsOf("window").map(({ first }) => first);
  assertEquals(firsts, new Array(8).fill(0));
});

/** The frames with which the views of a script are made. */
function configs({ loop }: Script): string[] {
  return loop.filter(({ kind }) => kind === Kind.makeView)
    .map(({ frame }) => {
      const { body } = readAnswer(frame);
      return bytesField(body, 2).toString();
    });
}

Deno.test("no two views of the heavy row are the same", () => {
  for (const name of ["heavy", "size_beside_heavy", "million_scroll"]) {
    const all = scriptsOf(name).flatMap(configs);
    assertEquals(all.length > 1000 / 2, true);
    assertEquals(new Set(all).size, all.length);
  }
});

Deno.test("all views of the heavy_same row are the same", () => {
  const all = scriptsOf("heavy_same").flatMap(configs);
  assertEquals(new Set(all).size, 1);
});

Deno.test("an update changes what earlier ones have written", () => {
  const [script] = scriptsOf("updates");
  const updates = script!.loop.map(({ frame }) => {
    const { body } = readAnswer(frame);
    return JSON.parse(stringField(bytesField(body, 1), 5));
  });
  const last = new Map<number, number>();
  // The second time round finds what the first one has left.
  for (const { id, quantity } of [...updates, ...updates]) {
    assertEquals(new Set(id).size, 50);
    for (const [index, key] of id.entries()) {
      assertEquals(key < 1_000_000, true);
      assertNotEquals(last.get(key), quantity[index]);
      last.set(key, quantity[index]);
    }
  }
});

Deno.test("msgIdOf() reads the id of an answer", () => {
  assertEquals(msgIdOf(answer(300, "t", 8).frame), 300);
  assertEquals(msgIdOf(new Uint8Array([16, 1])), 0);
});

Deno.test("quickComplaint() leaves the message alone", () => {
  const asked = tableSize(5, "t", () => "too small");
  assertEquals(quickComplaint(asked, answer(5, "t", 8).frame), undefined);
  assertMatch(quickComplaint(asked, answer(6, "t", 8).frame)!, /answer to 6/);
});

Deno.test("tableSize() is the frame that a client sends", () => {
  const { frame } = tableSize(5, "t", () => undefined);
  assertEquals(frame, new Uint8Array([8, 5, 18, 1, 116, 66, 0]));
});

Deno.test("complaint() accepts the right answer", () => {
  const asked = tableSize(5, "t", () => undefined);
  assertEquals(complaint(asked, answer(5, "t", 8).frame), undefined);
});

Deno.test("complaint() objects to another answer", () => {
  const asked = tableSize(5, "t", () => "too small");
  assertEquals(complaint(asked, answer(5, "t", 8).frame), "too small");
  assertMatch(complaint(asked, answer(6, "t", 8).frame)!, /answer to 6/);
  assertMatch(complaint(asked, answer(5, "t", 7).frame)!, /of kind 7/);
});

Deno.test("complaint() reads the server's error", () => {
  const asked = tableSize(5, "t", () => undefined);
  const { frame } = answer(5, "t", 50, (writer) => {
    writer.tag(1, 2).string("no");
  });
  assertEquals(complaint(asked, frame), "server error: no");
});

Deno.test("complaint() lets a server not know what is optional", () => {
  const asked = tableSize(5, "t");
  const errorOf = (text: string) =>
    answer(5, "t", 50, (writer) => {
      writer.tag(1, 2).string(text);
    }).frame;
  const unknown = errorOf("Unhandled request type 2");
  assertMatch(complaint(asked, unknown)!, /Unhandled/);
  assertEquals(complaint({ ...asked, optional: true }, unknown), undefined);
  assertMatch(complaint({ ...asked, optional: true }, errorOf("no"))!, /no/);
});

Deno.test("quantile() takes a value that was measured", () => {
  const sorted = Float64Array.from({ length: 100 }, (_, index) => index + 1);
  assertEquals(quantile(sorted, 0.5), 50);
  assertEquals(quantile(sorted, 0.99), 99);
  assertEquals(quantile(sorted, 1), 100);
  assertEquals(quantile(Float64Array.of(7), 0.5), 7);
});
