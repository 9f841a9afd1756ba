/**
 * The HTTP side of a handshake: what is one, what it is answered with.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import { BEARER, offersBearer } from "../policy/bearer.ts";
import { fitReason } from "./close_codes.ts";

/** Whether a request wants to become a WebSocket. */
export function isUpgrade(request: Request): boolean {
  const upgrade = request.headers.get("upgrade") ?? "";
  return request.method === "GET" &&
    upgrade.split(",").some((it) => it.trim().toLowerCase() === "websocket");
}

/**
 * Whether whoever sent `request` has gone. If so it mustn't be upgraded: Deno
 * would never say anything of the socket, and `shutdown()` of the HTTP server
 * would wait for it for ever.
 */
export async function isGone(request: Request): Promise<boolean> {
  const { signal } = request;
  // It is aborted a turn after it was first looked at.
  await new Promise((resolve) => setImmediate(resolve));
  return signal.aborted;
}

/**
 * Upgrades a request.
 *
 * @param idleTimeout Seconds; see the handler's option.
 * @returns The socket, the response, and a copy of the request, whose headers
 * can be read: of the original neither headers nor the peer's address can be
 * (ENGINE 7.1).
 * @throws If the handshake is wrong.
 */
export function upgrade(
  request: Request,
  idleTimeout: number,
): Deno.WebSocketUpgrade & { readonly copy: Request } {
  const copy = new Request(request.url, { headers: request.headers });
  const { socket, response } = withoutWarning(() =>
    Deno.upgradeWebSocket(request, { idleTimeout })
  );
  // Clients fail the connection if none of those offered is chosen (RFC 6455,
  // section 4.1); the token isn't one to send back. Deno's own option doesn't
  // find it in a list without spaces.
  if (offersBearer(copy)) {
    response.headers.set("sec-websocket-protocol", BEARER);
  }
  return { socket, response, copy };
}

/**
 * Calls `upgrade` without Deno's warning that `request.signal` is aborted by a
 * successful response, too, which whoever has looked at one is given once, and
 * which doesn't concern {@linkcode isGone}. There is no other way to look.
 */
function withoutWarning<T>(upgrade: () => T): T {
  const { warn } = console;
  console.warn = (...args: unknown[]) => {
    const isThat = String(args[0]).startsWith("Deno.serve: request.signal ");
    if (!isThat) warn.apply(console, args);
  };
  try {
    return upgrade();
  } finally {
    console.warn = warn;
  }
}

/** A response that says in one line why a request is refused. */
export function refusal(
  status: number,
  reason: string,
  headers: Record<string, string> = {},
): Response {
  return new Response(`${fitReason(reason)}\n`, {
    status,
    headers: { "content-type": "text/plain; charset=utf-8", ...headers },
  });
}

/** The address of a peer, as far as it has one. */
export function addressOf(address: Deno.Addr | undefined): string | undefined {
  if (address === undefined) return undefined;
  if ("hostname" in address) return address.hostname;
  return "path" in address ? address.path : undefined;
}
