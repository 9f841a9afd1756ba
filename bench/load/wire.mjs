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
  makeView: 6,
  tableSize: 8,
  deleteView: 11,
  columnsString: 24,
  makeTable: 27,
});

const SERVER_ERROR = 50;

/**
 * Builds a request.
 *
 * @param {number} msgId
 * @param {string} entityId a table's name or a view's id
 * @param {number} kind
 * @param {(writer: BinaryWriter) => void} [body] writes the message's fields
 * @param {Request["check"]} [check]
 * @returns {Request}
 */
export function request(msgId, entityId, kind, body = () => {}, check) {
  const writer = new BinaryWriter();
  writer.tag(1, WireType.Varint).uint32(msgId);
  writer.tag(2, WireType.LengthDelimited).string(entityId);
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
 * @param {Request["check"]} check
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
 */
export function makeTable(msgId, table, arrow) {
  return request(msgId, table, Kind.makeTable, (writer) => {
    writer.tag(1, WireType.LengthDelimited).fork();
    writer.tag(3, WireType.LengthDelimited).bytes(arrow).join();
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
  return request(msgId, table, Kind.makeView, (writer) => {
    writer.tag(1, WireType.LengthDelimited).string(view);
    writer.tag(2, WireType.LengthDelimited).fork().join();
  });
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
 * Says what is wrong with an answer to a request.
 *
 * @param {Request} asked
 * @param {Uint8Array} frame
 * @returns {string | undefined}
 */
export function complaint(asked, frame) {
  const answer = readAnswer(frame);
  if (answer.kind === SERVER_ERROR) {
    return `server error: ${stringField(answer.body, 1)}`;
  }
  if (answer.msgId !== asked.msgId || answer.kind !== asked.kind) {
    return `answer to ${answer.msgId} of kind ${answer.kind}, ` +
      `asked ${asked.msgId} of kind ${asked.kind}`;
  }
  return asked.check?.(answer.body);
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
