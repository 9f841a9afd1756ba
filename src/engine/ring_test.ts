import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { forAll, Random } from "../testing/random.ts";
import { LONGEST_ENTRY, newRing, RingReader, RingWriter } from "./ring.ts";

/** The least that a ring holds. */
const HOLDS = 3 * LONGEST_ENTRY;

/** What entries are filled from: random bytes for each would take too long. */
const SOURCE = new Random(1).bytes(2 * LONGEST_ENTRY);

/** Both ends of a new ring. */
function newEnds() {
  const memory = newRing();
  return { writer: new RingWriter(memory), reader: new RingReader(memory) };
}

/** Some bytes, few more often than many. */
function content(random: Random, most = LONGEST_ENTRY): Uint8Array {
  const length = random.below((most >>> random.below(18)) + 1);
  const start = random.below(LONGEST_ENTRY);
  return SOURCE.subarray(start, start + length);
}

/** Adds an entry, if there is room. */
function write(writer: RingWriter, entry: Uint8Array): boolean {
  const at = writer.reserve(entry.length);
  if (at < 0) return false;
  writer.bytes.set(entry, at);
  writer.commit();
  return true;
}

/** Adds entries of `length` until there is no room, and counts them. */
function fill(writer: RingWriter, length: number): number {
  let count = 0;
  while (write(writer, SOURCE.subarray(0, length))) count++;
  return count;
}

/** Reads all there is, and counts it. */
function drain(reader: RingReader): number {
  let count = 0;
  while (reader.next() !== undefined) count++;
  return count;
}

/** Quicker than `assertEquals`, which would also print a mebibyte. */
function assertSame(got: Uint8Array | undefined, sent: Uint8Array): void {
  assertEquals(got?.length, sent.length);
  const same = Buffer.compare(got!, sent) === 0;
  assert(same, `An entry of ${sent.length} bytes came out differently`);
}

/** Whether the thread would have blocked in `act`. It doesn't. */
function blocks(act: () => void): boolean {
  const { wait } = Atomics;
  let blocked = false;
  Atomics.wait = (memory: Int32Array | BigInt64Array, at: number, value) => {
    blocked = Atomics.load(memory as Int32Array, at) === value;
    return blocked ? "timed-out" : "not-equal";
  };
  try {
    act();
  } finally {
    Atomics.wait = wait;
  }
  return blocked;
}

Deno.test("A ring hands on entries of any length, in order", async () => {
  await forAll(20, (random) => {
    const { writer, reader } = newEnds();
    const there: Uint8Array[] = [];
    let bytes = 0;
    for (let step = 0; step < 40; step++) {
      for (let i = random.below(40); i > 0; i--) {
        const entry = content(random);
        if (!write(writer, entry)) {
          assert(
            bytes + entry.length > HOLDS - 16 * (there.length + 1),
            "No room",
          );
          break;
        }
        there.push(entry);
        bytes += entry.length;
      }
      for (let i = random.below(40); i > 0; i--) {
        assertEquals(reader.ready, there.length > 0);
        const entry = reader.next();
        if (there.length === 0) assertEquals(entry, undefined);
        else {
          assertSame(entry, there[0]!);
          bytes -= there.shift()!.length;
        }
      }
    }
  });
});

Deno.test("An entry isn't there before it is handed over", async () => {
  await forAll(50, (random) => {
    const { writer, reader } = newEnds();
    // Anywhere, so that an end is sometimes left out.
    while (random.chance(0.9)) write(writer, content(random));
    drain(reader);
    const entry = content(random);
    // What was reserved and not handed over was never there.
    writer.reserve(content(random).length);
    const at = writer.reserve(entry.length);
    writer.bytes.set(entry, at);
    assert(!reader.ready);
    assertEquals(reader.next(), undefined);
    writer.commit();
    assert(reader.ready);
    assertSame(reader.next(), entry);
    assert(!reader.ready);
  });
});

Deno.test("An entry stands until the next one is asked for", async () => {
  await forAll(20, (random) => {
    const { writer, reader } = newEnds();
    let entry = content(random);
    write(writer, entry);
    for (let step = 0; step < 20; step++) {
      const got = reader.next();
      // Over where it was in the ring.
      fill(writer, 1 + random.below(LONGEST_ENTRY));
      assertSame(got, entry);
      drain(reader);
      write(writer, entry = content(random));
    }
  });
});

Deno.test("A full ring has no room, an empty one has for the longest entry", async () => {
  await forAll(20, (random) => {
    const { writer, reader } = newEnds();
    for (let turn = 0; turn < 3; turn++) {
      const count = fill(writer, content(random).length);
      assertEquals(writer.reserve(LONGEST_ENTRY), -1);
      assertEquals(drain(reader), count);
      assert(write(writer, SOURCE.subarray(0, LONGEST_ENTRY)));
      assertSame(reader.next(), SOURCE.subarray(0, LONGEST_ENTRY));
    }
  });
});

Deno.test("A ring goes on when its counters wrap", () => {
  const { writer, reader } = newEnds();
  let written = 0;
  let read = 0;
  for (let bytes = 0; bytes < 2 ** 32 + 2 ** 21;) {
    // The contents don't matter here.
    while (writer.reserve(LONGEST_ENTRY) >= 0) {
      writer.commit();
      written++;
      bytes += LONGEST_ENTRY;
    }
    read += drain(reader);
    assert(!reader.ready);
  }
  assertEquals(read, written);
  const entry = SOURCE.subarray(0, LONGEST_ENTRY);
  assert(write(writer, entry));
  assertSame(reader.next(), entry);
});

Deno.test("Who says that it sleeps is woken once", () => {
  const { writer, reader } = newEnds();
  assert(!writer.takeSleeper());
  reader.saySleeps();
  reader.saySleeps();
  assert(writer.takeSleeper());
  assert(!writer.takeSleeper());
  reader.saySleeps();
  writer.wake();
  assert(!writer.takeSleeper());
});

Deno.test("A reader blocks only if there is nothing to read", () => {
  const { writer, reader } = newEnds();
  assert(blocks(() => reader.sleep(1)));
  assert(writer.takeSleeper(), "It said so");
  write(writer, SOURCE.subarray(0, 10));
  assert(!blocks(() => reader.sleep(1)));
  assert(!writer.takeSleeper(), "It has taken that back");
  drain(reader);
  assert(blocks(() => reader.sleep(1)));
  writer.close();
  assert(!blocks(() => reader.sleep(1)));
});

Deno.test("A reader that is woken for what it has read already blocks again", () => {
  const { writer, reader } = newEnds();
  reader.saySleeps();
  write(writer, SOURCE.subarray(0, 10));
  drain(reader);
  writer.wake();
  assert(blocks(() => reader.sleep(1)));
  assert(writer.takeSleeper(), "It can be woken for the next one");
});

Deno.test("A writer blocks only if nothing was read since there was no room", () => {
  const { writer, reader } = newEnds();
  fill(writer, 1000);
  assert(blocks(() => writer.waitForRoom()));
  // The reader looks first, and then nobody else will wake the writer.
  drain(reader);
  assert(!blocks(() => writer.waitForRoom()));
  fill(writer, 1000);
  assert(blocks(() => writer.waitForRoom()));
  reader.close();
  assert(!blocks(() => writer.waitForRoom()));
});

Deno.test("Either end closes a ring for both", () => {
  for (const which of ["writer", "reader"] as const) {
    const ends = newEnds();
    assert(!ends.writer.closed && !ends.reader.closed);
    ends[which].close();
    assert(ends.writer.closed && ends.reader.closed);
  }
});

/** A thread that sends everything back, and both rings to it. */
async function startEcho() {
  const worker = new Worker(
    import.meta.resolve("../testing/ring_worker.ts"),
    { type: "module" },
  );
  const said = () =>
    new Promise<number>((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = (event) => {
        event.preventDefault();
        reject(new Error(event.message));
      };
    });
  await said();
  const rings = { requests: newRing(), answers: newRing() };
  const ended = said();
  worker.postMessage(rings);
  const requests = new RingWriter(rings.requests);
  const answers = new RingReader(rings.answers);
  return {
    requests,
    answers,
    /** Resolves with how often the thread has waited for room. */
    async close() {
      requests.close();
      answers.close();
      const waits = await ended;
      worker.terminate();
      return waits;
    },
  };
}

Deno.test("Entries come back from another thread in order", async () => {
  const { requests, answers, close } = await startEcho();
  const random = new Random(crypto.getRandomValues(new Uint32Array(1))[0]!);
  const out: Uint8Array[] = [];
  let got = 0;
  let full = 0;
  const most = 40_000;
  for (let sent = 0; got < most;) {
    // Sometimes more than all rings hold, sometimes one.
    for (let left = 1 + random.below(4000 >>> random.below(12)); left > 0;) {
      const entry = content(random, 1 << 16);
      if (sent === most || !write(requests, entry)) {
        full++;
        break;
      }
      out.push(entry);
      sent++;
      left--;
    }
    requests.wake();
    for (let left = random.below(6000 >>> random.below(12)); left > 0; left--) {
      const entry = answers.next();
      if (entry === undefined) break;
      assertSame(entry, out[got++]!);
    }
    if (got < sent && !answers.ready && random.chance(0.5)) {
      answers.sleep(30_000);
      assert(answers.ready, `Not woken (seed ${random.seed})`);
    }
  }
  assert(full > 0, "The requests had room");
  assert(await close() > 0, "The answers had room");
});

Deno.test("A thread that waits for an entry is woken by close()", async () => {
  const { requests, answers, close } = await startEcho();
  write(requests, SOURCE.subarray(0, 10));
  requests.wake();
  answers.sleep(30_000);
  assertSame(answers.next(), SOURCE.subarray(0, 10));
  assertEquals(await close(), 0);
});

Deno.test("A thread that waits for room is woken by close()", async () => {
  const { requests, close } = await startEcho();
  // A ring holds three of these. When the seventh fits, the thread has sent
  // back three and is at the fourth.
  for (let count = 0; count < 7;) {
    if (write(requests, SOURCE.subarray(0, LONGEST_ENTRY))) count++;
    requests.wake();
  }
  await close();
});
