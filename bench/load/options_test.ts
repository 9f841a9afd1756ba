import { assertEquals } from "@std/assert";
import { loadOptions } from "./options.mjs";

Deno.test("the echo's option is a request, a length, or frames in a file", async () => {
  assertEquals(loadOptions([]).echo, undefined);
  assertEquals(loadOptions(["--echo=request"]).echo, "request");
  assertEquals(loadOptions(["--echo=1234"]).echo, 1234);
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(file, "CAE=,CAIQ,/+8=");
    const { echo } = loadOptions([`--echo=@${file}`]);
    assertEquals(
      (echo as Uint8Array[]).map((frame) => [...frame]),
      [[8, 1], [8, 2, 16], [255, 239]],
    );
  } finally {
    await Deno.remove(file);
  }
});
