import { assertEquals, assertThrows } from "@std/assert";
import {
  frame,
  hex,
  makeView,
  message,
  text,
  uint,
} from "../testing/frames.ts";
import { forAll } from "../testing/random.ts";
import { utf8 } from "./frame.ts";
import { type Header, newHeader, readHeader } from "./header.ts";
import { Kind } from "./kinds.ts";
import {
  fromViewOf,
  isImmediate,
  makeViewRequest,
  portWithoutDelta,
  readMakeView,
  subscribes,
  subscriptionId,
  wantsRows,
  withFromView,
} from "./requests.ts";

function headerOf(bytes: Uint8Array): Header {
  const header = newHeader();
  assertEquals(readHeader(bytes, header), undefined);
  return header;
}

Deno.test("readMakeView() reads what makeViewRequest() writes", async () => {
  await forAll(500, (random) => {
    const viewId = random.pick(["", "v", "my view", "表", "x".repeat(200)]);
    const config = random.bytes(random.below(300));
    const { viewId: name, config: read } = readMakeView(
      message(makeView(viewId, config)),
    );
    assertEquals([name, read.slice()], [viewId, config]);
    assertEquals(
      makeViewRequest(7, utf8("t"), viewId, config).toBytes(),
      frame(7, "t", Kind.TABLE_MAKE_VIEW, makeView(viewId, config)),
    );
  });
});

Deno.test("readMakeView() takes what is left out for empty", () => {
  const { viewId, config } = readMakeView(hex(""));
  assertEquals([viewId, config.length], ["", 0]);
  assertEquals(readMakeView(hex("1a 00 0a 01 76")).viewId, "v");
});

Deno.test("readMakeView() throws of content that is cut short", () => {
  for (const content of ["0a", "0a 05 76", "12 01", "ff"]) {
    assertThrows(() => readMakeView(hex(content)));
  }
});

Deno.test("subscribes() and isImmediate() read a flag", () => {
  for (const read of [subscribes, isImmediate]) {
    assertEquals(read(hex("")), false);
    assertEquals(read(hex("08 00")), false);
    assertEquals(read(hex("08 01")), true);
    assertEquals(read(hex("08 01 08 00")), false, "the last counts");
    // Any of 64 bits: the engine takes these for true.
    assertEquals(read(hex("08 80 80 80 80 10")), true);
    assertEquals(read(hex("10 01")), false, "another field");
    assertEquals(read(hex("0a 01 01")), false, "another type");
    assertThrows(() => read(hex("08")));
  }
});

Deno.test("subscriptionId() reads the msg_id of a subscription", () => {
  assertEquals(subscriptionId(hex("")), 0);
  for (const id of [0, 1, 300, 0xffff_ffff]) {
    assertEquals(subscriptionId(message(uint(1, id))), id);
  }
});

Deno.test("wantsRows() is told by a mode, of which there is one", () => {
  assertEquals(wantsRows(hex("")), false);
  assertEquals(wantsRows(hex("08 00")), true, "the mode of rows is 0");
  assertEquals(wantsRows(hex("08 01")), true);
  assertEquals(wantsRows(hex("10 00 08 00 1a 01 61")), true);
  assertEquals(wantsRows(hex("10 00")), false, "another field");
  assertEquals(wantsRows(hex("0a 01 00")), false, "another type");
  assertEquals(wantsRows(hex("0a 02 08 00")), false, "inside another");
  for (const content of ["08", "0a", "ff", "0a 05 61"]) {
    assertThrows(() => wantsRows(hex(content)));
  }
});

Deno.test("portWithoutDelta() tells notifications from deltas", () => {
  const port = (content: string) => {
    const bytes = frame(5, "v", Kind.VIEW_ON_UPDATE, hex(content));
    return portWithoutDelta(bytes, headerOf(bytes));
  };
  assertEquals(port(""), 0);
  assertEquals(port("10 00"), 0);
  assertEquals(port("10 ac 02"), 300);
  assertEquals(port("0a 01 ff 10 03"), undefined);
  assertEquals(port("0a 00 10 03"), undefined, "an empty delta is one");
  // A notification about hosted tables has no content at all.
  assertEquals(portWithoutDelta(hex("08 05"), newHeader()), 0);
});

const data = (viewId: string) => message(text(6, viewId));

Deno.test("fromViewOf() finds the view that data come from", () => {
  const of = (content: Uint8Array) => {
    const bytes = frame(5, "t", Kind.MAKE_TABLE, content);
    return fromViewOf(bytes, headerOf(bytes));
  };
  const inData = (inner: Uint8Array) =>
    message((it) => it.tag(1, 2).bytes(inner));
  assertEquals(of(hex("")), undefined);
  assertEquals(of(inData(message(text(2, "x\n1")))), undefined);
  assertEquals(of(inData(data("v"))), "v");
  assertEquals(of(inData(data(""))), "");
  const options = message((it) =>
    it.tag(2, 2).bytes(data("an option")).tag(1, 2).bytes(data("v"))
  );
  assertEquals(of(options), "v");
  // Fields that the engine passes over hide nothing, and show nothing.
  const hidden = inData(data("v"));
  assertEquals(
    of(message((it) => it.tag(1, 0).uint32(hidden.length).raw(hidden))),
    "v",
  );
  assertEquals(
    of(inData(message((it) => it.tag(6, 0).uint32(3).raw(data("v"))))),
    "v",
  );
  assertThrows(() => of(hex("0a 05 32 01")));
  assertThrows(() => of(hex("1b 24")), Error, "end group");
});

Deno.test("withFromView() replaces the data and nothing else", async () => {
  await forAll(500, (random) => {
    const kind = random.pick(
      [Kind.MAKE_TABLE, Kind.TABLE_UPDATE, Kind.TABLE_REPLACE],
    );
    const rest = message((it) => {
      if (random.chance(0.5)) {
        it.tag(2, 2).bytes(random.bytes(random.below(90)));
      }
      if (random.chance(0.5)) it.tag(3, 0).uint32(random.id());
      if (random.chance(0.3)) it.tag(4, 1).double(random.uint32());
      if (random.chance(0.3)) it.tag(5, 5).fixed32(random.uint32());
    });
    const change = (viewId: string) =>
      message((it) => it.tag(1, 2).bytes(data(viewId)).raw(rest));
    const bytes = frame(random.id(), "t", kind, change("v"));
    const header = headerOf(bytes);
    assertEquals(
      withFromView(7, utf8("t"), bytes, header, "engine's own").toBytes(),
      frame(7, "t", kind, change("engine's own")),
    );
  });
});
