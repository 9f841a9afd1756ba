/**
 * An expression in tokens, as the engine sees them.
 *
 * The engine reads an expression twice: regular expressions replace column
 * names (`"x"` becomes a symbol) and wrap strings (`'a'` becomes
 * `intern('a')`), then ExprTK's lexer takes over. The two don't agree on what
 * a quote, a backslash or a comment is. What they read differently is refused:
 * it could hide anything.
 *
 * @module
 */

/** One token; comments and spaces are none. */
export interface Token {
  /**
   * `column` is a quoted name, `symbol` a word in lower case, since ExprTK
   * doesn't distinguish the cases. `operator` is everything else.
   */
  readonly type: "number" | "string" | "column" | "symbol" | "operator";
  /** The token itself, a column with its quotes; the content of a string. */
  readonly text: string;
  /** Where it begins in the expression. */
  readonly at: number;
}

/** Tokens, or why there are none. */
export type Tokens = { readonly tokens: readonly Token[] } | {
  readonly refused: string;
};

/** What the engine puts in place of a column's name. */
const COLUMN = "COLUMN0";

/** A text whose characters know where they came from. */
interface Mapped {
  readonly text: string;
  readonly at: (index: number) => number;
}

/** Reads `source` as the engine does. */
export function tokenize(source: string): Tokens {
  const mapped = withoutColumns(source);
  const { text, at } = mapped;
  const strings = quotedSpans(text, "'");
  const tokens: Token[] = [];
  let nextString = 0;
  let index = 0;
  const ambiguous = (where: number): Tokens => ({
    refused: `the quote at ${at(where) + 1} can be read in two ways; ` +
      `use no empty strings, no backslash before the end of a string, and ` +
      `no single apostrophe in a comment`,
  });
  while (index < text.length) {
    const char = text[index]!;
    const start = index;
    const end = endOfComment(text, index);
    if (end > index) {
      // Strings that the engine sees in a comment have to end there, too.
      while (nextString < strings.length && strings[nextString]![0] < end) {
        if (strings[nextString]![1] > end) return ambiguous(start);
        nextString++;
      }
      index = end;
      continue;
    }
    if (char <= " ") {
      index++;
      continue;
    }
    if (char === "'") {
      index = endOfString(text, index);
      const span = strings[nextString];
      const content = text.slice(start + 1, index - 1);
      if (span?.[0] === start && span[1] === index) {
        nextString++;
        // The engine unwraps what it wrapped up to the first "')".
        if (content.includes("')")) return ambiguous(start);
      } else if (span !== undefined && span[0] < index) {
        return ambiguous(start);
      }
      tokens.push({ type: "string", text: content, at: at(start) });
      continue;
    }
    const word = wordAt(text, index);
    index += word.length;
    const type = /^[0-9.]/.test(word) && /[0-9]/.test(word)
      ? "number"
      : /^[a-z_]/i.test(word)
      ? "symbol"
      : "operator";
    tokens.push({
      type: word === COLUMN ? "column" : type,
      text: word === COLUMN
        ? nameAt(source, at(start))
        : type === "symbol"
        ? word.toLowerCase()
        : word,
      at: at(start),
    });
  }
  return { tokens };
}

/** The column that begins at `at`, with its quotes. */
function nameAt(source: string, at: number): string {
  // Written out as the engine's own name, it is no column.
  const [span] = source[at] === '"' ? quotedSpans(source, '"', at, 1) : [];
  return span === undefined ? COLUMN : source.slice(...span);
}

/** The end of what is no operator, or the operator; never empty. */
function wordAt(text: string, index: number): string {
  WORD.lastIndex = index;
  return WORD.exec(text)?.[0] ?? text[index]!;
}

const WORD =
  /[a-z_][a-z0-9_]*(?:\.[a-z0-9_]+)*|(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|\$f\d\d|<=>|[-+*/%:<>=!]=|<>|[^]/giy;

/** The end of the comment that begins at `index`, else `index`. */
function endOfComment(text: string, index: number): number {
  const isBlock = text.startsWith("/*", index);
  if (!isBlock && text[index] !== "#" && !text.startsWith("//", index)) {
    return index;
  }
  const end = isBlock
    ? text.indexOf("*/", index + 2)
    : text.indexOf("\n", index);
  if (end < 0) return text.length;
  return isBlock ? end + 2 : end + 1;
}

/** The end of ExprTK's string: at the next quote without a backslash. */
function endOfString(text: string, start: number): number {
  let index = start + 1;
  for (; index < text.length && text[index] !== "'"; index++) {
    if (text[index] === "\\") index++;
  }
  return Math.min(index + 1, text.length);
}

/**
 * What the engine's `(Q(.*?[^\\])Q)` finds, where Q is the quote: at least one
 * character, no backslash before the end, and no line break but as the last.
 */
function quotedSpans(
  text: string,
  quote: string,
  from = 0,
  most = Infinity,
): [number, number][] {
  const spans: [number, number][] = [];
  let start = text.indexOf(quote, from);
  while (start >= 0 && spans.length < most) {
    let end = -1;
    let last = start + 1;
    for (; last < text.length; last++) {
      if (text[last] !== "\\" && text[last + 1] === quote) {
        end = last + 2;
        break;
      }
      if (text[last] === "\n") break;
    }
    if (end > 0) spans.push([start, end]);
    // What finds no end on its line, finds none from later in it either.
    start = text.indexOf(quote, end > 0 ? end : Math.max(last, start + 1));
  }
  return spans;
}

/** `source` with columns replaced, as the engine does it: anywhere. */
function withoutColumns(source: string): Mapped {
  const spans = quotedSpans(source, '"');
  if (spans.length === 0) return { text: source, at: (index) => index };
  const parts: string[] = [];
  /** Where each part begins in the result, and where it came from. */
  const starts: [number, number][] = [];
  let length = 0;
  let from = 0;
  const push = (part: string, at: number) => {
    parts.push(part);
    starts.push([length, at]);
    length += part.length;
  };
  for (const [start, end] of spans) {
    push(source.slice(from, start), from);
    push(COLUMN, start);
    from = end;
  }
  push(source.slice(from), from);
  const at = (index: number) => {
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (starts[middle]![0] <= index) low = middle;
      else high = middle - 1;
    }
    const [begins, came] = starts[low]!;
    return low % 2 === 1 ? came : came + index - begins;
  };
  return { text: parts.join(""), at };
}
