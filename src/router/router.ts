/**
 * The middle of it all: clients on one side, an engine on the other, frames
 * in between.
 *
 * @module
 */

import type { Engine, EngineListener } from "../engine/engine.ts";
import { type OnError, ServerLostError, toError } from "../errors.ts";
import { errorAnswer } from "../protocol/answers.ts";
import type { Reframed } from "../protocol/frame.ts";
import { newHeader, readHeader } from "../protocol/header.ts";
import { Kind, kindName, type Line } from "../protocol/kinds.ts";
import type { Route } from "./route.ts";
import { Sequencer } from "./sequencer.ts";
import {
  Session,
  type SessionEnd,
  type SessionHost,
  type SessionOptions,
} from "./session.ts";
import { ViewNames } from "./view.ts";
import { WaitingDeletes } from "./waiting_deletes.ts";

/** How a router is set up. */
export interface RouterOptions {
  /** Told of what no client can be told of. It must not throw. */
  readonly onError: OnError;
  /** Set if the program polls itself: called when there is something to poll for. */
  readonly onPollRequest?: (() => void) | undefined;
}

/** What a router holds and has done, in numbers. */
export interface RouterStats {
  /** Sessions that are open. */
  readonly sessions: number;
  /** Views that live. */
  readonly views: number;
  /** Subscriptions that live. */
  readonly subscriptions: number;
  /** Requests that aren't answered yet, those of closed sessions included. */
  readonly pending: number;
  /** Lazy deletes that wait for a table's last view; they are pending, too. */
  readonly waitingDeletes: number;
  /** Changes of tables so far. */
  readonly changes: number;
  /** Requests of clients so far. */
  readonly requests: number;
  /** Requests answered with an error of the router's own so far: malformed, unknown. */
  readonly refused: number;
  /** Requests so far that the engine failed instead of answering. */
  readonly failed: number;
  /** Frames so far that came for nobody, since their session had closed. */
  readonly dropped: number;
}

/**
 * The first `msg_id` of the router's own. All of them take five bytes, the
 * most there are, so that a client's always fits in its place.
 */
const FIRST_ID = 0x1000_0000;
const LAST_ID = 0xffff_ffff;

/**
 * Multiplexes any number of sessions over one session on an engine.
 *
 * It is pure: frames in, frames out; no sockets, no workers, no clock.
 */
export class Router implements EngineListener, SessionHost {
  /** The line of the engine. */
  readonly line: Line;
  /** Names for views. */
  readonly viewNames = new ViewNames();
  readonly #engine: Engine;
  readonly #sequencer: Sequencer;
  readonly #onError: OnError;
  readonly #sessions = new Set<Session>();
  readonly #routes = new Map<number, Route>();
  readonly #waitingDeletes = new WaitingDeletes();
  readonly #header = newHeader();
  #lastId = FIRST_ID - 1;
  #lost: ServerLostError | undefined;
  #views = 0;
  #subscriptions = 0;
  #requests = 0;
  #refused = 0;
  #failed = 0;
  #dropped = 0;

  /** A router in front of `engine`, which is its own from now on. */
  constructor(engine: Engine, options: RouterOptions) {
    this.#engine = engine;
    this.line = engine.line;
    this.#onError = options.onError;
    this.#sequencer = new Sequencer(engine, options.onPollRequest);
    engine.listen(this);
  }

  /** What the engine died of, if it did. */
  get lost(): ServerLostError | undefined {
    return this.#lost;
  }

  /**
   * Opens a session.
   *
   * @throws {ServerLostError} If the engine is lost.
   */
  openSession(options: SessionOptions): Session {
    if (this.#lost !== undefined) throw this.#lost;
    const session = new Session(this, options, this.#onError);
    this.#sessions.add(session);
    return session;
  }

  /** Passes the changes since the last poll on to views. */
  poll(): void {
    this.#sequencer.poll();
  }

  /** What the router holds and has done. */
  stats(): RouterStats {
    return {
      sessions: this.#sessions.size,
      views: this.#views,
      subscriptions: this.#subscriptions,
      pending: this.#routes.size - this.#subscriptions,
      waitingDeletes: this.#waitingDeletes.size,
      changes: this.#sequencer.changes,
      requests: this.#requests,
      refused: this.#refused,
      failed: this.#failed,
      dropped: this.#dropped,
    };
  }

  /** Ends all sessions, whose open requests are answered with an error, and closes the engine. */
  async close(): Promise<void> {
    this.#endAll("The server is closed", "server closed");
    await this.#engine.close();
  }

  // -- For sessions ----------------------------------------------------------

  /** A client asked something. */
  countRequest(): void {
    this.#requests++;
  }

  /** A client's request was refused by the router. */
  countRefused(): void {
    this.#refused++;
  }

  /** A frame came for nobody. */
  countDropped(): void {
    this.#dropped++;
  }

  /** A view began (1) or ended (-1). */
  countViews(difference: 1 | -1): void {
    this.#views += difference;
  }

  /** A session has closed. */
  forget(session: Session): void {
    this.#sessions.delete(session);
  }

  /** Reserves a `msg_id` at the engine for `route`. */
  register(route: Route): number {
    do {
      this.#lastId = this.#lastId === LAST_ID ? FIRST_ID : this.#lastId + 1;
    } while (this.#routes.has(this.#lastId));
    this.#routes.set(this.#lastId, route);
    if (route.subscription) this.#subscriptions++;
    return this.#lastId;
  }

  /** What `msgId` stands for at the engine. */
  route(msgId: number): Route | undefined {
    return this.#routes.get(msgId);
  }

  /** Nobody waits for `msgId` any more. */
  unregister(msgId: number): void {
    const route = this.#routes.get(msgId);
    if (route === undefined) return;
    this.#routes.delete(msgId);
    if (route.subscription) this.#subscriptions--;
  }

  /** Hands a change to the sequencer. */
  change(frame: Reframed, kind: number): void {
    this.#sequencer.change(frame, kind);
  }

  /** Hands anything else to the engine. */
  request(frame: Reframed, kind: number): void {
    this.#sequencer.request(frame, kind);
  }

  /** Request `msgId` deletes `table` lazily. */
  waitForDelete(table: string, msgId: number): void {
    this.#waitingDeletes.add(table, msgId);
  }

  /** Request `msgId`, a lazy delete of `table`, was answered by `frame`. */
  deleteAnswered(table: string, msgId: number, frame: Uint8Array): void {
    for (const earlier of this.#waitingDeletes.answered(table, msgId)) {
      // The answers differ only in the header, which is replaced anyway.
      this.#dispatch(earlier, this.#routes.get(earlier), frame);
    }
  }

  // -- For the engine --------------------------------------------------------

  /** See {@linkcode EngineListener.frame}. */
  frame(frame: Uint8Array): void {
    // A frame without content is a notification about hosted tables.
    readHeader(frame, this.#header);
    const { msgId } = this.#header;
    const route = this.#routes.get(msgId);
    try {
      this.#dispatch(msgId, route, frame);
    } catch (reason) {
      // An answer that can't be read, since an engine of another version
      // writes it otherwise.
      const error = toError(reason);
      this.#onError(error, { stage: "engine" });
      if (route === undefined || route.subscription) return;
      reject(route, `Cannot read the engine's answer: ${error.message}`);
    }
  }

  /** See {@linkcode EngineListener.failed}. */
  failed(msgId: number, error: Error): void {
    this.#failed++;
    const route = this.#routes.get(msgId);
    if (route === undefined) {
      // It has been answered; what failed is the poll after it.
      this.#onError(error, { stage: "engine" });
      return;
    }
    this.#onError(
      new Error(`${kindName(route.kind)} failed: ${error.message}`, {
        cause: error,
      }),
      { stage: "request" },
    );
    // Taken as an error of the engine's own, after which names are free again.
    this.frame(
      errorAnswer(msgId, route.entity, `The engine failed: ${error.message}`),
    );
  }

  /** See {@linkcode EngineListener.fault}. */
  fault(error: Error): void {
    this.#onError(error, { stage: "engine" });
  }

  /** See {@linkcode EngineListener.fatal}. */
  fatal(error: Error): void {
    const lost = this.#lost = new ServerLostError(error);
    this.#onError(lost, { stage: "engine" });
    this.#endAll(lost.message, "engine lost");
  }

  /** Nobody waits for ever: what is open is answered, and the sessions end. */
  #endAll(message: string, reason: SessionEnd): void {
    const routes = [...this.#routes.values()];
    const sessions = [...this.#sessions];
    this.#routes.clear();
    this.#waitingDeletes.clear();
    this.#sessions.clear();
    this.#subscriptions = 0;
    this.#views = 0;
    // First of all: a client may ask again when it is told of an error.
    for (const session of sessions) session.stop();
    for (const route of routes) {
      if (!route.subscription) reject(route, message);
    }
    for (const session of sessions) session.end(reason);
  }

  #dispatch(
    msgId: number,
    route: Route | undefined,
    frame: Uint8Array,
  ): void {
    if (route === undefined) {
      this.#dropped++;
      return;
    }
    // Invariant 3: an answer is taken once.
    if (!route.subscription) this.#routes.delete(msgId);
    const header = this.#header;
    if (route.take !== undefined) route.take(frame, header);
    else if (route.session === undefined) return;
    else if (route.kind === Kind.TABLE_DELETE) {
      route.session.deleted(msgId, route, frame, header);
    } else if (route.subscription) {
      route.session.push(msgId, route, frame, header);
    } else route.session.answer(route, frame, header);
  }
}

/** Answers with an error of the router's own. */
function reject({ session, msgId, entity }: Route, message: string): void {
  if (session === undefined || session.closed) return;
  session.reply(errorAnswer(msgId, entity, message));
}
