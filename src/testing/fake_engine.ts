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

/** A table of {@linkcode LogEngine}: rows in order, with their numbers. */
interface LogTable {
  rows: [number: number, text: string][];
  next: number;
  ports: number;
  /** Set for a join: its rows are those of both. */
  readonly sources?: readonly string[];
}

interface LogView {
  readonly table: string;
  readonly config: Uint8Array;
  /** Whether a grouped one shows its groups. */
  isExpanded: boolean;
}

/** A port through which rows are only counted. */
const NO_PORT = 0xffff_fff0;

/**
 * An engine whose tables are logs of what was added, so that two which were
 * changed in another order differ. They can be copied, as table_copy.ts does
 * it: what stands for an Arrow is JSON, the texts of rows, or pairs of their
 * numbers and texts.
 *
 * A view of a table shows its rows, a grouped one the different ones of them.
 */
export class LogEngine {
  /** What no engine may be asked, as far as it can tell. */
  readonly faults: string[] = [];
  /** Configs whose views it can't make, in hex; tables that it can't copy. */
  readonly bad: ReadonlySet<string>;
  /** Whether it answers a change before it tells those who follow tables. */
  answersFirst = false;
  readonly #tables = new Map<string, LogTable>();
  readonly #views = new Map<string, LogView>();
  #subscriptions: Subscription[] = [];
  /** What has changed since the last poll, and through which ports. */
  readonly #changed = new Map<string, Set<number>>();

  constructor(bad: ReadonlySet<string> = new Set()) {
    this.bad = bad;
  }

  /** The texts of all rows by table, in the order of names. */
  get tables(): Record<string, string[]> {
    const names = [...this.#tables.keys()].sort();
    return Object.fromEntries(names.map((it) => [it, this.rowsOf(it)]));
  }

  /** The tables' ports, besides the first. */
  get ports(): Record<string, number> {
    return Object.fromEntries(
      [...this.#tables].map(([name, { ports }]) => [name, ports]),
    );
  }

  /** The number of the next row of `table`. */
  nextOf(table: string): number {
    return this.#tables.get(table)!.next;
  }

  /** The views that it has, by their names in it. */
  get views(): string[] {
    return [...this.#views.keys()];
  }

  /** Its subscriptions, as kinds. */
  get subscriptions(): number[] {
    return this.#subscriptions.map(({ kind }) => kind);
  }

  /** The texts of the rows of `table`. */
  rowsOf(table: string): string[] {
    return this.#rowsOf(table).map(([, text]) => text);
  }

  /** Executes a request, for {@linkcode FakeEngineOptions.script}. */
  readonly script: Script = (request) => {
    const { msgId, entity, kind, content } = request;
    const info = kindInfo(kind)!;
    const answer = (fill: Uint8Array | Fill = new Uint8Array(0)) => [
      frame(msgId, entity, kind, fill),
    ];
    const refuse = (why: string, status = 0) => [
      frame(msgId, entity, 50, serverError(why, status)),
    ];
    if (info.effect === "unsubscribe") {
      const wanted = readUint(content);
      this.#subscriptions = this.#subscriptions.filter((it) =>
        it.msgId !== wanted || it.kind !== info.ends
      );
      return answer();
    }
    if (info.effect === "change") {
      const said = this.#change(request, answer, refuse);
      return this.answersFirst ? said.toReversed() : said;
    }
    if (info.entity === "view" && !this.#views.has(entity)) {
      return refuse("View not found", 1);
    }
    if (info.effect === "subscribe") {
      const withRows = kind === Kind.VIEW_ON_UPDATE && content.length > 0;
      this.#subscriptions.push({ msgId, kind, entity, withRows });
      return [];
    }
    if (info.entity === "view") return this.#onView(request, answer);
    if (kind === Kind.GET_HOSTED_TABLES && content.length > 0) {
      this.#subscriptions.push({ msgId, kind, entity, withRows: false });
      return [];
    }
    if (info.entity === "server") return answer();
    if (!this.#tables.has(entity)) return refuse(`No table ${entity}`);
    this.#seen(entity);
    if (kind === Kind.TABLE_MAKE_VIEW) {
      const { viewId, config } = readMakeView(content);
      const isCopy = viewId.startsWith("copy-");
      if (this.bad.has(isCopy ? entity : config.toHex())) {
        return refuse("Bad config");
      }
      this.#views.set(viewId, { table: entity, config, isExpanded: true });
      return answer(text(1, viewId));
    }
    if (kind === Kind.TABLE_SCHEMA) {
      return answer((it) =>
        it.tag(1, 2).fork().tag(1, 2).fork().tag(1, 2).string("x")
          .join().join()
      );
    }
    const rows = this.rowsOf(entity);
    // The size, and where no engine says anything: what it is of.
    return answer((it) =>
      it.tag(2, 0).uint32(rows.length).tag(9, 2).string(JSON.stringify(rows))
    );
  };

  /** Polls, for {@linkcode FakeEngineOptions.onPoll}. */
  readonly onPoll = (): Uint8Array[] => {
    const pushes: Uint8Array[] = [];
    for (const [id, { table }] of this.#views) {
      const changed = this.#basesOf(table)
        .flatMap((it) => [...this.#changed.get(it) ?? []]);
      // Through whichever its sources are changed, a join pushes one port.
      const isJoin = this.#tables.get(table)?.sources !== undefined;
      const ports = new Set(isJoin ? changed.map(() => 0) : changed);
      for (const { msgId, kind, entity, withRows } of this.#subscriptions) {
        if (entity !== id || kind !== Kind.VIEW_ON_UPDATE) continue;
        for (const port of ports) {
          pushes.push(frame(msgId, entity, kind, (it) => {
            if (withRows) it.tag(1, 2).string("rows");
            if (port !== 0) it.tag(2, 0).uint32(port);
          }));
        }
      }
    }
    this.#changed.clear();
    return pushes;
  };

  #rowsOf(name: string): LogTable["rows"] {
    const table = this.#tables.get(name);
    return table?.sources?.flatMap((it) => this.#rowsOf(it)) ??
      table?.rows ?? [];
  }

  /** `table`, or what a join is made of. */
  #basesOf(table: string): string[] {
    const sources = this.#tables.get(table)?.sources;
    return sources?.flatMap((it) => this.#basesOf(it)) ?? [table];
  }

  /** `table` is read: there may be nothing to poll for. */
  #seen(table: string): void {
    for (const it of this.#basesOf(table)) {
      if (this.#changed.has(it)) {
        this.faults.push(`${it} is read between a change and its poll`);
      }
    }
  }

  #change(
    { entity, kind, content }: Parts,
    answer: (fill?: Fill) => readonly Uint8Array[],
    refuse: (why: string) => readonly Uint8Array[],
  ): readonly Uint8Array[] {
    const hosted = () =>
      this.#subscriptions.filter((it) => it.kind === Kind.GET_HOSTED_TABLES)
        .map(({ msgId }) => frame(msgId, "", Kind.GET_HOSTED_TABLES));
    const { rows, isCounted, port } = readRows(content);
    if (kind === Kind.MAKE_TABLE || kind === Kind.MAKE_JOIN_TABLE) {
      if (this.#tables.has(entity)) {
        this.faults.push(`${entity} is made twice`);
      }
      const table = { rows: [], next: 0, ports: 0 };
      if (kind === Kind.MAKE_TABLE) {
        this.#tables.set(entity, table);
        this.#add(table, rows);
      } else {
        const sources = readStrings(content);
        if (!sources.every((it) => this.#tables.has(it))) {
          return refuse("No such source");
        }
        this.#tables.set(entity, { ...table, sources });
      }
      return [...hosted(), ...answer()];
    }
    const table = this.#tables.get(entity);
    if (table === undefined) return refuse(`No table ${entity}`);
    if (kind === Kind.TABLE_DELETE) {
      const isSource = [...this.#tables.values()].some(({ sources }) =>
        sources?.includes(entity)
      );
      if (isSource && table.sources === undefined) {
        return refuse("It is a source");
      }
      if (isSource) this.faults.push(`${entity} is deleted, though a source`);
      this.#tables.delete(entity);
      const pushes = this.#subscriptions
        .filter((it) =>
          it.kind === Kind.TABLE_ON_DELETE && it.entity === entity
        )
        .map(({ msgId }) => frame(msgId, entity, Kind.TABLE_ON_DELETE));
      return [...hosted(), ...pushes, ...answer()];
    }
    if (kind === Kind.TABLE_MAKE_PORT) {
      return answer((it) => it.tag(1, 0).uint32(++table.ports));
    }
    if (isCounted) {
      table.next += rows.length;
      return answer();
    }
    if (kind === Kind.TABLE_REPLACE) table.rows = [];
    if (kind === Kind.TABLE_REMOVE) {
      table.rows = table.rows.filter(([, it]) => !rows.includes(it));
    } else this.#add(table, rows);
    const ports = this.#changed.get(entity) ?? new Set();
    this.#changed.set(entity, ports.add(port));
    return answer();
  }

  #add(table: LogTable, rows: ReadonlyArray<string | [number, string]>): void {
    for (const row of rows) {
      table.rows.push(typeof row === "string" ? [table.next, row] : row);
      table.next++;
    }
  }

  #onView(
    { entity, kind, content }: Parts,
    answer: (fill?: Fill) => readonly Uint8Array[],
  ): readonly Uint8Array[] {
    const view = this.#views.get(entity)!;
    const value = readUint(content);
    if (kind === Kind.VIEW_DELETE) {
      this.#views.delete(entity);
      const pushes = this.#subscriptions
        .filter((it) => it.entity === entity && it.kind === Kind.VIEW_ON_DELETE)
        .map(({ msgId }) => frame(msgId, entity, Kind.VIEW_ON_DELETE));
      this.#subscriptions = this.#subscriptions
        .filter((it) => it.entity !== entity);
      return [...pushes, ...answer()];
    }
    const rows = this.#rowsOf(view.table);
    const groups = new Set(rows.map(([, text]) => text)).size;
    if (kind === Kind.VIEW_SET_DEPTH) {
      view.isExpanded = value > 0;
      return answer();
    }
    if (kind === Kind.VIEW_EXPAND || kind === Kind.VIEW_COLLAPSE) {
      const wanted = kind === Kind.VIEW_EXPAND;
      const isChanged = value === 0 && view.isExpanded !== wanted;
      if (isChanged) view.isExpanded = wanted;
      return answer((it) => it.tag(1, 0).uint32(isChanged ? groups : 0));
    }
    this.#seen(view.table);
    const isGrouped = view.config[0] === 0x0a;
    const isNumbered = new TextDecoder().decode(view.config)
      .includes("__INDEX__");
    const [start, , end, endColumn] = readViewport(content);
    const slice = rows.slice(start, end);
    if (kind === Kind.VIEW_TO_ARROW && isNumbered) {
      return answer(text(1, JSON.stringify(slice)));
    }
    if (kind === Kind.VIEW_TO_COLUMNS_STRING && isNumbered) {
      const numbers = slice.map(([number]) => number);
      return answer(text(1, JSON.stringify({ __INDEX__: numbers })));
    }
    const texts = slice.map(([, text]) => text);
    if (!isGrouped) return answer(text(1, JSON.stringify(texts)));
    const paths = [[], ...view.isExpanded ? [...new Set(texts)] : []]
      .map((it) => typeof it === "string" ? [it] : it);
    return endColumn === 0
      ? answer(text(1, JSON.stringify({ __ROW_PATH__: paths })))
      : answer(text(1, JSON.stringify(paths)));
  }
}

/** What a change of {@linkcode LogEngine} brings. */
function readRows(content: Uint8Array): {
  rows: ReadonlyArray<string | [number, string]>;
  isCounted: boolean;
  port: number;
} {
  let json = "[]";
  let port = 0;
  const reader = new BinaryReader(content);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 2 && wireType === 0) port = reader.uint32();
    else if (field !== 1 || wireType !== 2) reader.skip(wireType, field);
    else {
      const data = reader.bytes();
      const inner = new BinaryReader(data);
      try {
        const [format] = inner.tag();
        if (format === 3 || format === 4) json = inner.string();
      } catch {
        // Nothing of its own, such as a flag.
      }
    }
  }
  return { rows: JSON.parse(json), isCounted: port === NO_PORT, port };
}

/** Field 1 and 2, strings. */
function readStrings(content: Uint8Array): string[] {
  const reader = new BinaryReader(content);
  const strings: string[] = [];
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (wireType === 2 && field <= 2) strings.push(reader.string());
    else reader.skip(wireType, field);
  }
  return strings;
}

/** First and last row and column of what is read: 0 and infinity by default. */
function readViewport(content: Uint8Array): number[] {
  const bounds = [0, 0, Infinity, Infinity];
  const reader = new BinaryReader(content);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field !== 1 || wireType !== 2) {
      reader.skip(wireType, field);
      continue;
    }
    const inner = new BinaryReader(reader.bytes());
    while (inner.pos < inner.len) {
      const [at] = inner.tag();
      bounds[at - 1] = inner.uint32();
    }
  }
  return bounds;
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
