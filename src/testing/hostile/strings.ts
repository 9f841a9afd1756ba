/**
 * Strings that aren't text, in every place where a string can stand. For tests
 * only.
 *
 * @module
 */

import { Kind } from "../../protocol/kinds.ts";
import type { Random } from "../random.ts";
import {
  bytesOf,
  type HostileRequest,
  makeFromSchema,
  makeView,
  put,
  request,
  sendData,
  type Text,
  validate,
} from "./requests.ts";

/** Sequences that aren't UTF-8, and the end of a string of C. */
const BAD: readonly (readonly number[])[] = [
  [0xff],
  [0x80],
  [0xc3],
  [0xc3, 0x28],
  [0xc0, 0x80],
  [0xe2, 0x82],
  [0xe0, 0x80, 0xaf],
  [0xed, 0xa0, 0x80],
  [0xf0, 0x28, 0x8c, 0xbc],
  [0xf4, 0x90, 0x80, 0x80],
  [0xf8, 0x88, 0x80, 0x80, 0x80],
  [0x00],
];

/** A string that no engine may have. */
export function badText(random: Random): Uint8Array {
  const text = (length: number) => "é1a".repeat(length);
  return joined(
    text(random.below(3)),
    Uint8Array.from(random.pick(BAD)),
    text(random.below(3)),
  );
}

function joined(...texts: readonly Text[]): Uint8Array {
  const all = texts.map(bytesOf);
  const bytes = new Uint8Array(all.reduce((sum, it) => sum + it.length, 0));
  let at = 0;
  for (const it of all) {
    bytes.set(it, at);
    at += it.length;
  }
  return bytes;
}

const CHANGES = [Kind.TABLE_UPDATE, Kind.TABLE_REPLACE, Kind.MAKE_TABLE];

type Place = (bad: Uint8Array, random: Random) => HostileRequest;

/** On a table `play` and its view `flat`. */
export const PLACES: Readonly<Record<string, Place>> = {
  "the name of a table": (bad, random) =>
    request(
      random.pick([
        Kind.TABLE_SIZE,
        Kind.TABLE_SCHEMA,
        Kind.TABLE_MAKE_PORT,
        Kind.TABLE_DELETE,
        Kind.TABLE_ON_DELETE,
        Kind.TABLE_REMOVE_DELETE,
      ]),
      bad,
    ),
  "the name of a table with data": (bad, random) =>
    sendData(
      random.pick([...CHANGES, Kind.TABLE_REMOVE]),
      bad,
      "rows",
      "[]",
    ),
  "the name of a table that is viewed": (bad) => makeView(bad, "x"),
  "the name of a table with expressions": (bad) => validate(bad, "e", "1"),
  "the id of a view": (bad, random) =>
    request(
      random.pick([
        Kind.VIEW_DELETE,
        Kind.VIEW_SCHEMA,
        Kind.VIEW_TO_CSV,
        Kind.VIEW_TO_ARROW,
        Kind.VIEW_ON_UPDATE,
        Kind.VIEW_REMOVE_ON_UPDATE,
        Kind.VIEW_EXPAND,
        Kind.VIEW_COLUMN_PATHS,
      ]),
      bad,
    ),
  "where none belongs": (bad, random) =>
    request(random.pick([Kind.GET_FEATURES, Kind.GET_HOSTED_TABLES]), bad),
  "the id of a new view": (bad) => makeView("play", bad),
  group_by: (bad) => makeView("play", "x", { groupBy: ["g", bad] }),
  split_by: (bad) => makeView("play", "x", { splitBy: [bad] }),
  columns: (bad) => makeView("play", "x", { columns: ["k", bad] }),
  "the column of a filter": (bad) =>
    makeView("play", "x", { filters: [[bad, "==", "a"]] }),
  "the operator of a filter": (bad) =>
    makeView("play", "x", { filters: [["s", bad, "a"]] }),
  "the value of a filter": (bad) =>
    makeView("play", "x", { filters: [["s", "in", "a", bad]] }),
  "the column of a sort": (bad) => makeView("play", "x", { sorts: [[bad, 1]] }),
  "the name of an expression": (bad) =>
    makeView("play", "x", { expressions: [[bad, "1"]] }),
  "an expression": (bad) =>
    makeView("play", "x", {
      expressions: [["e", joined("'", bad, "'")]],
    }),
  "the column of an aggregate": (bad) =>
    makeView("play", "x", { groupBy: ["g"], aggregates: [[bad, "sum"]] }),
  "an aggregate": (bad) =>
    makeView("play", "x", { groupBy: ["g"], aggregates: [["k", bad]] }),
  "the argument of an aggregate": (bad) =>
    makeView("play", "x", {
      groupBy: ["g"],
      aggregates: [["k", "max by", bad]],
    }),
  "the name of a window": (bad) =>
    makeView("play", "x", { windows: [[bad, "k", "sum", "g", "k"]] }),
  "the source of a window": (bad) =>
    makeView("play", "x", { windows: [["w", bad, "sum", "g", "k"]] }),
  "the operation of a window": (bad) =>
    makeView("play", "x", { windows: [["w", "k", bad, "g", "k"]] }),
  "the partition of a window": (bad) =>
    makeView("play", "x", { windows: [["w", "k", "sum", bad, "k"]] }),
  "the order of a window": (bad) =>
    makeView("play", "x", { windows: [["w", "k", "sum", "g", bad]] }),
  "the name of an expression that is validated": (bad) =>
    validate("play", bad, "1"),
  "an expression that is validated": (bad) =>
    validate("play", "e", joined("'", bad, "'")),
  "the column of view_get_min_max": (bad) =>
    request(Kind.VIEW_GET_MIN_MAX, "flat", put(1, bad)),
  "the compression of Arrow": (bad) =>
    request(Kind.VIEW_TO_ARROW, "flat", put(2, bad)),
  "the index of a table": (bad) =>
    makeFromSchema("new", [["k", 3]], put(1, bad)),
  "the view that data come from": (bad, random) =>
    sendData(random.pick(CHANGES), "play", "view", bad),
  "a column of a schema": (bad) => makeFromSchema("new", [["k", 3], [bad, 0]]),
  "a column of rows": (bad, random) =>
    sendData(
      random.pick(CHANGES),
      "play",
      "rows",
      joined('[{"k":1,"', bad, '":1}]'),
    ),
  "a value of rows": (bad, random) =>
    sendData(
      random.pick(CHANGES),
      "play",
      "rows",
      joined('[{"k":1,"s":"', bad, '"}]'),
    ),
  "a column of columns": (bad, random) =>
    sendData(random.pick(CHANGES), "play", "cols", joined('{"', bad, '":[1]}')),
  "a value of columns": (bad, random) =>
    sendData(
      random.pick(CHANGES),
      "play",
      "cols",
      joined('{"k":[1],"s":["', bad, '"]}'),
    ),
  "a column of NDJSON": (bad, random) =>
    sendData(random.pick(CHANGES), "play", "ndjson", joined('{"', bad, '":1}')),
  "a value of NDJSON": (bad, random) =>
    sendData(
      random.pick(CHANGES),
      "play",
      "ndjson",
      joined('{"k":1,"s":"', bad, '"}\n'),
    ),
  "a column of CSV": (bad, random) =>
    sendData(random.pick(CHANGES), "play", "csv", joined("k,", bad, "\n1,2\n")),
  "a value of CSV": (bad, random) =>
    sendData(random.pick(CHANGES), "play", "csv", joined("k,s\n1,", bad, "\n")),
  "a key that is removed": (bad) =>
    sendData(Kind.TABLE_REMOVE, "play", "rows", joined('["', bad, '"]')),
  "the field of a join": (bad, random) => {
    const at = random.pick([1, 2, 3, 5]);
    const names = ["", "play", "play", "k", "", "k"];
    return request(Kind.MAKE_JOIN_TABLE, "join", (w) => {
      for (const field of [1, 2, 3, 5]) {
        put(field, field === at ? bad : names[field]!)(w);
      }
    });
  },
};
