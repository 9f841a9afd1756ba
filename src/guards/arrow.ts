/**
 * Looking at Arrow before the engine does.
 *
 * @module
 */

import type { Schema } from "apache-arrow/fb/schema";
import { type Allowance, BatchReader } from "./arrow/body.ts";
import { damaged } from "./arrow/checked_buffer.ts";
import { fileParts, isFile, type Part, streamParts } from "./arrow/messages.ts";
import { Refusal, refuse } from "./arrow/refusal.ts";
import { type Column, readSchema, type TextLayout } from "./arrow/schema.ts";
import {
  ColumnChecker,
  type Combine,
  combineWeights,
  type Dictionary,
} from "./arrow/values.ts";

/** How much a payload of Arrow may hold. */
export interface ArrowLimits {
  /** Columns, and the parts of those that are structs or lists. */
  readonly maxColumns: number;
  /** Rows in all batches, and those that lists expand to. */
  readonly maxRows: number;
  /** Bytes of one string. */
  readonly maxStringLength: number;
  /** Characters of a column's name. */
  readonly maxNameLength: number;
  /**
   * Bytes that compressed batches may become.
   *
   * @default {134217728}
   */
  readonly maxDecompressed?: number;
}

/**
 * What the engine does with columns that are lists: 3.8.0 makes text of them,
 * 5.x what the table's `list_flatten` says.
 */
export type Lists = "zip" | "cartesian" | "text";

const DEFAULT_MAX_DECOMPRESSED = 128 * 1024 * 1024;

const COMBINE: Readonly<Record<Lists, Combine>> = {
  zip: Math.max,
  cartesian: (a, b) => a * b,
  text: () => 1,
};

/**
 * Whether the engine can be given `bytes` as Arrow: says what is wrong with
 * them, or nothing.
 *
 * The engine takes streams and files, with bodies that are plain or compressed
 * with LZ4 or Zstandard. `@finos/perspective` 3.8.0 trusts what they say: an
 * offset, an index or a length that is wrong makes it read, and show, memory
 * of other sessions, hang or die (ENGINE 6.4). 5.x validates most of it, but
 * neither names that aren't UTF-8 nor text in binary columns, and expands
 * lists without a limit (ENGINE 9.17). What passes here harms neither.
 *
 * Takes time and memory in proportion to `bytes`, once decompressed.
 */
export function checkArrow(
  bytes: Uint8Array,
  limits: ArrowLimits,
  lists: Lists = "cartesian",
): string | undefined {
  try {
    new Checker(limits, lists).check(bytes);
    return undefined;
  } catch (reason) {
    if (reason instanceof Refusal) return reason.message;
    return "Cannot read Arrow: it is damaged; send it again";
  }
}

class Checker {
  readonly #limits: ArrowLimits;
  readonly #lists: Lists;
  readonly #allowance: Allowance;
  #columns: readonly Column[] | undefined;
  /** What dictionaries hold, by their ids. */
  readonly #layouts = new Map<bigint, { layout: TextLayout; name: string }>();
  readonly #dictionaries = new Map<bigint, Dictionary>();
  #rows = 0;
  #batches = 0;
  #dictionaryBatches = 0;

  constructor(limits: ArrowLimits, lists: Lists) {
    this.#limits = limits;
    this.#lists = lists;
    this.#allowance = {
      left: limits.maxDecompressed ?? DEFAULT_MAX_DECOMPRESSED,
    };
  }

  check(bytes: Uint8Array): void {
    const ofFile = isFile(bytes);
    for (const part of ofFile ? fileParts(bytes) : streamParts(bytes)) {
      this.#part(part, ofFile);
    }
    if (this.#columns === undefined) {
      refuse("it is empty; send a schema and record batches");
    }
  }

  #part(part: Part, ofFile: boolean): void {
    switch (part.kind) {
      case "schema":
        return this.#schema(part.schema);
      case "dictionary":
        return this.#dictionary(part, ofFile);
      case "batch":
        return this.#batch(part);
      default:
        return part satisfies never;
    }
  }

  #schema(schema: Schema): void {
    if (this.#columns !== undefined) {
      refuse("it has two schemas; send one payload after the other");
    }
    this.#columns = readSchema(schema, this.#limits);
    this.#learnDictionaries(this.#columns);
  }

  #learnDictionaries(columns: readonly Column[]): void {
    for (const { name, layout } of columns) {
      if (layout.kind === "list") this.#learnDictionaries([layout.child]);
      if (layout.kind === "struct") this.#learnDictionaries(layout.children);
      if (layout.kind !== "dictionary") continue;
      const other = this.#layouts.get(layout.id)?.layout;
      if (
        other !== undefined &&
        other.offsetWidth !== layout.values.offsetWidth
      ) {
        refuse("it shares a dictionary of another type", { column: name });
      }
      this.#layouts.set(layout.id, { layout: layout.values, name });
    }
  }

  #dictionary(
    part: Extract<Part, { kind: "dictionary" }>,
    ofFile: boolean,
  ): void {
    const batch = `dictionary batch ${this.#dictionaryBatches++}`;
    const { id, isDelta } = part;
    const known = this.#layouts.get(id);
    if (known === undefined) {
      refuse("no column has such a dictionary", { batch });
    }
    let dictionary = this.#dictionaries.get(id);
    if (isDelta && dictionary === undefined) {
      refuse("it extends a dictionary that wasn't sent", { batch });
    }
    if (!isDelta && dictionary !== undefined && ofFile) {
      refuse("a file can't replace a dictionary; send a stream", { batch });
    }
    if (!isDelta || dictionary === undefined) {
      dictionary = { size: 0, seen: new Set() };
      this.#dictionaries.set(id, dictionary);
    }
    const { reader, checker } = this.#open(part, batch);
    checker.dictionary(known.layout, dictionary, known.name);
    reader.end({ batch });
  }

  #batch(part: Extract<Part, { kind: "batch" }>): void {
    const batch = `record batch ${this.#batches++}`;
    if (this.#columns === undefined) {
      refuse("it comes before the schema", { batch });
    }
    const length = part.batch.length();
    const left = this.#limits.maxRows - this.#rows;
    if (length < 0n) damaged();
    if (length > left) this.#tooManyRows(batch);
    const { reader, checker } = this.#open(part, batch);
    let weights: Float64Array | undefined;
    for (const column of this.#columns) {
      const values = checker.column(column, Number(length));
      weights = combineWeights(weights, values.weights, COMBINE[this.#lists]);
    }
    reader.end({ batch });
    this.#rows += weights === undefined || this.#lists === "text"
      ? Number(length)
      : weights.reduce((total, weight) => total + weight, 0);
    if (this.#rows > this.#limits.maxRows) this.#tooManyRows(batch);
  }

  #open(
    part: Exclude<Part, { kind: "schema" }>,
    batch: string,
  ): { reader: BatchReader; checker: ColumnChecker } {
    const reader = new BatchReader(part.batch, part.body, this.#allowance);
    const combine = COMBINE[this.#lists];
    const limits = this.#limits;
    return {
      reader,
      checker: new ColumnChecker(
        reader,
        limits,
        this.#dictionaries,
        combine,
        batch,
      ),
    };
  }

  #tooManyRows(batch: string): never {
    refuse(
      `it has more than ${this.#limits.maxRows} rows, those counted to which ` +
        "lists expand; send fewer at a time",
      { batch },
    );
  }
}
