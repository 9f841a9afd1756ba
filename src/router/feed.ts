/**
 * What a view pushes.
 *
 * @module
 */

import { notification } from "../protocol/answers.ts";
import { type Header, newHeader, readHeader } from "../protocol/header.ts";
import { Kind } from "../protocol/kinds.ts";
import { portWithoutDelta } from "../protocol/requests.ts";

/** What a {@linkcode Feed} needs of the router. */
export interface FeedHost {
  /** Hands `frame` to a client's subscription `msgId`, or to its request that waited for one like it. */
  deliver(msgId: number, frame: Uint8Array, header: Header): void;
  /** An engine pushed something, and so many clients get it. */
  countPushes(clients: number): void;
}

interface Subscriber {
  /** Whether it is to be sent the rows that changed. */
  readonly withRows: boolean;
  /** Whether it gets what comes now: its place in the order has come. */
  isActive: boolean;
}

/**
 * One subscription in the engine, and the clients' subscriptions that it
 * stands for. An engine gives the rows that changed only to the first who asks
 * for them on a view (ENGINE 4.4), so there is one, and each client gets of it
 * what it asked for.
 */
export class Feed {
  /** The router's `msg_id` for it in the engine. */
  id = 0;
  /** Whether the engine sends the rows that changed. */
  withRows: boolean;
  /**
   * Who had it begun, changed or ended last, until the engine has done so:
   * what others want of it comes after that.
   */
  #unsettled: object | undefined;
  #steps = 0;
  /** Whether it is being ended. */
  isEnding = false;
  readonly #host: FeedHost;
  readonly #subscribers = new Map<number, Subscriber>();

  /** Nobody has subscribed yet. */
  constructor(host: FeedHost, withRows: boolean) {
    this.#host = host;
    this.withRows = withRows;
  }

  /** Whether it is for nobody. */
  get isEmpty(): boolean {
    return this.#subscribers.size === 0;
  }

  /** Whether the client's subscription `msgId` is one of those. */
  has(msgId: number): boolean {
    return this.#subscribers.has(msgId);
  }

  /** Whether `session` may begin or end a subscription now. */
  isReadyFor(session: object): boolean {
    return this.#unsettled === undefined || this.#unsettled === session;
  }

  /** The engine is asked by `session` to do something to it. */
  begin(session: object): void {
    this.#unsettled = session;
    this.#steps++;
  }

  /**
   * The engine has done so.
   *
   * @returns Whether that was the last.
   */
  settle(): boolean {
    if (--this.#steps > 0) return false;
    this.#unsettled = undefined;
    return true;
  }

  /** A client subscribes. */
  add(msgId: number, subscriber: Subscriber): void {
    this.#subscribers.set(msgId, subscriber);
  }

  /** It is pushed to from now on. */
  activate(msgId: number): void {
    const subscriber = this.#subscribers.get(msgId);
    if (subscriber !== undefined) subscriber.isActive = true;
  }

  /** All are, who have subscribed so far. */
  activateAll(): void {
    for (const subscriber of this.#subscribers.values()) {
      subscriber.isActive = true;
    }
  }

  /** It is pushed to no more. */
  remove(msgId: number): void {
    this.#subscribers.delete(msgId);
  }

  /** It is pushed to by `other` from now on, if it still is at all. */
  move(msgId: number, other: Feed): void {
    const subscriber = this.#subscribers.get(msgId);
    if (subscriber === undefined) return;
    this.#subscribers.delete(msgId);
    other.add(msgId, { ...subscriber, isActive: true });
  }

  /** Whether the client's subscription `msgId` is sent the rows that changed. */
  sendsRows(msgId: number): boolean {
    return this.#subscribers.get(msgId)?.withRows === true;
  }

  /** Takes what the engine pushes, for all of them. The frame is lent. */
  push(frame: Uint8Array, header: Header): void {
    const active = [...this.#subscribers].filter(([, it]) => it.isActive);
    this.#host.countPushes(active.length);
    if (active.length === 0) return;
    // Whoever is told may ask something, and then these are read into again.
    const whole = { ...header };
    // Once somebody has asked for rows, an engine sends them to all.
    const hasRows = whole.kind === Kind.VIEW_ON_UPDATE &&
      portWithoutDelta(frame, whole) === undefined;
    let lean: { frame: Uint8Array; header: Header } | undefined;
    for (const [msgId, { withRows }] of active) {
      if (withRows || !hasRows) this.#host.deliver(msgId, frame, whole);
      else {
        lean ??= withoutRows(frame, whole);
        this.#host.deliver(msgId, lean.frame, lean.header);
      }
    }
  }
}

/** The same push as an engine writes it for who didn't ask for rows. */
function withoutRows(
  frame: Uint8Array,
  { contentStart, bodyEnd }: Header,
): { frame: Uint8Array; header: Header } {
  const lean = notification(frame.subarray(contentStart, bodyEnd));
  const header = newHeader();
  readHeader(lean, header);
  return { frame: lean, header };
}
