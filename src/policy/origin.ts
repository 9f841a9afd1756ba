/**
 * Who may open a socket from a page.
 *
 * @module
 */

/**
 * `true` lets every page connect, `false` only pages of the same host, a
 * function decides.
 */
export type CheckOrigin =
  | boolean
  | ((origin: string, request: Request) => boolean | Promise<boolean>);

/**
 * Whether `request` may be upgraded, as far as its `Origin` goes.
 *
 * Browsers send `Origin` with every WebSocket handshake, and nothing else
 * keeps a page of another site from connecting with the user's cookies
 * (RFC 6455, section 10.2). Programs send none, and are let in, as Tornado
 * does.
 */
export async function isOriginAllowed(
  request: Request,
  checkOrigin: CheckOrigin,
): Promise<boolean> {
  const origin = request.headers.get("origin");
  if (origin === null || checkOrigin === true) return true;
  if (checkOrigin === false) return isSameHost(origin, request);
  return await checkOrigin(origin, request);
}

/**
 * Whether `origin` is of the host that the request was sent to, port
 * included. Behind a proxy that is the `Host` header it passes on. The scheme
 * is not compared, since a proxy that ends TLS turns `https` into `http`.
 */
export function isSameHost(origin: string, request: Request): boolean {
  const host = request.headers.get("host") ?? new URL(request.url).host;
  try {
    const { protocol, host: of } = new URL(origin);
    // A URL leaves out the default port of its scheme; a Host header may not.
    // That of "file://" is empty, and so is what "file://localhost" has.
    return of !== "" && of === new URL(`${protocol}//${host}`).host;
  } catch {
    return false; // "null", for instance, as sandboxed pages send it
  }
}
