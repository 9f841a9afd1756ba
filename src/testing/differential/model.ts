/**
 * What is known of tables, views, subscriptions and sessions: the answers of
 * servers are the steps' only other source. For tests only.
 *
 * @module
 */

/** The types of columns. */
export type ColumnType =
  | "string"
  | "date"
  | "datetime"
  | "integer"
  | "float"
  | "boolean";

/** A column of a table or a view. */
export interface Column {
  readonly name: string;
  readonly type: ColumnType;
  /** Rows always have a key and the columns that views group by. */
  readonly role: "key" | "pivot" | "value";
}

/** A table, as both servers should have it. */
export interface Table {
  readonly name: string;
  readonly type: "plain" | "indexed" | "limit" | "join";
  readonly columns: readonly Column[];
  /** Whether rows may hold explicit nulls. */
  readonly nulls: boolean;
  readonly ports: number[];
  /** What a join is made of. */
  readonly sources: readonly Table[];
  state: "there" | "waits for its views" | "gone";
}

/** A view of one session. */
export interface View {
  readonly id: string;
  readonly table: Table;
  /** How many levels of groups can be expanded. */
  readonly pivots: number;
  readonly isSplit: boolean;
  /** The columns of a flat view, as a table made of it has them. */
  readonly columns: readonly Column[];
  /** Whether rows that change are recorded, since somebody asked for them. */
  recordsRows: boolean;
  /** Whether some were recorded that nobody was sent. */
  hasOldRows: boolean;
}

/** What a session gets pushes for. */
export interface Subscription {
  readonly msgId: number;
  readonly kind: number;
  readonly entity: string;
  readonly view: View | undefined;
  /** Where deltas are sent on to, as `client.table(view)` does. */
  readonly target: Table | undefined;
  /** Whether it asked for the rows that changed. */
  readonly withRows: boolean;
}

/** A session. */
export interface Client {
  readonly number: number;
  open: boolean;
  readonly views: Map<string, View>;
  readonly subscriptions: Map<number, Subscription>;
  /** No `msg_id` is used twice. */
  readonly usedIds: Set<number>;
}
