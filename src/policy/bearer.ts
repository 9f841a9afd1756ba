/**
 * A token in a handshake.
 *
 * @module
 */

/** The sub-protocol that stands in front of a token. */
export const BEARER = "bearer";

/**
 * The token that a handshake brings along, for `authorize`:
 *
 * - `Authorization: Bearer x`, as programs send it
 * - the sub-protocols `bearer` and, behind it, the token, as browsers can send
 *   it: `new WebSocket(url, ["bearer", token])`. The handler answers such a
 *   handshake with the sub-protocol `bearer` alone, without which browsers
 *   would fail the connection (RFC 6455, section 4.1).
 *
 * A sub-protocol has the characters of an HTTP token: letters, digits and
 * some signs, but neither `/` nor `=`. So base64url without padding will do, and
 * with it a JWT; plain base64 won't.
 *
 * @example
 * ```ts
 * import { bearerToken } from "@perspective-deno/handler";
 * import { assertEquals } from "@std/assert";
 *
 * const headers = { "sec-websocket-protocol": "bearer, dG9rZW4" };
 * const request = new Request("http://localhost/", { headers });
 * assertEquals(bearerToken(request), "dG9rZW4");
 * ```
 *
 * @returns The token; `undefined` if there is none. That it is right is for
 * the program to find out.
 */
export function bearerToken(request: Request): string | undefined {
  const authorization = request.headers.get("authorization");
  const given = /^bearer +([\w.~+/-]+=*) *$/i.exec(authorization ?? "")?.[1];
  if (given !== undefined) return given;
  const offered = offeredProtocols(request);
  const at = offered.indexOf(BEARER);
  return at < 0 ? undefined : offered[at + 1];
}

/** Whether the handshake has to be answered with the sub-protocol {@linkcode BEARER}. */
export function offersBearer(request: Request): boolean {
  return offeredProtocols(request).includes(BEARER);
}

function offeredProtocols(request: Request): string[] {
  const header = request.headers.get("sec-websocket-protocol") ?? "";
  return header.split(",").map((it) => it.trim()).filter((it) => it !== "");
}
