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

/** Changes up to `w2`, which holds those behind it, and reads of `a` and `b`. */
function held() {
  const turns = new Turns<Item>();
  const [a, b, w] = [owner("a"), owner("b"), owner("w")];
  const item = (owner: object, stamp: number, name: string) => ({
    owner,
    stamp,
    name,
  });
  addChange(turns, item(w, 1, "w1"));
  turns.addHolding(item(w, 2, "hold"));
  addChange(turns, item(w, 3, "w2"));
  return { turns, a, b, w, item };
}

Deno.test("Turns.addHolding() holds the changes behind it until they are let go", () => {
  const { turns } = held();
  assertEquals(turns.isHeld, false);
  assertEquals([turns.next()?.name, turns.next()?.name], ["w1", "hold"]);
  assertEquals([turns.isHeld, turns.next(), turns.size], [true, undefined, 1]);
  turns.letGo();
  assertEquals([turns.isHeld, ...drain(turns)], [false, "w2"]);
});

Deno.test("Turns.addDuring() takes turns with reads that don't wait for what is held", () => {
  const { turns, a, b, w, item } = held();
  turns.next();
  turns.next();
  add(turns, item(a, 4, "after w2"));
  for (const name of ["d1", "d2"]) turns.addDuring(item(w, 5, name));
  assertEquals(drain(turns), ["d1", "d2"], "the read sees what is held");
  // This one was there before.
  const before = new Turns<Item>();
  for (const stamp of [1, 2, 3, 4]) add(before, item(b, stamp, `b${stamp}`));
  before.addHolding(item(w, 5, "hold"));
  addChange(before, item(w, 6, "w"));
  assertEquals([before.next()?.name, before.next()?.name], ["b1", "hold"]);
  for (const name of ["d1", "d2"]) before.addDuring(item(w, 7, name));
  assertEquals(drain(before), ["b2", "d1", "b3", "d2", "b4"]);
  before.letGo();
  assertEquals(drain(before), ["w"]);
});

Deno.test("Turns.letGo() has what was to be done meanwhile done first", () => {
  const { turns, item, w } = held();
  turns.next();
  turns.next();
  for (const name of ["d1", "d2"]) turns.addDuring(item(w, 5, name));
  turns.letGo();
  assertEquals(turns.isHeld, true);
  assertEquals(drain(turns), ["d1", "d2", "w2"]);
  assertEquals(turns.isHeld, false);
});

Deno.test("Turns.letGo() before the hold has come has it hold nothing", () => {
  const { turns } = held();
  turns.letGo();
  assertEquals(drain(turns), ["w1", "hold", "w2"]);
});

Deno.test({
  name: "Turns.letGo() lets go what was held, not what is to be held next",
  fn: () => {
    const { turns, item, w } = held();
    turns.next();
    turns.next();
    turns.addDuring(item(w, 5, "d1"));
    turns.letGo();
    turns.addHolding(item(w, 6, "hold again"));
    addChange(turns, item(w, 7, "w3"));
    assertEquals(drain(turns), ["d1", "w2", "hold again"]);
    assertEquals(turns.isHeld, true);
    turns.addDuring(item(w, 8, "d2"));
    assertEquals(drain(turns), ["d2"]);
    turns.letGo();
    assertEquals(drain(turns), ["w3"]);
  },
});

Deno.test("Turns.takeReads() and takeChanges() take out all there is, in order", () => {
  const { turns, a, b, w, item } = held();
  add(turns, item(b, 5, "b5"));
  add(turns, item(a, 6, "a6"));
  add(turns, item(b, 7, "b7"));
  assertEquals([turns.next()?.name, turns.next()?.name], ["w1", "hold"]);
  turns.addDuring(item(w, 8, "during"));
  assertEquals([turns.size, turns.reads], [5, 4]);
  assertEquals(turns.takeReads().map(({ name }) => name), ["b5", "a6", "b7"]);
  assertEquals(turns.takeChanges().map(({ name }) => name), ["during", "w2"]);
  assertEquals([turns.size, turns.isHeld, turns.next()], [0, false, undefined]);
  // What comes then has its turn.
  add(turns, item(a, 9, "a9"));
  addChange(turns, item(w, 10, "w10"));
  assertEquals(drain(turns), ["a9", "w10"]);
});

Deno.test("Turns keeps its promises with holds, whatever comes", async () => {
  await forAll(300, (random) => {
    const turns = new Turns<Item>();
    const owners = Array.from({ length: 3 }, (_, i) => owner(String(i)));
    const order: string[] = [];
    /** How many changes a read came after; of a change, its number. */
    const after = new Map<string, number>();
    let [added, changes, during, holds] = [0, 0, 0, 0];
    let isHolding = false;
    for (let stamp = 0; stamp < 80; stamp++) {
      const owner = random.pick(owners);
      const what = random.below(8);
      if (what < 3) {
        const item = turns.next();
        if (item === undefined) continue;
        if (item.name === "hold") isHolding = true;
        else order.push(item.name);
        if (item.name.startsWith("c")) assertEquals(isHolding, false);
      } else if (what < 5) {
        added++;
        after.set(`r${stamp}`, changes);
        add(turns, { owner, stamp, name: `r${stamp}` });
      } else if (what === 5) {
        added++;
        addChange(turns, { owner, stamp, name: `c${++changes}` });
      } else if (what === 6 && holds === 0) {
        holds++;
        turns.addHolding({ owner, stamp, name: "hold" });
      } else if (isHolding && random.chance(0.5)) {
        added++;
        turns.addDuring({ owner, stamp, name: `d${++during}` });
      } else if (isHolding) {
        isHolding = false;
        holds = 0;
        turns.letGo();
        // What is still to be done before them.
        for (let item; turns.isHeld && (item = turns.next()) !== undefined;) {
          order.push(item.name);
        }
      }
    }
    turns.letGo();
    order.push(...drain(turns).filter((it) => it !== "hold"));
    assertEquals(order.length, added);
    let seen = 0;
    for (const name of order) {
      if (name.startsWith("c")) assertEquals(name, `c${++seen}`);
      else if (name.startsWith("r")) {
        assert(seen >= after.get(name)!, "a read overtook a change");
      }
    }
    const done = order.filter((it) => it.startsWith("d"));
    assertEquals(done, done.map((_, i) => `d${i + 1}`));
  });
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
