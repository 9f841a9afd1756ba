/**
 * A Perspective client in the server's own process.
 *
 * @module
 */

import type { MakeClient } from "../engine/package.ts";
import { type OnError, toError } from "../errors.ts";
import type { ServerSession } from "./server_session.ts";

/**
 * Perspective's own `Client`, in the server's process. Its methods are those of
 * the engine's package; the types are those of `@finos/perspective`.
 */
export type LocalClient = ReturnType<
  typeof import("@finos/perspective")["make_client"]
>;

/**
 * Makes a client over a session of the server. The client's package may still
 * be loading: every method of a client returns a promise, so a call just waits
 * for it.
 *
 * @param makeClient The client's package, once it is loaded.
 * @param openSession Opens the session. It is called when the package is there.
 */
export function newLocalClient(
  makeClient: Promise<MakeClient>,
  openSession: (send: (frame: Uint8Array) => void) => ServerSession,
  onError: OnError,
): LocalClient {
  const loaded = makeClient.then((make) => connect(make, openSession, onError));
  // Reported by whoever calls a method, and by the server itself.
  loaded.catch(() => {});
  return new Proxy({} as LocalClient, {
    get(_, name) {
      // A client is no promise, and `await` asks.
      if (name === "then") return undefined;
      const method = name === Symbol.dispose || name === Symbol.asyncDispose
        ? "terminate"
        : name as keyof LocalClient;
      return async (...args: unknown[]) => {
        const client = await loaded;
        const call = client[method] as (...args: unknown[]) => unknown;
        return await call.apply(client, args);
      };
    },
  });
}

function connect(
  makeClient: MakeClient,
  openSession: (send: (frame: Uint8Array) => void) => ServerSession,
  onError: OnError,
): LocalClient {
  const session = openSession((frame) => {
    // The engine may answer within the client's own call, in which the client
    // can't take an answer yet.
    queueMicrotask(() => {
      client.handle_response(frame).catch((reason: unknown) =>
        onError(toError(reason), { stage: "hook" })
      );
    });
  });
  const client: LocalClient = makeClient((frame) => {
    if (session.closed) {
      return Promise.reject(new Error("The local client is closed"));
    }
    // The frame lies in the client's own WebAssembly memory.
    session.handleRequest(frame.slice());
    return Promise.resolve();
  }, () => session.close());
  return client;
}
