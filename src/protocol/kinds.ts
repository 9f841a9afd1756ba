/**
 * The kinds of request that Perspective's protocol knows. The number of the
 * field that a frame fills in its `oneof` is the kind.
 *
 * @module
 */

/**
 * A line of Perspective's packages: `"3"` is `@finos/perspective` 3.x, `"5"`
 * its successor `@perspective-dev/client` 5.x. Engines and clients of both
 * lines write the same frames, but for a few kinds and answers.
 */
export type Line = "3" | "5";

/** What a request is about, and so whose `entity_id` it carries. */
export type EntityType = "server" | "table" | "view";

/**
 * What a request does, as far as routing is concerned.
 *
 * - `read`: answers and changes nothing
 * - `change`: changes tables, so it goes through the sequencer
 * - `make_view`, `delete_view`: begin and end a view
 * - `view_state`: changes a view for whoever reads it
 * - `subscribe`, `unsubscribe`: begin and end a stream of pushes
 */
export type Effect =
  | "read"
  | "change"
  | "make_view"
  | "delete_view"
  | "view_state"
  | "subscribe"
  | "unsubscribe";

/** What the router knows of a kind. */
export interface KindInfo {
  /** The protocol's own name. */
  readonly name: string;
  /** Whose name stands in `entity_id`. */
  readonly entity: EntityType;
  /** What the request does. */
  readonly effect: Effect;
  /** For `unsubscribe`: the kind of the subscription it ends. */
  readonly ends?: number;
  /** `"5"` for the kinds that engines of line 3 don't have. */
  readonly since?: "5";
}

/** The kinds by name. */
export const Kind = {
  GET_FEATURES: 3,
  GET_HOSTED_TABLES: 4,
  TABLE_MAKE_PORT: 5,
  TABLE_MAKE_VIEW: 6,
  TABLE_SCHEMA: 7,
  TABLE_SIZE: 8,
  TABLE_VALIDATE_EXPR: 9,
  VIEW_COLUMN_PATHS: 10,
  VIEW_DELETE: 11,
  VIEW_DIMENSIONS: 12,
  VIEW_EXPRESSION_SCHEMA: 13,
  VIEW_GET_CONFIG: 14,
  VIEW_SCHEMA: 15,
  VIEW_TO_ARROW: 16,
  SERVER_SYSTEM_INFO: 17,
  VIEW_COLLAPSE: 18,
  VIEW_EXPAND: 19,
  VIEW_GET_MIN_MAX: 20,
  VIEW_ON_UPDATE: 21,
  VIEW_REMOVE_ON_UPDATE: 22,
  VIEW_SET_DEPTH: 23,
  VIEW_TO_COLUMNS_STRING: 24,
  VIEW_TO_CSV: 25,
  VIEW_TO_ROWS_STRING: 26,
  MAKE_TABLE: 27,
  TABLE_DELETE: 28,
  TABLE_ON_DELETE: 29,
  TABLE_REMOVE_DELETE: 30,
  TABLE_REMOVE: 31,
  TABLE_REPLACE: 32,
  TABLE_UPDATE: 33,
  VIEW_ON_DELETE: 34,
  VIEW_REMOVE_DELETE: 35,
  VIEW_TO_NDJSON_STRING: 36,
  REMOVE_HOSTED_TABLES_UPDATE: 37,
  MAKE_JOIN_TABLE: 38,
  VIEW_ON_REMOVE: 39,
  VIEW_REMOVE_ON_REMOVE: 40,
} as const;

/** A kind that this package knows. */
export type KnownKind = typeof Kind[keyof typeof Kind];

/** The field of a response that carries an error instead of an answer. */
export const SERVER_ERROR = 50;

const read = (name: string, entity: EntityType): KindInfo => ({
  name,
  entity,
  effect: "read",
});
const change = (name: string): KindInfo => ({
  name,
  entity: "table",
  effect: "change",
});
const subscribe = (name: string, entity: EntityType): KindInfo => ({
  name,
  entity,
  effect: "subscribe",
});
const unsubscribe = (
  name: string,
  entity: EntityType,
  ends: KnownKind,
): KindInfo => ({ name, entity, effect: "unsubscribe", ends });

/**
 * Every kind and what it does. A kind without an entry doesn't compile.
 *
 * `get_hosted_tables` is listed as a read; with its `subscribe` field set it
 * is a subscription, which only its payload tells.
 */
const KINDS: Readonly<Record<KnownKind, KindInfo>> = {
  [Kind.GET_FEATURES]: read("get_features", "server"),
  [Kind.GET_HOSTED_TABLES]: read("get_hosted_tables", "server"),
  [Kind.TABLE_MAKE_PORT]: change("table_make_port"),
  [Kind.TABLE_MAKE_VIEW]: {
    name: "table_make_view",
    entity: "table",
    effect: "make_view",
  },
  [Kind.TABLE_SCHEMA]: read("table_schema", "table"),
  [Kind.TABLE_SIZE]: read("table_size", "table"),
  [Kind.TABLE_VALIDATE_EXPR]: read("table_validate_expr", "table"),
  [Kind.VIEW_COLUMN_PATHS]: read("view_column_paths", "view"),
  [Kind.VIEW_DELETE]: {
    name: "view_delete",
    entity: "view",
    effect: "delete_view",
  },
  [Kind.VIEW_DIMENSIONS]: read("view_dimensions", "view"),
  [Kind.VIEW_EXPRESSION_SCHEMA]: read("view_expression_schema", "view"),
  [Kind.VIEW_GET_CONFIG]: read("view_get_config", "view"),
  [Kind.VIEW_SCHEMA]: read("view_schema", "view"),
  [Kind.VIEW_TO_ARROW]: read("view_to_arrow", "view"),
  [Kind.SERVER_SYSTEM_INFO]: read("server_system_info", "server"),
  [Kind.VIEW_COLLAPSE]: {
    name: "view_collapse",
    entity: "view",
    effect: "view_state",
  },
  [Kind.VIEW_EXPAND]: {
    name: "view_expand",
    entity: "view",
    effect: "view_state",
  },
  [Kind.VIEW_GET_MIN_MAX]: read("view_get_min_max", "view"),
  [Kind.VIEW_ON_UPDATE]: subscribe("view_on_update", "view"),
  [Kind.VIEW_REMOVE_ON_UPDATE]: unsubscribe(
    "view_remove_on_update",
    "view",
    Kind.VIEW_ON_UPDATE,
  ),
  [Kind.VIEW_SET_DEPTH]: {
    name: "view_set_depth",
    entity: "view",
    effect: "view_state",
  },
  [Kind.VIEW_TO_COLUMNS_STRING]: read("view_to_columns_string", "view"),
  [Kind.VIEW_TO_CSV]: read("view_to_csv", "view"),
  [Kind.VIEW_TO_ROWS_STRING]: read("view_to_rows_string", "view"),
  [Kind.MAKE_TABLE]: change("make_table"),
  [Kind.TABLE_DELETE]: change("table_delete"),
  [Kind.TABLE_ON_DELETE]: subscribe("table_on_delete", "table"),
  [Kind.TABLE_REMOVE_DELETE]: unsubscribe(
    "table_remove_delete",
    "table",
    Kind.TABLE_ON_DELETE,
  ),
  [Kind.TABLE_REMOVE]: change("table_remove"),
  [Kind.TABLE_REPLACE]: change("table_replace"),
  [Kind.TABLE_UPDATE]: change("table_update"),
  [Kind.VIEW_ON_DELETE]: subscribe("view_on_delete", "view"),
  [Kind.VIEW_REMOVE_DELETE]: unsubscribe(
    "view_remove_delete",
    "view",
    Kind.VIEW_ON_DELETE,
  ),
  [Kind.VIEW_TO_NDJSON_STRING]: read("view_to_ndjson_string", "view"),
  [Kind.REMOVE_HOSTED_TABLES_UPDATE]: unsubscribe(
    "remove_hosted_tables_update",
    "server",
    Kind.GET_HOSTED_TABLES,
  ),
  [Kind.MAKE_JOIN_TABLE]: { ...change("make_join_table"), since: "5" },
  [Kind.VIEW_ON_REMOVE]: {
    ...subscribe("view_on_remove", "view"),
    since: "5",
  },
  [Kind.VIEW_REMOVE_ON_REMOVE]: {
    ...unsubscribe("view_remove_on_remove", "view", Kind.VIEW_ON_REMOVE),
    since: "5",
  },
};

// Read on every frame: an array lookup instead of a property name.
const BY_NUMBER: readonly (KindInfo | undefined)[] = Array.from(
  { length: SERVER_ERROR },
  (_, kind) => KINDS[kind as KnownKind],
);

/** What `kind` does, or `undefined` for a kind that this package doesn't know. */
export function kindInfo(kind: number): KindInfo | undefined {
  return BY_NUMBER[kind];
}

/** Whether the protocol has a kind of that name. */
export function isKindName(name: string): boolean {
  return BY_NUMBER.some((info) => info?.name === name);
}

/** The protocol's name of `kind`, for messages: `table_update (33)`. */
export function kindName(kind: number): string {
  return `${BY_NUMBER[kind]?.name ?? "unknown"} (${kind})`;
}

const ENDED_BY: ReadonlyMap<number, number> = new Map(
  Object.entries(KINDS).flatMap(([kind, { ends }]) =>
    ends === undefined ? [] : [[ends, Number(kind)]]
  ),
);

/** The kind of request that ends a subscription of `kind`. */
export function endedBy(kind: number): number {
  return ENDED_BY.get(kind)!;
}

/** Whether an engine of `line` has `kind`. */
export function hasKind(line: Line, kind: number): boolean {
  const info = BY_NUMBER[kind];
  return info !== undefined && (line === "5" || info.since === undefined);
}
