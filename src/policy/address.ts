/**
 * Whose request it is, as far as an address tells.
 *
 * @module
 */

/** What is known of a peer before its request is read. */
export interface PeerInfo {
  /** The address, where it is known: an IP address, or the path of a Unix socket. */
  readonly remoteAddress?: string | undefined;
}

/**
 * What the address of a client is.
 *
 * - `false`: the socket's peer.
 * - a number of proxies in front of the server, each of which appends the
 *   address of its own peer to `X-Forwarded-For`: with `1` it is the last
 *   entry, with `2` the last but one. What stands further to the left is the
 *   client's own invention. A request with fewer entries, or without an IP
 *   address there, hasn't come by these proxies: then it is the socket's peer.
 * - a function, called with the request and the socket's peer, that returns
 *   the address, or `undefined` if there is none: then the request isn't
 *   counted per address.
 */
export type TrustProxy =
  | false
  | number
  | ((request: Request, info: PeerInfo) => string | undefined);

/** Characters of an address that isn't one of IP, which may be anything. */
const LONGEST = 128;

/**
 * The address of whoever sent `request`, for logs and for
 * {@linkcode addressGroup}.
 *
 * @param peer The socket's peer.
 */
export function clientAddress(
  request: Request,
  peer: string | undefined,
  trustProxy: TrustProxy,
): string | undefined {
  if (typeof trustProxy === "function") {
    return trustProxy(request, { remoteAddress: peer });
  }
  if (trustProxy === false || trustProxy === 0) return peer;
  const header = request.headers.get("x-forwarded-for") ?? "";
  const entry = header.split(",").at(-trustProxy);
  return entry === undefined ? peer : withoutPort(entry.trim()) ?? peer;
}

/**
 * What is counted as one: an IPv4 address, the /64 of an IPv6 address, since
 * a single client has that many, or whatever else stands for a client.
 */
export function addressGroup(address: string): string {
  const words = ipv6Words(address);
  if (words === undefined) return address.slice(0, LONGEST);
  // An IPv4 address, as a socket that takes both has it.
  if (words.slice(0, 5).every((it) => it === 0) && words[5] === 0xffff) {
    return [words[6]! >> 8, words[6]! & 255, words[7]! >> 8, words[7]! & 255]
      .join(".");
  }
  const prefix = words.slice(0, 4).map((it) => it.toString(16));
  return `${prefix.join(":")}::/64`;
}

/** The IP address in an entry of `X-Forwarded-For`, which may have a port. */
function withoutPort(entry: string): string | undefined {
  const bare = /^\[(.*)\](?::\d+)?$/.exec(entry)?.[1] ??
    /^([\d.]+):\d+$/.exec(entry)?.[1] ?? entry;
  return isIpv4(bare) || ipv6Words(bare) !== undefined ? bare : undefined;
}

function isIpv4(address: string): boolean {
  const parts = address.split(".");
  return parts.length === 4 &&
    parts.every((it) => /^\d{1,3}$/.test(it) && Number(it) <= 255);
}

/** The eight words of an IPv6 address; `undefined` if it isn't one. */
function ipv6Words(address: string): number[] | undefined {
  // The longest is that of an IPv4 address written out; then comes a zone.
  const bare = address.slice(0, LONGEST).split("%", 1)[0]!;
  if (!bare.includes(":") || !/^[\da-f:.]+$/i.test(bare)) return undefined;
  let host: string;
  try {
    host = new URL(`http://[${bare}]`).hostname;
  } catch {
    return undefined;
  }
  const [head, tail] = host.slice(1, -1).split("::");
  const left = wordsOf(head);
  const right = wordsOf(tail);
  const zeros = new Array<number>(8 - left.length - right.length).fill(0);
  return [...left, ...zeros, ...right];
}

function wordsOf(text: string | undefined): number[] {
  if (text === undefined || text === "") return [];
  return text.split(":").map((it) => parseInt(it, 16));
}
