import { assertEquals } from "@std/assert";
import { hasKind, Kind, kindInfo, kindName, SERVER_ERROR } from "./kinds.ts";

/** The kinds that do something, and what; every other one is a read. */
const EFFECTS: Record<string, number[]> = {
  change: [5, 27, 28, 31, 32, 33, 38],
  make_view: [6],
  delete_view: [11],
  view_state: [18, 19, 23],
  subscribe: [21, 29, 34, 39],
  unsubscribe: [22, 30, 35, 37, 40],
};

Deno.test("Kind has every number from 3 to 40 once", () => {
  assertEquals(
    Object.values(Kind).toSorted((a, b) => a - b),
    Array.from({ length: 38 }, (_, i) => i + 3),
  );
});

Deno.test("kindInfo() says what each kind does", () => {
  for (const kind of Object.values(Kind)) {
    const { effect } = kindInfo(kind)!;
    const expected = Object.keys(EFFECTS).find((it) =>
      EFFECTS[it]!.includes(kind)
    );
    assertEquals(effect, expected ?? "read", kindName(kind));
  }
});

Deno.test("kindInfo() calls kinds by their names in the protocol", () => {
  for (const [name, kind] of Object.entries(Kind)) {
    assertEquals(kindInfo(kind)!.name, name.toLowerCase());
  }
});

Deno.test("kindInfo() knows whose name a request carries", () => {
  for (const kind of Object.values(Kind)) {
    const { name, entity } = kindInfo(kind)!;
    const expected = name.startsWith("view_")
      ? "view"
      : name.includes("table") && !name.includes("hosted")
      ? "table"
      : "server";
    assertEquals(entity, expected, name);
  }
});

Deno.test("kindInfo() pairs each unsubscribing with its subscription", () => {
  const pairs = Object.values(Kind).flatMap((kind) => {
    const { ends } = kindInfo(kind)!;
    return ends === undefined ? [] : [[kind, ends]];
  });
  assertEquals(pairs.toSorted((a, b) => a[0]! - b[0]!), [
    [22, 21],
    [30, 29],
    [35, 34],
    [37, 4],
    [40, 39],
  ]);
});

Deno.test("kindInfo() knows nothing else", () => {
  for (const kind of [0, 1, 2, 41, 49, SERVER_ERROR, 51, 2 ** 29 - 1]) {
    assertEquals(kindInfo(kind), undefined);
    assertEquals(kindName(kind), `unknown (${kind})`);
    assertEquals([hasKind("3", kind), hasKind("5", kind)], [false, false]);
  }
});

Deno.test("hasKind() knows which line has what", () => {
  for (const kind of Object.values(Kind)) {
    assertEquals(hasKind("5", kind), true);
    assertEquals(hasKind("3", kind), kind < 38, kindName(kind));
  }
});
