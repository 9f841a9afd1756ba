/**
 * A client that knows what it has to be answered. For tests only.
 *
 * @module
 */

import {
  Kind,
  kindName,
  type Line,
  SERVER_ERROR,
} from "../../protocol/kinds.ts";
import type { Server } from "../../server/server.ts";
import type { LocalClient } from "../../server/local_client.ts";
import type { ServerSession } from "../../server/server_session.ts";
import { type Config, configBytes, schemaOf } from "../bare_engine.ts";
import { entry, valueIn, viewport } from "../differential/asks.ts";
import {
  COLUMNS,
  dataField,
  randomRows,
  WHOLE_FORMS,
  written,
} from "../differential/data.ts";
import { sameFrame } from "../differential/same_frame.ts";
import {
  errorOf,
  type Fill,
  frame,
  makeView,
  message,
  parts,
  readable,
} from "../frames.ts";
import { Random } from "../random.ts";

/** Milliseconds after which an answer counts as lost. */
const PATIENCE = 60_000;

const TYPES = ["string", "date", "datetime", "integer", "float", "boolean"];

/** What tables are made with, and what `MakeTableOptions` that is. */
const TABLE_TYPES: readonly {
  readonly options: { index?: string; limit?: number };
  readonly written: Fill | undefined;
}[] = [
  { options: {}, written: undefined },
  { options: { index: "k" }, written: (w) => w.tag(1, 2).string("k") },
  { options: { limit: 12 }, written: (w) => w.tag(2, 0).uint32(12) },
];

/** Views that don't depend on when they were made. */
const CONFIGS: readonly Config[] = [
  {},
  { columns: ["k", "f", "s"] },
  { groupBy: ["g"], columns: ["i", "f"] },
  { groupBy: ["g", "h"], columns: ["f"] },
  { groupBy: ["h"], splitBy: ["b"], columns: ["i"] },
  { columns: ["e", "g"], expression: ["e", '"f" * 2'] },
];

/** Views that it keeps. */
const MAIN = "main";
const GROUPED = "grouped";

/** How many views a client makes beside its main one. */
const MOST_VIEWS = 4;

const READS: readonly (readonly [number, Fill | undefined])[] = [
  [Kind.VIEW_TO_COLUMNS_STRING, viewport()],
  [Kind.VIEW_TO_ROWS_STRING, viewport()],
  [Kind.VIEW_TO_NDJSON_STRING, viewport()],
  [Kind.VIEW_TO_CSV, viewport()],
  [Kind.VIEW_TO_ARROW, viewport()],
  [Kind.VIEW_TO_ARROW, viewport({ row: 4, column: 2 })],
  [Kind.VIEW_DIMENSIONS, undefined],
  [Kind.VIEW_SCHEMA, undefined],
  [Kind.VIEW_EXPRESSION_SCHEMA, undefined],
  [Kind.VIEW_GET_CONFIG, undefined],
  [Kind.VIEW_COLUMN_PATHS, undefined],
];

/** A request that isn't answered yet. */
interface Pending {
  readonly words: string;
  readonly expected: Uint8Array;
}

/** A push that has to come. */
interface Owed {
  readonly change: number;
  isAnswered: boolean;
}

/** What a client has seen. */
export interface HonestCounts {
  answers: number;
  pushes: number;
  sessions: number;
  /** Answers that said that all engines are lost. */
  lost: number;
}

/** What a client needs to know of the run. */
export interface HonestOptions {
  readonly line: Line;
  readonly seed: number;
  /** Takes what goes wrong. */
  readonly fail: (what: string, details?: readonly string[]) => void;
  /** How many engines have been lost so far. */
  readonly deaths: () => number;
}

/**
 * Asks the server and a reference the same about a table of its own, and
 * compares each answer byte for byte.
 */
export class Honest {
  /** Its table. */
  readonly table: string;
  readonly counts: HonestCounts = {
    answers: 0,
    pushes: 0,
    sessions: 0,
    lost: 0,
  };
  readonly #server: Server;
  readonly #reference: Server;
  readonly #options: HonestOptions;
  readonly #random: Random;
  readonly #type: (typeof TABLE_TYPES)[number];
  #right: ServerSession | undefined;
  #left: ServerSession | undefined;
  /** What the reference says to what it is asked just now. */
  #said: Uint8Array[] = [];
  readonly #pending = new Map<number, Pending>();
  /** By subscription. */
  readonly #owed = new Map<number, Owed[]>();
  readonly #pushed = new Map<number, { left: number; right: number }>();
  #deathsAtOpen = 0;
  #views: string[] = [];
  #names = 0;
  #msgId = 0;
  #isOver = false;
  #look = () => {};

  /** A client that is the `number`th. */
  constructor(
    number: number,
    server: Server,
    reference: Server,
    options: HonestOptions,
  ) {
    this.table = `honest${number}`;
    this.#server = server;
    this.#reference = reference;
    this.#options = options;
    this.#random = new Random(options.seed + number * 7919);
    this.#type = TABLE_TYPES[number % TABLE_TYPES.length]!;
  }

  /** Makes its table, at the server by `client`. */
  async makeTable(client: LocalClient): Promise<void> {
    const { table } = this;
    const rows = randomRows(this.#random, COLUMNS, 8, false);
    const left = this.#reference.newSession(() => {});
    const schema = Object.fromEntries(
      COLUMNS.map(({ name, type }) => [name, TYPES.indexOf(type)]),
    );
    const ask = (kind: number, content: Fill) =>
      left.handleRequest(frame(1, table, kind, content));
    // What the clients of one that was lost had.
    ask(Kind.TABLE_DELETE, (w) => w.tag(1, 0).bool(true));
    ask(Kind.MAKE_TABLE, (w) => {
      w.tag(1, 2).bytes(message(schemaOf(schema)));
      const { written } = this.#type;
      if (written !== undefined) w.tag(2, 2).bytes(message(written));
    });
    const data = written(rows, "rows", COLUMNS);
    ask(Kind.TABLE_UPDATE, dataField(data));
    left.close();
    const types = COLUMNS.map(({ name, type }) => [name, type] as const);
    const made = await client.table(
      // A schema, for which the declared type has no room.
      Object.fromEntries(types) as unknown as Record<string, unknown[]>,
      { name: table, ...this.#type.options },
    );
    await made.update(rows);
  }

  /** Opens a session and asks until `isOver` says so, or the session ends. */
  async run(isOver: () => boolean): Promise<void> {
    this.#open();
    while (!isOver() && this.#isOpen) {
      await this.#round();
      // Others have their turn, and the machine isn't only for this.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    if (this.#isOpen) await this.#settle();
    if (this.#isOpen) this.#checkPushes();
    this.close();
  }

  /** Ends its sessions. */
  close(): void {
    this.#isOver = true;
    this.#left?.close();
    this.#right?.close();
  }

  get #isOpen(): boolean {
    return !this.#isOver;
  }

  #open(): void {
    this.counts.sessions++;
    this.#isOver = false;
    this.#pending.clear();
    this.#owed.clear();
    this.#pushed.clear();
    this.#views = [];
    this.#deathsAtOpen = this.#options.deaths();
    const { fail } = this.#options;
    this.#left = this.#reference.newSession((bytes) => {
      this.#said.push(bytes);
    });
    this.#right = this.#server.newSession((bytes) => this.#came(bytes), {
      onEnd: (reason) => {
        if (this.#isOver) return;
        this.#isOver = true;
        this.#left?.close();
        this.#look();
        if (reason === "engine lost") return;
        fail(`The session of ${this.table} was ended: ${reason}`);
      },
    });
    // These two it keeps.
    this.#view(MAIN, CONFIGS[0]!);
    this.#subscribe(MAIN, false);
    this.#subscribe(MAIN, true);
    this.#view(GROUPED, CONFIGS[2]!);
    this.#subscribe(GROUPED, false);
  }

  /** A few requests, and sometimes the end of all that is open. */
  async #round(): Promise<void> {
    const random = this.#random;
    // Changes first: a read that waits for an engine in place of one that was
    // lost also sees changes that were asked for after it.
    for (let left = random.below(3); left > 0; left--) this.#change();
    for (let left = random.between(1, 3); left > 0; left--) this.#step();
    const isThorough = random.chance(0.05);
    if (isThorough) await this.#settle();
    else await this.#until(() => this.#pending.size === 0);
  }

  #change(): void {
    const random = this.#random;
    const { table } = this;
    if (this.#type.options.index !== undefined && random.chance(0.15)) {
      const keys = JSON.stringify([random.below(20), random.below(20)]);
      const data = { form: "rows", value: keys } as const;
      return this.#ask(Kind.TABLE_REMOVE, table, dataField(data));
    }
    const rows = randomRows(random, COLUMNS, random.between(1, 4), false);
    const data = written(rows, random.pick(WHOLE_FORMS), COLUMNS);
    this.#ask(Kind.TABLE_UPDATE, table, dataField(data));
  }

  #step(): void {
    const random = this.#random;
    const { table } = this;
    const what = random.below(16);
    if (what === 0) this.#ask(Kind.TABLE_SIZE, table);
    else if (what === 1) this.#ask(Kind.TABLE_SCHEMA, table);
    else if (what === 2) {
      const text = random.pick(['"f" * 2', '"nope" + 1']);
      this.#ask(Kind.TABLE_VALIDATE_EXPR, table, entry(1, "e", text));
    } else if (what === 3 && this.#views.length < MOST_VIEWS) {
      const id = `${table}-${this.#names++}`;
      this.#view(id, random.pick(CONFIGS));
      this.#views.push(id);
    } else if (what === 4 && this.#views.length > 0) {
      const at = random.below(this.#views.length);
      this.#ask(Kind.VIEW_DELETE, this.#views.splice(at, 1)[0]!);
    } else {
      const view = random.pick([MAIN, GROUPED, ...this.#views]);
      const [kind, content] = random.pick(READS);
      this.#ask(kind, view, content);
    }
  }

  #view(id: string, config: Config): void {
    const content = makeView(id, configBytes(config));
    this.#ask(Kind.TABLE_MAKE_VIEW, this.table, content);
  }

  #subscribe(view: string, withRows: boolean): void {
    const msgId = this.#msgId + 1;
    this.#owed.set(msgId, []);
    this.#pushed.set(msgId, { left: 0, right: 0 });
    this.#ask(
      Kind.VIEW_ON_UPDATE,
      view,
      (w) => withRows && w.tag(1, 0).int32(0),
    );
  }

  #ask(kind: number, entity: string, content?: Fill): void {
    if (!this.#isOpen) return;
    const msgId = ++this.#msgId;
    const bytes = frame(msgId, entity, kind, content);
    const words = `${kindName(kind)} on "${entity}", msg_id ${msgId}`;
    this.#said = [];
    this.#left!.handleRequest(bytes.slice());
    for (const said of this.#said) {
      const got = parts(said).msgId;
      if (got === msgId) this.#pending.set(msgId, { words, expected: said });
      else {
        this.#pushed.get(got)!.left++;
        this.#owed.get(got)!.push({ change: msgId, isAnswered: false });
      }
    }
    this.#right!.handleRequest(bytes);
  }

  #came(bytes: Uint8Array): void {
    const { fail } = this.#options;
    const { msgId, kind } = parts(bytes);
    if (this.#isOver) return;
    const who = this.table;
    if (kind === SERVER_ERROR) {
      const { message } = errorOf(bytes);
      if (message.startsWith("The engine is lost, and its tables")) {
        this.counts.lost++;
        this.#pending.delete(msgId);
        return;
      }
    }
    const pending = this.#pending.get(msgId);
    if (pending !== undefined) {
      this.#pending.delete(msgId);
      this.counts.answers++;
      for (const owed of this.#owed.values()) {
        for (const it of owed) if (it.change === msgId) it.isAnswered = true;
      }
      if (!sameFrame(pending.expected, bytes)) {
        fail(`${who} got a wrong answer to ${pending.words}`, [
          `expected: ${readable(pending.expected, 1000)}`,
          `got:      ${readable(bytes, 1000)}`,
        ]);
      }
      return this.#look();
    }
    const owed = this.#owed.get(msgId);
    if (owed === undefined || kind !== Kind.VIEW_ON_UPDATE) {
      return fail(`${who} got what nobody waits for, msg_id ${msgId}`, [
        readable(bytes, 1000),
      ]);
    }
    const { content } = parts(bytes);
    if (content.length > 0 && valueIn(content, 2) !== undefined) {
      fail(`${who} got a push of another port`, [readable(bytes, 1000)]);
    }
    this.counts.pushes++;
    this.#pushed.get(msgId)!.right++;
    // It may stand for all that was answered, and for the next.
    const next = owed.findIndex((it) => !it.isAnswered);
    owed.splice(0, next < 0 ? owed.length : next + 1);
    this.#look();
  }

  /** No more pushes came than there were changes, and such as tell of deaths. */
  #checkPushes(): void {
    const deaths = this.#options.deaths() - this.#deathsAtOpen;
    for (const [msgId, { left, right }] of this.#pushed) {
      if (right <= left + deaths) continue;
      this.#options.fail(
        `${this.table} got ${right} pushes of ${msgId} instead of ${left}, ` +
          `with ${deaths} engines lost`,
      );
    }
  }

  /** All is answered, and all is pushed. */
  async #settle(): Promise<void> {
    await this.#until(() =>
      this.#pending.size === 0 &&
      [...this.#owed.values()].every(({ length }) => length === 0)
    );
  }

  async #until(is: () => boolean): Promise<void> {
    if (is() || !this.#isOpen) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#look = () => {
      if (is() || !this.#isOpen) resolve();
    };
    const timer = setTimeout(() => {
      const missing = [...this.#pending.values()].map(({ words }) =>
        `  no answer to ${words}`
      );
      for (const [msgId, owed] of this.#owed) {
        if (owed.length > 0) missing.push(`  no push of ${msgId}`);
      }
      this.#options.fail(
        `${this.table} has waited for ${PATIENCE} ms`,
        missing,
      );
      // It goes on with a session of its own.
      this.close();
      resolve();
    }, PATIENCE);
    await promise;
    clearTimeout(timer);
    this.#look = () => {};
  }
}
