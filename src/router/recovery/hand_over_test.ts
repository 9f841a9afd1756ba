import { assert, assertEquals } from "@std/assert";
import { Kind } from "../../protocol/kinds.ts";
import { makeView, uint } from "../../testing/frames.ts";
import {
  flush,
  type LogTimedEngine,
  type RecoveringOptions,
  recoveringTable,
  rows,
  rowsIn,
  type TestClient,
} from "../../testing/routing.ts";

const {
  GET_HOSTED_TABLES,
  MAKE_TABLE,
  TABLE_DELETE,
  TABLE_MAKE_VIEW,
  TABLE_ON_DELETE,
  TABLE_REMOVE_DELETE,
  TABLE_SIZE,
  TABLE_UPDATE,
  VIEW_ON_UPDATE,
} = Kind;

/** Three engines, of which all but the primary have a view. */
async function viewing(options?: RecoveringOptions) {
  const it = await recoveringTable(3, options);
  const { client, engines } = it;
  for (const [i, name] of ["v", "w"].entries()) {
    client.ask(10 + i, "t", TABLE_MAKE_VIEW, makeView(name));
    await it.settle();
    client.ask(20 + i, name, VIEW_ON_UPDATE);
    await it.settle();
  }
  client.take();
  const [primary, next, lost] = engines as [
    LogTimedEngine,
    LogTimedEngine,
    LogTimedEngine,
  ];
  assertEquals([primary, next, lost].map(({ log }) => log.views.length), [
    ...[0, 1, 1],
  ]);
  return { ...it, primary, next, lost };
}

const msgIds = ({ got }: TestClient) => got.map((it) => it.msgId);

Deno.test("Whoever writes doesn't wait for a copy", async () => {
  // Invariants 1 and 2
  const { engines, primary, next, lost, open, settle, client, states } =
    await viewing();
  const writer = open();
  lost.die("x");
  await flush();
  assertEquals([primary.waiting.length, next.waiting.length], [1, 0]);
  for (let i = 1; i < 10; i += 2) {
    writer.ask(i, "t", TABLE_UPDATE, rows(String(i)));
    writer.ask(i + 1, "t", TABLE_SIZE);
    next.run();
    // One step of it, but for the last.
    if (i < 7) primary.step(50);
    await flush();
  }
  assertEquals(states(), ["up", "up", "filling"]);
  assertEquals(msgIds(writer), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  assertEquals(rowsIn(writer.got.at(-1)!), ["a", "1", "3", "5", "7", "9"]);
  await settle();
  const all = { t: ["a", "1", "3", "5", "7", "9"] };
  const alive = [primary, next, engines[3]!];
  assertEquals(alive.map(({ log }) => log.tables), [all, all, all]);
  // The new one has pushed once for all.
  assertEquals(client.got.filter((it) => it.msgId === 21).length, 5);
  assertEquals(client.got.filter((it) => it.msgId === 20).length, 5);
  assertEquals(engines.flatMap(({ log }) => log.faults), []);
});

Deno.test("The former primary is the first again when the copy is there", async () => {
  const { primary, next, lost, open, settle, engines } = await viewing();
  lost.die("x");
  await settle();
  const writer = open();
  writer.ask(1, "t", TABLE_UPDATE, rows("b"));
  assertEquals([primary, next, engines[3]!].map((it) => it.waiting.length), [
    ...[1, 0, 0],
  ]);
  primary.run();
  assertEquals(msgIds(writer), [1]);
});

Deno.test("Changes wait for what the primary is at before another is the first", async () => {
  // Invariant 1
  const { primary, next, lost, open, settle, engines } = await viewing();
  const [a, b] = [open(), open()];
  a.ask(1, "t", TABLE_UPDATE, rows("a1"));
  b.ask(1, "t", TABLE_UPDATE, rows("b1"));
  lost.die("x");
  await flush();
  a.ask(2, "t", TABLE_UPDATE, rows("a2"));
  b.ask(2, "u", MAKE_TABLE, rows("b2"));
  assertEquals(next.waiting.length, 0);
  primary.run();
  await flush();
  assertEquals([msgIds(a), msgIds(b)], [[1], [1]]);
  next.run();
  assertEquals([msgIds(a), msgIds(b)], [[1, 2], [1, 2]]);
  await settle();
  for (const { log } of [primary, next, engines[3]!]) {
    assertEquals(log.tables, { t: ["a", "a1", "b1", "a2"], u: ["b2"] });
  }
});

Deno.test("The primary stays where a subscription is to a table that is gone", async () => {
  // The engine keeps it for the next table of that name.
  const { primary, next, lost, open, settle, client } = await viewing();
  const other = open();
  client.ask(1, "u", MAKE_TABLE, rows("a"));
  await settle();
  other.ask(1, "u", TABLE_ON_DELETE);
  client.ask(2, "u", TABLE_DELETE, uint(1, 1));
  await settle();
  lost.die("x");
  await flush();
  client.ask(3, "t", TABLE_UPDATE, rows("b"));
  assertEquals(next.waiting.length, 0);
  await settle();
  client.ask(4, "u", MAKE_TABLE, rows("a"));
  client.ask(5, "u", TABLE_DELETE, uint(1, 1));
  await settle();
  assertEquals(other.got.map((it) => it.kind), [
    TABLE_ON_DELETE,
    TABLE_ON_DELETE,
  ]);
  assert(primary.log.subscriptions.includes(TABLE_ON_DELETE));
});

Deno.test("A subscription that waits for the former primary is begun once", async () => {
  const { primary, next, lost, open, settle, client } = await viewing();
  const other = open();
  // It has something to do, but no changes.
  other.ask(1, "t", TABLE_SIZE);
  other.ask(2, "", GET_HOSTED_TABLES, uint(1, 1));
  other.ask(3, "t", TABLE_ON_DELETE);
  lost.die("x");
  await flush();
  client.ask(1, "u", MAKE_TABLE, rows("a"));
  await settle();
  assertEquals(msgIds(other), [1, 2]);
  // There are others now at the engine.
  other.ask(4, "t", TABLE_REMOVE_DELETE, uint(1, 3));
  await settle();
  client.ask(2, "u", TABLE_DELETE, uint(1, 1));
  await settle();
  assertEquals(msgIds(other), [1, 2, 4, 2]);
  const left = [primary, next].map(({ log }) =>
    log.subscriptions.filter((it) => it !== VIEW_ON_UPDATE)
  );
  assertEquals(left, [[GET_HOSTED_TABLES], []]);
});

/** Who dies while another engine is filled. */
const VICTIMS = ["nobody", "donor", "primary", "new"] as const;

for (
  const [victim, polls] of VICTIMS.flatMap((it) =>
    [[it, true], [it, false]] as const
  )
) {
  const mode = polls ? "" : ", and the program polls";
  Deno.test(`Changes and notifications are as ever around a copy at which ${victim} dies${mode}`, async () => {
    // Invariants 1, 2, 3 and 7
    for (let at = 0; at < 80; at++) {
      const it = await viewing(polls ? {} : { onPollRequest: () => {} });
      const { engines, primary, next, lost, settle, open, clock, router } = it;
      const [a, b] = [open(), open()];
      b.ask(1, "u", MAKE_TABLE, rows("u"));
      await settle();
      a.ask(1, "", GET_HOSTED_TABLES, uint(1, 1));
      a.ask(2, "u", TABLE_ON_DELETE);
      await settle();
      b.ask(2, "t", TABLE_UPDATE, rows("b2"));
      lost.die("x");
      await flush();
      const dying = { nobody: undefined, donor: primary, primary: next };
      const asked = [1, 2];
      for (let step = 0; step < 80; step++) {
        if (step % 4 === 0) {
          const n = 10 + step;
          b.ask(n, "t", TABLE_UPDATE, rows(`b${n}`));
          b.ask(n + 1, "t", TABLE_SIZE);
          asked.push(n, n + 1);
        }
        if (step === 10) b.ask(200, "x", MAKE_TABLE, rows("x"));
        if (step === 20) b.ask(201, "u", TABLE_DELETE, uint(1, 1));
        if (step === at) {
          const one = victim === "new" ? engines[3] : dying[victim];
          if (one?.closes === 0) one.die("y");
        }
        const busy = engines.filter(({ waiting }) => waiting.length > 0);
        busy[step % busy.length]?.step(50);
        if (step % 7 === 0) router.poll();
        await flush();
      }
      router.poll();
      await settle();
      clock.advance(30_000);
      await settle();
      const why = `at ${at}`;
      const answers = msgIds(b).toSorted((a, b) => a - b);
      assertEquals(answers, [...asked, 200, 201], why);
      for (const { msgId, kind } of b.got) assert(kind !== 50, `${msgId}`);
      for (const read of b.got.filter(({ kind }) => kind === TABLE_SIZE)) {
        // The first two, and one for each before it; maybe later ones, too.
        const seen = 2 + (read.msgId - 7) / 4;
        assert(rowsIn(read).length >= seen, `${why}: ${read.msgId}`);
      }
      assertEquals(msgIds(a), [1, 1, 2], why);
      const alive = engines.filter(({ closes }) => closes === 0);
      const [first, ...others] = alive.map(({ log }) => log.tables);
      assertEquals([others.length, first!["x"]], [2, ["x"]], why);
      for (const other of others) assertEquals(other, first, why);
      for (const { log } of alive) assertEquals(log.faults, [], why);
    }
  });
}
