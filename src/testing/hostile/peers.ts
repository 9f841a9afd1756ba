/**
 * A server in a process of its own, and peers that mean it no good.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import type { HandlerStats } from "../../socket/handler.ts";
import { shakeHands } from "../serve.ts";

/** What the server tells of itself. */
export interface Told extends HandlerStats {
  /** Bytes that it has resident. */
  readonly rss: number;
}

/** The server, and the most memory that it was seen to have. */
export interface Victim extends AsyncDisposable {
  readonly port: number;
  /** Asks it. */
  look(): Promise<Told>;
  /** Bytes that it has at most had more than at first, when it was looked at. */
  readonly grown: number;
}

/** Starts the server. */
export async function startVictim(): Promise<Victim> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-check",
      "-A",
      fileURLToPath(import.meta.resolve("./server.ts")),
    ],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  let text = "";
  while (!text.includes("\n")) {
    const { value, done } = await reader.read();
    if (done) throw new Error("The server has ended");
    text += new TextDecoder().decode(value);
  }
  const port = Number(text);
  const ask = async (): Promise<Told> =>
    await (await fetch(`http://127.0.0.1:${port}/rss`)).json();
  // What the first handshake loads isn't what a hostile one costs.
  (await shakeHands(port)).connection.close();
  const first = (await ask()).rss;
  let most = first;
  return {
    port,
    async look() {
      const told = await ask();
      most = Math.max(most, told.rss);
      return told;
    },
    get grown() {
      return most - first;
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.status;
      await reader.cancel();
    },
  };
}

/** Writes all of `bytes`; returns whether the server took them. */
export async function writeAll(
  connection: Deno.Conn,
  bytes: Uint8Array,
): Promise<boolean> {
  try {
    for (let at = 0; at < bytes.length;) {
      at += await connection.write(bytes.subarray(at));
    }
    return true;
  } catch {
    return false; // It has closed the connection, as it may.
  }
}

/** The head of a client's frame of `length` bytes, masked with zeros. */
export function frameHead(
  opcode: number,
  length: number,
  isFinal = true,
): Uint8Array {
  const head = new Uint8Array(14);
  head[0] = (isFinal ? 0x80 : 0) | opcode;
  head[1] = 0x80 | 127;
  new DataView(head.buffer).setBigUint64(2, BigInt(length));
  return head;
}

/** Reads and forgets, until the connection ends. */
export async function drop(connection: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(1 << 16);
  try {
    while (await connection.read(buffer) !== null);
  } catch {
    // It has ended, whichever way.
  }
}
