/**
 * What a client has asked and hasn't been answered.
 *
 * @module
 */

import type { InFlightLimits } from "./session_host.ts";

/**
 * Counts a session's requests in flight, so that there are never too many
 * (Invariant 8), and holds those that can't be made yet, in their order.
 */
export class Inbox {
  readonly #limits: InFlightLimits;
  #requests = 0;
  #size = 0;
  /** Requests in flight that no engine is asked for now. */
  #putOff = 0;
  /** A request that can't be made yet, and those behind it. */
  #held: Uint8Array[] = [];
  #isRetrying = false;
  #isHeldAgain = false;
  /**
   * What the first of those held has to see: see
   * {@linkcode SessionHost.mayAsk}. It stays what it was when the request was
   * held, so that changes which come meanwhile don't hold it for ever.
   */
  after: number | undefined;

  /** Takes as much as `limits` say. */
  constructor(limits: InFlightLimits) {
    this.#limits = limits;
  }

  /** Requests in flight, those that are held included. */
  get size(): number {
    return this.#requests;
  }

  /** Whether requests are held, so that those which follow have to wait too. */
  get isHolding(): boolean {
    return this.#held.length > 0;
  }

  /** Whether the request that is handled just now is held. */
  get isHoldingBack(): boolean {
    return this.#isRetrying ? this.#isHeldAgain : this.isHolding;
  }

  /** Whether engines are asked something, so that it will be answered. */
  get isWaiting(): boolean {
    const isRetried = this.#isRetrying && !this.#isHeldAgain ? 1 : 0;
    return this.#requests - this.#putOff > this.#held.length - isRetried;
  }

  /**
   * Why a request of `size` bytes can't be taken now; `undefined` if it can. A
   * request alone is taken whatever its size.
   */
  whyFull(size: number): string | undefined {
    if (this.#requests === 0) return undefined;
    const { maxInFlight, maxInFlightSize } = this.#limits;
    if (
      this.#requests < maxInFlight && this.#size + size <= maxInFlightSize
    ) return undefined;
    return `Cannot take request: ${this.#requests} requests of ` +
      `${this.#size} bytes are in flight, at most ${maxInFlight} of ` +
      `${maxInFlightSize} bytes may be; wait for their answers`;
  }

  /** A request of `size` bytes is in flight. */
  add(size: number): void {
    this.#requests++;
    this.#size += size;
  }

  /** A request in flight may wait for long, until this session asks others. */
  putOff(): void {
    this.#putOff++;
  }

  /** A request of `size` bytes won't be heard of any more. */
  done(size: number, wasPutOff = false): void {
    this.#requests--;
    this.#size -= size;
    if (wasPutOff) this.#putOff--;
  }

  /** Holds a request behind those that are held. It is in flight from here on. */
  hold(frame: Uint8Array): void {
    this.#held.push(frame);
    this.add(frame.length);
  }

  /** Holds the request that was about to be made, with all behind it. */
  holdBack(frame: Uint8Array): void {
    if (!this.#isRetrying) return this.hold(frame);
    this.#isHeldAgain = true;
    this.add(frame.length);
  }

  /**
   * Takes up again what is held, in order, until `handle` holds a request back.
   * Each counts as held until it was handled, so that what is asked meanwhile
   * comes behind.
   */
  retry(handle: (frame: Uint8Array) => void): void {
    if (this.#isRetrying) return;
    this.#isRetrying = true;
    try {
      while (this.#held.length > 0) {
        const frame = this.#held[0]!;
        this.done(frame.length);
        this.#isHeldAgain = false;
        handle(frame);
        if (this.#isHeldAgain) return;
        this.#held.shift();
        this.after = undefined;
      }
    } finally {
      this.#isRetrying = false;
    }
  }

  /** Takes all that is held, which won't be made. */
  takeAll(): readonly Uint8Array[] {
    const held = this.#held;
    this.#held = [];
    for (const { length } of held) this.done(length);
    return held;
  }
}
