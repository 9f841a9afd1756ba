/**
 * Who may come in, and how many.
 *
 * @module
 */

import { addressGroup } from "./address.ts";
import { burstOf, TokenBucket } from "./token_bucket.ts";

/** What a {@linkcode Door} lets in. `0` lets in nobody, `Infinity` anybody. */
export interface DoorLimits extends Record<DoorReason, number> {
  /** Connections at a time. */
  readonly maxConnections: number;
  /** Connections of one address at a time. */
  readonly maxConnectionsPerAddress: number;
  /** Handshakes a second, for long; ten times as many at once. */
  readonly maxHandshakesPerSecond: number;
  /** The same for one address. */
  readonly maxHandshakesPerSecondPerAddress: number;
}

/** The limit that somebody wasn't let in for. */
export type DoorReason =
  | "maxConnections"
  | "maxConnectionsPerAddress"
  | "maxHandshakesPerSecond"
  | "maxHandshakesPerSecondPerAddress";

/** That somebody wasn't let in. */
export interface TurnedAway {
  /** Why. */
  readonly reason: DoorReason;
  /** Seconds after which to try again, a whole number. */
  readonly retryAfter: number;
}

/** That somebody is in. */
export interface Pass {
  /** It has left. Safe to call twice. */
  leave(): void;
}

/**
 * Addresses without a connection that are remembered for how often they came
 * (Invariant 8). Of more, the one that left first is forgotten.
 */
const MOST_ABSENT = 10_000;

/** Seconds after which to try again, where that can't be known. */
const SOME_SECONDS = 5;

/** The longest time to be told. */
const MOST_SECONDS = 3_600;

/** An address, in {@linkcode Door}. */
interface Visitor {
  readonly group: string;
  readonly handshakes: TokenBucket;
  connections: number;
}

/**
 * Counts who is in, in all and by address, and how often somebody comes.
 *
 * An address is remembered as long as it has a connection, or has come so often
 * that it may not come as often as a new one.
 */
export class Door {
  readonly #limits: DoorLimits;
  readonly #now: () => number;
  readonly #handshakes: TokenBucket;
  /** Addresses with connections: no more than there are connections. */
  readonly #present = new Map<string, Visitor>();
  /** Addresses without one, those that left first in front. */
  readonly #absent = new Map<string, Visitor>();
  #connections = 0;

  /** Nobody is in. `now` is the time in milliseconds. */
  constructor(limits: DoorLimits, now: () => number) {
    this.#limits = limits;
    this.#now = now;
    this.#handshakes = this.#bucket(limits.maxHandshakesPerSecond);
  }

  /** Addresses that are remembered. */
  get addresses(): number {
    return this.#present.size + this.#absent.size;
  }

  /**
   * Somebody comes. Who is let in counts until it leaves.
   *
   * @param address Where from; `undefined` isn't counted per address.
   */
  enter(address: string | undefined): Pass | TurnedAway {
    const limits = this.#limits;
    const visitor = address === undefined ? undefined : this.#visitor(address);
    // First, so that one address doesn't use up what is for all.
    if (visitor !== undefined && !visitor.handshakes.take()) {
      return turnedAway(
        "maxHandshakesPerSecondPerAddress",
        visitor.handshakes.secondsUntilNext,
      );
    }
    if (!this.#handshakes.take()) {
      return turnedAway(
        "maxHandshakesPerSecond",
        this.#handshakes.secondsUntilNext,
      );
    }
    if (
      visitor !== undefined &&
      visitor.connections >= limits.maxConnectionsPerAddress
    ) return turnedAway("maxConnectionsPerAddress", SOME_SECONDS);
    if (this.#connections >= limits.maxConnections) {
      return turnedAway("maxConnections", SOME_SECONDS);
    }
    return this.#admit(visitor);
  }

  #admit(visitor: Visitor | undefined): Pass {
    this.#connections++;
    if (visitor !== undefined && visitor.connections++ === 0) {
      this.#absent.delete(visitor.group);
      this.#present.set(visitor.group, visitor);
    }
    let isIn = true;
    return {
      leave: () => {
        if (!isIn) return;
        isIn = false;
        this.#connections--;
        if (visitor === undefined || --visitor.connections > 0) return;
        this.#present.delete(visitor.group);
        this.#remember(visitor);
      },
    };
  }

  /** What is known of `address`. */
  #visitor(address: string): Visitor {
    const group = addressGroup(address);
    let visitor = this.#present.get(group) ?? this.#absent.get(group);
    if (visitor === undefined) {
      const rate = this.#limits.maxHandshakesPerSecondPerAddress;
      visitor = { group, handshakes: this.#bucket(rate), connections: 0 };
      this.#remember(visitor);
    }
    return visitor;
  }

  /** Remembers who has no connection, in place of who needn't be remembered. */
  #remember(visitor: Visitor): void {
    this.#absent.set(visitor.group, visitor);
    // Two for one, so that those who came once don't stay for ever.
    for (let i = 0; i < 2; i++) {
      const [first] = this.#absent.values();
      if (first === undefined || first === visitor) return;
      const isTooMany = this.#absent.size > MOST_ABSENT;
      if (!isTooMany && !first.handshakes.isFull) return;
      this.#absent.delete(first.group);
    }
  }

  #bucket(rate: number): TokenBucket {
    return new TokenBucket({ rate, burst: burstOf(rate), now: this.#now });
  }
}

function turnedAway(reason: DoorReason, seconds: number): TurnedAway {
  const retryAfter = Math.min(Math.max(1, Math.ceil(seconds)), MOST_SECONDS);
  return { reason, retryAfter };
}
