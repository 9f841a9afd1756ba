import { assertEquals } from "@std/assert";
import { Kind } from "../protocol/kinds.ts";
import { errorOf, makeView, message, parts, uint } from "../testing/frames.ts";
import { routing, tinyRouting } from "../testing/routing.ts";
import { type Later, Lingering } from "./lingering.ts";
import type { Replica } from "./replica.ts";
import type { EngineView } from "./view.ts";

const { TABLE_MAKE_VIEW, VIEW_DELETE, VIEW_ON_UPDATE, TABLE_UPDATE } = Kind;

/** A clock that a test moves. */
function clock() {
  const waiting = new Map<() => void, number>();
  return {
    waiting,
    later: (ms: number, callback: () => void) => {
      waiting.set(callback, ms);
      return () => void waiting.delete(callback);
    },
    /** Lets so many milliseconds go by. */
    pass: (ms: number) => {
      for (const [callback, left] of [...waiting]) {
        waiting.set(callback, left - ms);
        if (left > ms) continue;
        waiting.delete(callback);
        callback();
      }
    },
  };
}

/** A router in which views linger for a second, by the clock `later`. */
const lingers = (later: Later) =>
  tinyRouting({ sharing: true, viewLinger: 1000, later });

const config = (column: string) =>
  message((writer) => writer.tag(1, 2).string(column));

// -- As clients see it ---------------------------------------------------------

Deno.test("A view that nobody has any more stays for a while", () => {
  const { later, pass, waiting } = clock();
  const { engine, router, open } = lingers(later);
  const first = open();
  first.ask(1, "t", TABLE_MAKE_VIEW, makeView("a", config("x")));
  first.ask(2, "a", VIEW_DELETE);
  assertEquals(engine.steps, ["table_make_view"]);
  assertEquals(router.stats().views, 0);
  assertEquals(router.stats().lingeringViews, 1);
  pass(999);
  const second = open();
  second.ask(1, "t", TABLE_MAKE_VIEW, makeView("b", config("x")));
  assertEquals(engine.steps, ["table_make_view"]); // the same
  assertEquals(waiting.size, 0);
  second.session.close();
  pass(999);
  assertEquals(router.stats().engineViews, 1);
  pass(1);
  assertEquals(engine.steps, ["table_make_view", "view_delete"]);
  assertEquals(router.stats().engineViews, 0);
});

Deno.test("A view that lingers isn't pushed to", () => {
  const { later } = clock();
  const { engine, open } = lingers(later);
  const client = open();
  client.ask(1, "t", TABLE_MAKE_VIEW, makeView("a"));
  client.ask(2, "a", VIEW_ON_UPDATE);
  client.ask(3, "a", VIEW_DELETE);
  assertEquals(engine.steps.at(-1), "view_remove_on_update");
  client.ask(4, "t", TABLE_MAKE_VIEW, makeView("b"));
  client.ask(5, "t", TABLE_UPDATE);
  assertEquals(client.take().map((it) => parts(it).msgId), [1, 3, 4, 5]);
});

Deno.test("A view whose engine records rows doesn't linger", () => {
  const { later, waiting } = clock();
  const { engine, open } = lingers(later);
  const client = open();
  client.ask(1, "t", TABLE_MAKE_VIEW, makeView("a"));
  client.ask(2, "a", VIEW_ON_UPDATE, uint(1, 0));
  client.ask(3, "a", VIEW_DELETE);
  assertEquals(engine.steps.at(-1), "view_delete");
  assertEquals(waiting.size, 0);
});

Deno.test("A view that lingers doesn't hinder deleting its table", () => {
  for (const isImmediate of [0, 1]) {
    const { later, waiting } = clock();
    const { engine, router, open } = lingers(later);
    const client = open();
    client.ask(1, "t", TABLE_MAKE_VIEW, makeView("a"));
    client.ask(2, "a", VIEW_DELETE);
    client.ask(3, "t", Kind.TABLE_DELETE, uint(1, isImmediate));
    assertEquals(engine.steps.slice(1), ["view_delete", "table_delete+"]);
    assertEquals(router.stats().waitingDeletes, 0);
    assertEquals(waiting.size, 0);
  }
});

Deno.test("A view of a table that goes with it doesn't linger", () => {
  const { later } = clock();
  const { engine, open } = lingers(later);
  const client = open();
  client.ask(1, "t", TABLE_MAKE_VIEW, makeView("a"));
  client.ask(2, "t", Kind.TABLE_DELETE);
  client.ask(3, "a", VIEW_DELETE);
  assertEquals(engine.steps.at(-1), "view_delete");
});

Deno.test("With viewLinger 0, or without sharing, none stays", () => {
  for (const options of [{ viewLinger: 0 }, { sharing: false }]) {
    const { later, waiting } = clock();
    const { engine, open } = tinyRouting({
      sharing: true,
      viewLinger: 1000,
      later,
      ...options,
    });
    const client = open();
    client.ask(1, "t", TABLE_MAKE_VIEW, makeView("a"));
    client.ask(2, "a", VIEW_DELETE);
    assertEquals(engine.steps, ["table_make_view", "view_delete"]);
    assertEquals(waiting.size, 0);
  }
});

Deno.test("Views that linger make room for one that finds no memory", () => {
  const { later } = clock();
  const { engine, open } = routing({ sharing: true, viewLinger: 1000, later });
  const client = open();
  client.ask(1, "t", TABLE_MAKE_VIEW, makeView("a", config("x")));
  engine.answer(engine.last);
  client.ask(2, "a", VIEW_DELETE);
  client.ask(3, "t", TABLE_MAKE_VIEW, makeView("b", config("y")));
  engine.refuse(engine.last, "std::bad_alloc");
  assertEquals(engine.steps.slice(2), ["view_delete", "table_make_view"]);
  // Once: there is nothing more to give.
  engine.refuse(engine.last, "std::bad_alloc");
  assertEquals(engine.steps.length, 4);
  assertEquals(errorOf(client.take().at(-1)!).message, "std::bad_alloc");
});

Deno.test("The clock is stopped when the router closes", async () => {
  const { later, waiting } = clock();
  const { router, open } = lingers(later);
  const client = open();
  client.ask(1, "t", TABLE_MAKE_VIEW, makeView("a"));
  client.ask(2, "a", VIEW_DELETE);
  assertEquals(waiting.size, 1);
  await router.close();
  assertEquals(waiting.size, 0);
});

// -- How many, and which -------------------------------------------------------

/** Views that take so long to make, on one engine or another. */
function lingering() {
  const { later } = clock();
  const gone: string[] = [];
  const micros = new Map<EngineView, number>();
  const it = new Lingering({ viewLinger: 1000, later }, {
    makingMicros: (view) => micros.get(view)!,
    remove: ({ id }) => void gone.push(id),
  });
  const replicas = [{}, {}] as Replica[];
  const add = (
    id: string,
    making: number,
    { on = 0, table = "t", isGrouped = false } = {},
  ) => {
    const replica = replicas[on]!;
    const view = { id, table, replica, isGrouped } as EngineView;
    micros.set(view, making);
    it.add(view);
    return view;
  };
  return { it, add, gone };
}

Deno.test("Lingering keeps 64 views, and those that left last", () => {
  const { it, add, gone } = lingering();
  for (let i = 0; i < 66; i++) add(`${i}`, 10);
  assertEquals(gone, ["0", "1"]);
  assertEquals(it.size, 64);
});

Deno.test("Lingering keeps what took 3 s to make, for each engine", () => {
  const { add, gone } = lingering();
  add("a", 2e6);
  add("b", 2e6, { on: 1 });
  add("c", 0.5e6);
  assertEquals(gone, []);
  add("d", 1e6);
  assertEquals(gone, ["a"]);
  add("e", 9e6); // alone it may stay
  assertEquals(gone, ["a", "c", "d"]);
});

Deno.test("Lingering lets go what makes a change slow", () => {
  const { it, add, gone } = lingering();
  add("rows", 60_000); // 12 ms a change
  add("groups", 500_000, { isGrouped: true }); // 10 ms
  add("elsewhere", 60_000, { on: 1 });
  add("other", 1e6, { table: "u" });
  assertEquals(gone, []);
  it.changed("t");
  assertEquals(gone, ["rows"]);
  it.changed("t");
  assertEquals(gone, ["rows"]);
  it.changed("u");
  assertEquals(gone, ["rows", "other"]);
});

Deno.test("Lingering.take() is for who has it again", () => {
  const { it, add, gone } = lingering();
  it.take(add("a", 10));
  assertEquals(it.size, 0);
  it.release("t");
  assertEquals(gone, []);
});
