/**
 * Two servers that are asked the same and must say the same. For tests only.
 *
 * The left one runs its engine inline, so that all it has to say to a request
 * has been said when the call returns. That is what is expected of the right
 * one, whatever executes there: the same frames, for the same sessions, in the
 * same order for each `msg_id`, and none besides.
 *
 * {@linkcode UNCOMPARED} and {@linkcode UNASKED} list what is left out, and why.
 *
 * @module
 */

import type { ServerSession } from "../server/server_session.ts";
import {
  hasKind,
  Kind,
  kindInfo,
  kindName,
  type Line,
  SERVER_ERROR,
} from "../protocol/kinds.ts";
import { fields, type Fill, frame, message } from "./frames.ts";
import { type Parts, parts, type RawField, readable } from "./frames.ts";
import { Random } from "./random.ts";

// -- What is left out ---------------------------------------------------------

/** What of the answers isn't compared, or not byte for byte. */
export const UNCOMPARED: readonly { what: string; why: string }[] = [
  {
    what: "order of map entries in answers of kind 3, 9, 13, 14, 15",
    why:
      "it varies between two reads of one engine (ENGINE 1.9); entries are " +
      "sorted before they are compared",
  },
  {
    what: "values of server_system_info (17); only which fields there are",
    why: "memory and time of another engine",
  },
  {
    what: "when a lazy table_delete is answered; only that and what",
    why: "the table goes with its last view, wherever that is (ENGINE 5.2)",
  },
  {
    what: "order of answers to different requests, and of pushes of " +
      "subscriptions on different views or tables",
    why:
      "replicas needn't wait for each other. A session's own answer before " +
      "the pushes that its request caused, and pushes of different kinds on " +
      "one view, are compared in order",
  },
  {
    what: "pushes on their way when the session itself ends the subscription",
    why: "a router that knows drops them; those that come must be the left " +
      "one's, in order",
  },
  {
    what: "the message of the error that an update from a view gets",
    why:
      "the engines don't do it (\"malformed\"), and several of them couldn't",
  },
  {
    what:
      "if views are shared: rows in pushes to who didn't ask for them, and " +
      "whose rows they are",
    why: "a router sends each what it asked for; an engine sends rows to all " +
      "once one has asked, the right ones to the first (ENGINE 4.4)",
  },
  {
    what: "what a session that closes with requests on their way still gets",
    why: "it depends on the moment; it must be what the left one sent, though",
  },
];

/** What isn't asked. */
export const UNASKED: readonly { what: string; why: string }[] = [
  {
    what:
      "nulls in columns that views group or split by, but for line 3 with " +
      "one pivot; rows always fill these columns",
    why: "traps (ENGINE 6.2) and lost rows (ENGINE 9.20a) of the engine's own",
  },
  {
    what: "on line 5, explicit nulls and table_replace on one indexed table",
    why: "hangs or traps (ENGINE 9.20b); a table gets one or the other",
  },
  {
    what:
      "invalid UTF-8, column paths from end to start, nested expressions, " +
      "loops, columns of unequal length, NDJSON without line breaks, broken " +
      "Arrow, viewports and rows out of range",
    why: "they break the engine (ENGINE 6.4, 9.18, 9.19)",
  },
  {
    what: "default columns with more than one expression",
    why: "they stand in the order of a map, which varies",
  },
  {
    what: "now() and random() in expressions",
    why: "two engines evaluate them at different times",
  },
  {
    what: "high, low, pivots over nulls, if views or polls are shared",
    why: "they depend on when the view was made (ENGINE 4.2)",
  },
  {
    what: "sorted groups and the rows of a group, if views or polls are shared",
    why: "what sorts as equal stands in an order that depends on when the " +
      "view was made, and so do the rows of a group",
  },
  {
    what: "rows of a view after nobody had subscribed to it, if views are " +
      "shared",
    why: "an engine goes on recording what changes, and sends it all to the " +
      "next who asks; a router sends what changed since",
  },
  {
    what: "nulls and partial rows, if views or polls are shared",
    why:
      "groups that live are wrong after these, in both engines, unlike new " +
      "ones, and not in the same way if a key comes twice in one poll",
  },
  {
    what: "floats that aren't multiples of 1/4",
    why: "sums drift in their last bits with the age of a view (ENGINE 4.2)",
  },
  {
    what: "updates through a port that doesn't exist",
    why: "both engines print them to stderr",
  },
  {
    what: "immediate deletes of join tables that have views, joins of joins",
    why: "they break the join (ENGINE 9.14)",
  },
  {
    what: "table_replace from a view",
    why: "the engines clear the table and answer an error; a router refuses it",
  },
  {
    what: "in a burst: subscribing to hosted tables",
    why: "a table that waited for its last view may go after that",
  },
  {
    what: "in a burst of several sessions: tables that two sessions of the " +
      "burst touch, making and deleting tables, and whatever sees that",
    why: "it depends on whose request comes first",
  },
];

/** Where the maps of an answer are: the fields on the way, then the maps. */
const MAPS: ReadonlyMap<number, { at: readonly number[]; maps: number[] }> =
  new Map([
    [Kind.GET_FEATURES, { at: [], maps: [6, 7, 9] }],
    [Kind.TABLE_VALIDATE_EXPR, { at: [], maps: [1, 2, 3] }],
    [Kind.VIEW_EXPRESSION_SCHEMA, { at: [], maps: [1] }],
    [Kind.VIEW_GET_CONFIG, { at: [1], maps: [6, 7, 11] }],
    [Kind.VIEW_SCHEMA, { at: [], maps: [1] }],
  ]);

/** `frame` in a form that is equal for frames that say the same. */
function canonical(bytes: Uint8Array): string {
  const { msgId, entity, kind, content } = parts(bytes);
  if (kind === Kind.SERVER_SYSTEM_INFO) {
    // A value of 0 is left out, as protobuf does; there is always memory.
    const has = fields(content).map(({ field }) => field);
    return JSON.stringify([msgId, entity, kind, has.slice(0, 2)]);
  }
  const maps = MAPS.get(kind);
  if (maps === undefined) return bytes.toHex();
  return JSON.stringify([
    msgId,
    entity,
    kind,
    sorted(content, maps.at, maps.maps),
  ]);
}

function sorted(
  bytes: Uint8Array,
  at: readonly number[],
  maps: readonly number[],
): unknown {
  const all = fields(bytes);
  const [inner, ...further] = at;
  const isEntry = ({ field }: RawField) =>
    inner === undefined && maps.includes(field);
  return [
    ...all.filter((it) => !isEntry(it)).map((it) =>
      it.field === inner && it.value instanceof Uint8Array
        ? sorted(it.value, further, maps)
        : it.raw.toHex()
    ),
    ...all.filter(isEntry).map((it) => it.raw.toHex()).sort(),
  ];
}

function same(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((it, i) => it === right[i])
    ? true
    : canonical(left) === canonical(right);
}

// -- What is known of the servers' state --------------------------------------

type ColumnType =
  | "string"
  | "date"
  | "datetime"
  | "integer"
  | "float"
  | "boolean";

interface Column {
  readonly name: string;
  readonly type: ColumnType;
  /** Rows always have a key and the columns that views group by. */
  readonly role: "key" | "pivot" | "value";
}

interface Table {
  readonly name: string;
  readonly type: "plain" | "indexed" | "limit" | "join";
  readonly columns: readonly Column[];
  /** Whether rows may hold explicit nulls. */
  readonly nulls: boolean;
  readonly ports: number[];
  /** What a join is made of. */
  readonly sources: readonly Table[];
  state: "there" | "waits for its views" | "gone";
}

interface View {
  readonly id: string;
  readonly table: Table;
  readonly pivots: number;
  readonly isSplit: boolean;
  /** The columns of a flat view, as a table made of it has them. */
  readonly columns: readonly Column[];
  /** Whether rows that change are recorded, since somebody asked for them. */
  recordsRows: boolean;
  /** Whether some were recorded that nobody was sent. */
  hasOldRows: boolean;
}

interface Subscription {
  readonly msgId: number;
  readonly kind: number;
  readonly entity: string;
  readonly view: View | undefined;
  /** Where deltas are sent on to, as `client.table(view)` does. */
  readonly target: Table | undefined;
  /** Whether it asked for the rows that changed. */
  readonly withRows: boolean;
}

interface Client {
  readonly number: number;
  open: boolean;
  readonly views: Map<string, View>;
  readonly subscriptions: Map<number, Subscription>;
  readonly usedIds: Set<number>;
}

/** What a view is made of. */
interface Config {
  readonly content: Fill;
  readonly text: string;
  readonly pivots: number;
  readonly isSplit: boolean;
  readonly columns: readonly Column[];
}

/** A request before it has a `msg_id`. */
interface Ask {
  readonly kind: number;
  readonly entity: string;
  readonly content?: Uint8Array | Fill | undefined;
  /** What a reader of a failed test wants to know. */
  readonly text?: string | undefined;
  /** Called with the left server's answer, an error included. */
  readonly after?: ((answer: Parts) => void) | undefined;
  /** Whether it gets an error with whatever message. */
  readonly anyError?: boolean | undefined;
  /** Called before it is sent, with its `msg_id`. */
  readonly before?: ((msgId: number) => void) | undefined;
}

type Step =
  | { readonly type: "open"; readonly client: number }
  | { readonly type: "close"; readonly client: number }
  | {
    readonly type: "request";
    readonly client: number;
    readonly msgId: number;
    readonly ask: Ask;
    readonly frame: Uint8Array;
  };

/** Who may ask what in the next step. */
interface Scope {
  /** Without it, anyone. */
  readonly client?: Client | undefined;
  /** Whose tables are whose, in a burst of several sessions. */
  readonly owners?: ReadonlyMap<Table, Client> | undefined;
}

/** Forms in which nothing is taken for a null. */
const WHOLE_FORMS = ["rows", "cols", "ndjson"] as const;

const ROLES = {
  k: ["integer", "key"],
  g: ["string", "pivot"],
  h: ["string", "pivot"],
  b: ["boolean", "pivot"],
  i: ["integer", "value"],
  f: ["float", "value"],
  s: ["string", "value"],
  d: ["date", "value"],
  t: ["datetime", "value"],
} as const satisfies Record<string, readonly [ColumnType, Column["role"]]>;

const column = (name: keyof typeof ROLES): Column => ({
  name,
  type: ROLES[name][0],
  role: ROLES[name][1],
});

/** The right side of joins. */
const LOOKUP: readonly Column[] = [
  { name: "k", type: "integer", role: "key" },
  { name: "x", type: "integer", role: "value" },
  { name: "y", type: "string", role: "value" },
];

const COLUMN_TYPES: readonly ColumnType[] = [
  "string",
  "date",
  "datetime",
  "integer",
  "float",
  "boolean",
];

const WORDS = [
  "",
  "a",
  "bc",
  "Zoë",
  "日本",
  "x,y",
  '"q"',
  "long long ago",
  "👍",
];

/** Deterministic, without nesting, with the columns that they need. */
const EXPRESSIONS: readonly {
  readonly text: string;
  readonly needs: readonly string[];
  readonly type: ColumnType;
}[] = [
  { text: '"i" + 1', needs: ["i"], type: "float" },
  { text: '"f" * 2', needs: ["f"], type: "float" },
  { text: '"i" > 0', needs: ["i"], type: "boolean" },
  { text: 'upper("g")', needs: ["g"], type: "string" },
  { text: 'concat("g", \'-\', "h")', needs: ["g", "h"], type: "string" },
  { text: 'bucket("f", 5)', needs: ["f"], type: "float" },
  { text: 'length("s")', needs: ["s"], type: "float" },
  { text: "'constant'", needs: [], type: "string" },
];

const BAD_EXPRESSIONS = ['"nope" + 1', "1 +", '"g" * 2', ""];

const DELIMITED_FORMS = ["rows", "cols", "ndjson", "csv"] as const;

type Form = "schema" | "csv" | "arrow" | "rows" | "cols" | "view" | "ndjson";

const FORM_FIELDS: Record<Form, number> = {
  schema: 1,
  csv: 2,
  arrow: 3,
  rows: 4,
  cols: 5,
  view: 6,
  ndjson: 7,
};

interface Data {
  readonly form: Form;
  readonly value: string | Uint8Array;
}

type Row = Record<string, string | number | boolean | null>;

/** An Arrow that the left server wrote. */
interface Arrow {
  readonly bytes: Uint8Array;
  readonly columns: readonly Column[];
}

// -- Steps --------------------------------------------------------------------

/** How many views a session has at most, and how many tables there are. */
const MOST_VIEWS = 5;
const MOST_TABLES = 7;

/** Makes up steps, one after the other, with what the left server said so far. */
class Steps {
  readonly clients: Client[] = [];
  readonly tables: Table[] = [];
  /** What has to follow: client after client in order. */
  readonly #queue: { client: Client; make: () => Ask | undefined }[] = [];
  readonly #arrows: Arrow[] = [];
  readonly #random: Random;
  readonly #line: Line;
  readonly #sessions: number;
  readonly #joinsChanges: boolean;
  /** Whether nothing is asked that depends on when a view was made, or polled. */
  readonly #isAgeless: boolean;
  readonly #sharesViews: boolean;
  /** What views were made of, if they are to be shared. */
  readonly #configs: { table: Table; config: Config }[] = [];
  #names = 0;
  #scope: Scope = {};

  constructor(
    random: Random,
    line: Line,
    { sessions = 4, sharesViews = false, joinsChanges = false }:
      DifferentialOptions,
  ) {
    this.#random = random;
    this.#line = line;
    this.#sessions = sessions;
    this.#joinsChanges = joinsChanges;
    this.#isAgeless = sharesViews || joinsChanges;
    this.#sharesViews = sharesViews;
  }

  get live(): Client[] {
    return this.clients.filter((it) => it.open);
  }

  /** The next step; `undefined` if `scope` allows none that came to mind. */
  next(scope: Scope = {}): Step | undefined {
    const random = this.#random;
    this.#scope = scope;
    if (scope.client === undefined && scope.owners === undefined) {
      const open = this.live.length;
      if (open === 0 || open < this.#sessions && random.chance(0.2)) {
        return { type: "open", client: this.clients.length };
      }
    }
    if (
      scope.owners === undefined && this.live.length > 1 && random.chance(0.005)
    ) {
      const { number } = scope.client ?? random.pick(this.live);
      return { type: "close", client: number };
    }
    if (scope.owners === undefined && random.chance(0.7)) {
      const follows = this.#queue.findIndex(({ client }) =>
        scope.client === undefined || client === scope.client
      );
      if (follows >= 0) {
        const { client, make } = this.#queue.splice(follows, 1)[0]!;
        const ask = client.open ? make() : undefined;
        if (ask !== undefined) return this.request(client, ask);
      }
    }
    const client = scope.client ?? random.pick(this.live);
    for (let attempt = 0; attempt < 20; attempt++) {
      const ask = this.#ask(client);
      if (ask !== undefined) return this.request(client, ask);
    }
    return undefined;
  }

  /** Shares the tables out among the sessions, for a burst of all of them. */
  shareOut(): Scope {
    const owners = new Map<Table, Client>();
    const live = this.live;
    if (live.length === 0) return {};
    // A join and its sources go to the same session.
    for (const table of this.tables) {
      if (table.type !== "join") continue;
      const known = table.sources.map((it) => owners.get(it)).find(Boolean);
      const client = known ?? this.#random.pick(live);
      for (const each of [table, ...table.sources]) {
        // In two joins, of two sessions: nobody's.
        if (!owners.has(each)) owners.set(each, client);
      }
    }
    for (const join of this.tables.filter((it) => it.type === "join")) {
      const group = [join, ...join.sources];
      if (new Set(group.map((it) => owners.get(it))).size > 1) {
        return { client: this.#random.pick(live) };
      }
    }
    for (const table of this.tables) {
      if (!owners.has(table)) owners.set(table, this.#random.pick(live));
    }
    return { owners };
  }

  /** `ask` with an id of its own. */
  request(client: Client, ask: Ask): Step {
    let msgId: number;
    do msgId = this.#random.id(); while (
      msgId === 0 || client.usedIds.has(msgId)
    );
    client.usedIds.add(msgId);
    return {
      type: "request",
      client: client.number,
      msgId,
      ask,
      frame: frame(msgId, ask.entity, ask.kind, ask.content),
    };
  }

  /** A session has opened. */
  opened(): Client {
    const client: Client = {
      number: this.clients.length,
      open: true,
      views: new Map(),
      subscriptions: new Map(),
      usedIds: new Set(),
    };
    this.clients.push(client);
    return client;
  }

  /** A session has closed. */
  closed(client: Client): void {
    client.open = false;
    client.subscriptions.clear();
    const tables = new Set(
      [...client.views.values()].map(({ table }) => table),
    );
    client.views.clear();
    for (const table of tables) this.#viewGone(table);
  }

  /** The left server pushed something. */
  pushed(client: Client, subscription: Subscription, push: Parts): void {
    const { target } = subscription;
    if (target === undefined) return;
    const delta = fields(push.content).find(({ field }) => field === 1)?.value;
    if (!(delta instanceof Uint8Array) || delta.length === 0) return;
    const bytes = delta.slice();
    const isRemoval = subscription.kind === Kind.VIEW_ON_REMOVE;
    this.#queue.push({
      client,
      make: () => ({
        kind: isRemoval ? Kind.TABLE_REMOVE : Kind.TABLE_UPDATE,
        entity: target.name,
        content: dataField({ form: "arrow", value: bytes }),
        text: `the delta of subscription ${subscription.msgId}`,
      }),
    });
  }

  /** What is asked at the end, by a session of its own. */
  *last(client: Client): Generator<Ask> {
    const of = (entity: string, kind: number, content?: Fill): Ask => ({
      kind,
      entity,
      content,
    });
    const tables = this.tables.filter((it) => it.state !== "gone");
    yield of("", Kind.GET_HOSTED_TABLES);
    for (const { name, columns } of tables) {
      yield of(name, Kind.TABLE_SIZE);
      yield of(name, Kind.TABLE_SCHEMA);
      // Several different ones, so that they may be made in several places.
      const views = [0, 1, 2].map((by) => ({
        id: `last-${by}`,
        columns: rotated(columns.map((it) => it.name), by),
      }));
      for (const { id, columns } of views) {
        yield {
          kind: Kind.TABLE_MAKE_VIEW,
          entity: name,
          content: (w) => {
            w.tag(1, 2).string(id);
            w.tag(2, 2).fork();
            writeColumns(columns)(w);
            w.join();
          },
        };
      }
      for (const { id } of views) {
        yield of(id, Kind.VIEW_TO_ARROW, viewport());
        yield of(id, Kind.VIEW_TO_CSV, viewport());
      }
      for (const { id } of views) yield of(id, Kind.VIEW_DELETE);
    }
    // Lazy deletes are answered when the views are gone.
    for (const other of this.live) {
      if (other !== client) yield* this.#farewell(other);
    }
    for (const { name } of tables) yield of(name, Kind.TABLE_SIZE);
    yield of("", Kind.GET_HOSTED_TABLES);
  }

  /** Which session asks the next of {@linkcode Steps.last}, if not the given one. */
  farewellOf: Client | undefined;

  *#farewell(client: Client): Generator<Ask> {
    this.farewellOf = client;
    for (const id of [...client.views.keys()]) {
      yield this.#deleteView(client, id);
    }
    // Comes after all pushes that are on their way in one engine.
    yield { kind: Kind.GET_FEATURES, entity: "" };
    this.farewellOf = undefined;
  }

  // -- Requests ---------------------------------------------------------------

  #ask(client: Client): Ask | undefined {
    const random = this.#random;
    const { owners } = this.#scope;
    const total = CHOICES.reduce((sum, [weight]) => sum + weight, 0);
    let at = random.below(total);
    for (const [weight, choice, calm] of CHOICES) {
      at -= weight;
      if (at >= 0) continue;
      if (owners !== undefined && !calm) return undefined;
      return this.#make[choice](client);
    }
    return undefined;
  }

  readonly #make: Record<Choice, (client: Client) => Ask | undefined> = {
    features: () => ({ kind: Kind.GET_FEATURES, entity: "" }),
    systemInfo: () => ({ kind: Kind.SERVER_SYSTEM_INFO, entity: "" }),
    hostedTables: () => ({ kind: Kind.GET_HOSTED_TABLES, entity: "" }),
    onHostedTables: (client) => {
      if (this.#scope.client !== undefined) return undefined;
      const subscribe: Fill = (w) => w.tag(1, 0).bool(true);
      const text = "subscribed to";
      const kind = Kind.GET_HOSTED_TABLES;
      return this.#subscribe(client, kind, "", undefined, subscribe, text);
    },
    unknownKind: () => ({
      kind: this.#random.pick([41, 45, 49, ...this.#line === "3" ? [38] : []]),
      entity: "t0",
      text: "a kind that isn't known",
    }),
    unsubscribe: (client) => this.#unsubscribe(client),
    makeTable: () => this.#makeTable(),
    makeJoin: () => this.#makeJoin(),
    size: (client) => this.#onTable(client, Kind.TABLE_SIZE),
    schema: (client) => this.#onTable(client, Kind.TABLE_SCHEMA),
    makePort: (client) => this.#makePort(client),
    validate: (client) => this.#validate(client),
    update: (client) => this.#change(client, Kind.TABLE_UPDATE),
    replace: (client) => this.#change(client, Kind.TABLE_REPLACE),
    remove: (client) => this.#remove(client),
    deleteTable: (client) => this.#deleteTable(client),
    onTableDelete: (client) => {
      const table = this.#table(client)?.name ?? this.#unknown();
      return this.#subscribe(client, Kind.TABLE_ON_DELETE, table, undefined);
    },
    makeView: (client) => this.#makeView(client),
    deleteView: (client) => {
      const view = this.#view(client);
      if (view === undefined) return this.#missingView(Kind.VIEW_DELETE);
      if (this.#scope.owners && view.table.state !== "there") return undefined;
      return this.#deleteView(client, view.id);
    },
    readView: (client) => this.#readView(client),
    expand: (client) => this.#expand(client),
    onUpdate: (client) => {
      const withRows = this.#random.chance(0.5);
      return this.#onView(
        client,
        Kind.VIEW_ON_UPDATE,
        (w) => withRows && w.tag(1, 0).int32(0),
        withRows ? "with row deltas" : undefined,
      );
    },
    onViewDelete: (client) => this.#onView(client, Kind.VIEW_ON_DELETE),
    onRemove: (client) =>
      this.#line === "5"
        ? this.#onView(client, Kind.VIEW_ON_REMOVE)
        : undefined,
    copy: (client) => this.#copy(client),
  };

  /** One of the tables that `client` may touch now; sometimes one that waits to go. */
  #table(
    client: Client,
    fits: (table: Table) => boolean = () => true,
  ): Table | undefined {
    const { owners } = this.#scope;
    const found = this.tables.filter((it) =>
      it.state !== "gone" &&
      (owners === undefined || owners.get(it) === client) && fits(it)
    );
    return found.length === 0 ? undefined : this.#random.pick(found);
  }

  #view(
    client: Client,
    fits: (view: View) => boolean = () => true,
  ): View | undefined {
    const { owners } = this.#scope;
    const found = [...client.views.values()].filter((it) =>
      (owners === undefined || owners.get(it.table) === client) && fits(it)
    );
    return found.length === 0 ? undefined : this.#random.pick(found);
  }

  /** The name of nothing, or of somebody else's view. */
  #unknown(): string {
    const others = this.live.flatMap((it) => [...it.views.keys()]);
    return this.#random.pick(["nothing", "", "t99", ...others]);
  }

  #missingView(kind: number): Ask | undefined {
    if (!this.#random.chance(0.1)) return undefined;
    return { kind, entity: "no such view", content: message(viewport()) };
  }

  #onTable(client: Client, kind: number): Ask {
    const table = this.#random.chance(0.05) ? undefined : this.#table(client);
    return { kind, entity: table?.name ?? "no such table" };
  }

  #makePort(client: Client): Ask {
    const table = this.#table(client);
    return {
      kind: Kind.TABLE_MAKE_PORT,
      entity: table?.name ?? "no such table",
      after: ({ kind, content }) => {
        if (kind === SERVER_ERROR || table === undefined) return;
        const port = fields(content).find(({ field }) => field === 1)?.value;
        if (typeof port === "number") table.ports.push(port);
      },
    };
  }

  #validate(client: Client): Ask {
    const random = this.#random;
    const table = this.#table(client);
    const known = EXPRESSIONS.map(({ text }) => text);
    const texts = random.some([...known, ...BAD_EXPRESSIONS], 3);
    return {
      kind: Kind.TABLE_VALIDATE_EXPR,
      entity: table?.name ?? "no such table",
      content: (w) => {
        texts.forEach((text, i) => entry(1, `e${i}`, text)(w));
      },
      text: JSON.stringify(texts),
    };
  }

  // -- Subscriptions ----------------------------------------------------------

  #onView(
    client: Client,
    kind: number,
    content?: Fill,
    text?: string,
  ): Ask | undefined {
    const view = this.#view(client);
    // An answer comes for a view that isn't there, but for view_on_delete.
    if (view === undefined) return this.#missingView(kind);
    return this.#subscribe(client, kind, view.id, view, content, text);
  }

  #subscribe(
    client: Client,
    kind: number,
    entity: string,
    view: View | undefined,
    content?: Fill,
    text?: string,
    target?: Table,
  ): Ask | undefined {
    if (client.subscriptions.size >= 12) return undefined;
    const withRows = kind === Kind.VIEW_ON_UPDATE && content !== undefined &&
      message(content).length > 0;
    if (this.#sharesViews && withRows && view?.hasOldRows) return undefined;
    return {
      kind,
      entity,
      content,
      text,
      before: (msgId) => {
        if (withRows && view !== undefined) view.recordsRows = true;
        const subscription = { msgId, kind, entity, view, target, withRows };
        client.subscriptions.set(msgId, subscription);
      },
    };
  }

  #unsubscribe(client: Client): Ask | undefined {
    const random = this.#random;
    const live = [...client.subscriptions.values()].filter(({ view }) =>
      this.#scope.owners === undefined || view !== undefined &&
        this.#scope.owners.get(view.table) === client
    );
    const ends = new Map<number, number>([
      [Kind.GET_HOSTED_TABLES, Kind.REMOVE_HOSTED_TABLES_UPDATE],
      [Kind.TABLE_ON_DELETE, Kind.TABLE_REMOVE_DELETE],
      [Kind.VIEW_ON_UPDATE, Kind.VIEW_REMOVE_ON_UPDATE],
      [Kind.VIEW_ON_DELETE, Kind.VIEW_REMOVE_DELETE],
      [Kind.VIEW_ON_REMOVE, Kind.VIEW_REMOVE_ON_REMOVE],
    ]);
    // By kind first: there are many more on views than others.
    const kinds = [...new Set(live.map(({ kind }) => kind))];
    const chosen = kinds.length > 0 ? random.pick(kinds) : undefined;
    const subscription = chosen === undefined
      ? undefined
      : random.pick(live.filter(({ kind }) => kind === chosen));
    if (subscription === undefined || random.chance(0.25)) {
      // Not its own id, and as often not its kind or its view.
      if (this.#scope.owners !== undefined) return undefined;
      const kind = random.pick(
        [...ends.values()].filter((it) => hasKind(this.#line, it)),
      );
      const view = this.#view(client)?.id ?? this.#unknown();
      return {
        kind,
        entity: kindInfo(kind)!.entity === "view" ? view : "t0",
        content: (w) => w.tag(1, 0).uint32(4_000_000_000),
        text: "an id that isn't known",
      };
    }
    return {
      kind: ends.get(subscription.kind)!,
      entity: subscription.entity,
      content: (w) => w.tag(1, 0).uint32(subscription.msgId),
      text: `subscription ${subscription.msgId}`,
      after: ({ kind }) => {
        if (kind === SERVER_ERROR) return;
        client.subscriptions.delete(subscription.msgId);
        const { view } = subscription;
        const isRead = [...client.subscriptions.values()].some((it) =>
          it.view === view && it.kind === Kind.VIEW_ON_UPDATE
        );
        if (view?.recordsRows && !isRead) view.hasOldRows = true;
      },
    };
  }

  // -- Data -------------------------------------------------------------------

  #cell({ name, type, role }: Column, nulls: boolean): Row[string] {
    const random = this.#random;
    if (role === "value" && nulls && random.chance(0.12)) return null;
    if (name === "k") return random.below(20);
    if (name === "g") return random.pick(["A", "B", "C", "D"]);
    if (name === "h") return random.pick(["x", "y", "z"]);
    if (type === "boolean") return random.chance(0.5);
    if (type === "integer") return random.between(-50, 50);
    if (type === "float") return random.between(-200, 200) / 4;
    if (type === "date") return `2024-0${random.between(1, 9)}-15`;
    if (type === "datetime") return 1_700_000_000_000 + random.below(1e9);
    return random.pick(WORDS);
  }

  #rows(columns: readonly Column[], count: number, nulls: boolean): Row[] {
    return Array.from(
      { length: count },
      () =>
        Object.fromEntries(
          columns.map((it) => [it.name, this.#cell(it, nulls)]),
        ),
    );
  }

  /** `rows` as a client would send them. */
  #written(rows: readonly Row[], form: Form, columns: readonly Column[]): Data {
    const names = columns.map(({ name }) => name);
    let value: string;
    if (form === "rows") value = JSON.stringify(rows);
    else if (form === "ndjson") {
      value = rows.map((it) => `${JSON.stringify(it)}\n`).join("");
    } else if (form === "cols") {
      value = JSON.stringify(Object.fromEntries(
        names.map((name) => [name, rows.map((row) => row[name] ?? null)]),
      ));
    } else {
      value = [names, ...rows.map((row) => names.map((name) => row[name]))]
        .map((cells) => `${cells.map(csvCell).join(",")}\n`).join("");
    }
    return { form, value };
  }

  /** What can be sent to `table`. */
  #data(client: Client, table: Table, isReplace: boolean): Data {
    const random = this.#random;
    const { columns } = table;
    const nulls = table.nulls && !this.#isAgeless;
    if (random.chance(0.06)) {
      return {
        form: "rows",
        value: random.pick(["[]", "null", "5", '[{"k": 1,', "{"]),
      };
    }
    const must = columns.filter(({ role }) => role !== "value");
    const fits = (from: readonly Column[]) =>
      nulls && must.every(({ name }) => from.some((it) => it.name === name)) &&
      from.every((it) =>
        columns.every(({ name, type }) => name !== it.name || type === it.type)
      );
    const arrows = this.#arrows.filter((it) => fits(it.columns));
    if (arrows.length > 0 && random.chance(0.2)) {
      return { form: "arrow", value: random.pick(arrows).bytes };
    }
    const view = this.#view(
      client,
      (it) => it.pivots === 0 && !it.isSplit && fits(it.columns),
    );
    if (!isReplace && view !== undefined && random.chance(0.2)) {
      return { form: "view", value: view.id };
    }
    if (!isReplace && nulls && random.chance(0.02)) {
      return { form: "view", value: "no such view" };
    }
    const form = random.pick(
      this.#isAgeless ? WHOLE_FORMS : DELIMITED_FORMS,
    );
    const sent = columns.filter(({ role, type }) =>
      role !== "value" || this.#isAgeless ||
      // Line 3 reads a number as text in CSV otherwise than in JSON.
      !(form === "csv" && type === "datetime") && random.chance(0.8)
    );
    const count = form === "ndjson"
      ? random.between(2, 5)
      : random.between(1, 5);
    const rows = this.#rows(sent, count, nulls && form !== "csv");
    if (!this.#isAgeless && (form === "rows" || form === "ndjson")) {
      for (const row of rows) {
        for (const { name, role } of sent) {
          if (role === "value" && random.chance(0.15)) delete row[name];
        }
      }
      if (form === "rows" && random.chance(0.04)) {
        // Of a wrong type.
        const values = sent.filter(({ type }) =>
          type === "integer" || type === "float"
        ).filter(({ role }) => role === "value");
        for (const { name } of values) rows[0]![name] = "not a number";
      }
    }
    return this.#written(rows, form, sent);
  }

  #makeTable(): Ask | undefined {
    const random = this.#random;
    const there = this.tables.filter((it) => it.state !== "gone");
    const isTaken = there.length > 0 && random.chance(0.1);
    if (!isTaken && there.length >= MOST_TABLES) return undefined;
    const name = isTaken ? random.pick(there).name : this.#freeName("t");
    const isLookup = this.#line === "5" &&
      random.chance(
        there.some(({ columns }) => columns === LOOKUP) ? 0.1 : 0.4,
      );
    const columns = isLookup ? LOOKUP : random.shuffled(
      (Object.keys(ROLES) as (keyof typeof ROLES)[]).map(column),
    )
      .filter(({ name, role }) =>
        name === "g" || role === "key" || random.chance(0.8)
      );
    const type = isLookup
      ? "indexed"
      : random.pick(["plain", "indexed", "limit"] as const);
    const nulls = this.#line === "3" || type !== "indexed" ||
      random.chance(0.5);
    const form = random.pick(["schema", "schema", ...DELIMITED_FORMS] as const);
    let data: Data | Fill;
    let used = columns;
    if (random.chance(0.04)) {
      data = { form: "rows", value: '[{"k": 1,' };
      used = [];
    } else if (form === "schema") data = schemaField(columns);
    else {
      used = columns.filter(({ type }) =>
        type !== "datetime" && !(form === "csv" && type === "boolean")
      );
      const rows = this.#rows(used, random.between(3, 8), false);
      // So that the type of a column of floats is told from its first row.
      for (const row of rows) {
        if ("f" in row) row["f"] = Number(row["f"]) + 0.125;
      }
      data = this.#written(rows, form, used);
    }
    return this.#tableOf(name, type, used, nulls, data, form);
  }

  #tableOf(
    name: string,
    type: "plain" | "indexed" | "limit",
    columns: readonly Column[],
    nulls: boolean,
    data: Data | Fill,
    form: string,
  ): Ask {
    const table: Table = {
      name,
      type,
      columns,
      nulls,
      ports: [0],
      sources: [],
      state: "there",
    };
    const limit = this.#random.between(4, 15);
    return {
      kind: Kind.MAKE_TABLE,
      entity: name,
      content: (w) => {
        if (typeof data === "function") data(w);
        else dataField(data)(w);
        if (type === "indexed") w.tag(2, 2).fork().tag(1, 2).string("k").join();
        if (type === "limit") w.tag(2, 2).fork().tag(2, 0).uint32(limit).join();
      },
      text: `${type} from ${form}: ${
        typeof data === "function"
          ? columns.map((it) => it.name).join()
          : dataText(data)
      }`,
      after: ({ kind }) => {
        const isThere = this.tables.some((it) =>
          it.name === name && it.state !== "gone"
        );
        if (kind !== SERVER_ERROR && !isThere) this.tables.push(table);
      },
    };
  }

  #makeJoin(): Ask | undefined {
    if (this.#line !== "5") return undefined;
    const random = this.#random;
    const there = this.tables.filter((it) =>
      it.state === "there" && it.type !== "join"
    );
    const isLookup = ({ columns }: Table) =>
      columns.some(({ name }) => name === "x");
    const lefts = there.filter((it) =>
      it.columns.some(({ name }) => name === "k") && !isLookup(it)
    );
    const rights = there.filter(isLookup);
    if (rights.length === 0 || lefts.length === 0) return undefined;
    const [left, right] = [random.pick(lefts), random.pick(rights)];
    const name = this.#freeName("j");
    const joinType = random.below(3);
    const table: Table = {
      name,
      type: "join",
      // Nulls may stand anywhere, so nothing can be grouped by.
      columns: [...left.columns, ...right.columns.slice(1)].map((it) => ({
        ...it,
        role: "value",
      })),
      nulls: true,
      ports: [0],
      sources: [left, right],
      state: "there",
    };
    return {
      kind: Kind.MAKE_JOIN_TABLE,
      entity: name,
      content: (w) => {
        w.tag(1, 2).string(left.name).tag(2, 2).string(right.name);
        w.tag(3, 2).string("k");
        if (joinType !== 0) w.tag(4, 0).int32(joinType);
      },
      text: `${left.name} and ${right.name}, type ${joinType}`,
      after: ({ kind }) => {
        if (kind !== SERVER_ERROR) this.tables.push(table);
      },
    };
  }

  #freeName(prefix: string): string {
    const taken = this.tables.filter((it) => it.state !== "gone")
      .map(({ name }) => name);
    for (let i = 0;; i++) {
      if (!taken.includes(`${prefix}${i}`)) return `${prefix}${i}`;
    }
  }

  #change(client: Client, kind: number): Ask | undefined {
    const random = this.#random;
    // A table that is written by its sources, or that nothing is known of,
    // isn't updated.
    const table = this.#table(
      client,
      ({ type, nulls, columns }) =>
        type !== "join" && columns.length > 0 &&
        (kind === Kind.TABLE_UPDATE || this.#line === "3" ||
          type !== "indexed" || !nulls),
    );
    if (table === undefined || random.chance(0.02)) {
      if (this.#scope.owners !== undefined || random.chance(0.7)) {
        return undefined;
      }
      const data: Data = { form: "rows", value: '[{"k":1}]' };
      return { kind, entity: "no such table", content: dataField(data) };
    }
    const data = this.#data(client, table, kind === Kind.TABLE_REPLACE);
    let port = 0;
    if (kind === Kind.TABLE_UPDATE && random.chance(0.4)) {
      port = random.pick(table.ports);
    }
    return {
      kind,
      entity: table.name,
      content: (w) => {
        dataField(data)(w);
        if (port !== 0) w.tag(2, 0).uint32(port);
      },
      text: dataText(data) + (port === 0 ? "" : ` by port ${port}`),
      anyError: data.form === "view",
    };
  }

  #remove(client: Client): Ask | undefined {
    const random = this.#random;
    const table = this.#table(
      client,
      ({ type }) => type === "indexed" || type !== "join" && random.chance(0.1),
    );
    if (table === undefined) return undefined;
    const keys = Array.from(
      { length: random.between(1, 3) },
      () => random.below(20),
    );
    const data: Data = { form: "rows", value: JSON.stringify(keys) };
    return {
      kind: Kind.TABLE_REMOVE,
      entity: table.name,
      content: dataField(data),
      text: dataText(data),
    };
  }

  #deleteTable(client: Client): Ask | undefined {
    const random = this.#random;
    if (random.chance(0.1)) {
      return { kind: Kind.TABLE_DELETE, entity: "no such table" };
    }
    // Two tables at least stay.
    const there = this.tables.filter((it) => it.state === "there");
    if (there.length < 3) return undefined;
    const table = this.#table(client);
    if (table === undefined) return undefined;
    const hasViews = this.#hasViews(table);
    if (table.type === "join" && hasViews) return undefined;
    const isImmediate = random.chance(0.6);
    return {
      kind: Kind.TABLE_DELETE,
      entity: table.name,
      content: (w) => isImmediate && w.tag(1, 0).bool(true),
      text: isImmediate ? "at once" : "lazily",
      before: () => {
        const isSource = this.tables.some((it) =>
          it.state !== "gone" && it.sources.includes(table)
        );
        if (!isImmediate && !isSource && hasViews) {
          table.state = "waits for its views";
        }
      },
      after: ({ kind }) => {
        if (kind !== SERVER_ERROR) this.#tableGone(table);
      },
    };
  }

  #hasViews(table: Table): boolean {
    return this.live.some((it) =>
      [...it.views.values()].some((view) => view.table === table)
    );
  }

  #viewGone(table: Table): void {
    if (table.state === "waits for its views" && !this.#hasViews(table)) {
      this.#tableGone(table);
    }
  }

  #tableGone(table: Table): void {
    table.state = "gone";
    const at = this.tables.indexOf(table);
    if (at >= 0) this.tables.splice(at, 1);
  }

  // -- Views ------------------------------------------------------------------

  #makeView(client: Client): Ask | undefined {
    const random = this.#random;
    const taken = this.#view(client);
    const table = this.#table(client);
    if (table === undefined) return undefined;
    let id = `v${this.#names++}`;
    if (taken !== undefined && random.chance(0.05)) id = taken.id;
    else if (client.views.size >= MOST_VIEWS) return undefined;
    const entity = random.chance(0.02) ? "no such table" : table.name;
    const config = this.#knownConfig(table) ?? this.#config(table);
    const { content, text, pivots, isSplit, columns } = config;
    if (this.#sharesViews) this.#configs.push({ table, config });
    const view: View = {
      id,
      table,
      pivots,
      isSplit,
      columns,
      recordsRows: false,
      hasOldRows: false,
    };
    return {
      kind: Kind.TABLE_MAKE_VIEW,
      entity,
      content: (w) => {
        w.tag(1, 2).string(id);
        w.tag(2, 2).fork();
        content(w);
        w.join();
      },
      text: `"${id}" ${text}`,
      after: ({ kind }) => {
        if (kind !== SERVER_ERROR) client.views.set(id, view);
      },
    };
  }

  /** One that a view of `table` was made of before. */
  #knownConfig(table: Table): Config | undefined {
    if (!this.#sharesViews || !this.#random.chance(0.6)) return undefined;
    const known = this.#configs.filter((it) => it.table === table).slice(-4);
    return known.length === 0 ? undefined : this.#random.pick(known).config;
  }

  #config(table: Table): Config {
    const random = this.#random;
    const named = new Map(table.columns.map((it) => [it.name, it]));
    const expressions = table.columns.length > 0 && random.chance(0.25)
      ? random.some(
        EXPRESSIONS.filter(({ needs }) => needs.every((it) => named.has(it))),
        random.between(1, 2),
      ).map((it, i) => ({ ...it, name: `e${i}` }))
      : [];
    const all: Column[] = [
      ...table.columns,
      ...expressions.map(({ name, type }): Column => ({
        name,
        type,
        role: "value",
      })),
    ];
    const pivotable = [
      ...table.columns.filter(({ role }) => role === "pivot")
        .map(({ name }) => name),
      ...expressions.filter(({ text, needs }) =>
        text.startsWith("upper") && named.get("g")?.role === "pivot" &&
        needs.length > 0
      ).map(({ name }) => name),
    ];
    const chosen = random.shuffled(pivotable);
    let groups: string[] = [];
    let splits: string[] = [];
    if (random.chance(0.5)) groups = chosen.splice(0, random.between(1, 2));
    if (random.chance(0.25)) splits = chosen.splice(0, 1);
    const s = named.get("s");
    if (
      groups.length === 1 && splits.length === 0 && this.#line === "3" &&
      !this.#isAgeless && s !== undefined && random.chance(0.15)
    ) groups = ["s"];
    const isPivoted = groups.length + splits.length > 0;
    // The engine adds expressions to its default columns in the order of a map.
    const isDefault = table.columns.length === 0 ||
      expressions.length < 2 && random.chance(0.3);
    const columns = isDefault
      ? table.columns
      : random.some(all, random.between(1, 5));
    const shown = new Map(columns.map((it) => [it.name, it]));

    const aggregates = new Map<string, string[]>();
    if (groups.length > 0) {
      for (const { name, type } of columns) {
        if (!random.chance(0.5)) continue;
        const isNumber = type === "integer" || type === "float";
        aggregates.set(name, [random.pick([
          "count",
          "distinct count",
          "unique",
          ...isNumber ? ["sum", "avg", "min", "max", "sum abs"] : [],
          ...this.#joinsChanges ? [] : ["first by index", "last by index"],
          ...this.#isAgeless ? [] : ["any", "dominant", "last"],
          ...this.#isAgeless || !isNumber ? [] : ["median"],
          ...this.#isAgeless || !isNumber ? [] : ["high", "low"],
        ])]);
      }
    }
    const sorts = random.chance(0.35) && !(isPivoted && this.#isAgeless)
      ? random.some(isPivoted ? [...shown.values()] : all, random.between(1, 2))
        .map(({ name }) => ({
          name,
          op: random.pick(splits.length > 0 ? [1, 2, 3, 4] : [1, 2]),
        }))
      : [];
    const filters = random.chance(0.35)
      ? random.some(table.columns, random.between(1, 2)).flatMap((it) => {
        const filter = this.#filter(it);
        return filter === undefined ? [] : [filter];
      })
      : [];
    const isOr = random.chance(0.3);
    const depth = groups.length > 0 && random.chance(0.2)
      ? random.below(groups.length + 1)
      : undefined;
    const rollup = this.#line === "5" && groups.length > 0 && random.chance(0.2)
      ? random.between(1, 2)
      : 0;
    const bad = random.chance(0.05)
      ? random.pick(["group", "column", "sort", "filter", "aggregate", "late"])
      : undefined;
    if (bad === "group") groups = [...groups, "nope"];
    if (bad === "sort") sorts.push({ name: "nope", op: 1 });
    if (bad === "late") {
      // Fails when the view is half made (ENGINE 6.3).
      groups = groups.length > 0 ? groups : pivotable.slice(0, 1);
      for (const it of columns) {
        if (it.type === "float") {
          aggregates.set(it.name, ["weighted mean", "nope"]);
        }
      }
    }
    if (bad === "aggregate") aggregates.set("f", ["no such aggregate"]);
    const names = [
      ...columns.map(({ name }) => name),
      ...bad === "column" ? ["nope"] : [],
    ];
    if (bad === "filter") {
      filters.push({ name: "nope", op: "==", values: ["x"] });
    }

    const content: Fill = (w) => {
      for (const it of groups) w.tag(1, 2).string(it);
      for (const it of splits) w.tag(2, 2).string(it);
      if (isDefault && bad !== "column") {
        w.tag(3, 2).fork().tag(1, 0).int32(0).join();
      } else writeColumns(names)(w);
      for (const { name, op, values } of filters) {
        w.tag(4, 2).fork().tag(1, 2).string(name).tag(2, 2).string(op);
        for (const it of values) {
          w.tag(3, 2).fork();
          if (typeof it === "string") w.tag(6, 2).string(it);
          else if (typeof it === "number") w.tag(4, 1).double(it);
          else w.tag(1, 0).bool(it === true);
          w.join();
        }
        w.join();
      }
      for (const { name, op } of sorts) {
        w.tag(5, 2).fork().tag(1, 2).string(name).tag(2, 0).int32(op).join();
      }
      for (const { name, text } of expressions) entry(6, name, text)(w);
      for (const [name, how] of aggregates) {
        w.tag(7, 2).fork().tag(1, 2).string(name).tag(2, 2).fork();
        for (const it of how) w.tag(1, 2).string(it);
        w.join().join();
      }
      if (isOr) w.tag(8, 0).int32(1);
      if (depth !== undefined) w.tag(9, 0).uint32(depth);
      if (rollup !== 0) w.tag(10, 0).int32(rollup);
    };
    const text = JSON.stringify({
      group_by: groups,
      split_by: splits,
      columns: isDefault ? "default" : names,
      filters,
      sorts,
      expressions: expressions.map(({ text }) => text),
      aggregates: Object.fromEntries(aggregates),
      isOr,
      depth,
      rollup,
    });
    return {
      content,
      text,
      // Only these have rows to expand.
      pivots: rollup === 0 ? groups.length : 0,
      isSplit: splits.length > 0 || rollup !== 0,
      columns,
    };
  }

  #filter(
    { name, type }: Column,
  ): { name: string; op: string; values: Row[string][] } | undefined {
    const random = this.#random;
    if (random.chance(0.15)) {
      return {
        name,
        op: random.pick(["is null", "is not null"]),
        values: [],
      };
    }
    if (type === "integer" || type === "float") {
      const op = random.pick(["==", "!=", ">", ">=", "<", "<="]);
      return { name, op, values: [random.between(-20, 20)] };
    }
    if (type === "boolean") {
      return { name, op: "==", values: [random.chance(0.5)] };
    }
    if (type !== "string") return undefined;
    const word = () => random.pick(["A", "B", "x", "y", "a", "bc", "日本"]);
    return random.chance(0.3) ? { name, op: "in", values: [word(), word()] } : {
      name,
      op: random.pick(["==", "!=", "contains", "begins with", "ends with"]),
      values: [word()],
    };
  }

  #deleteView(client: Client, id: string): Ask {
    const view = client.views.get(id);
    return {
      kind: Kind.VIEW_DELETE,
      entity: id,
      after: ({ kind }) => {
        if (kind === SERVER_ERROR || view === undefined) return;
        client.views.delete(id);
        for (const [msgId, it] of client.subscriptions) {
          if (it.view === view) client.subscriptions.delete(msgId);
        }
        this.#viewGone(view.table);
      },
    };
  }

  #readView(client: Client): Ask | undefined {
    const random = this.#random;
    const kind = random.pick([
      Kind.VIEW_COLUMN_PATHS,
      Kind.VIEW_DIMENSIONS,
      Kind.VIEW_DIMENSIONS,
      Kind.VIEW_EXPRESSION_SCHEMA,
      Kind.VIEW_GET_CONFIG,
      Kind.VIEW_SCHEMA,
      Kind.VIEW_TO_ARROW,
      Kind.VIEW_TO_ARROW,
      Kind.VIEW_GET_MIN_MAX,
      Kind.VIEW_TO_COLUMNS_STRING,
      Kind.VIEW_TO_COLUMNS_STRING,
      Kind.VIEW_TO_CSV,
      Kind.VIEW_TO_ROWS_STRING,
      Kind.VIEW_TO_NDJSON_STRING,
    ]);
    const view = this.#view(client);
    if (view === undefined) return this.#missingView(kind);
    // It may be a view of its own, of a table that isn't its own to ask of.
    const isUnknown = random.chance(0.02) && this.#scope.owners === undefined;
    const entity = isUnknown ? this.#unknown() : view.id;
    if (kind === Kind.VIEW_COLUMN_PATHS) {
      // From the first: a start after the last column never ends either.
      const end = random.between(1, 5);
      const isWhole = random.chance(0.5);
      return {
        kind,
        entity,
        content: (w) => isWhole || w.tag(1, 0).uint32(0).tag(2, 0).uint32(end),
        text: isWhole ? undefined : `to ${end}`,
      };
    }
    if (kind === Kind.VIEW_GET_MIN_MAX) {
      const name = view.columns.length === 0
        ? "k"
        : random.pick(view.columns).name;
      return {
        kind,
        entity,
        content: (w) => w.tag(1, 2).string(name),
        text: name,
      };
    }
    const isFlat = view.pivots === 0 && !view.isSplit;
    if (kind === Kind.VIEW_TO_ARROW && isFlat && random.chance(0.4)) {
      return {
        kind,
        entity: view.id,
        content: viewport(),
        after: (answer) => {
          const bytes = contentBytes(answer);
          if (bytes === undefined) return;
          this.#arrows.push({ bytes, columns: view.columns });
          if (this.#arrows.length > 4) this.#arrows.shift();
        },
      };
    }
    // Rows and columns from the first, so that the range is never empty.
    const to = random.chance(0.5)
      ? undefined
      : { row: random.between(1, 8), column: random.between(1, 5) };
    // The second says to which rows a group belongs.
    const flags = random.below(8) & (this.#isAgeless && !isFlat ? 5 : 7);
    const isJson = kind === Kind.VIEW_TO_COLUMNS_STRING ||
      kind === Kind.VIEW_TO_ROWS_STRING || kind === Kind.VIEW_TO_NDJSON_STRING;
    const isString = isJson || kind === Kind.VIEW_TO_CSV ||
      kind === Kind.VIEW_TO_ARROW;
    if (!isString) return { kind, entity };
    return {
      kind,
      entity,
      content: (w) => {
        viewport(to)(w);
        if (!isJson) return;
        for (const bit of [0, 1, 2]) {
          if ((flags >> bit) & 1) w.tag(2 + bit, 0).bool(true);
        }
      },
      text: JSON.stringify({ to, flags }),
    };
  }

  #expand(client: Client): Ask | undefined {
    const random = this.#random;
    const view = this.#view(client, ({ pivots }) => pivots > 0);
    if (view === undefined) return this.#missingView(Kind.VIEW_EXPAND);
    if (random.chance(0.3)) {
      const depth = random.below(view.pivots + 1);
      return {
        kind: Kind.VIEW_SET_DEPTH,
        entity: view.id,
        content: (w) => w.tag(1, 0).uint32(depth),
        text: `${depth}`,
      };
    }
    const kind = random.pick([Kind.VIEW_EXPAND, Kind.VIEW_COLLAPSE]);
    // A row that isn't there breaks the engine, so first ask how many there
    // are, and before anything of somebody else can come between.
    return {
      kind: Kind.VIEW_DIMENSIONS,
      entity: view.id,
      after: ({ kind: answered, content }) => {
        if (answered === SERVER_ERROR) return;
        const rows = fields(content).find(({ field }) => field === 3)?.value;
        if (typeof rows !== "number" || rows < 1) return;
        const row = random.below(rows);
        this.urgent = {
          client,
          ask: {
            kind,
            entity: view.id,
            content: (w) => w.tag(1, 0).uint32(row),
            text: `row ${row} of ${rows}`,
          },
        };
      },
    };
  }

  /** What has to be the very next step. */
  urgent: { client: Client; ask: Ask } | undefined;

  /** `client.table(view)`, as Perspective's clients do it. */
  #copy(client: Client): Ask | undefined {
    const random = this.#random;
    const there = this.tables.filter((it) => it.state !== "gone");
    const view = this.#view(client, ({ table }) => table.type !== "join");
    if (view === undefined || there.length >= MOST_TABLES) return undefined;
    const isFlat = view.pivots === 0 && !view.isSplit;
    const name = this.#freeName("c");
    const hasKey = isFlat && view.columns.some((it) => it.name === "k") &&
      view.table.type === "indexed";
    const type = hasKey && random.chance(0.7) ? "indexed" : "plain";
    const columns = isFlat ? view.columns : [];
    const follow = (make: () => Ask | undefined) =>
      this.#queue.push({ client, make });
    const forward = (kind: number) =>
      follow(() => {
        const target = this.tables.find((it) => it.name === name);
        return target && client.views.get(view.id) === view
          ? this.#subscribe(
            client,
            kind,
            view.id,
            view,
            (w) => kind === Kind.VIEW_ON_UPDATE && w.tag(1, 0).int32(0),
            `forwarded to ${name}`,
            target,
          )
          : undefined;
      });
    return {
      kind: Kind.VIEW_TO_ARROW,
      entity: view.id,
      content: viewport(),
      text: `for ${name}`,
      after: (answer) => {
        const bytes = contentBytes(answer);
        if (bytes === undefined) return;
        follow(() =>
          this.#freeName("c") === name
            ? this.#tableOf(
              name,
              type,
              columns,
              true,
              { form: "arrow", value: bytes },
              "arrow",
            )
            : undefined
        );
        if (!isFlat) return;
        forward(Kind.VIEW_ON_UPDATE);
        if (this.#line === "5" && type === "indexed") {
          forward(Kind.VIEW_ON_REMOVE);
        }
      },
    };
  }
}

type Choice =
  | "features"
  | "systemInfo"
  | "hostedTables"
  | "onHostedTables"
  | "unknownKind"
  | "unsubscribe"
  | "makeTable"
  | "makeJoin"
  | "size"
  | "schema"
  | "makePort"
  | "validate"
  | "update"
  | "replace"
  | "remove"
  | "deleteTable"
  | "onTableDelete"
  | "makeView"
  | "deleteView"
  | "readView"
  | "expand"
  | "onUpdate"
  | "onViewDelete"
  | "onRemove"
  | "copy";

/** How often, what, and whether it may be in a burst of several sessions. */
const CHOICES: readonly (readonly [number, Choice, boolean])[] = [
  [1, "features", true],
  [1, "systemInfo", true],
  [2, "hostedTables", false],
  [3, "onHostedTables", false],
  [1, "unknownKind", true],
  [4, "unsubscribe", true],
  [6, "makeTable", false],
  [4, "makeJoin", false],
  [3, "size", true],
  [2, "schema", true],
  [2, "makePort", true],
  [2, "validate", true],
  [28, "update", true],
  [3, "replace", true],
  [5, "remove", true],
  [4, "deleteTable", false],
  [2, "onTableDelete", false],
  [16, "makeView", true],
  [5, "deleteView", true],
  [24, "readView", true],
  [6, "expand", true],
  [9, "onUpdate", true],
  [2, "onViewDelete", true],
  [4, "onRemove", true],
  [3, "copy", false],
];

// -- Messages -----------------------------------------------------------------

function dataField({ form, value }: Data): Fill {
  return (w) => {
    w.tag(1, 2).fork().tag(FORM_FIELDS[form], 2);
    if (typeof value === "string") w.string(value);
    else w.bytes(value);
    w.join();
  };
}

function dataText({ form, value }: Data): string {
  return typeof value === "string"
    ? `${form} ${JSON.stringify(value)}`
    : `${form} of ${value.length} bytes`;
}

/** `from_schema` with `columns`. */
function schemaField(columns: readonly Column[]): Fill {
  return (w) => {
    w.tag(1, 2).fork().tag(1, 2).fork();
    for (const { name, type } of columns) {
      w.tag(1, 2).fork().tag(1, 2).string(name);
      w.tag(2, 0).int32(COLUMN_TYPES.indexOf(type)).join();
    }
    w.join().join();
  };
}

function entry(field: number, key: string, value: string): Fill {
  return (w) =>
    w.tag(field, 2).fork().tag(1, 2).string(key).tag(2, 2).string(value).join();
}

/** `columns` of a `ViewConfig`. */
function writeColumns(names: readonly string[]): Fill {
  return (w) => {
    w.tag(3, 2).fork().tag(2, 2).fork();
    for (const it of names) w.tag(1, 2).string(it);
    w.join().join();
  };
}

/** Everything, or so many rows and columns. */
function viewport(to?: { row: number; column: number }): Fill {
  return (w) => {
    w.tag(1, 2).fork();
    if (to !== undefined) {
      w.tag(1, 0).uint32(0).tag(2, 0).uint32(0);
      w.tag(3, 0).uint32(to.row).tag(4, 0).uint32(to.column);
    }
    w.join();
  };
}

/** The bytes in field 1 of an answer that is no error. */
function contentBytes({ kind, content }: Parts): Uint8Array | undefined {
  if (kind === SERVER_ERROR) return undefined;
  const value = fields(content).find(({ field }) => field === 1)?.value;
  return value instanceof Uint8Array ? value.slice() : undefined;
}

function csvCell(value: Row[string] | undefined): string {
  const text = value === null || value === undefined ? "" : String(value);
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function rotated<T>(values: readonly T[], by: number): T[] {
  const at = values.length === 0 ? 0 : by % values.length;
  return [...values.slice(at), ...values.slice(0, at)];
}

// -- Both servers -------------------------------------------------------------

/** What is asked: a `Server`, or something in front of one. */
export interface Side {
  /** Resolves when it can be asked. */
  readonly ready: Promise<void>;
  /** See `Server.newSession`. */
  newSession(
    sendResponse: (frame: Uint8Array) => void,
    options: { readonly onEnd: (reason: string) => void },
  ): ServerSession;
}

/** How a comparison goes. */
export interface DifferentialOptions {
  /** The line of both engines. */
  readonly line: Line;
  /** The same seed asks the same. */
  readonly seed: number;
  /** How many steps, without those at the end. */
  readonly steps: number;
  /**
   * Sends in bursts without waiting for answers: several requests of one
   * session, or of all sessions, on tables that only one of them touches.
   *
   * @default {false}
   */
  readonly pipelined?: boolean;
  /**
   * Asks in a way that no two changes share a poll, whatever the right side
   * does: a burst ends with its first change, which is read afterwards.
   *
   * @default {false}
   */
  readonly pollsEach?: boolean;
  /**
   * Whether the right side may poll once for several changes of a burst, and so
   * push once for them (ENGINE 2.2). What is pushed isn't compared then, but
   * that something is, in time, and not too often.
   *
   * @default {false}
   */
  readonly joinsChanges?: boolean;
  /**
   * Whether the right side gives one view to several sessions; then nothing is
   * asked that depends on when a view was made.
   *
   * @default {false}
   */
  readonly sharesViews?: boolean;
  /** How many sessions at a time. @default {4} */
  readonly sessions?: number;
  /** How long the right side may take to catch up, in ms. @default {10000} */
  readonly timeout?: number;
  /** Told of each step before it is taken: an engine that hangs says nothing. */
  readonly onStep?: (words: string) => void;
}

/** What was compared. */
export interface DifferentialReport {
  /** With those at the end. */
  readonly steps: number;
  /** How many requests of each kind were answered without an error, or subscribed. */
  readonly kinds: ReadonlyMap<number, number>;
  /** How many frames of subscriptions there were, by kind. */
  readonly pushes: ReadonlyMap<number, number>;
  /** How many answers were errors. */
  readonly errors: number;
}

/** A frame of the left side that the right side has yet to send. */
interface Expected {
  readonly frame: Uint8Array;
  /** The step it came of. */
  readonly step: number;
  /**
   * For a push that the session's own request caused: whether it came after
   * the answer of that request, which has this `msg_id`.
   */
  readonly own: { readonly msgId: number; readonly after: boolean } | undefined;
  /** How many pushes of other kinds there had been on the same view. */
  readonly others: readonly {
    readonly msgId: number;
    readonly count: number;
  }[];
}

/** One client of both servers. */
interface Pair {
  readonly client: Client;
  readonly left: ServerSession;
  readonly right: ServerSession;
  readonly expected: Map<number, Expected[]>;
  /** Pushes that needn't come any more, since the session unsubscribed. */
  readonly optional: Map<number, Expected[]>;
  /** Requests whose errors may say anything. */
  readonly anyErrors: Set<number>;
  /** Answers of the right side to lazy deletes that came first. */
  readonly early: Map<number, Uint8Array[]>;
  /** Lazy deletes. */
  readonly lazy: Set<number>;
  /** How many frames have come by `msg_id`. */
  readonly leftCounts: Map<number, number>;
  readonly rightCounts: Map<number, number>;
  closed: boolean;
}

/** How many of the last steps a failure tells. */
const TRAIL = 12;

/**
 * Asks both servers the same, and compares all they say.
 *
 * @param left A server whose engine runs inline.
 * @throws {Error} At the first difference, with what it takes to repeat it.
 */
export async function differential(
  left: Side,
  right: Side,
  options: DifferentialOptions,
): Promise<DifferentialReport> {
  await Promise.all([left.ready, right.ready]);
  const comparison = new Comparison(left, right, options);
  try {
    return await comparison.run();
  } finally {
    comparison.closeAll();
  }
}

class Comparison {
  readonly #left: Side;
  readonly #right: Side;
  readonly #options: DifferentialOptions;
  readonly #random: Random;
  readonly #steps: Steps;
  readonly #pairs: Pair[] = [];
  /** Steps so far, the last ones in words. */
  #count = 0;
  readonly #trail: string[] = [];
  /** The step under way on the left side. */
  #current: Step | undefined;
  #answer: Parts | undefined;
  #isLeftAsked = false;
  #missing = 0;
  #failure: Error | undefined;
  #changed: () => void = () => {};
  readonly #kinds = new Map<number, number>();
  readonly #pushes = new Map<number, number>();
  #errors = 0;

  /** What was pushed first in this step, by session, view and port. */
  readonly #firstRows = new Map<string, Uint8Array>();

  constructor(left: Side, right: Side, options: DifferentialOptions) {
    this.#left = left;
    this.#right = right;
    this.#options = options;
    this.#random = new Random(options.seed);
    this.#steps = new Steps(this.#random, options.line, options);
  }

  async run(): Promise<DifferentialReport> {
    const { steps, pipelined = false } = this.#options;
    while (this.#count < steps) {
      if (pipelined) this.#burst();
      else this.#one({});
      await this.#settle();
    }
    await this.#end();
    return {
      steps: this.#count,
      kinds: this.#kinds,
      pushes: this.#pushes,
      errors: this.#errors,
    };
  }

  closeAll(): void {
    for (const pair of this.#pairs) {
      if (pair.closed) continue;
      pair.closed = true;
      pair.left.close();
      pair.right.close();
    }
  }

  /** One step, with what has to follow it at once. */
  #one(scope: Scope): Step | undefined {
    const step = this.#steps.next(scope);
    if (step === undefined) return undefined;
    this.#take(step);
    for (let next; (next = this.#steps.urgent) !== undefined;) {
      this.#steps.urgent = undefined;
      this.#take(this.#steps.request(next.client, next.ask));
    }
    if (this.#options.pollsEach && isChange(step)) {
      // A read makes whatever comes next have another poll.
      const client = this.#pairs[step.client]!.client;
      const { entity } = step.ask;
      const read = { kind: Kind.TABLE_SIZE, entity };
      this.#take(this.#steps.request(client, read));
    }
    return step;
  }

  #burst(): void {
    const random = this.#random;
    const steps = this.#steps;
    if (steps.live.length === 0 || random.chance(0.1)) {
      this.#one({});
      return;
    }
    const isShared = random.chance(0.4);
    const scope = isShared
      ? steps.shareOut()
      : { client: random.pick(steps.live) };
    const length = isShared
      ? random.between(4, 8 * steps.live.length)
      : random.between(1, 8);
    for (let i = 0; i < length; i++) {
      const step = this.#one(scope);
      if (step?.type === "close") return;
      if (this.#options.pollsEach && isChange(step)) return;
    }
  }

  /** Everything that is left: the tables, then the deferred answers. */
  async #end(): Promise<void> {
    this.#take({ type: "open", client: this.#pairs.length });
    const { client } = this.#pairs.at(-1)!;
    for (const ask of this.#steps.last(client)) {
      const asks = this.#steps.farewellOf ?? client;
      this.#take(this.#steps.request(asks, ask));
      await this.#settle();
    }
    // Whatever the right side still sends is too much.
    await new Promise((resolve) => setTimeout(resolve, 20));
    for (const pair of this.#pairs) {
      for (const [msgId, frames] of pair.early) {
        this.#fail(
          `The right side answered request ${msgId} of session ` +
            `${pair.client.number}, which the left one never did`,
          [`right: ${readable(frames[0]!)}`],
        );
      }
    }
    await this.#settle();
    for (const { number } of this.#steps.live) {
      this.#take({ type: "close", client: number });
    }
    await this.#settle();
  }

  /** Lets both sides do `step`. */
  #take(step: Step): void {
    if (this.#failure !== undefined) throw this.#failure;
    this.#count++;
    this.#trail.push(`  ${this.#count}. ${inWords(step)}`);
    if (this.#trail.length > TRAIL) this.#trail.shift();
    this.#options.onStep?.(this.#trail.at(-1)!);
    this.#current = step;
    this.#firstRows.clear();
    if (step.type === "open") this.#open();
    else if (step.type === "close") this.#close(this.#pairs[step.client]!);
    else this.#request(step);
  }

  #open(): void {
    const client = this.#steps.opened();
    const onEnd = (side: string) => (reason: string) =>
      this.#fail(`The ${side} side ended session ${client.number}: ${reason}`);
    const pair: Pair = {
      client,
      left: this.#left.newSession(
        (frame) => this.#guarded(() => this.#onLeft(pair, frame)),
        { onEnd: onEnd("left") },
      ),
      right: this.#right.newSession(
        (frame) => this.#guarded(() => this.#onRight(pair, frame)),
        { onEnd: onEnd("right") },
      ),
      expected: new Map(),
      optional: new Map(),
      anyErrors: new Set(),
      early: new Map(),
      lazy: new Set(),
      leftCounts: new Map(),
      rightCounts: new Map(),
      closed: false,
    };
    this.#pairs.push(pair);
  }

  #close(pair: Pair): void {
    this.#isLeftAsked = true;
    pair.left.close();
    this.#isLeftAsked = false;
    pair.closed = true;
    for (const { length } of pair.expected.values()) this.#missing -= length;
    pair.expected.clear();
    pair.optional.clear();
    pair.early.clear();
    this.#steps.closed(pair.client);
    pair.right.close();
    if (this.#missing === 0) this.#changed();
  }

  #request(step: Step & { type: "request" }): void {
    const { ask, msgId, frame: bytes } = step;
    const pair = this.#pairs[step.client]!;
    ask.before?.(msgId);
    this.#answer = undefined;
    this.#isLeftAsked = true;
    // Each side gets bytes of its own: an executor may transfer them.
    pair.left.handleRequest(bytes.slice());
    this.#isLeftAsked = false;
    if (this.#failure !== undefined) throw this.#failure;
    const isSubscription = pair.client.subscriptions.has(msgId);
    const answer = this.#answer as Parts | undefined;
    if (answer !== undefined) {
      if (answer.kind === SERVER_ERROR) {
        this.#errors++;
        pair.client.subscriptions.delete(msgId);
      } else count(this.#kinds, ask.kind);
      if (ask.anyError) pair.anyErrors.add(msgId);
      const before = [...pair.client.subscriptions.keys()];
      ask.after?.(answer);
      if (kindInfo(ask.kind)?.effect === "unsubscribe") {
        for (const it of before) this.#unsubscribed(pair, it);
      }
    } else if (isSubscription) count(this.#kinds, ask.kind);
    else if (ask.kind === Kind.TABLE_DELETE) {
      count(this.#kinds, ask.kind);
      pair.lazy.add(msgId);
    } else if (ask.kind !== Kind.VIEW_ON_DELETE) {
      this.#fail("The left side didn't answer");
    }
    pair.right.handleRequest(bytes);
  }

  /** If `msgId` is a subscription no more, its pushes needn't come any more. */
  #unsubscribed(pair: Pair, msgId: number): void {
    const waiting = pair.expected.get(msgId);
    if (pair.client.subscriptions.has(msgId) || waiting === undefined) return;
    pair.expected.delete(msgId);
    pair.optional.set(msgId, waiting);
    this.#missing -= waiting.length;
  }

  // -- Frames -----------------------------------------------------------------

  /** What throws in here would close the session instead of failing the test. */
  #guarded(take: () => void): void {
    try {
      take();
    } catch (reason) {
      this.#fail(reason instanceof Error ? reason.stack! : String(reason));
    }
  }

  #onLeft(pair: Pair, bytes: Uint8Array): void {
    const { client } = pair;
    const step = this.#current!;
    if (!this.#isLeftAsked) {
      return this.#fail("The left side sent something unasked", [
        readable(bytes),
      ]);
    }
    const got = parts(bytes);
    const { msgId } = got;
    const subscription = client.subscriptions.get(msgId);
    let own: Expected["own"];
    const others: { msgId: number; count: number }[] = [];
    if (subscription === undefined || got.kind === SERVER_ERROR) {
      if (step.type === "request" && step.msgId === msgId) {
        if (this.#answer !== undefined) {
          this.#fail("The left side answered twice", [readable(bytes)]);
        }
        this.#answer = got;
      } else if (!pair.lazy.has(msgId)) {
        this.#fail("The left side answered what nobody asked", [
          readable(bytes),
        ]);
      }
    } else {
      count(this.#pushes, subscription.kind);
      if (this.#options.sharesViews && got.kind === Kind.VIEW_ON_UPDATE) {
        bytes = this.#asAsked(client, subscription, got);
      }
      if (
        step.type === "request" && step.client === client.number &&
        !client.subscriptions.has(step.msgId)
      ) own = { msgId: step.msgId, after: this.#answer !== undefined };
      for (const other of client.subscriptions.values()) {
        if (
          other.view !== undefined && other.view === subscription.view &&
          other.kind !== subscription.kind
        ) {
          const { msgId } = other;
          others.push({ msgId, count: pair.leftCounts.get(msgId) ?? 0 });
        }
      }
      this.#steps.pushed(client, subscription, got);
    }
    count(pair.leftCounts, msgId);
    const early = pair.early.get(msgId);
    if (early !== undefined) {
      pair.early.delete(msgId);
      if (!same(bytes, early[0]!)) this.#differs(pair, bytes, early[0]!);
      return;
    }
    const expected = { frame: bytes, step: this.#count, own, others };
    const waiting = pair.expected.get(msgId);
    if (waiting === undefined) pair.expected.set(msgId, [expected]);
    else waiting.push(expected);
    this.#missing++;
  }

  /**
   * A push as it should be: without rows for who didn't ask for them, and with
   * the same rows for all others. An engine sends rows to all as soon as one
   * has asked, and only to the first the right ones (ENGINE 4.4).
   */
  #asAsked(
    client: Client,
    { msgId, entity, withRows }: Subscription,
    { content }: Parts,
  ): Uint8Array {
    let rows: Uint8Array | undefined;
    let port = 0;
    for (const { field, value } of fields(content)) {
      if (field === 1 && value instanceof Uint8Array) rows = value;
      if (field === 2 && typeof value === "number") port = value;
    }
    const key = `${client.number} ${entity} ${port}`;
    const first = this.#firstRows.get(key) ?? rows;
    if (first !== undefined) this.#firstRows.set(key, first);
    return frame(msgId, entity, Kind.VIEW_ON_UPDATE, (w) => {
      if (withRows && first !== undefined) w.tag(1, 2).bytes(first);
      if (port !== 0) w.tag(2, 0).uint32(port);
    });
  }

  #onRight(pair: Pair, bytes: Uint8Array): void {
    const who = `session ${pair.client.number}`;
    if (pair.closed) {
      return this.#fail(`The right side sent something to ${who}, closed`, [
        `right: ${readable(bytes)}`,
      ]);
    }
    const { msgId, kind } = parts(bytes);
    const isUpdate = kind === Kind.VIEW_ON_UPDATE ||
      kind === Kind.VIEW_ON_REMOVE;
    if (this.#options.joinsChanges && isUpdate) {
      return this.#onJoined(pair, msgId, bytes);
    }
    const optional = pair.optional.get(msgId);
    if (optional !== undefined) {
      const at = optional.findIndex(({ frame }) => same(frame, bytes));
      if (at >= 0) {
        optional.splice(0, at + 1);
        return;
      }
    }
    const expected = pair.expected.get(msgId)?.shift();
    count(pair.rightCounts, msgId);
    if (expected === undefined) {
      if (pair.lazy.has(msgId)) {
        pair.early.set(msgId, [...pair.early.get(msgId) ?? [], bytes]);
        return;
      }
      return this.#fail(
        `The right side sent ${who} what the left one didn't, for msg_id ${msgId}`,
        [`right: ${readable(bytes)}`],
      );
    }
    const isAnyError = pair.anyErrors.has(msgId) && kind === SERVER_ERROR &&
      parts(expected.frame).kind === SERVER_ERROR;
    if (!isAnyError && !same(expected.frame, bytes)) {
      return this.#differs(pair, expected.frame, bytes, expected.step);
    }
    const { own } = expected;
    if (own !== undefined && pair.rightCounts.has(own.msgId) !== own.after) {
      const before = own.after ? "before" : "after";
      this.#fail(
        `The right side sent ${who} a push ${before} the answer to the ` +
          `request that caused it (msg_id ${own.msgId}, step ${expected.step}),` +
          ` unlike the left one`,
        [`push: ${readable(bytes)}`],
      );
    }
    for (const { msgId: other, count } of expected.others) {
      const counted = pair.rightCounts.get(other) ?? 0;
      if (counted !== count && pair.client.subscriptions.has(other)) {
        this.#fail(
          `The right side pushed to ${who} in another order: before a push of ` +
            `${msgId}, ${counted} instead of ${count} pushes of ${other} on ` +
            `the same view`,
          [`push: ${readable(bytes)}`],
        );
      }
    }
    this.#missing--;
    if (this.#missing === 0) this.#changed();
  }

  /**
   * Takes a push that may stand for several of the left side's. It may also be
   * one more for changes that others have been taken to stand for.
   */
  #onJoined(pair: Pair, msgId: number, bytes: Uint8Array): void {
    count(pair.rightCounts, msgId);
    const left = pair.leftCounts.get(msgId) ?? 0;
    if (pair.rightCounts.get(msgId)! > left) {
      return this.#fail(
        `The right side pushed to session ${pair.client.number} more often ` +
          `than the left one's ${left} times`,
        [`push: ${readable(bytes)}`],
      );
    }
    this.#missing -= pair.expected.get(msgId)?.length ?? 0;
    pair.expected.delete(msgId);
    if (this.#missing === 0) this.#changed();
  }

  /** Resolves when the right side has sent what the left one has. */
  async #settle(): Promise<void> {
    if (this.#missing > 0 && this.#failure === undefined) {
      const { timeout = 10_000 } = this.#options;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#changed = resolve;
      const timer = setTimeout(() => {
        const lines = this.#pairs.flatMap(({ client, expected }) =>
          [...expected.entries()].flatMap(([msgId, frames]) =>
            frames.map(({ frame, step }) =>
              `  of step ${step}, for session ${client.number}, ` +
              `msg_id ${msgId}: ${readable(frame, 400)}`
            )
          )
        );
        this.#fail(
          `The right side still has to send ${this.#missing} frames after ` +
            `${timeout} ms, which the left one sent`,
          lines.slice(0, 10),
        );
      }, timeout);
      await promise;
      clearTimeout(timer);
      this.#changed = () => {};
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  // -- Failures ---------------------------------------------------------------

  #differs(
    { client }: Pair,
    left: Uint8Array,
    right: Uint8Array,
    step = this.#count,
  ): void {
    let at = 0;
    while (at < left.length && left[at] === right[at]) at++;
    this.#fail(
      `The right side sent session ${client.number} something else than the ` +
        `left one, which sent it in step ${step}`,
      [
        `left:  ${readable(left)}`,
        `right: ${readable(right)}`,
        `They differ from byte ${at} of ${left.length} and ${right.length}.`,
      ],
    );
  }

  /** Keeps the first thing that went wrong: it came up in a callback. */
  #fail(what: string, details: readonly string[] = []): void {
    if (this.#failure !== undefined) return;
    const { seed, line, pipelined } = this.#options;
    this.#failure = new Error([
      `${what}.`,
      ...details,
      `Engine line ${line}, ${pipelined ? "in bursts" : "one by one"}, ` +
      `at step ${this.#count}:`,
      ...this.#trail,
      `Repeat it with PERSPECTIVE_SEED=${seed} PERSPECTIVE_STEPS=` +
      `${Math.max(this.#options.steps, this.#count)}`,
    ].join("\n"));
    this.#changed();
  }
}

function isChange(
  step: Step | undefined,
): step is Step & { type: "request" } {
  return step?.type === "request" &&
    kindInfo(step.ask.kind)?.effect === "change";
}

function inWords(step: Step): string {
  if (step.type !== "request") return `session ${step.client}: ${step.type}`;
  const { client, msgId, ask: { kind, entity, text } } = step;
  const words = `session ${client}: ${kindName(kind)} on "${entity}", msg_id ` +
    `${msgId}${text === undefined ? "" : `: ${text}`}`;
  return words.length <= 1000 ? words : `${words.slice(0, 1000)}…`;
}

function count(counts: Map<number, number>, key: number): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
