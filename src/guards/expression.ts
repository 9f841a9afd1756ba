/**
 * What an expression of a view may be.
 *
 * The engine compiles expressions by recursion on a stack of 64 KB, and what
 * overflows it is often not noticed (ENGINE 6.4, 9.19). So the nesting is
 * measured here, in what it takes of that stack. What is wrong with an
 * expression otherwise, the engine says better.
 *
 * @module
 */

import type { Line } from "../protocol/kinds.ts";
import { FUNCTIONS, VECTOR_FUNCTIONS } from "./expression_functions.ts";
import { ExpressionMeter, STACK } from "./expression_meter.ts";
import { type Token, tokenize } from "./expression_tokens.ts";
import { checkTypes } from "./expression_types.ts";

/**
 * What one expression of a view may be. A limit of `Infinity` is none. Whoever
 * passes one is refused with a `server_error`.
 */
export interface ExpressionLimits {
  /**
   * The engine's line: what nests how deep, and which functions there are. A
   * server knows its own.
   */
  readonly line: Line;
  /**
   * Characters of the text. 0 allows none but the empty one.
   *
   * @default {8192}
   */
  readonly maxLength: number;
  /**
   * Levels of nesting. A pair of parentheses is one, a call 1.4 or 1.5, an
   * operator's right side 0.8 or 1, a further `else if` a third; of a long
   * chain such as `a + b + c`, 70 or 27 operators are one. 0 allows a single
   * value. Line 3 breaks at 68, line 5 at 25.
   *
   * @default {40} on line 3, {20} on line 5
   */
  readonly maxDepth: number;
  /**
   * Characters of the longest string that may be built in a row, a column's
   * value counting as 64. 0 allows no strings and columns.
   *
   * @default {65536}
   */
  readonly maxStringLength: number;
  /**
   * Elements of all vectors together; each is copied for every row. 0 allows
   * no vectors.
   *
   * @default {1024}
   */
  readonly maxVectorElements: number;
  /**
   * Whether `while` and `for` are let through. They can hang an engine.
   *
   * @default {false}
   */
  readonly allowLoops: boolean;
  /**
   * Whether functions that the engine is not known to have are let through,
   * to be refused by the engine.
   *
   * @default {false}
   */
  readonly allowUnknownFunctions: boolean;
}

const COMMON = {
  maxLength: 8192,
  maxStringLength: 65_536,
  maxVectorElements: 1024,
  allowLoops: false,
  allowUnknownFunctions: false,
};

/** The limits that apply where none are given. */
export const DEFAULT_EXPRESSION_LIMITS: Readonly<
  Record<Line, ExpressionLimits>
> = {
  "3": { line: "3", maxDepth: 40, ...COMMON },
  "5": { line: "5", maxDepth: 20, ...COMMON },
};

/**
 * `limits` on `line`, and the defaults for what they leave out.
 */
export function expressionLimits(
  line: Line,
  limits: Partial<Omit<ExpressionLimits, "line">> = {},
): ExpressionLimits {
  return { ...DEFAULT_EXPRESSION_LIMITS[line], ...limits, line };
}

/** What an expression takes; see {@linkcode measureExpression}. */
export interface ExpressionSize {
  /** Levels of nesting, as {@linkcode ExpressionLimits.maxDepth} counts. */
  readonly depth: number;
  /** Characters of the longest string that it builds. */
  readonly stringLength: number;
  /** Tokens, about as many as there are steps for each row. */
  readonly tokens: number;
}

/**
 * Why an expression is refused, or `undefined` if it may be executed. Without
 * `columns`, the types of the table's columns, none counts as a string where a
 * string does harm.
 */
export function checkExpression(
  text: string,
  limits: ExpressionLimits,
  columns?: ReadonlyMap<string, string>,
): string | undefined {
  const size = measureExpression(text, limits, columns);
  return typeof size === "string" ? size : undefined;
}

/** The same with what was measured. */
export function measureExpression(
  text: string,
  limits: ExpressionLimits,
  columns?: ReadonlyMap<string, string>,
): ExpressionSize | string {
  const refuse = (why: string) => `Cannot use expression: ${why}`;
  if (text.length > limits.maxLength) {
    return refuse(
      `it must have at most ${limits.maxLength} characters, ` +
        `received ${text.length}`,
    );
  }
  const read = tokenize(text);
  if ("refused" in read) return refuse(read.refused);
  const { tokens } = read;
  const meter = new ExpressionMeter(limits);
  const refused = meter.measure(tokens) ?? vectorsOf(tokens, limits) ??
    bucketsOf(tokens, limits, columns) ??
    (limits.line === "5" ? checkTypes(tokens, columns) : undefined);
  if (refused !== undefined) return refuse(refused);
  return {
    depth: meter.stack / STACK[limits.line].paren,
    stringLength: meter.stringLength,
    tokens: tokens.length,
  };
}

/**
 * What is wrong with vectors. An index that isn't a plain number isn't
 * checked by the engine when a view is computed: it reads and writes anywhere,
 * on both lines.
 */
function vectorsOf(
  tokens: readonly Token[],
  { line, maxVectorElements }: ExpressionLimits,
): string | undefined {
  let elements = 0;
  let smallest = Infinity;
  for (const [i, { text, type, at }] of tokens.entries()) {
    const next = tokens[i + 1];
    if (type !== "symbol" || next?.text !== "[" || next.type !== "operator") {
      continue;
    }
    const index = tokens[i + 2];
    const closing = tokens[i + 3];
    // `v[]` is its size.
    if (index?.type === "operator" && index.text === "]") continue;
    if (
      index?.type !== "number" || !/^\d+$/.test(index.text) ||
      closing?.text !== "]"
    ) {
      return `"${text}[...]" at ${at + 1} must have a whole number as its ` +
        `index: others aren't checked`;
    }
    if (tokens[i - 1]?.text !== "var") continue;
    const size = Number(index.text);
    elements += size;
    smallest = Math.min(smallest, size);
    if (elements > maxVectorElements) {
      return `vectors must have at most ${maxVectorElements} elements, ` +
        `received ${elements} up to ${at + 1}`;
    }
  }
  for (const { text, type, at } of tokens) {
    const least = type === "symbol" ? VECTOR_FUNCTIONS.get(text) ?? 0 : 0;
    if (least > smallest && FUNCTIONS[line].has(text)) {
      return `"${text}" at ${at + 1} needs vectors of at least ${least} ` +
        `elements, received ${smallest}`;
    }
  }
  return undefined;
}

/** What a bucket of a number may be computed with. */
const ARITHMETIC: ReadonlySet<string> = new Set("+-*/()");

/**
 * What is wrong with buckets. Where the second argument of `bucket` is a
 * number, line 5 traps unless the first is one, too: of a string, a date, a
 * boolean or null. The types of what functions and variables result in aren't
 * known here.
 */
function bucketsOf(
  tokens: readonly Token[],
  { line }: ExpressionLimits,
  columns: ReadonlyMap<string, string> | undefined,
): string | undefined {
  if (line === "3") return undefined;
  const isNumber = ({ type, text }: Token): boolean => {
    if (type === "number") return true;
    if (type === "operator") return ARITHMETIC.has(text);
    if (type !== "column") return false;
    const of = columns?.get(text.slice(1, -1));
    return columns === undefined || of === "integer" || of === "float";
  };
  for (const [i, { text, type, at }] of tokens.entries()) {
    if (type !== "symbol" || text !== "bucket") continue;
    const { first, end } = firstArgument(tokens, i);
    const isUnit = tokens[end + 1]?.type === "string" &&
      tokens[end + 2]?.text === ")";
    if (!isUnit && !first.every(isNumber)) {
      return `"bucket" at ${at + 1} must be of a column of numbers or ` +
        `arithmetic with such, unless its second argument is a unit as 'M'`;
    }
  }
  return undefined;
}

/** The first argument of the call at `index`, and where its comma is. */
function firstArgument(
  tokens: readonly Token[],
  index: number,
): { readonly first: readonly Token[]; readonly end: number } {
  let depth = 0;
  let end = index + 1;
  for (; end < tokens.length; end++) {
    const { type, text } = tokens[end]!;
    if (type !== "operator") {
      if (depth === 0) break;
      continue;
    }
    if (/^[([{]$/.test(text)) depth++;
    else if (/^[)\]}]$/.test(text) && --depth <= 0) break;
    else if (text === "," && depth === 1) break;
  }
  return { first: tokens.slice(index + 2, end), end };
}
