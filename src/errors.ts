/**
 * The errors that a caller may want to tell apart, and how they are reported.
 *
 * @module
 */

/**
 * The engine's package can't be loaded, or no engine of it can be started. The message says what to install or
 * which permission to give; `cause` is what the runtime said.
 */
export class EngineLoadError extends Error {
  /** The class, for logs and for errors that crossed a thread. */
  override readonly name = "EngineLoadError";
  /** The module specifier that was asked for. */
  readonly specifier: string;

  /** An error about `specifier`. */
  constructor(specifier: string, message: string, cause?: unknown) {
    super(message, { cause });
    this.specifier = specifier;
  }
}

/**
 * The engine is gone, or all of them, and with it every table: a trap in
 * WebAssembly leaves it in a state from which it doesn't recover. Sessions are
 * closed, and new connections are refused with 503, until `onLost` has made the
 * tables again on new engines.
 *
 * Without an executor the engine was on this very thread. Then there can't be
 * another one there, `onLost` isn't called, and the program has to be started
 * again. Until it is, the rest of it works on, and so do servers that have an
 * executor, or another engine package.
 */
export class ServerLostError extends Error {
  /** The class, for logs and for errors that crossed a thread. */
  override readonly name = "ServerLostError";

  /** An error whose `cause` is what the engine died of. */
  constructor(cause?: unknown) {
    const why = cause instanceof Error ? `: ${cause.message}` : "";
    super(`The engine is lost, and its tables with it${why}`, { cause });
  }
}

/**
 * The engine reported a fault of its own while it passed changes on to views:
 * from now on some views may be stale. The program may want to restart.
 */
export class EngineFaultError extends Error {
  /** The class, for logs and for errors that crossed a thread. */
  override readonly name = "EngineFaultError";
}

/** Where an error came up, for {@linkcode ErrorContext}. */
export type ErrorStage =
  /** The engine couldn't be loaded, was lost, or reported a fault. */
  | "engine"
  /** A request couldn't be read or failed; its client got a `server_error`. */
  | "request"
  /** Checking a handshake, before the upgrade. */
  | "upgrade"
  /** Writing to a socket, or a session's `sendResponse`. */
  | "write"
  /** A socket's own error event. */
  | "socket"
  /** One of the program's own callbacks threw. */
  | "hook";

/** What `onError` is told beside the error. */
export interface ErrorContext {
  /** Where it came up. */
  readonly stage: ErrorStage;
}

/**
 * Called with every error that isn't the caller's to handle. It must not
 * throw; if it does, that error goes to `console.error`.
 */
export type OnError = (error: Error, context: ErrorContext) => void;

/** What happens to errors when the program gives no `onError`. */
export const logError: OnError = (error, { stage }) => {
  console.error(`perspective (${stage}):`, error);
};

/** `reason` as an `Error`, whatever was thrown. */
export function toError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}

/** `onError` in a form that never throws, so that it can stand in any `catch`. */
export function safeOnError(onError: OnError = logError): OnError {
  return (error, context) => {
    try {
      onError(error, context);
    } catch (thrown) {
      logError(toError(thrown), { stage: "hook" });
    }
  };
}
