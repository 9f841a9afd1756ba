/**
 * The token that lets people in.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createHash, timingSafeEqual } from "node:crypto";
import { bearerToken } from "../policy/bearer.ts";

/** A token that nobody can guess, and that may stand in a URL as it is. */
export function newToken(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(24));
  return Buffer.from(bytes).toString("base64url");
}

/** Whether a request brings `token`: as `?token=`, or as a bearer token. */
export function brings(request: Request, token: string): boolean {
  const given = bearerToken(request) ??
    new URL(request.url).searchParams.get("token");
  // Of digests, so that the time doesn't tell the token's length either.
  return given !== null && timingSafeEqual(digest(given), digest(token));
}

function digest(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}
