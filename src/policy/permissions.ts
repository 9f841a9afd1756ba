/**
 * What each kind of request needs.
 *
 * @module
 */

import { Kind, type KnownKind } from "../protocol/kinds.ts";
import type { TableAction } from "./access.ts";

/**
 * What a request needs: something that may be done to the table that it names,
 * or to the table of the view that it names; `undefined` for nothing.
 *
 * A kind without an entry doesn't compile.
 */
const NEEDS: Readonly<Record<KnownKind, TableAction | undefined>> = {
  [Kind.GET_FEATURES]: undefined,
  // What isn't seen is left out of the answer.
  [Kind.GET_HOSTED_TABLES]: undefined,
  // A viewer asks for one though nobody edits in it; only updates make use of it.
  [Kind.TABLE_MAKE_PORT]: "read",
  [Kind.TABLE_MAKE_VIEW]: "read",
  [Kind.TABLE_SCHEMA]: "read",
  [Kind.TABLE_SIZE]: "read",
  [Kind.TABLE_VALIDATE_EXPR]: "read",
  [Kind.VIEW_COLUMN_PATHS]: "read",
  // Whoever may not read any more may still tidy up.
  [Kind.VIEW_DELETE]: undefined,
  [Kind.VIEW_DIMENSIONS]: "read",
  [Kind.VIEW_EXPRESSION_SCHEMA]: "read",
  [Kind.VIEW_GET_CONFIG]: "read",
  [Kind.VIEW_SCHEMA]: "read",
  [Kind.VIEW_TO_ARROW]: "read",
  [Kind.SERVER_SYSTEM_INFO]: undefined,
  [Kind.VIEW_COLLAPSE]: "read",
  [Kind.VIEW_EXPAND]: "read",
  [Kind.VIEW_GET_MIN_MAX]: "read",
  [Kind.VIEW_ON_UPDATE]: "read",
  [Kind.VIEW_REMOVE_ON_UPDATE]: undefined,
  [Kind.VIEW_SET_DEPTH]: "read",
  [Kind.VIEW_TO_COLUMNS_STRING]: "read",
  [Kind.VIEW_TO_CSV]: "read",
  [Kind.VIEW_TO_ROWS_STRING]: "read",
  [Kind.MAKE_TABLE]: "create",
  [Kind.TABLE_DELETE]: "delete",
  [Kind.TABLE_ON_DELETE]: "see",
  [Kind.TABLE_REMOVE_DELETE]: undefined,
  [Kind.TABLE_REMOVE]: "update",
  [Kind.TABLE_REPLACE]: "update",
  [Kind.TABLE_UPDATE]: "update",
  [Kind.VIEW_ON_DELETE]: "read",
  [Kind.VIEW_REMOVE_DELETE]: undefined,
  [Kind.VIEW_TO_NDJSON_STRING]: "read",
  [Kind.REMOVE_HOSTED_TABLES_UPDATE]: undefined,
  // And "read" on what it joins.
  [Kind.MAKE_JOIN_TABLE]: "create",
  [Kind.VIEW_ON_REMOVE]: "read",
  [Kind.VIEW_REMOVE_ON_REMOVE]: undefined,
};

/** What a request of `kind`, which is known, needs; `undefined` for nothing. */
export function needOf(kind: number): TableAction | undefined {
  return NEEDS[kind as KnownKind];
}
