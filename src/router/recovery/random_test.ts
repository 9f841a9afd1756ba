import { assert, assertEquals } from "@std/assert";
import { Kind } from "../../protocol/kinds.ts";
import { errorOf, makeView, parts } from "../../testing/frames.ts";
import { forAll, type Random } from "../../testing/random.ts";
import {
  flush,
  recovering,
  rows,
  rowsIn,
  type TestClient,
  through,
} from "../../testing/routing.ts";

const {
  MAKE_TABLE,
  TABLE_MAKE_VIEW,
  TABLE_SIZE,
  TABLE_UPDATE,
  VIEW_DELETE,
  VIEW_ON_UPDATE,
  VIEW_SCHEMA,
  VIEW_TO_ROWS_STRING,
} = Kind;

const TABLES = ["t", "u"] as const;

/** Something that was asked, and what came of it, by the order of all there is. */
interface Asked {
  readonly client: TestClient;
  readonly msgId: number;
  readonly kind: number;
  readonly table: string;
  /** The row that is added. */
  readonly row: string;
  readonly port: number;
  /** The view, and what it was made by. */
  readonly view: string;
  readonly at: number;
  /** Rows that whoever reads has to see. */
  readonly mustSee: readonly string[];
  readonly ownRows: readonly string[];
  /** Whether all was quiet when it was asked. */
  readonly isEarly: boolean;
  answers: Array<{ at: number; bytes: Uint8Array }>;
}

/**
 * Several clients, whose engines die at any time. If it isn't `strict`, what is
 * lost is replaced before anything more is asked.
 */
async function run(random: Random, strict: boolean): Promise<void> {
  const sharing = random.chance(0.5);
  const it = recovering(random.between(2, 4), {
    sharing,
    fastLane: random.chance(0.5),
    viewLinger: random.chance(0.5) ? 5_000 : 0,
  });
  const { engines, clock, states } = it;
  let now = 0;
  let isEarly = true;
  let hasFailed = false;
  const asked: Asked[] = [];
  /** Rows that somebody was told of. */
  const answered: Record<string, string[]> = { t: [], u: [] };
  const clients = Array.from({ length: 3 }, () => {
    const client: TestClient = it.open({
      onFrame: (bytes) => {
        const { msgId } = parts(bytes);
        const one = asked.find((it) =>
          it.client === client && it.msgId === msgId
        )!;
        one.answers.push({ at: ++now, bytes });
        if (one.kind === TABLE_UPDATE && parts(bytes).kind !== 50) {
          answered[one.table]!.push(one.row);
        }
      },
    });
    return { client, views: new Map<string, string>(), next: 1 };
  });
  type Client = typeof clients[number];
  const ask = (
    own: Client,
    kind: number,
    table: string,
    {
      view = "",
      row = "",
      port = 0,
      entity = table,
      content = undefined as
        | Parameters<TestClient["ask"]>[3]
        | undefined,
    } = {},
  ) => {
    const { client } = own;
    const msgId = own.next++;
    const rowsOfOwn = asked.filter((it) =>
      it.client === client && it.kind === TABLE_UPDATE && it.table === table
    ).map((it) => it.row);
    asked.push({
      ...{ client, msgId, kind, table, row, port, view, isEarly },
      ...{ at: ++now, mustSee: [...answered[table]!], ownRows: rowsOfOwn },
      answers: [],
    });
    client.ask(msgId, entity, kind, content);
  };
  const update = (own: Client, table: string, port: number) => {
    const row = `${clients.indexOf(own)}.${own.next}`;
    const content = through(port, row);
    ask(own, TABLE_UPDATE, table, { row, port, content });
  };
  const make = (own: Client) => {
    const table = random.pick(TABLES);
    const name = `${clients.indexOf(own)}-${own.next}`;
    own.views.set(name, table);
    const content = makeView(name);
    ask(own, TABLE_MAKE_VIEW, table, { view: name, content });
  };
  const onView = (own: Client, kind: number) => {
    const [view, table] = random.pick([...own.views]);
    ask(own, kind, table, { view, entity: view });
    if (kind === VIEW_DELETE) own.views.delete(view);
  };
  for (const table of TABLES) {
    ask(clients[0]!, MAKE_TABLE, table, { content: rows("first") });
  }
  await it.settle();
  for (const own of clients) {
    make(own);
    make(own);
    onView(own, VIEW_ON_UPDATE);
  }
  await it.settle();
  isEarly = false;
  const settle = async () => {
    for (let i = 0; i < 6; i++) {
      await it.settle();
      clock.advance(70_000);
    }
    await it.settle();
  };
  const isAllUp = () => states().every((it) => it === "up");
  for (let i = 0; i < 80; i++) {
    const own = random.pick(clients);
    const what = random.below(20);
    if (what < 4) update(own, random.pick(TABLES), random.below(2));
    else if (what < 6) ask(own, TABLE_SIZE, random.pick(TABLES));
    else if (what < 8 && own.views.size > 0) onView(own, VIEW_TO_ROWS_STRING);
    else if (what === 8) make(own);
    else if (what === 9 && own.views.size > 0) {
      const isQuiet = isAllUp() && engines.every((it) => it.waiting.length < 1);
      const kinds = [
        VIEW_SCHEMA,
        ...strict || isQuiet ? [VIEW_ON_UPDATE] : [],
        // Otherwise a read before it is in danger.
        ...strict || sharing ? [VIEW_DELETE] : [],
      ];
      onView(own, random.pick(kinds));
    } else if (what < 15) {
      const busy = engines.filter((it) => it.waiting.length > 0);
      if (busy.length > 0) {
        random.pick(busy).step(strict ? random.pick([50, 50, 1e5]) : 50);
      }
      if (random.chance(0.5)) await flush();
    } else if (what < 17) await flush();
    else if (what === 17) {
      await flush(); // as it is before any timer
      clock.advance(random.pick([100, 1000, 70_000]));
    } else if (what === 18 && strict && random.chance(0.3)) {
      it.failSpawns(1);
      hasFailed = true;
    } else if (states().filter((it) => it === "up").length > 1) {
      const living = engines.filter((it) => it.closes === 0);
      const victim = random.pick(living);
      // As an engine tells it, where it knows.
      const guilty = random.pick([undefined, true, false]);
      if (victim.waiting.length === 0) victim.die("x");
      else if (random.chance(0.5)) victim.die("x", guilty);
      else victim.breakOff(random.below(3), "x", false);
      if (!strict) await settle();
    }
  }
  await settle();
  assert(isAllUp(), `engines are ${states()}`);
  assertEquals(it.router.lost, undefined);

  // One order, and in it each change that was answered, once (Invariants 1, 6).
  const alive = engines.filter((it) => it.closes === 0);
  const [{ log }] = alive as [typeof alive[number]];
  for (const other of alive) assertEquals(other.log.tables, log.tables);
  const isRefused = (one: Asked) => parts(one.answers[0]!.bytes).kind === 50;
  for (const one of asked) {
    // Invariant 3
    if (one.kind !== VIEW_ON_UPDATE) assertEquals(one.answers.length, 1);
    if (one.kind !== TABLE_UPDATE) continue;
    const count = log.rowsOf(one.table).filter((row) => row === one.row).length;
    assertEquals(count, isRefused(one) ? 0 : 1);
  }
  for (const { client } of clients) {
    for (const table of TABLES) {
      const made = asked.filter((it) =>
        it.client === client && it.kind === TABLE_UPDATE &&
        it.table === table && !isRefused(it)
      ).map(({ row }) => row);
      const own = log.rowsOf(table).filter((row) => made.includes(row));
      assertEquals(own, made, "a session's changes were made in another order");
    }
  }

  // Reads see what they have to (Invariant 2).
  const { removedViews, poisonous } = it.router.stats().recovery;
  for (const one of asked) {
    const isRead = one.kind === TABLE_SIZE || one.kind === VIEW_TO_ROWS_STRING;
    if (!isRead) continue;
    const [{ bytes }] = one.answers as [Asked["answers"][number]];
    if (parts(bytes).kind === 50) {
      const { message } = errorOf(bytes);
      const isExpected = message.includes("isn't tried again") ||
        message === "View not found" && removedViews + poisonous > 0;
      assert(isExpected, message);
      continue;
    }
    const seen = rowsIn(parts(bytes));
    assertEquals(seen, log.rowsOf(one.table).slice(0, seen.length));
    const own = strict
      ? one.ownRows.filter((row) => log.rowsOf(one.table).includes(row))
      : [];
    const must = strict || !sharing ? one.mustSee : [];
    for (const row of [...must, ...own]) assert(seen.includes(row), "stale");
  }

  // Pushes (Invariants 3 and 7).
  const subscriptions = asked.filter((it) => it.kind === VIEW_ON_UPDATE);
  const portOf = (bytes: Uint8Array) => parts(bytes).content[1] ?? 0;
  for (const one of subscriptions) {
    const { client, view, table } = one;
    const of = (kind: number) =>
      asked.find((it) =>
        it.client === client && it.view === view && it.kind === kind
      );
    const pushes = one.answers.filter(({ bytes }) => parts(bytes).kind !== 50);
    const made = of(TABLE_MAKE_VIEW)!.answers[0]!.at;
    const gone = of(VIEW_DELETE)?.answers[0]?.at ?? Infinity;
    for (const { at } of pushes) {
      assert(at > made && at < gone, "a push at the wrong time");
    }
    if (gone < Infinity || pushes.length < one.answers.length) continue;
    if (removedViews > 0 || !(strict || one.isEarly && !hasFailed)) continue;
    const updates = asked.filter((it) =>
      it.kind === TABLE_UPDATE && it.table === table && it.at > one.at &&
      !isRefused(it) &&
      // What others do may come before it, as long as it isn't begun.
      (it.client === client || one.isEarly)
    );
    for (const { at, port } of updates) {
      const told = pushes.some((push) =>
        push.at > at && portOf(push.bytes) === port
      );
      assert(told, "a change wasn't told of");
    }
    // Those before it may not have been polled.
    if (strict && one.isEarly) {
      assert(pushes.length <= updates.length, "a change was told of twice");
    }
  }

  // From here on all is as if nothing had been.
  for (const one of subscriptions) one.answers = [];
  for (const table of TABLES) {
    for (const port of [0, 1]) {
      update(clients[0]!, table, port);
      await it.settle();
    }
  }
  for (const { client, view, answers } of subscriptions) {
    const isThere = it.router.stats().recovery.removedViews === 0 &&
      clients.find((it) => it.client === client)!.views.has(view);
    const isMade = asked.some((it) =>
      it.kind === TABLE_MAKE_VIEW && it.view === view && !isRefused(it)
    );
    if (isThere && isMade) {
      assertEquals(answers.map(({ bytes }) => portOf(bytes)), [0, 1]);
    }
  }
  for (const { client } of clients) {
    assertEquals(client.ended, undefined);
    client.session.close();
  }
  await settle();
  const { engineViews, pending, views, ...stats } = it.router.stats();
  assertEquals([engineViews, pending, views], [0, 0, 0]);
  assertEquals(stats.subscriptions, 0);
  for (const { log } of alive) assertEquals(log.views, []);
}

Deno.test("Wherever engines die, nobody is answered twice, or in another order", async () => {
  await forAll(300, (random) => run(random, false));
});

Deno.test("Wherever engines die, nobody notices", async () => {
  await forAll(300, (random) => run(random, true));
});
