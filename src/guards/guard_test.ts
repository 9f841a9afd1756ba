import { assert, assertEquals } from "@std/assert";
import { Kind } from "../protocol/kinds.ts";
import { type Fill, message } from "../testing/frames.ts";
import { Guard } from "./guard.ts";
import { DEFAULT_PAYLOAD_LIMITS } from "./payload.ts";

const RULES = { line: "3", limits: DEFAULT_PAYLOAD_LIMITS } as const;

/** The content of a `table_update` with `text` as rows. */
function rows(text: string): Uint8Array {
  const fill: Fill = (it) => it.tag(1, 2).fork().tag(4, 2).string(text).join();
  return message(fill);
}

const LONG = rows(JSON.stringify(Array(10_000).fill({ x: 1 })));
const LONG_AND_WRONG = rows(`[${"1,".repeat(50_000)}1]`);

Deno.test("Guard.check() looks at what is short at once", () => {
  const guard = new Guard();
  const check = (text: string) =>
    guard.check(Kind.TABLE_UPDATE, rows(text), RULES);
  assertEquals(check('[{"x":1}]'), undefined);
  assert(typeof check("[1]") === "string");
  guard.close();
});

Deno.test("Guard.check() looks at what is long on its thread, in order", async () => {
  const guard = new Guard();
  const before = LONG.slice();
  const answers: number[] = [];
  const found = await Promise.all(
    [LONG, LONG_AND_WRONG, LONG].map(async (content, i) => {
      const found = await guard.check(Kind.TABLE_UPDATE, content, RULES);
      answers.push(i);
      return typeof found;
    }),
  );
  assertEquals(found, ["undefined", "string", "undefined"]);
  assertEquals(answers, [0, 1, 2]);
  assertEquals(LONG, before, "the frame is the router's");
  guard.close();
});

Deno.test("Guard.close() refuses what waits", async () => {
  const guard = new Guard();
  const waiting = guard.check(Kind.TABLE_UPDATE, LONG, RULES);
  guard.close();
  assertEquals(await waiting, "The server is closed");
  assertEquals(
    guard.check(Kind.TABLE_UPDATE, LONG, RULES),
    "The server is closed",
  );
});
