import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { assertEquals, assertStrictEquals } from "@std/assert";
import { frame, parts } from "../testing/frames.ts";
import { forAll, type Random } from "../testing/random.ts";
import {
  headLength,
  readdress,
  reframe,
  Reframed,
  utf8,
  varintLength,
  writeHead,
  writeVarint,
} from "./frame.ts";
import { newHeader, readHeader } from "./header.ts";

/** A length around the one at which copying goes another way, or any other. */
function randomLength(random: Random): number {
  return random.chance(0.5) ? 40 + random.below(16) : random.below(400);
}

function randomName(random: Random): string {
  return random.pick(["", "t", "表", "x".repeat(randomLength(random))]);
}

Deno.test("writeVarint() writes what a plain writer writes", async () => {
  const check = (value: number) => {
    const expected = new BinaryWriter().uint32(value).finish();
    const target = new Uint8Array(12).fill(0xee);
    assertEquals(writeVarint(target, 3, value), 3 + expected.length);
    assertEquals(varintLength(value), expected.length);
    assertEquals(target.slice(3, 3 + expected.length), expected);
    assertEquals(target[2], 0xee);
    assertEquals(target[3 + expected.length], 0xee);
  };
  for (const value of [0, 127, 128, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]) {
    check(value);
  }
  await forAll(2000, (random) => check(random.id()));
});

Deno.test("writeHead() leaves out what is empty", () => {
  const write = (msgId: number, name: string) => {
    const target = new Uint8Array(20);
    const end = writeHead(target, 0, msgId, utf8(name));
    assertEquals(headLength(msgId, utf8(name).length), end);
    return target.slice(0, end).toHex();
  };
  assertEquals(write(0, ""), "");
  assertEquals(write(1, ""), "0801");
  assertEquals(write(0, "ab"), "12026162");
  assertEquals(write(300, "ab"), "08ac0212026162");
});

Deno.test("Reframed puts a new header over an old payload", async () => {
  // Invariant 5: the payload's bytes are what they were.
  await forAll(2000, (random) => {
    const kind = 3 + random.below(48);
    const content = random.bytes(randomLength(random));
    const source = frame(random.id(), randomName(random), kind, content);
    const header = newHeader();
    readHeader(source, header);
    const { bodyStart, bodyEnd } = header;
    const [msgId, name] = [random.id(), randomName(random)];
    const expected = frame(msgId, name, kind, content);

    const before = source.slice();
    const reframed = new Reframed(
      msgId,
      utf8(name),
      source,
      bodyStart,
      bodyEnd,
    );
    assertEquals(reframed.msgId, msgId);
    assertEquals(reframed.byteLength, expected.length);
    assertEquals(reframed.toBytes(), expected);
    const target = new Uint8Array(expected.length + 20).fill(0xee);
    assertEquals(reframed.writeTo(target, 10), 10 + expected.length);
    assertEquals(target.slice(10, -10), expected);
    assertEquals(target.slice(0, 10), new Uint8Array(10).fill(0xee));
    assertEquals(target.slice(-10), new Uint8Array(10).fill(0xee));
    assertEquals(
      reframe(msgId, utf8(name), source, bodyStart, bodyEnd),
      expected,
    );
    assertEquals(source, before);
    assertEquals(parts(expected), { msgId, entity: name, kind, content });
  });
});

Deno.test("Reframed takes the whole source by default", () => {
  const body = frame(0, "", 8);
  assertEquals(
    new Reframed(5, utf8("t"), body).toBytes(),
    frame(5, "t", 8),
  );
});

Deno.test("readdress() gives the same, in place where it fits", async () => {
  await forAll(2000, (random) => {
    const kind = 3 + random.below(48);
    const content = random.bytes(randomLength(random));
    const source = frame(random.id(), randomName(random), kind, content);
    const memory = new Uint8Array(source.length + 20).fill(0xee);
    memory.set(source, 10);
    const lent = memory.subarray(10, 10 + source.length);
    const header = newHeader();
    readHeader(lent, header);
    const { bodyStart, bodyEnd } = header;
    const [msgId, name] = [random.id(), randomName(random)];
    const expected = frame(msgId, name, kind, content);
    const result = readdress(msgId, utf8(name), lent, bodyStart, bodyEnd);
    assertEquals(result.slice(), expected);
    const fits = headLength(msgId, utf8(name).length) <= bodyStart;
    assertEquals(result.buffer === memory.buffer, fits);
    // Nothing around the frame is written, nor the payload.
    assertEquals(memory.slice(0, 10), new Uint8Array(10).fill(0xee));
    assertEquals(memory.slice(-10), new Uint8Array(10).fill(0xee));
    // Once more, for somebody else who waited for the same.
    const again = readdress(0, utf8(""), lent, bodyStart, bodyEnd);
    assertEquals(again.slice(), frame(0, "", kind, content));
  });
});

Deno.test("readdress() uses the frame's own bytes", () => {
  const bytes = frame(0xffff_ffff, "v", 16, new Uint8Array(100));
  const header = newHeader();
  readHeader(bytes, header);
  const { bodyStart, bodyEnd } = header;
  const result = readdress(1, utf8("v"), bytes, bodyStart, bodyEnd);
  assertStrictEquals(result.buffer, bytes.buffer);
});
