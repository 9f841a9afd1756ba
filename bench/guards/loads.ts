/** What a client sends that is looked at, or not. */
import type { LocalClient } from "../../mod.ts";
import { MILLION, SYMBOLS, VENUES } from "../load/data.mjs";
import type { Request } from "../load/types.ts";
import {
  allColumnsString,
  deleteView,
  Kind,
  makeView,
  request,
  stringField,
} from "../load/wire.mjs";

/** The table that is changed and looked at. */
export const TABLE = "table";

/** Its rows. */
const ROWS = 100_000;

/** Rows of the large update: 1 MB of Arrow. */
const ARROW_ROWS = 31_000;

/** What is measured: requests of a cycle, one after the other. */
export interface Load {
  readonly name: string;
  /** Cycles in a round. */
  readonly cycles: number;
  /** The requests of the `nth` cycle of all; their `msg_id`s count from `msgId`. */
  cycle(nth: number, msgId: number): readonly Request[];
}

/** Makes the table; the Arrow of the large update. */
export async function setUp(client: LocalClient): Promise<Uint8Array> {
  const { index } = MILLION;
  await client.table(rowsOf(0, ROWS), { name: TABLE, index });
  const part = await client.table(rowsOf(0, ARROW_ROWS), {
    name: "part",
    index,
  });
  const view = await part.view();
  const arrow = new Uint8Array(await view.to_arrow());
  await view.delete();
  await part.delete();
  return arrow;
}

/** All loads; `arrow` is that of the large update. */
export function loadsOf(arrow: Uint8Array): readonly Load[] {
  return [
    {
      name: "50 rows of JSON",
      cycles: 400,
      cycle: (nth, msgId) => [
        update(msgId, 5, JSON.stringify(rowsOf(nth * 50 % ROWS, 50))),
      ],
    },
    {
      name: `${(arrow.length / 1e6).toFixed(1)} MB of Arrow`,
      cycles: 15,
      cycle: (_, msgId) => [update(msgId, 3, arrow)],
    },
    {
      name: "a grouped view, made, read and deleted",
      cycles: 40,
      cycle: (nth, msgId) => {
        const view = `view ${nth}`;
        return [
          makeView(msgId, TABLE, view, {
            groupBy: ["symbol"],
            splitBy: ["venue"],
            columns: ["quantity", "price"],
            // All rows pass, but no view is the same as another one.
            atLeast: { column: "price", value: -1 - nth },
          }),
          allColumnsString(
            msgId + 1,
            view,
            (body) => stringField(body, 1).length > 1000 ? undefined : "empty",
          ),
          deleteView(msgId + 2, view),
        ];
      },
    },
  ];
}

function update(
  msgId: number,
  form: number,
  data: string | Uint8Array,
): Request {
  return request(msgId, TABLE, Kind.updateTable, (writer) => {
    writer.tag(1, 2).fork();
    if (typeof data === "string") writer.tag(form, 2).string(data);
    else writer.tag(form, 2).bytes(data);
    writer.join();
  });
}

function rowsOf(first: number, count: number): Record<string, unknown[]> {
  const ids = Array.from({ length: count }, (_, i) => (first + i) % ROWS);
  return {
    id: ids,
    symbol: ids.map((id) => `S${id % SYMBOLS}`),
    venue: ids.map((id) => `V${id % VENUES}`),
    quantity: ids.map((id) => id % 977),
    price: ids.map((id) => (id % 1009) / 4),
    time: ids.map((id) => 1.7e12 + id),
  };
}
