// @ts-check
/** Frames that no engine survives, of neither package. */
import { WireType } from "@bufbuild/protobuf/wire";
import { MILLION, TABLE, TABLE_INDEX } from "../load/data.mjs";
import { Kind, request } from "../load/wire.mjs";

/** @typedef {import("../load/types.ts").Request} Request */

/** How deep they are nested. An engine has a stack of 64 KB. */
const JSON_LEVELS = 20_000;
const EXPRESSION_LEVELS = 80;

const { LengthDelimited: TEXT } = WireType;

/**
 * Arrays in arrays, as a value of an update.
 *
 * @param {string} table
 */
function update(table) {
  const index = table === "million" ? MILLION.index : TABLE_INDEX;
  const value = "[".repeat(JSON_LEVELS) + "]".repeat(JSON_LEVELS);
  return request(1, TABLE, Kind.updateTable, (writer) => {
    writer.tag(1, TEXT).fork();
    writer.tag(4, TEXT).string(`[{"${index}":${value}}]`).join();
  });
}

/** Parentheses in parentheses, in an expression of a view. */
function view() {
  const expression = "(1 + ".repeat(EXPRESSION_LEVELS) + "1" +
    ")".repeat(EXPRESSION_LEVELS);
  return request(1, TABLE, Kind.makeView, (writer) => {
    writer.tag(1, TEXT).string("recovery_killer");
    writer.tag(2, TEXT).fork();
    writer.tag(3, TEXT).fork().tag(2, TEXT).fork();
    writer.tag(1, TEXT).string("e").join().join();
    writer.tag(6, TEXT).fork();
    writer.tag(1, TEXT).string("e");
    writer.tag(2, TEXT).string(expression).join();
    writer.join();
  });
}

/**
 * The frame of that name, for that table.
 *
 * @param {string} name
 * @param {string} table
 * @returns {Request}
 */
export function killer(name, table) {
  return name === "view" ? view() : update(table);
}
