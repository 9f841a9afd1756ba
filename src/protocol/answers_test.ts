import { assertEquals, assertThrows } from "@std/assert";
import {
  errorOf,
  frame,
  hex,
  message,
  parts,
  text,
} from "../testing/frames.ts";
import {
  emptyAnswer,
  errorAnswer,
  errorMessage,
  madeView,
  minMax,
  notification,
  simpleRequest,
  Status,
  viewNotFound,
} from "./answers.ts";
import { NO_BYTES, utf8 } from "./frame.ts";

Deno.test("errorAnswer() writes a ServerError", () => {
  const answer = errorAnswer(5, utf8("t"), "no");
  assertEquals(answer, hex("08 05 12 01 74 92 03 04 0a 02 6e 6f"));
  assertEquals(errorOf(answer), { message: "no", status: 0 });
  assertEquals(
    errorOf(errorAnswer(5, NO_BYTES, "é".repeat(500), Status.TRANSPORT_ERROR)),
    { message: "é".repeat(500), status: 2 },
  );
});

Deno.test("viewNotFound() says what the engine says", () => {
  const answer = viewNotFound(7, utf8("v"));
  assertEquals(errorOf(answer), { message: "View not found", status: 1 });
  assertEquals([parts(answer).msgId, parts(answer).entity], [7, "v"]);
});

Deno.test("emptyAnswer() has a kind and no content", () => {
  assertEquals(emptyAnswer(1, NO_BYTES, 22), hex("08 01 b2 01 00"));
  assertEquals(emptyAnswer(9, utf8("v"), 22), frame(9, "v", 22));
});

Deno.test("madeView() answers with the client's name for the view", () => {
  assertEquals(
    madeView(9, utf8("t"), "my view"),
    frame(9, "t", 6, text(1, "my view")),
  );
});

Deno.test("minMax() takes both fields as bytes", () => {
  assertEquals(
    minMax(9, utf8("v"), utf8("1"), utf8("22")),
    frame(9, "v", 20, (it) => it.tag(1, 2).string("1").tag(2, 2).string("22")),
  );
});

Deno.test("simpleRequest() has no content, or a number", () => {
  assertEquals(simpleRequest(3, utf8("v"), 11).toBytes(), frame(3, "v", 11));
  assertEquals(
    simpleRequest(3, utf8("v"), 22, 300).toBytes(),
    hex("08 03 12 01 76 b2 01 03 08 ac 02"),
  );
  assertEquals(
    simpleRequest(3, NO_BYTES, 22, 0).toBytes(),
    hex("08 03 b2 01 02 08 00"),
  );
});

Deno.test("errorMessage() reads the message, wherever it stands", () => {
  assertEquals(errorMessage(hex("")), "");
  assertEquals(errorMessage(hex("10 01 0a 02 6e 6f")), "no");
  assertEquals(errorMessage(message(text(1, "表"))), "表");
  assertThrows(() => errorMessage(hex("0a 05 6e")));
});

Deno.test("notification() is a push without the rows that changed", () => {
  const push = (content: string) => notification(hex(content));
  const port = frame(0, "", 21, hex("10 03"));
  assertEquals(push("0a 02 ff ff 10 03"), port);
  assertEquals(push("0a 00 10 03"), port, "no rows, but asked for");
  assertEquals(push("10 03"), port);
  assertEquals(push("10 03 0a 02 ff ff"), port, "wherever they stand");
  assertEquals(push("0a 01 ff 0a 01 ff"), frame(0, "", 21), "port 0");
  assertEquals(push(""), frame(0, "", 21));
  assertEquals(push("0a 01 ff 10 ac 02"), frame(0, "", 21, hex("10 ac 02")));
});

Deno.test("notification() keeps what it doesn't know as it is", () => {
  const rest = hex("10 80 00 1a 02 61 62 21 00 00 00 00 00 00 f0 3f 38 07");
  const rows = message((it) => it.tag(1, 2).bytes(new Uint8Array(300)));
  assertEquals(
    notification(new Uint8Array([...rows, ...rest])),
    frame(0, "", 21, rest),
  );
  for (const content of ["0a", "0a 05 61", "ff"]) {
    assertThrows(() => notification(hex(content)));
  }
});
