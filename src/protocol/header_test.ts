import { BinaryReader } from "@bufbuild/protobuf/wire";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { frame, hex, message } from "../testing/frames.ts";
import { forAll, type Random } from "../testing/random.ts";
import { entityOf, type Header, newHeader, readHeader } from "./header.ts";

interface Read {
  readonly wrong: string | undefined;
  readonly header: Header;
}

/** Reads `bytes` in the middle of a larger buffer, as the engine lends them. */
function read(bytes: Uint8Array, around = 0xff): Read {
  const memory = new Uint8Array(bytes.length + 32).fill(around);
  memory.set(bytes, 16);
  const header = newHeader();
  // What an earlier frame left behind must not show.
  for (const key of Object.keys(header) as (keyof Header)[]) header[key] = 99;
  const wrong = readHeader(memory.subarray(16, 16 + bytes.length), header);
  return { wrong, header };
}

interface Plain {
  /** The last `msg_id` that was complete. */
  msgId: number;
  entity: Uint8Array;
  /** Kinds and contents of the other fields, in order. */
  readonly fields: [number, Uint8Array][];
  /** Whether all of it could be read, and had the right wire types. */
  complete: boolean;
}

/** What a plain reader makes of `bytes`. */
function plain(bytes: Uint8Array): Plain {
  const reader = new BinaryReader(bytes);
  const result: Plain = {
    msgId: 0,
    entity: new Uint8Array(0),
    fields: [],
    complete: false,
  };
  try {
    while (reader.pos < reader.len) {
      const [field, wireType] = reader.tag();
      if (wireType !== (field === 1 ? 0 : 2)) return result;
      if (field === 1) {
        result.msgId = 0;
        result.msgId = reader.uint32();
      } else if (field === 2) result.entity = reader.bytes();
      else result.fields.push([field, reader.bytes()]);
      if (result.fields.length > 1) return result;
    }
    result.complete = reader.pos === reader.len;
  } catch {
    // Cut short, or no protobuf at all.
  }
  return result;
}

function assertSame(bytes: Uint8Array): void {
  const { wrong, header } = read(bytes);
  const expected = plain(bytes);
  const { msgId, entityStart, entityEnd, kind } = header;
  assertEquals(msgId, expected.msgId);
  assertEquals(
    wrong === undefined,
    expected.complete && expected.fields.length === 1,
    wrong,
  );
  if (wrong !== undefined) return;
  const { bodyStart, contentStart, bodyEnd } = header;
  assertEquals(bytes.subarray(entityStart, entityEnd), expected.entity);
  assertEquals([kind, bytes.slice(contentStart, bodyEnd)], [
    expected.fields[0]![0],
    expected.fields[0]![1].slice(),
  ]);
  // The body with its tag is a message of its own.
  const body = plain(bytes.subarray(bodyStart, bodyEnd));
  assertEquals(body.complete, true);
  assertEquals(body.fields[0]![0], kind);
}

/** `value` as a varint of `length` bytes, longer than it has to be. */
function varint(value: number, length = 0): number[] {
  const bytes: number[] = [];
  do {
    bytes.push(value & 0x7f);
    value >>>= 7;
  } while (value > 0 || bytes.length < length);
  return bytes.map((byte, i) => i + 1 < bytes.length ? byte | 0x80 : byte);
}

/** Fields of a frame, one byte sequence each, written as `random` likes. */
function randomFields(random: Random): number[][] {
  const longer = () => random.chance(0.2) ? 1 + random.below(10) : 0;
  const withLength = (field: number, bytes: Uint8Array) => [
    ...varint(field * 8 + 2, longer()),
    ...varint(bytes.length, longer()),
    ...bytes,
  ];
  const kind = random.chance(0.1)
    ? 3 + random.below(0x1fff_fffc)
    : 3 + random.below(60);
  const fields: number[][] = [];
  if (random.chance(0.9)) {
    fields.push([...varint(8, longer()), ...varint(random.id(), longer())]);
  }
  if (random.chance(0.8)) {
    fields.push(withLength(2, random.bytes(random.below(40))));
  }
  if (random.chance(0.95)) {
    fields.push(withLength(kind, random.bytes(random.below(200))));
  }
  return fields;
}

// -- readHeader --------------------------------------------------------------

Deno.test("readHeader() finds the parts of a frame", () => {
  const bytes = hex("08 96 01  12 03 61 62 63  a2 01 02 0a 00");
  const { wrong, header } = read(bytes);
  assertEquals(wrong, undefined);
  assertEquals(header, {
    msgId: 150,
    entityStart: 5,
    entityEnd: 8,
    kind: 20,
    bodyStart: 8,
    contentStart: 11,
    bodyEnd: 13,
    end: 13,
  });
});

Deno.test("readHeader() takes a missing msg_id or entity_id for empty", () => {
  const { wrong, header } = read(hex("42 00"));
  assertEquals(wrong, undefined);
  assertEquals(header, {
    msgId: 0,
    entityStart: 0,
    entityEnd: 0,
    kind: 8,
    bodyStart: 0,
    contentStart: 2,
    bodyEnd: 2,
    end: 2,
  });
});

Deno.test("readHeader() reads what a plain reader reads", async () => {
  await forAll(2000, (random) => {
    const entity = "e".repeat(random.below(200));
    const kind = 3 + random.below(48);
    assertSame(
      frame(random.id(), entity, kind, random.bytes(random.below(500))),
    );
  });
});

Deno.test("readHeader() reads fields in any order and varints of any length", async () => {
  await forAll(3000, (random) => {
    const fields = random.shuffled(randomFields(random));
    assertSame(Uint8Array.from(fields.flat()));
  });
});

Deno.test("readHeader() reads damaged frames as a plain reader does", async () => {
  await forAll(4000, (random) => {
    const fields = random.shuffled([
      ...randomFields(random),
      ...(random.chance(0.2) ? randomFields(random) : []),
    ]);
    const bytes = Uint8Array.from(fields.flat());
    for (let i = random.below(3); i >= 0 && bytes.length > 0; i--) {
      bytes[random.below(bytes.length)] = random.below(256);
    }
    assertSame(bytes);
  });
});

Deno.test("readHeader() says of a frame cut short that it is, and whose it was", async () => {
  await forAll(200, (random) => {
    const msgId = random.id();
    const table = "table".slice(0, random.below(6));
    const bytes = frame(msgId, table, 27, random.bytes(random.below(150)));
    const msgIdEnd = msgId === 0 ? 0 : 1 + varint(msgId).length;
    for (let length = 0; length < bytes.length; length++) {
      const { wrong, header } = read(bytes.subarray(0, length));
      assert(wrong !== undefined, `${length} of ${bytes.length} bytes`);
      assertEquals(header.msgId, length < msgIdEnd ? 0 : msgId);
    }
    assertEquals(read(bytes).wrong, undefined);
  });
});

Deno.test("readHeader() takes any bytes, and reads nothing around them", async () => {
  await forAll(5000, (random) => {
    const bytes = random.bytes(random.below(24));
    const first = read(bytes, 0x00);
    assertEquals(first, read(bytes, 0xff));
    assertEquals(first, read(bytes, 0x08));
    const { header } = first;
    const ends = [
      0,
      header.bodyStart,
      header.contentStart,
      header.bodyEnd,
      bytes.length,
    ];
    assertEquals(ends, ends.toSorted((a, b) => a - b));
    assert(header.entityStart <= header.entityEnd);
    assert(header.entityEnd <= bytes.length);
    assertSame(bytes);
  });
});

Deno.test("readHeader() tells what is wrong, with the answer's address", () => {
  const cases: [string, string, number][] = [
    ["", "it holds no request", 0],
    ["08 07", "it holds no request", 7],
    ["08 07 42", "the length at byte 3 is cut short", 7],
    ["08 07 42 05 00", "field 8 at byte 2 needs 5 bytes, 1 are left", 7],
    ["08 07 12 05", "field 2 at byte 2 needs 5 bytes, 0 are left", 7],
    ["08 07 80", "the tag at byte 2 is cut short", 7],
    ["08 07 c2 80 80 80 80 00 00", "the tag at byte 2 is too long", 7],
    ["08 07 c2 80 80 80 10 00", "the tag at byte 2 is too long", 7],
    ["08 80", "msg_id at byte 0 is cut short", 0],
    ["09 00", "msg_id at byte 0 is no varint", 0],
    ["08 07 40 00", "field 8 at byte 2 has wire type 0", 7],
    ["08 07 02 00", "field 0 at byte 2 has wire type 2", 7],
    [
      "08 07 42 00 4a 00",
      "it holds two requests, of kind 8 and 9",
      7,
    ],
    // More than ten bytes are no varint.
    [
      "08 80 80 80 80 80 80 80 80 80 80 01 42 00",
      "msg_id at byte 0 is cut short",
      0,
    ],
    // A length of 2^32 - 1.
    [
      "08 07 42 ff ff ff ff 0f 00",
      "field 8 at byte 2 needs 4294967295 bytes, 1 are left",
      7,
    ],
  ];
  for (const [bytes, expected, msgId] of cases) {
    const { wrong, header } = read(hex(bytes));
    assertEquals([wrong, header.msgId], [expected, msgId]);
  }
});

Deno.test("readHeader() takes the last of several names, as protobuf does", () => {
  const bytes = hex("08 01 08 02 12 01 61 12 01 62 42 00");
  const { header } = read(bytes);
  assertEquals(header.msgId, 2);
  assertEquals([header.entityStart, header.entityEnd], [9, 10]);
});

// -- entityOf ----------------------------------------------------------------

function entity(name: Uint8Array): string {
  const bytes = message((it) => it.tag(2, 2).bytes(name).tag(8, 2).bytes(name));
  const header = newHeader();
  assertEquals(readHeader(bytes, header), undefined);
  return entityOf(bytes, header);
}

Deno.test("entityOf() reads names of any length and script", async () => {
  const encoder = new TextEncoder();
  const letters = ["a", "Z", "_", "7", " ", "é", "ß", "表", "🦕", "\0"];
  await forAll(1000, (random) => {
    const ascii = random.chance(0.5);
    const name = Array.from(
      { length: random.below(50) },
      () => random.pick(ascii ? letters.slice(0, 5) : letters),
    ).join("");
    assertEquals(entity(encoder.encode(name)), name);
  });
});

Deno.test("entityOf() refuses what isn't UTF-8", () => {
  const long = "61".repeat(40);
  for (const name of ["ff", "61 c3", "c3 28", "ed a0 80", `${long} ff`]) {
    assertThrows(() => entity(hex(name)), TypeError);
  }
});
