/**
 * Data as clients may write them, of any type and in any order. For tests only.
 *
 * @module
 */

import type { Random } from "./random.ts";

const TEXTS = [
  "",
  "a",
  "plain words",
  'quotes " and \\ and /',
  "line\nbreak\ttab\r",
  "é€😀",
  "\u0001\u001f\u007f",
  "\u2028\ufeff",
  "null",
  "1",
  "1.5",
  "true",
  "2024-01-02",
  "2024-01-02 03:04:05.678",
  "2024-01-02T03:04:05Z",
  "a,b;c",
  "x".repeat(300),
];

const NUMBERS = [
  ...[0, -0, 1, -1, 0.5, -0.25, 1e-7, 1e21, 1e300, 5e-324],
  ...[2 ** 31 - 1, -(2 ** 31), 2 ** 53 - 1, 1700000000000],
  Number.MAX_VALUE,
];

/** A value that isn't an array or an object. */
export function anyScalar(random: Random): string | number | boolean | null {
  switch (random.below(6)) {
    case 0:
      return null;
    case 1:
      return random.chance(0.5);
    case 2:
      return random.pick(NUMBERS);
    case 3:
      return random.uint32() / 2 ** random.below(40);
    default:
      return anyText(random);
  }
}

/** A text of any characters. */
export function anyText(random: Random): string {
  if (random.chance(0.7)) return random.pick(TEXTS);
  return Array.from({ length: random.below(10) }, () => {
    const point = random.between(1, 0x10ffff);
    return point >= 0xd800 && point < 0xe000
      ? "?"
      : String.fromCodePoint(point);
  }).join("");
}

/** Columns' names, all different. */
export function anyNames(random: Random): string[] {
  const names = ["k", "price", "", "a b", "é", '"', "\\", "__INDEX__", "k\n"];
  return random.some([...names, "__proto__", "k.x", "😀"], random.below(8));
}

/** A value as JSON, with blanks, escapes and nesting as they come. */
export function anyJson(random: Random, depth = 4): string {
  const blank = () =>
    random.chance(0.1) ? random.pick([" ", "\n", "\t\r "]) : "";
  const list = (length: number, make: () => string) =>
    Array.from({ length }, () => `${blank()}${make()}${blank()}`).join();
  const kind = depth === 0 ? 9 : random.below(10);
  if (kind < 2) {
    return `[${blank()}${
      list(random.below(4), () => anyJson(random, depth - 1))
    }]`;
  }
  if (kind < 4) {
    const field = () =>
      `${anyString(random)}${blank()}:${blank()}${anyJson(random, depth - 1)}`;
    return `{${blank()}${list(random.below(4), field)}}`;
  }
  const value = anyScalar(random);
  return blank() +
    (typeof value === "string"
      ? anyString(random, value)
      : typeof value === "number"
      ? anyNumber(random, value)
      : JSON.stringify(value)) +
    blank();
}

/** A string as JSON, in one of the ways in which it can be written. */
export function anyString(random: Random, text = anyText(random)): string {
  const json = JSON.stringify(text);
  if (random.chance(0.7)) return json;
  // As Python writes it.
  const ascii = json.replaceAll(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return random.chance(0.5) ? ascii : ascii.replaceAll("/", "\\/");
}

function anyNumber(random: Random, value: number): string {
  const exponential = value.toExponential();
  return random.pick([
    String(value),
    exponential,
    exponential.toUpperCase().replace("E+", "E"),
    Object.is(value, -0) ? "-0.0" : JSON.stringify(value),
  ]);
}

/** Rows as JSON: columns in any order, some left out; `flat` is without nested values. */
export function anyRows(
  random: Random,
  names: readonly string[],
  isFlat = false,
): string[] {
  const rest = new Set(names);
  return Array.from({ length: random.below(8) }, () => {
    const own = random.chance(0.7)
      ? names
      : random.some([...rest], random.below(names.length + 1));
    return `{${
      own.map((name) =>
        `${anyString(random, name)}: ${anyCell(random, isFlat)}`
      ).join(random.pick([",", ", "]))
    }}`;
  });
}

/** Columns of `length` values as JSON. */
export function anyColumns(
  random: Random,
  names: readonly string[],
  length: number,
): string {
  return `{${
    names.map((name) => {
      const cells = Array.from({ length }, () => anyCell(random, false));
      return `${anyString(random, name)}:[${cells.join()}]`;
    }).join()
  }}`;
}

function anyCell(random: Random, isFlat: boolean): string {
  return isFlat || random.chance(0.95)
    ? JSON.stringify(anyScalar(random))
    : anyJson(random, 2).trim();
}

/** A table as CSV. */
export function anyCsv(random: Random, names: readonly string[]): string {
  const cell = (text: string) =>
    random.chance(0.2) || /[",\r\n]/.test(text)
      ? `"${text.replaceAll('"', '""')}"`
      : text;
  const row = () =>
    names.map(() => cell(String(anyScalar(random) ?? ""))).join();
  const rows = Array.from({ length: random.below(8) }, row);
  const breaks = random.pick(["\n", "\r\n", "\r"]);
  return random.pick(["", "\ufeff"]) +
    [names.map(cell).join(), ...rows].join(breaks) +
    random.pick(["", breaks, breaks + breaks]);
}
