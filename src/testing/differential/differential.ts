/**
 * Two servers that are asked the same and must say the same. For tests only.
 *
 * The left one runs its engine inline, so that all it has to say to a request
 * has been said when the call returns. That is what is expected of the right
 * one, whatever executes there: the same frames, for the same sessions, in the
 * same order for each `msg_id`, and none besides.
 *
 * What is left out, and why, stands in `left_out.ts`.
 *
 * @module
 */

import { Kind, kindInfo, SERVER_ERROR } from "../../protocol/kinds.ts";
import type { ServerSession } from "../../server/server_session.ts";
import { type Parts, parts, readable } from "../frames.ts";
import { Random } from "../random.ts";
import { isChange, type RequestStep, type Step } from "./asks.ts";
import { forwardPush } from "./copies.ts";
import {
  count,
  Expectations,
  Missing,
  type PushOrder,
} from "./expectations.ts";
import { Failure } from "./failure.ts";
import type { Client, Subscription } from "./model.ts";
import type {
  DifferentialOptions,
  DifferentialReport,
  Side,
} from "./options.ts";
import { PushedRows } from "./same_frame.ts";
import { Steps } from "./steps.ts";
import type { Scope, World } from "./world.ts";

/**
 * Asks both servers the same, and compares all they say.
 *
 * @param left A server whose engine runs inline.
 * @throws {Error} At the first difference, with what it takes to repeat it.
 */
export async function differential(
  left: Side,
  right: Side,
  options: DifferentialOptions,
): Promise<DifferentialReport> {
  await Promise.all([left.ready, right.ready]);
  const comparison = new Comparison(left, right, options);
  try {
    return await comparison.run();
  } finally {
    comparison.closeAll();
  }
}

/** One client of both servers. */
interface Pair {
  readonly client: Client;
  readonly left: ServerSession;
  readonly right: ServerSession;
  readonly expectations: Expectations;
}

class Comparison {
  readonly #left: Side;
  readonly #right: Side;
  readonly #options: DifferentialOptions;
  readonly #random: Random;
  readonly #steps: Steps;
  readonly #world: World;
  readonly #pairs: Pair[] = [];
  readonly #failure: Failure;
  readonly #missing = new Missing();
  readonly #pushedRows = new PushedRows();
  /** The step under way on the left side. */
  #current: Step | undefined;
  /** What it was answered. */
  #answer: Parts | undefined;
  #isLeftAsked = false;
  // For the report.
  readonly #kinds = new Map<number, number>();
  readonly #pushes = new Map<number, number>();
  #errors = 0;

  constructor(left: Side, right: Side, options: DifferentialOptions) {
    this.#left = left;
    this.#right = right;
    this.#options = options;
    this.#failure = new Failure(options);
    this.#random = new Random(options.seed);
    this.#steps = new Steps(this.#random, options);
    this.#world = this.#steps.world;
  }

  async run(): Promise<DifferentialReport> {
    const { steps, pipelined = false } = this.#options;
    while (this.#failure.steps < steps) {
      if (pipelined) this.#burst();
      else this.#one({});
      await this.#settle();
    }
    await this.#end();
    return {
      steps: this.#failure.steps,
      kinds: this.#kinds,
      pushes: this.#pushes,
      errors: this.#errors,
    };
  }

  closeAll(): void {
    for (const { left, right, expectations } of this.#pairs) {
      if (expectations.isClosed) continue;
      expectations.close();
      left.close();
      right.close();
    }
  }

  // -- Steps ------------------------------------------------------------------

  /** One step, with what has to follow it at once. */
  #one(scope: Scope): Step | undefined {
    const step = this.#steps.next(scope);
    if (step === undefined) return undefined;
    this.#take(step);
    for (let next; (next = this.#steps.urgent()) !== undefined;) {
      this.#take(next);
    }
    if (this.#options.pollsEach && isChange(step)) {
      // A read makes whatever comes next have another poll.
      const client = this.#pairs[step.client]!.client;
      const { entity } = step.ask;
      const read = { kind: Kind.TABLE_SIZE, entity };
      this.#take(this.#steps.request(client, read));
    }
    return step;
  }

  #burst(): void {
    const random = this.#random;
    const { live } = this.#world;
    if (live.length === 0 || random.chance(0.1)) {
      this.#one({});
      return;
    }
    const isShared = random.chance(0.4);
    const scope = isShared
      ? this.#world.shareOut()
      : { client: random.pick(live) };
    const length = isShared
      ? random.between(4, 8 * live.length)
      : random.between(1, 8);
    for (let i = 0; i < length; i++) {
      const step = this.#one(scope);
      if (step?.type === "close") return;
      if (this.#options.pollsEach && isChange(step)) return;
    }
  }

  /** Everything that is left: the tables, then the deferred answers. */
  async #end(): Promise<void> {
    this.#take({ type: "open", client: this.#pairs.length });
    for (const step of this.#steps.last(this.#pairs.at(-1)!.client)) {
      this.#take(step);
      await this.#settle();
    }
    // Whatever the right side still sends is too much.
    await new Promise((resolve) => setTimeout(resolve, 20));
    for (const { expectations } of this.#pairs) expectations.checkEarly();
    await this.#settle();
    for (const { number } of this.#world.live) {
      this.#take({ type: "close", client: number });
    }
    await this.#settle();
  }

  /** Lets both sides do `step`. */
  #take(step: Step): void {
    this.#failure.check();
    this.#failure.note(step);
    this.#current = step;
    this.#pushedRows.clear();
    if (step.type === "open") this.#open();
    else if (step.type === "close") this.#close(this.#pairs[step.client]!);
    else this.#request(step);
  }

  #open(): void {
    const failure = this.#failure;
    const client = this.#world.opened();
    const expectations = new Expectations(client, {
      failure,
      missing: this.#missing,
      joinsChanges: this.#world.joinsChanges,
    });
    const onEnd = (side: string) => (reason: string) =>
      failure.fail(
        `The ${side} side ended session ${client.number}: ${reason}`,
      );
    const pair: Pair = {
      client,
      left: this.#left.newSession(
        (frame) => failure.guard(() => this.#onLeft(pair, frame)),
        { onEnd: onEnd("left") },
      ),
      right: this.#right.newSession(
        (frame) => failure.guard(() => expectations.right(frame)),
        { onEnd: onEnd("right") },
      ),
      expectations,
    };
    this.#pairs.push(pair);
  }

  #close({ client, left, right, expectations }: Pair): void {
    this.#isLeftAsked = true;
    left.close();
    this.#isLeftAsked = false;
    expectations.close();
    this.#world.closed(client);
    right.close();
  }

  #request({ ask, msgId, frame, ...step }: RequestStep): void {
    const pair = this.#pairs[step.client]!;
    const { client, expectations } = pair;
    ask.before?.(msgId);
    this.#answer = undefined;
    this.#isLeftAsked = true;
    // Each side gets bytes of its own: an executor may transfer them.
    pair.left.handleRequest(frame.slice());
    this.#isLeftAsked = false;
    this.#failure.check();
    const isSubscription = client.subscriptions.has(msgId);
    const answer = this.#answer as Parts | undefined;
    if (answer !== undefined) {
      if (answer.kind === SERVER_ERROR) {
        this.#errors++;
        client.subscriptions.delete(msgId);
      } else count(this.#kinds, ask.kind);
      if (ask.anyError) expectations.allowAnyError(msgId);
      const before = [...client.subscriptions.keys()];
      ask.after?.(answer);
      if (kindInfo(ask.kind)?.effect === "unsubscribe") {
        for (const it of before) expectations.unsubscribed(it);
      }
    } else if (isSubscription) count(this.#kinds, ask.kind);
    else if (ask.kind === Kind.TABLE_DELETE) {
      count(this.#kinds, ask.kind);
      expectations.setLazy(msgId);
    } else if (ask.kind !== Kind.VIEW_ON_DELETE) {
      this.#failure.fail("The left side didn't answer");
    }
    pair.right.handleRequest(frame);
  }

  // -- Frames -----------------------------------------------------------------

  #onLeft({ client, expectations }: Pair, frame: Uint8Array): void {
    if (!this.#isLeftAsked) {
      return this.#failure.fail("The left side sent something unasked", [
        readable(frame),
      ]);
    }
    const got = parts(frame);
    const { msgId } = got;
    const subscription = client.subscriptions.get(msgId);
    if (subscription !== undefined && got.kind !== SERVER_ERROR) {
      return this.#onPush(client, expectations, frame, got, subscription);
    }
    const step = this.#current!;
    if (step.type === "request" && step.msgId === msgId) {
      if (this.#answer !== undefined) {
        this.#failure.fail("The left side answered twice", [readable(frame)]);
      }
      this.#answer = got;
    } else if (!expectations.isLazy(msgId)) {
      this.#failure.fail("The left side answered what nobody asked", [
        readable(frame),
      ]);
    }
    expectations.left(msgId, frame);
  }

  #onPush(
    client: Client,
    expectations: Expectations,
    frame: Uint8Array,
    got: Parts,
    subscription: Subscription,
  ): void {
    const step = this.#current!;
    count(this.#pushes, subscription.kind);
    if (this.#world.sharesViews && got.kind === Kind.VIEW_ON_UPDATE) {
      frame = this.#pushedRows.asAsked(client, subscription, got);
    }
    let own: PushOrder["own"];
    if (
      step.type === "request" && step.client === client.number &&
      !client.subscriptions.has(step.msgId)
    ) own = { msgId: step.msgId, after: this.#answer !== undefined };
    forwardPush(this.#world, client, subscription, got);
    expectations.left(got.msgId, frame, { own, subscription });
  }

  /** Resolves when the right side has sent what the left one has. */
  async #settle(): Promise<void> {
    const missing = this.#missing;
    const failure = this.#failure;
    if (missing.count > 0 && !failure.isThere) {
      const { timeout = 10_000 } = this.#options;
      const { promise, resolve } = Promise.withResolvers<void>();
      missing.onNone = resolve;
      failure.onFail = resolve;
      const timer = setTimeout(() => {
        const lines = this.#pairs.flatMap((it) => it.expectations.describe());
        failure.fail(
          `The right side still has to send ${missing.count} frames after ` +
            `${timeout} ms, which the left one sent`,
          lines.slice(0, 10),
        );
      }, timeout);
      await promise;
      clearTimeout(timer);
    }
    failure.check();
  }
}
