/**
 * Giving a new engine the tables of another one.
 *
 * @module
 */

import { simpleRequest } from "../../protocol/answers.ts";
import { type Reframed, utf8 } from "../../protocol/frame.ts";
import { Kind } from "../../protocol/kinds.ts";
import {
  addCopyRequest,
  columnsOf,
  copiedArrow,
  copyReadRequest,
  copyViewRequest,
  lastIndexRequest,
  makeCopyRequest,
  nextIndex,
  rangeRows,
  restoreSteps,
  rowsOf,
} from "../../protocol/table_copy.ts";
import type { Job, Replica } from "../replica.ts";
import type { Step } from "../session_host.ts";
import type { Tables } from "../tables.ts";
import { Errand, type ErrandHost } from "./errand.ts";
import type { Missed } from "./missed.ts";

/** What a {@linkcode Fill} needs of the router. */
export interface FillHost extends ErrandHost {
  /** The tables there are. */
  readonly tables: Tables;
  /** See {@linkcode Sequencer.settlePrimary}. */
  settlePrimary(): readonly Job[];
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
  /** Changes that are in the copy, though they are yet to be forwarded. */
  copied: ReadonlySet<number>;
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
      copied: new Set(),
      held: [],
    }));
    for (const group of this.#groups) {
      for (const table of group.tables) this.#byTable.set(table, group);
    }
  }

  /**
   * Copies all tables. `restore` makes what lives on these tables, before they
   * change.
   *
   * @throws {Error} If it is called off, or a table can't be copied.
   */
  async run(
    restore: (errand: Errand, tables: readonly string[]) => Promise<void>,
  ): Promise<void> {
    for (const group of this.#groups) {
      await this.#copy(group);
      await restore(this.#errand, group.tables);
      group.state = "there";
      for (const jobs of group.held.splice(0)) this.replica.sendChanges(jobs);
    }
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
      const group = this.#groupOf(job);
      // A join isn't copied, but made: see #groupOf.
      const isJoin = job.sources !== undefined;
      if (!isJoin && group?.copied.has(job.change)) continue;
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
    const known = this.#byTable.get(table!);
    if (known !== undefined || sources === undefined) return known;
    // A new join: it comes with the last of what it is made of.
    const groups = this.#groups.filter(({ tables, state }) =>
      state !== "there" && tables.some((it) => sources.includes(it))
    );
    const last = groups.at(-1);
    if (last === undefined) return undefined;
    this.#byTable.set(table!, last);
    if (last.state === "waiting") last.tables.push(table!);
    return last;
  }

  async #copy(group: Group): Promise<void> {
    const { donor } = this;
    const { tables } = this.#host;
    // From this place in the order on: nothing may come between these.
    const copied = this.#host.settlePrimary();
    group.state = "copying";
    if (donor.isPrimary) {
      group.copied = new Set(copied.map(({ change }) => change));
      this.#missed.add(copied.filter((it) => group.tables.includes(it.table!)));
    }
    let isHolding = false;
    const send = (job: Job) => {
      if (isHolding) return donor.sendDuring(job);
      isHolding = true;
      donor.sendInOrder([job], true);
    };
    try {
      for (const table of group.tables) {
        if (tables.origin(table) === undefined) continue;
        try {
          await this.#copyTable(table, send);
        } catch (reason) {
          // It may have been deleted in front of this place.
          if (this.#isOff || tables.origin(table) !== undefined) throw reason;
        }
      }
    } finally {
      if (isHolding && donor.state === "up") donor.letGo();
    }
    const joins = group.tables.filter((it) =>
      tables.joinRequest(it) !== undefined
    );
    for (const table of joins) {
      const frame = tables.joinRequest(table)!;
      this.#give(table, { frame, kind: Kind.MAKE_JOIN_TABLE });
    }
  }

  /** Has the new engine change `table`. */
  #give(table: string, { frame, kind }: Step): void {
    const send = (job: Job) => this.replica.sendChanges(polled([job]));
    this.#errand.tell(frame, { kind, table, send });
  }

  async #copyTable(table: string, send: (job: Job) => void): Promise<void> {
    const { donor } = this;
    const { meta, ports, numbered } = this.#host.tables.origin(table)!;
    const name = utf8(table);
    const viewId = `copy-${crypto.randomUUID()}`;
    const view = utf8(viewId);
    const ask = (kind: number, frame: (msgId: number) => Reframed) =>
      this.#errand.ask({ kind, table, frame, send });
    const schema = Kind.TABLE_SCHEMA;
    const columns = columnsOf(
      await ask(schema, (id) => simpleRequest(id, name, schema)),
    );
    const size = Kind.TABLE_SIZE;
    const rows = rowsOf(
      await ask(size, (id) => simpleRequest(id, name, size)),
    );
    try {
      await ask(
        Kind.TABLE_MAKE_VIEW,
        (id) => copyViewRequest(id, name, viewId, columns, meta),
      );
      const most = rangeRows(columns.length);
      const next = meta.isIndexed ? 0 : nextIndex(
        await ask(
          Kind.VIEW_TO_COLUMNS_STRING,
          (id) => lastIndexRequest(id, view, columns.length, rows),
        ),
      );
      for (let start = 0; start === 0 || start < rows; start += most) {
        const end = Math.min(start + most, rows);
        const arrow = copiedArrow(
          await ask(
            Kind.VIEW_TO_ARROW,
            (id) => copyReadRequest(id, view, start, end),
          ),
        );
        this.#give(
          table,
          start === 0
            ? {
              frame: makeCopyRequest(0, name, meta, arrow),
              kind: Kind.MAKE_TABLE,
            }
            : {
              frame: addCopyRequest(0, name, arrow),
              kind: Kind.TABLE_UPDATE,
            },
        );
      }
      const rest = {
        table: name,
        meta,
        ranges: [],
        rows,
        next: next + numbered,
        ports,
      };
      for (const step of restoreSteps(rest)) this.#give(table, step);
    } finally {
      // Also if it is called off, and the view may not be there yet.
      if (donor.state === "up") {
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
