/**
 * What has to be known of tables and views to judge a request.
 *
 * @module
 */

import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import type { Known, Need } from "../guards/view_config.ts";
import {
  type ColumnType,
  columnTypes,
  expressionTypes,
} from "../protocol/column_types.ts";
import { forEachField } from "../protocol/fields.ts";
import { Reframed, utf8 } from "../protocol/frame.ts";
import { Kind, SERVER_ERROR } from "../protocol/kinds.ts";
import { makeViewRequest } from "../protocol/requests.ts";
import { rowsOf } from "../protocol/table_copy.ts";
import type { Asker } from "./asker.ts";
import type { Replica } from "./replica.ts";
import { ownRoute } from "./route.ts";
import type { Step } from "./session_host.ts";
import type { EngineView } from "./view.ts";

/** A table's columns, and their types. */
export type Columns = ReadonlyMap<string, ColumnType>;

const NO_CONTENT = new Uint8Array(0);

/** Asks engines about tables, on behalf of a session. */
export class TableFacts {
  readonly #asker: Asker;

  /** Asks in the turn of `asker`'s session. */
  constructor(asker: Asker) {
    this.#asker = asker;
  }

  /** The columns of `table`; `undefined` if there is no such table. */
  async columns(
    table: string,
    replica: Replica,
  ): Promise<Columns | undefined> {
    const { tables } = this.#asker.router;
    const known = tables.columnsOf(table);
    if (known !== undefined) return known;
    const set = tables.expectColumns(table);
    const content = await this.#ask(table, Kind.TABLE_SCHEMA, replica);
    const columns = content && columnTypes(content);
    // Those of others may be deleted and made anew without being told of.
    set(replica.isForeign ? undefined : columns);
    // Who asked at the same time has brought the same.
    return tables.columnsOf(table) ?? columns;
  }

  /** How many rows `table` has. */
  async rows(table: string, replica: Replica): Promise<number> {
    const content = await this.#ask(table, Kind.TABLE_SIZE, replica);
    return content === undefined ? 0 : rowsOf(content);
  }

  /** How many columns `view` has. */
  async columnsOfView(view: EngineView): Promise<number> {
    const { promise, resolve } = Promise.withResolvers<Uint8Array>();
    const kind = Kind.VIEW_DIMENSIONS;
    view.asked(this.#asker.session);
    const msgId = this.#asker.router.register(ownRoute(
      kind,
      (answer, { contentStart, bodyEnd }) =>
        resolve(answer.slice(contentStart, bodyEnd)),
      { on: view },
    ));
    this.#asker.requestOf(view, request(msgId, view.entity, kind), kind);
    return viewColumns(await promise);
  }

  /** The answer to what has to be known of `table` before a view of it is made. */
  async known(
    table: string,
    expressions: ReadonlyMap<string, string>,
    { distinct, types }: Need,
    replica: Replica,
  ): Promise<Known> {
    return {
      distinct: distinct.length === 0
        ? new Map()
        : await this.#distinct(table, expressions, distinct, replica),
      types: types.length === 0
        ? new Map()
        : await this.#types(table, expressions, types, replica),
    };
  }

  async #types(
    table: string,
    expressions: ReadonlyMap<string, string>,
    names: readonly string[],
    replica: Replica,
  ): Promise<Columns> {
    const map = new BinaryWriter();
    for (const name of names) {
      map.tag(1, 2).fork();
      map.tag(1, 2).string(name).tag(2, 2).string(expressions.get(name) ?? "");
      map.join();
    }
    const kind = Kind.TABLE_VALIDATE_EXPR;
    const content = await this.#ask(table, kind, replica, map.finish());
    return content === undefined ? new Map() : expressionTypes(content);
  }

  /**
   * Has the engine count, in a view that has one group: that takes 0.1 s for a
   * column of 100,000 rows, which is what to group by it takes if it has few
   * values, where to split by it may take minutes if it has many.
   */
  async #distinct(
    table: string,
    expressions: ReadonlyMap<string, string>,
    names: readonly string[],
    replica: Replica,
  ): Promise<ReadonlyMap<string, number>> {
    const { router, session } = this.#asker;
    const one = `one ${crypto.randomUUID()}`;
    const needed = [...expressions].filter(([name]) => names.includes(name));
    const config = countingConfig(one, names, new Map([...needed, [one, "1"]]));
    const source = { table, shape: "count", replica, config, isGrouped: true };
    const view = router.viewNames.next(source, session);
    view.state = "gone"; // nobody has it
    const { promise, resolve } = Promise.withResolvers<
      Uint8Array | undefined
    >();
    const makeId = router.register(ownRoute(Kind.TABLE_MAKE_VIEW, () => {}));
    const readId = router.register(ownRoute(
      Kind.VIEW_TO_COLUMNS_STRING,
      (answer, { kind, contentStart, bodyEnd }) =>
        resolve(
          kind === SERVER_ERROR
            ? undefined
            : answer.slice(contentStart, bodyEnd),
        ),
    ));
    const deleteId = router.register(ownRoute(Kind.VIEW_DELETE, () => {}));
    const steps: Step[] = [
      {
        frame: makeViewRequest(makeId, utf8(table), view.id, config),
        kind: Kind.TABLE_MAKE_VIEW,
      },
      {
        frame: request(
          readId,
          view.entity,
          Kind.VIEW_TO_COLUMNS_STRING,
          new BinaryWriter().tag(1, 2).fork().tag(3, 0).uint32(1).join()
            .finish(),
        ),
        kind: Kind.VIEW_TO_COLUMNS_STRING,
      },
      {
        frame: request(deleteId, view.entity, Kind.VIEW_DELETE),
        kind: Kind.VIEW_DELETE,
      },
    ];
    this.#asker.together(view, steps);
    const content = await promise;
    return content === undefined ? new Map() : countsIn(content, names);
  }

  /** The content of the answer; `undefined` if it is an error. */
  #ask(
    table: string,
    kind: number,
    replica: Replica,
    content: Uint8Array = NO_CONTENT,
  ): Promise<Uint8Array | undefined> {
    const { router } = this.#asker;
    const { promise, resolve } = Promise.withResolvers<
      Uint8Array | undefined
    >();
    const msgId = router.register(ownRoute(
      kind,
      (answer, { kind, contentStart, bodyEnd }) =>
        resolve(
          kind === SERVER_ERROR
            ? undefined
            : answer.slice(contentStart, bodyEnd),
        ),
    ));
    const frame = request(msgId, utf8(table), kind, content);
    this.#asker.request(frame, kind, replica, table, "");
    return promise;
  }
}

function request(
  msgId: number,
  entity: Uint8Array,
  kind: number,
  content: Uint8Array = NO_CONTENT,
): Reframed {
  const body = new BinaryWriter().tag(kind, 2).bytes(content).finish();
  return new Reframed(msgId, entity, body);
}

/** A `ViewConfig` with one group, of `one`, that counts values of `names`. */
function countingConfig(
  one: string,
  names: readonly string[],
  expressions: ReadonlyMap<string, string>,
): Uint8Array {
  const config = new BinaryWriter().tag(1, 2).string(one);
  const columns = new BinaryWriter();
  for (const name of names) columns.tag(1, 2).string(name);
  config.tag(3, 2).fork().tag(2, 2).bytes(columns.finish()).join();
  for (const [name, text] of expressions) {
    config.tag(6, 2).fork().tag(1, 2).string(name).tag(2, 2).string(text)
      .join();
  }
  for (const name of names) {
    config.tag(7, 2).fork().tag(1, 2).string(name);
    config.tag(2, 2).fork().tag(1, 2).string("distinct count").join().join();
  }
  return config.finish();
}

/** How many columns a view has, in the content of its `view_dimensions`. */
function viewColumns(content: Uint8Array): number {
  let columns = 0;
  forEachField(content, (field, reader, wireType) => {
    if (field === 4 && wireType === 0) columns = reader.uint32();
    else reader.skip(wireType, field);
  });
  return columns;
}

/**
 * The counts in the content of an answer to `view_to_columns_string`. Whatever
 * else stands there, such as the paths of rows, is left out, and counts as
 * unique.
 */
function countsIn(
  content: Uint8Array,
  names: readonly string[],
): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  const reader = new BinaryReader(content);
  const [field, wireType] = reader.tag();
  if (field !== 1 || wireType !== 2) return counts;
  const json = JSON.parse(reader.string());
  for (const name of names) {
    const count: unknown = json[name]?.[0];
    if (typeof count === "number") counts.set(name, count);
  }
  return counts;
}
