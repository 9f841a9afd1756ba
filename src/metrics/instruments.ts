/**
 * What is measured, by which name, in which unit.
 *
 * @module
 */

import type {
  Attributes,
  BatchObservableResult,
  Meter,
  MetricOptions,
  Observable,
} from "@opentelemetry/api";
import type { Server } from "../server/server.ts";
import type { PerspectiveHandler } from "../socket/handler.ts";
import type { RequestInstruments } from "./request_meter.ts";

/**
 * Bounds of the buckets of latencies, in seconds: a read that is remembered
 * takes microseconds, a view on a million rows takes seconds.
 */
const SECONDS = [
  0.0001,
  0.00025,
  0.0005,
  0.001,
  0.0025,
  0.005,
  0.01,
  0.025,
  0.05,
  0.1,
  0.25,
  0.5,
  1,
  2.5,
  5,
  10,
  30,
];

/** Makes what requests are measured with. */
export function newRequestInstruments(meter: Meter): RequestInstruments {
  const seconds = (name: string, description: string) =>
    meter.createHistogram(name, {
      description,
      unit: "s",
      advice: { explicitBucketBoundaries: SECONDS },
    });
  return {
    request: seconds(
      "perspective.request.duration",
      "Time from a request to its answer",
    ),
    wait: seconds(
      "perspective.engine.wait.duration",
      "Time that requests wait for an engine",
    ),
    engine: seconds(
      "perspective.engine.duration",
      "Time that engines take for requests",
    ),
  };
}

/** Notes a value, with what tells it from others of that name. */
type Note = (name: string, value: number, more?: Attributes) => void;

/** What is looked at, when somebody wants to know. */
interface Gauges {
  /** `[unit, description]` of what may go down, by its name. */
  readonly levels: Readonly<Record<string, readonly [string, string]>>;
  /** The same of what only goes up. */
  readonly counts: Readonly<Record<string, readonly [string, string]>>;
}

const OF_HANDLER: Gauges = {
  levels: {
    "perspective.connection.count": [
      "{connection}",
      "Sockets that are open or closing",
    ],
    "perspective.connection.buffered": [
      "By",
      "Bytes that wait for clients to read them",
    ],
  },
  counts: {
    "perspective.handshakes": ["{handshake}", "Handshakes that were answered"],
    "perspective.connection.refusals": [
      "{request}",
      "Messages that were refused before their session saw them",
    ],
  },
};

const OF_SERVER: Gauges = {
  levels: {
    "perspective.session.count": ["{session}", "Sessions that are open"],
    "perspective.request.pending": [
      "{request}",
      "Requests that aren't answered yet",
    ],
    "perspective.view.count": ["{view}", "Views that clients have"],
    "perspective.view.lingering": [
      "{view}",
      "Views of engines that no client has any more",
    ],
    "perspective.subscription.count": [
      "{subscription}",
      "Subscriptions that live",
    ],
    "perspective.cache.size": ["By", "Bytes of answers that are remembered"],
    "perspective.engine.up": ["{engine}", "Whether the engine takes requests"],
    "perspective.engine.views": ["{view}", "Views that the engine has"],
    "perspective.engine.outstanding": [
      "{request}",
      "Requests that wait for the engine or are under way in it",
    ],
    "perspective.engine.behind": [
      "{change}",
      "Changes that the engine has been given and hasn't executed",
    ],
    "perspective.engine.heap.size": ["By", "Bytes of the engine's heap"],
  },
  counts: {
    "perspective.request.refusals": [
      "{request}",
      "Requests that the router refused",
    ],
    "perspective.request.failures": [
      "{request}",
      "Requests that an engine failed instead of answering",
    ],
    "perspective.changes": ["{change}", "Changes of tables"],
    "perspective.reads": ["{read}", "Reads of tables and views"],
    "perspective.pushes.computed": ["{push}", "Pushes of engines"],
    "perspective.pushes.sent": ["{push}", "Pushes to clients"],
    "perspective.engine.busy": ["s", "Time that the engine has executed"],
    "perspective.engine.losses": ["{engine}", "Engines that were lost here"],
    "perspective.engine.replacements": [
      "{engine}",
      "Engines that took the place of a lost one",
    ],
  },
};

/** Has `meter` look at what `handler` holds and has done whenever it exports. */
export function watchHandler(
  meter: Meter,
  handler: PerspectiveHandler,
  common: Attributes,
): Disposable {
  return watch(meter, OF_HANDLER, common, (note) => {
    const stats = handler.stats();
    note("perspective.connection.count", stats.connections);
    note("perspective.connection.buffered", stats.bufferedAmount);
    note("perspective.handshakes", stats.accepted);
    for (const [reason, count] of Object.entries(stats.refusals)) {
      const type = { "error.type": reason };
      if (count > 0) note("perspective.handshakes", count, type);
    }
    for (const [reason, count] of Object.entries(stats.refusedRequests)) {
      const type = { "error.type": reason };
      note("perspective.connection.refusals", count, type);
    }
  });
}

/** Has `meter` look at what `server` holds and has done whenever it exports. */
export function watchServer(
  meter: Meter,
  server: Server,
  common: Attributes,
): Disposable {
  return watch(meter, OF_SERVER, common, (note) => {
    const stats = server.stats();
    note("perspective.session.count", stats.sessions);
    note("perspective.request.pending", stats.pending);
    note("perspective.view.count", stats.views);
    note("perspective.view.lingering", stats.lingeringViews);
    note("perspective.subscription.count", stats.subscriptions);
    note("perspective.cache.size", stats.reads.cacheSize);
    note("perspective.request.failures", stats.failed);
    for (const [reason, count] of Object.entries(stats.refusals)) {
      note("perspective.request.refusals", count, { "error.type": reason });
    }
    note("perspective.changes", stats.changes);
    for (const how of ["computed", "joined", "remembered"] as const) {
      const kind = { "perspective.read.answer": how };
      note("perspective.reads", stats.reads[how], kind);
    }
    note("perspective.pushes.computed", stats.pushes.computed);
    note("perspective.pushes.sent", stats.pushes.sent);
    note("perspective.engine.replacements", stats.recovery.replaced);
    for (const [index, replica] of stats.replicas.entries()) {
      const which = { "perspective.engine.index": index };
      const { state, views, outstanding, behind, heapSize } = replica;
      note("perspective.engine.up", state === "up" ? 1 : 0, which);
      note("perspective.engine.views", views, which);
      note("perspective.engine.outstanding", outstanding, which);
      note("perspective.engine.behind", behind, which);
      if (heapSize > 0) note("perspective.engine.heap.size", heapSize, which);
      note("perspective.engine.busy", replica.busyMs / 1000, which);
      note("perspective.engine.losses", replica.deaths, which);
    }
  });
}

/** Has `look` called whenever `meter` exports, for all of `gauges` at once. */
function watch(
  meter: Meter,
  { levels, counts }: Gauges,
  common: Attributes,
  look: (note: Note) => void,
): Disposable {
  const instruments = new Map<string, Observable>();
  for (const [name, [unit, description]] of Object.entries(levels)) {
    const options: MetricOptions = { unit, description };
    instruments.set(name, meter.createObservableUpDownCounter(name, options));
  }
  for (const [name, [unit, description]] of Object.entries(counts)) {
    const options: MetricOptions = { unit, description };
    instruments.set(name, meter.createObservableCounter(name, options));
  }
  const all = [...instruments.values()];
  const callback = (result: BatchObservableResult) =>
    look((name, value, more) =>
      result.observe(instruments.get(name)!, value, { ...common, ...more })
    );
  meter.addBatchObservableCallback(callback, all);
  return {
    [Symbol.dispose]: () => meter.removeBatchObservableCallback(callback, all),
  };
}
