/**
 * Measuring what an expression takes of the engine.
 *
 * @module
 */

import type { Line } from "../protocol/kinds.ts";
import type { ExpressionLimits } from "./expression.ts";
import { FUNCTIONS, KEYWORDS, LOOPS } from "./expression_functions.ts";
import type { Token } from "./expression_tokens.ts";

/** Bytes of stack that a construct takes while its inside is compiled. */
interface StackCosts {
  /** A pair of brackets. */
  readonly paren: number;
  /** The right side of an operator that waits for it. */
  readonly operand: number;
  /** A call and, as one, a string. */
  readonly call: number;
  /** `switch { }`, `[*] { }`, `~{ }`, an index. */
  readonly control: number;
  /** What follows the head of an `if`. */
  readonly branch: number;
  /** Braces of such a branch. */
  readonly block: number;
  /** A further `else if`. */
  readonly elseIf: number;
  /** What follows `?` or `:`. */
  readonly ternary: number;
  /** An operator when the chain is evaluated, whatever its place. */
  readonly chain: number;
}

/**
 * Measured by painting the stack before a request and looking how far it was
 * written afterwards. Of its 65,536 bytes, the first level of an expression
 * finds 6,200 used on line 3 and 10,300 on line 5. All grow linearly.
 */
export const STACK: Readonly<Record<Line, StackCosts>> = {
  "3": {
    paren: 880,
    operand: 880,
    call: 1344,
    control: 1616,
    branch: 1360,
    block: 240,
    elseIf: 288,
    ternary: 1008,
    chain: 32,
  },
  "5": {
    paren: 2192,
    operand: 1680,
    call: 3008,
    control: 3152,
    branch: 2848,
    block: 240,
    elseIf: 560,
    ternary: 1920,
    chain: 32,
  },
};

/** Characters that a column's value counts as. */
const CELL = 64;

/** The functions that may result in strings. */
const OF_STRINGS: ReadonlySet<string> = new Set(
  ("clamp coalesce col concat day_of_week iclamp lower max min month_of_year " +
    "replace replace_all search string substring upper vlookup").split(" "),
);

/** Characters of a number or a date as text. */
const SCALAR = 32;

/** Functions that make strings of something else. */
const NAMES: ReadonlySet<string> = new Set(
  ["string", "col", "vlookup", "day_of_week", "month_of_year"],
);

/** How tight operators bind; what isn't here is no binary operator. */
const BINDING: ReadonlyMap<string, number> = new Map([
  ...["or", "nor", "xor", "xnor", "|"].map((it) => [it, 2] as const),
  ...["and", "nand", "&"].map((it) => [it, 3] as const),
  ...["<", "<=", "=", "==", "!=", "<>", ">=", ">", "in", "like", "ilike"]
    .map((it) => [it, 4] as const),
  ...["+", "-"].map((it) => [it, 6] as const),
  ...["*", "/", "%"].map((it) => [it, 8] as const),
  ["^", 10],
]);

const ASSIGNMENTS: ReadonlySet<string> = new Set(
  [":=", "+=", "-=", "*=", "/=", "%=", "<=>"],
);

/** A prefix binds tighter than all but `^`. */
const PREFIX = 9;

/** Something that waits for its right side. */
interface Pending {
  readonly kind: "operator" | "assignment" | "if" | "else" | "then" | "other";
  /** Only of operators: what binds as tight or tighter ends before. */
  readonly binding: number;
  readonly cost: number;
}

/** An open bracket, or the whole expression. */
interface Frame {
  readonly cost: number;
  /** The function, `if`, `switch` or nothing. */
  readonly name: string;
  readonly pending: Pending[];
  /** How many of `pending` are of these kinds. */
  readonly waiting: { if: number; then: number };
  /** Longest strings of the arguments before. */
  readonly lengths: number[];
  /** Longest string of the argument that is being read. */
  length: number;
}

/**
 * Goes through an expression once, with the stack that the engine would have.
 * It takes any tokens, also such as the engine will refuse.
 */
export class ExpressionMeter {
  /** Bytes of the engine's stack, above what the first level takes. */
  stack = 0;
  /** Characters of the longest string. */
  stringLength = 0;
  readonly #limits: ExpressionLimits;
  readonly #costs: StackCosts;
  readonly #frames: Frame[] = [];
  /** What is in use now. */
  #used = 0;
  #operators = 0;
  #deepest = 0;
  /** Longest string of any variable: each may hold what any was assigned. */
  #variables = 0;

  /** Measures for the engine that `limits` are of. */
  constructor(limits: ExpressionLimits) {
    this.#limits = limits;
    this.#costs = STACK[limits.line];
  }

  /** Why the expression is refused. */
  measure(tokens: readonly Token[]): string | undefined {
    this.#open("", 0);
    for (let i = 0; i < tokens.length; i++) {
      const token = tokens[i]!;
      const refused = this.#take(token, tokens[i - 1], tokens[i + 1]) ??
        this.#exceeded(token);
      if (refused !== undefined) return refused;
    }
    while (this.#frames.length > 0) {
      this.#close();
      const refused = this.#exceeded(tokens.at(-1)!);
      if (refused !== undefined) return refused;
    }
    return undefined;
  }

  #exceeded(token: Token | undefined): string | undefined {
    const at = token === undefined ? "" : ` at ${token.at + 1}`;
    const { maxDepth, maxStringLength } = this.#limits;
    const depth = this.stack / this.#costs.paren;
    if (depth > maxDepth) {
      return `it must nest at most ${maxDepth} levels deep, received more${at}` +
        `; split it into several expressions or into "var" statements`;
    }
    if (this.stringLength > maxStringLength) {
      return `it must build strings of at most ${maxStringLength} characters, ` +
        `received more${at}`;
    }
    return undefined;
  }

  #take(
    token: Token,
    before: Token | undefined,
    next: Token | undefined,
  ): string | undefined {
    const { type, text } = token;
    if (type === "number") return this.#value(0);
    if (type === "column") return this.#value(CELL);
    if (type === "string") {
      // The engine wraps it in a call.
      this.#note(this.#costs.call);
      return this.#value(text.length);
    }
    if (type === "symbol") return this.#symbol(token, before, next);
    if (text === "(" || text === "[" || text === "{") {
      this.#bracket(text, before);
    } else if (text === ")" || text === "]" || text === "}") {
      this.#close();
      if (next?.text === "else") this.#unwindToIf();
    } else if (text === ",") this.#separate();
    else if (text === ";") {
      if (next?.text === "else") this.#unwindToIf();
      else this.#separate();
    } else if (text === "?") {
      this.#unwind(0);
      this.#push("then", this.#costs.ternary);
    } else if (text === ":") this.#colon();
    else if (ASSIGNMENTS.has(text)) {
      this.#push("assignment", this.#costs.operand);
      if (text === "<=>") this.#variables = this.#longest();
    } else this.#operator(text, before);
    return undefined;
  }

  #symbol(
    token: Token,
    before: Token | undefined,
    next: Token | undefined,
  ): string | undefined {
    const { text, at } = token;
    const { allowLoops, allowUnknownFunctions, line } = this.#limits;
    if (LOOPS.has(text) && !allowLoops) {
      return `"${text}" at ${at + 1} is a loop, and loops aren't allowed`;
    }
    if (text === "intern") {
      return `"intern" at ${at + 1} isn't needed: write the string alone`;
    }
    if (text === "else") {
      this.#unwindToIf();
      const isIf = next?.text === "if";
      const { elseIf, branch } = this.#costs;
      this.#replace("if", "else", isIf ? elseIf : branch);
      return undefined;
    }
    const isOperator = BINDING.has(text);
    if (next?.text === "(" && next.type === "operator") {
      const isKnown = FUNCTIONS[line].has(text) || KEYWORDS.has(text) ||
        LOOPS.has(text) || isOperator;
      if (!isKnown && !allowUnknownFunctions) {
        return `"${text}" at ${at + 1} is no function that the engine has`;
      }
    }
    if (isOperator) this.#operator(text, before);
    else if (next?.text !== "(") this.#value(this.#variables);
    return undefined;
  }

  /** A binary operator, or a prefix. */
  #operator(text: string, before: Token | undefined): void {
    const binding = BINDING.get(text) ?? PREFIX;
    const isPrefix = !BINDING.has(text) || before === undefined ||
      before.type === "operator" && !/^[)\]}]$/.test(before.text) ||
      before.type === "symbol" &&
        (BINDING.has(before.text) || KEYWORDS.has(before.text));
    this.#operators++;
    // These wait for all that follows on their level.
    const isRight = text === "^" || /^(in|i?like)$/.test(text);
    if (!isPrefix) this.#unwind(isRight ? binding + 1 : binding);
    this.#push("operator", this.#costs.operand, isPrefix ? PREFIX : binding);
  }

  #bracket(text: string, before: Token | undefined): void {
    const { paren, call, control, block } = this.#costs;
    const name = before?.type === "symbol" || before?.text.startsWith("$f")
      ? before.text
      : "";
    const pending = this.#frame().pending.at(-1)?.kind;
    if (text === "(" && name !== "" && !BINDING.has(name)) {
      this.#open(name, call);
    } else if (text === "[" && (name !== "" || before?.text === "]")) {
      this.#open("", control);
    } else if (text === "{" && (pending === "if" || pending === "else")) {
      this.#open("", block);
    } else if (text === "{") this.#open(name, control);
    else this.#open("", paren);
  }

  #open(name: string, cost: number): void {
    this.#used += cost;
    this.#frames.push({
      name,
      cost,
      pending: [],
      waiting: { if: 0, then: 0 },
      lengths: [],
      length: 0,
    });
    this.#note(0);
  }

  #close(): void {
    const frame = this.#frame();
    this.#separate();
    this.#frames.pop();
    this.#used -= frame.cost;
    if (this.#frames.length === 0) return;
    this.#value(lengthOf(frame));
    const isHead = frame.name === "if" && frame.lengths.length < 3 ||
      LOOPS.has(frame.name);
    if (isHead) this.#push("if", this.#costs.branch);
    // It may have changed its arguments.
    if (frame.name === "swap") {
      this.#variables = frame.lengths
        .reduce((most, it) => Math.max(most, it), this.#variables);
    }
  }

  /** The end of an argument or a statement. */
  #separate(): void {
    const frame = this.#frame();
    this.#unwind(-1);
    frame.lengths.push(frame.length);
    frame.length = 0;
  }

  #colon(): void {
    // In a `switch`, a colon may also end a condition.
    if (this.#frame().waiting.then > 0) {
      this.#replace("then", "other", this.#costs.ternary);
    } else this.#unwind(-1);
  }

  /** Ends what waits down to the last of `kind`, and puts another in its place. */
  #replace(kind: Pending["kind"], by: Pending["kind"], cost: number): void {
    const { pending } = this.#frame();
    while (pending.length > 0) {
      const isThis = pending.at(-1)!.kind === kind;
      this.#pop();
      if (isThis) break;
    }
    this.#push(by, cost);
  }

  #unwindToIf(): void {
    const { pending, waiting } = this.#frame();
    if (waiting.if === 0) return;
    while (pending.at(-1)!.kind !== "if") this.#pop();
  }

  /** Ends operators that bind at least so tight; with -1, all that waits. */
  #unwind(binding: number): void {
    const { pending } = this.#frame();
    while (pending.length > 0) {
      const last = pending.at(-1)!;
      if (
        binding >= 0 && (last.kind !== "operator" || last.binding < binding)
      ) {
        break;
      }
      this.#pop();
    }
  }

  #pop(): void {
    const { pending, waiting } = this.#frame();
    const { kind, cost } = pending.pop()!;
    this.#used -= cost;
    if (kind === "if" || kind === "then") waiting[kind]--;
    if (kind === "assignment") this.#variables = this.#longest();
  }

  #push(kind: Pending["kind"], cost: number, binding = 0): void {
    const { pending, waiting } = this.#frame();
    this.#used += cost;
    pending.push({ kind, cost, binding });
    if (kind === "if" || kind === "then") waiting[kind]++;
    this.#note(0);
  }

  #value(length: number): undefined {
    const frame = this.#frame();
    frame.length = Math.max(frame.length, length);
    this.stringLength = Math.max(this.stringLength, length);
  }

  #longest(): number {
    return Math.max(this.#variables, this.#frame().length);
  }

  #note(more: number): void {
    this.#deepest = Math.max(this.#deepest, this.#used + more);
    this.stack = this.#deepest + this.#operators * this.#costs.chain;
  }

  #frame(): Frame {
    // A closing bracket too many: the engine will say so.
    if (this.#frames.length === 0) this.#open("", 0);
    return this.#frames.at(-1)!;
  }
}

/** Characters of the string that a call or a bracket results in. */
function lengthOf({ name, lengths }: Frame): number {
  if (name !== "" && FUNCTIONS["5"].has(name) && !OF_STRINGS.has(name)) {
    return 0;
  }
  const longest = lengths.reduce((most, it) => Math.max(most, it), 0);
  if (name === "concat") return lengths.reduce((sum, it) => sum + it, 0);
  if (NAMES.has(name)) return Math.max(SCALAR, longest);
  if (name === "replace" || name === "replace_all") {
    // A replacement for every character; `\1` puts all of them back each time.
    const [text = 0, , by = 0] = lengths;
    return (text + 1) * (by + 1) * (by > 1 ? 2 : 1);
  }
  return longest;
}
