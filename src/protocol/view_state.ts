/**
 * The state that a client has given a grouped view, so that it can be given to
 * another view of the same config, on another engine and over other data.
 *
 * What engines of both lines do:
 *
 * - A new view shows all levels, or as many as its config says
 *   (`group_by_depth`; 0 is all). After `set_depth(d)` it shows `d + 1`.
 * - As long as nothing is expanded or collapsed, a group that is new is shown
 *   to the same depth.
 * - The first `view_expand` or `view_collapse` ends that, also one that changes
 *   nothing: from then on new groups are collapsed. `set_depth` begins it anew.
 * - A group that is collapsed forgets what was expanded in it, and one that
 *   goes and comes again is a new group.
 *
 * So there is no sequence of requests to repeat. What has to be known is which
 * groups were expanded when that first request came, and what was done since.
 * A group that goes and comes again isn't noticed, so it comes out expanded if
 * it was so before it went.
 *
 * @module
 */

import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { simpleRequest } from "./answers.ts";
import { forEachField } from "./fields.ts";
import { NO_BYTES, Reframed } from "./frame.ts";
import { Kind } from "./kinds.ts";

/** A request that changes a view's state. */
export interface StateStep {
  /** `view_set_depth`, `view_expand` or `view_collapse`. */
  readonly kind: number;
  /** The depth, or the index of the row. */
  readonly value: number;
}

/** The request of `step` on `view`. */
export function stateRequest(
  msgId: number,
  view: Uint8Array,
  { kind, value }: StateStep,
): Reframed {
  return simpleRequest(msgId, view, kind, value);
}

/** Reads the paths of the rows from `start` to `end`, without `end`, and no values. */
export function pathsRequest(
  msgId: number,
  view: Uint8Array,
  start: number,
  end: number,
): Reframed {
  const body = new BinaryWriter().tag(Kind.VIEW_TO_COLUMNS_STRING, 2).fork();
  body.tag(1, 2).fork()
    .tag(1, 0).uint32(start)
    .tag(2, 0).uint32(0)
    .tag(3, 0).uint32(end)
    .tag(4, 0).uint32(0)
    .join();
  return new Reframed(msgId, view, body.join().finish());
}

/**
 * The paths in the content of its answer, each as the JSON text that the engine
 * wrote: `[]` of the total, `["Texas",1704067200000]`. There are none where
 * nothing is grouped.
 *
 * They aren't parsed, so that long integers stay apart. Several rows have the
 * same path where an engine of line 3 has several groups of null (ENGINE 3.4).
 */
export function rowPaths(content: Uint8Array): string[] {
  let json = NO_BYTES;
  forEachField(content, (field, reader, wireType) => {
    if (field === 1 && wireType === 2) json = reader.bytes();
    else reader.skip(wireType, field);
  });
  const text = new TextDecoder().decode(json);
  if (!text.startsWith(PATHS)) return [];
  // Brackets within strings don't count, and an escaped quote ends none.
  const paths: string[] = [];
  let start = 0;
  PATH.lastIndex = PATHS.length;
  for (let found; (found = PATH.exec(text)) !== null;) {
    if (found[0] === "[") start = found.index;
    else if (found[0] === "]") {
      if (start === 0) break;
      paths.push(text.slice(start, found.index + 1));
      start = 0;
    }
  }
  return paths;
}

/** The end of all rows that can be asked for: more than any view has. */
const LAST_ROW = 0xffff_ffff;

const PATHS = '{"__ROW_PATH__":[';
const PATH = /[[\]]|"(?:[^"\\]|\\.)*"/g;

/** How many rows the content of an answer to `view_expand` or `view_collapse` says it changed. */
export function changedRows(content: Uint8Array): number {
  let rows = 0;
  forEachField(content, (field, reader, wireType) => {
    if (field === 1 && wireType === 0) rows = reader.uint32();
    else reader.skip(wireType, field);
  });
  return rows;
}

/** Where `path` is among the visible `paths`, or -1. */
export function rowOf(paths: readonly string[], path: string): number {
  return paths.indexOf(path);
}

/** Whether the row at `row` of the visible `paths` is expanded. */
export function isExpanded(paths: readonly string[], row: number): boolean {
  const next = paths[row + 1];
  return next !== undefined && isWithin(next, paths[row]!);
}

/** Whether the group of `path` is in that of `outer`. */
function isWithin(path: string, outer: string): boolean {
  if (outer === TOTAL) return path !== TOTAL;
  const end = outer.length - 1;
  return path.length > end && path[end] === "," &&
    path.startsWith(outer.slice(0, end));
}

const TOTAL = "[]";

/** Groups that are remembered of one view (Invariant 8). */
export const MOST_GROUPS = 10_000;

/** Rows to read the paths of, from `start` to `end`, without `end`. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/**
 * What a client has done to a view's rows.
 *
 * Whoever forwards `view_expand` or `view_collapse` reads the paths that
 * {@linkcode ViewState.ranges} says right before it, with nothing between, and
 * when it is answered calls {@linkcode ViewState.did}.
 *
 * ```text
 *   fresh ──► touched ──► (set_depth) fresh
 * ```
 */
export class ViewState {
  readonly #levels: number;
  readonly #isSplit: boolean;
  readonly #limit: number;
  #depth: number | undefined;
  #isTouched = false;
  #isComplete = true;
  /** Whether all groups were looked at when it was touched. */
  #isWhole = true;
  /**
   * Whether a group is expanded. Of a whole view, all others are collapsed.
   */
  readonly #groups = new Map<string, boolean>();

  /** Of a new view of `config`; it remembers `limit` groups. */
  constructor(config: Uint8Array, limit: number = MOST_GROUPS) {
    const { levels, isSplit } = groupingOf(config);
    this.#levels = levels;
    this.#isSplit = isSplit;
    this.#limit = limit;
  }

  /** Whether a new view of the same config has this state. */
  get isInitial(): boolean {
    return this.#depth === undefined && !this.#isTouched;
  }

  /**
   * Whether all of it is remembered. Otherwise groups may be expanded that
   * were collapsed or the other way round: such as came after the view had
   * been touched, or were the last to be changed.
   */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** `view_set_depth` was executed. */
  setDepth(depth: number): void {
    // An engine passes over what is deeper than the groups are.
    if (depth > this.#levels) return;
    this.#depth = depth;
    this.#isTouched = false;
    this.#isComplete = this.#isWhole = true;
    this.#groups.clear();
  }

  /** What has to be read before the row at `row` is expanded or collapsed. */
  ranges(row: number): Range[] {
    if (this.#levels === 0) return [];
    // The last that a client can name can't be asked for, and isn't there.
    const start = Math.min(row, LAST_ROW - 1);
    const own = { start, end: start + 1 };
    if (this.#isTouched) return [own];
    // One more than may be remembered, to know whether there are more.
    const all = { start: 0, end: this.#limit + 1 };
    return row < all.end ? [all] : [all, own];
  }

  /**
   * `step` was executed and changed so many rows. Before it, the rows of
   * `ranges` had `paths`, in the same order.
   */
  did(
    { kind, value: row }: StateStep,
    changed: number,
    ranges: readonly Range[],
    paths: readonly (readonly string[])[],
  ): void {
    if (this.#levels === 0) return;
    const path = paths.at(-1)?.[row - ranges.at(-1)!.start];
    const isLeaf = path !== undefined && levelOf(path) === this.#levels;
    const isExpand = kind === Kind.VIEW_EXPAND;
    // A split view passes over these; it says of a leaf that it was expanded.
    if (this.#isSplit && (path === undefined || isLeaf && isExpand)) return;
    if (!this.#isTouched) {
      // When these were chosen it may have been touched, and fresh since.
      const hasAll = ranges[0]?.start === 0 && ranges[0].end > this.#limit;
      this.#touch(hasAll ? paths[0] : undefined);
    }
    if (path === undefined || changed === 0) return;
    this.#forgetWithin(path);
    this.#remember(path, isExpand);
  }

  /** What comes first on a new view, before its paths are read. */
  firstSteps(): StateStep[] {
    return this.#depth === undefined
      ? []
      : [{ kind: Kind.VIEW_SET_DEPTH, value: this.#depth }];
  }

  /**
   * What has to be done to a view that shows `paths`, in this order: from the
   * last row up, so that the indices hold. Then its paths are to be read
   * again, and so on until there is nothing to do, at most once for each column
   * that it groups by, and once more.
   *
   * With `isFirst` there is something to do even so, if there was.
   */
  steps(paths: readonly string[], isFirst = false): StateStep[] {
    const steps: StateStep[] = [];
    if (!this.#isTouched) return steps;
    for (let row = paths.length - 1; row >= 0; row--) {
      const is = isExpanded(paths, row);
      const wanted = this.#isWanted(paths[row]!) ?? is;
      if (wanted && !is) steps.push({ kind: Kind.VIEW_EXPAND, value: row });
      if (is && !wanted) steps.push({ kind: Kind.VIEW_COLLAPSE, value: row });
    }
    if (steps.length === 0 && isFirst && paths.length > 0) {
      // New groups are to come collapsed.
      const kind = isExpanded(paths, 0) ? Kind.VIEW_EXPAND : Kind.VIEW_COLLAPSE;
      steps.push({ kind, value: 0 });
    }
    return steps;
  }

  /** Whether the group of `path` was expanded; `undefined` if it was never looked at. */
  #isWanted(path: string): boolean | undefined {
    const is = this.#groups.get(path);
    if (is !== undefined) return is;
    if (this.#isWhole) return false;
    // Within what was expanded or collapsed, all is collapsed at first.
    for (const outer of outersOf(path)) {
      if (this.#groups.has(outer)) return false;
    }
    return undefined;
  }

  /**
   * Something is expanded or collapsed for the first time; all rows have
   * `paths`, if that is known.
   */
  #touch(paths: readonly string[] | undefined): void {
    this.#isTouched = true;
    this.#isWhole = paths !== undefined && paths.length <= this.#limit;
    this.#isComplete = this.#isWhole;
    if (!this.#isWhole) return;
    paths!.forEach((path, row) => {
      if (isExpanded(paths!, row)) this.#groups.set(path, true);
    });
    // The total of no rows has nothing to show; it will, when rows come.
    if (paths!.length <= 1) this.#groups.set(TOTAL, true);
  }

  #forgetWithin(path: string): void {
    for (const inner of this.#groups.keys()) {
      if (isWithin(inner, path)) this.#groups.delete(inner);
    }
  }

  #remember(path: string, isExpanded: boolean): void {
    if (this.#groups.size < this.#limit || this.#groups.has(path)) {
      this.#groups.set(path, isExpanded);
    } else this.#isComplete = false;
  }
}

/** How many columns a `ViewConfig` groups by, and whether it splits. */
function groupingOf(config: Uint8Array): { levels: number; isSplit: boolean } {
  let levels = 0;
  let isSplit = false;
  forEachField(config, (field, reader, wireType) => {
    if (field === 1 && wireType === 2) levels++;
    if (field === 2 && wireType === 2) isSplit = true;
    reader.skip(wireType, field);
  });
  return { levels, isSplit };
}

/** How deep the group of `path` is; 0 is the total. */
function levelOf(path: string): number {
  return [...outersOf(path)].length;
}

/** The paths of the groups that the one of `path` is in. */
function* outersOf(path: string): Generator<string, void> {
  if (path === TOTAL) return;
  yield TOTAL;
  for (const found of path.matchAll(PART)) {
    if (found[0] === ",") yield path.slice(0, found.index) + "]";
  }
}

const PART = /,|"(?:[^"\\]|\\.)*"/g;
