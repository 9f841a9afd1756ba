/**
 * Reading tables, and asking the server about itself.
 *
 * @module
 */

import { hostedTables, systemInfo } from "../protocol/answers.ts";
import { NO_BYTES, reframe, Reframed } from "../protocol/frame.ts";
import { Kind } from "../protocol/kinds.ts";
import type { Asker } from "./asker.ts";
import type { Gate } from "./gate.ts";
import { hasKey } from "./read_memory.ts";
import { read } from "./reads.ts";
import { entityBytes, type RequestHeader } from "./request.ts";
import type { Route } from "./route.ts";

/** Reads `table`, or what is no table's, where there is least to do. */
export function readTable(
  asker: Asker,
  frame: Uint8Array,
  header: RequestHeader,
  table: string | undefined,
  gate?: Gate,
): void {
  const { router } = asker;
  // The primary is the first to see a change.
  const isPrimarys = !router.waits || asker.hasChanges ||
    router.lastAnswered(table) > 0;
  const replica = isPrimarys ? asker.primary : router.leastBusy(table);
  if (!asker.mayAsk(replica, table)) return asker.hold(frame);
  const { kind, bodyStart, bodyEnd } = header;
  if (table !== undefined) {
    const reads = hasKey(header) ? router.readsOf(table) : undefined;
    return read(asker, frame, header, { replica, table, shape: "" }, reads);
  }
  const entity = entityBytes(frame, header);
  const msgId = asker.register(
    header,
    entity,
    kind === Kind.GET_HOSTED_TABLES
      ? withoutHidden(asker, header, gate)
      : undefined,
  );
  asker.request(
    new Reframed(msgId, entity, frame, bodyStart, bodyEnd),
    kind,
    replica,
    table,
    "",
  );
}

/** Asks all engines for `server_system_info`; the answer is the sum. */
export function readSystemInfo(
  asker: Asker,
  frame: Uint8Array,
  header: RequestHeader,
): void {
  const { msgId: clientMsgId, end: size } = header;
  const replicas = asker.router.replicas.filter(({ state }) => state === "up");
  // It lives longer than the frame should.
  const entity = entityBytes(frame, header).slice();
  // No engine hears of this one: the client waits for it, and for all others.
  const msgId = asker.register(header, entity);
  const infos: Uint8Array[] = [];
  const take: Route["take"] = (answer, header) => {
    if (asker.router.route(msgId) === undefined) return; // it has failed
    const { kind, contentStart, bodyStart, bodyEnd } = header;
    if (kind !== Kind.SERVER_SYSTEM_INFO) {
      asker.release(msgId, size);
      return asker.reply(
        reframe(clientMsgId, entity, answer, bodyStart, bodyEnd),
      );
    }
    infos.push(answer.slice(contentStart, bodyEnd));
    if (infos.length < replicas.length) return;
    asker.release(msgId, size);
    asker.reply(systemInfo(clientMsgId, entity, infos));
  };
  const kind = Kind.SERVER_SYSTEM_INFO;
  for (const replica of replicas) {
    asker.ask(replica, NO_BYTES, kind, undefined, take);
  }
}

/** Leaves out of the list what is hidden now, not when it is answered. */
function withoutHidden(
  asker: Asker,
  { msgId }: RequestHeader,
  gate: Gate | undefined,
): Partial<Route> | undefined {
  const { hidden } = asker.router.tables;
  if (hidden.size === 0 && gate === undefined) return undefined;
  const isShown = (table: string) =>
    !hidden.has(table) && gate?.sees(table) !== false;
  return {
    take: (answer, { contentStart, bodyEnd }) => {
      const content = answer.subarray(contentStart, bodyEnd);
      asker.reply(hostedTables(msgId, content, isShown));
    },
  };
}
