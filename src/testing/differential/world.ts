/**
 * What steps are made up from: the tables, views and sessions that there are
 * as far as the left server's answers tell, and what was put aside. For tests
 * only.
 *
 * @module
 */

import type { Line } from "../../protocol/kinds.ts";
import type { Random } from "../random.ts";
import type { Ask } from "./asks.ts";
import type { Arrow } from "./data.ts";
import type { Client, Table, View } from "./model.ts";
import type { Config, Limits } from "./view_config.ts";

/** How many tables there are at most. */
export const MOST_TABLES = 7;

/** What is asked of. */
export interface WorldOptions {
  /** The line of the engines. */
  readonly line: Line;
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
}

/** Who may ask what in the next step. */
export interface Scope {
  /** Without it, anyone. */
  readonly client?: Client | undefined;
  /** Whose tables are whose, in a burst of several sessions. */
  readonly owners?: ReadonlyMap<Table, Client> | undefined;
}

/** What is known, and what is picked of it. */
export class World implements Limits {
  readonly random: Random;
  readonly line: Line;
  readonly joinsChanges: boolean;
  readonly sharesViews: boolean;
  /** Whether nothing is asked that depends on when a view was made, or polled. */
  readonly isAgeless: boolean;
  /** All there were. */
  readonly clients: Client[] = [];
  readonly tables: Table[] = [];
  /** What has to follow: client after client in order. */
  readonly following: {
    readonly client: Client;
    readonly make: () => Ask | undefined;
  }[] = [];
  /** What has to be the very next step. */
  urgent: { readonly client: Client; readonly ask: Ask } | undefined;
  /** Some that may be sent back. */
  readonly arrows: Arrow[] = [];
  /** What views were made of, if they are to be shared. */
  readonly configs: { readonly table: Table; readonly config: Config }[] = [];
  /** How many names views got. */
  names = 0;
  /** Of the step that is being made up. */
  scope: Scope = {};

  /** One without sessions or tables. */
  constructor(
    random: Random,
    { line, sharesViews = false, joinsChanges = false }: WorldOptions,
  ) {
    this.random = random;
    this.line = line;
    this.joinsChanges = joinsChanges;
    this.sharesViews = sharesViews;
    this.isAgeless = sharesViews || joinsChanges;
  }

  /** The sessions that are open. */
  get live(): Client[] {
    return this.clients.filter((it) => it.open);
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
    for (const table of tables) this.viewGone(table);
  }

  /** One of the tables that `client` may touch now; sometimes one that waits to go. */
  pickTable(
    client: Client,
    fits: (table: Table) => boolean = () => true,
  ): Table | undefined {
    const { owners } = this.scope;
    const found = this.tables.filter((it) =>
      it.state !== "gone" &&
      (owners === undefined || owners.get(it) === client) && fits(it)
    );
    return found.length === 0 ? undefined : this.random.pick(found);
  }

  /** One of the views that `client` has and may touch now. */
  pickView(
    client: Client,
    fits: (view: View) => boolean = () => true,
  ): View | undefined {
    const { owners } = this.scope;
    const found = [...client.views.values()].filter((it) =>
      (owners === undefined || owners.get(it.table) === client) && fits(it)
    );
    return found.length === 0 ? undefined : this.random.pick(found);
  }

  /** The name of nothing, or of somebody else's view. */
  unknownName(): string {
    const others = this.live.flatMap((it) => [...it.views.keys()]);
    return this.random.pick(["nothing", "", "t99", ...others]);
  }

  /** The first name with `prefix` that no table has. */
  freeName(prefix: string): string {
    const taken = this.tables.filter((it) => it.state !== "gone")
      .map(({ name }) => name);
    for (let i = 0;; i++) {
      if (!taken.includes(`${prefix}${i}`)) return `${prefix}${i}`;
    }
  }

  /** Whether anyone has a view of `table`. */
  hasViews(table: Table): boolean {
    return this.live.some((it) =>
      [...it.views.values()].some((view) => view.table === table)
    );
  }

  /** A view of `table` has gone. */
  viewGone(table: Table): void {
    if (table.state === "waits for its views" && !this.hasViews(table)) {
      this.tableGone(table);
    }
  }

  /** `table` has gone. */
  tableGone(table: Table): void {
    table.state = "gone";
    const at = this.tables.indexOf(table);
    if (at >= 0) this.tables.splice(at, 1);
  }

  /** Shares the tables out among the sessions, for a burst of all of them. */
  shareOut(): Scope {
    const owners = new Map<Table, Client>();
    const live = this.live;
    if (live.length === 0) return {};
    const joins = this.tables.filter(({ type }) => type === "join");
    // A join and its sources go to the same session.
    for (const join of joins) {
      const known = join.sources.map((it) => owners.get(it)).find(Boolean);
      const client = known ?? this.random.pick(live);
      for (const each of [join, ...join.sources]) {
        if (!owners.has(each)) owners.set(each, client);
      }
    }
    for (const join of joins) {
      const group = [join, ...join.sources];
      // A source in two joins, of two sessions: one session has the burst.
      if (new Set(group.map((it) => owners.get(it))).size > 1) {
        return { client: this.random.pick(live) };
      }
    }
    for (const table of this.tables) {
      if (!owners.has(table)) owners.set(table, this.random.pick(live));
    }
    return { owners };
  }
}
