import { assertEquals, assertStringIncludes } from "@std/assert";
import { Kind } from "../protocol/kinds.ts";
import { errorOf, frame, parts } from "../testing/frames.ts";
import { EarlySession } from "./early_session.ts";
import { Server } from "./server.ts";
import type { ServerSession } from "./server_session.ts";

/** A session that keeps the msg_ids of its requests. */
class FakeSession implements ServerSession {
  closed = false;
  readonly requests: number[] = [];
  onRequest: (msgId: number) => void = () => {};

  get pending(): number {
    return this.requests.length;
  }

  handleRequest(bytes: Uint8Array): void {
    const { msgId } = parts(bytes);
    this.requests.push(msgId);
    this.onRequest(msgId);
  }

  close(): void {
    this.closed = true;
  }
}

const request = (msgId: number) => frame(msgId, "t", Kind.TABLE_SIZE);

Deno.test("EarlySession hands on what it was asked before, in order", async () => {
  const { promise, resolve } = Promise.withResolvers<ServerSession>();
  const early = new EarlySession(promise, () => {});
  early.handleRequest(request(1));
  early.handleRequest(request(2));
  assertEquals([early.closed, early.pending], [false, 2]);
  const session = new FakeSession();
  // A client that asks again as soon as it is answered.
  session.onRequest = (msgId) => {
    if (msgId === 1) early.handleRequest(request(3));
  };
  resolve(session);
  await promise;
  assertEquals(session.requests, [1, 2, 3]);
  early.handleRequest(request(4));
  assertEquals(session.requests, [1, 2, 3, 4]);
  assertEquals(early.pending, 4);
  early.close();
  assertEquals([early.closed, session.closed], [true, true]);
});

Deno.test("EarlySession.close() before there is a session comes after what waits", async () => {
  const { promise, resolve } = Promise.withResolvers<ServerSession>();
  const early = new EarlySession(promise, () => {});
  early.handleRequest(request(1));
  early.close();
  early.handleRequest(request(2));
  assertEquals(early.closed, true);
  const session = new FakeSession();
  resolve(session);
  await promise;
  // What was asked after it isn't taken, what was asked before isn't lost.
  assertEquals(session.requests, [1]);
  assertEquals(session.closed, true);
});

Deno.test("EarlySession.close() while it hands on ends with the session", async () => {
  const { promise, resolve } = Promise.withResolvers<ServerSession>();
  const early = new EarlySession(promise, () => {});
  early.handleRequest(request(1));
  early.handleRequest(request(2));
  const session = new FakeSession();
  session.onRequest = () => early.close();
  resolve(session);
  await promise;
  assertEquals(session.requests, [1, 2]);
  assertEquals(session.closed, true);
});

Deno.test("EarlySession answers everything if there will be no session", async () => {
  // Invariant 3
  const { promise, reject } = Promise.withResolvers<ServerSession>();
  const answers: Uint8Array[] = [];
  const early = new EarlySession(promise, (it) => answers.push(it));
  early.handleRequest(request(1));
  early.handleRequest(request(2));
  reject(new Error("cannot load"));
  await promise.catch(() => {});
  assertEquals(answers.map((it) => parts(it).msgId), [1, 2]);
  assertEquals(parts(answers[0]!).entity, "t");
  assertEquals(errorOf(answers[0]!).message, "cannot load");
  assertEquals(early.closed, true);
});

Deno.test("Server reports a send that throws while the engine can't be loaded", async () => {
  // Invariant 10: it must not end the program.
  const errors: string[] = [];
  const server = new Server({
    executor: { start: () => Promise.reject(new Error("cannot load")) },
    onError: (error, { stage }) => errors.push(`${stage}: ${error.message}`),
  });
  const send = [
    () => {
      throw new Error("gone");
    },
    () => Promise.reject(new Error("gone, too")),
  ];
  for (const it of send) server.newSession(it).handleRequest(request(1));
  await server.ready.catch(() => {});
  await server.close();
  await Promise.resolve();
  assertEquals(errors.length, 3);
  assertStringIncludes(errors.join(), "engine: cannot load");
  assertStringIncludes(errors.join(), "write: gone");
  assertStringIncludes(errors.join(), "write: gone, too");
});
