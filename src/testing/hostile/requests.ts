/**
 * Requests in which any string may be anything, even no text. For tests only.
 *
 * @module
 */

import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { Kind } from "../../protocol/kinds.ts";
import { type Fill, message } from "../frames.ts";

/** A string, or the bytes that stand in its place. */
export type Text = string | Uint8Array;

/** A request before it has a `msg_id`. */
export interface HostileRequest {
  readonly kind: number;
  readonly entity: Text;
  readonly content: Uint8Array;
}

const encoder = new TextEncoder();

/** The bytes of a string. */
export function bytesOf(text: Text): Uint8Array {
  return typeof text === "string" ? encoder.encode(text) : text;
}

/** A request in short. */
export function request(
  kind: number,
  entity: Text,
  content: Fill = () => {},
): HostileRequest {
  return { kind, entity, content: message(content) };
}

/** The frame of a request. */
export function frameOf(
  msgId: number,
  { kind, entity, content }: HostileRequest,
): Uint8Array {
  return new BinaryWriter().tag(1, 0).uint32(msgId)
    .tag(2, 2).bytes(bytesOf(entity)).tag(kind, 2).bytes(content).finish();
}

/** One string in `field`. */
export function put(field: number, text: Text): Fill {
  return (w) => w.tag(field, 2).bytes(bytesOf(text));
}

/** Forms of data, by their fields in `MakeTableData`. */
const FORMS = { csv: 2, arrow: 3, rows: 4, cols: 5, view: 6, ndjson: 7 };

/** A form in which data are sent. */
export type Form = keyof typeof FORMS;

/** Makes or changes `table`. */
export function sendData(
  kind: number,
  table: Text,
  form: Form,
  data: Text,
): HostileRequest {
  return request(kind, table, (w) => {
    w.tag(1, 2).fork();
    put(FORMS[form], data)(w);
    w.join();
  });
}

/** Makes `table` of columns, whose types are as `ColumnType` numbers them. */
export function makeFromSchema(
  table: Text,
  columns: readonly (readonly [Text, number])[],
  options?: Fill,
): HostileRequest {
  return request(Kind.MAKE_TABLE, table, (w) => {
    w.tag(1, 2).fork().tag(1, 2).fork();
    for (const [name, type] of columns) {
      w.tag(1, 2).fork();
      put(1, name)(w);
      w.tag(2, 0).int32(type).join();
    }
    w.join().join();
    if (options !== undefined) w.tag(2, 2).bytes(message(options));
  });
}

/** A `ViewConfig`, in which what isn't given is left out. */
export interface HostileConfig {
  readonly groupBy?: readonly Text[];
  readonly splitBy?: readonly Text[];
  readonly columns?: readonly Text[];
  readonly filters?: readonly (readonly [
    column: Text,
    op: Text,
    ...values: readonly (Text | number)[],
  ])[];
  readonly sorts?: readonly (readonly [column: Text, op: number])[];
  readonly expressions?: readonly (readonly [name: Text, text: Text])[];
  readonly aggregates?: readonly (readonly [
    column: Text,
    ...how: readonly Text[],
  ])[];
  /** Name, source, operation, partition and order. */
  readonly windows?: readonly (readonly [Text, Text, Text, Text, Text])[];
}

/** Makes a view of `table`. */
export function makeView(
  table: Text,
  id: Text,
  config: HostileConfig = {},
): HostileRequest {
  return request(Kind.TABLE_MAKE_VIEW, table, (w) => {
    put(1, id)(w);
    w.tag(2, 2).bytes(message(configOf(config)));
  });
}

function configOf(config: HostileConfig): Fill {
  return (w) => {
    for (const it of config.groupBy ?? []) put(1, it)(w);
    for (const it of config.splitBy ?? []) put(2, it)(w);
    if (config.columns !== undefined) {
      w.tag(3, 2).fork().tag(2, 2).fork();
      for (const it of config.columns) put(1, it)(w);
      w.join().join();
    }
    for (const [column, op, ...values] of config.filters ?? []) {
      w.tag(4, 2).fork();
      put(1, column)(w);
      put(2, op)(w);
      for (const value of values) {
        w.tag(3, 2).fork();
        if (typeof value === "number") w.tag(4, 1).double(value);
        else put(6, value)(w);
        w.join();
      }
      w.join();
    }
    for (const [column, op] of config.sorts ?? []) {
      w.tag(5, 2).fork();
      put(1, column)(w);
      w.tag(2, 0).int32(op).join();
    }
    for (const [name, text] of config.expressions ?? []) {
      w.tag(6, 2).fork();
      put(1, name)(w);
      put(2, text)(w);
      w.join();
    }
    for (const [column, ...how] of config.aggregates ?? []) {
      w.tag(7, 2).fork();
      put(1, column)(w);
      w.tag(2, 2).fork();
      for (const it of how) put(1, it)(w);
      w.join().join();
    }
    for (const [name, source, op, partition, order] of config.windows ?? []) {
      w.tag(11, 2).fork();
      put(1, name)(w);
      w.tag(2, 2).fork();
      put(2, source)(w);
      put(3, op)(w);
      put(4, partition)(w);
      w.tag(5, 2).fork();
      put(1, order)(w);
      w.join().join().join();
    }
  };
}

/** Validates an expression. */
export function validate(table: Text, name: Text, text: Text): HostileRequest {
  return request(Kind.TABLE_VALIDATE_EXPR, table, (w) => {
    w.tag(1, 2).fork();
    put(1, name)(w);
    put(2, text)(w);
    w.join();
  });
}

/** Reads `view`: rows and columns from where to where. */
export function read(
  view: Text,
  viewport: {
    readonly startRow?: number;
    readonly startColumn?: number;
    readonly endRow?: number;
    readonly endColumn?: number;
  } = {},
  kind: number = Kind.VIEW_TO_COLUMNS_STRING,
): HostileRequest {
  const { startRow, startColumn, endRow, endColumn } = viewport;
  return request(kind, view, (w) => {
    w.tag(1, 2).fork();
    [startRow, startColumn, endRow, endColumn].forEach((it, i) => {
      if (it !== undefined) w.tag(i + 1, 0).uint32(it);
    });
    w.join();
  });
}

/** Deletes `view`. */
export function deleteView(view: Text): HostileRequest {
  return request(Kind.VIEW_DELETE, view);
}
