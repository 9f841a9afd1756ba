/**
 * Requests that engines die of. For tests only.
 *
 * Left out are those that never end, take gigabytes or do damage without a
 * sign: a worker's thread would go on burning a core, or wrong answers come.
 *
 * @module
 */

import { Kind, type Line } from "../../protocol/kinds.ts";
import { type Fill, makeView, message } from "../frames.ts";
import { entry } from "../differential/asks.ts";
import { writeColumns } from "../differential/view_config.ts";

/** A request that kills the engine. */
export interface Killer {
  readonly name: string;
  readonly kind: number;
  /** Of which engines it is known that they die of it. */
  readonly lines: readonly Line[];
  /** Whether it is about a table that isn't there yet. */
  readonly isNew: boolean;
  /** What is asked; with the name of a view that isn't there yet. */
  content(view: string): Fill;
}

const BOTH: readonly Line[] = ["3", "5"];

/** All of them (ENGINE 6.4, 9.18, 9.19). */
export const KILLERS: readonly Killer[] = [
  change("a table of nested arrays", Kind.MAKE_TABLE, nestedRows()),
  change("a table of nested objects", Kind.MAKE_TABLE, nestedObjects()),
  {
    ...change(
      "a table of columns of unequal length",
      Kind.MAKE_TABLE,
      data(5, `{"k":[${"1,".repeat(50_000)}1],"g":["A"]}`),
    ),
    lines: ["3"],
  },
  change("an update of nested arrays", Kind.TABLE_UPDATE, nestedRows()),
  change("an update of nested objects", Kind.TABLE_UPDATE, nestedObjects()),
  change("a replacement", Kind.TABLE_REPLACE, nestedObjects()),
  change(
    "columns of nested arrays",
    Kind.TABLE_UPDATE,
    data(5, `{"k":[${nested("[", "", "]", 200_000)}]}`),
  ),
  change(
    "lines of nested arrays",
    Kind.TABLE_UPDATE,
    data(7, `{"k":${nested("[", "", "]", 200_000)}}\n{"k":1}\n`),
  ),
  change(
    "a removal of nested arrays",
    Kind.TABLE_REMOVE,
    data(4, `[${nested("[", "", "]", 200_000)}]`),
  ),
  ...[60, 200, 2000].map((levels) =>
    ofExpression(
      `an expression of ${levels} levels`,
      nested("(1 + ", "1", ")", levels),
    )
  ),
  ofExpression("parentheses", nested("(", "7", ")", 300)),
  ...[40, 200].map((levels): Killer => ({
    name: `validating ${levels} levels`,
    kind: Kind.TABLE_VALIDATE_EXPR,
    lines: BOTH,
    isNew: false,
    content: () => entry(1, "e", nested("(1 + ", "1", ")", levels)),
  })),
];

/** Those that kill an engine of `line`. */
export function killersOf(line: Line): readonly Killer[] {
  return KILLERS.filter(({ lines }) => lines.includes(line));
}

function nested(
  open: string,
  inner: string,
  close: string,
  levels: number,
): string {
  return open.repeat(levels) + inner + close.repeat(levels);
}

function nestedRows(): Fill {
  return data(4, `[{"k":${nested("[", "", "]", 200_000)}}]`);
}

function nestedObjects(): Fill {
  return data(4, `[${nested('{"k":', "1", "}", 100_000)}]`);
}

/** What stands in `field` of `MakeTableData`. */
function data(field: number, value: string): Fill {
  return (w) => w.tag(1, 2).fork().tag(field, 2).string(value).join();
}

function change(name: string, kind: number, content: Fill): Killer {
  const isNew = kind === Kind.MAKE_TABLE;
  return { name, kind, lines: BOTH, isNew, content: () => content };
}

function ofExpression(name: string, expression: string): Killer {
  return {
    name,
    kind: Kind.TABLE_MAKE_VIEW,
    lines: BOTH,
    isNew: false,
    content: (view) =>
      makeView(
        view,
        message((w) => {
          writeColumns(["e"])(w);
          entry(6, "e", expression)(w);
        }),
      ),
  };
}
