/**
 * Checking what the columns of a batch hold.
 *
 * @module
 */

import { Buffer, isUtf8 } from "node:buffer";
import type { ArrowLimits } from "../arrow.ts";
import type { BatchReader } from "./body.ts";
import { type Place, refuse } from "./refusal.ts";
import type { Column, Layout, TextLayout } from "./schema.ts";

/** What the strings of a dictionary are known by. */
export interface Dictionary {
  /** How many it has. */
  size: number;
  /** Those that it has, as the engine compares them. */
  readonly seen: Set<string>;
}

/** A checked column. */
export interface Values {
  readonly length: number;
  /**
   * How many rows each value becomes where the engine expands lists;
   * undefined for one each.
   */
  readonly weights: Float64Array | undefined;
}

/** How the weights of columns side by side add up. */
export type Combine = (a: number, b: number) => number;

/** Checks columns of one batch. */
export class ColumnChecker {
  readonly #reader: BatchReader;
  readonly #limits: ArrowLimits;
  readonly #dictionaries: ReadonlyMap<bigint, Dictionary>;
  readonly #combine: Combine;
  readonly #batch: string;

  /** `batch` is how messages name it. */
  constructor(
    reader: BatchReader,
    limits: ArrowLimits,
    dictionaries: ReadonlyMap<bigint, Dictionary>,
    combine: Combine,
    batch: string,
  ) {
    this.#reader = reader;
    this.#limits = limits;
    this.#dictionaries = dictionaries;
    this.#combine = combine;
    this.#batch = batch;
  }

  /** Checks the next column; `length` is how many values it must have. */
  column({ name, layout }: Column, length?: number): Values {
    const place: Place = { batch: this.#batch, column: name };
    const node = this.#reader.node(place);
    if (length !== undefined && node.length !== length) {
      refuse(`it has ${node.length} values instead of ${length}`, place);
    }
    if (node.length > this.#limits.maxRows) {
      refuse(
        `it has ${node.length} values, more than ${this.#limits.maxRows}; ` +
          "send fewer rows at a time",
        place,
      );
    }
    const validity = layout.kind === "null"
      ? undefined
      : this.#validity(node, place);
    const weights = this.#values(layout, node.length, validity, place);
    return { length: node.length, weights };
  }

  /** Checks the next column as strings that extend `dictionary`. */
  dictionary(layout: TextLayout, dictionary: Dictionary, name: string): void {
    const place: Place = { batch: this.#batch, column: name };
    const node = this.#reader.node(place);
    this.#validity(node, place);
    const { offsets, bytes } = this.#text(layout, node.length, place);
    // One string for all bytes, of which the values are cheap slices.
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
      .toString("latin1", 0, offsets[node.length]);
    const { seen } = dictionary;
    for (let i = 0; i < node.length; i++) {
      const value = text.slice(offsets[i], offsets[i + 1]);
      const end = value.indexOf("\0");
      seen.add(end < 0 ? value : value.slice(0, end));
      // The engine holds each string once, so that the indices after a
      // double one would miss: 3.8.0 reads beyond its memory.
      if (seen.size !== dictionary.size + i + 1) {
        refuse("its dictionary has a value twice; write it with each once", {
          ...place,
          row: i,
        });
      }
    }
    dictionary.size += node.length;
  }

  /** The bitmap of nulls, where the engine looks at one. */
  #validity(
    { length, nulls }: { length: number; nulls: number },
    place: Place,
  ): Uint8Array | undefined {
    if (nulls === 0) {
      this.#reader.skip(place);
      return undefined;
    }
    return this.#reader.buffer(Math.ceil(length / 8), "null bits", place);
  }

  #values(
    layout: Layout,
    length: number,
    validity: Uint8Array | undefined,
    place: Place,
  ): Float64Array | undefined {
    switch (layout.kind) {
      case "null":
        return undefined;
      case "bits":
        this.#reader.buffer(Math.ceil(length / 8), "values", place);
        return undefined;
      case "fixed":
        this.#reader.buffer(length * layout.width, "values", place);
        return undefined;
      case "text":
        this.#text(layout, length, place);
        return undefined;
      case "dictionary":
        this.#indices(layout, length, validity, place);
        return undefined;
      case "list":
        return this.#list(layout, length, validity, place);
      case "struct":
        return this.#struct(layout.children, length);
      default:
        return layout satisfies never;
    }
  }

  #text(
    { offsetWidth }: TextLayout,
    length: number,
    place: Place,
  ): { offsets: Offsets; bytes: Uint8Array } {
    const offsets = this.#offsets(offsetWidth, length, place);
    const bytes = this.#reader.buffer(offsets[length]!, "strings", place);
    checkText(offsets, length, bytes, this.#limits.maxStringLength, place);
    return { offsets, bytes };
  }

  #offsets(width: 4 | 8, length: number, place: Place): Offsets {
    // Without values, some write no offset at all.
    const needed = length === 0 ? 0 : (length + 1) * width;
    const bytes = this.#reader.buffer(needed, "offsets", place);
    if (length === 0) return NO_OFFSETS;
    const offsets = width === 4
      ? int32s(bytes, length + 1)
      : numbers(bytes, length + 1);
    let last = 0;
    for (let i = 0; i <= length; i++) {
      const offset = offsets[i]!;
      // Not so for NaN either, which stands for what no number can hold.
      if (!(offset >= last)) {
        refuse("its offsets aren't in order; write it again", {
          ...place,
          row: i === 0 ? 0 : i - 1,
        });
      }
      last = offset;
    }
    return offsets;
  }

  #indices(
    layout: Extract<Layout, { kind: "dictionary" }>,
    length: number,
    validity: Uint8Array | undefined,
    place: Place,
  ): void {
    const bytes = this.#reader.buffer(length * layout.width, "indices", place);
    const dictionary = this.#dictionaries.get(layout.id);
    if (dictionary === undefined) {
      if (length === 0) return;
      refuse("its dictionary is missing; send it before the batch", place);
    }
    const indices = integers(bytes, length, layout.width, layout.isSigned);
    const { size } = dictionary;
    for (let i = 0; i < length; i++) {
      const index = indices[i]!;
      // The engine clears what is null; pandas has a -1 there.
      if ((index < 0 || index >= size) && isValid(validity, i)) {
        refuse(
          `its index ${index} isn't in its dictionary of ${size} values`,
          { ...place, row: i },
        );
      }
    }
  }

  #list(
    layout: Extract<Layout, { kind: "list" }>,
    length: number,
    validity: Uint8Array | undefined,
    place: Place,
  ): Float64Array {
    const offsets = this.#offsets(layout.offsetWidth, length, place);
    const child = this.column(layout.child);
    const last = offsets[length]!;
    if (last > child.length) {
      refuse(
        `its lists have ${last} values, but there are ${child.length}`,
        place,
      );
    }
    const weights = new Float64Array(length);
    for (let i = 0; i < length; i++) {
      // A list that is null or empty becomes one row with a null.
      weights[i] = Math.max(
        1,
        isValid(validity, i) ? sum(child, offsets[i]!, offsets[i + 1]!) : 0,
      );
    }
    return weights;
  }

  #struct(
    children: readonly Column[],
    length: number,
  ): Float64Array | undefined {
    let combined: Float64Array | undefined;
    for (const child of children) {
      const { weights } = this.column(child, length);
      combined = combineWeights(combined, weights, this.#combine);
    }
    return combined;
  }
}

/** The weights of two columns side by side. */
export function combineWeights(
  a: Float64Array | undefined,
  b: Float64Array | undefined,
  combine: Combine,
): Float64Array | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a.map((weight, i) => combine(weight, b[i]!));
}

/** Offsets as numbers, exact as far as a buffer can be long. */
type Offsets = Int32Array | Float64Array;

const NO_OFFSETS = new Int32Array(1);

/** Checks that all strings are UTF-8 and short enough. */
function checkText(
  offsets: Offsets,
  length: number,
  bytes: Uint8Array,
  maxLength: number,
  place: Place,
): void {
  const start = offsets[0]!;
  const end = offsets[length]!;
  const isWhole = isUtf8(bytes.subarray(start, end));
  for (let i = 0; i < length; i++) {
    const from = offsets[i]!;
    const to = offsets[i + 1]!;
    if (to - from > maxLength) {
      refuse(
        `a string of ${to - from} bytes is longer than ${maxLength}; ` +
          "shorten it",
        { ...place, row: i },
      );
    }
    // All of them in one are looked at quickly; then only the seams are left.
    const isText = isWhole
      ? from === to || (bytes[from]! & 0xc0) !== 0x80
      : isUtf8(bytes.subarray(from, to));
    if (!isText) {
      refuse("a string isn't UTF-8; write it as UTF-8", { ...place, row: i });
    }
  }
}

function isValid(validity: Uint8Array | undefined, i: number): boolean {
  return validity === undefined || (validity[i >> 3]! & (1 << (i & 7))) !== 0;
}

function sum({ weights }: Values, from: number, to: number): number {
  if (weights === undefined) return to - from;
  let total = 0;
  for (let i = from; i < to; i++) total += weights[i]!;
  return total;
}

function int32s(bytes: Uint8Array, length: number): Int32Array {
  const [buffer, start] = aligned(bytes, length * 4, 4);
  return new Int32Array(buffer, start, length);
}

/** 64-bit numbers; what isn't exact is so large that it is refused anyway. */
function numbers(bytes: Uint8Array, length: number): Float64Array {
  const [buffer, start] = aligned(bytes, length * 8, 8);
  const words = new Int32Array(buffer, start, length * 2);
  const found = new Float64Array(length);
  for (let i = 0; i < length; i++) {
    found[i] = words[2 * i + 1]! * 0x1_0000_0000 + (words[2 * i]! >>> 0);
  }
  return found;
}

/** The same for indices, of which a negative one is wrong as well. */
function integers(
  bytes: Uint8Array,
  length: number,
  width: 1 | 2 | 4 | 8,
  isSigned: boolean,
): ArrayLike<number> {
  if (width === 8) return numbers(bytes, length);
  const [buffer, start] = aligned(bytes, length * width, width);
  if (width === 1) {
    return isSigned
      ? new Int8Array(buffer, start, length)
      : new Uint8Array(buffer, start, length);
  }
  if (width === 2) {
    return isSigned
      ? new Int16Array(buffer, start, length)
      : new Uint16Array(buffer, start, length);
  }
  return isSigned
    ? new Int32Array(buffer, start, length)
    : new Uint32Array(buffer, start, length);
}

/** Where the first `size` of `bytes` are, copied if typed arrays can't be laid over. */
function aligned(
  bytes: Uint8Array,
  size: number,
  width: number,
): [ArrayBufferLike, number] {
  if (bytes.byteOffset % width === 0) return [bytes.buffer, bytes.byteOffset];
  return [bytes.slice(0, size).buffer, 0];
}
