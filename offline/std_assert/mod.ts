/**
 * A stand-in for `jsr:@std/assert`, for places from which JSR can't be reached.
 *
 * It has the names and signatures of the real package, and only the assertions
 * that this project calls. Take its line out of `links` in `deno.json` to use
 * the real one.
 *
 * Deep equality is Node's `isDeepStrictEqual`, which tells apart two things
 * that the real package takes as equal: `0` and `-0`, and an object with and
 * without `Object.prototype`. So what `assertEquals` lets pass here passes there.
 *
 * ```ts
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * assertEquals({ a: [1, 2] }, { a: [1, 2] });
 * assertThrows(() => JSON.parse("{"), SyntaxError);
 * ```
 *
 * @module
 */
import { AssertionError as NodeAssertionError } from "node:assert";
import { inspect, isDeepStrictEqual } from "node:util";

/** Any constructor. */
// deno-lint-ignore no-explicit-any
export type AnyConstructor = new (...args: any[]) => any;

/** The type of what a constructor makes. */
export type GetConstructorType<T extends AnyConstructor> = InstanceType<T>;

/** Something with indices and a length that is not a string. */
export type ArrayLikeArg<T> = ArrayLike<T> & object;

/** A constructor of errors. */
// deno-lint-ignore no-explicit-any
export type ErrorClass<E extends Error> = new (...args: any[]) => E;

/** What a failed assertion throws. */
export class AssertionError extends Error {
  /**
   * Makes the error.
   *
   * @param message What was asserted and what was found.
   * @param options The options of any error, such as its `cause`.
   */
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "AssertionError";
  }
}

/** One text for a value, whole but for the very long. */
function show(value: unknown): string {
  return inspect(value, { depth: 10, maxArrayLength: 200, sorted: true });
}

/** Throws `text`, then the caller's `msg` if there is one, then `details`. */
function throwFailure(text: string, msg?: string, details = ""): never {
  throw new AssertionError(`${text}${msg ? `: ${msg}` : "."}${details}`);
}

/** Node's line by line difference of two values, without its first line. */
function difference(actual: unknown, expected: unknown): string {
  const operator = "deepStrictEqual";
  const { message } = new NodeAssertionError({ actual, expected, operator });
  return message.slice(message.indexOf("\n"));
}

/**
 * Asserts that a value is truthy.
 *
 * @param expr The value.
 * @param msg Text for the failure.
 * @throws {AssertionError} If it is falsy.
 */
export function assert(expr: unknown, msg = ""): asserts expr {
  if (!expr) throw new AssertionError(msg);
}

/**
 * Asserts that two values are deeply equal.
 *
 * @typeParam T The type of both.
 * @param actual What was found.
 * @param expected What it should be.
 * @param msg Text for the failure.
 * @throws {AssertionError} If they differ.
 */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  if (isDeepStrictEqual(actual, expected)) return;
  throwFailure("Values are not equal", msg, difference(actual, expected));
}

/**
 * Asserts that two values are not deeply equal.
 *
 * @typeParam T The type of both.
 * @param actual What was found.
 * @param expected What it should not be.
 * @param msg Text for the failure.
 * @throws {AssertionError} If they don't differ.
 */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  if (!isDeepStrictEqual(actual, expected)) return;
  throwFailure(`Expected values to differ, both are ${show(actual)}`, msg);
}

/**
 * Asserts that two values are the same, by `Object.is`.
 *
 * @typeParam T The type of `expected`.
 * @param actual What was found.
 * @param expected What it should be.
 * @param msg Text for the failure.
 * @throws {AssertionError} If they aren't.
 */
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  msg?: string,
): asserts actual is T {
  if (Object.is(actual, expected)) return;
  const details = isDeepStrictEqual(actual, expected)
    ? `\n\nThey are equal, but not the same object:\n\n${show(actual)}`
    : difference(actual, expected);
  throwFailure("Values are not strictly equal", msg, details);
}

/**
 * Asserts that a value is neither `null` nor `undefined`.
 *
 * @typeParam T The type of the value.
 * @param actual The value.
 * @param msg Text for the failure.
 * @throws {AssertionError} If it is one of them.
 */
export function assertExists<T>(
  actual: T,
  msg?: string,
): asserts actual is NonNullable<T> {
  if (actual !== undefined && actual !== null) return;
  throwFailure(`Expected a value, received ${actual}`, msg);
}

/**
 * Asserts that a function throws.
 *
 * @param fn The function.
 * @param msg Text for the failure.
 * @returns What it threw.
 * @throws {AssertionError} If it doesn't throw.
 */
export function assertThrows(fn: () => unknown, msg?: string): unknown;
/**
 * Asserts that a function throws an error of a class, with a text in it.
 *
 * @typeParam E The class of the error.
 * @param fn The function.
 * @param ErrorClass The class that the error must be of.
 * @param msgIncludes What the error's message must contain.
 * @param msg Text for the failure.
 * @returns The error.
 * @throws {AssertionError} If it doesn't throw that.
 */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  ErrorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): E;
export function assertThrows(
  fn: () => unknown,
  classOrMsg?: ErrorClass<Error> | string,
  msgIncludes?: string,
  msg?: string,
): unknown {
  const text = typeof classOrMsg === "string" ? classOrMsg : msg;
  try {
    fn();
  } catch (error) {
    checkError(error, classOrMsg, msgIncludes, text);
    return error;
  }
  throwFailure("Expected function to throw", text);
}

/**
 * Asserts that the promise of a function is rejected.
 *
 * @param fn The function. It must return a promise, not throw.
 * @param msg Text for the failure.
 * @returns What it was rejected with.
 * @throws {AssertionError} If it isn't rejected.
 */
export function assertRejects(
  fn: () => PromiseLike<unknown>,
  msg?: string,
): Promise<unknown>;
/**
 * Asserts that the promise of a function is rejected with an error of a class,
 * with a text in it.
 *
 * @typeParam E The class of the error.
 * @param fn The function. It must return a promise, not throw.
 * @param ErrorClass The class that the error must be of.
 * @param msgIncludes What the error's message must contain.
 * @param msg Text for the failure.
 * @returns The error.
 * @throws {AssertionError} If it isn't rejected with that.
 */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  ErrorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
export async function assertRejects(
  fn: () => PromiseLike<unknown>,
  classOrMsg?: ErrorClass<Error> | string,
  msgIncludes?: string,
  msg?: string,
): Promise<unknown> {
  const text = typeof classOrMsg === "string" ? classOrMsg : msg;
  let promise: PromiseLike<unknown>;
  try {
    promise = fn();
  } catch (error) {
    const details = `\n\n${show(error)}`;
    throwFailure("Function throws when expected to reject", text, details);
  }
  if (typeof promise?.then !== "function") {
    throwFailure("Expected function to return a promise", text);
  }
  try {
    await promise;
  } catch (error) {
    checkError(error, classOrMsg, msgIncludes, text);
    return error;
  }
  throwFailure("Expected function to reject", text);
}

/** What `assertThrows` and `assertRejects` ask of the error they caught. */
function checkError(
  error: unknown,
  classOrMsg: ErrorClass<Error> | string | undefined,
  msgIncludes: string | undefined,
  msg: string | undefined,
): void {
  if (typeof classOrMsg !== "function") return;
  assertInstanceOf(error, classOrMsg, msg);
  if (msgIncludes === undefined) return;
  assertStringIncludes(error.message, msgIncludes, msg);
}

/**
 * Asserts that a text matches a pattern.
 *
 * @param actual The text.
 * @param expected The pattern.
 * @param msg Text for the failure.
 * @throws {AssertionError} If it doesn't.
 */
export function assertMatch(
  actual: string,
  expected: RegExp,
  msg?: string,
): void {
  if (expected.test(actual)) return;
  throwFailure(`Expected actual: ${show(actual)} to match: ${expected}`, msg);
}

/**
 * Asserts that a text contains another.
 *
 * @param actual The text.
 * @param expected What it must contain.
 * @param msg Text for the failure.
 * @throws {AssertionError} If it doesn't.
 */
export function assertStringIncludes(
  actual: string,
  expected: string,
  msg?: string,
): void {
  if (actual.includes(expected)) return;
  throwFailure(
    `Expected actual: ${show(actual)} to contain: ${show(expected)}`,
    msg,
  );
}

/**
 * Asserts that a list contains all values of another, in any order.
 *
 * @typeParam T The type of the elements.
 * @param actual The list.
 * @param expected What it must contain.
 * @param msg Text for the failure.
 * @throws {AssertionError} If one is missing.
 */
export function assertArrayIncludes<T>(
  actual: ArrayLikeArg<T>,
  expected: ArrayLikeArg<T>,
  msg?: string,
): void {
  const present = Array.from(actual);
  const missing = Array.from(expected).filter((value) =>
    !present.some((other) => isDeepStrictEqual(other, value))
  );
  if (missing.length === 0) return;
  throwFailure(
    `Expected actual: ${show(actual)} to include: ${show(expected)}`,
    msg,
    `\nmissing: ${show(missing)}`,
  );
}

/**
 * Asserts that one value is greater than another.
 *
 * @typeParam T The type of both.
 * @param actual What was found.
 * @param expected What it must be above.
 * @param msg Text for the failure.
 * @throws {AssertionError} If it isn't.
 */
export function assertGreater<T>(actual: T, expected: T, msg?: string): void {
  if (actual > expected) return;
  throwFailure(`Expected ${show(actual)} > ${show(expected)}`, msg);
}

/**
 * Asserts that one value is greater than another, or equal.
 *
 * @typeParam T The type of both.
 * @param actual What was found.
 * @param expected What it must not be below.
 * @param msg Text for the failure.
 * @throws {AssertionError} If it isn't.
 */
export function assertGreaterOrEqual<T>(
  actual: T,
  expected: T,
  msg?: string,
): void {
  if (actual >= expected) return;
  throwFailure(`Expected ${show(actual)} >= ${show(expected)}`, msg);
}

/**
 * Asserts that one value is less than another.
 *
 * @typeParam T The type of both.
 * @param actual What was found.
 * @param expected What it must be below.
 * @param msg Text for the failure.
 * @throws {AssertionError} If it isn't.
 */
export function assertLess<T>(actual: T, expected: T, msg?: string): void {
  if (actual < expected) return;
  throwFailure(`Expected ${show(actual)} < ${show(expected)}`, msg);
}

/**
 * Asserts that one value is less than another, or equal.
 *
 * @typeParam T The type of both.
 * @param actual What was found.
 * @param expected What it must not be above.
 * @param msg Text for the failure.
 * @throws {AssertionError} If it isn't.
 */
export function assertLessOrEqual<T>(
  actual: T,
  expected: T,
  msg?: string,
): void {
  if (actual <= expected) return;
  throwFailure(`Expected ${show(actual)} <= ${show(expected)}`, msg);
}

/**
 * Asserts that a value is an instance of a class.
 *
 * @typeParam T The class.
 * @param actual The value.
 * @param expectedType The class.
 * @param msg Text for the failure.
 * @throws {AssertionError} If it isn't.
 */
export function assertInstanceOf<T extends AnyConstructor>(
  actual: unknown,
  expectedType: T,
  msg = "",
): asserts actual is GetConstructorType<T> {
  if (actual instanceof expectedType) return;
  throwFailure(
    `Expected an instance of "${expectedType.name}", received ${show(actual)}`,
    msg,
  );
}

/**
 * Fails.
 *
 * @param msg Text for the failure.
 * @throws {AssertionError} Always.
 */
export function fail(msg?: string): never {
  throwFailure("Failed assertion", msg);
}

/**
 * Fails, at a place that the program should never come to.
 *
 * @param reason Why it shouldn't.
 * @throws {AssertionError} Always.
 */
export function unreachable(reason?: string): never {
  throwFailure("Unreachable", reason);
}
