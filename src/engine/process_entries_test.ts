import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { Reframed, utf8 } from "../protocol/frame.ts";
import { frame } from "../testing/frames.ts";
import { forAll, type Random } from "../testing/random.ts";
import { type EngineRequest, readRequest } from "./entries.ts";
import {
  CHUNK,
  EntryPacker,
  EntryReader,
  Hello,
  helloEntry,
  inlineLength,
  longParts,
  writeLength,
} from "./process_entries.ts";

/** What a pipe carries for `requests`. */
function written(requests: readonly EngineRequest[]): Uint8Array {
  const packer = new EntryPacker();
  const chunks: Uint8Array[] = [];
  for (const request of requests) {
    const isShared = request.frame?.shared !== undefined;
    const add = () =>
      !isShared && packer.add(inlineLength(request), (bytes, at) => {
        const [entry] = [...longParts(request)];
        bytes.set(entry!.subarray(4), at);
      });
    if (add()) continue;
    chunks.push(packer.take().slice());
    if (add()) continue;
    for (const part of longParts(request)) chunks.push(part.slice());
  }
  chunks.push(packer.take());
  return Buffer.concat(chunks);
}

/** Reads `bytes` in parts of any size, moving the buffer as streams do. */
function readAll(
  bytes: Uint8Array,
  random: Random,
  take: (entry: Uint8Array) => void,
) {
  const reader = new EntryReader();
  for (let at = 0; at < bytes.length;) {
    const { space } = reader;
    assert(space.length > 0);
    const most = random.chance(0.3) ? 5 : space.length;
    const part = bytes.subarray(at, at + 1 + random.below(most));
    const count = Math.min(part.length, space.length);
    space.set(part.subarray(0, count));
    if (random.chance(0.5)) reader.filled(count, space.buffer.transfer());
    else reader.filled(count);
    at += count;
    for (let entry; (entry = reader.next()) !== undefined;) take(entry);
  }
  assertEquals(reader.next(), undefined);
}

Deno.test("EntryReader reads what requests were written", async () => {
  await forAll(60, (random) => {
    const sent: string[] = [];
    const requests = Array.from({ length: random.below(30) }, () => {
      const poll = random.chance(0.5);
      if (random.chance(0.2)) {
        sent.push(`undefined ${poll}`);
        return { frame: undefined, kind: 0, poll };
      }
      const isLong = random.chance(0.1);
      const length = random.below(isLong ? 3_000_000 : 300);
      const content = new Uint8Array(length).fill(random.below(256));
      const body = frame(0, "", 33, content);
      const plain = new Reframed(random.id(), utf8("t"), body);
      const request = random.chance(0.3) ? plain.share() : plain;
      sent.push(`${Buffer.from(request.toBytes()).toString("latin1")} ${poll}`);
      return { frame: request, kind: 33, poll };
    });
    const got: string[] = [];
    readAll(written(requests), random, (entry) => {
      const { frame, poll } = readRequest(entry);
      const text = frame && Buffer.from(frame.toBytes()).toString("latin1");
      got.push(`${text} ${poll}`);
    });
    assert(got.length === sent.length && got.every((it, i) => it === sent[i]));
  });
});

Deno.test("EntryReader keeps no more memory than it needs", () => {
  const reader = new EntryReader();
  const length = 5_000_000;
  const entry = new Uint8Array(4 + length);
  writeLength(length, entry, 0);
  for (let at = 0; at < entry.length;) {
    const { space } = reader;
    const part = entry.subarray(at, at + space.length);
    space.set(part);
    reader.filled(part.length);
    at += part.length;
  }
  assertEquals(reader.next()?.length, length);
  assertEquals(reader.next(), undefined);
  assertEquals(reader.space.length, CHUNK);
});

Deno.test("EntryReader tells what is no answer", () => {
  const garbled = (bytes: Uint8Array) => {
    const reader = new EntryReader();
    reader.space.set(bytes);
    reader.filled(bytes.length);
    return reader.isGarbled;
  };
  const hello = helloEntry(Hello.STARTED, "3");
  const entry = new Uint8Array([hello.length, 0, 0, 0, ...hello]);
  assertEquals(garbled(entry), false);
  assertEquals(garbled(entry.subarray(0, 4)), false);
  assertEquals(garbled(utf8("Hello, world\n")), true);
});
