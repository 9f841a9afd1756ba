// @ts-check
/**
 * Frames of Perspective's protocol, as few as the rows need: a request is
 * `{ 1: msg_id, 2: entity_id, <kind>: message }`, and so is a response, in
 * which kind 50 is an error.
 */
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

/** @typedef {import("./types.ts").Request} Request */
/** @typedef {import("./types.ts").Answer} Answer */

/** The kinds of request that the rows send. */
export const Kind = Object.freeze({
  features: 3,
  hostedTables: 4,
  makePort: 5,
  makeView: 6,
  tableSchema: 7,
  tableSize: 8,
  validateExpression: 9,
  columnPaths: 10,
  deleteView: 11,
  dimensions: 12,
  expressionSchema: 13,
  viewConfig: 14,
  viewSchema: 15,
  viewToArrow: 16,
  onUpdate: 21,
  columnsString: 24,
  makeTable: 27,
  updateTable: 33,
});

const SERVER_ERROR = 50;

/** How the engine's answer begins to a request of a kind it doesn't know. */
const UNKNOWN_KIND = "Unhandled request type";

/** The number of a sort order. */
const DESCENDING = 2;

/** The number of the way in which a subscriber is told what changed. */
const ROW_MODE = 0;

/**
 * Builds a request.
 *
 * @param {number} msgId
 * @param {string} entityId a table's name or a view's id, or nothing
 * @param {number} kind
 * @param {(writer: BinaryWriter) => void} [body] writes the message's fields
 * @param {Request["check"]} [check]
 * @returns {Request}
 */
export function request(msgId, entityId, kind, body = () => {}, check) {
  const writer = new BinaryWriter();
  writer.tag(1, WireType.Varint).uint32(msgId);
  if (entityId) writer.tag(2, WireType.LengthDelimited).string(entityId);
  writer.tag(kind, WireType.LengthDelimited).fork();
  body(writer);
  const frame = writer.join().finish();
  return check ? { frame, msgId, kind, check } : { frame, msgId, kind };
}

/**
 * `table_size`.
 *
 * @param {number} msgId
 * @param {string} table
 * @param {Request["check"]} [check]
 */
export function tableSize(msgId, table, check) {
  return request(msgId, table, Kind.tableSize, undefined, check);
}

/**
 * `make_table` with the bytes of an Arrow file.
 *
 * @param {number} msgId
 * @param {string} table
 * @param {Uint8Array} arrow
 * @param {string} [index] the column that is the index, if there is one
 */
export function makeTable(msgId, table, arrow, index) {
  return request(msgId, table, Kind.makeTable, (writer) => {
    writer.tag(1, WireType.LengthDelimited).fork();
    writer.tag(3, WireType.LengthDelimited).bytes(arrow).join();
    if (!index) return;
    writer.tag(2, WireType.LengthDelimited).fork();
    writer.tag(1, WireType.LengthDelimited).string(index).join();
  });
}

/**
 * `make_table` without rows.
 *
 * @param {number} msgId
 * @param {string} table
 * @param {Readonly<Record<string, number>>} columns their types' numbers
 */
export function makeTableOf(msgId, table, columns) {
  return request(msgId, table, Kind.makeTable, (writer) => {
    writer.tag(1, WireType.LengthDelimited).fork();
    writer.tag(1, WireType.LengthDelimited).fork();
    for (const [name, type] of Object.entries(columns)) {
      writer.tag(1, WireType.LengthDelimited).fork();
      writer.tag(1, WireType.LengthDelimited).string(name);
      writer.tag(2, WireType.Varint).int32(type).join();
    }
    writer.join().join();
  });
}

/**
 * `table_update` with CSV.
 *
 * @param {number} msgId
 * @param {string} table
 * @param {string} csv
 */
export function updateCsv(msgId, table, csv) {
  return update(msgId, table, 2, csv);
}

/**
 * `table_update` with columns as JSON.
 *
 * @param {number} msgId
 * @param {string} table
 * @param {Readonly<Record<string, readonly unknown[]>>} columns
 */
export function updateColumns(msgId, table, columns) {
  return update(msgId, table, 5, JSON.stringify(columns));
}

/**
 * @param {number} msgId
 * @param {string} table
 * @param {number} format the field of the data
 * @param {string} text
 */
function update(msgId, table, format, text) {
  return request(msgId, table, Kind.updateTable, (writer) => {
    writer.tag(1, WireType.LengthDelimited).fork();
    writer.tag(format, WireType.LengthDelimited).string(text).join();
  });
}

/**
 * `table_make_view` of a flat view: all rows, all columns.
 *
 * @param {number} msgId
 * @param {string} table
 * @param {string} view
 */
export function makeFlatView(msgId, table, view) {
  return makeView(msgId, table, view, {});
}

/**
 * `table_make_view`.
 *
 * @param {number} msgId
 * @param {string} table
 * @param {string} view
 * @param {import("./types.ts").ViewConfig} config
 */
export function makeView(msgId, table, view, config) {
  const { groupBy = [], splitBy = [], columns, atLeast, sort } = config;
  const { aggregates = {} } = config;
  return request(msgId, table, Kind.makeView, (writer) => {
    writer.tag(1, WireType.LengthDelimited).string(view);
    writer.tag(2, WireType.LengthDelimited).fork();
    for (const name of groupBy) {
      writer.tag(1, WireType.LengthDelimited).string(name);
    }
    for (const name of splitBy) {
      writer.tag(2, WireType.LengthDelimited).string(name);
    }
    if (columns) {
      writer.tag(3, WireType.LengthDelimited).fork();
      writer.tag(2, WireType.LengthDelimited).fork();
      for (const name of columns) {
        writer.tag(1, WireType.LengthDelimited).string(name);
      }
      writer.join().join();
    }
    if (atLeast) {
      writer.tag(4, WireType.LengthDelimited).fork();
      writer.tag(1, WireType.LengthDelimited).string(atLeast.column);
      writer.tag(2, WireType.LengthDelimited).string(">=");
      writer.tag(3, WireType.LengthDelimited).fork();
      writer.tag(4, WireType.Bit64).double(atLeast.value).join().join();
    }
    if (sort) {
      writer.tag(5, WireType.LengthDelimited).fork();
      writer.tag(1, WireType.LengthDelimited).string(sort);
      writer.tag(2, WireType.Varint).int32(DESCENDING).join();
    }
    for (const [column, aggregate] of Object.entries(aggregates)) {
      writer.tag(7, WireType.LengthDelimited).fork();
      writer.tag(1, WireType.LengthDelimited).string(column);
      writer.tag(2, WireType.LengthDelimited).fork();
      writer.tag(1, WireType.LengthDelimited).string(aggregate).join().join();
    }
    writer.join();
  });
}

/**
 * `view_on_update` without the rows that changed. Its answers are the pushes.
 *
 * @param {number} msgId
 * @param {string} view
 * @returns {Request}
 */
export function onUpdate(msgId, view) {
  return { ...request(msgId, view, Kind.onUpdate), subscribes: true };
}

/**
 * `view_on_update` with the rows that changed. Its answers are the pushes.
 *
 * @param {number} msgId
 * @param {string} view
 * @returns {Request}
 */
export function onUpdateRows(msgId, view) {
  const asked = request(msgId, view, Kind.onUpdate, (writer) => {
    writer.tag(1, WireType.Varint).int32(ROW_MODE);
  });
  return { ...asked, subscribes: true };
}

/**
 * `view_to_arrow` of all rows.
 *
 * @param {number} msgId
 * @param {string} view
 * @param {Request["check"]} [check]
 */
export function viewToArrow(msgId, view, check) {
  return request(msgId, view, Kind.viewToArrow, (writer) => {
    writer.tag(1, WireType.LengthDelimited).fork().join();
  }, check);
}

/**
 * `view_delete`.
 *
 * @param {number} msgId
 * @param {string} view
 */
export function deleteView(msgId, view) {
  return request(msgId, view, Kind.deleteView);
}

/**
 * `view_to_columns_string` of the rows from `start` to before `end`.
 *
 * @param {number} msgId
 * @param {string} view
 * @param {number} start
 * @param {number} end
 * @param {Request["check"]} check
 */
export function columnsString(msgId, view, start, end, check) {
  return request(msgId, view, Kind.columnsString, (writer) => {
    writer.tag(1, WireType.LengthDelimited).fork();
    writer.tag(1, WireType.Varint).uint32(start);
    writer.tag(3, WireType.Varint).uint32(end).join();
  }, check);
}

/**
 * `view_to_columns_string` as a `<perspective-viewer>` sends it: the upper
 * left corner of the view, with the rows' ids.
 *
 * @param {number} msgId
 * @param {string} view
 * @param {number} rows
 * @param {number} columns
 * @param {Request["check"]} check
 */
export function cornerString(msgId, view, rows, columns, check) {
  return request(msgId, view, Kind.columnsString, (writer) => {
    writer.tag(1, WireType.LengthDelimited).fork();
    writer.tag(1, WireType.Varint).uint32(0);
    writer.tag(2, WireType.Varint).uint32(0);
    writer.tag(3, WireType.Varint).uint32(rows);
    writer.tag(4, WireType.Varint).uint32(columns).join();
    writer.tag(2, WireType.Varint).bool(true);
  }, check);
}

/**
 * `view_to_columns_string` of all rows.
 *
 * @param {number} msgId
 * @param {string} view
 * @param {Request["check"]} check
 */
export function allColumnsString(msgId, view, check) {
  return request(msgId, view, Kind.columnsString, (writer) => {
    writer.tag(1, WireType.LengthDelimited).fork().join();
  }, check);
}

/**
 * Says what is wrong with an answer to a request.
 *
 * @param {Request} asked
 * @param {Uint8Array} frame
 * @returns {string | undefined}
 */
export function complaint(asked, frame) {
  const answer = readAnswer(frame);
  if (answer.kind === SERVER_ERROR) {
    const message = stringField(answer.body, 1);
    if (asked.optional && message.startsWith(UNKNOWN_KIND)) return undefined;
    return `server error: ${message}`;
  }
  if (answer.msgId !== asked.msgId || answer.kind !== asked.kind) {
    return `answer to ${answer.msgId} of kind ${answer.kind}, ` +
      `asked ${asked.msgId} of kind ${asked.kind}`;
  }
  return asked.check?.(answer.body);
}

/**
 * Like `complaint`, but doesn't look into the message.
 *
 * @param {Request} asked
 * @param {Uint8Array} frame
 */
export function quickComplaint({ msgId, kind }, frame) {
  return complaint({ frame, msgId, kind }, frame);
}

/**
 * The `msg_id` of a response, which is its first field.
 *
 * @param {Uint8Array} frame
 */
export function msgIdOf(frame) {
  const reader = new BinaryReader(frame);
  const [field] = reader.tag();
  return field === 1 ? reader.uint32() : 0;
}

/**
 * Takes a response apart.
 *
 * @param {Uint8Array} frame
 * @returns {Answer}
 */
export function readAnswer(frame) {
  let msgId = 0;
  let kind = 0;
  /** @type {Uint8Array} */
  let body = new Uint8Array();
  const reader = new BinaryReader(frame);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === 1) msgId = reader.uint32();
    else if (field === 2) reader.skip(type, field);
    else [kind, body] = [field, reader.bytes()];
  }
  return { msgId, kind, body };
}

/**
 * A string field of a message, `""` if it isn't there.
 *
 * @param {Uint8Array} message
 * @param {number} wanted the field's number
 */
export function stringField(message, wanted) {
  const reader = new BinaryReader(message);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === wanted) return reader.string();
    reader.skip(type, field);
  }
  return "";
}

/**
 * A field of bytes of a message, none if it isn't there.
 *
 * @param {Uint8Array} message
 * @param {number} wanted the field's number
 * @returns {Uint8Array}
 */
export function bytesField(message, wanted) {
  const reader = new BinaryReader(message);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === wanted) return reader.bytes();
    reader.skip(type, field);
  }
  return new Uint8Array();
}

/**
 * A uint32 field of a message, 0 if it isn't there.
 *
 * @param {Uint8Array} message
 * @param {number} wanted the field's number
 */
export function uint32Field(message, wanted) {
  const reader = new BinaryReader(message);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === wanted) return reader.uint32();
    reader.skip(type, field);
  }
  return 0;
}
