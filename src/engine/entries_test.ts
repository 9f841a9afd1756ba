import { assert, assertEquals } from "@std/assert";
import { Reframed, utf8 } from "../protocol/frame.ts";
import { frame } from "../testing/frames.ts";
import { forAll, type Random } from "../testing/random.ts";
import {
  Answer,
  type EngineRequest,
  EXECUTED_LENGTH,
  failedEntry,
  fatalEntry,
  faultEntry,
  heapEntry,
  isLongFrame,
  isShared,
  readAnswer,
  readRequest,
  requestLength,
  writeExecuted,
  writeRequest,
} from "./entries.ts";
import { LONGEST_ENTRY } from "./ring.ts";

/** A request, sometimes with a payload that is shared, or a poll alone. */
function newRequest(random: Random): EngineRequest {
  const kind = random.between(3, 40);
  const poll = random.chance(0.5);
  if (random.chance(0.2)) return { frame: undefined, kind: 0, poll };
  const body = frame(0, "", kind, random.bytes(random.below(301)));
  const entity = utf8("t".repeat(random.below(30)));
  const plain = new Reframed(random.id(), entity, body);
  return { frame: random.chance(0.3) ? plain.share() : plain, kind, poll };
}

/** The entry of `request`, written amidst other bytes. */
function entryOf(random: Random, request: EngineRequest): Uint8Array {
  const length = requestLength(request);
  const before = random.below(10);
  const bytes = new Uint8Array(before + length + 10).fill(0xaa);
  writeRequest(request, bytes, before);
  const entry = bytes.slice(before, before + length);
  bytes.fill(0xaa, before, before + length);
  assert(bytes.every((byte) => byte === 0xaa), "It wrote beside its entry");
  return entry;
}

/** What `entry` says. */
function said(entry: Uint8Array, long?: Uint8Array): unknown[] {
  const got: unknown[] = [];
  readAnswer(entry, {
    frame: (frame) => got.push("frame", frame.join()),
    failed: (msgId, { message }) => got.push("failed", msgId, message),
    fault: ({ message }) => got.push("fault", message),
    fatal: ({ message }, guilty) => got.push("fatal", guilty, message),
    heap: (bytes) => got.push("heap", bytes),
    executed: (micros) => got.push("executed", micros),
  }, long);
  return got;
}

/** The entry of a request that took so long. */
function executedEntry(micros: number): Uint8Array {
  const bytes = new Uint8Array(EXECUTED_LENGTH + 6).fill(0xaa);
  writeExecuted(micros, bytes, 3);
  const entry = bytes.slice(3, 3 + EXECUTED_LENGTH);
  assertEquals(bytes.toHex(), `aaaaaa${entry.toHex()}aaaaaa`);
  return entry;
}

Deno.test("writeRequest() and readRequest() are each other's inverse", async () => {
  await forAll(1000, (random) => {
    const request = newRequest(random);
    const entry = entryOf(random, request);
    const payload = request.frame?.shared;
    assertEquals(isShared(entry), payload !== undefined);
    const got = readRequest(entry, payload);
    assertEquals([got.kind, got.poll], [request.kind, request.poll]);
    assertEquals(got.frame?.msgId, request.frame?.msgId);
    assertEquals(got.frame?.toBytes().join(), request.frame?.toBytes().join());
  });
});

Deno.test("A payload that is shared isn't copied", () => {
  const body = frame(0, "", 33, new Uint8Array(100_000));
  const shared = new Reframed(1, utf8("t"), body).share();
  const request = { frame: shared, kind: 33, poll: false };
  assertEquals(requestLength(request), 2 + shared.headLength);
  const entry = new Uint8Array(requestLength(request));
  writeRequest(request, entry, 0);
  assert(readRequest(entry, shared.shared).frame!.shared === shared.shared);
});

Deno.test("readAnswer() hands on what was written", async () => {
  await forAll(300, (random) => {
    const bytes = random.bytes(random.below(3001));
    const id = random.id();
    const why = `why ${id} ü`;
    const entries: [Uint8Array, ...unknown[]][] = [
      [Uint8Array.of(Answer.FRAME, ...bytes), "frame", bytes.join()],
      [failedEntry(id, why), "failed", id, why],
      [failedEntry(id, ""), "failed", id, ""],
      [faultEntry(why), "fault", why],
      [fatalEntry(why), "fatal", false, why],
      [fatalEntry(why, true), "fatal", true, why],
      [heapEntry(id * 1000), "heap", id * 1000],
      [executedEntry(id), "executed", id],
    ];
    for (const [entry, ...expected] of entries) {
      assert(!isLongFrame(entry));
      assertEquals(said(entry), expected);
    }
    const long = Uint8Array.of(Answer.LONG_FRAME);
    assert(isLongFrame(long));
    assertEquals(said(long, bytes), ["frame", bytes.join()]);
  });
});

Deno.test("writeExecuted() stops at what it can write", () => {
  const written = [0xffff_fffe, 0xffff_ffff, 2 ** 32, 1e12]
    .map((micros) => said(executedEntry(micros))[1]);
  assertEquals(written, [2 ** 32 - 2, 2 ** 32 - 1, 2 ** 32 - 1, 2 ** 32 - 1]);
});

Deno.test("A reason that is too long is cut", () => {
  const reason = "€".repeat(LONGEST_ENTRY);
  const entries = [
    failedEntry(7, reason),
    faultEntry(reason),
    fatalEntry(reason),
  ];
  for (const entry of entries) {
    assert(entry.length <= LONGEST_ENTRY);
    const text = said(entry).at(-1) as string;
    assert(text.length >= 1000 && reason.startsWith(text));
  }
});
