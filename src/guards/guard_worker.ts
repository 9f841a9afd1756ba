/**
 * The thread on which large payloads are looked at. It isn't imported but
 * started, by its URL.
 *
 * @module
 */

import { checkData } from "./data.ts";
import type { FromGuardWorker, ToGuardWorker } from "./guard_messages.ts";
import { toError } from "../errors.ts";

const scope = globalThis as unknown as {
  onmessage: ((event: MessageEvent<ToGuardWorker>) => void) | null;
  postMessage(message: FromGuardWorker): void;
};

scope.onmessage = ({ data: { kind, content, rules } }) => {
  let refusal: string | undefined;
  try {
    refusal = checkData(kind, content, rules);
  } catch (reason) {
    refusal = `it can't be read: ${toError(reason).message}`;
  }
  scope.postMessage({ refusal });
};
// What comes before is lost (ENGINE 7.3).
scope.postMessage({ isReady: true });
