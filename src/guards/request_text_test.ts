import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Kind } from "../protocol/kinds.ts";
import { takesData } from "../protocol/requests.ts";
import { bytesOf, makeView } from "../testing/hostile/requests.ts";
import { badText, PLACES } from "../testing/hostile/strings.ts";
import { forAll, type Random } from "../testing/random.ts";
import { checkData } from "./data.ts";
import { DEFAULT_PAYLOAD_LIMITS } from "./payload.ts";
import { checkStrings } from "./request_text.ts";

const RULES = { line: "5", limits: DEFAULT_PAYLOAD_LIMITS } as const;

for (const [place, make] of Object.entries(PLACES)) {
  Deno.test(`checkStrings() or checkData() refuses what isn't text in ${place}`, async () => {
    const check = (bad: Uint8Array, random: Random) => {
      const { kind, entity, content } = make(bad, random);
      return checkStrings(kind, bytesOf(entity), content) ??
        (takesData(kind) ? checkData(kind, content, RULES) : undefined);
    };
    await forAll(50, (random) => {
      const refusal = check(badText(random), random);
      assert(refusal !== undefined);
      assertStringIncludes(refusal, place.includes("key") ? "" : "text");
      const fine = check(bytesOf("Zoë👍"), random);
      // Keys of two rows may be alike, which is another matter.
      assertEquals(fine, undefined);
    });
  });
}

Deno.test("checkStrings() says which, and where", () => {
  const { kind, entity, content } = makeView("t", "v", {
    filters: [["a", "==", "b", Uint8Array.of(0x61, 0x80)]],
  });
  assertEquals(
    checkStrings(kind, bytesOf(entity), content),
    "value: text must be UTF-8, and isn't at byte 1",
  );
});

Deno.test("checkStrings() passes over what engines pass over", () => {
  // A field that there isn't, and one of another type.
  const content = Uint8Array.of(0x7a, 1, 0xff, 0x08, 1);
  assertEquals(
    checkStrings(Kind.TABLE_MAKE_VIEW, bytesOf("t"), content),
    undefined,
  );
});
