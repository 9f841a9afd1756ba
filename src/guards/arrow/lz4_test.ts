import { assertEquals } from "@std/assert";
import { forAll } from "../../testing/random.ts";
import { decompressLz4 } from "./lz4.ts";

// Magic, version 1 with independent blocks, 64 KB at most, no checks.
const HEADER = "04224d18 60 40 82";
const END = "00000000";

function frame(...blocks: readonly string[]): Uint8Array {
  const hex = [HEADER, ...blocks, END].join("");
  return Uint8Array.fromHex(hex.replaceAll(/\s/g, ""));
}

function text(bytes: Uint8Array | undefined): string | undefined {
  return bytes && new TextDecoder().decode(bytes);
}

// Three literals and a match of 4 + 5 from 3 back, then five literals.
const REPEATED = "0c000000 35616263 0300 50 76777879 7a";

Deno.test("decompressLz4() repeats what stands before", () => {
  assertEquals(text(decompressLz4(frame(REPEATED), 17)), "abcabcabcabcvwxyz");
});

Deno.test("decompressLz4() goes on in the next block, stored or not", () => {
  const bytes = frame(REPEATED, "02000080 3132");
  assertEquals(text(decompressLz4(bytes, 19)), "abcabcabcabcvwxyz12");
});

Deno.test("decompressLz4() repeats a long match that overlaps", () => {
  for (const distance of [1, 2, 3, 7]) {
    const literals = "abcdefg".slice(0, distance);
    const token = (distance * 16 + 15).toString(16).padStart(2, "0");
    const hex = [...literals].map((it) => it.charCodeAt(0).toString(16)).join(
      "",
    );
    // 15 + 4 + 255 + 26 is a match of 300.
    const block = `${token}${hex} 0${distance}00 ff1a 10 7a`.replaceAll(
      " ",
      "",
    );
    const length = (block.length / 2).toString(16).padStart(2, "0");
    const bytes = frame(`${length}000000${block}`);
    const size = distance + 300 + 1;
    const expected = literals.repeat(400).slice(0, size - 1) + "z";
    assertEquals(text(decompressLz4(bytes, size)), expected);
  }
});

Deno.test("decompressLz4() gives nothing if the size is another", () => {
  for (const size of [0, 16, 18, 1000]) {
    assertEquals(decompressLz4(frame(REPEATED), size), undefined);
  }
});

Deno.test("decompressLz4() gives nothing if a match starts before the text", () => {
  assertEquals(
    decompressLz4(frame("0c000000 35616263 0400 50 76777879 7a"), 17),
    undefined,
  );
  assertEquals(
    decompressLz4(frame("0c000000 35616263 0000 50 76777879 7a"), 17),
    undefined,
  );
});

Deno.test("decompressLz4() writes no more than the size, whatever comes", async () => {
  const good = frame(REPEATED, "02000080 3132");
  for (let end = 0; end < good.length; end++) {
    assertEquals(decompressLz4(good.subarray(0, end), 19), undefined);
  }
  await forAll(2000, (random) => {
    const bytes = good.slice();
    for (let left = random.between(1, 3); left > 0; left--) {
      bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
    }
    assertEquals(decompressLz4(bytes, 19)?.length ?? 19, 19);
  });
});
