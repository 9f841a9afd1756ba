/**
 * Reading JSON without making anything of it.
 *
 * A guard has to know that a text is JSON and how it is built, not what it
 * says. Going over its bytes once is quicker than `JSON.parse`, uses no
 * memory, never recurses deeper than it is told to, and knows at each byte
 * where it is.
 *
 * What passes here is what the engine's own parser (RapidJSON with its default
 * flags) takes: RFC 8259, and of that only what is well-formed Unicode.
 *
 * @module
 */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const MINUS = 0x2d;
const PLUS = 0x2b;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const TRUE = encoder.encode("true");
const FALSE = encoder.encode("false");
const NULL = encoder.encode("null");

/** A number of fewer bytes without an exponent is in range whatever it is. */
const SHORT_NUMBER = 300;

/**
 * A place in a text of JSON that moves on.
 *
 * The methods that return a `boolean` have moved behind what they are called
 * after, or say what is wrong in {@linkcode JsonScanner.problem} and return
 * `false`; nothing can be read after that.
 */
export class JsonScanner {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  /** The byte that is read next. */
  at = 0;
  /** What is wrong, and at which byte. */
  problem = "";

  readonly #maxStringLength: number;

  /**
   * The text in `bytes`, which must be UTF-8. Strings that are values may have
   * `maxStringLength` bytes, and so may numbers.
   */
  constructor(bytes: Uint8Array, maxStringLength = Infinity) {
    this.#bytes = bytes;
    this.#end = bytes.length;
    this.#maxStringLength = maxStringLength;
  }

  /** Passes over blanks and line breaks; returns the byte after them, or -1 at the end. */
  next(): number {
    const bytes = this.#bytes;
    let at = this.at;
    while (at < this.#end) {
      const byte = bytes[at]!;
      if (byte > 0x20 || !isSpace(byte)) {
        this.at = at;
        return byte;
      }
      at++;
    }
    this.at = at;
    return -1;
  }

  /** Reads the byte `expected`, after blanks; `what` names it in the problem. */
  take(expected: number, what: string): boolean {
    if (this.next() !== expected) return this.#fail(`expected ${what}`);
    this.at++;
    return true;
  }

  /** Says that something else should be here. */
  expected(what: string): false {
    return this.#fail(`expected ${what}`);
  }

  /** Reads a string; its quotation mark is the next byte. */
  string(): boolean {
    const bytes = this.#bytes;
    const end = this.#end;
    let at = this.at + 1;
    while (at < end) {
      const byte = bytes[at]!;
      if (byte > QUOTE && byte !== BACKSLASH) at++;
      else if (byte === QUOTE) {
        this.at = at + 1;
        return true;
      } else if (byte === BACKSLASH) {
        this.at = at;
        if (!this.#escape()) return false;
        at = this.at;
      } else if (byte >= 0x20) at++;
      else {
        this.at = at;
        return this.#fail(
          "a control character in a string has to be written as an escape",
        );
      }
    }
    return this.#fail("this string doesn't end");
  }

  /**
   * Reads a value in which arrays and objects lie in each other no deeper than
   * `depth`: with 0 it has to be a string, a number, `true`, `false` or `null`.
   */
  value(depth: number): boolean {
    return this.valueFrom(this.next(), depth);
  }

  /** The same for one that begins with `byte`, which {@linkcode JsonScanner.next} returned. */
  valueFrom(byte: number, depth: number): boolean {
    switch (byte) {
      case QUOTE:
        return this.#text();
      case OPEN_LIST:
        return this.#list(depth);
      case OPEN_OBJECT:
        return this.#object(depth);
      case 0x74:
        return this.#word(TRUE);
      case 0x66:
        return this.#word(FALSE);
      case 0x6e:
        return this.#word(NULL);
      default:
        return byte === MINUS || (byte >= ZERO && byte <= NINE)
          ? this.#number()
          : this.#noValue(byte);
    }
  }

  /** Whether nothing but blanks is left. */
  end(): boolean {
    return this.next() === -1 || this.#fail("the JSON is over here");
  }

  /** The string between two places, its quotation marks among them. */
  text(start: number, end: number): string {
    const raw = decoder.decode(this.#bytes.subarray(start, end));
    return raw.includes("\\") ? JSON.parse(raw) : raw.slice(1, -1);
  }

  #fail(what: string, at = this.at): false {
    this.problem = at < this.#end
      ? `${what}, at byte ${at}`
      : `${what}, but the data end, at byte ${this.#end}`;
    return false;
  }

  #noValue(byte: number): false {
    const { at } = this;
    // What Python writes for numbers that JSON doesn't have.
    return byte === 0x4e || byte === 0x49
      ? this.#fail("JSON has no NaN and no Infinity; send null", at)
      : this.#fail("expected a value", at);
  }

  #word(word: Uint8Array): boolean {
    for (let i = 0; i < word.length; i++) {
      if (this.#bytes[this.at + i] !== word[i]) {
        return this.#noValue(0);
      }
    }
    this.at += word.length;
    return true;
  }

  /** Reads a string that is a value. */
  #text(): boolean {
    const start = this.at;
    if (!this.string()) return false;
    const most = this.#maxStringLength;
    if (this.at - start - 2 <= most) return true;
    // Escapes are longer than what they stand for.
    const { length } = encoder.encode(this.text(start, this.at));
    return length <= most || this.#tooLong(start, length);
  }

  #tooLong(start: number, length: number): false {
    return this.#fail(
      `this value has ${length} bytes, at most ${this.#maxStringLength} are ` +
        "allowed",
      start,
    );
  }

  #number(): boolean {
    const bytes = this.#bytes;
    const start = this.at;
    let at = start;
    if (bytes[at] === MINUS) at++;
    if (bytes[at] === ZERO) at++;
    else {
      const digits = at;
      at = this.#digits(at);
      if (at === digits) return this.#fail("expected a digit", at);
    }
    if (bytes[at] === POINT) {
      const digits = ++at;
      at = this.#digits(at);
      if (at === digits) return this.#fail("expected a digit", at);
    }
    let isLong = at - start > SHORT_NUMBER;
    if (bytes[at] === 0x65 || bytes[at] === 0x45) {
      isLong = true;
      at++;
      if (bytes[at] === PLUS || bytes[at] === MINUS) at++;
      const digits = at;
      at = this.#digits(at);
      if (at === digits) return this.#fail("expected a digit", at);
    }
    // The engine passes over a whole update because of such a number, and
    // answers success (ENGINE 1.3).
    if (
      isLong && !isFinite(Number(decoder.decode(bytes.subarray(start, at))))
    ) {
      return this.#fail("this number is too large for a 64-bit float");
    }
    if (at - start > this.#maxStringLength) {
      return this.#tooLong(start, at - start);
    }
    this.at = at;
    return true;
  }

  #digits(at: number): number {
    const bytes = this.#bytes;
    const end = this.#end;
    while (at < end) {
      const byte = bytes[at]!;
      if (byte < ZERO || byte > NINE) break;
      at++;
    }
    return at;
  }

  #list(depth: number): boolean {
    if (depth === 0) return this.#tooDeep();
    this.at++;
    if (this.next() === CLOSE_LIST) {
      this.at++;
      return true;
    }
    for (;;) {
      if (!this.value(depth - 1)) return false;
      const byte = this.next();
      this.at++;
      if (byte === COMMA) continue;
      if (byte === CLOSE_LIST) return true;
      this.at--;
      return this.#fail('expected "," or "]"');
    }
  }

  #object(depth: number): boolean {
    if (depth === 0) return this.#tooDeep();
    this.at++;
    if (this.next() === CLOSE_OBJECT) {
      this.at++;
      return true;
    }
    for (;;) {
      if (this.next() !== QUOTE) return this.#fail("expected a name in quotes");
      if (!this.string() || !this.take(COLON, '":"')) return false;
      if (!this.value(depth - 1)) return false;
      const byte = this.next();
      this.at++;
      if (byte === COMMA) continue;
      if (byte === CLOSE_OBJECT) return true;
      this.at--;
      return this.#fail('expected "," or "}"');
    }
  }

  #tooDeep(): false {
    return this.#fail("arrays and objects lie too deep in each other");
  }

  /** Reads an escape; its backslash is the next byte. */
  #escape(): boolean {
    const bytes = this.#bytes;
    const start = this.at;
    switch (bytes[start + 1]) {
      case QUOTE:
      case BACKSLASH:
      case 0x2f:
      case 0x62:
      case 0x66:
      case 0x6e:
      case 0x72:
      case 0x74:
        this.at = start + 2;
        return true;
      case 0x75:
        break;
      default:
        return this.#fail("there is no such escape");
    }
    const unit = this.#hex(start + 2);
    if (unit < 0) return this.#fail('expected four hex digits after "\\u"');
    this.at = start + 6;
    if (unit < 0xd800 || unit > 0xdfff) return true;
    // The engine doesn't take half of a pair either, but drops all the rows and
    // answers success.
    const low = bytes[start + 6] === BACKSLASH && bytes[start + 7] === 0x75
      ? this.#hex(start + 8)
      : -1;
    if (unit > 0xdbff || low < 0xdc00 || low > 0xdfff) {
      return this.#fail("half of a surrogate pair isn't a character", start);
    }
    this.at = start + 12;
    return true;
  }

  /** The number that four hex digits make, or -1. */
  #hex(at: number): number {
    let value = 0;
    for (let i = 0; i < 4; i++) {
      const digit = hexDigit(this.#bytes[at + i]);
      if (digit < 0) return -1;
      value = value * 16 + digit;
    }
    return value;
  }
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function hexDigit(byte: number | undefined): number {
  if (byte === undefined) return -1;
  if (byte >= ZERO && byte <= NINE) return byte - ZERO;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
