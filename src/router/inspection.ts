/**
 * Looking at what a session sends before an engine gets it.
 *
 * @module
 */

import { decodeConfig, decodeValidation } from "../guards/decoded_config.ts";
import { checkStrings } from "../guards/request_text.ts";
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
import { toError } from "../errors.ts";
import type { Access } from "../policy/access.ts";
import { tableNotFound } from "../protocol/answers.ts";
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
import type { Replica } from "./replica.ts";
import { contentOf, entityBytes, type RequestHeader } from "./request.ts";
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

/** There is no such table. */
const NO_TABLE = Symbol("no table");

/** What has been found. */
interface Finding {
  readonly refusal: Verdict | typeof NO_TABLE;
  /** What it is only right for: the columns that the table had. */
  readonly of?: { readonly table: string; readonly columns: Columns };
}

/** The request that is being looked at, or was and is held. */
interface Looking {
  readonly frame: Uint8Array;
  /** Set when it is known; until then the session holds the request. */
  finding?: Finding;
}

/** It can't be looked at before more changes are answered. */
const LATER = Symbol("later");

type Look = Finding | Promise<Finding> | typeof LATER;

const FINE: Finding = { refusal: undefined };

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
      if (known.finding === undefined) {
        this.#asker.hold(frame);
        return true;
      }
      if (this.#holds(known.finding)) {
        return this.#refuses(frame, header, known.finding);
      }
    }
    const look = this.#look(frame, header);
    if (look === LATER) {
      this.#asker.hold(frame);
      return true;
    }
    if (!(look instanceof Promise)) return this.#refuses(frame, header, look);
    const looking: Looking = this.#looking = { frame };
    this.#asker.hold(frame);
    const found = (finding: Finding) => {
      looking.finding = finding;
      const { router, session } = this.#asker;
      // Otherwise it has gone on, or there is nothing to go on with.
      if (router.isHolding(session)) session.retry();
    };
    look.then(found, (reason) => {
      const { message } = toError(reason);
      found({ refusal: `Cannot look at the request: ${message}` });
    });
    return true;
  }

  /** The request that was looked at won't be handled again. */
  forget(): void {
    this.#looking = undefined;
  }

  /**
   * Whether a finding is still right: the table hasn't been deleted, and isn't
   * about to be, since one of other columns may come after it.
   */
  #holds({ of }: Finding): boolean {
    if (of === undefined) return true;
    const { router } = this.#asker;
    return router.tables.columnsOf(of.table) === of.columns &&
      !router.isDeleting(of.table);
  }

  #look(frame: Uint8Array, header: RequestHeader): Look {
    const { kind } = header;
    const content = contentOf(frame, header);
    const strings = checkStrings(kind, entityBytes(frame, header), content);
    if (strings !== undefined) {
      return { refusal: `Cannot take ${kindName(kind)}: ${strings}` };
    }
    if (takesData(kind)) return finding(this.#data(kind, content));
    if (kind === Kind.TABLE_MAKE_VIEW) {
      return this.#makeView(entityOf(frame, header), content);
    }
    if (kind === Kind.TABLE_VALIDATE_EXPR) {
      return this.#validation(entityOf(frame, header), content);
    }
    if (
      kind === Kind.VIEW_EXPAND || kind === Kind.VIEW_COLLAPSE ||
      kind === Kind.VIEW_SET_DEPTH
    ) return { refusal: checkViewState(stateValue(content)) };
    if (kind !== Kind.VIEW_COLUMN_PATHS && !WITH_VIEWPORT.has(kind)) {
      return FINE;
    }
    const view = this.#viewOf(entityOf(frame, header))?.engineView;
    return view === undefined ? FINE : this.#range(view, kind, content);
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

  #makeView(table: string, content: Uint8Array): Look {
    const { router } = this.#asker;
    const config = decodeConfig(readMakeView(content).config);
    // A plain view takes no more than its rows do, however many they are.
    const isSmall = config.groupBy.length === 0 &&
      config.splitBy.length === 0 && config.filters.length === 0 &&
      config.expressions.size === 0;
    const { line } = router;
    const check = (of: ViewSource, known?: Known) =>
      checkViewConfig(config, of, this.#inspector.views, known);
    return this.#onTable(table, (columns) => {
      if (!isSmall) return undefined;
      const found = check({ columns, rows: 0, line });
      return typeof found === "object" ? undefined : { refusal: found };
    }, async (columns, replica) => {
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

  #validation(table: string, content: Uint8Array): Look {
    const expressions = decodeValidation(content);
    if (expressions.size === 0) return FINE;
    const { line } = this.#asker.router;
    const check = (columns: Columns) =>
      checkValidation(expressions, { columns, line }, this.#inspector.views);
    return this.#onTable(
      table,
      (columns) => ({ refusal: check(columns) }),
      (columns) => check(columns),
    );
  }

  /**
   * Judges by the columns of `table`: at once by those that are known, if that
   * can be, or else by asking an engine that has seen what the session has
   * changed.
   */
  #onTable(
    table: string,
    judgeNow: (columns: Columns) => Finding | undefined,
    judge: (
      columns: Columns,
      replica: Replica,
    ) => Verdict | Promise<Verdict>,
  ): Look {
    const asker = this.#asker;
    const { router } = asker;
    // Its columns may be others when an engine comes to it.
    if (router.isDeleting(table)) return LATER;
    const known = router.tables.columnsOf(table);
    const found = known && judgeNow(known);
    if (found !== undefined) return found;
    const isPrimarys = !router.waits || asker.hasChanges ||
      router.lastAnswered(table) > 0;
    const replica = isPrimarys ? asker.primary : router.leastBusy(table);
    if (!asker.mayAsk(replica, table)) return LATER;
    return this.#ask(table, judge, replica);
  }

  async #ask(
    table: string,
    judge: (
      columns: Columns,
      replica: Replica,
    ) => Verdict | Promise<Verdict>,
    replica: Replica,
  ): Promise<Finding> {
    const columns = await this.#facts.columns(table, replica);
    // Not for the engine to say: by then there may be one.
    if (columns === undefined) return { refusal: NO_TABLE };
    const refusal = await judge(columns, replica);
    // Somebody else may delete a foreign one without being seen.
    return replica.isForeign
      ? { refusal }
      : { refusal, of: { table, columns } };
  }

  #range(view: EngineView, kind: number, content: Uint8Array): Look {
    let check: (columns: number) => Verdict;
    let first: number;
    if (kind === Kind.VIEW_COLUMN_PATHS) {
      const range = columnRange(content);
      const { groupBy, splitBy, columns } = decodeConfig(view.config);
      if (groupBy.length + splitBy.length > 0) {
        const most = columns?.length ?? Infinity;
        return { refusal: checkColumnPaths(range, most, true) };
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
    if (refusal !== undefined || first === 0) return { refusal };
    const asker = this.#asker;
    // Changes of its own may bring the columns that it asks for.
    if (
      !view.isReadyFor(asker.session) ||
      !asker.mayAsk(view.replica, view.table)
    ) return LATER;
    return finding(this.#facts.columnsOfView(view).then(check));
  }

  #refuses(
    frame: Uint8Array,
    header: RequestHeader,
    { refusal }: Finding,
  ): boolean {
    if (refusal === undefined) return false;
    if (refusal === NO_TABLE) {
      const entity = entityBytes(frame, header);
      this.#asker.reply(tableNotFound(header.msgId, entity, header.kind)!);
    } else this.#asker.refuse(frame, header, refusal, "guards");
    return true;
  }
}

function finding(
  verdict: Verdict | Promise<Verdict>,
): Finding | Promise<Finding> {
  return verdict instanceof Promise
    ? verdict.then((refusal) => ({ refusal }))
    : { refusal: verdict };
}
