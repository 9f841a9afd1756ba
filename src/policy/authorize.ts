/**
 * Asking the program who may come in, and what it may do.
 *
 * @module
 */

import { Access } from "./access.ts";
import type { PeerInfo } from "./address.ts";

/**
 * Decides what a client may do, before its handshake is answered: an
 * {@linkcode Access}, or a `Response` to refuse it with, which is sent as it
 * is.
 */
export type Authorize = (
  request: Request,
  info: PeerInfo,
) => Access | Response | Promise<Access | Response>;

/** `authorize` didn't answer in time. For `onError`. */
export class AuthorizeTimeout extends Error {
  /** The class, for logs. */
  override readonly name = "AuthorizeTimeout";

  /** After so many milliseconds. */
  constructor(timeout: number) {
    super(
      `authorize() hasn't answered within ${timeout} ms (authorizeTimeout)`,
    );
  }
}

/** The most that `setTimeout` takes. */
const LONGEST_TIMEOUT = 2 ** 31 - 1;

/**
 * What `authorize` says of `request`.
 *
 * @param timeout Milliseconds that it may take; `Infinity` for any time.
 * @throws {AuthorizeTimeout} If it takes longer. What it says later, or throws,
 * doesn't count.
 * @throws {TypeError} If it returns something else.
 * @throws Whatever it throws.
 */
export async function askToAuthorize(
  authorize: Authorize,
  request: Request,
  info: PeerInfo,
  timeout: number,
): Promise<Access | Response> {
  const asked = authorize(request, info);
  const isThere = asked instanceof Access || asked instanceof Response;
  const said: unknown = isThere || timeout > LONGEST_TIMEOUT
    ? await asked
    : await within(Promise.resolve(asked), timeout);
  if (said instanceof Access) return said;
  if (said instanceof Response) {
    if (!said.bodyUsed && said.type !== "error") return said;
    throw new TypeError(
      "Cannot refuse handshake: authorize() returned a Response that can't " +
        "be sent",
    );
  }
  throw new TypeError(
    `Cannot let in client: authorize() must return an Access or a Response, ` +
      `received ${said === null ? "null" : typeof said}`,
  );
}

async function within<T>(promise: Promise<T>, timeout: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timedOut = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new AuthorizeTimeout(timeout)), timeout);
  });
  try {
    return await Promise.race([promise, timedOut]);
  } finally {
    clearTimeout(timer);
  }
}
