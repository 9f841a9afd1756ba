import {
  assert,
  assertArrayIncludes,
  assertEquals,
  assertExists,
  assertGreater,
  assertGreaterOrEqual,
  assertInstanceOf,
  AssertionError,
  assertLess,
  assertLessOrEqual,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
  fail,
  unreachable,
} from "@std/assert";

// The assertions are not trusted to test themselves: this is plain code.

/** The message of the `AssertionError` that `fn` throws. */
function failureOf(fn: () => unknown): string {
  try {
    fn();
  } catch (error) {
    if (error instanceof AssertionError) return error.message;
    throw error;
  }
  throw new Error(`No failure of ${fn}`);
}

/** The same for a promise. */
async function rejectionOf(promise: Promise<unknown>): Promise<string> {
  const outcome = await promise.then(() => undefined, (error) => error);
  if (outcome instanceof AssertionError) return outcome.message;
  throw new Error(`No failure but ${outcome}`);
}

function same(actual: unknown, expected: unknown): void {
  if (actual !== expected) {
    throw new Error(`${JSON.stringify(actual)}, not ${expected}`);
  }
}

function has(text: string, ...parts: string[]): void {
  for (const part of parts) {
    if (!text.includes(part)) throw new Error(`No "${part}" in:\n${text}`);
  }
}

Deno.test("AssertionError has its name, message and cause", () => {
  const error = new AssertionError("text", { cause: 7 });
  same(
    `${error.name}, ${error.message}, ${error.cause}`,
    "AssertionError, text, 7",
  );
  same(error instanceof Error, true);
});

Deno.test("assert() takes the truthy and narrows the type", () => {
  const value = "text" as string | undefined;
  assert(value);
  same(value.length, 4);
  same(failureOf(() => assert(0, "no zero")), "no zero");
  failureOf(() => assert(""));
});

Deno.test("assertEquals() compares deeply", () => {
  assertEquals({ a: [1, { b: new Date(5) }] }, { a: [1, { b: new Date(5) }] });
  assertEquals(new Uint8Array([1, 2]), new Uint8Array([1, 2]));
  assertEquals(new Map([["k", new Set([1])]]), new Map([["k", new Set([1])]]));
  assertEquals(NaN, NaN);
  failureOf(() => assertEquals<unknown>({ a: undefined }, {}));
  failureOf(() => assertEquals<unknown>([1], new Uint8Array([1])));
  failureOf(() => assertEquals<unknown>(1, "1"));
});

Deno.test("assertEquals() shows what was found and what was expected", () => {
  const actual = { name: "a", list: [1, 2, 3] };
  const expected = { name: "a", list: [1, 2, 4] };
  const text = failureOf(() => assertEquals(actual, expected, "my text"));
  has(text, "Values are not equal: my text", "+     3", "-     4");
  has(failureOf(() => assertEquals("abc", "abd")), "'abc' !== 'abd'");
});

Deno.test("assertNotEquals() compares deeply", () => {
  assertNotEquals({ a: 1 }, { a: 2 });
  has(
    failureOf(() => assertNotEquals({ a: 1 }, { a: 1 }, "mine")),
    "{ a: 1 }",
    "mine",
  );
});

Deno.test("assertStrictEquals() compares by identity", () => {
  const value = {};
  assertStrictEquals(value, value);
  assertStrictEquals(NaN, NaN);
  has(
    failureOf(() => assertStrictEquals({ a: 1 }, { a: 1 })),
    "not the same",
    "{ a: 1 }",
  );
  has(failureOf(() => assertStrictEquals(1, 2, "mine")), "1 !== 2", "mine");
  failureOf(() => assertStrictEquals(0, -0));
});

Deno.test("assertExists() refuses null and undefined only", () => {
  for (const value of [0, "", false, NaN]) assertExists(value);
  has(failureOf(() => assertExists(null, "mine")), "null", "mine");
  has(failureOf(() => assertExists(undefined)), "undefined");
});

Deno.test("assertThrows() returns the error and checks its class and text", () => {
  const bad = () => {
    throw new RangeError("out of range");
  };
  same(assertThrows(bad, RangeError, "of range").message, "out of range");
  assertThrows(bad, Error);
  assertThrows(bad, "a text");
  assertThrows(() => {
    throw "no error";
  });
  has(
    failureOf(() => assertThrows(() => 1, Error, "", "mine")),
    "to throw",
    "mine",
  );
  has(failureOf(() => assertThrows(() => 1, "mine")), "to throw", "mine");
  has(
    failureOf(() => assertThrows(bad, TypeError)),
    '"TypeError"',
    "out of range",
  );
  has(
    failureOf(() => assertThrows(bad, RangeError, "other")),
    "out of range",
    "other",
  );
});

Deno.test("assertRejects() returns the error and checks its class and text", async () => {
  const bad = () => Promise.reject(new RangeError("out of range"));
  same(
    (await assertRejects(bad, RangeError, "of range")).message,
    "out of range",
  );
  await assertRejects(bad);
  has(
    await rejectionOf(assertRejects(() => Promise.resolve(), "mine")),
    "to reject",
    "mine",
  );
  has(
    await rejectionOf(assertRejects(bad, TypeError)),
    '"TypeError"',
    "out of range",
  );
  has(
    await rejectionOf(assertRejects(bad, RangeError, "other")),
    "out of range",
    "other",
  );
  const throwing = () => {
    throw new Error("at once");
  };
  has(await rejectionOf(assertRejects(throwing)), "throws", "at once");
  const notPromise = () => 1 as unknown as Promise<void>;
  has(await rejectionOf(assertRejects(notPromise)), "return a promise");
});

Deno.test("assertMatch() and assertStringIncludes() look into a text", () => {
  assertMatch("port 8080", /\d{4}$/);
  assertStringIncludes("port 8080", "80");
  has(
    failureOf(() => assertMatch("port", /\d/, "mine")),
    "'port'",
    "/\\d/",
    "mine",
  );
  has(
    failureOf(() => assertStringIncludes("port", "x", "mine")),
    "'port'",
    "'x'",
    "mine",
  );
});

Deno.test("assertArrayIncludes() looks for all values, deeply", () => {
  assertArrayIncludes([1, { a: 1 }, 3], [{ a: 1 }, 3]);
  assertArrayIncludes(new Uint8Array([1, 2]), [2]);
  has(
    failureOf(() => assertArrayIncludes([1, 2], [2, 3], "mine")),
    "missing: [ 3 ]",
    "mine",
  );
});

Deno.test("assertGreater() and its kin compare", () => {
  assertGreater(2, 1);
  assertGreaterOrEqual(2, 2);
  assertLess("a", "b");
  assertLessOrEqual(new Date(1), new Date(1));
  has(failureOf(() => assertGreater(1, 1, "mine")), "1 > 1", "mine");
  has(failureOf(() => assertGreaterOrEqual(1, 2)), "1 >= 2");
  has(failureOf(() => assertLess(1, 1)), "1 < 1");
  has(failureOf(() => assertLessOrEqual(2, 1)), "2 <= 1");
  failureOf(() => assertLess(NaN, 1));
});

Deno.test("assertInstanceOf() narrows the type", () => {
  const value: unknown = new RangeError("text");
  assertInstanceOf(value, Error);
  same(value.message, "text");
  has(
    failureOf(() => assertInstanceOf(7, Date, "mine")),
    '"Date"',
    "7",
    "mine",
  );
});

Deno.test("fail() and unreachable() always throw", () => {
  has(failureOf(() => fail("mine")), "mine");
  has(failureOf(() => unreachable("mine")), "mine");
});
