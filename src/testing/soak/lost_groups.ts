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
import { type Ask, bytesOf, viewport } from "../differential/asks.ts";
import type { Client, View } from "../differential/model.ts";
import { type Fill, frame, type Parts, parts, uint } from "../frames.ts";

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

  /** What `ask` gets of a new view that is made as `view` was. */
  ofNew(view: View, msgId: number, ask: Ask): Uint8Array | undefined {
    const making = this.#makings.get(view);
    if (making === undefined || this.#changed.has(view)) return undefined;
    let got: Uint8Array | undefined;
    const session = this.#side.newSession((bytes) => {
      got = bytes;
    }, { onEnd: () => {} });
    const request = (id: number, { entity, kind, content }: Ask) =>
      session.handleRequest(frame(id, entity, kind, content));
    request(1, making);
    request(msgId, ask);
    const answer = got;
    request(2, { entity: view.id, kind: Kind.VIEW_DELETE });
    session.close();
    return answer;
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
    session.handleRequest(frame(1, entity, kind, content));
    return this.#answer;
  }

  #paths(view: View, twin: Twin): ReadonlySet<string> {
    const kind = Kind.VIEW_TO_COLUMNS_STRING;
    const answer = this.#ask(twin, view.id, kind, viewport());
    const json = answer && bytesOf(answer);
    if (json === undefined) return new Set();
    const { __ROW_PATH__: paths = [] } = JSON.parse(
      new TextDecoder().decode(json),
    );
    return new Set((paths as unknown[]).map((it) => JSON.stringify(it)));
  }
}
