/**
 * What a server's memory does under attack. The bounds are those that
 * SECURITY.md states, and generous; what was measured is printed.
 */

import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import {
  drop,
  frameHead,
  startVictim,
  type Victim,
  writeAll,
} from "../testing/hostile/peers.ts";
import { frame, makeView } from "../testing/frames.ts";
import { clientFrame, shakeHands } from "../testing/serve.ts";

const MiB = 1 << 20;

/** An attack, and how much memory it may take. */
function attack(
  name: string,
  mostMiB: number,
  run: (victim: Victim) => Promise<void>,
): void {
  Deno.test(`${name} takes less than ${mostMiB} MiB`, async () => {
    await using victim = await startVictim();
    await run(victim);
    await victim.look();
    console.log(`${name}: ${Math.round(victim.grown / MiB)} MiB`);
    assertLess(victim.grown, mostMiB * MiB);
  });
}

/** Opens `count` sockets. */
async function openAll(port: number, count: number): Promise<Deno.TcpConn[]> {
  const all: Deno.TcpConn[] = [];
  for (let i = 0; i < count; i++) {
    const { status, connection } = await shakeHands(port);
    assertEquals(status, 101);
    all.push(connection);
  }
  return all;
}

/** Asks for `count` answers of 2 MB. */
function greed(count: number): Uint8Array {
  const requests = [frame(1, "t", 6, makeView("v"))];
  for (let i = 0; i < count; i++) requests.push(frame(i + 2, "v", 24));
  const frames = requests.map(clientFrame);
  const all = new Uint8Array(frames.reduce((sum, it) => sum + it.length, 0));
  let at = 0;
  for (const it of frames) {
    all.set(it, at);
    at += it.length;
  }
  return all;
}

attack("20 clients that ask much and never read", 400, async (victim) => {
  const peers = await openAll(victim.port, 20);
  for (const peer of peers) await writeAll(peer, greed(50));
  // The limit of 4 MiB closes them.
  while ((await victim.look()).connections > 0);
  for (const peer of peers) peer.close();
});

attack("20 clients that read slowly", 400, async (victim) => {
  const peers = await openAll(victim.port, 20);
  const buffer = new Uint8Array(10_000);
  for (const peer of peers) await writeAll(peer, greed(50));
  for (let i = 0; i < 20; i++) {
    for (const peer of peers) {
      try {
        await peer.read(buffer);
      } catch {
        // It was closed.
      }
    }
    await victim.look();
  }
  for (const peer of peers) peer.close();
});

attack("A flood of a million pings", 100, async (victim) => {
  const [peer] = await openAll(victim.port, 1) as [Deno.TcpConn];
  const ping = new Uint8Array(131);
  ping[0] = 0x89;
  ping[1] = 0x80 | 125;
  const many = new Uint8Array(ping.length * 1000);
  for (let i = 0; i < 1000; i++) many.set(ping, i * ping.length);
  const dropped = drop(peer);
  for (let i = 0; i < 1000; i++) {
    if (!await writeAll(peer, many)) break;
    if (i % 100 === 0) await victim.look();
  }
  // Others are served.
  const [other] = await openAll(victim.port, 1) as [Deno.TcpConn];
  other.close();
  peer.close();
  await dropped;
});

attack("A flood of pings by who doesn't read", 100, async (victim) => {
  const [peer] = await openAll(victim.port, 1) as [Deno.TcpConn];
  const ping = new Uint8Array(131);
  ping[0] = 0x89;
  ping[1] = 0x80 | 125;
  const many = new Uint8Array(ping.length * 1000);
  for (let i = 0; i < 1000; i++) many.set(ping, i * ping.length);
  // The server stops reading; then nothing more can be written.
  let written = 0;
  const writing = (async () => {
    while (written < 1000 && await writeAll(peer, many)) written++;
  })();
  let before = -1;
  while (written > before) {
    before = written;
    for (let i = 0; i < 20; i++) await victim.look();
  }
  peer.close();
  await writing;
});

attack("A thousand half-open handshakes", 150, async (victim) => {
  const half = new TextEncoder().encode("GET / HTTP/1.1\r\nhost: x\r\nupgr");
  const peers: Deno.TcpConn[] = [];
  for (let i = 0; i < 1000; i++) {
    const peer = await Deno.connect({ port: victim.port });
    await peer.write(half);
    peers.push(peer);
  }
  await victim.look();
  const [other] = await openAll(victim.port, 1) as [Deno.TcpConn];
  other.close();
  for (const peer of peers) peer.close();
});

attack("20 frames of 100 MB", 100, async (victim) => {
  const megabyte = new Uint8Array(1_000_000);
  for (const peer of await openAll(victim.port, 20)) {
    const dropped = drop(peer);
    await writeAll(peer, frameHead(2, 100_000_000));
    let sent = 0;
    while (sent < 100 && await writeAll(peer, megabyte)) sent++;
    assertLess(sent, 100);
    peer.close();
    await dropped;
    await victim.look();
  }
});

// Deno collects what is less than that, and there is no way to have less.
attack("4 frames of 60 MB that never end", 500, async (victim) => {
  const megabyte = new Uint8Array(1_000_000);
  const peers = await openAll(victim.port, 4);
  for (const peer of peers) {
    await writeAll(peer, frameHead(2, 60_000_000));
    for (let i = 0; i < 59; i++) assert(await writeAll(peer, megabyte));
    await victim.look();
  }
  for (const peer of peers) peer.close();
  assertGreater(victim.grown, 0);
});
