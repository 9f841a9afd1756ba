import { assert, assertEquals } from "@std/assert";
import { forAll } from "../testing/random.ts";
import { Turns } from "./turns.ts";

interface Item {
  readonly owner: object;
  readonly stamp: number;
  readonly name: string;
}

const owner = (name: string) => ({ name });

const add = (turns: Turns<Item>, item: Item) => turns.add(item, item);
const addChange = (turns: Turns<Item>, item: Item) =>
  turns.addChanges(item, [item]);

/** Takes all that waits. */
function drain(turns: Turns<Item>): string[] {
  const names: string[] = [];
  for (let item; (item = turns.next()) !== undefined;) names.push(item.name);
  return names;
}

Deno.test("Turns.next() lets owners take turns", () => {
  const turns = new Turns<Item>();
  const [a, b, c] = [owner("a"), owner("b"), owner("c")];
  let stamp = 0;
  for (let i = 1; i <= 4; i++) {
    add(turns, { owner: a, stamp: stamp++, name: `a${i}` });
  }
  add(turns, { owner: b, stamp: stamp++, name: "b1" });
  add(turns, { owner: b, stamp: stamp++, name: "b2" });
  add(turns, { owner: c, stamp: stamp++, name: "c1" });
  assertEquals(turns.size, 7);
  assertEquals(drain(turns), ["a1", "b1", "c1", "a2", "b2", "a3", "a4"]);
  assertEquals(turns.size, 0);
  assertEquals(turns.next(), undefined);
});

Deno.test("Turns.next() gives changes their turn, in order", () => {
  const turns = new Turns<Item>();
  const [a, w] = [owner("a"), owner("w")];
  for (let i = 1; i <= 3; i++) {
    add(turns, { owner: a, stamp: i, name: `a${i}` });
  }
  for (let i = 1; i <= 3; i++) {
    addChange(turns, { owner: w, stamp: 3 + i, name: `w${i}` });
  }
  assertEquals(drain(turns), ["a1", "w1", "a2", "w2", "a3", "w3"]);
});

Deno.test("Turns.next() takes a read after the changes before it", () => {
  // Invariant 2
  const turns = new Turns<Item>();
  const [a, w] = [owner("a"), owner("w")];
  addChange(turns, { owner: w, stamp: 1, name: "w1" });
  addChange(turns, { owner: w, stamp: 2, name: "w2" });
  add(turns, { owner: a, stamp: 3, name: "a1" });
  addChange(turns, { owner: w, stamp: 4, name: "w3" });
  assertEquals(drain(turns), ["w1", "w2", "a1", "w3"]);
});

Deno.test("Turns.next() never lets a change overtake its owner's reads", () => {
  const turns = new Turns<Item>();
  const [a, b] = [owner("a"), owner("b")];
  add(turns, { owner: b, stamp: 1, name: "b1" });
  add(turns, { owner: a, stamp: 2, name: "a1" });
  add(turns, { owner: a, stamp: 3, name: "a2" });
  addChange(turns, { owner: a, stamp: 4, name: "a3" });
  add(turns, { owner: a, stamp: 5, name: "a4" });
  const order = drain(turns);
  assertEquals(order.filter((it) => it.startsWith("a")), [
    "a1",
    "a2",
    "a3",
    "a4",
  ]);
});

Deno.test("Turns keeps its promises whatever comes", async () => {
  await forAll(300, (random) => {
    const turns = new Turns<Item>();
    const owners = Array.from({ length: 4 }, (_, i) => owner(String(i)));
    const added: (Item & { isChange: boolean; after: number })[] = [];
    const taken: Item[] = [];
    let changes = 0;
    for (let stamp = 0; stamp < 60; stamp++) {
      if (random.chance(0.4)) {
        const item = turns.next();
        if (item !== undefined) taken.push(item);
        continue;
      }
      const isChange = random.chance(0.3);
      const item = {
        owner: owners[random.below(4)]!,
        stamp,
        name: String(stamp),
        isChange,
        after: changes,
      };
      added.push(item);
      if (isChange) {
        changes++;
        addChange(turns, item);
      } else add(turns, item);
    }
    for (let item; (item = turns.next()) !== undefined;) taken.push(item);
    assertEquals(taken.length, added.length);
    const order = taken as typeof added;
    // Changes in order; an owner's requests in order; reads after changes.
    const changed = order.filter((it) => it.isChange).map((it) => it.stamp);
    assertEquals(changed, changed.toSorted((a, b) => a - b));
    for (const each of owners) {
      const own = order.filter((it) => it.owner === each).map((it) => it.stamp);
      assertEquals(own, own.toSorted((a, b) => a - b));
    }
    let seen = 0;
    for (const item of order) {
      if (item.isChange) seen++;
      else assert(seen >= item.after, "a read overtook a change");
    }
  });
});
