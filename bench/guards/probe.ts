/**
 * Measures one engine: a line of JSON for each load. It is told the engine's
 * package and how many rounds.
 */
import {
  type Access,
  fullAccess,
  Server,
  type ServerSession,
  WorkerPool,
} from "../../mod.ts";
import type { Request } from "../load/types.ts";
import { complaint, msgIdOf } from "../load/wire.mjs";
import { spread } from "../stats.ts";
import { type Load, loadsOf, setUp } from "./loads.ts";

/** What a load took in each round: milliseconds of a cycle, the median. */
export interface Sample {
  readonly name: string;
  readonly trusted: readonly number[];
  readonly lookedAt: readonly number[];
}

/** A session that asks for one thing after the other. */
class Client {
  readonly #session: ServerSession;
  #msgId = 1;
  #nth: number;
  #take: (frame: Uint8Array) => void = () => {};

  /** Its cycles count from `first`, so that no two clients ask for the same. */
  constructor(server: Server, access: Access, first: number) {
    this.#nth = first;
    this.#session = server.newSession((frame) => this.#take(frame), {
      access,
    });
  }

  /** Milliseconds that a cycle takes. */
  async cycle(load: Load): Promise<number> {
    const requests = load.cycle(this.#nth++, this.#msgId);
    this.#msgId += requests.length;
    const start = performance.now();
    for (const asked of requests) {
      const answer = await this.#ask(asked);
      const wrong = complaint(asked, answer);
      if (wrong !== undefined) throw new Error(`${load.name}: ${wrong}`);
    }
    return performance.now() - start;
  }

  #ask(asked: Request): Promise<Uint8Array> {
    const { promise, resolve } = Promise.withResolvers<Uint8Array>();
    this.#take = (frame) => msgIdOf(frame) === asked.msgId && resolve(frame);
    this.#session.handleRequest(asked.frame);
    return promise;
  }
}

const [engine = "", given = ""] = Deno.args;
const rounds = Number(given);
await using executor = new WorkerPool();
await using server = new Server({ engine, executor });
const arrow = await setUp(server.newLocalClient());
const clients = [
  new Client(server, fullAccess({ trusted: true }), 0),
  new Client(server, fullAccess(), 1_000_000),
] as const;
for (const load of loadsOf(arrow)) {
  const [trusted, lookedAt] = await measure(load, clients);
  const sample: Sample = { name: load.name, trusted, lookedAt };
  console.log(JSON.stringify(sample));
}

/** The median of a cycle in each round, the first of which doesn't count. */
async function measure(
  load: Load,
  clients: readonly [Client, Client],
): Promise<readonly [number[], number[]]> {
  const medians: readonly [number[], number[]] = [[], []];
  for (let round = 0; round <= rounds; round++) {
    // By turns cycle by cycle, so that what disturbs one disturbs the other.
    const taken: readonly [number[], number[]] = [[], []];
    for (let i = 0; i < load.cycles; i++) {
      for (const which of (i + round) % 2 === 0 ? [0, 1] : [1, 0]) {
        taken[which]!.push(await clients[which]!.cycle(load));
      }
    }
    if (round === 0) continue;
    taken.forEach((it, i) => medians[i]!.push(spread(it)!.median));
  }
  return medians;
}
