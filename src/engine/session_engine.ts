/**
 * An engine behind somebody else's `make_session`.
 *
 * @module
 */

import { BinaryReader } from "@bufbuild/protobuf/wire";
import { toError } from "../errors.ts";
import type { Reframed } from "../protocol/frame.ts";
import { newHeader, readHeader } from "../protocol/header.ts";
import { Kind, type Line } from "../protocol/kinds.ts";
import { simpleRequest } from "../protocol/answers.ts";
import type { Engine, EngineListener } from "./engine.ts";
import { faultOf, tellFailure } from "./failure.ts";
import { healingRequests, isError } from "./heal.ts";

/** A session as Perspective's packages make it. */
export interface ForeignSession {
  /** Executes a frame; the answers go to the session's callback. */
  handle_request(frame: Uint8Array): Promise<void> | void;
  /** Ends the session. */
  close(): Promise<void> | void;
}

/**
 * Anything that makes Perspective sessions: a `PerspectiveServer` of one of
 * the packages, one of these modules itself (its global server), or an object
 * of the program's own.
 */
export interface ForeignServer {
  /** Opens a session whose answers and pushes go to `send`. */
  make_session(
    send: (frame: Uint8Array) => Promise<void>,
  ): ForeignSession | Promise<ForeignSession>;
  /** Passes pending changes on to views, where the server can be asked to. */
  poll?(): Promise<void> | void;
}

/**
 * An engine that hands frames to a {@linkcode ForeignServer}, strictly one at
 * a time: calls that overlap would share polls by chance (ENGINE 2.3).
 *
 * Where to poll is the foreign server's affair.
 */
export class SessionEngine implements Engine {
  /** Which line of packages it is, as its features tell. */
  readonly line: Line;
  /** Whoever else has the server may change its tables. */
  readonly isForeign = true;
  readonly #server: ForeignServer;
  readonly #session: ForeignSession;
  readonly #receive: Receiver;
  #listener: EngineListener | undefined;
  readonly #waiting: Array<() => Promise<void>> = [];
  #running = false;
  #state: "open" | "lost" | "closed" = "open";

  private constructor(
    server: ForeignServer,
    session: ForeignSession,
    receive: Receiver,
    line: Line,
  ) {
    this.#server = server;
    this.#session = session;
    this.#receive = receive;
    this.line = line;
  }

  /** Opens a session on `server` and asks it what it can. */
  static async open(server: ForeignServer): Promise<SessionEngine> {
    const receive: Receiver = { frame: () => {} };
    const session = await server.make_session((frame) => {
      receive.frame(frame);
      return Promise.resolve();
    });
    let line: Line = "3";
    receive.frame = (frame) => line = lineOf(frame);
    await session.handle_request(FEATURES.toBytes());
    receive.frame = () => {};
    return new SessionEngine(server, session, receive, line);
  }

  /** See {@linkcode Engine.listen}. */
  listen(listener: EngineListener): void {
    this.#listener = listener;
    this.#receive.frame = (frame) => this.#deliver(frame);
  }

  /** See {@linkcode Engine.send}. The foreign server polls by itself. */
  send(frame: Reframed, kind: number, _poll: boolean): void {
    this.#enqueue(() => this.#execute(frame, kind));
  }

  /** See {@linkcode Engine.poll}. */
  poll(): void {
    this.#enqueue(async () => {
      try {
        await this.#server.poll?.();
      } catch (reason) {
        this.#fail(toError(reason));
      }
      this.#listener!.executed(0);
    });
  }

  /** See {@linkcode Engine.close}. */
  async close(): Promise<void> {
    if (this.#state === "closed") return;
    const wasOpen = this.#state === "open";
    const { promise, resolve } = Promise.withResolvers<void>();
    // After what is under way: closing a session in the middle of a request
    // would take the engine's answers away while they are being read.
    this.#enqueue(async () => {
      this.#state = "closed";
      this.#receive.frame = () => {};
      try {
        if (wasOpen) await this.#session.close();
      } catch (reason) {
        this.#listener?.fault(toError(reason));
      }
      resolve();
    });
    await promise;
  }

  #enqueue(step: () => Promise<void>): void {
    this.#waiting.push(step);
    if (!this.#running) this.#run();
  }

  async #run(): Promise<void> {
    this.#running = true;
    for (let step; (step = this.#waiting.shift()) !== undefined;) await step();
    this.#running = false;
  }

  async #execute(frame: Reframed, kind: number): Promise<void> {
    if (this.#state !== "open") {
      this.#listener!.failed(frame.msgId, new Error("The engine is closed"));
      this.#listener!.executed(0);
      return;
    }
    let failed = false;
    if (kind === Kind.TABLE_MAKE_VIEW && this.line === "3") {
      this.#receive.frame = (answer) => {
        failed ||= isError(answer);
        this.#deliver(answer);
      };
    }
    try {
      await this.#session.handle_request(frame.toBytes());
      if (failed) {
        this.#receive.frame = () => {};
        for (const request of healingRequests(frame)) {
          await this.#session.handle_request(request.toBytes());
        }
      }
    } catch (reason) {
      this.#fail(toError(reason), frame.msgId);
    } finally {
      this.#receive.frame = (answer) => this.#deliver(answer);
    }
    this.#listener!.executed(0);
  }

  #deliver(frame: Uint8Array): void {
    readHeader(frame, header);
    // The packages give the answers to client 0 to whoever asked last.
    if (header.msgId === 0) this.#listener!.fault(faultOf(frame));
    else this.#listener!.frame(frame.slice()); // It isn't ours to write to.
  }

  #fail(error: Error, msgId?: number): void {
    if (tellFailure(this.#listener!, error, msgId)) this.#state = "lost";
  }
}

/** Who gets the next frame of a session. */
interface Receiver {
  frame: (frame: Uint8Array) => void;
}

const header = newHeader();
const FEATURES = simpleRequest(1, new Uint8Array(0), Kind.GET_FEATURES);

/**
 * The line of an engine by its answer to `get_features`: fields from 8 up
 * (roll-up modes and window aggregates) are of line 5.
 */
function lineOf(frame: Uint8Array): Line {
  readHeader(frame, header);
  const features = new BinaryReader(
    frame.subarray(header.contentStart, header.bodyEnd),
  );
  let line: Line = "3";
  while (features.pos < features.len) {
    const [field, wireType] = features.tag();
    if (field >= 8) line = "5";
    features.skip(wireType);
  }
  return line;
}
