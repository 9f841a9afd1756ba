/**
 * Arrow that is broken in one place. For tests only.
 *
 * @module
 */

import type { Line } from "../../protocol/kinds.ts";
import { BareEngine, schemaOf } from "../bare_engine.ts";
import { valueIn } from "../differential/asks.ts";
import { COLUMNS, randomRows } from "../differential/data.ts";
import { Random } from "../random.ts";

const TYPES = ["string", "date", "datetime", "integer", "float", "boolean"];

/** Arrow of a few rows of all columns, as an engine of `line` writes it. */
export async function goodArrow(line: Line): Promise<Uint8Array> {
  const engine = await BareEngine.start(line);
  const types = COLUMNS.map(({ name, type }) =>
    [name, TYPES.indexOf(type)] as const
  );
  engine.makeTable("arrow", schemaOf(Object.fromEntries(types)));
  engine.change("arrow", randomRows(new Random(1), COLUMNS, 7, false));
  const columns = COLUMNS.map(({ name }) => name);
  engine.makeView("arrow", "arrow", { columns });
  const arrow = (valueIn(engine.arrow("arrow"), 1) as Uint8Array).slice();
  engine.close();
  return arrow;
}

/** Where one message of a stream is. */
interface Message {
  readonly start: number;
  readonly bodyStart: number;
  readonly end: number;
}

/** `arrow` with something wrong in it. */
export function brokenArrow(random: Random, arrow: Uint8Array): Uint8Array {
  const bytes = arrow.slice();
  const view = new DataView(bytes.buffer);
  const all = messages(bytes);
  const withBody = all.filter(({ bodyStart, end }) => end > bodyStart);
  const at = random.pick(withBody);
  const word = (from: number, to: number) =>
    from + 4 * random.below(Math.max(1, (to - from) >> 2));
  const odd = () =>
    random.pick([-1, 0x7fff_ffff, -0x8000_0000, 1_000_000, 100, 8, 0]);
  switch (random.below(8)) {
    case 0: // offsets, dictionary indices, values: whatever has four bytes
    case 1:
    case 2:
      for (let left = random.between(1, 6); left > 0; left--) {
        view.setInt32(word(at.bodyStart, at.end), odd(), true);
      }
      return bytes;
    case 3: // where buffers are, how many rows, what types
      view.setInt32(word(at.start + 8, at.bodyStart), odd(), true);
      return bytes;
    case 4: {
      const where = random.between(at.start, at.end - 1);
      bytes[where]! ^= 1 << random.below(8);
      return bytes;
    }
    case 5:
      return bytes.subarray(0, random.below(bytes.length));
    case 6: { // without one of the messages
      const gone = random.pick(all);
      return Uint8Array.from([
        ...bytes.subarray(0, gone.start),
        ...bytes.subarray(gone.end),
      ]);
    }
    default:
      view.setInt32(random.pick(all).start + 4, odd(), true);
      return bytes;
  }
}

/** The messages of a stream, as far as they can be found. */
function messages(bytes: Uint8Array): Message[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const found: Message[] = [];
  for (let at = 0; at + 8 <= bytes.length;) {
    const length = view.getInt32(at + 4, true);
    if (view.getInt32(at, true) !== -1 || length <= 0) break;
    const root = at + 8 + view.getUint32(at + 8, true);
    const vtable = root - view.getInt32(root, true);
    // `bodyLength` is the fourth field of `Message`.
    const offset = view.getUint16(vtable, true) > 10
      ? view.getUint16(vtable + 10, true)
      : 0;
    const body = offset === 0
      ? 0
      : Number(view.getBigInt64(root + offset, true));
    const bodyStart = at + 8 + length;
    found.push({ start: at, bodyStart, end: bodyStart + body });
    at = bodyStart + body;
  }
  return found;
}
