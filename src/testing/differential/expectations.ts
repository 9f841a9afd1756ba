/**
 * What the right side has to send since the left one did: frames are compared
 * as they come, per session and `msg_id`. For tests only.
 *
 * @module
 */

import { Kind, SERVER_ERROR } from "../../protocol/kinds.ts";
import { parts, readable } from "../frames.ts";
import type { Failure } from "./failure.ts";
import type { Client, Subscription } from "./model.ts";
import { sameFrame } from "./same_frame.ts";

/** How many frames the right side has yet to send, to all sessions. */
export class Missing {
  /** Called when there are none any more. */
  onNone: () => void = () => {};
  #count = 0;

  /** How many there are. */
  get count(): number {
    return this.#count;
  }

  /** One more. */
  add(): void {
    this.#count++;
  }

  /** So many have come, or needn't come any more. */
  drop(count: number): void {
    this.#count -= count;
    if (this.#count === 0) this.onNone();
  }
}

/** What all sessions of a comparison have in common. */
export interface ExpectationsOptions {
  readonly failure: Failure;
  readonly missing: Missing;
  /** See {@linkcode WorldOptions.joinsChanges}. */
  readonly joinsChanges: boolean;
}

/** What came before or after a push, for the same session. */
export interface PushOrder {
  /**
   * For a push that the session's own request caused: whether it came after
   * the answer of that request, which has this `msg_id`.
   */
  readonly own: { readonly msgId: number; readonly after: boolean } | undefined;
  /** What is pushed. */
  readonly subscription: Subscription;
}

/** A frame of the left side that the right side has yet to send. */
interface Expected {
  readonly frame: Uint8Array;
  /** The step it came of. */
  readonly step: number;
  /** See {@linkcode PushOrder.own}. */
  readonly own: PushOrder["own"];
  /** How many pushes of other kinds there had been on the same view. */
  readonly others: readonly {
    readonly msgId: number;
    readonly count: number;
  }[];
}

/** What one session has yet to get from the right side. */
export class Expectations {
  readonly #client: Client;
  readonly #options: ExpectationsOptions;
  readonly #failure: Failure;
  /** By `msg_id`, as all that follows. */
  readonly #expected = new Map<number, Expected[]>();
  /** Pushes that needn't come any more, since the session unsubscribed. */
  readonly #optional = new Map<number, Expected[]>();
  /** Requests whose errors may say anything. */
  readonly #anyErrors = new Set<number>();
  /** Deletes of tables that are answered when the last view goes. */
  readonly #lazy = new Set<number>();
  /** Answers of the right side to lazy deletes that came first. */
  readonly #early = new Map<number, Uint8Array[]>();
  /** How many frames have come. */
  readonly #leftCounts = new Map<number, number>();
  readonly #rightCounts = new Map<number, number>();
  #isClosed = false;

  /** Nothing is expected yet. */
  constructor(client: Client, options: ExpectationsOptions) {
    this.#client = client;
    this.#options = options;
    this.#failure = options.failure;
  }

  /** Whether nothing may come any more. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Whether `msgId` is a lazy delete. */
  isLazy(msgId: number): boolean {
    return this.#lazy.has(msgId);
  }

  /** `msgId` is a lazy delete. */
  setLazy(msgId: number): void {
    this.#lazy.add(msgId);
  }

  /** Request `msgId` may get an error with another message. */
  allowAnyError(msgId: number): void {
    this.#anyErrors.add(msgId);
  }

  /** If `msgId` is a subscription no more, its pushes needn't come any more. */
  unsubscribed(msgId: number): void {
    const waiting = this.#expected.get(msgId);
    if (this.#client.subscriptions.has(msgId) || waiting === undefined) return;
    this.#expected.delete(msgId);
    this.#optional.set(msgId, waiting);
    this.#options.missing.drop(waiting.length);
  }

  /** The session closes. */
  close(): void {
    this.#isClosed = true;
    for (const { length } of this.#expected.values()) {
      this.#options.missing.drop(length);
    }
    this.#expected.clear();
    this.#optional.clear();
    this.#early.clear();
  }

  /** All that is still expected, for a reader. */
  describe(): string[] {
    return [...this.#expected].flatMap(([msgId, frames]) =>
      frames.map(({ frame, step }) =>
        `  of step ${step}, for session ${this.#client.number}, ` +
        `msg_id ${msgId}: ${readable(frame, 400)}`
      )
    );
  }

  /** Nothing may be left that only the right side sent. */
  checkEarly(): void {
    for (const [msgId, frames] of this.#early) {
      this.#failure.fail(
        `The right side answered request ${msgId} of session ` +
          `${this.#client.number}, which the left one never did`,
        [`right: ${readable(frames[0]!)}`],
      );
    }
  }

  /** The left side sent `frame`; if it is a push, `order` says when. */
  left(msgId: number, frame: Uint8Array, order?: PushOrder): void {
    const others = order === undefined ? [] : this.#others(order.subscription);
    count(this.#leftCounts, msgId);
    const early = this.#early.get(msgId);
    if (early !== undefined) {
      this.#early.delete(msgId);
      if (!sameFrame(frame, early[0]!)) {
        this.#differs(frame, early[0]!, this.#failure.steps);
      }
      return;
    }
    const step = this.#failure.steps;
    const expected = { frame, step, own: order?.own, others };
    const waiting = this.#expected.get(msgId);
    if (waiting === undefined) this.#expected.set(msgId, [expected]);
    else waiting.push(expected);
    this.#options.missing.add();
  }

  #others({ view, kind }: Subscription): Expected["others"] {
    if (view === undefined) return [];
    return [...this.#client.subscriptions.values()]
      .filter((it) => it.view === view && it.kind !== kind)
      .map(({ msgId }) => ({
        msgId,
        count: this.#leftCounts.get(msgId) ?? 0,
      }));
  }

  /** The right side sent `frame`. */
  right(frame: Uint8Array): void {
    const who = `session ${this.#client.number}`;
    if (this.#isClosed) {
      return this.#failure.fail(
        `The right side sent something to ${who}, closed`,
        [`right: ${readable(frame)}`],
      );
    }
    const { msgId, kind } = parts(frame);
    const isUpdate = kind === Kind.VIEW_ON_UPDATE ||
      kind === Kind.VIEW_ON_REMOVE;
    if (this.#options.joinsChanges && isUpdate) {
      return this.#joined(msgId, frame);
    }
    const optional = this.#optional.get(msgId);
    if (optional !== undefined) {
      const at = optional.findIndex((it) => sameFrame(it.frame, frame));
      if (at >= 0) {
        optional.splice(0, at + 1);
        return;
      }
    }
    const expected = this.#expected.get(msgId)?.shift();
    count(this.#rightCounts, msgId);
    if (expected === undefined) {
      if (this.#lazy.has(msgId)) {
        this.#early.set(msgId, [...this.#early.get(msgId) ?? [], frame]);
        return;
      }
      return this.#failure.fail(
        `The right side sent ${who} what the left one didn't, for msg_id ${msgId}`,
        [`right: ${readable(frame)}`],
      );
    }
    const isAnyError = this.#anyErrors.has(msgId) && kind === SERVER_ERROR &&
      parts(expected.frame).kind === SERVER_ERROR;
    if (!isAnyError && !sameFrame(expected.frame, frame)) {
      return this.#differs(expected.frame, frame, expected.step);
    }
    this.#checkOrder(expected, frame);
    this.#options.missing.drop(1);
  }

  /**
   * Takes a push that may stand for several of the left side's. It may also be
   * one more for changes that others have been taken to stand for.
   */
  #joined(msgId: number, frame: Uint8Array): void {
    count(this.#rightCounts, msgId);
    const left = this.#leftCounts.get(msgId) ?? 0;
    if (this.#rightCounts.get(msgId)! > left) {
      return this.#failure.fail(
        `The right side pushed to session ${this.#client.number} more often ` +
          `than the left one's ${left} times`,
        [`push: ${readable(frame)}`],
      );
    }
    const stoodFor = this.#expected.get(msgId)?.length ?? 0;
    this.#expected.delete(msgId);
    this.#options.missing.drop(stoodFor);
  }

  /** Compares what had come before the push `frame` on both sides. */
  #checkOrder({ step, own, others }: Expected, frame: Uint8Array): void {
    const who = `session ${this.#client.number}`;
    const { msgId } = parts(frame);
    if (own !== undefined && this.#rightCounts.has(own.msgId) !== own.after) {
      const before = own.after ? "before" : "after";
      this.#failure.fail(
        `The right side sent ${who} a push ${before} the answer to the ` +
          `request that caused it (msg_id ${own.msgId}, step ${step}),` +
          ` unlike the left one`,
        [`push: ${readable(frame)}`],
      );
    }
    for (const { msgId: other, count } of others) {
      const counted = this.#rightCounts.get(other) ?? 0;
      if (counted !== count && this.#client.subscriptions.has(other)) {
        this.#failure.fail(
          `The right side pushed to ${who} in another order: before a push of ` +
            `${msgId}, ${counted} instead of ${count} pushes of ${other} on ` +
            `the same view`,
          [`push: ${readable(frame)}`],
        );
      }
    }
  }

  #differs(left: Uint8Array, right: Uint8Array, step: number): void {
    this.#failure.differs(this.#client.number, left, right, step);
  }
}

/** Counts one more of `key`. */
export function count(counts: Map<number, number>, key: number): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
