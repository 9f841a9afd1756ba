import { assertEquals, assertMatch } from "@std/assert";
import { TABLE_ROWS } from "./data.mjs";
import { quantile } from "./meter.mjs";
import { rowNamed, rows } from "./rows.mjs";
import { complaint, readAnswer, request, tableSize } from "./wire.mjs";

/** An answer as the engine writes it: a request with other fields in it. */
const answer = request;

Deno.test("every row has a script for each of its connections", () => {
  for (const row of rows) {
    const scripts = row.scripts("test");
    assertEquals(scripts.length, row.connections);
    for (const { loop, first } of scripts) {
      assertEquals(loop[first] !== undefined, true);
    }
  }
});

Deno.test("every request can be told from its neighbours by its msg_id", () => {
  for (const row of rows) {
    for (const { open, loop, close } of row.scripts("test")) {
      const ids = [...open, ...loop, ...close].map(({ msgId }) => msgId);
      assertEquals(new Set(ids).size, ids.length);
    }
  }
});

Deno.test("the window row reads every window once before it repeats", () => {
  const [script] = rowNamed("window").scripts("test");
  const bodies = script!.loop.map(({ frame }) =>
    readAnswer(frame).body.toString()
  );
  assertEquals(new Set(bodies).size, TABLE_ROWS - 49);
});

Deno.test("the window row has a view for each connection", () => {
  const views = rowNamed("window").scripts("test")
    .map(({ open }) => readAnswer(open[0]!.frame).body.toString());
  assertEquals(new Set(views).size, 8);
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

Deno.test("quantile() takes a value that was measured", () => {
  const sorted = Float64Array.from({ length: 100 }, (_, index) => index + 1);
  assertEquals(quantile(sorted, 0.5), 50);
  assertEquals(quantile(sorted, 0.99), 99);
  assertEquals(quantile(sorted, 1), 100);
  assertEquals(quantile(Float64Array.of(7), 0.5), 7);
});
