/**
 * What a collector of OpenTelemetry gets from Deno, over HTTP and as JSON. For
 * tests only.
 *
 * @module
 */

/** Attributes as OTLP writes them. */
type OtlpAttributes = ReadonlyArray<{
  readonly key: string;
  readonly value: Readonly<Record<string, string | number>>;
}>;

interface OtlpPoint {
  readonly attributes: OtlpAttributes;
  readonly asDouble?: number;
  readonly asInt?: string;
  readonly count?: string;
  readonly sum?: number;
}

interface OtlpMetric {
  readonly name: string;
  readonly unit: string;
  readonly description: string;
  readonly sum?: {
    readonly dataPoints: readonly OtlpPoint[];
    readonly isMonotonic: boolean;
  };
  readonly histogram?: { readonly dataPoints: readonly OtlpPoint[] };
  readonly gauge?: { readonly dataPoints: readonly OtlpPoint[] };
}

/** A metric as it was exported last. */
export interface Metric {
  readonly unit: string;
  readonly description: string;
  readonly type: "counter" | "level" | "histogram";
  /** Values, or counts of a histogram, by the attributes as text. */
  readonly values: ReadonlyMap<string, number>;
}

/** A span that was exported. */
export interface ExportedSpan {
  readonly name: string;
  readonly isRoot: boolean;
  readonly attributes: string;
}

/** A collector on a free port. */
export interface Collector extends AsyncDisposable {
  /** What has to stand in a program's environment so that it exports here. */
  readonly env: Readonly<Record<string, string>>;
  /** Resolves when metrics were exported that were looked at after this call. */
  newer(): Promise<void>;
  /** Metrics of a scope, as they were exported last. */
  metrics(scope: string): ReadonlyMap<string, Metric>;
  /** All spans of a scope. */
  spans(scope: string): readonly ExportedSpan[];
}

/** Collects what programs export until it is disposed of. */
export function collect(): Collector {
  const metrics = new Map<string, Map<string, Metric>>();
  const spans = new Map<string, ExportedSpan[]>();
  let onExport = Promise.withResolvers<void>();
  const http = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    async (request) => {
      const body = await request.json();
      for (const { scopeMetrics } of body.resourceMetrics ?? []) {
        for (const { scope, metrics: all } of scopeMetrics) {
          // An export may leave out what has been exported before.
          const known = metrics.get(scope.name) ?? new Map();
          metrics.set(scope.name, known);
          for (const metric of all) known.set(metric.name, readMetric(metric));
        }
      }
      if (body.resourceMetrics !== undefined) {
        onExport.resolve();
        onExport = Promise.withResolvers();
      }
      for (const { scopeSpans } of body.resourceSpans ?? []) {
        for (const { scope, spans: all } of scopeSpans) {
          const known = spans.get(scope.name) ?? [];
          spans.set(scope.name, known);
          for (const { name, parentSpanId, attributes } of all) {
            known.push({
              name,
              isRoot: parentSpanId === "",
              attributes: textOf(attributes),
            });
          }
        }
      }
      return Response.json({});
    },
  );
  return {
    newer: async () => {
      // The first may have been on its way.
      for (let i = 0; i < 2; i++) await onExport.promise;
    },
    env: {
      OTEL_DENO: "true",
      OTEL_DENO_CONSOLE: "ignore",
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${http.addr.port}`,
      OTEL_METRIC_EXPORT_INTERVAL: "200",
    },
    metrics: (scope) => metrics.get(scope) ?? new Map(),
    spans: (scope) => spans.get(scope) ?? [],
    [Symbol.asyncDispose]: () => http.shutdown(),
  };
}

function readMetric(metric: OtlpMetric): Metric {
  const { unit, description, sum, histogram, gauge } = metric;
  const points = (histogram ?? sum ?? gauge)!.dataPoints;
  return {
    unit,
    description,
    type: histogram ? "histogram" : sum?.isMonotonic ? "counter" : "level",
    values: new Map(points.map((it) => [
      textOf(it.attributes),
      Number(it.count ?? it.asInt ?? it.asDouble),
    ])),
  };
}

/** `a=1 b=x`, sorted. */
function textOf(attributes: OtlpAttributes): string {
  return attributes
    .map(({ key, value }) => `${key}=${Object.values(value)[0]}`)
    .sort().join(" ");
}
