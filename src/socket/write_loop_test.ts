import { setImmediate } from "node:timers";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { assert, assertEquals, assertThrows } from "@std/assert";
import type { FrameRole } from "../router/session_host.ts";
import { forAll } from "../testing/random.ts";
import {
  type Sink,
  WriteLoop,
  type Writer,
  type Written,
} from "./write_loop.ts";

/** A socket that keeps what it is given, and fills up as a test says. */
class FakeSink implements Sink {
  bufferedAmount = 0;
  /** Whether what is sent stays in `bufferedAmount`. */
  fills = false;
  /** Thrown by the next `send`. */
  refusal: unknown;
  /** What it was sent: the first byte of each frame. */
  readonly sent: number[] = [];
  #onSend: Array<() => void> = [];

  send(frame: Uint8Array): void {
    if (this.refusal !== undefined) throw this.refusal;
    this.sent.push(frame[0]!);
    if (this.fills) this.bufferedAmount += frame.length;
    for (const resolve of this.#onSend.splice(0)) resolve();
  }

  /** Resolves at the next `send`. */
  next(): Promise<void> {
    return new Promise((resolve) => this.#onSend.push(resolve));
  }
}

/** A frame of `length` bytes that begins with `mark`. */
function frame(mark: number, length = 10): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes[0] = mark;
  return bytes;
}

/** Lets the event loop go round once, after what was planned before. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

interface Attached {
  readonly sink: FakeSink;
  readonly writer: Writer;
  /** What happened, as `overflow` or `error: …`. */
  readonly events: string[];
}

function attach(loop: WriteLoop, maxBufferSize = Infinity): Attached {
  const sink = new FakeSink();
  const events: string[] = [];
  const writer = loop.attach(sink, {
    maxBufferSize,
    onOverflow: () => events.push("overflow"),
    onError: (error) => events.push(`error: ${error.message}`),
  });
  return { sink, writer, events };
}

/** Uses up the loop's budget, so that what follows has to wait for a turn. */
function spend(loop: WriteLoop): void {
  const { writer } = attach(loop);
  while (loop.hasBudget) writer.push(frame(0, 1 << 20), "answer");
  writer.close();
}

/** The mark of what {@linkcode fill} writes. */
const FILLER = 255;

/** Fills a socket: its writer knows what it has written, and looks no sooner. */
function fill(sink: FakeSink, writer: Writer, bytes: number): void {
  sink.fills = true;
  assertEquals(writer.push(frame(FILLER, bytes), "answer"), "sent");
  sink.fills = false;
  assertEquals(sink.bufferedAmount, bytes);
}

/** What is waiting in `loop`, and how many sockets there are. */
function held(loop: WriteLoop): [number, number, number] {
  const { writers, queuedFrames, queuedBytes } = loop.stats();
  return [writers, queuedFrames, queuedBytes];
}

// -- Order -------------------------------------------------------------------

Deno.test("Writer.push() writes at once while nothing waits", () => {
  const loop = new WriteLoop();
  const { sink, writer } = attach(loop);
  assertEquals(writer.push(frame(1), "answer"), "sent");
  assertEquals(writer.push(frame(2), "push"), "sent");
  assertEquals(writer.push(frame(3), 5), "sent");
  assertEquals(writer.push(frame(4), 5), "sent", "there is nothing to absorb");
  assertEquals(sink.sent, [1, 2, 3, 4]);
  assertEquals(loop.stats(), {
    writers: 1,
    queuedBytes: 0,
    queuedFrames: 0,
    sent: 4,
    absorbed: 0,
    dropped: 0,
    overflows: 0,
  });
  writer.close();
  assertEquals(held(loop), [0, 0, 0]);
});

Deno.test("Writer.push() keeps a socket's frames in order", async () => {
  // Invariant 4
  const loop = new WriteLoop({ turnSize: 25 });
  const { sink, writer } = attach(loop);
  const written: Written[] = [];
  for (let i = 1; i <= 9; i++) written.push(writer.push(frame(i), "answer"));
  assertEquals(written.slice(0, 4), ["sent", "sent", "sent", "queued"]);
  assertEquals(held(loop), [1, 6, 60]);
  assertEquals(writer.bufferedAmount, 60);
  await turn();
  assertEquals(sink.sent, [1, 2, 3, 4, 5, 6]);
  // There is budget again, but it isn't this one's turn.
  assertEquals(writer.push(frame(10), "answer"), "queued");
  while (held(loop)[1] > 0) await turn();
  assertEquals(sink.sent, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  writer.close();
});

Deno.test("Writer.push() copies a frame that has to wait", async () => {
  const loop = new WriteLoop({ turnSize: 1 });
  spend(loop);
  const { sink, writer } = attach(loop);
  const lent = frame(7);
  assertEquals(writer.push(lent, "answer"), "queued");
  lent.fill(0xee);
  await turn();
  assertEquals(sink.sent, [7]);
  writer.close();
});

// -- Turns -------------------------------------------------------------------

Deno.test("WriteLoop gives the event loop its turn after turnSize bytes", async () => {
  const loop = new WriteLoop({ turnSize: 100 });
  const { sink, writer } = attach(loop);
  for (let i = 1; i <= 100; i++) writer.push(frame(i, 50), "answer");
  assertEquals(sink.sent.length, 2);
  const seen: number[] = [];
  for (let i = 0; i < 5; i++) {
    await turn();
    seen.push(sink.sent.length);
  }
  assertEquals(seen, [4, 6, 8, 10, 12]);
  writer.close();
});

Deno.test("WriteLoop renews its budget though nothing waits", async () => {
  const loop = new WriteLoop({ turnSize: 20 });
  const { writer } = attach(loop);
  for (let i = 0; i < 3; i++) {
    assertEquals(writer.push(frame(1), "answer"), "sent");
    assertEquals(writer.push(frame(2), "answer"), "sent");
    await turn();
  }
  writer.close();
});

Deno.test("WriteLoop with turnSize 0 writes one frame a turn", async () => {
  const loop = new WriteLoop({ turnSize: 0 });
  const { sink, writer } = attach(loop);
  for (let i = 1; i <= 3; i++) writer.push(frame(i), "answer");
  const seen = [sink.sent.length];
  for (let i = 0; i < 3; i++) {
    await turn();
    seen.push(sink.sent.length);
  }
  assertEquals(seen, [1, 2, 3, 3]);
  writer.close();
});

Deno.test("WriteLoop with turnSize Infinity writes everything at once", () => {
  const loop = new WriteLoop({ turnSize: Infinity });
  const { sink, writer } = attach(loop);
  for (let i = 0; i < 50; i++) writer.push(frame(i, 1 << 20), "answer");
  assertEquals(sink.sent.length, 50);
  writer.close();
});

Deno.test("WriteLoop lets sockets take turns", async () => {
  const loop = new WriteLoop({ turnSize: 10 });
  const order: string[] = [];
  const writers = ["a", "b", "c"].map((name) =>
    loop.attach({
      bufferedAmount: 0,
      send: (bytes) => order.push(`${name}${bytes[0]}`),
    }, { maxBufferSize: Infinity, onOverflow() {}, onError() {} })
  );
  const [a, b, c] = writers;
  for (let i = 1; i <= 4; i++) a!.push(frame(i), "answer");
  for (let i = 1; i <= 2; i++) b!.push(frame(i), "answer");
  await turn();
  c!.push(frame(1), "answer");
  while (held(loop)[1] > 0) await turn();
  assertEquals(order, ["a1", "a2", "b1", "a3", "c1", "b2", "a4"]);
  for (const writer of writers) writer.close();
});

Deno.test("WriteLoop lets a socket that joins write before one that has much", async () => {
  const loop = new WriteLoop({ turnSize: 10 });
  const slow = attach(loop);
  for (let i = 0; i < 200; i++) slow.writer.push(frame(i), "answer");
  const quick = attach(loop);
  assertEquals(quick.writer.push(frame(1), "answer"), "queued");
  await quick.sink.next();
  assert(slow.sink.sent.length <= 3);
  slow.writer.close();
  quick.writer.close();
});

// -- Full sockets ------------------------------------------------------------

Deno.test("WriteLoop holds frames back while a socket is full", async () => {
  const loop = new WriteLoop({ highWaterMark: 100 });
  const { sink, writer } = attach(loop);
  fill(sink, writer, 101);
  assertEquals(writer.push(frame(1), "answer"), "queued");
  assertEquals(writer.push(frame(2), "answer"), "queued");
  assertEquals(writer.bufferedAmount, 121);
  await turn();
  await turn();
  assertEquals(sink.sent, [FILLER]);
  sink.bufferedAmount = 100;
  await sink.next();
  while (held(loop)[1] > 0) await turn();
  assertEquals(sink.sent, [FILLER, 1, 2]);
  assertEquals(held(loop), [1, 0, 0]);
  assertEquals(writer.push(frame(3), "answer"), "sent");
  writer.close();
});

Deno.test("WriteLoop isn't held up by a full socket", async () => {
  const loop = new WriteLoop({ highWaterMark: 100, turnSize: 10 });
  const full = attach(loop);
  const other = attach(loop);
  fill(full.sink, full.writer, 200);
  for (let i = 1; i <= 3; i++) {
    full.writer.push(frame(i), "answer");
    other.writer.push(frame(i), "answer");
  }
  while (other.sink.sent.length < 3) await turn();
  assertEquals(full.sink.sent, [FILLER]);
  full.sink.bufferedAmount = 0;
  while (full.sink.sent.length < 4) await full.sink.next();
  assertEquals(full.sink.sent, [FILLER, 1, 2, 3]);
  full.writer.close();
  other.writer.close();
});

Deno.test("WriteLoop resumes sockets that were full one after the other", async () => {
  const loop = new WriteLoop({ highWaterMark: 100 });
  const sockets = [attach(loop), attach(loop), attach(loop)];
  for (const { sink, writer } of sockets) {
    sink.fills = true;
    // The third is one too many, and waits.
    for (let i = 1; i <= 3; i++) writer.push(frame(i, 90), "answer");
    assertEquals(sink.sent, [1, 2]);
  }
  for (const { sink } of sockets) {
    sink.bufferedAmount = 0;
    await sink.next();
    assertEquals(sink.sent, [1, 2, 3]);
  }
  for (const { writer } of sockets) writer.close();
});

Deno.test("WriteLoop with highWaterMark 0 hands a socket one frame at a time", async () => {
  const loop = new WriteLoop({ highWaterMark: 0 });
  const { sink, writer } = attach(loop);
  sink.fills = true;
  for (let i = 1; i <= 3; i++) writer.push(frame(i), "answer");
  for (let sent = 1; sent <= 3; sent++) {
    assertEquals(sink.sent.length, sent);
    sink.bufferedAmount = 0;
    if (sent < 3) await sink.next();
  }
  writer.close();
});

Deno.test("WriteLoop with highWaterMark Infinity never holds back", () => {
  const loop = new WriteLoop({ highWaterMark: Infinity, turnSize: Infinity });
  const { sink, writer } = attach(loop);
  sink.fills = true;
  for (let i = 0; i < 50; i++) writer.push(frame(i, 1 << 20), "answer");
  assertEquals(sink.sent.length, 50);
  writer.close();
});

Deno.test({
  name: "WriteLoop leaves no timer when a full socket closes",
  sanitizeOps: true,
  fn: closeFullSocket,
});

async function closeFullSocket(): Promise<void> {
  const loop = new WriteLoop({ highWaterMark: 0 });
  const { sink, writer } = attach(loop);
  fill(sink, writer, 1);
  writer.push(frame(1), "answer");
  await turn();
  writer.close();
  assertEquals(held(loop), [0, 0, 0]);
  assertEquals(loop.stats().dropped, 1);
}

// -- Limits ------------------------------------------------------------------

Deno.test("Writer.push() ends the writer when more than maxBufferSize waits", async () => {
  // Invariant 8
  const loop = new WriteLoop({ highWaterMark: 10 });
  const { sink, writer, events } = attach(loop, 100);
  fill(sink, writer, 50);
  assertEquals(writer.push(frame(1, 30), "answer"), "queued");
  assertEquals(writer.push(frame(2, 20), "answer"), "queued");
  assertEquals(writer.bufferedAmount, 100);
  assertEquals(events, []);
  assertEquals(writer.push(frame(3, 1), "push"), "dropped");
  assertEquals(events, ["overflow"]);
  assertEquals(writer.push(frame(4, 1), "answer"), "dropped");
  assertEquals(events, ["overflow"]);
  assertEquals(loop.stats(), {
    writers: 0,
    queuedBytes: 0,
    queuedFrames: 0,
    sent: 1,
    absorbed: 0,
    dropped: 4,
    overflows: 1,
  });
  await turn();
  assertEquals(sink.sent, [FILLER]);
});

Deno.test("Writer.push() takes a frame above maxBufferSize when nothing waits", async () => {
  const loop = new WriteLoop({ turnSize: 10 });
  const { sink, writer, events } = attach(loop, 100);
  assertEquals(writer.push(frame(1, 1000), "answer"), "sent");
  // There is no budget left, so this one has to wait, with nothing before it.
  assertEquals(writer.push(frame(2, 1000), "answer"), "queued");
  assertEquals(writer.push(frame(3, 1), "answer"), "dropped");
  assertEquals(events, ["overflow"]);
  await turn();
  assertEquals(sink.sent, [1]);
});

Deno.test("Writer.push() with maxBufferSize 0 lets nothing wait", async () => {
  const loop = new WriteLoop();
  const { sink, writer, events } = attach(loop, 0);
  sink.fills = true;
  assertEquals(writer.push(frame(1), "answer"), "sent");
  sink.bufferedAmount = 0;
  assertEquals(writer.push(frame(2), "answer"), "sent");
  assertEquals(writer.push(frame(3), "answer"), "dropped");
  assertEquals(events, ["overflow"]);
  await turn();
});

Deno.test("Writer.close() drops what waits", async () => {
  const loop = new WriteLoop({ turnSize: 1 });
  const { sink, writer, events } = attach(loop);
  for (let i = 1; i <= 4; i++) writer.push(frame(i), 7);
  writer.push(frame(5), "answer");
  assertEquals(held(loop), [1, 2, 20]);
  writer.close();
  writer.close();
  assertEquals(held(loop), [0, 0, 0]);
  assertEquals(writer.push(frame(6), "answer"), "dropped");
  await turn();
  assertEquals(sink.sent, [1]);
  assertEquals(events, []);
  const { absorbed, dropped, sent } = loop.stats();
  assertEquals({ absorbed, dropped, sent }, {
    absorbed: 2,
    dropped: 3,
    sent: 1,
  });
});

Deno.test("Writer ends when its socket refuses a frame, and says so once", async () => {
  const loop = new WriteLoop({ turnSize: 10 });
  const direct = attach(loop);
  direct.sink.refusal = new Error("closed");
  assertEquals(direct.writer.push(frame(1), "answer"), "dropped");
  assertEquals(direct.writer.push(frame(2), "answer"), "dropped");
  assertEquals(direct.events, ["error: closed"]);
  // The same in a turn, with others behind it.
  const waiting = attach(loop);
  const other = attach(loop);
  spend(loop);
  for (let i = 1; i <= 3; i++) waiting.writer.push(frame(i), "answer");
  other.writer.push(frame(1), "answer");
  waiting.sink.refusal = "no error at all";
  while (other.sink.sent.length === 0) await turn();
  assertEquals(waiting.events, ["error: no error at all"]);
  assertEquals(loop.stats().dropped, 5);
  assertEquals(held(loop), [1, 0, 0]);
  other.writer.close();
});

Deno.test("WriteLoop lets go of frames that were written", async () => {
  // Invariant 8: also when the socket is never quite up to date.
  setFlagsFromString("--expose-gc");
  const collectGarbage = runInNewContext("gc") as () => void;
  const loop = new WriteLoop({ turnSize: 100 });
  const seen: WeakRef<Uint8Array>[] = [];
  const writer = loop.attach({
    bufferedAmount: 0,
    send: (bytes) => seen.push(new WeakRef(bytes)),
  }, { maxBufferSize: Infinity, onOverflow() {}, onError() {} });
  for (let i = 0; i < 100; i++) writer.push(frame(1, 50), "answer");
  for (let i = 0; i < 20; i++) {
    // Two come for each two that go.
    writer.push(frame(1, 50), "answer");
    writer.push(frame(1, 50), "answer");
    await turn();
    assert(held(loop)[1] > 0, "it is never up to date");
  }
  collectGarbage();
  const alive = seen.filter((it) => it.deref() !== undefined).length;
  assert(alive < 10, `${alive} of ${seen.length} frames are still held`);
  writer.close();
});

// -- Absorbing ---------------------------------------------------------------

Deno.test("Writer.push() absorbs a notification that says what one that waits says", async () => {
  const loop = new WriteLoop({ turnSize: 1 });
  spend(loop);
  const { sink, writer } = attach(loop);
  assertEquals(writer.push(frame(1), 7), "queued");
  assertEquals(writer.push(frame(2), 8), "queued", "another role");
  assertEquals(writer.push(frame(3), "push"), "queued");
  assertEquals(writer.push(frame(4), "push"), "queued", "it says more");
  assertEquals(writer.push(frame(5), 7), "absorbed");
  assertEquals(writer.push(frame(6), 8), "absorbed");
  assertEquals(loop.stats().absorbed, 2);
  while (held(loop)[1] > 0) await turn();
  assertEquals(sink.sent, [1, 2, 3, 4]);
  writer.close();
});

Deno.test("Writer.push() absorbs nothing across an answer", async () => {
  const loop = new WriteLoop({ turnSize: 1 });
  spend(loop);
  const { sink, writer } = attach(loop);
  assertEquals(writer.push(frame(1), 7), "queued");
  assertEquals(writer.push(frame(2), "answer"), "queued");
  assertEquals(writer.push(frame(3), 7), "queued");
  assertEquals(writer.push(frame(4), 7), "absorbed");
  await turn();
  assertEquals(sink.sent, [1]);
  // The first was written; the one behind the answer still stands for it.
  assertEquals(writer.push(frame(5), 7), "absorbed");
  while (held(loop)[1] > 0) await turn();
  assertEquals(sink.sent, [1, 2, 3]);
  writer.close();
});

Deno.test("Writer.push() absorbs nothing into a notification that was written", async () => {
  const loop = new WriteLoop({ turnSize: 1 });
  spend(loop);
  const { sink, writer } = attach(loop);
  assertEquals(writer.push(frame(1), 7), "queued");
  assertEquals(writer.push(frame(2), "push"), "queued");
  await turn();
  assertEquals(sink.sent, [1]);
  assertEquals(writer.push(frame(3), 7), "queued");
  while (held(loop)[1] > 0) await turn();
  assertEquals(sink.sent, [1, 2, 3]);
  writer.close();
});

Deno.test("Writer.push() absorbs nothing into another socket's notification", async () => {
  const loop = new WriteLoop({ turnSize: 1 });
  spend(loop);
  const [a, b] = [attach(loop), attach(loop)];
  assertEquals(a.writer.push(frame(1), 7), "queued");
  assertEquals(b.writer.push(frame(1), 7), "queued");
  while (held(loop)[1] > 0) await turn();
  assertEquals([a.sink.sent, b.sink.sent], [[1], [1]]);
  a.writer.close();
  b.writer.close();
});

// -- Options -----------------------------------------------------------------

Deno.test("WriteLoop refuses options that are no numbers from 0 up", () => {
  for (const value of [-1, NaN, "big" as unknown as number]) {
    assertThrows(
      () => new WriteLoop({ turnSize: value }),
      RangeError,
      `"turnSize" must be >= 0, received ${value}`,
    );
    assertThrows(
      () => new WriteLoop({ highWaterMark: value }),
      RangeError,
      `"highWaterMark" must be >= 0, received ${value}`,
    );
  }
});

// -- Against a model ---------------------------------------------------------

interface Pushed {
  readonly mark: number;
  readonly role: FrameRole;
  readonly length: number;
}

/**
 * What a writer must do, in the plainest way: a list of what waits, from
 * which the sink's own record takes away.
 */
class Model {
  readonly it: Attached;
  readonly maxBufferSize: number;
  /** All that was taken and not absorbed, in order. */
  readonly taken: number[] = [];
  waiting: Pushed[] = [];
  closed = false;
  dropped = 0;
  absorbed = 0;
  overflows = 0;

  constructor(it: Attached, maxBufferSize: number) {
    this.it = it;
    this.maxBufferSize = maxBufferSize;
  }

  /** Takes away what the sink has got meanwhile. */
  sync(): void {
    const { sent } = this.it.sink;
    assertEquals(sent, this.taken.slice(0, sent.length), "in order");
    this.waiting = this.waiting.slice(
      sent.length - (this.taken.length - this.waiting.length),
    );
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.dropped += this.waiting.length;
    this.taken.length -= this.waiting.length;
    this.waiting = [];
  }

  push(pushed: Pushed): void {
    const { writer, sink } = this.it;
    const before = sink.sent.length;
    const buffered = sink.bufferedAmount +
      this.waiting.reduce((sum, { length }) => sum + length, 0);
    const result = writer.push(frame(pushed.mark, pushed.length), pushed.role);
    const nothingWaited = this.waiting.length === 0;
    const refused = this.it.events.some((it) => it.startsWith("error"));
    if (this.closed || refused) {
      assertEquals(result, "dropped");
      if (!this.closed) this.close();
      this.dropped++;
      return;
    }
    const lastAnswer = this.waiting.findLastIndex((it) => it.role === "answer");
    const stands = typeof pushed.role === "number" &&
      this.waiting.slice(lastAnswer + 1).some((it) => it.role === pushed.role);
    if (stands) {
      assertEquals(result, "absorbed");
      this.absorbed++;
    } else if (result === "dropped") {
      assert(buffered > 0, "a frame that finds nothing waiting is taken");
      assert(buffered + pushed.length > this.maxBufferSize);
      this.close();
      this.dropped++;
      this.overflows++;
    } else if (result === "sent") {
      assert(nothingWaited, "it may not overtake");
      assertEquals(sink.sent.length, before + 1);
      this.taken.push(pushed.mark);
    } else {
      assertEquals(result, "queued");
      assert(buffered === 0 || buffered + pushed.length <= this.maxBufferSize);
      this.taken.push(pushed.mark);
      this.waiting.push(pushed);
    }
    assertEquals(sink.sent.length, result === "sent" ? before + 1 : before);
  }
}

Deno.test("WriteLoop does what a plain list would", async () => {
  // Invariants 3 and 4: whatever happens, a socket gets what was pushed, in
  // order, but for notifications that one that was waiting stood for.
  await forAll(60, async (random) => {
    const loop = new WriteLoop({
      turnSize: random.pick([0, 30, 100, 1000, Infinity]),
      highWaterMark: random.pick([0, 40, 200, Infinity]),
    });
    const models = Array.from({ length: 1 + random.below(4) }, () => {
      const maxBufferSize = random.pick([300, 1000, Infinity]);
      const it = attach(loop, maxBufferSize);
      it.sink.fills = random.chance(0.5);
      return new Model(it, maxBufferSize);
    });
    let mark = 0;
    for (let i = 0; i < 150; i++) {
      const model = random.pick(models);
      const { sink, writer } = model.it;
      const what = random.below(100);
      if (what < 75) {
        const role = random.pick<FrameRole>(["answer", "push", 1, 1, 2, 2, 2]);
        mark = (mark + 1) % 256;
        model.push({ mark, role, length: 1 + random.below(80) });
      } else if (what < 85) {
        await turn();
      } else if (what < 98) {
        sink.bufferedAmount = random.below(sink.bufferedAmount + 1);
      } else if (what < 99) {
        writer.close();
        model.close();
      } else if (random.chance(0.3)) {
        sink.refusal = new Error("closed");
      }
      for (const model of models) {
        const { events } = model.it;
        assert(events.length <= 1, "it is told once");
        model.sync();
        // A frame that is refused in a turn ends the writer, too.
        if (events.some((it) => it.startsWith("error"))) model.close();
      }
      const waiting = models.flatMap((it) => it.waiting);
      assertEquals(held(loop).slice(1), [
        waiting.length,
        waiting.reduce((sum, { length }) => sum + length, 0),
      ]);
    }
    // Everything drains.
    for (const { it } of models) {
      it.sink.fills = false;
      it.sink.bufferedAmount = 0;
      it.sink.refusal = undefined;
    }
    while (held(loop)[1] > 0) await turn();
    for (const model of models) {
      assertEquals(model.it.sink.sent, model.taken);
      assertEquals(model.it.writer.bufferedAmount, 0);
      model.it.writer.close();
    }
    const sum = (of: (model: Model) => number) =>
      models.reduce((total, model) => total + of(model), 0);
    assertEquals(loop.stats(), {
      writers: 0,
      queuedBytes: 0,
      queuedFrames: 0,
      sent: sum((it) => it.taken.length),
      absorbed: sum((it) => it.absorbed),
      dropped: sum((it) => it.dropped),
      overflows: sum((it) => it.overflows),
    });
    // A turn that was planned for the budget alone.
    await turn();
  });
});
