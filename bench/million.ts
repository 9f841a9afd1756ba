/**
 * Writes the table of a million rows as an Arrow file, the same each time:
 * `million.ts FILE`. An engine turns it from text into Arrow, so no package
 * is needed for that. Prints how many rows it has.
 */
import { BareEngine } from "./contestants/engine.ts";
import { ENGINES } from "./contestants.ts";
import { MILLION, SYMBOLS, TABLE, VENUES } from "./load/data.mjs";
import {
  bytesField,
  makeFlatView,
  makeTableOf,
  readAnswer,
  tableSize,
  uint32Field,
  updateCsv,
  viewToArrow,
} from "./load/wire.mjs";
import { randomFrom } from "./stats.ts";

/** How many rows go to the engine at once. */
const BATCH = 50_000;

/** The rows from `start` on, as CSV. */
function csv(start: number, random: () => number): string {
  const from = Date.UTC(2026, 0, 1);
  const lines = Array.from({ length: BATCH }, (_, nth) => {
    const id = start + nth;
    return [
      id,
      `SYMBOL${Math.floor(random() * SYMBOLS)}`,
      `VENUE${Math.floor(random() * VENUES)}`,
      Math.floor(random() * 10_000),
      (random() * 1_000).toFixed(2),
      new Date(from + id * 1_000).toISOString().slice(0, -1),
    ].join(",");
  });
  return [Object.keys(MILLION.columns).join(","), ...lines].join("\n");
}

const { name, version } = ENGINES[3];
const engine = await BareEngine.load(`npm:${name}@${version}`);
const session = engine.newSession();
const ask = ({ frame }: { readonly frame: Uint8Array }) => {
  let body = new Uint8Array();
  engine.request(session, frame, (answer) => {
    body = readAnswer(answer).body.slice();
  });
  return body;
};
const random = randomFrom(1);
ask(makeTableOf(1, TABLE, MILLION.columns));
for (let start = 0; start < MILLION.rows; start += BATCH) {
  ask(updateCsv(2, TABLE, csv(start, random)));
}
ask(makeFlatView(3, TABLE, "all"));
const rows = uint32Field(ask(tableSize(5, TABLE)), 2);
await Deno.writeFile(
  Deno.args[0]!,
  bytesField(ask(viewToArrow(4, "all")), 1),
);
console.log(JSON.stringify({ rows }));
