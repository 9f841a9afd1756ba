/**
 * What the columns of a payload of Arrow are.
 *
 * @module
 */

import { Decimal } from "apache-arrow/fb/decimal";
import { Endianness } from "apache-arrow/fb/endianness";
import type { Field } from "apache-arrow/fb/field";
import { FloatingPoint } from "apache-arrow/fb/floating-point";
import { Int } from "apache-arrow/fb/int";
import { Precision } from "apache-arrow/fb/precision";
import type { Schema } from "apache-arrow/fb/schema";
import { Date as DateType } from "apache-arrow/fb/date";
import { DateUnit } from "apache-arrow/fb/date-unit";
import { Timestamp } from "apache-arrow/fb/timestamp";
import { Type } from "apache-arrow/fb/type";
import type { ArrowLimits } from "../arrow.ts";
import { damaged } from "./checked_buffer.ts";
import { quote, refuse } from "./refusal.ts";

/** How the values of a column lie in memory. */
export type Layout =
  /** No buffers at all. */
  | { readonly kind: "null" }
  /** A bit for each value. */
  | { readonly kind: "bits" }
  /** So many bytes for each value. */
  | { readonly kind: "fixed"; readonly width: number }
  /** Text after offsets of so many bytes. */
  | { readonly kind: "text"; readonly offsetWidth: 4 | 8 }
  /** Another column after offsets of so many bytes. */
  | {
    readonly kind: "list";
    readonly offsetWidth: 4 | 8;
    readonly child: Column;
  }
  /** Other columns side by side. */
  | { readonly kind: "struct"; readonly children: readonly Column[] }
  /** Indices into the dictionary `id`, which is text. */
  | {
    readonly kind: "dictionary";
    readonly id: bigint;
    readonly width: 1 | 2 | 4 | 8;
    readonly isSigned: boolean;
    readonly values: TextLayout;
  };

/** The layout of strings. */
export type TextLayout = Extract<Layout, { kind: "text" }>;

/** A column, or a part of one. */
export interface Column {
  /** As messages name it: `a`, or `a.b` for a part. */
  readonly name: string;
  readonly layout: Layout;
}

/** So deep may lists and structs lie in each other; C++ recurses over them. */
const MAX_DEPTH = 8;

/**
 * Names that the engine gives to columns of its own. It mixes them up; 5.5.1
 * traps on a `psp_pkey` or `psp_okey` that is text.
 */
const RESERVED = new Set([
  "psp_pkey",
  "psp_okey",
  "psp_op",
  "psp_existed",
  "psp_strand_count",
]);

/** What can be sent, for messages. */
const SUPPORTED =
  "int8 to uint64, float32, float64, bool, utf8, large_utf8, date, " +
  "timestamp, decimal128, null, lists and structs of these, and " +
  "dictionaries of utf8";

/** Reads the columns of `schema`, and refuses what the engine can't take. */
export function readSchema(schema: Schema, limits: ArrowLimits): Column[] {
  if (schema.endianness() !== Endianness.Little) {
    refuse("it is big-endian; write it as little-endian");
  }
  const reader = new SchemaReader(limits);
  const columns: Column[] = [];
  const names = new Set<string>();
  for (let i = 0; i < schema.fieldsLength(); i++) {
    const column = reader.column(schema.fields(i) ?? damaged());
    if (names.has(column.name)) {
      refuse(
        `it has two columns named ${quote(column.name)}; rename one of them`,
      );
    }
    names.add(column.name);
    columns.push(column);
  }
  return columns;
}

class SchemaReader {
  readonly #limits: ArrowLimits;
  /** Columns and parts of columns so far: a hostile schema may share them. */
  #count = 0;

  constructor(limits: ArrowLimits) {
    this.#limits = limits;
  }

  column(field: Field, path = "", depth = 0): Column {
    if (++this.#count > this.#limits.maxColumns) {
      refuse(
        `it has more than ${this.#limits.maxColumns} columns; send fewer`,
      );
    }
    if (depth > MAX_DEPTH) {
      refuse(
        `lists and structs lie more than ${MAX_DEPTH} deep in each other; ` +
          "flatten them",
        { column: path },
      );
    }
    const own = this.#name(field);
    const name = path === "" ? own : `${path}.${own}`;
    return { name, layout: this.#layout(field, name, depth) };
  }

  #name(field: Field): string {
    const name = field.name() ?? "";
    const { maxNameLength } = this.#limits;
    if (name.length > maxNameLength) {
      refuse(
        `a column's name has more than ${maxNameLength} characters; ` +
          "shorten it",
        { column: name },
      );
    }
    if (name.includes("\0")) {
      // The engine cuts it there, and then can't find the column.
      refuse("its name has a NUL character; rename it", { column: name });
    }
    if (RESERVED.has(name)) {
      refuse("the engine keeps this name for itself; rename the column", {
        column: name,
      });
    }
    return name;
  }

  #layout(field: Field, name: string, depth: number): Layout {
    const dictionary = field.dictionary();
    if (dictionary === null) return this.#plain(field, name, depth);
    const values = this.#plain(field, name, depth);
    if (values.kind !== "text") {
      // The engine reads any dictionary as strings, whatever it holds.
      refuse("its dictionary must hold utf8 strings; send it as it is", {
        column: name,
      });
    }
    // By the format, indices without a type are 32 bits wide.
    const index = dictionary.indexType();
    return {
      kind: "dictionary",
      id: dictionary.id(),
      width: index === null ? 4 : bytesOf(index),
      isSigned: index === null ? true : index.isSigned(),
      values,
    };
  }

  #plain(field: Field, name: string, depth: number): Layout {
    const type = field.typeType();
    switch (type) {
      case Type.Null:
        return { kind: "null" };
      case Type.Bool:
        return { kind: "bits" };
      case Type.Int:
        return fixed(bytesOf(field.type(new Int()) ?? damaged()));
      case Type.FloatingPoint:
        return fixed(widthOfFloat(field, name, depth));
      case Type.Decimal: {
        const decimal: Decimal = field.type(new Decimal()) ?? damaged();
        return decimal.bitWidth() === 128
          ? fixed(16)
          : unsupported(`decimal${decimal.bitWidth()}`, name);
      }
      case Type.Date: {
        const date: DateType = field.type(new DateType()) ?? damaged();
        return fixed(date.unit() === DateUnit.DAY ? 4 : 8);
      }
      case Type.Timestamp: {
        const timestamp: Timestamp = field.type(new Timestamp()) ?? damaged();
        // Read, so that one that isn't UTF-8 is refused: errors quote it.
        timestamp.timezone();
        return fixed(8);
      }
      case Type.Binary: // the engine makes text of it
      case Type.Utf8:
        return { kind: "text", offsetWidth: 4 };
      case Type.LargeUtf8:
        return { kind: "text", offsetWidth: 8 };
      case Type.List:
      case Type.LargeList:
        if (field.childrenLength() !== 1) damaged();
        return {
          kind: "list",
          offsetWidth: type === Type.List ? 4 : 8,
          child: this.#child(field, 0, name, depth),
        };
      case Type.Struct_: {
        const children: Column[] = [];
        for (let i = 0; i < field.childrenLength(); i++) {
          children.push(this.#child(field, i, name, depth));
        }
        return { kind: "struct", children };
      }
      default:
        return unsupported(Type[type] ?? "unknown", name);
    }
  }

  #child(field: Field, i: number, name: string, depth: number): Column {
    return this.column(field.children(i) ?? damaged(), name, depth + 1);
  }
}

function fixed(width: number): Layout {
  return { kind: "fixed", width };
}

function bytesOf(int: Int): 1 | 2 | 4 | 8 {
  switch (int.bitWidth()) {
    case 8:
      return 1;
    case 16:
      return 2;
    case 32:
      return 4;
    case 64:
      return 8;
    default:
      return damaged();
  }
}

function widthOfFloat(field: Field, name: string, depth: number): number {
  const float: FloatingPoint = field.type(new FloatingPoint()) ?? damaged();
  switch (float.precision()) {
    case Precision.SINGLE:
      return 4;
    case Precision.DOUBLE:
      return 8;
    default:
      // 3.8.0 takes lists of them.
      return depth > 0 ? 2 : unsupported("float16", name);
  }
}

function unsupported(type: string, name: string): never {
  refuse(
    `its type, ${type}, isn't supported; cast it to one of these: ${SUPPORTED}`,
    { column: name },
  );
}
