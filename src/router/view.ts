/**
 * The views of the engine, and whose they are.
 *
 * @module
 */

import { utf8 } from "../protocol/frame.ts";
import type { ColumnTypes } from "../protocol/translate.ts";
import type { Replica } from "./replica.ts";

/**
 * A view in the engine. Its name there is the router's own, so that no client
 * can name, or overwrite, somebody else's (Invariant 9; ENGINE 6.4, 6.6).
 */
export interface View {
  /** Its name in the engine. */
  readonly id: string;
  /** The same in bytes, as frames carry it. */
  readonly entity: Uint8Array;
  /** Its name in the session that made it. */
  readonly clientId: string;
  /** Its table. */
  readonly table: string;
  /** What it is alike in time: see {@linkcode Predictor}. */
  readonly shape: string;
  /** The engine that it lives on. */
  readonly replica: Replica;
  /** The engine's `msg_id`s of the subscriptions on it. */
  readonly subscriptions: Set<number>;
  /** Its columns' types, once somebody had to know them. */
  types: ColumnTypes | undefined;
}

/**
 * Names views. The prefix keeps apart several routers on one engine, and the
 * views that others made there. Clients' names are 21 letters long; these are
 * 24, so that a client's fits in their place in an answer.
 */
export class ViewNames {
  readonly #prefix: string = crypto.randomUUID().slice(0, 8);
  #last = 0;

  /** A new view of `table` on `replica`, which its session calls `clientId`. */
  next(
    clientId: string,
    table: string,
    shape: string,
    replica: Replica,
  ): View {
    const number = (++this.#last).toString(36).padStart(15, "0");
    const id = `${this.#prefix}-${number}`;
    return {
      id,
      entity: utf8(id),
      clientId,
      table,
      shape,
      replica,
      subscriptions: new Set(),
      types: undefined,
    };
  }
}
