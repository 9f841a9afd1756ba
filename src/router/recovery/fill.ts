/**
 * Giving a new engine the tables of another one.
 *
 * @module
 */

import { EngineFaultError, toError } from "../../errors.ts";
import { simpleRequest } from "../../protocol/answers.ts";
import { NO_BYTES, type Reframed, utf8 } from "../../protocol/frame.ts";
import { Kind } from "../../protocol/kinds.ts";
import {
  addCopyRequest,
  columnsOf,
  copiedArrow,
  copyReadRequest,
  copyViewRequest,
  countSteps,
  isCopyable,
  lastIndexRequest,
  makeCopyRequest,
  nextIndex,
  portSteps,
  rangeRows,
  rowsOf,
  surplusOf,
} from "../../protocol/table_copy.ts";
import type { Job, Replica } from "../replica.ts";
import type { Step } from "../session_host.ts";
import type { TableOrigin, Tables } from "../tables.ts";
import { Errand, type ErrandHost } from "./errand.ts";
import type { Missed } from "./missed.ts";

/** What a {@linkcode Fill} needs of the router. */
export interface FillHost extends ErrandHost {
  /** The tables there are. */
  readonly tables: Tables;
  /** See {@linkcode Sequencer.settlePrimary}. */
  settlePrimary(): readonly Job[];
  /**
   * Whether `replica` has `table`, and what it is made of; `undefined` for all
   * tables there are. The primary does.
   */
  holds(replica: Replica, table: string | undefined): boolean;
  /** Tells the program. */
  report(error: Error): void;
}

/** A table as it is where it is copied. */
interface Copied extends Readonly<TableOrigin> {
  readonly table: string;
}

/** A join as it is there, which isn't copied, but made. */
interface Made {
  readonly table: string;
  readonly request: Reframed;
  readonly ports: number;
}

/** Changes that do nothing where they are refused. */
const NOTHING_IF_REFUSED: ReadonlySet<number> = new Set([
  Kind.MAKE_JOIN_TABLE,
  Kind.TABLE_DELETE,
]);

/** What is done about that which lives on tables. */
export interface Restoring {
  /** Makes it, before the tables change. */
  restore(errand: Errand, tables: readonly string[]): Promise<void>;
  /** It is there, and from here on the tables change. */
  beforeChanges(tables: readonly string[]): void;
  /** The tables have been given all changes so far. */
  afterChanges(tables: readonly string[]): void;
}

/** Tables that are copied at one place in the order of changes. */
interface Group {
  readonly tables: string[];
  /**
   * - `"waiting"`: what changes them will be in the copy
   * - `"copying"`: what changes them from here on isn't, and is done after it
   * - `"there"`: it is done at once
   */
  state: "waiting" | "copying" | "there";
  /** Changes that come after the copy, those with one poll together. */
  readonly held: Array<readonly Job[]>;
}

/**
 * Fills a new engine, table by table, from a donor that goes on serving
 * meanwhile: a table is read in ranges of rows, in turn with what clients ask,
 * while changes wait there. So it is copied as it is at one place in the order
 * of changes, and the new engine gets those behind that place (Invariant 1).
 */
export class Fill {
  /** The engine that is filled. */
  readonly replica: Replica;
  /** The engine that is copied from. */
  readonly donor: Replica;
  readonly #host: FillHost;
  readonly #errand: Errand;
  readonly #missed: Missed;
  readonly #groups: Group[];
  readonly #byTable = new Map<string, Group>();
  #isOff = false;
  #isDone = false;

  /** What is never told to views, since it is in the copy, goes to `missed`. */
  constructor(
    host: FillHost,
    replica: Replica,
    donor: Replica,
    missed: Missed,
  ) {
    this.#host = host;
    this.replica = replica;
    this.donor = donor;
    this.#missed = missed;
    this.#errand = new Errand(host);
    this.#groups = host.tables.groups().map((tables) => ({
      tables,
      state: "waiting",
      held: [],
    }));
    for (const group of this.#groups) {
      for (const table of group.tables) {
        this.#byTable.set(table, group);
      }
    }
  }

  /**
   * Copies all tables.
   *
   * A table that can't be copied the new engine goes without: one such table
   * mustn't keep all others from being copied. See {@linkcode Replica.lacks}.
   *
   * @throws {Error} If it is called off.
   */
  async run(restoring: Restoring): Promise<void> {
    for (const group of this.#groups) {
      const { tables } = group;
      await this.#copy(group);
      await restoring.restore(this.#errand, tables);
      this.#errand.check();
      restoring.beforeChanges(tables);
      group.state = "there";
      for (const jobs of group.held.splice(0)) this.replica.sendChanges(jobs);
      restoring.afterChanges(tables);
    }
    this.#isDone = true;
  }

  /** One of the two engines is lost. */
  callOff(why: Error): void {
    this.#isOff = true;
    this.#errand.callOff(why);
    // What wasn't done there will be in the next copy.
    for (const { held } of this.#groups) {
      for (const jobs of held.splice(0)) this.#missed.add(jobs);
    }
  }

  /** Takes changes, with one poll, that all other engines have been given. */
  take(made: readonly Job[]): void {
    // Whatever it was called off for: they will be in the next copy.
    if (this.#isOff) return this.#missed.add(made);
    const now: Job[] = [];
    const later = new Map<Group, Job[]>();
    for (const job of made) {
      if (job.frame === undefined) continue; // a poll alone
      // It had no effect, and might have one where not all is there yet.
      if (job.isRefused && NOTHING_IF_REFUSED.has(job.kind)) continue;
      const { lacks } = this.replica;
      if (lacks.has(job.table!)) {
        if (job.kind === Kind.TABLE_DELETE) lacks.delete(job.table!);
        // What lives on it is made elsewhere, and told there.
        else if (!this.#isDone) this.#missed.add([job]);
      }
      const group = this.#groupOf(job);
      if (group === undefined || group.state === "there") now.push(job);
      else if (group.state === "waiting") this.#missed.add([job]);
      else {
        const jobs = later.get(group);
        if (jobs === undefined) later.set(group, [job]);
        else jobs.push(job);
      }
    }
    for (const [group, jobs] of later) group.held.push(polled(jobs));
    if (now.length > 0) this.replica.sendChanges(polled(now));
  }

  /** What a change has to wait for; `undefined` for nothing. */
  #groupOf({ table, sources }: Job): Group | undefined {
    const name = table!;
    if (sources === undefined) return this.#byTable.get(name);
    // A new join: it comes with the last of what it is made of, and not before
    // what had its name.
    const awaited = new Set(
      [name, ...sources].map((it) => this.#byTable.get(it)),
    );
    const last = this.#groups.findLast((it) =>
      it.state !== "there" && awaited.has(it)
    );
    if (last === undefined) {
      this.#byTable.delete(name);
      return undefined;
    }
    this.#byTable.set(name, last);
    if (last.state === "waiting") {
      for (const group of awaited) {
        const at = group?.tables.indexOf(name) ?? -1;
        if (at >= 0) group!.tables.splice(at, 1);
      }
      last.tables.push(name);
    }
    return last;
  }

  async #copy(group: Group): Promise<void> {
    const { donor } = this;
    let isHolding = false;
    const send = (job: Job) => {
      if (isHolding) return donor.sendDuring(job);
      isHolding = true;
      donor.sendInOrder([job], true);
    };
    try {
      const { copies, joins } = await this.#findPlace(group, send);
      for (const it of copies) {
        try {
          await this.#copyTable(it, send);
        } catch (reason) {
          // It may have been deleted in front of this place.
          const isThere = this.#host.tables.origin(it.table) !== undefined;
          if (this.#isOff) throw reason;
          if (isThere) this.#goWithout(it.table, group, toError(reason));
        }
      }
      for (const it of joins) this.#makeJoin(it);
    } finally {
      if (isHolding && donor.state === "up") donor.letGo();
    }
  }

  /**
   * Holds what changes on the donor from a place in the order on, and returns
   * what `group` is there.
   */
  async #findPlace(
    group: Group,
    send: (job: Job) => void,
  ): Promise<{ copies: readonly Copied[]; joins: readonly Made[] }> {
    // There it is polled, so that it may be read.
    this.#host.settlePrimary();
    const isPrimarys = this.donor.isPrimary;
    // What others have been given has been answered, and is known of here.
    const now = isPrimarys ? undefined : this.#begin(group);
    const kind = Kind.SERVER_SYSTEM_INFO;
    await this.#errand.ask({
      kind,
      frame: (msgId) => simpleRequest(msgId, NO_BYTES, kind),
      send,
    });
    // What the primary has been given, it has answered by now.
    return now ?? this.#begin(group);
  }

  /** What `group` is now; what changes it from here on isn't in the copy. */
  #begin(group: Group): { copies: Copied[]; joins: Made[] } {
    group.state = "copying";
    const { tables } = this.#host;
    const copies: Copied[] = [];
    const joins: Made[] = [];
    for (const table of group.tables) {
      const origin = tables.origin(table);
      const request = tables.joinRequest(table);
      const ports = tables.portsOf(table);
      if (origin !== undefined) copies.push({ table, ...origin });
      else if (request !== undefined) joins.push({ table, request, ports });
    }
    return { copies, joins };
  }

  #goWithout(table: string, { held }: Group, error: Error): void {
    const { replica } = this;
    replica.lacks.add(table);
    this.#missed.add(held.flat().filter((it) => it.table === table));
    // It may have got some of it.
    const kind = Kind.TABLE_DELETE;
    this.#give(table, { frame: simpleRequest(0, utf8(table), kind, 1), kind });
    const message = `Table "${table}" can't be copied to engine ` +
      `${replica.index}, which goes without it: ${error.message}`;
    this.#host.report(new EngineFaultError(message, { cause: error }));
  }

  #makeJoin({ table, request, ports }: Made): void {
    this.#give(table, { frame: request, kind: Kind.MAKE_JOIN_TABLE });
    for (const step of portSteps(utf8(table), ports)) this.#give(table, step);
  }

  /** Has the new engine change `table`. */
  #give(table: string, { frame, kind }: Step): void {
    const send = (job: Job) => this.replica.sendChanges(polled([job]));
    this.#errand.tell(frame, { kind, table, send });
  }

  /**
   * Has the new engine make `table`. It may refuse what another one has: then
   * it mustn't take part as if it had that (Invariant 1).
   */
  #make(
    table: string,
    frame: (msgId: number) => Reframed,
  ): Promise<Uint8Array> {
    const send = (job: Job) => this.replica.sendChanges(polled([job]));
    const kind = Kind.MAKE_TABLE;
    const made = this.#errand.ask({ kind, table, frame, send });
    made.catch(() => {}); // it is awaited when all has been sent
    return made;
  }

  async #copyTable(
    { table, meta, isKeyed, ports, numbered }: Copied,
    send: (job: Job) => void,
  ): Promise<void> {
    const name = utf8(table);
    const ask = (kind: number, frame: (msgId: number) => Reframed) =>
      this.#errand.ask({ kind, table, frame, send });
    const schema = Kind.TABLE_SCHEMA;
    const columns = columnsOf(
      await ask(schema, (id) => simpleRequest(id, name, schema)),
    );
    if (!isCopyable(columns)) {
      throw new Error('it has a column named "__INDEX__"');
    }
    const isNumbered = isKeyed || !meta.isIndexed;
    const size = Kind.TABLE_SIZE;
    const rows = rowsOf(
      await ask(size, (id) => simpleRequest(id, name, size)),
    );
    const most = rangeRows(columns.length, isKeyed);
    let made: Promise<Uint8Array> | undefined;
    const write = (arrow: Uint8Array) => {
      if (made === undefined) {
        const request = (id: number) => makeCopyRequest(id, name, meta, arrow);
        made = this.#make(table, request);
      } else {
        const frame = addCopyRequest(0, name, arrow);
        this.#give(table, { frame, kind: Kind.TABLE_UPDATE });
      }
    };
    /** Copies rows from `first` to `end`, without `end`, and one range at least. */
    const copyRows = async (view: Uint8Array, first: number, end: number) => {
      for (let start = first; start === first || start < end; start += most) {
        const to = Math.min(start + most, end);
        const request = (id: number) => copyReadRequest(id, view, start, to);
        write(copiedArrow(await ask(Kind.VIEW_TO_ARROW, request)));
      }
    };
    const count = (rows: number) => {
      for (const step of countSteps(name, rows)) this.#give(table, step);
    };
    const viewing = { table, columns, isNumbered, send };
    await this.#viewing(viewing, async (view) => {
      const numberAfter = async (rows: number) =>
        nextIndex(
          await ask(
            Kind.VIEW_TO_COLUMNS_STRING,
            (id) => lastIndexRequest(id, view, columns.length, rows),
          ),
        );
      const next = meta.isIndexed ? 0 : await numberAfter(rows) + numbered;
      const over = rows - (meta.limit ?? Infinity);
      if (over <= 0) {
        await copyRows(view, 0, rows);
        return count(meta.isIndexed ? 0 : next - rows);
      }
      const until = await numberAfter(over);
      const { shift } = surplusOf(over, until, meta.limit!, next);
      const copyOthers = (view: Uint8Array) => copyRows(view, over, rows);
      if (shift === 0) await copyOthers(view);
      else await this.#viewing({ ...viewing, shift }, copyOthers);
      count(next + shift - rows);
      await copyRows(view, 0, over);
    });
    for (const step of portSteps(name, ports)) this.#give(table, step);
    await made;
  }

  /** Reads a view that is there for the time of `read`, for the copy of a table. */
  async #viewing(
    { table, columns, isNumbered, shift = 0, send }: {
      table: string;
      columns: readonly string[];
      isNumbered: boolean;
      shift?: number;
      send: (job: Job) => void;
    },
    read: (view: Uint8Array) => Promise<void>,
  ): Promise<void> {
    const viewId = `copy-${crypto.randomUUID()}`;
    const view = utf8(viewId);
    try {
      await this.#errand.ask({
        kind: Kind.TABLE_MAKE_VIEW,
        table,
        frame: (id) =>
          copyViewRequest(id, utf8(table), viewId, columns, isNumbered, shift),
        send,
      });
      await read(view);
    } finally {
      // Also if it is called off, and the view may not be there yet.
      if (this.donor.state === "up") {
        const kind = Kind.VIEW_DELETE;
        const frame = simpleRequest(0, view, kind);
        send(this.#host.newJob({ frame, kind }, this, table));
      }
    }
  }
}

/** Changes with a poll after the last. */
function polled(jobs: readonly Job[]): readonly Job[] {
  const last = jobs.length - 1;
  return jobs.map((job, i) => ({ ...job, poll: i === last }));
}
