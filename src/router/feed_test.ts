import { assertEquals } from "@std/assert";
import { type Header, newHeader, readHeader } from "../protocol/header.ts";
import { Kind } from "../protocol/kinds.ts";
import {
  errorOf,
  type Fill,
  frame,
  hex,
  parts,
  serverError,
} from "../testing/frames.ts";
import { Feed } from "./feed.ts";

const { VIEW_ON_UPDATE, VIEW_ON_REMOVE } = Kind;

/** A push as the engine writes it, with rows and without. */
const ROWS = hex("0a 02 ff fe 10 03");
const PORT = hex("10 03");

/** A host that keeps what clients would get. */
class Host {
  /** By the subscription: what it got, taken apart. */
  readonly got: [msgId: number, kind: number, content: string][] = [];
  readonly frames: Uint8Array[] = [];
  /** To how many clients each push went. */
  readonly counted: number[] = [];
  onDeliver: (msgId: number) => void = () => {};

  deliver(msgId: number, bytes: Uint8Array, header: Header): void {
    const { kind, contentStart, bodyEnd } = header;
    const content = bytes.subarray(contentStart, bodyEnd).toHex();
    this.got.push([msgId, kind, content]);
    this.frames.push(bytes.slice());
    this.onDeliver(msgId);
  }

  countPushes(clients: number): void {
    this.counted.push(clients);
  }

  /** What it got since the last call. */
  take(): Host["got"] {
    this.frames.length = 0;
    return this.got.splice(0);
  }
}

function feedOf(withRows: boolean) {
  const host = new Host();
  return { host, feed: new Feed(host, withRows) };
}

/** What a client has, as it subscribes and its place has come. */
const plain = () => ({ withRows: false, isActive: true });
const rows = () => ({ withRows: true, isActive: true });

const HEADER = newHeader();

/** Pushes something to `feed`, with a header that others read into again. */
function push(
  feed: Feed,
  content: Uint8Array | Fill,
  kind: number = VIEW_ON_UPDATE,
): void {
  const bytes = frame(268435456, "the engine's own name", kind, content);
  readHeader(bytes, HEADER);
  feed.push(bytes, HEADER);
}

Deno.test("Feed.push() gives each what it asked for, in the order of subscribing", () => {
  const { host, feed } = feedOf(true);
  feed.add(7, plain());
  feed.add(3, rows());
  feed.add(5, plain());
  push(feed, ROWS);
  assertEquals(host.take(), [
    [7, VIEW_ON_UPDATE, PORT.toHex()],
    [3, VIEW_ON_UPDATE, ROWS.toHex()],
    [5, VIEW_ON_UPDATE, PORT.toHex()],
  ]);
  assertEquals(host.counted, [3]);
});

Deno.test("Feed.push() passes on a notification as it is", () => {
  for (const withRows of [false, true]) {
    const { host, feed } = feedOf(withRows);
    feed.add(1, plain());
    feed.add(2, rows());
    push(feed, PORT);
    push(feed, hex(""));
    assertEquals(host.take(), [
      [1, VIEW_ON_UPDATE, PORT.toHex()],
      [2, VIEW_ON_UPDATE, PORT.toHex()],
      [1, VIEW_ON_UPDATE, ""],
      [2, VIEW_ON_UPDATE, ""],
    ]);
  }
});

Deno.test("Feed.push() leaves out rows that an engine sends unasked", () => {
  // ENGINE 4.4: it does to all once it was asked for them.
  const { host, feed } = feedOf(false);
  feed.add(1, plain());
  push(feed, ROWS);
  push(feed, hex("0a 00 10 03")); // no rows, and even so of that kind
  assertEquals(host.got, [
    [1, VIEW_ON_UPDATE, PORT.toHex()],
    [1, VIEW_ON_UPDATE, PORT.toHex()],
  ]);
  // A frame like any other, whose header is written anew.
  assertEquals(parts(host.frames[0]!), {
    msgId: 0,
    entity: "",
    kind: VIEW_ON_UPDATE,
    content: PORT,
  });
});

Deno.test("Feed.push() leaves what was removed in a push about that", () => {
  const { host, feed } = feedOf(false);
  feed.add(1, plain());
  feed.add(2, plain());
  push(feed, ROWS, VIEW_ON_REMOVE);
  assertEquals(host.got, [
    [1, VIEW_ON_REMOVE, ROWS.toHex()],
    [2, VIEW_ON_REMOVE, ROWS.toHex()],
  ]);
});

Deno.test("Feed.push() tells all of an error", () => {
  const { host, feed } = feedOf(true);
  feed.add(1, plain());
  feed.add(2, rows());
  push(feed, serverError("View not found", 1), 50);
  assertEquals(host.got.map(([msgId, kind]) => [msgId, kind]), [
    [1, 50],
    [2, 50],
  ]);
  for (const bytes of host.frames) {
    assertEquals(errorOf(bytes), { message: "View not found", status: 1 });
  }
});

Deno.test("Feed.activate() lets a subscription have what comes from then on", () => {
  const { host, feed } = feedOf(true);
  feed.add(1, { withRows: false, isActive: false });
  feed.add(2, rows());
  feed.add(3, { withRows: true, isActive: false });
  push(feed, ROWS);
  assertEquals(host.take().map(([msgId]) => msgId), [2]);
  feed.activate(3);
  feed.activate(99); // it has been ended meanwhile
  push(feed, ROWS);
  assertEquals(host.take(), [
    [2, VIEW_ON_UPDATE, ROWS.toHex()],
    [3, VIEW_ON_UPDATE, ROWS.toHex()],
  ]);
  feed.activate(1);
  push(feed, ROWS);
  assertEquals(host.take().map(([msgId]) => msgId), [1, 2, 3]);
  assertEquals(host.counted, [1, 2, 3]);
});

Deno.test("Feed.push() for nobody is counted, and that is all", () => {
  const { host, feed } = feedOf(false);
  push(feed, ROWS);
  feed.add(1, { withRows: false, isActive: false });
  push(feed, ROWS);
  assertEquals([host.got, host.counted], [[], [0, 0]]);
});

Deno.test("Feed.remove() ends a subscription", () => {
  const { host, feed } = feedOf(false);
  assertEquals(feed.isEmpty, true);
  feed.add(1, plain());
  feed.add(2, rows());
  assertEquals([feed.isEmpty, feed.has(1), feed.has(3)], [false, true, false]);
  assertEquals([feed.sendsRows(1), feed.sendsRows(2)], [false, true]);
  feed.remove(2);
  feed.remove(2);
  assertEquals([feed.has(2), feed.sendsRows(2)], [false, false]);
  push(feed, PORT);
  assertEquals(host.take().map(([msgId]) => msgId), [1]);
  feed.remove(1);
  assertEquals(feed.isEmpty, true);
});

Deno.test("Feed.move() has another push to a subscription, the same as before", () => {
  const { host, feed } = feedOf(true);
  const other = new Feed(host, true);
  feed.add(1, plain());
  feed.add(2, rows());
  feed.add(3, { withRows: true, isActive: false });
  for (const id of [1, 2, 3]) feed.move(id, other);
  assertEquals([feed.isEmpty, other.has(1)], [true, true]);
  push(feed, ROWS);
  assertEquals(host.take(), []);
  push(other, ROWS);
  // Its place has come, if it is moved.
  assertEquals(host.take(), [
    [1, VIEW_ON_UPDATE, PORT.toHex()],
    [2, VIEW_ON_UPDATE, ROWS.toHex()],
    [3, VIEW_ON_UPDATE, ROWS.toHex()],
  ]);
});

Deno.test("Feed.move() doesn't bring back a subscription that was ended", () => {
  const { host, feed } = feedOf(false);
  const other = new Feed(host, false);
  feed.add(1, plain());
  feed.remove(1);
  feed.move(1, other);
  assertEquals([feed.isEmpty, other.isEmpty], [true, true]);
});

Deno.test("Feed.push() goes to those who were there when it came", () => {
  const { host, feed } = feedOf(true);
  feed.add(1, plain());
  feed.add(2, rows());
  host.onDeliver = (msgId) => {
    feed.add(msgId + 10, plain());
    // Another frame is read into the header that this push came with.
    readHeader(frame(9, "x", Kind.TABLE_SIZE), HEADER);
  };
  push(feed, ROWS);
  assertEquals(host.got, [
    [1, VIEW_ON_UPDATE, PORT.toHex()],
    [2, VIEW_ON_UPDATE, ROWS.toHex()],
  ]);
  assertEquals(feed.has(11), true);
});

Deno.test("Feed.isReadyFor() lets others wait until all that one began is done", () => {
  const { feed } = feedOf(false);
  const [a, b] = [{}, {}];
  const ready = () => [feed.isReadyFor(a), feed.isReadyFor(b)];
  assertEquals(ready(), [true, true]);
  feed.begin(a);
  assertEquals(ready(), [true, false]);
  feed.begin(a);
  assertEquals(feed.settle(), false);
  assertEquals(ready(), [true, false]);
  assertEquals(feed.settle(), true);
  assertEquals(ready(), [true, true]);
  feed.begin(b);
  assertEquals(ready(), [false, true]);
  assertEquals(feed.settle(), true);
});
