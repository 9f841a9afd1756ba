import { assertEquals, assertStringIncludes } from "@std/assert";
import { forAll } from "../testing/random.ts";
import { checkCsv } from "./csv.ts";
import { DEFAULT_PAYLOAD_LIMITS, payloadLimits } from "./payload.ts";
import { anyCsv, anyNames } from "../testing/payloads.ts";

const encoder = new TextEncoder();

const check = (text: string, limits = DEFAULT_PAYLOAD_LIMITS) =>
  checkCsv(encoder.encode(text), limits);

Deno.test("checkCsv() lets tables through", async () => {
  await forAll(3000, (random) => {
    const text = anyCsv(random, anyNames(random));
    assertEquals(check(text), undefined, text);
  });
});

Deno.test("checkCsv() lets through what the engine itself sees to", () => {
  const fine = [
    ...[
      "",
      "\n\n",
      "\ufeff",
      "k",
      "k,s",
      "k,s\n",
      ",",
      ",,\n1,2,3",
      "k,k\n1,2",
    ],
    ...[
      "k,s\n1",
      "k,s\n1,2,3",
      "k,s\n\n1,a\n",
      'k,s\n1,a"b\n',
      'k,s\n1,"a"b"\n',
    ],
    ...['k,s\n1,"a""b"\n', 'k,s\n1,"a\nb"', "k;s\n1;a", "k\tb", 'k,"s\n"\n1,2'],
    ...[
      "a\rb\rc",
      "k,s\r\n1,2\r\n",
      "k\nNaN\n1e999\n",
      '"",""\n"",""',
      "__INDEX__\n1",
    ],
  ];
  for (const text of fine) assertEquals(check(text), undefined, text);
});

Deno.test("checkCsv() refuses a quote that doesn't end", async () => {
  await forAll(500, (random) => {
    const text = anyCsv(random, ["k", "s"]).replaceAll('"', "").trim();
    const tail = random.pick(["", "abc\n1,2\n", '""', '""""x', "\n".repeat(9)]);
    const refusal = check(`${text}\n1,"${tail}`)!;
    assertStringIncludes(
      refusal,
      'column "s": this quote doesn\'t end, at byte ',
    );
  });
  assertEquals(
    check('k,s\n1,a\n2,"b\n3,c\n'),
    'row 2, column "s": this quote doesn\'t end, at byte 10',
  );
  assertEquals(
    check('k,"s\n1,a\n'),
    "header, column 2: this quote doesn't end, at byte 2",
  );
});

Deno.test("checkCsv() refuses the engine's own names", () => {
  for (const name of ["psp_pkey", "psp_okey", "psp_op"]) {
    const quotedParts = `"${name.slice(0, 3)}"${name.slice(3)}`;
    for (const written of [name, `"${name}"`, quotedParts]) {
      for (const mark of ["", "\ufeff"]) {
        for (const text of [`${written},s\n1,a`, `k,${written}`]) {
          assertEquals(
            check(mark + text),
            `column "${name}": the engine uses this name itself`,
            text,
          );
        }
      }
    }
    assertEquals(check(`k\n${name}\n`), undefined);
  }
});

Deno.test("checkCsv() lets few names be repeated", () => {
  for (const name of ["", "k", '"k"']) {
    const header = (count: number) => Array(count).fill(name).join();
    assertEquals(check(`${header(101)}\n`), undefined);
    assertEquals(
      check(`${header(102)}\n`),
      "header: more than 100 columns have the name of another one",
    );
    assertEquals(check(`k\n${header(200)}\n`), undefined);
  }
});

Deno.test("checkCsv() keeps to its limits", () => {
  const limits = payloadLimits({
    maxRows: 2,
    maxColumns: 3,
    maxNameLength: 4,
    maxStringLength: 4,
  });
  assertEquals(check("k,name\n1,abcd\n2,abcd\n", limits), undefined);
  assertEquals(check("k\n1\n2\n3\n", limits), "there are more than 2 rows");
  assertEquals(check("a,b,c,d\n", limits), "there are more than 3 columns");
  assertEquals(check("a\n1,2,3,4\n", limits), "there are more than 3 columns");
  assertEquals(
    check("k,names\n", limits),
    'column "names": its name has 5 bytes, at most 4 are allowed',
  );
  assertEquals(
    check('k,s\n1,a\n2,"abc"\n', limits),
    'row 2, column "s": this value has 5 bytes, at most 4 are allowed, at byte 10',
  );
  assertStringIncludes(check("k\n1,abcde\n", limits)!, "row 1, column 2: ");
  assertEquals(check("k\n", payloadLimits({ maxRows: 0 })), undefined);
  assertEquals(
    check("a,b\n1,1\n,\n,\n", payloadLimits({ maxExpandedSize: 128 })),
    "the engine would make more than 128 bytes of this",
  );
});

Deno.test("checkCsv() refuses bytes that aren't UTF-8, and U+0000", () => {
  const text = (byte: number) =>
    checkCsv(Uint8Array.of(0x6b, 0x0a, byte), DEFAULT_PAYLOAD_LIMITS);
  assertEquals(text(0xff), "text must be UTF-8, and isn't at byte 2");
  assertEquals(text(0), "text can't hold the character U+0000, at byte 2");
});
