/**
 * Whether an expression is always text, or never.
 *
 * An engine of line 5 takes the type of an expression from one value, and then
 * writes the others as if they were of that type: `if ("x" > 1) 'a'; else 2.5`
 * shows an address, and a number that comes where text is expected is taken
 * for the address of one, so that whatever lies there is shown, or the engine
 * traps. All tables lie in that memory.
 *
 * @module
 */

import type { Token } from "./expression_tokens.ts";

/** What a value is, as far as that matters. */
type ValueType = "text" | "other" | "unknown";

/** What can make a value of one type or another. */
const CHOOSING: ReadonlySet<string> = new Set([
  ...["if", "switch", "case", "while", "for", "repeat", "var", "return"],
  ...["?", ":=", "<=>", "~", "swap", "coalesce", "min", "max"],
]);

/** Functions whose value is text. */
const TEXTS: ReadonlySet<string> = new Set([
  ...["concat", "lower", "upper", "replace", "replace_all", "substring"],
  ...["string", "search", "day_of_week", "month_of_year"],
]);

/** Functions whose value is one of their arguments. */
const CHOICES: ReadonlySet<string> = new Set(["coalesce", "min", "max"]);

/** Functions that take a value from a column, which they are told of. */
const FROM_COLUMNS: ReadonlySet<string> = new Set(["col", "vlookup", "index"]);

/** Operators between two values; what comes of them is a number. */
const BETWEEN: ReadonlySet<string> = new Set([
  ...["+", "-", "*", "/", "%", "^", "=", "==", "!=", "<>", "<", "<=", ">"],
  ...[">=", "&", "|", "and", "or", "nand", "nor", "xor", "xnor", "in", "like"],
  ...["ilike", "+=", "-=", "*=", "/=", "%="],
]);

/** Those that also change what is to their left. */
const CHANGING: ReadonlySet<string> = new Set(["+=", "-=", "*=", "/=", "%="]);

/** What was read isn't known to be of one type. */
class Unclear extends Error {}

/**
 * Why an expression may be text at one time and something else at another;
 * `undefined` if it may not. Where it can't be told, it may.
 *
 * @param columns The types of the table's columns; without, none is text.
 */
export function checkTypes(
  tokens: readonly Token[],
  columns: ReadonlyMap<string, string> | undefined,
): string | undefined {
  const dynamic = tokens.find(({ type, text }, i) =>
    type === "symbol" && (text === "col" || text === "vlookup") &&
    !isLiteral(tokens, i + 2)
  );
  if (dynamic !== undefined) {
    return `"${dynamic.text}" at ${
      dynamic.at + 1
    } must name its column as it ` +
      `is, in quotes`;
  }
  if (!tokens.some(({ type, text }) => isWord(type) && CHOOSING.has(text))) {
    return undefined;
  }
  const reader = new TypeReader(tokens, columns);
  if (!tokens.some((it) => reader.mayBeText(it))) return undefined;
  try {
    reader.readAll();
    return undefined;
  } catch (reason) {
    if (!(reason instanceof Unclear)) throw reason;
    return reason.message;
  }
}

/** Whether a string, and nothing else, is the argument that begins at `i`. */
function isLiteral(tokens: readonly Token[], i: number): boolean {
  const next = tokens[i + 1];
  return tokens[i]?.type === "string" &&
    (next?.text === ")" || next?.text === ",");
}

function isWord(type: Token["type"]): boolean {
  return type === "symbol" || type === "operator";
}

/** Reads an expression for the types of its values, by recursion. */
class TypeReader {
  readonly #tokens: readonly Token[];
  readonly #columns: ReadonlyMap<string, string> | undefined;
  readonly #variables = new Map<string, ValueType>();
  /** What is in vectors, whose indices are plain numbers. */
  readonly #vectors = new Map<string, readonly ValueType[]>();
  #next = 0;

  constructor(
    tokens: readonly Token[],
    columns: ReadonlyMap<string, string> | undefined,
  ) {
    this.#tokens = tokens;
    this.#columns = columns;
  }

  /** Whether a token alone may be text, or make some. */
  mayBeText({ type, text }: Token): boolean {
    if (type === "string") return true;
    if (type === "column") return this.#columnType(text) !== "other";
    return type === "symbol" && (TEXTS.has(text) || FROM_COLUMNS.has(text));
  }

  /** Reads all there is. */
  readAll(): void {
    this.#statements();
    if (this.#next < this.#tokens.length) this.#fail();
  }

  get #text(): string {
    const token = this.#tokens[this.#next];
    return token === undefined || !isWord(token.type) ? "" : token.text;
  }

  #takes(text: string): boolean {
    if (this.#text !== text) return false;
    this.#next++;
    return true;
  }

  #expect(text: string): void {
    if (!this.#takes(text)) this.#fail();
  }

  #fail(): never {
    const at = this.#tokens[Math.min(this.#next, this.#tokens.length - 1)]?.at;
    throw new Unclear(
      `at ${(at ?? 0) + 1} it can't be told whether this is text: where an ` +
        `expression chooses between values, all must be text, or none`,
    );
  }

  #same(one: ValueType, other: ValueType): ValueType {
    if (one !== other || one === "unknown") this.#fail();
    return one;
  }

  /** Several, each but the last ended by `;`. It is what the last one is. */
  #statements(): ValueType {
    let type: ValueType = "other";
    while (this.#next < this.#tokens.length && this.#text !== "}") {
      type = this.#takes("var") ? this.#variable() : this.#expression();
      const isOver = this.#next === this.#tokens.length || this.#text === "}";
      // What ends with a block needs no `;`.
      if (isOver || this.#takes(";")) continue;
      if (this.#tokens[this.#next - 1]?.text !== "}") this.#fail();
    }
    return type;
  }

  /** The rest of a declaration. */
  #variable(): ValueType {
    const name = this.#tokens[this.#next++];
    if (name?.type !== "symbol") this.#fail();
    let type: ValueType = "other";
    if (this.#takes("[")) this.#vector(name.text);
    else if (this.#takes(":=")) {
      if (this.#takes("{")) this.#expect("}");
      else type = this.#expression();
    }
    this.#variables.set(name.text, type);
    return type;
  }

  /** The rest of the declaration of a vector: its size, and what is in it. */
  #vector(name: string): void {
    this.#expression();
    this.#expect("]");
    const types: ValueType[] = [];
    if (this.#takes(":=")) {
      this.#expect("{");
      do types.push(this.#expression()); while (this.#takes(","));
      this.#expect("}");
    }
    this.#vectors.set(name, types);
  }

  /** The rest of an element of the vector `name`, or of its size. */
  #element(name: string): ValueType {
    const index = this.#tokens[this.#next];
    if (this.#takes("]")) return "other";
    if (this.#expression() !== "other") this.#fail();
    this.#expect("]");
    // What isn't given is 0.
    const types = this.#vectors.get(name) ?? [];
    const type = types[Number(index?.text)] ?? "other";
    if (!this.#takes(":=")) return type;
    return this.#same(type, this.#expression());
  }

  #expression(): ValueType {
    let type = this.#value();
    while (BETWEEN.has(this.#text)) {
      const changes = CHANGING.has(this.#text);
      this.#next++;
      const right = this.#value();
      if (changes && this.#same(type, right) === "text") this.#fail();
      type = "other";
    }
    if (!this.#takes("?")) return type;
    const then = this.#expression();
    this.#expect(":");
    return this.#same(then, this.#expression());
  }

  #value(): ValueType {
    const token = this.#tokens[this.#next++];
    if (token === undefined) this.#fail();
    const { type, text } = token;
    if (type === "number") return "other";
    if (type === "string") return "text";
    if (type === "column") return this.#columnType(text);
    if (type === "symbol") return this.#word(text);
    switch (text) {
      case "(": {
        const inner = this.#expression();
        this.#expect(")");
        return inner;
      }
      case "{": {
        const last = this.#statements();
        this.#expect("}");
        return last;
      }
      case "-":
      case "+":
      case "!":
        this.#value();
        return "other";
      default:
        this.#next--;
        this.#fail();
    }
  }

  #word(name: string): ValueType {
    if (name === "if") return this.#if();
    if (name === "switch") return this.#switch();
    if (name === "not") {
      this.#value();
      return "other";
    }
    if (CHOOSING.has(name) && !CHOICES.has(name)) {
      this.#next--;
      this.#fail();
    }
    if (this.#takes("(")) return this.#call(name);
    if (this.#takes("[")) return this.#element(name);
    const known = this.#variables.get(name) ?? "other";
    if (!this.#takes(":=")) return known;
    return this.#same(known, this.#expression());
  }

  #call(name: string): ValueType {
    const types: ValueType[] = [];
    if (!this.#takes(")")) {
      do types.push(this.#expression()); while (this.#takes(","));
      this.#expect(")");
    }
    if (TEXTS.has(name)) return "text";
    if (FROM_COLUMNS.has(name)) return "unknown";
    // What isn't text has no buckets but of its own kind.
    if (name === "bucket") return types[0] ?? "other";
    if (!CHOICES.has(name)) return "other";
    return types.reduce((a, b) => this.#same(a, b), types[0] ?? "other");
  }

  /** Either `if (c) a; else b;`, with blocks or without, or `if (c, a, b)`. */
  #if(): ValueType {
    this.#expect("(");
    this.#expression();
    if (this.#takes(",")) {
      const then = this.#expression();
      this.#expect(",");
      const otherwise = this.#expression();
      this.#expect(")");
      return this.#same(then, otherwise);
    }
    this.#expect(")");
    const then = this.#expression();
    const before = this.#next;
    this.#takes(";");
    if (this.#takes("else")) return this.#same(then, this.#expression());
    this.#next = before;
    // Without it there is a number instead.
    return this.#same(then, "other");
  }

  #switch(): ValueType {
    this.#expect("{");
    const types: ValueType[] = [];
    while (this.#takes("case")) {
      this.#expression();
      this.#expect(":");
      types.push(this.#expression());
      this.#takes(";");
    }
    this.#expect("default");
    this.#expect(":");
    types.push(this.#expression());
    this.#takes(";");
    this.#expect("}");
    return types.reduce((a, b) => this.#same(a, b));
  }

  #columnType(quoted: string): ValueType {
    if (this.#columns === undefined) return "other";
    const type = this.#columns.get(quoted.slice(1, -1));
    if (type === undefined) return "unknown";
    return type === "string" ? "text" : "other";
  }
}
