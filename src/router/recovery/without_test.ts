import { assert, assertEquals } from "@std/assert";
import { Kind } from "../../protocol/kinds.ts";
import { makeView, uint } from "../../testing/frames.ts";
import {
  flush,
  type RecoveringOptions,
  recoveringTable,
  rows,
  rowsIn,
} from "../../testing/routing.ts";

const { MAKE_TABLE, TABLE_DELETE, TABLE_MAKE_VIEW, TABLE_ON_DELETE } = Kind;
const { TABLE_SIZE, TABLE_UPDATE, VIEW_ON_UPDATE, VIEW_TO_CSV } = Kind;

/** So many engines with `t`, and `u` that can't be copied, of which `victim` is replaced. */
async function without(
  victim: number,
  options?: RecoveringOptions,
  count = 3,
) {
  const it = await recoveringTable(count, options);
  const { client, engines, settle, bad, clock } = it;
  client.ask(2, "u", MAKE_TABLE, rows("b"));
  client.ask(3, "w", MAKE_TABLE, rows("c")); // it is copied after it
  await settle();
  bad.add("u");
  /** Lets the engine die that is at this place, and all be done. */
  const replace = async (place: number, meanwhile = () => {}, after = 0) => {
    const { index } = it.router.replicas[place]!;
    places[index]!.die("x");
    await flush();
    places[index] = engines.at(-1)!;
    for (let i = 0; i < after; i++) {
      const next = engines.find(({ waiting }) => waiting.length > 0);
      next?.step(50);
      await flush();
    }
    meanwhile();
    for (let i = 0; i < 3; i++) {
      await settle();
      clock.advance(60_000);
      await settle();
    }
    assertEquals(it.states(), Array(count).fill("up"));
  };
  const places = engines.slice();
  let nth = 10;
  /** Asks something, and returns the answer. */
  const ask = async (
    ...args: [string, number, Parameters<typeof client.ask>[3]?]
  ) => {
    const msgId = nth++;
    client.ask(msgId, ...args);
    await settle();
    return client.got.find((answer) => answer.msgId === msgId)!;
  };
  /** Which of the engines have `u`. */
  const having = () => places.map(({ log }) => "u" in log.tables);
  const prepared = { ...it, replace, ask, having, places };
  if (victim >= 0) await replace(victim);
  return prepared;
}

for (const victim of [0, 1, 2]) {
  Deno.test(`a table that can't be copied stays where it is, without engine ${victim}`, async () => {
    const { ask, client, settle, having, errors, places } = await without(
      victim,
    );
    assertEquals(having(), [0, 1, 2].map((it) => it !== victim));
    assertEquals(errors.length, 2);
    assert(errors[1]!.includes(
      `Table "u" can't be copied to engine ${victim}, which goes without it`,
    ));
    // Wherever it is asked: enough that all engines would be.
    for (let i = 0; i < 6; i++) {
      assertEquals(rowsIn(await ask("u", TABLE_SIZE)).length, i + 1);
      await ask("u", TABLE_MAKE_VIEW, makeView(`v${i}`));
      assertEquals(rowsIn(await ask(`v${i}`, VIEW_TO_CSV)).length, i + 1);
      assertEquals(
        (await ask("u", TABLE_UPDATE, rows(`${i}`))).kind,
        TABLE_UPDATE,
      );
      await ask("t", TABLE_UPDATE, rows(`${i}`));
    }
    // More at once than one engine is given.
    client.take();
    for (let i = 0; i < 100; i++) client.ask(1000 + i, "u", TABLE_SIZE);
    await settle();
    assertEquals(
      client.got.map(({ kind }) => kind),
      Array(100).fill(TABLE_SIZE),
    );
    for (const { log } of places) {
      assertEquals(log.rowsOf("t"), ["a", "0", "1", "2", "3", "4", "5"]);
      assertEquals(log.faults, []);
    }
  });
}

Deno.test("views of a table that can't be copied are made where it is", async () => {
  // Invariant 7
  for (const victim of [0, 1, 2]) {
    for (let steps = 0; steps < 40; steps++) {
      const { ask, client, replace, router } = await without(-1);
      for (let i = 0; i < 6; i++) {
        await ask(i % 2 === 0 ? "u" : "t", TABLE_MAKE_VIEW, makeView(`v${i}`));
        client.ask(100 + i, `v${i}`, VIEW_ON_UPDATE);
      }
      const meanwhile = () => client.ask(200, "u", TABLE_UPDATE, rows("new"));
      await replace(victim, meanwhile, steps);
      for (let i = 0; i < 6; i++) {
        const found = rowsIn(await ask(`v${i}`, VIEW_TO_CSV));
        assertEquals(found, i % 2 === 0 ? ["b", "new"] : ["a"]);
        const pushes = client.got.filter(({ msgId }) => msgId === 100 + i);
        const told = i % 2 === 0 ? 1 : 0;
        assertEquals(pushes.length, told, `view ${i}, after ${steps} steps`);
      }
      assertEquals(router.stats().recovery.removedViews, 0);
    }
  }
});

Deno.test("a table that can't be copied is lost with the last that has it", async () => {
  const it = await without(2);
  const { ask, client, replace, having, errors, bad, router } = it;
  await ask("u", TABLE_MAKE_VIEW, makeView("v"));
  client.ask(100, "u", TABLE_ON_DELETE);
  await replace(0);
  assertEquals([having(), router.primary.index], [[false, true, false], 1]);
  assertEquals(rowsIn(await ask("v", VIEW_TO_CSV)), ["b"]);
  await replace(1);
  assertEquals(having(), [false, false, false]);
  assert(errors.some((it) => it.includes('Table "u" is lost with engine 1')));
  for (
    const [table, kind] of [["u", TABLE_SIZE], ["v", VIEW_TO_CSV]] as const
  ) {
    assertEquals((await ask(table, kind)).kind, 50);
  }
  assertEquals(client.got.filter(({ msgId }) => msgId === 100).length, 1);
  // Another one of that name.
  bad.clear();
  await ask("u", MAKE_TABLE, rows("c"));
  for (const place of [0, 1, 2]) await replace(place);
  assertEquals(having(), [true, true, true]);
  assertEquals(rowsIn(await ask("u", TABLE_SIZE)), ["c"]);
  assertEquals(rowsIn(await ask("t", TABLE_SIZE)), ["a"]);
});

Deno.test("a table that couldn't be copied is deleted, and made again by all", async () => {
  const { ask, having, router } = await without(1);
  await ask("u", TABLE_DELETE, uint(1, 1));
  assertEquals(having(), [false, false, false]);
  await ask("u", MAKE_TABLE, rows("c"));
  assertEquals(having(), [true, true, true]);
  assertEquals(router.replicas.map(({ lacks }) => lacks.size), [0, 0, 0]);
});

Deno.test("an engine that may be the last to have a table isn't replaced for its heap", async () => {
  const { having, places, settle, states } = await without(2, {
    maxHeapSize: 100,
  });
  places[0]!.growTo(1000);
  await settle();
  assertEquals([places[0]!.closes, states()], [0, ["up", "up", "up"]]);
  assertEquals(having(), [true, true, false]);
});

Deno.test("an engine that lacks a table isn't the primary while another is a donor", async () => {
  for (const count of [3, 4]) {
    const { ask, client, replace, having, errors, router } = await without(
      count - 1,
      {},
      count,
    );
    // Not on the primary, from which the copy is read.
    for (let i = 1; i < count; i++) {
      await ask("t", TABLE_MAKE_VIEW, makeView(`v${i}`));
    }
    const meanwhile = () => {
      client.ask(200, "u", TABLE_UPDATE, rows("new"));
      client.ask(201, "u", TABLE_SIZE);
    };
    for (let steps = 0; steps < 20; steps++) {
      client.take();
      await replace(1, meanwhile, steps);
      assertEquals(client.got.map(({ kind }) => kind), [
        TABLE_UPDATE,
        TABLE_SIZE,
      ]);
      assertEquals(having()[router.primary.index], true);
    }
    assertEquals(errors.filter((it) => it.includes("is lost with")), []);
  }
});
