import { assertEquals } from "@std/assert";
import { NO_BYTES, Reframed } from "../protocol/frame.ts";
import { Tables } from "./tables.ts";

const JOIN = new Reframed(0, NO_BYTES, NO_BYTES);

/** A view that a client asks for, and the engine makes. */
function madeView(tables: Tables, table: string): void {
  tables.addView(table);
  tables.open(table);
  tables.confirm(table);
}

Deno.test("Tables knows views of clients from those of engines", () => {
  const tables = new Tables();
  const state = (table = "t") => ({
    has: tables.hasViews(table),
    isOpen: tables.isOpen(table),
    isUnsure: tables.isUnsure(table),
  });
  const none = { has: false, isOpen: false, isUnsure: false };
  assertEquals(state(), none);
  tables.addView("t");
  tables.open("t");
  assertEquals(state(), { has: true, isOpen: true, isUnsure: true });
  tables.addView("t"); // it is shared
  tables.confirm("t");
  assertEquals(state(), { has: true, isOpen: true, isUnsure: false });
  assertEquals(state("u"), none, "of other tables nothing is known");
  tables.dropView("t");
  assertEquals(state().has, true);
  tables.dropView("t");
  assertEquals(state(), { has: false, isOpen: true, isUnsure: false });
  assertEquals(tables.size, 1);
  tables.viewGone("t");
  assertEquals([state(), tables.size], [none, 0]);
});

Deno.test("Tables.isUnsure() until every view is made, or not", () => {
  const tables = new Tables();
  for (let i = 0; i < 2; i++) {
    tables.addView("t");
    tables.open("t");
  }
  tables.confirm("t");
  assertEquals(tables.isUnsure("t"), true);
  // The other can't be made.
  tables.confirm("t");
  tables.dropView("t");
  assertEquals(tables.viewGone("t"), undefined);
  assertEquals([tables.isUnsure("t"), tables.hasViews("t")], [false, true]);
});

Deno.test("Tables.viewGone() gives back the lazy deletes with the last view", () => {
  const tables = new Tables();
  madeView(tables, "t");
  madeView(tables, "t");
  madeView(tables, "u");
  tables.deleteLazily("t", 7);
  tables.deleteLazily("t", 9);
  tables.deleteLazily("u", 8);
  assertEquals([tables.waiting, [...tables.hidden]], [3, ["t", "u"]]);
  tables.dropView("t");
  assertEquals(tables.viewGone("t"), undefined);
  tables.dropView("t");
  assertEquals(tables.viewGone("t")?.waiting, [7, 9]);
  assertEquals([tables.waiting, [...tables.hidden]], [1, ["u"]]);
  assertEquals(tables.isGoing("t"), false, "it has gone");
});

Deno.test("Tables.deleteLazily() without a number waits in the engine", () => {
  const tables = new Tables();
  madeView(tables, "t");
  assertEquals(tables.isGoing("t"), false);
  tables.deleteLazily("t");
  assertEquals(tables.isGoing("t"), true);
  // The engine hides it itself.
  assertEquals([tables.waiting, [...tables.hidden]], [0, []]);
  tables.dropView("t");
  assertEquals(tables.viewGone("t")?.waiting, []);
});

Deno.test("Tables.whenGone() calls once the table goes, if it is about to", () => {
  const tables = new Tables();
  const called: string[] = [];
  const whenGone = (what: string) =>
    tables.whenGone("t", () => called.push(what));
  assertEquals(whenGone("without views"), false);
  madeView(tables, "t");
  madeView(tables, "t");
  tables.dropView("t");
  tables.dropView("t");
  assertEquals(whenGone("that nobody deletes"), false);
  tables.addView("t");
  tables.deleteLazily("t", 7);
  assertEquals(whenGone("that a client has a view of"), false);
  tables.dropView("t");
  assertEquals(whenGone("first"), true);
  assertEquals(whenGone("second"), true);
  assertEquals(tables.whenGone("u", () => called.push("another")), false);
  assertEquals(tables.viewGone("t"), undefined);
  assertEquals(called, [], "the engine has one more");
  const gone = tables.viewGone("t");
  assertEquals(called, [], "whoever sees to the delete says when");
  gone?.whenGone.forEach((tell) => tell());
  assertEquals([called, gone?.waiting], [["first", "second"], [7]]);
  assertEquals(whenGone("afterwards"), false);
});

Deno.test("Tables forgets a delete with its table", () => {
  const tables = new Tables();
  madeView(tables, "t");
  tables.deleteLazily("t", 7);
  tables.dropView("t");
  tables.viewGone("t");
  madeView(tables, "t"); // of a new table
  assertEquals([tables.isGoing("t"), tables.waiting], [false, 0]);
  tables.dropView("t");
  assertEquals(tables.viewGone("t")?.waiting, []);
});

Deno.test("Tables takes what it hears of tables that it doesn't know", () => {
  const tables = new Tables();
  tables.dropView("t");
  tables.confirm("t");
  assertEquals(tables.viewGone("t"), undefined);
  assertEquals(tables.size, 0);
});

Deno.test("Tables.sourcesOf() finds what a join is made of, through joins", () => {
  const tables = new Tables();
  tables.addJoin("ab", ["a", "b"], JOIN);
  tables.addJoin("abc", ["ab", "c"], JOIN);
  assertEquals(tables.sourcesOf("a"), []);
  assertEquals([...tables.sourcesOf("abc")].sort(), ["a", "ab", "b", "c"]);
  assertEquals(tables.joinOf("a"), "ab");
  // ENGINE 9.14: by engines, joins of joins aren't protected.
  assertEquals(tables.joinOf("ab"), "abc");
  assertEquals(tables.joinOf("abc"), undefined);
  tables.removed("ab");
  assertEquals([tables.joinOf("a"), tables.joinOf("c")], [undefined, "abc"]);
});

const META = { options: NO_BYTES, isIndexed: false };

Deno.test("Tables.groups() has joins together with what they are made of", () => {
  const tables = new Tables();
  for (const name of ["a", "b", "c", "d", "e"]) tables.add(name, META);
  tables.addJoin("ab", ["a", "b"], JOIN);
  tables.addJoin("cd", ["c", "d"], JOIN);
  assertEquals(tables.groups(), [
    ["e"],
    ["a", "b", "ab"],
    ["c", "d", "cd"],
  ]);
  tables.addJoin("abcd", ["ab", "cd"], JOIN);
  // Each comes after its sources.
  assertEquals(tables.groups(), [
    ["e"],
    ["a", "b", "ab", "c", "d", "cd", "abcd"],
  ]);
  tables.removed("abcd");
  tables.removed("cd");
  assertEquals(tables.groups(), [["c"], ["d"], ["e"], ["a", "b", "ab"]]);
});

Deno.test("Tables.groups() of a join whose sources were deleted", () => {
  const tables = new Tables();
  tables.add("a", META);
  tables.addJoin("aa", ["a", "a"], JOIN);
  assertEquals(tables.groups(), [["a", "aa"]]);
  tables.removed("a");
  assertEquals(tables.groups(), []);
});

Deno.test("Tables.origin() knows how a table was made", () => {
  const tables = new Tables();
  assertEquals(tables.origin("t"), undefined);
  tables.addPort("t"); // of none
  tables.add("t", META);
  tables.addPort("t");
  tables.addPort("t");
  assertEquals([tables.origin("t")?.meta, tables.origin("t")?.ports], [
    META,
    2,
  ]);
  tables.addJoin("tt", ["t", "t"], JOIN);
  assertEquals([tables.origin("tt"), tables.joinRequest("tt")], [
    undefined,
    JOIN,
  ]);
  assertEquals(tables.joinRequest("t"), undefined);
  tables.add("t", META); // line 3 says so, and leaves it as it is
  assertEquals(tables.origin("t")?.ports, 2);
  tables.removed("t");
  tables.removed("tt");
  assertEquals([tables.origin("t"), tables.joinRequest("tt")], [
    undefined,
    undefined,
  ]);
});

Deno.test("Tables.clear() forgets all", () => {
  const tables = new Tables();
  madeView(tables, "t");
  tables.deleteLazily("t", 7);
  tables.addJoin("ab", ["a", "b"], JOIN);
  tables.clear();
  assertEquals(
    [tables.size, tables.waiting, tables.joinOf("a"), tables.hasViews("t")],
    [0, 0, undefined, false],
  );
});
