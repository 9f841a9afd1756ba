/**
 * Changes that come as CSV and as Arrow. For tests only.
 *
 * @module
 */

import { Kind } from "../../protocol/kinds.ts";
import { BareEngine, schemaOf } from "../bare_engine.ts";
import { type Ask, valueIn } from "../differential/asks.ts";
import {
  COLUMNS,
  type Data,
  dataField,
  dataText,
  randomRows,
  written,
} from "../differential/data.ts";
import type { Table } from "../differential/model.ts";
import type { World } from "../differential/world.ts";

const TYPES = ["string", "date", "datetime", "integer", "float", "boolean"];

/** Writes rows as Arrow, by an engine of its own. */
export class ArrowWriter {
  readonly #engine: BareEngine;
  #names = 0;

  private constructor(engine: BareEngine) {
    this.#engine = engine;
  }

  /** One whose engine is on this thread. */
  static async start(world: World): Promise<ArrowWriter> {
    return new ArrowWriter(await BareEngine.start(world.line));
  }

  /** `rows` of `columns`. */
  write(rows: readonly object[], columns: Table["columns"]): Uint8Array {
    const name = `arrow${this.#names++}`;
    const engine = this.#engine;
    engine.makeTable(
      name,
      schemaOf(
        Object.fromEntries(
          columns.map(({ name, type }) => [name, TYPES.indexOf(type)]),
        ),
      ),
    );
    engine.change(name, rows);
    engine.makeView(name, name, { columns: columns.map(({ name }) => name) });
    const content = engine.arrow(name);
    engine.ask(name, Kind.VIEW_DELETE);
    engine.ask(name, Kind.TABLE_DELETE, (w) => w.tag(1, 0).bool(true));
    const arrow = valueIn(content, 1);
    if (!(arrow instanceof Uint8Array)) throw new Error("No Arrow");
    return arrow.slice();
  }
}

/** Updates or replaces rows of a table, in a form that isn't JSON. */
export function changeOtherwise(
  world: World,
  arrows: ArrowWriter,
): Ask | undefined {
  const { random } = world;
  const client = random.pick(world.live);
  const isCsv = random.chance(0.5);
  const table = world.pickTable(
    client,
    ({ type, columns }) =>
      type !== "join" && columns.length > 0 &&
      // Line 3 reads a time as text in CSV otherwise than in JSON.
      !(isCsv && columns.some(({ type }) => type === "datetime")) &&
      columns.every(({ name }) => COLUMNS.some((it) => it.name === name)),
  );
  if (table === undefined) return undefined;
  const { columns, name, ports } = table;
  const rows = randomRows(random, columns, random.between(1, 5), false);
  // Nothing is a null in CSV.
  if (isCsv) { for (const row of rows) if (row["s"] === "") row["s"] = "e"; }
  const data: Data = isCsv
    ? written(rows, "csv", columns)
    : { form: "arrow", value: arrows.write(rows, columns) };
  const port = random.chance(0.3) ? random.pick(ports) : 0;
  return {
    kind: Kind.TABLE_UPDATE,
    entity: name,
    content: (w) => {
      dataField(data)(w);
      if (port !== 0) w.tag(2, 0).uint32(port);
    },
    text: dataText(data) + (port === 0 ? "" : ` by port ${port}`),
  };
}
