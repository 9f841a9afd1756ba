/**
 * When two frames say the same, though engines wrote them in another order or
 * for somebody else. For tests only.
 *
 * @module
 */

import { Kind } from "../../protocol/kinds.ts";
import { fields, frame, type Parts, parts, type RawField } from "../frames.ts";
import type { Client, Subscription } from "./model.ts";

/** Where the maps of an answer are: the fields on the way, then the maps. */
const MAPS: ReadonlyMap<number, { at: readonly number[]; maps: number[] }> =
  new Map([
    [Kind.GET_FEATURES, { at: [], maps: [6, 7, 9] }],
    [Kind.TABLE_VALIDATE_EXPR, { at: [], maps: [1, 2, 3] }],
    [Kind.VIEW_EXPRESSION_SCHEMA, { at: [], maps: [1] }],
    [Kind.VIEW_GET_CONFIG, { at: [1], maps: [6, 7, 11] }],
    [Kind.VIEW_SCHEMA, { at: [], maps: [1] }],
  ]);

/** A frame in a form that is equal for frames that say the same. */
function canonical(bytes: Uint8Array): string {
  const { msgId, entity, kind, content } = parts(bytes);
  if (kind === Kind.SERVER_SYSTEM_INFO) {
    // A value of 0 is left out, as protobuf does; there is always memory.
    const has = fields(content).map(({ field }) => field);
    return JSON.stringify([msgId, entity, kind, has.slice(0, 2)]);
  }
  const maps = MAPS.get(kind);
  if (maps === undefined) return bytes.toHex();
  return JSON.stringify([
    msgId,
    entity,
    kind,
    sorted(content, maps.at, maps.maps),
  ]);
}

/** The fields of a message, the entries of its maps sorted and last. */
function sorted(
  bytes: Uint8Array,
  at: readonly number[],
  maps: readonly number[],
): unknown {
  const all = fields(bytes);
  const [inner, ...further] = at;
  const isEntry = ({ field }: RawField) =>
    inner === undefined && maps.includes(field);
  return [
    ...all.filter((it) => !isEntry(it)).map((it) =>
      it.field === inner && it.value instanceof Uint8Array
        ? sorted(it.value, further, maps)
        : it.raw.toHex()
    ),
    ...all.filter(isEntry).map((it) => it.raw.toHex()).sort(),
  ];
}

/** Whether two frames say the same. */
export function sameFrame(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((it, i) => it === right[i])
    ? true
    : canonical(left) === canonical(right);
}

/**
 * The rows that came with the pushes of one step. An engine sends rows to all
 * as soon as one has asked, and only to the first the right ones (ENGINE 4.4).
 */
export class PushedRows {
  /** What was pushed first, by session, view and port. */
  readonly #first = new Map<string, Uint8Array>();

  /** Another step begins. */
  clear(): void {
    this.#first.clear();
  }

  /**
   * A push as it should be: without rows for who didn't ask for them, and with
   * the same rows for all others.
   */
  asAsked(
    client: Client,
    { msgId, entity, withRows }: Subscription,
    { content }: Parts,
  ): Uint8Array {
    let rows: Uint8Array | undefined;
    let port = 0;
    for (const { field, value } of fields(content)) {
      if (field === 1 && value instanceof Uint8Array) rows = value;
      if (field === 2 && typeof value === "number") port = value;
    }
    const key = `${client.number} ${entity} ${port}`;
    const first = this.#first.get(key) ?? rows;
    if (first !== undefined) this.#first.set(key, first);
    return frame(msgId, entity, Kind.VIEW_ON_UPDATE, (w) => {
      if (withRows && first !== undefined) w.tag(1, 2).bytes(first);
      if (port !== 0) w.tag(2, 0).uint32(port);
    });
  }
}
