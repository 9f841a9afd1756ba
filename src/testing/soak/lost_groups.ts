/**
 * Groups that go while a view is expanded. For tests only.
 *
 * As soon as a client has expanded or collapsed something, a group that comes
 * back is collapsed: the engine has forgotten it. A router that makes the view
 * again hasn't seen it go, so that it may be expanded there.
 *
 * @module
 */

import { Kind } from "../../protocol/kinds.ts";
import type { ServerSession } from "../../server/server_session.ts";
import type { Side } from "../differential/options.ts";
import { sameFrame } from "../differential/same_frame.ts";
import { type Ask, bytesOf, viewport } from "../differential/asks.ts";
import type { Client, View } from "../differential/model.ts";
import { type Fill, frame, type Parts, parts, uint } from "../frames.ts";

/** The `msg_id` of what is asked beside what clients ask. */
export const ASIDE = 987_654_321;

/** The column of a view that says which group a row is. */
const ROW_PATH = "__ROW_PATH__";

/** A view with all its groups, beside one that a client has expanded. */
interface Twin {
  readonly session: ServerSession;
  paths: ReadonlySet<string>;
}

/** Watches the groups of views on the reference, which answers at once. */
export class LostGroups {
  readonly #side: Side;
  /** What views were made of. */
  readonly #makings = new Map<View, Ask>();
  readonly #twins = new Map<View, Twin>();
  readonly #lost = new Set<View>();
  readonly #changed = new WeakSet<View>();
  #answer: Parts | undefined;

  /** Makes views on `side`. */
  constructor(side: Side) {
    this.#side = side;
  }

  /** Whether groups of `view` have gone since it was expanded. */
  has(view: View): boolean {
    return this.#lost.has(view);
  }

  /** `view` was made. */
  made(view: View, making: Ask): void {
    this.#makings.set(view, making);
  }

  /** A client has changed what `view` shows: a new one shows something else. */
  stateChanged(view: View): void {
    this.#changed.add(view);
  }

  /** A client has expanded or collapsed something of `view`. */
  expanded(view: View): void {
    if (this.#twins.has(view)) return;
    const session = this.#side.newSession(
      (bytes) => this.#answer = parts(bytes),
      { onEnd: () => {} },
    );
    const { entity, kind, content } = this.#makings.get(view)!;
    const twin: Twin = { session, paths: new Set() };
    this.#ask(twin, entity, kind, content);
    this.#ask(twin, view.id, Kind.VIEW_SET_DEPTH, uint(1, view.pivots));
    twin.paths = this.#paths(view, twin);
    this.#twins.set(view, twin);
  }

  /** Its state is known again, or it goes. */
  reset(view: View): void {
    this.#lost.delete(view);
    const twin = this.#twins.get(view);
    if (twin === undefined) return;
    this.#twins.delete(view);
    this.#ask(twin, view.id, Kind.VIEW_DELETE);
    twin.session.close();
  }

  /** `client` goes. */
  closed({ views }: Client): void {
    for (const view of views.values()) this.reset(view);
  }

  /** Tables have changed. All groups of those that were `replaced` have gone. */
  look(replaced?: string): void {
    for (const [view, twin] of this.#twins) {
      const { table } = view;
      const tables = [table, ...table.sources].map(({ name }) => name);
      if (replaced !== undefined && tables.includes(replaced)) {
        this.#lost.add(view);
      }
      const before = twin.paths;
      twin.paths = this.#paths(view, twin);
      if ([...before].some((it) => !twin.paths.has(it))) this.#lost.add(view);
    }
  }

  /**
   * Whether `view` shows something else than a new one that is made alike: with
   * time, those of an engine drift from what they should show. `read` asks what
   * its client sees.
   */
  hasDrifted(
    view: View,
    ask: Ask,
    read: (ask: Ask) => Uint8Array | undefined,
  ): boolean {
    const making = this.#makings.get(view);
    if (making === undefined) return false;
    let got: Uint8Array | undefined;
    const session = this.#side.newSession((bytes) => {
      got = bytes;
    }, { onEnd: () => {} });
    const request = ({ entity, kind, content }: Ask) => {
      got = undefined;
      session.handleRequest(frame(ASIDE, entity, kind, content));
      return got as Uint8Array | undefined;
    };
    request(making);
    let hasDrifted: boolean;
    if (this.#changed.has(view)) {
      const entity = view.id;
      const content = uint(1, view.pivots);
      request({ entity, kind: Kind.VIEW_SET_DEPTH, content });
      const whole: Ask = {
        entity,
        kind: Kind.VIEW_TO_COLUMNS_STRING,
        content: viewport(),
      };
      hasDrifted = !isWithin(columnsOf(read(whole)), columnsOf(request(whole)));
    } else {
      const [now, fresh] = [read(ask), request(ask)];
      hasDrifted = now !== undefined && fresh !== undefined &&
        !sameFrame(now, fresh);
    }
    request({ entity: view.id, kind: Kind.VIEW_DELETE });
    session.close();
    return hasDrifted;
  }

  /** Ends all sessions. */
  close(): void {
    for (const { session } of this.#twins.values()) session.close();
    this.#twins.clear();
  }

  #ask(
    { session }: Twin,
    entity: string,
    kind: number,
    content?: Uint8Array | Fill,
  ): Parts | undefined {
    this.#answer = undefined;
    session.handleRequest(frame(ASIDE, entity, kind, content));
    return this.#answer;
  }

  #paths(view: View, twin: Twin): ReadonlySet<string> {
    const kind = Kind.VIEW_TO_COLUMNS_STRING;
    const answer = this.#ask(twin, view.id, kind, viewport());
    const json = answer && bytesOf(answer);
    if (json === undefined) return new Set();
    const { [ROW_PATH]: paths = [] } = JSON.parse(
      new TextDecoder().decode(json),
    );
    return new Set((paths as unknown[]).map((it) => JSON.stringify(it)));
  }
}

/** What a view shows, by column. */
type Columns = Readonly<Record<string, readonly unknown[]>>;

/** What stands in the answer to `view_to_columns_string`, if it is none. */
function columnsOf(answer: Uint8Array | undefined): Columns | undefined {
  const json = answer && bytesOf(parts(answer));
  return json && JSON.parse(new TextDecoder().decode(json));
}

/** Whether each group of `some` is in `all`, with the same values. */
function isWithin(
  some: Columns | undefined,
  all: Columns | undefined,
): boolean {
  if (some === undefined || all === undefined) return true;
  const names = Object.keys(some).filter((it) => it !== ROW_PATH);
  const rowsOf = (columns: Columns) =>
    Array.from(
      { length: Object.values(columns)[0]?.length ?? 0 },
      (_, row) =>
        [
          JSON.stringify(columns[ROW_PATH]?.[row] ?? row),
          JSON.stringify(names.map((name) => columns[name]?.[row])),
        ] as const,
    );
  const values = new Map(rowsOf(all));
  return rowsOf(some).every(([path, row]) => values.get(path) === row);
}
