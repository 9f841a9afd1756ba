import { assert, assertEquals } from "@std/assert";
import { WorkerPool } from "../engine/worker_pool.ts";
import { Access } from "../policy/access.ts";
import { hasKind, Kind, type Line } from "../protocol/kinds.ts";
import { sameFrame } from "../testing/differential/same_frame.ts";
import { ENGINES } from "../testing/engines.ts";
import {
  fields,
  type Fill,
  frame,
  makeView,
  message,
  parts,
  readable,
  text,
  uint,
} from "../testing/frames.ts";
import { forAll, Random } from "../testing/random.ts";
import { Server } from "./server.ts";
import type { ServerSession } from "./server_session.ts";

/** A tenant: what its tables are called begins with its name. */
type Tenant = "alice" | "bob";

const other = (tenant: Tenant): Tenant => tenant === "alice" ? "bob" : "alice";

/** What is in all of a tenant's data and in no request of the other's. */
const secretOf = (tenant: Tenant) => `secret of ${tenant}`;

/** What a tenant does: a frame for its session, or `undefined` to open another. */
type Deed = Uint8Array | undefined;

const TABLES = ["1", "2", "3"];
const VIEWS = ["v1", "v2", "v3"];

/** What `tenant` asks, one thing after the other, whatever it is answered. */
function deeds(tenant: Tenant, line: Line, random: Random): Deed[] {
  let msgId = 0;
  const ask = (kind: number, entity: string, content?: Fill) =>
    frame(++msgId, entity, kind, content && message(content));
  const rows = (): Fill => {
    const data = Array.from({ length: random.between(1, 5) }, () => ({
      k: random.below(10),
      [`${secretOf(tenant)}, a column`]: random.below(100),
      s: `${secretOf(tenant)} ${random.below(3)}`,
    }));
    return (it) =>
      it.tag(1, 2).fork().tag(4, 2).string(JSON.stringify(data)).join();
  };
  // Every fourth name is one that the other tenant uses.
  const table = () =>
    `${random.chance(0.25) ? other(tenant) : tenant}/${random.pick(TABLES)}`;
  const view = () => random.pick(VIEWS);
  const viewport: Fill = (it) => it.tag(1, 2).fork().join();
  const config = message((it) => {
    if (random.chance(0.5)) it.tag(1, 2).string("s");
    if (random.chance(0.2)) it.tag(2, 2).string("k");
  });
  const index: Fill = (it) => {
    rows()(it);
    it.tag(2, 2).fork().tag(1, 2).string("k").join();
  };
  const join: Fill = (it) =>
    it.tag(1, 2).string(table()).tag(2, 2).string(table()).tag(3, 2)
      .string("k");
  const whatever = (): Deed => {
    const kinds = Object.values(Kind).filter((it) =>
      // Of columns that aren't there no engine comes back.
      hasKind(line, it) && it !== Kind.VIEW_COLUMN_PATHS
    );
    const kind = random.pick(kinds);
    const entity = random.pick([table(), view(), ""]);
    return ask(kind, entity, uint(1, random.below(30)));
  };
  const one: ReadonlyArray<() => Deed> = [
    () => ask(Kind.MAKE_TABLE, table(), random.chance(0.5) ? rows() : index),
    () => ask(Kind.TABLE_UPDATE, table(), rows()),
    () => ask(Kind.TABLE_UPDATE, table(), rows()),
    () => ask(Kind.TABLE_REPLACE, table(), rows()),
    () => ask(Kind.TABLE_DELETE, table(), uint(1, random.below(2))),
    () => ask(Kind.TABLE_MAKE_PORT, table()),
    () => ask(Kind.TABLE_SIZE, table()),
    () => ask(Kind.TABLE_SCHEMA, table()),
    () => ask(Kind.TABLE_ON_DELETE, table()),
    () => ask(Kind.GET_HOSTED_TABLES, "", uint(1, random.below(2))),
    () => ask(Kind.TABLE_MAKE_VIEW, table(), makeView(view(), config)),
    () => ask(Kind.TABLE_MAKE_VIEW, table(), makeView(view(), config)),
    () =>
      ask(
        Kind.VIEW_ON_UPDATE,
        view(),
        random.chance(0.5) ? uint(1, 0) : undefined,
      ),
    () => ask(Kind.VIEW_TO_COLUMNS_STRING, view(), viewport),
    () => ask(Kind.VIEW_TO_CSV, view(), viewport),
    () => ask(Kind.VIEW_GET_MIN_MAX, view(), text(1, "s")),
    () => ask(Kind.VIEW_EXPAND, view(), uint(1, random.below(3))),
    () => ask(Kind.VIEW_DELETE, view()),
    () => ask(Kind.VIEW_REMOVE_ON_UPDATE, view(), uint(1, random.below(100))),
    () => ask(Kind.TABLE_REMOVE_DELETE, table(), uint(1, random.below(100))),
    () => random.chance(0.2) ? undefined : whatever(),
    ...line === "5" ? [() => ask(Kind.MAKE_JOIN_TABLE, table(), join)] : [],
  ];
  return [
    ...TABLES.map((it) => ask(Kind.MAKE_TABLE, `${tenant}/${it}`, rows())),
    ask(Kind.GET_HOSTED_TABLES, "", uint(1, 1)),
    ask(Kind.TABLE_MAKE_VIEW, `${tenant}/1`, makeView("v1", config)),
    ask(Kind.VIEW_ON_UPDATE, "v1"),
    ask(Kind.VIEW_TO_CSV, "v1", viewport),
    ...Array.from({ length: 60 }, () => random.pick(one)()),
  ];
}

/** What came for a tenant, and a way to do what it does next. */
class Actor {
  readonly frames: Uint8Array[] = [];
  readonly #server: Server;
  readonly #access: Access;
  readonly #deeds: Deed[];
  #session: ServerSession;

  constructor(server: Server, tenant: Tenant, deeds: readonly Deed[]) {
    this.#server = server;
    const tables = (name: string) => name.startsWith(`${tenant}/`);
    this.#access = new Access({
      see: tables,
      update: true,
      create: true,
      delete: true,
    });
    this.#deeds = [...deeds];
    this.#session = this.#open();
  }

  get isDone(): boolean {
    return this.#deeds.length === 0;
  }

  step(): void {
    const deed = this.#deeds.shift();
    if (deed !== undefined) return this.#session.handleRequest(deed);
    this.#session.close();
    this.#session = this.#open();
  }

  #open(): ServerSession {
    const keep = (bytes: Uint8Array) => void this.frames.push(bytes);
    return this.#server.newSession(keep, { access: this.#access });
  }
}

/** The entries of a list of tables come in no order. */
function sorted(bytes: Uint8Array): Uint8Array {
  const { msgId, entity, kind, content } = parts(bytes);
  if (kind !== Kind.GET_HOSTED_TABLES) return bytes;
  const entries = fields(content).map(({ raw }) => raw.toHex()).sort();
  return frame(msgId, entity, kind, Uint8Array.fromHex(entries.join("")));
}

for (const [line, engine] of Object.entries(ENGINES) as [Line, string][]) {
  Deno.test(`A tenant is answered as if it were alone, whatever the other does (${engine})`, async () => {
    // Invariant 9
    await forAll(15, async (random) => {
      const [seedOfAlice, seedOfBob] = [random.uint32(), random.uint32()];
      const onError = () => {};
      const start = async () => {
        const server = new Server({
          engine,
          onError,
          viewLinger: 0,
          guards: false,
        });
        await server.ready;
        return server;
      };
      await using both = await start();
      await using one = await start();
      const ofAlice = deeds("alice", line, new Random(seedOfAlice));
      const ofBob = deeds("bob", line, new Random(seedOfBob));
      const alice = new Actor(both, "alice", ofAlice);
      const bob = new Actor(both, "bob", ofBob);
      const alone = new Actor(one, "alice", ofAlice);
      while (!alice.isDone || !bob.isDone) {
        const actor = random.chance(0.5) ? alice : bob;
        if (!actor.isDone) actor.step();
      }
      while (!alone.isDone) alone.step();
      assertEquals(both.lost, undefined);
      for (let i = 0; i < alone.frames.length; i++) {
        const [a, b] = [alice.frames[i], alone.frames[i]!];
        const isSame = a !== undefined && sameFrame(sorted(a), sorted(b));
        const said = a === undefined ? "nothing" : readable(a);
        assert(isSame, `Answer ${i} is ${said}, alone it is ${readable(b)}`);
      }
      assertEquals(alice.frames.length, alone.frames.length);
    });
  });

  Deno.test(`Nothing of a tenant's reaches the other through a pool (${engine})`, async () => {
    // Invariant 9
    await forAll(2, async (random) => {
      await using executor = new WorkerPool({ size: 3 });
      const onError = () => {};
      await using server = new Server({ engine, executor, onError });
      await server.ready;
      const actors = (["alice", "bob"] as const).map((tenant) =>
        [
          tenant,
          new Actor(server, tenant, deeds(tenant, line, random)),
        ] as const
      );
      while (actors.some(([, it]) => !it.isDone)) {
        const [, actor] = random.pick(actors);
        if (!actor.isDone) actor.step();
        if (random.chance(0.1)) await new Promise((go) => setTimeout(go, 0));
      }
      const isBusy = ({ pending, waitingDeletes } = server.stats()) =>
        pending > waitingDeletes;
      while (isBusy()) {
        await new Promise((go) => setTimeout(go, 0));
      }
      let own = 0;
      for (const [tenant, { frames }] of actors) {
        const decoder = new TextDecoder();
        for (const bytes of frames) {
          const said = decoder.decode(bytes);
          assert(!said.includes(secretOf(other(tenant))), readable(bytes));
          if (said.includes(secretOf(tenant))) own++;
          const { kind, content } = parts(bytes);
          if (kind !== Kind.GET_HOSTED_TABLES) continue;
          const names = decoder.decode(content);
          assert(!names.includes(`${other(tenant)}/`), readable(bytes));
        }
      }
      assert(own > 0, "Nobody has read anything");
    });
  });
}
