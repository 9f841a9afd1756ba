/**
 * What engines don't survive, sent by a session that isn't trusted.
 */

import { assert, assertEquals } from "@std/assert";
import { WorkerPool } from "../engine/worker_pool.ts";
import { fullAccess } from "../policy/access.ts";
import { Kind, kindName, type Line, SERVER_ERROR } from "../protocol/kinds.ts";
import { ENGINES } from "../testing/engines.ts";
import { errorOf, parts, readable } from "../testing/frames.ts";
import { goodArrow } from "../testing/fuzz/arrow.ts";
import { CLASSES, setUp, type Source } from "../testing/hostile/classes.ts";
import { HonestClient } from "../testing/hostile/honest.ts";
import { Peer } from "../testing/hostile/peer.ts";
import {
  deleteView,
  type HostileRequest,
  makeView,
  read,
  request,
  sendData,
} from "../testing/hostile/requests.ts";
import { PLACES } from "../testing/hostile/strings.ts";
import { Random } from "../testing/random.ts";
import { Server } from "./server.ts";

const SEED = Number(
  Deno.env.get("PERSPECTIVE_SEED") ??
    crypto.getRandomValues(new Uint16Array(1))[0]!,
);

/** Variants of each class, at least. */
const VARIANTS = 20;

/** Seconds in which more of them are sent. */
const SECONDS = Number(Deno.env.get("PERSPECTIVE_FUZZ_SECONDS") ?? 0);

/** Engines write to stderr what they don't like, which here is most. */
async function silently<T>(run: () => Promise<T>): Promise<T> {
  const { writeSync } = Deno.stderr;
  Deno.stderr.writeSync = (bytes) => bytes.length;
  try {
    return await run();
  } finally {
    Deno.stderr.writeSync = writeSync;
  }
}

/** Sends variants of all classes, and says what went wrong. */
class Attack {
  /** What should have been refused and wasn't, and the like. */
  readonly failures: string[] = [];
  /** Variants that were sent, by class. */
  readonly counts = new Map<string, number>();
  readonly #server: Server;
  readonly #line: Line;
  readonly #arrow: Uint8Array;
  readonly #peer: Peer;

  constructor(server: Server, line: Line, arrow: Uint8Array) {
    this.#server = server;
    this.#line = line;
    this.#arrow = arrow;
    this.#peer = new Peer(server, { access: fullAccess() });
  }

  /** Sends so many of each, and more until `end`. */
  async run(variants: number, end: number): Promise<void> {
    for (const answer of await this.#peer.askAll(setUp())) {
      assertEquals(errorIn(answer), undefined);
    }
    // All that has to be in a place is in each of them at least once.
    const all = Math.max(variants, Object.keys(PLACES).length);
    for (let nth = 0; nth < all || Date.now() < end; nth++) {
      for (const name of Object.keys(CLASSES)) {
        const isEnough = nth >= variants && Date.now() >= end;
        if (isEnough && name !== "strings that aren't text") continue;
        await this.#send(name, nth);
      }
    }
    await this.#probe();
  }

  async #send(name: string, nth: number): Promise<void> {
    const { isRefused, make } = CLASSES[name]!;
    const random = new Random((SEED + nth * 7919 + name.length) >>> 0);
    const source: Source = {
      random,
      line: this.#line,
      nth: this.#count(name),
      arrow: this.#arrow,
    };
    const requests = make(source);
    const before = this.#server.stats().refused;
    const started = performance.now();
    let answers: readonly Uint8Array[] = [];
    try {
      answers = await this.#peer.askAll(requests);
    } catch (reason) {
      this.#fail(name, nth, requests, (reason as Error).message);
      throw reason;
    }
    const took = performance.now() - started;
    if (Deno.env.has("PERSPECTIVE_SHOW")) {
      console.log(
        `${name} ${nth}: ${took.toFixed()} ms, ${
          readable(answers.at(-1)!, 150)
        }`,
      );
    }
    if (isRefused) {
      const error = errorIn(answers.at(-1)!);
      if (error === undefined) {
        this.#fail(name, nth, requests, "was let through");
      } else if (this.#server.stats().refused !== before + 1) {
        this.#fail(name, nth, requests, `was for the engine to say: ${error}`);
      }
    }
    await this.#cleanUp(requests);
  }

  /** Takes away what they have made, if they have. */
  async #cleanUp(requests: readonly HostileRequest[]): Promise<void> {
    const all = requests.flatMap(({ kind, entity, content }) => {
      if (kind === Kind.TABLE_MAKE_VIEW) {
        const id = content.subarray(2, 2 + content[1]!);
        return [deleteView(id)];
      }
      return kind === Kind.MAKE_TABLE && typeof entity === "string"
        ? [request(Kind.TABLE_DELETE, entity, (w) => w.tag(1, 0).bool(true))]
        : [];
    });
    await this.#peer.askAll(all);
  }

  /** What it has left can be read still. */
  async #probe(): Promise<void> {
    for (const id of ["flat", "grouped", "split"]) {
      const answer = await this.#peer.ask(read(id));
      assertEquals(errorIn(answer), undefined);
      new TextDecoder("utf-8", { fatal: true }).decode(answer.slice(20));
    }
    // No view is left that nobody knows of.
    await this.#peer.askAll(["flat", "grouped", "split"].map(deleteView));
    for (const table of ["play", "big"]) {
      const [deleted, gone] = await this.#peer.askAll([
        request(Kind.TABLE_DELETE, table, (w) => w.tag(1, 0).bool(true)),
        request(Kind.TABLE_SIZE, table),
      ]);
      assertEquals(errorIn(deleted!), undefined);
      assertEquals(errorIn(gone!), "Couldn't find key.");
    }
    assertEquals(this.#peer.ended, undefined);
  }

  #count(name: string): number {
    const nth = this.counts.get(name) ?? 0;
    this.counts.set(name, nth + 1);
    return nth;
  }

  #fail(
    name: string,
    nth: number,
    requests: readonly HostileRequest[],
    what: string,
  ): void {
    const last = requests.at(-1)!;
    this.failures.push(
      `${name}, variant ${nth}, ${kindName(last.kind)} of ${
        JSON.stringify(last.entity)
      } ${what}:\n  ${readable(last.content, 400)}`,
    );
  }
}

function errorIn(answer: Uint8Array): string | undefined {
  return parts(answer).kind === SERVER_ERROR
    ? errorOf(answer).message
    : undefined;
}

const EXECUTORS = { "one engine": 0, "a pool": 2 } as const;

for (const [line, engine] of Object.entries(ENGINES) as [Line, string][]) {
  for (const [where, size] of Object.entries(EXECUTORS)) {
    Deno.test(`Whoever isn't trusted does no harm to ${where} (${engine})`, async () => {
      console.log(`PERSPECTIVE_SEED=${SEED}`);
      const errors: string[] = [];
      const onError = (error: Error) => void errors.push(error.message);
      await using pool = size > 0 ? new WorkerPool({ size }) : undefined;
      await using server = new Server({
        engine,
        onError,
        ...pool && { executor: pool },
      });
      await using alone = new Server({ engine, onError });
      await Promise.all([server.ready, alone.ready]);
      const honest = new HonestClient(server);
      const reference = new HonestClient(alone);
      await Promise.all([honest.begin(), reference.begin()]);
      const attack = new Attack(server, line, await goodArrow(line));
      let isOver = false;
      await silently(async () => {
        const attacking = attack.run(VARIANTS, Date.now() + SECONDS * 1000)
          .catch((reason) => void attack.failures.push(String(reason)))
          .finally(() => isOver = true);
        while (!isOver) {
          await honest.step();
          // Others have a turn.
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
        await attacking;
      });
      assertEquals(attack.failures.slice(0, 10).join("\n"), "");
      assertEquals(errors, []);
      assertEquals(server.lost, undefined);
      assertEquals(server.stats().recovery.lost, 0);
      assert(honest.steps > 5);
      while (reference.steps < honest.steps) await reference.step();
      assertEquals((await honest.differences(reference)).slice(0, 3), []);
    });
  }
}

/** A view with more filters than who isn't trusted may have, of a small table. */
const manyFilters = makeView("play", "filtered", {
  filters: Array.from({ length: 300 }, () => ["k", "==", 3]),
});

for (const [line, engine] of Object.entries(ENGINES) as [Line, string][]) {
  Deno.test(`Whoever is trusted isn't looked at (${engine})`, async () => {
    await using server = new Server({ engine });
    await server.ready;
    const access = fullAccess();
    const [trusted, other] = [
      new Peer(server, { access: fullAccess({ trusted: true }) }),
      new Peer(server, { access }),
    ];
    const [make, fill] = setUp();
    await trusted.askAll([make!, fill!]);
    assertEquals(errorIn(await trusted.ask(manyFilters)), undefined);
    const error = errorIn(await other.ask(manyFilters));
    assert(error?.includes('"filter" must have at most 256'), error);
    const filtered = await trusted.ask(read("filtered"));
    assert(readable(parts(filtered).content).includes("[3]"), line);
    // It may be trusted at any time.
    access.update({ ...access.rules, trusted: true });
    assertEquals(errorIn(await other.ask(manyFilters)), undefined);
  });

  Deno.test(`Server.close() answers what is being looked at (${engine})`, async () => {
    const server = new Server({ engine });
    await server.ready;
    const client = new Peer(server, { access: fullAccess() });
    await client.askAll(setUp().slice(0, 2));
    // Long enough for the thread that looks at what is long.
    const rows = JSON.stringify(
      Array.from({ length: 5_000 }, (_, k) => ({ k, s: "some text" })),
    );
    const update = client.askAll([
      sendData(Kind.TABLE_UPDATE, "play", "rows", rows),
      request(Kind.TABLE_SIZE, "play"),
    ]);
    await server.close();
    const errors = (await update).map(errorIn);
    assertEquals(errors, ["The server is closed", "The server is closed"]);
    assertEquals(client.ended, "server closed");
  });
}
