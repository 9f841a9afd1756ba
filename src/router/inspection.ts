/**
 * Looking at what a session sends before an engine gets it.
 *
 * @module
 */

import { decodeConfig, decodeValidation } from "../guards/decoded_config.ts";
import {
  checkViewConfig,
  type Known,
  type ViewLimits,
  type ViewSource,
} from "../guards/view_config.ts";
import {
  checkColumnPaths,
  checkSchema,
  checkValidation,
  checkViewport,
  checkViewState,
} from "../guards/view_requests.ts";
import type { Access } from "../policy/access.ts";
import { schemaColumns } from "../protocol/column_types.ts";
import { entityOf } from "../protocol/header.ts";
import { Kind, kindName } from "../protocol/kinds.ts";
import {
  columnRange,
  readMakeView,
  schemaOf,
  stateValue,
  takesData,
  viewportOf,
} from "../protocol/requests.ts";
import type { Asker } from "./asker.ts";
import { contentOf, type RequestHeader } from "./request.ts";
import { type Columns, TableFacts } from "./table_facts.ts";
import type { EngineView, View } from "./view.ts";

/** Why a request isn't handed on; `undefined` if it is. */
export type Verdict = string | undefined;

/** Looks at requests of sessions that aren't trusted. */
export interface Inspector {
  /** What views and expressions may be. */
  readonly views: ViewLimits;
  /** Looks at the data in the `content` of a request, at once or on another thread. */
  data(kind: number, content: Uint8Array): Verdict | Promise<Verdict>;
}

/** The request that is being looked at, which the session holds. */
interface Looking {
  readonly frame: Uint8Array;
  /** Set when it is known. */
  verdict?: { readonly refusal: Verdict };
}

/** It can't be looked at before more changes are answered. */
const LATER = Symbol("later");

/** Kinds of reads with a viewport. */
const WITH_VIEWPORT: ReadonlySet<number> = new Set([
  Kind.VIEW_TO_ARROW,
  Kind.VIEW_TO_COLUMNS_STRING,
  Kind.VIEW_TO_CSV,
  Kind.VIEW_TO_ROWS_STRING,
  Kind.VIEW_TO_NDJSON_STRING,
]);

/**
 * Has a session's requests looked at, one after the other. One that takes its
 * time is held meanwhile, with all behind it, so that they keep their order.
 */
export class Inspection {
  readonly #access: Access;
  readonly #asker: Asker;
  readonly #inspector: Inspector;
  readonly #viewOf: (name: string) => View | undefined;
  readonly #facts: TableFacts;
  #looking: Looking | undefined;

  /** Looks at what `asker`'s session sends, as long as `access` doesn't trust it. */
  constructor(
    access: Access,
    asker: Asker,
    inspector: Inspector,
    viewOf: (name: string) => View | undefined,
  ) {
    this.#access = access;
    this.#asker = asker;
    this.#inspector = inspector;
    this.#viewOf = viewOf;
    this.#facts = new TableFacts(asker);
  }

  /**
   * Refuses or holds a request that an engine mayn't have, or not yet.
   *
   * @returns Whether it has.
   * @throws {Error} If the request can't be read.
   */
  stops(frame: Uint8Array, header: RequestHeader): boolean {
    if (this.#access.trusted) return false;
    const known = this.#looking;
    if (known?.frame === frame) {
      if (known.verdict === undefined) {
        this.#asker.hold(frame);
        return true;
      }
      this.#looking = undefined;
      return this.#refuses(frame, header, known.verdict.refusal);
    }
    const verdict = this.#look(frame, header);
    if (verdict === LATER) {
      this.#asker.hold(frame);
      return true;
    }
    if (!(verdict instanceof Promise)) {
      return this.#refuses(frame, header, verdict);
    }
    const looking: Looking = this.#looking = { frame };
    this.#asker.hold(frame);
    verdict.then((refusal) => {
      looking.verdict = { refusal };
      this.#asker.session.retry();
    });
    return true;
  }

  #look(
    frame: Uint8Array,
    header: RequestHeader,
  ): Verdict | Promise<Verdict> | typeof LATER {
    const { kind } = header;
    const content = contentOf(frame, header);
    if (takesData(kind)) return this.#data(kind, content);
    if (kind === Kind.TABLE_MAKE_VIEW) {
      return this.#makeView(entityOf(frame, header), content);
    }
    if (kind === Kind.TABLE_VALIDATE_EXPR) {
      return this.#validation(entityOf(frame, header), content);
    }
    if (
      kind === Kind.VIEW_EXPAND || kind === Kind.VIEW_COLLAPSE ||
      kind === Kind.VIEW_SET_DEPTH
    ) return checkViewState(stateValue(content));
    if (kind !== Kind.VIEW_COLUMN_PATHS && !WITH_VIEWPORT.has(kind)) {
      return undefined;
    }
    const view = this.#viewOf(entityOf(frame, header))?.engineView;
    return view && this.#range(view, kind, content);
  }

  #data(kind: number, content: Uint8Array): Verdict | Promise<Verdict> {
    if (kind === Kind.MAKE_TABLE) {
      const schema = schemaOf(content);
      if (schema !== undefined) {
        return checkSchema(
          [...schemaColumns(schema).keys()],
          this.#inspector.views,
        );
      }
    }
    const prefix = (refusal: Verdict) =>
      refusal && `Cannot take ${kindName(kind)}: ${refusal}`;
    const found = this.#inspector.data(kind, content);
    return found instanceof Promise ? found.then(prefix) : prefix(found);
  }

  // -- Views ------------------------------------------------------------------

  #makeView(
    table: string,
    content: Uint8Array,
  ): Promise<Verdict> | typeof LATER | Verdict {
    const config = decodeConfig(readMakeView(content).config);
    // A plain view takes no more than its rows do, however many they are.
    const isSmall = config.groupBy.length === 0 &&
      config.splitBy.length === 0 && config.filters.length === 0 &&
      config.expressions.size === 0;
    const { line } = this.#asker.router;
    const check = (of: ViewSource, known?: Known) =>
      checkViewConfig(config, of, this.#inspector.views, known);
    const columns = this.#asker.router.tables.columnsOf(table);
    if (isSmall && columns !== undefined) {
      const found = check({ columns, rows: 0, line });
      if (typeof found !== "object") return found;
    }
    return this.#onTable(table, async (replica) => {
      const columns = await this.#facts.columns(table, replica);
      if (columns === undefined) return undefined; // the engine says so
      const rows = isSmall ? 0 : await this.#facts.rows(table, replica);
      const of = { columns, rows, line };
      const found = check(of);
      if (typeof found !== "object") return found;
      const { expressions } = config;
      return check(
        of,
        await this.#facts.known(table, expressions, found, replica),
      ) as Verdict; // with all that is known it is decided
    });
  }

  #validation(
    table: string,
    content: Uint8Array,
  ): Promise<Verdict> | typeof LATER | Verdict {
    const expressions = decodeValidation(content);
    if (expressions.size === 0) return undefined;
    const { line, tables } = this.#asker.router;
    const check = (columns: Columns) =>
      checkValidation(expressions, { columns, line }, this.#inspector.views);
    const columns = tables.columnsOf(table);
    if (columns !== undefined) return check(columns);
    return this.#onTable(table, async (replica) => {
      const columns = await this.#facts.columns(table, replica);
      return columns && check(columns);
    });
  }

  /** Asks an engine that has seen what the session has changed. */
  #onTable(
    table: string,
    judge: (replica: Asker["primary"]) => Promise<Verdict>,
  ): Promise<Verdict> | typeof LATER {
    const asker = this.#asker;
    const { router } = asker;
    const isPrimarys = !router.waits || asker.hasChanges ||
      router.lastAnswered(table) > 0;
    const replica = isPrimarys ? asker.primary : router.leastBusy(table);
    return asker.mayAsk(replica, table) ? judge(replica) : LATER;
  }

  #range(
    view: EngineView,
    kind: number,
    content: Uint8Array,
  ): Verdict | Promise<Verdict> {
    let check: (columns: number) => Verdict;
    let first: number;
    if (kind === Kind.VIEW_COLUMN_PATHS) {
      const range = columnRange(content);
      const { groupBy, splitBy, columns } = decodeConfig(view.config);
      if (groupBy.length + splitBy.length > 0) {
        return checkColumnPaths(range, columns?.length ?? Infinity, true);
      }
      first = range.start ?? 0;
      check = (columns) => checkColumnPaths(range, columns, false);
    } else {
      const viewport = viewportOf(content);
      // Only of CSV columns that aren't there do harm.
      first = kind === Kind.VIEW_TO_CSV ? viewport.startColumn ?? 0 : 0;
      check = (columns) => checkViewport(viewport, columns);
    }
    const refusal = check(Infinity);
    if (refusal !== undefined || first === 0) return refusal;
    return this.#facts.columnsOfView(view).then(check);
  }

  #refuses(
    frame: Uint8Array,
    header: RequestHeader,
    refusal: Verdict,
  ): boolean {
    if (refusal === undefined) return false;
    this.#asker.refuse(frame, header, refusal);
    return true;
  }
}
