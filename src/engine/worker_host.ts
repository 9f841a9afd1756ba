/**
 * The worker's side: an engine that is fed by messages.
 *
 * @module
 */

import { toError } from "../errors.ts";
import { LocalEngine } from "./local_engine.ts";
import { loadPackage } from "./package.ts";
import { AnswerPacker, Entry, ONLY_POLL, unpackRequests } from "./packing.ts";
import type { FromWorker, ToWorker } from "./worker_messages.ts";

/** What is used of a worker's global scope. */
export interface WorkerScope {
  /** Set to take messages. */
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
  /** Posts to the main thread. */
  postMessage(message: FromWorker, transfer: Transferable[]): void;
}

/**
 * Answers are posted when there is nothing left to execute, or after so many
 * milliseconds: what is answered doesn't wait for a slow request behind it.
 */
const POST_AFTER = 1;

/** Answers are posted at the latest when there are so many bytes. */
const POST_SIZE = 256 * 1024;

/** Serves an engine to the main thread. */
export function hostEngine(scope: WorkerScope): void {
  scope.onmessage = ({ data }) => {
    if (data.type === "start") start(scope, data.engine);
  };
  scope.postMessage({ type: "ready" }, []);
}

async function start(scope: WorkerScope, specifier: string): Promise<void> {
  let engine: LocalEngine;
  try {
    const { newServer, line } = await loadPackage(specifier);
    engine = new LocalEngine(newServer(), line);
  } catch (reason) {
    const { message } = toError(reason);
    scope.postMessage({ type: "refused", message }, []);
    return;
  }
  const answers = new AnswerPacker();
  engine.listen({
    frame: (frame) => answers.frame(frame),
    failed: (msgId, { message }) => answers.failed(msgId, message),
    fault: ({ message }) => answers.event(Entry.FAULT, message),
    fatal: ({ message }) => answers.event(Entry.FATAL, message),
    executed: () => {}, // measured below
  });
  const post = () => {
    if (answers.length === 0) return;
    const bytes = answers.take();
    scope.postMessage({ type: "answers", bytes }, [bytes.buffer]);
  };
  scope.onmessage = ({ data }) => {
    if (data.type !== "requests") return;
    let posted = performance.now();
    let before = posted;
    unpackRequests(data.batch, (frame, kind, poll) => {
      if (kind === ONLY_POLL) engine.poll();
      else engine.send(frame, kind, poll);
      const now = performance.now();
      answers.executed(Math.round((now - before) * 1000));
      before = now;
      if (now - posted > POST_AFTER || answers.length > POST_SIZE) {
        post();
        posted = now;
      }
    });
    post();
  };
  scope.postMessage({ type: "started", line: engine.line }, []);
}
