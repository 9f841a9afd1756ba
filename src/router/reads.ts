/**
 * Reading tables and views, each answer once.
 *
 * @module
 */

import { readdress, Reframed } from "../protocol/frame.ts";
import { SERVER_ERROR } from "../protocol/kinds.ts";
import type { Asker } from "./asker.ts";
import { type Answer, readKey, type Reads } from "./read_memory.ts";
import type { Replica } from "./replica.ts";
import { entityBytes, type RequestHeader } from "./request.ts";
import type { Route } from "./route.ts";
import type { EngineView } from "./view.ts";

/** What is read. */
export interface Readable {
  /** The engine that is asked. */
  readonly replica: Replica;
  /** The table that it is, or is computed from. */
  readonly table: string;
  /** Its name in the engine; the client's by default. */
  readonly entity?: Uint8Array | undefined;
  /** What it is alike in time: see {@linkcode Predictor}. */
  readonly shape: string;
}

/**
 * Answers a read from memory, if nothing that it depends on has changed since
 * it was last computed; has it wait for one like it that is under way; or asks
 * the engine, which has been found to be one that may be asked.
 *
 * No answer is older than what the session was told of (Invariant 2): the
 * engine that would be asked has been given no change since. `reads` is
 * `undefined` for what isn't remembered, `view` for what isn't read of one.
 */
export function read(
  asker: Asker,
  frame: Uint8Array,
  header: RequestHeader,
  of: Readable,
  reads: Reads | undefined,
  view?: EngineView,
): void {
  const { router } = asker;
  const { replica, table, shape } = of;
  const { msgId: clientMsgId, kind, bodyStart, bodyEnd } = header;
  const entity = entityBytes(frame, header);
  let answer: Answer | undefined;
  if (reads !== undefined) {
    const key = readKey(frame, header);
    const version = router.version(replica, table);
    const known = reads.find(key, version);
    if (known?.isKnown) {
      router.countRead("remembered");
      return asker.reply(known.to(clientMsgId, entity));
    }
    if (known !== undefined) {
      router.countRead("joined");
      known.waiting.push(asker.join(header, entity));
      return;
    }
    answer = reads.begin(key, version);
  }
  router.countRead("computed");
  const take = answer && onAnswered(asker, answer, clientMsgId, entity);
  const more = { take, joined: answer?.waiting };
  const msgId = view === undefined
    ? asker.register(header, entity, more)
    : asker.registerOn(view, header, entity, more);
  const asked = new Reframed(
    msgId,
    of.entity ?? entity,
    frame,
    bodyStart,
    bodyEnd,
  );
  if (view !== undefined) asker.requestOf(view, asked, kind);
  else asker.request(asked, kind, replica, table, shape);
}

/** Tells who asked, and those who have waited for the same. */
function onAnswered(
  asker: Asker,
  answer: Answer,
  clientMsgId: number,
  entity: Uint8Array,
): Route["take"] {
  const { router } = asker;
  return (frame, header) => {
    const { kind, bodyStart, bodyEnd } = header;
    router.memory.settle(answer, frame, header, kind === SERVER_ERROR);
    if (answer.waiting.length === 0) {
      return asker.reply(
        readdress(clientMsgId, entity, frame, bodyStart, bodyEnd),
      );
    }
    const same = { ...header }; // it is read into again, if somebody asks now
    asker.reply(readdress(clientMsgId, entity, frame, bodyStart, bodyEnd));
    for (const id of answer.waiting) router.deliver(id, frame, same);
  };
}
