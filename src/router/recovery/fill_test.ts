import { assert, assertEquals } from "@std/assert";
import { Kind } from "../../protocol/kinds.ts";
import type { Fill } from "../../testing/frames.ts";
import {
  flush,
  type LogTimedEngine,
  type RecoveringOptions,
  recoveringTable,
  rows,
  rowsIn,
  through,
} from "../../testing/routing.ts";

const {
  MAKE_JOIN_TABLE,
  MAKE_TABLE,
  TABLE_DELETE,
  TABLE_MAKE_PORT,
  TABLE_REMOVE,
  TABLE_SIZE,
  TABLE_UPDATE,
} = Kind;

/** The content of `make_join_table`. */
const joining = (left: string, right: string): Fill => (it) =>
  it.tag(1, 2).string(left).tag(2, 2).string(right);

/** Three tables on so many engines, of which the last is lost; on line 5, joins. */
async function filling(count: number, options?: RecoveringOptions) {
  const it = await recoveringTable(count, options);
  const { client, engines, settle } = it;
  client.ask(2, "u", MAKE_TABLE, rows("b"));
  client.ask(3, "v", MAKE_TABLE, rows("c"));
  await settle();
  if (options?.line === "5") {
    client.ask(4, "tv", MAKE_JOIN_TABLE, joining("t", "v"));
    client.ask(5, "tvt", MAKE_JOIN_TABLE, joining("tv", "t"));
    await settle();
  }
  client.take();
  engines[count - 1]!.die("x");
  await flush();
  const alive = () => engines.filter(({ closes }) => closes === 0);
  /** Has each engine execute one thing; whether there was any. */
  const step = async () => {
    const busy = engines.filter(({ waiting }) => waiting.length > 0);
    for (const engine of busy) if (engine.waiting.length > 0) engine.step(50);
    await flush();
    return busy.length > 0;
  };
  /** All is done, and all engines are there. */
  const end = async () => {
    for (let i = 0; i < 8; i++) {
      await settle();
      it.clock.advance(60_000);
    }
    assertEquals(it.states(), Array(count).fill("up"));
    const [first, ...others] = alive().map(({ log }) => log);
    assertEquals(others.length, count - 1);
    for (const { tables, ports } of others) {
      assertEquals([tables, ports], [first!.tables, first!.ports]);
    }
    assertEquals(alive().flatMap(({ log }) => log.faults), []);
    return first!.tables;
  };
  return { ...it, alive, step, end };
}

type Filling = Awaited<ReturnType<typeof filling>>;

/** Does `what` after each number of steps, until there are none any more. */
async function atEachStep(
  count: number,
  what: (it: Filling) => void,
  check: (tables: Record<string, string[]>, it: Filling) => void,
  options?: RecoveringOptions,
): Promise<void> {
  let isOver = false;
  for (let steps = 0; !isOver; steps++) {
    assert(steps < 200);
    const it = await filling(count, options);
    for (let i = 0; i < steps && !isOver; i++) isOver = !await it.step();
    what(it);
    check(await it.end(), it);
  }
}

for (const count of [2, 3]) {
  const donor = count === 2 ? "the primary" : "another";
  Deno.test(`Fill gives what changes meanwhile to the new engine once, from ${donor}`, async () => {
    // Invariant 1
    await atEachStep(count, ({ client }) => {
      for (const [i, table] of ["t", "u", "v"].entries()) {
        client.ask(10 + i, table, TABLE_UPDATE, rows("new"));
        client.ask(20 + i, table, TABLE_UPDATE, through(1, "newer"));
      }
    }, (tables, { client, errors }) => {
      assertEquals(tables, {
        t: ["a", "new", "newer"],
        u: ["b", "new", "newer"],
        v: ["c", "new", "newer"],
      });
      assertEquals(client.got.length, 6);
      assertEquals(errors.length, 1);
    });
  });

  Deno.test(`Fill takes tables that are made and deleted meanwhile, from ${donor}`, async () => {
    await atEachStep(count, ({ client }) => {
      client.ask(10, "w", MAKE_TABLE, rows("d"));
      client.ask(11, "w", TABLE_UPDATE, rows("e"));
      client.ask(12, "v", TABLE_DELETE);
      client.ask(13, "t", TABLE_DELETE);
      client.ask(14, "t", MAKE_TABLE, rows("another"));
    }, (tables, { client }) => {
      assertEquals(tables, { t: ["another"], u: ["b"], w: ["d", "e"] });
      assertEquals(client.got.map((it) => it.msgId), [10, 11, 12, 13, 14]);
      assertEquals(client.got.some((it) => it.kind === 50), false);
    });
  });
}

Deno.test("Fill begins again when its donor is lost, at whatever it is", async () => {
  const isDonor = ({ waiting: [first] }: LogTimedEngine) =>
    first !== undefined && first.frame !== undefined &&
    [Kind.TABLE_SCHEMA, Kind.TABLE_SIZE, Kind.VIEW_TO_ARROW].some((it) =>
      it === first.kind
    );
  let lost = 0;
  await atEachStep(3, ({ client, alive }) => {
    const donor = alive().find(isDonor);
    client.ask(10, "u", TABLE_UPDATE, rows("new"));
    if (donor !== undefined) {
      lost++;
      donor.die("y");
    }
    client.ask(11, "t", TABLE_UPDATE, rows("new"));
  }, (tables, { client }) => {
    assertEquals(tables, { t: ["a", "new"], u: ["b", "new"], v: ["c"] });
    assertEquals(client.got.length, 2);
  });
  assert(lost > 6);
});

Deno.test("Fill begins again when the engine that is filled is lost", async () => {
  await atEachStep(2, ({ client, engines, states }) => {
    client.ask(10, "u", TABLE_UPDATE, rows("new"));
    if (states()[1] === "filling") engines.at(-1)!.die("y");
    client.ask(11, "t", TABLE_UPDATE, rows("new"));
  }, (tables, { client }) => {
    assertEquals(tables, { t: ["a", "new"], u: ["b", "new"], v: ["c"] });
    assertEquals(client.got.length, 2);
  });
});

Deno.test("Fill doesn't keep reads waiting, only changes of what is copied", async () => {
  const { engines, client, end } = await filling(2);
  const [donor] = engines;
  donor!.step(50); // the schema
  await flush();
  client.ask(11, "t", Kind.TABLE_SCHEMA);
  client.ask(10, "t", TABLE_UPDATE, rows("new"));
  donor!.step(50);
  await flush();
  donor!.step(50);
  await flush();
  assertEquals(client.got.map((it) => it.msgId), [11]);
  await end();
  assertEquals(client.got.map((it) => it.msgId), [11, 10]);
});

Deno.test("Fill copies ports, and the numbers of rows", async () => {
  const { engines, client, settle } = await recoveringTable(2);
  client.ask(2, "t", TABLE_MAKE_PORT);
  client.ask(3, "t", TABLE_MAKE_PORT);
  client.ask(4, "t", TABLE_UPDATE, rows("b", "c"));
  client.ask(5, "t", TABLE_REMOVE, rows("b"));
  await settle();
  engines[1]!.die("x");
  await settle();
  const [one, other] = [engines[0]!.log, engines[2]!.log];
  assertEquals(other.tables, one.tables);
  assertEquals([other.ports, other.nextOf("t")], [{ t: 2 }, 3]);
  assertEquals(one.nextOf("t"), 3);
  assertEquals([one.views, other.views], [[], []]);
});

Deno.test("Fill copies a table in ranges of rows", async () => {
  const { engines, client, settle } = await recoveringTable(2);
  const many = Array.from({ length: 160_000 }, (_, i) => String(i));
  client.ask(2, "t", TABLE_UPDATE, (it) => {
    it.tag(1, 2).fork().tag(3, 2).string(JSON.stringify(many)).join();
  });
  client.ask(3, "u", MAKE_TABLE, rows());
  await settle();
  engines[1]!.die("x");
  await settle();
  const { log, steps } = engines[2]!;
  assertEquals(steps, [
    "make_table+",
    "table_update+",
    "table_update+",
    "make_table+",
  ]);
  assertEquals(log.rowsOf("t"), ["a", ...many]);
  assertEquals(log.rowsOf("u"), []);
});

Deno.test("Fill makes joins again, behind what they are made of", async () => {
  await atEachStep(2, ({ client }) => {
    client.ask(10, "v", TABLE_UPDATE, rows("new"));
    client.ask(11, "t", TABLE_UPDATE, rows("new"));
  }, (tables) => {
    const [t, v] = [["a", "new"], ["c", "new"]];
    const tv = [...t, ...v];
    assertEquals(tables, { t, u: ["b"], v, tv, tvt: [...tv, ...t] });
  }, { line: "5" });
});

for (const count of [2, 3]) {
  const donor = count === 2 ? "the primary" : "another";
  Deno.test(`Fill takes joins that are made, used and deleted meanwhile, from ${donor}`, async () => {
    await atEachStep(count, ({ client }) => {
      client.ask(10, "uv", MAKE_JOIN_TABLE, joining("u", "v"));
      client.ask(11, "uv", TABLE_MAKE_PORT);
      client.ask(12, "tv", TABLE_MAKE_PORT);
      client.ask(13, "w", MAKE_TABLE, rows("d"));
      // A join of joins, one of which is new.
      client.ask(14, "all", MAKE_JOIN_TABLE, joining("uv", "tv"));
      client.ask(15, "wu", MAKE_JOIN_TABLE, joining("w", "u"));
      client.ask(16, "u", TABLE_UPDATE, rows("new"));
      client.ask(17, "uv", TABLE_MAKE_PORT);
      client.ask(18, "tvt", TABLE_DELETE);
      client.ask(19, "wu", TABLE_DELETE);
      // By the same name, of others.
      client.ask(20, "wu", MAKE_JOIN_TABLE, joining("w", "t"));
    }, (tables, { client }) => {
      const [t, u, v] = [["a"], ["b", "new"], ["c"]];
      const [tv, uv] = [[...t, ...v], [...u, ...v]];
      const all = [...uv, ...tv];
      const wu = ["d", ...t];
      assertEquals(tables, { all, t, tv, u, uv, v, w: ["d"], wu });
      assertEquals(client.got.filter(({ kind }) => kind === 50), []);
      assertEquals(client.got.length, 11);
    }, { line: "5" });
  });

  Deno.test(`Fill refuses what was refused, from ${donor}`, async () => {
    await atEachStep(count, ({ client }) => {
      client.ask(10, "uv", MAKE_JOIN_TABLE, joining("u", "v"));
      client.ask(11, "u", TABLE_DELETE); // it is a source
      client.ask(12, "tv", TABLE_DELETE); // so is this join
      client.ask(13, "tw", MAKE_JOIN_TABLE, joining("t", "w"));
      client.ask(14, "w", MAKE_TABLE, rows("d"));
    }, (tables, { client }) => {
      const names = ["t", "tv", "tvt", "u", "uv", "v", "w"];
      assertEquals(Object.keys(tables), names);
      const refused = client.got.filter(({ kind }) => kind === 50);
      assertEquals(refused.map(({ msgId }) => msgId).sort(), [11, 12, 13]);
    }, { line: "5" });
  });

  Deno.test(`Fill takes a table that a join has made way for, from ${donor}`, async () => {
    await atEachStep(count, ({ client }) => {
      client.ask(10, "tvt", TABLE_DELETE);
      client.ask(11, "tvt", MAKE_TABLE, rows("d"));
      client.ask(12, "tvt", TABLE_MAKE_PORT);
      client.ask(13, "u", TABLE_DELETE);
      client.ask(14, "u", MAKE_JOIN_TABLE, joining("t", "v"));
      client.ask(15, "u", TABLE_MAKE_PORT);
    }, (tables) => {
      const tv = ["a", "c"];
      assertEquals(tables, { t: ["a"], tv, tvt: ["d"], u: tv, v: ["c"] });
    }, { line: "5" });
  });
}

Deno.test("Fill knows a join that is being made when the primary is lost", async () => {
  for (const count of [2, 3]) {
    await atEachStep(count, ({ client, engines, states }) => {
      client.ask(10, "uv", MAKE_JOIN_TABLE, joining("u", "v"));
      client.ask(11, "uv", TABLE_MAKE_PORT);
      const ups = states().filter((it) => it === "up").length;
      if (ups > 1) engines[0]!.die("y");
      client.ask(12, "u", TABLE_UPDATE, rows("new"));
    }, (tables, { client }) => {
      assertEquals(tables["uv"], ["b", "new", "c"]);
      assertEquals(client.got.map(({ kind }) => kind), [
        MAKE_JOIN_TABLE,
        TABLE_MAKE_PORT,
        TABLE_UPDATE,
      ]);
    }, { line: "5" });
  }
});

Deno.test({
  name: "Fill makes a join that was made while its tables waited",
  fn: async () => {
    const { client, end } = await filling(2, { line: "5" });
    client.ask(10, "uv", MAKE_JOIN_TABLE, joining("u", "v"));
    assertEquals((await end())["uv"], ["b", "c"]);
  },
});

Deno.test({
  name: "Fill gives a change that is in the copy not once more",
  fn: async () => {
    const { engines, settle, client, router } = await recoveringTable(2, {
      onPollRequest: () => {},
    });
    router.poll();
    client.ask(2, "t", TABLE_UPDATE, rows("b"));
    await settle();
    engines[1]!.die("x");
    await settle();
    router.poll();
    await settle();
    assertEquals(engines[2]!.log.tables, engines[0]!.log.tables);
  },
});

Deno.test({
  name: "Fill polls the primary before it reads there",
  fn: async () => {
    await atEachStep(2, ({ client }) => {
      client.ask(10, "v", TABLE_UPDATE, rows("new"));
      client.ask(11, "v", TABLE_UPDATE, rows("newer"));
    }, (_, { engines }) => assertEquals(engines[0]!.log.faults, []));
  },
});

Deno.test({
  name: "Fill polls before it reads, where the program polls",
  fn: async () => {
    const { engines, settle, client, router } = await recoveringTable(2, {
      onPollRequest: () => {},
    });
    router.poll();
    client.ask(2, "t", TABLE_UPDATE, rows("b"));
    await settle();
    engines[1]!.die("x");
    await settle();
    assertEquals(engines[0]!.log.faults, []);
  },
});

Deno.test({
  name: "Fill leaves no view behind on its donor, when it is called off",
  fn: async () => {
    await atEachStep(2, ({ engines, states }) => {
      if (states()[1] === "filling") engines.at(-1)!.die("y");
    }, (_, { engines }) => assertEquals(engines[0]!.log.views, []));
  },
});

Deno.test({
  name: "Fill copies each table at one place, however busy its donor is",
  fn: async () => {
    // Enough that the donor isn't handed all of it at once.
    const { client, engines, open, end } = await filling(2);
    const [readers, writer] = [[open(), open(), open()], open()];
    for (let i = 0; i < 40; i++) {
      for (const reader of readers) {
        reader.ask(i + 1, "t", Kind.TABLE_SIZE);
      }
    }
    let isOver = false;
    for (let i = 0; !isOver; i++) {
      writer.ask(i, ["t", "u", "v"][i % 3]!, TABLE_UPDATE, rows(String(i)));
      await flush();
      isOver = i > 150;
      for (const engine of engines) {
        if (engine.waiting.length > 0) engine.step(50);
        if (engine.waiting.length > 0 && i % 2 === 0) engine.step(50);
      }
    }
    await end();
    void client;
  },
});

Deno.test({
  name: "Fill isn't given up because a table is deleted meanwhile",
  fn: async () => {
    for (const count of [2, 3]) {
      await atEachStep(count, ({ client }) => {
        client.ask(10, "v", TABLE_DELETE);
        client.ask(11, "t", TABLE_DELETE);
      }, (_, { errors }) => assertEquals(errors.slice(1), []));
    }
  },
});

Deno.test({
  name: "Fill passes over a table that its donor hasn't been given",
  fn: async () => {
    const { engines, settle, client, router, states, errors } =
      await recoveringTable(3, { onPollRequest: () => {} });
    router.poll();
    await settle();
    client.ask(2, "u", MAKE_TABLE, rows("b"));
    await settle();
    engines[1]!.die("x");
    await settle();
    router.poll();
    await settle();
    assertEquals(errors.length, 1);
    assertEquals(states(), ["up", "up", "up"]);
  },
});

Deno.test("An engine that refuses a table goes without it", async () => {
  // Invariant 1
  const { engines, step, settle, states, errors, open, router } = await filling(
    3,
  );
  const isMaking = ({ waiting: [first] }: LogTimedEngine) =>
    first?.kind === MAKE_TABLE;
  while (!engines.some(isMaking)) await step();
  const refusing = engines.find(isMaking)!;
  refusing.refuse("no");
  await settle();
  assertEquals(states(), ["up", "up", "up"]);
  assertEquals(Object.keys(refusing.log.tables), ["u", "v"]);
  assertEquals(errors.slice(1), [
    `engine: Table "t" can't be copied to engine 2, which goes without it: ` +
    "make_table (27) failed: no",
  ]);
  // It is asked where it is.
  const client = open();
  for (let i = 1; i <= 4; i++) client.ask(i, "t", TABLE_SIZE);
  await settle();
  assertEquals(client.got.map(rowsIn), Array(4).fill(["a"]));
  assertEquals(router.stats().recovery.replaced, 1);
});
