import { assertEquals, assertMatch } from "@std/assert";
import { forAll, type Random } from "../testing/random.ts";
import { checkText } from "./text.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** Characters of any length, those at the edges above all. */
function anyText(random: Random): string {
  const edges = [1, 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xfeff, 0xffff];
  const most = [0x10000, 0x10ffff];
  return Array.from({ length: random.below(30) }, () => {
    const point = random.chance(0.5)
      ? random.pick([...edges, ...most])
      : random.between(1, 0xd7ff);
    return String.fromCodePoint(point);
  }).join("");
}

Deno.test("checkText() lets every text through", async () => {
  await forAll(2000, (random) => {
    const text = anyText(random);
    assertEquals(checkText(encoder.encode(text)), undefined, text);
  });
});

Deno.test("checkText() says at which byte UTF-8 goes wrong", () => {
  const bad: readonly (readonly number[])[] = [
    // A continuation without a beginning.
    ...[[0x80], [0xbf], [0x80, 0x80]],
    // Never part of UTF-8.
    ...[[0xfe], [0xff], [0xc0, 0x80], [0xc1, 0xbf], [0xf5, 0x80, 0x80, 0x80]],
    // Cut off.
    ...[[0xc3], [0xe2], [0xe2, 0x82], [0xf0], [0xf0, 0x9f], [0xf0, 0x9f, 0x98]],
    // Overlong.
    ...[[0xe0, 0x80, 0x80], [0xe0, 0x9f, 0xbf], [0xf0, 0x80, 0x80, 0x80]],
    [0xf0, 0x8f, 0xbf, 0xbf],
    // Halves of surrogate pairs.
    ...[[0xed, 0xa0, 0x80], [0xed, 0xbf, 0xbf], [0xed, 0xb0, 0x80]],
    // Above U+10FFFF.
    ...[[0xf4, 0x90, 0x80, 0x80], [0xf7, 0xbf, 0xbf, 0xbf]],
    // Another character where a continuation should be.
    ...[[0xc3, 0x41], [0xe2, 0x41, 0x80], [0xe2, 0x82, 0x41], [0xc3, 0xc3]],
    [0xf0, 0x9f, 0x98, 0x41],
  ];
  for (const bytes of bad) {
    for (const before of ["", "abc", "é€😀"]) {
      const start = encoder.encode(before);
      for (const after of ["", "xyz"]) {
        const text = Uint8Array.of(
          ...start,
          ...bytes,
          ...encoder.encode(after),
        );
        const where = `${bytes.map((byte) => byte.toString(16))} in ${before}`;
        assertEquals(
          checkText(text),
          `text must be UTF-8, and isn't at byte ${start.length}`,
          where,
        );
      }
    }
  }
});

Deno.test("checkText() refuses what the platform's decoder refuses", async () => {
  await forAll(5000, (random) => {
    const bytes = encoder.encode(anyText(random));
    for (let i = random.below(3); i > 0 && bytes.length > 0; i--) {
      bytes[random.below(bytes.length)] = random.between(1, 255);
    }
    let isRight = true;
    try {
      decoder.decode(bytes);
    } catch {
      isRight = false;
    }
    assertEquals(checkText(bytes) === undefined, isRight, `${bytes}`);
  });
});

Deno.test("checkText() refuses U+0000 wherever it stands", () => {
  assertEquals(
    checkText(encoder.encode("ab\0c")),
    "text can't hold the character U+0000, at byte 2",
  );
  assertMatch(checkText(new Uint8Array(1))!, /at byte 0$/);
});
