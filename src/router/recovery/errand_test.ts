import { assertEquals, assertRejects } from "@std/assert";
import { errorAnswer, simpleRequest } from "../../protocol/answers.ts";
import { NO_BYTES } from "../../protocol/frame.ts";
import { newHeader, readHeader } from "../../protocol/header.ts";
import { Kind } from "../../protocol/kinds.ts";
import { frame, uint } from "../../testing/frames.ts";
import type { Job } from "../replica.ts";
import type { Route } from "../route.ts";
import { Errand } from "./errand.ts";

const { TABLE_SIZE } = Kind;

function errands() {
  const routes = new Map<number, Route>();
  const sent: Job[] = [];
  const errand = new Errand({
    register: (route) => {
      routes.set(routes.size + 1, route);
      return routes.size;
    },
    unregister: (msgId) => void routes.delete(msgId),
    newJob: ({ frame, kind }, owner, table, view) => ({
      ...{ frame, kind, owner, table, view },
      ...{ stamp: 1, poll: false, key: "", predicted: 0, change: 0 },
    }),
  });
  const asked = {
    kind: TABLE_SIZE,
    table: "t",
    frame: (msgId: number) => simpleRequest(msgId, NO_BYTES, TABLE_SIZE),
    send: (job: Job) => void sent.push(job),
  };
  const answer = (msgId: number, bytes: Uint8Array) => {
    const header = newHeader();
    readHeader(bytes, header);
    routes.get(msgId)!.take!(bytes, header);
    bytes.fill(0xee); // it was lent
  };
  return { errand, routes, sent, asked, answer };
}

Deno.test("Errand.ask() resolves to the content of the answer", async () => {
  const { errand, sent, asked, answer } = errands();
  const [one, other] = [errand.ask(asked), errand.ask(asked)];
  assertEquals(sent.map((it) => [it.frame?.msgId, it.kind, it.table]), [
    [1, TABLE_SIZE, "t"],
    [2, TABLE_SIZE, "t"],
  ]);
  // All are asked in one turn.
  assertEquals(sent[0]!.owner === sent[1]!.owner, true);
  answer(2, frame(2, "t", TABLE_SIZE, uint(2, 7)));
  answer(1, frame(1, "t", TABLE_SIZE, uint(2, 8)));
  assertEquals((await other).toHex(), "1007");
  assertEquals((await one).toHex(), "1008");
});

Deno.test("Errand.ask() rejects with the error that is the answer", async () => {
  const { errand, asked, answer } = errands();
  const size = errand.ask(asked);
  answer(1, errorAnswer(1, NO_BYTES, "no such table"));
  await assertRejects(
    () => size,
    Error,
    "table_size (8) failed: no such table",
  );
});

Deno.test("Errand.callOff() leaves nobody waiting, now or later", async () => {
  const { errand, routes, sent, asked, answer } = errands();
  const [one, other] = [errand.ask(asked), errand.ask(asked)];
  answer(1, frame(1, "t", TABLE_SIZE, uint(2, 7)));
  errand.callOff(new Error("lost"));
  errand.callOff(new Error("lost again"));
  assertEquals((await one).length, 2);
  await assertRejects(() => other, Error, "lost");
  assertEquals(routes.has(2), false);
  const message = await errand.ask(asked).catch((it) => it.message);
  assertEquals([message, sent.length], ["lost", 2]);
});

Deno.test("Errand.tell() waits for nothing", () => {
  const { errand, routes, sent, asked } = errands();
  errand.tell(simpleRequest(0, NO_BYTES, TABLE_SIZE), asked);
  assertEquals([routes.size, sent.map((it) => it.frame?.msgId)], [0, [0]]);
});

Deno.test({
  name: "Errand.tell() tells nothing more once it is called off",
  fn: () => {
    const { errand, sent, asked } = errands();
    errand.callOff(new Error("lost"));
    errand.tell(simpleRequest(0, NO_BYTES, TABLE_SIZE), asked);
    assertEquals(sent, []);
  },
});
