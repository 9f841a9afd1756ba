/**
 * Engines that do what a test says. For tests only.
 *
 * @module
 */

import { BinaryReader } from "@bufbuild/protobuf/wire";
import type { Engine, EngineListener } from "../engine/engine.ts";
import type { Reframed } from "../protocol/frame.ts";
import { Kind, kindInfo, type Line } from "../protocol/kinds.ts";
import {
  type Fill,
  frame,
  type Parts,
  parts,
  serverError,
  text,
} from "./frames.ts";

/** What a script does with a request: frames to send, in order. */
export type Script = (request: Parts) => readonly Uint8Array[];

/** How a {@linkcode FakeEngine} behaves. */
export interface FakeEngineOptions {
  /** Which line it pretends to be; by default `"3"`. */
  readonly line?: Line;
  /** See {@linkcode Engine.isForeign}; by default `false`. */
  readonly isForeign?: boolean;
  /** Answers requests within `send`. Without it the test answers by hand. */
  readonly script?: Script;
  /** What the script says to a poll. */
  readonly onPoll?: () => readonly Uint8Array[];
}

/**
 * An engine that keeps what it was sent, and answers by a script or by hand.
 *
 * As the contract says, it calls its listener one at a time: what is sent
 * while the listener is being told of something is executed afterwards. The
 * bytes that it lends are overwritten when the listener returns.
 */
export class FakeEngine implements Engine {
  readonly line: Line;
  /** What it was sent, in order. */
  readonly requests: Parts[] = [];
  /** What it did, in order: names of kinds, `+` where it polled after one, `poll`. */
  readonly steps: string[] = [];
  /** How often it was closed. */
  closes = 0;
  readonly #options: FakeEngineOptions;
  readonly #waiting: Array<() => void> = [];
  /** It is sent everything at once, and says when it has executed it. */
  readonly isImmediate = true;
  readonly isForeign: boolean;
  #listener: EngineListener | undefined;
  #telling = false;

  constructor(options: FakeEngineOptions = {}) {
    this.line = options.line ?? "3";
    this.isForeign = options.isForeign ?? false;
    this.#options = options;
  }

  listen(listener: EngineListener): void {
    if (this.#listener !== undefined) throw new Error("listen() called twice");
    this.#listener = listener;
  }

  send(sent: Reframed, kind: number, poll: boolean): void {
    this.#run(() => {
      const request = parts(sent.toBytes());
      if (request.kind !== kind || request.msgId !== sent.msgId) {
        throw new Error(`Sent as kind ${kind}, is of ${request.kind}`);
      }
      this.requests.push(request);
      this.steps.push(kindInfo(kind)!.name + (poll ? "+" : ""));
      this.#tell(this.#options.script?.(request) ?? []);
      if (poll) this.#tell(this.#options.onPoll?.() ?? []);
    });
  }

  poll(): void {
    this.#run(() => {
      this.steps.push("poll");
      this.#tell(this.#options.onPoll?.() ?? []);
    });
  }

  close(): void {
    this.closes++;
  }

  // -- For tests -------------------------------------------------------------

  /** The last request that it was sent. */
  get last(): Parts {
    return this.requests.at(-1)!;
  }

  /** Answers `request`, or pushes to it. By default the answer has no content. */
  answer(request: Parts, content?: Uint8Array | Fill, kind?: number): void {
    const { msgId, entity } = request;
    this.say(frame(msgId, entity, kind ?? request.kind, content));
  }

  /** Answers `request` with an error. */
  refuse(request: Parts, why: string, status?: number): void {
    this.answer(request, serverError(why, status), 50);
  }

  /** Sends `frames` as they are. */
  say(...frames: Uint8Array[]): void {
    this.#run(() => this.#tell(frames));
  }

  /** Says that `request` won't be answered. */
  fail(request: Parts, why: string): void {
    this.#run(() => this.#listener!.failed(request.msgId, new Error(why)));
  }

  /** Reports a fault. */
  fault(why: string): void {
    this.#run(() => this.#listener!.fault(new Error(why)));
  }

  /** Dies; of the request under way if it is `guilty`. */
  die(why: string, guilty?: boolean): void {
    this.#run(() => this.#listener!.fatal(new Error(why), guilty));
  }

  /** Says how large its memory is. */
  growTo(bytes: number): void {
    this.#run(() => this.#listener!.heap(bytes));
  }

  #tell(frames: readonly Uint8Array[]): void {
    for (const said of frames) {
      const memory = new Uint8Array(said.length + 16).fill(0xaa);
      memory.set(said, 8);
      this.#listener!.frame(memory.subarray(8, 8 + said.length));
      memory.fill(0xee);
    }
  }

  #run(step: () => void): void {
    this.#waiting.push(step);
    if (this.#telling) return;
    this.#telling = true;
    try {
      for (let next; (next = this.#waiting.shift()) !== undefined;) next();
    } finally {
      this.#telling = false;
    }
  }
}

interface Subscription {
  readonly msgId: number;
  readonly kind: number;
  readonly entity: string;
  readonly withRows: boolean;
}

/** What {@linkcode TinyEngine} knows of a view. */
interface TinyView {
  readonly table: string;
  readonly config: Uint8Array;
  /** How often it was expanded, collapsed or set to a depth. */
  state: number;
}

/** A view's config that {@linkcode TinyEngine} takes for wrong. */
export const BAD_CONFIG: Uint8Array = new Uint8Array([0xff]);

/**
 * As much of an engine as the router can tell from a real one: tables that
 * count their updates, views that remember their config, subscriptions. It
 * answers bytes that tell who asked what, so that a mix-up shows.
 *
 * Fed with one client's frames directly, it is what that client would get
 * from an engine of its own.
 */
export class TinyEngine {
  readonly #tables = new Map<string, number>();
  readonly #views = new Map<string, TinyView>();
  #subscriptions: Subscription[] = [];
  #changed = new Set<string>();

  /** Executes a request, for {@linkcode FakeEngineOptions.script}. */
  readonly script: Script = (request) => {
    const { msgId, entity, kind, content } = request;
    const info = kindInfo(kind)!;
    const answer = (fill: Uint8Array | Fill = content) => [
      frame(msgId, entity, kind, fill),
    ];
    const view = this.#views.get(entity);
    if (info.effect === "unsubscribe") {
      const wanted = readUint(content);
      this.#subscriptions = this.#subscriptions.filter((it) =>
        it.msgId !== wanted || it.kind !== info.ends || it.entity !== entity
      );
      return answer(new Uint8Array(0));
    }
    if (info.entity === "view" && view === undefined) {
      if (kind === Kind.VIEW_ON_DELETE) return [];
      return [frame(msgId, entity, 50, serverError("View not found", 1))];
    }
    if (info.effect === "subscribe") {
      const withRows = kind === Kind.VIEW_ON_UPDATE && content.length > 0;
      this.#subscriptions.push({ msgId, kind, entity, withRows });
      return [];
    }
    if (kind === Kind.TABLE_MAKE_VIEW) {
      const { viewId, config } = readMakeView(content);
      if (config[0] === BAD_CONFIG[0]) {
        return [frame(msgId, entity, 50, serverError("Bad config"))];
      }
      this.#views.set(viewId, { table: entity, config, state: 0 });
      return answer(text(1, viewId));
    }
    if (kind === Kind.VIEW_DELETE) {
      this.#views.delete(entity);
      const pushes = this.#pushes(Kind.VIEW_ON_DELETE, entity);
      this.#subscriptions = this.#subscriptions.filter((it) =>
        it.entity !== entity || kindInfo(it.kind)!.entity !== "view"
      );
      return [...pushes, ...answer(new Uint8Array(0))];
    }
    if (info.effect === "change") {
      this.#tables.set(entity, (this.#tables.get(entity) ?? 0) + 1);
      this.#changed.add(entity);
      return answer(new Uint8Array(0));
    }
    if (info.effect === "view_state") view!.state++;
    // Reads: what was asked, and of what.
    const about = view === undefined
      ? this.#tables.get(entity) ?? 0
      : this.#tables.get(view.table) ?? 0;
    return answer((writer) => {
      writer.tag(1, 0).uint32(about).tag(2, 2).bytes(content);
      if (view === undefined) return;
      writer.tag(3, 2).bytes(view.config);
      if (view.state > 0) writer.tag(4, 0).uint32(view.state);
    });
  };

  /** Polls, for {@linkcode FakeEngineOptions.onPoll}. */
  readonly onPoll = (): Uint8Array[] => {
    const pushes: Uint8Array[] = [];
    for (const [id, { table }] of this.#views) {
      if (!this.#changed.has(table)) continue;
      pushes.push(...this.#pushes(Kind.VIEW_ON_UPDATE, id));
    }
    this.#changed = new Set();
    return pushes;
  };

  #pushes(kind: number, entity: string): Uint8Array[] {
    return this.#subscriptions
      .filter((it) => it.kind === kind && it.entity === entity)
      .map(({ msgId, withRows }) =>
        frame(msgId, entity, kind, (writer) => {
          if (withRows) writer.tag(1, 2).string("rows");
          if (kind === Kind.VIEW_ON_UPDATE) writer.tag(2, 0).uint32(3);
        })
      );
  }
}

function readUint(content: Uint8Array): number {
  const reader = new BinaryReader(content);
  let value = 0;
  while (reader.pos < reader.len) {
    reader.tag();
    value = reader.uint32();
  }
  return value;
}

function readMakeView(
  content: Uint8Array,
): { viewId: string; config: Uint8Array } {
  const reader = new BinaryReader(content);
  let viewId = "";
  let config = new Uint8Array(0);
  while (reader.pos < reader.len) {
    const [field] = reader.tag();
    if (field === 1) viewId = reader.string();
    else config = reader.bytes().slice();
  }
  return { viewId, config };
}
