/**
 * Metrics and traces by OpenTelemetry.
 *
 * @module
 */

import {
  createNoopMeter,
  type Histogram,
  metrics,
  ProxyTracerProvider,
  trace,
} from "@opentelemetry/api";
import type { Server } from "../server/server.ts";
import type { PerspectiveHandler } from "../socket/handler.ts";
import {
  newRequestInstruments,
  watchHandler,
  watchServer,
} from "./instruments.ts";
import { RequestMeter } from "./request_meter.ts";

/** A `Meter` of `npm:@opentelemetry/api`. */
export type OtelMeter = ReturnType<
  typeof import("@opentelemetry/api")["metrics"]["getMeter"]
>;

/** A `Tracer` of `npm:@opentelemetry/api`. */
export type OtelTracer = ReturnType<
  typeof import("@opentelemetry/api")["trace"]["getTracer"]
>;

/** What {@linkcode instrument} measures, and with what. */
export interface InstrumentOptions {
  /** The server: its requests, tables and engines. */
  readonly server?: Server;
  /** The handler: its connections and handshakes. */
  readonly handler?: PerspectiveHandler;
  /**
   * Takes what is measured.
   *
   * @default the global one named `@perspective-deno/handler`, which Deno
   * exports with `OTEL_DENO=true`
   */
  readonly meter?: OtelMeter;
  /**
   * Takes a span for each request, if it wants it. `false` traces nothing.
   *
   * @default the global one of that name
   */
  readonly tracer?: OtelTracer | false;
  /**
   * Is said of everything that is measured and traced. Where a program has
   * several servers, something has to tell them apart.
   */
  readonly attributes?: Readonly<Record<string, string | number | boolean>>;
}

/** The instrumentation scope. */
const NAME = "@perspective-deno/handler";

/**
 * Exports metrics and traces of a server and a handler, by OpenTelemetry. Deno
 * does that by itself when it is started with `OTEL_DENO=true`; otherwise, unless
 * another OpenTelemetry SDK was registered before, this does nothing, and costs
 * nothing. So it can always be called.
 *
 * What is measured, by which names and in which units, is in `docs/metrics.md`.
 *
 * @example A server that is watched
 * ```ts
 * import { instrument, PerspectiveHandler, Server } from "@perspective-deno/handler";
 *
 * await using server = new Server();
 * await using handler = new PerspectiveHandler({ server });
 * using _ = instrument({ server, handler });
 * await using http = Deno.serve({ port: 0 }, handler.fetch);
 * ```
 *
 * @returns What ends it.
 * @throws {Error} If the server is measured already.
 */
export function instrument(options: InstrumentOptions): Disposable {
  const { server, handler, attributes = {} } = options;
  const { meter = metrics.getMeter(NAME) } = options;
  const tracer = tracerOf(options);
  const instruments = newRequestInstruments(meter);
  const isMeasured = !isNoop(instruments.request);
  const ends = new DisposableStack();
  if (server !== undefined && (isMeasured || tracer !== undefined)) {
    const measures = isMeasured ? instruments : undefined;
    ends.use(server.observe(new RequestMeter(measures, tracer, attributes)));
  }
  if (!isMeasured) return ends;
  if (server !== undefined) ends.use(watchServer(meter, server, attributes));
  if (handler !== undefined) ends.use(watchHandler(meter, handler, attributes));
  return ends;
}

/** Whether nobody gets what `histogram` is told: the API has one for that. */
function isNoop(histogram: Histogram): boolean {
  return histogram === createNoopMeter().createHistogram("");
}

/** The tracer to use, if somebody gets its spans. */
function tracerOf({ tracer }: InstrumentOptions): OtelTracer | undefined {
  if (tracer === false) return undefined;
  if (tracer !== undefined) return tracer;
  const provider = trace.getTracerProvider();
  const isNoop = provider instanceof ProxyTracerProvider &&
    provider.getDelegate() === new ProxyTracerProvider().getDelegate();
  return isNoop ? undefined : trace.getTracer(NAME);
}
