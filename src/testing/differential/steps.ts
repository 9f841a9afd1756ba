/**
 * Random steps of several sessions, one after the other. For tests only.
 *
 * @module
 */

import { frame } from "../frames.ts";
import type { Random } from "../random.ts";
import type { Ask, RequestStep, Step } from "./asks.ts";
import { randomAsk } from "./choices.ts";
import { finalAsks } from "./final_asks.ts";
import type { Client } from "./model.ts";
import { type Scope, World, type WorldOptions } from "./world.ts";

/** What steps there are to be. */
export interface StepsOptions extends WorldOptions {
  /** How many sessions at a time. @default {4} */
  readonly sessions?: number;
}

/**
 * Makes up steps, with what the left server said so far: who takes a step tells
 * its {@linkcode Ask} and the {@linkcode World} what came of it.
 */
export class Steps {
  /** What they are made up from. */
  readonly world: World;
  readonly #random: Random;
  readonly #sessions: number;

  /** The same `random` makes up the same steps, if the answers are the same. */
  constructor(random: Random, options: StepsOptions) {
    this.#random = random;
    this.#sessions = options.sessions ?? 4;
    this.world = new World(random, options);
  }

  /** The next step; `undefined` if `scope` allows none that came to mind. */
  next(scope: Scope = {}): Step | undefined {
    const random = this.#random;
    const world = this.world;
    const { live } = world;
    const isShared = scope.owners !== undefined;
    world.scope = scope;
    if (scope.client === undefined && !isShared) {
      const open = live.length;
      if (open === 0 || open < this.#sessions && random.chance(0.2)) {
        return { type: "open", client: world.clients.length };
      }
    }
    if (!isShared && live.length > 1 && random.chance(0.005)) {
      const { number } = scope.client ?? random.pick(live);
      return { type: "close", client: number };
    }
    if (!isShared && random.chance(0.7)) {
      const follows = world.following.findIndex(({ client }) =>
        scope.client === undefined || client === scope.client
      );
      if (follows >= 0) {
        const { client, make } = world.following.splice(follows, 1)[0]!;
        const ask = client.open ? make() : undefined;
        if (ask !== undefined) return this.request(client, ask);
      }
    }
    const client = scope.client ?? random.pick(live);
    for (let attempt = 0; attempt < 20; attempt++) {
      const ask = randomAsk(world, client);
      if (ask !== undefined) return this.request(client, ask);
    }
    return undefined;
  }

  /** What the last step's answer calls for before anything else. */
  urgent(): Step | undefined {
    const { urgent } = this.world;
    if (urgent === undefined) return undefined;
    this.world.urgent = undefined;
    return this.request(urgent.client, urgent.ask);
  }

  /** What comes last; `client` is a session of its own. */
  *last(client: Client): Generator<Step, void> {
    for (const { client: asks, ask } of finalAsks(this.world, client)) {
      yield this.request(asks, ask);
    }
  }

  /** `ask` with an id of its own. */
  request(client: Client, ask: Ask): RequestStep {
    let msgId: number;
    do msgId = this.#random.id(); while (
      msgId === 0 || client.usedIds.has(msgId)
    );
    client.usedIds.add(msgId);
    return {
      type: "request",
      client: client.number,
      msgId,
      ask,
      frame: frame(msgId, ask.entity, ask.kind, ask.content),
    };
  }
}
