import { assertEquals } from "@std/assert";
import type {
  Attributes,
  Histogram,
  Span,
  SpanOptions,
  Tracer,
} from "@opentelemetry/api";
import { Access } from "../policy/access.ts";
import { Kind } from "../protocol/kinds.ts";
import { Server } from "../server/server.ts";
import { ENGINES } from "../testing/engines.ts";
import { frame, makeView, uint } from "../testing/frames.ts";
import { timedRouting } from "../testing/routing.ts";
import { RequestMeter } from "./request_meter.ts";

/** What was recorded: the attributes of each, as text. */
function fakeHistogram() {
  const recorded: Array<readonly [number, Attributes]> = [];
  const histogram: Histogram = {
    record: (value, attributes = {}) => void recorded.push([value, attributes]),
  };
  const of = () =>
    recorded.map(([, it]) =>
      [it["perspective.request.kind"], it["error.type"]].join(" ").trim()
    );
  return { histogram, recorded, of };
}

/** A tracer that keeps what becomes of spans. */
function fakeTracer(isRecording = true) {
  const ended: string[] = [];
  const tracer = {
    startSpan: (name: string, options: SpanOptions) => {
      assertEquals(options.root, true);
      const attributes: Attributes = {};
      const span = {
        isRecording: () => isRecording,
        updateName: (other: string) => void (name = other),
        setAttribute: (key: string, value: string) =>
          void (attributes[key] = value),
        setStatus: () => {},
        end: () => {
          const error = attributes["error.type"];
          const table = attributes["perspective.table"];
          ended.push(
            [name, table && `(${table})`, error].filter(Boolean).join(" "),
          );
        },
      };
      return span as unknown as Span;
    },
  };
  return { tracer: tracer as Tracer, ended };
}

function meter(tracer?: Tracer) {
  const request = fakeHistogram();
  const wait = fakeHistogram();
  const engine = fakeHistogram();
  const observer = new RequestMeter(
    {
      request: request.histogram,
      wait: wait.histogram,
      engine: engine.histogram,
    },
    tracer,
  );
  return { observer, request, wait, engine };
}

Deno.test("RequestMeter measures each request of a server once, by kind and outcome", async () => {
  const { tracer, ended } = fakeTracer();
  const { observer, request, engine } = meter(tracer);
  await using server = new Server({ engine: ENGINES["3"], maxViews: 1 });
  await server.ready;
  using _ = server.observe(observer);
  const client = server.newLocalClient();
  await client.table({ x: [1, 2] }, { name: "cities" });
  const before = request.of().length;
  engine.recorded.length = ended.length = 0;
  const access = new Access({ trusted: true }); // to see and read, at once
  const session = server.newSession(() => {}, { access });
  const ask = (kind: number, entity: string, content?: Uint8Array) =>
    session.handleRequest(frame(kind, entity, kind, content));
  ask(Kind.TABLE_SIZE, "cities");
  ask(Kind.TABLE_SIZE, "cities"); // from memory
  ask(Kind.TABLE_SIZE, "towns");
  ask(Kind.TABLE_DELETE, "cities");
  session.handleRequest(
    frame(1, "cities", Kind.TABLE_MAKE_VIEW, makeView("v")),
  );
  session.handleRequest(
    frame(2, "cities", Kind.TABLE_MAKE_VIEW, makeView("w")),
  );
  ask(Kind.VIEW_DIMENSIONS, "v");
  session.handleRequest(frame(3, "v", Kind.VIEW_ON_UPDATE));
  session.handleRequest(frame(4, "", Kind.GET_HOSTED_TABLES, uint(1, 1)));
  session.handleRequest(frame(5, "", 99));
  session.handleRequest(new Uint8Array([0xff]));
  assertEquals(request.of().slice(before), [
    "table_size",
    "table_size",
    "table_size server_error",
    "table_delete access",
    "table_make_view",
    "table_make_view limits",
    "view_dimensions",
    "view_on_update",
    "get_hosted_tables",
    "unknown invalid",
    "unknown invalid",
  ]);
  assertEquals(ended, [
    "table_size cities (cities)",
    "table_size cities (cities)",
    "table_size towns (towns) server_error",
    "table_delete cities (cities) access",
    "table_make_view cities (cities)",
    "table_make_view cities (cities) limits",
    "view_dimensions cities (cities)",
    "view_on_update cities (cities)",
    "get_hosted_tables",
    "unknown invalid",
    "unknown invalid",
  ]);
  // What was remembered or refused didn't get there.
  assertEquals(
    engine.of().filter((it) => it.startsWith("table_size")),
    ["table_size", "table_size"],
  );
  assertEquals(server.stats().requests, request.recorded.length);
});

Deno.test("RequestMeter tells apart the time that a request waits, and that it takes", () => {
  const { observer, request, wait, engine } = meter();
  let now = 0;
  observer.now = () => now;
  const { engines, router } = timedRouting(1);
  router.observe(observer);
  const session = router.openSession({ send: () => {} });
  session.handleRequest(frame(1, "t", Kind.TABLE_SIZE));
  session.handleRequest(frame(2, "t", Kind.TABLE_SCHEMA));
  now = 2_000;
  engines[0]!.run();
  assertEquals(request.of(), ["table_size", "table_schema"]);
  assertEquals(engine.of(), ["table_size", "table_schema"]);
  assertEquals(wait.recorded.map(([seconds]) => seconds), [0, 2]);
});

Deno.test("RequestMeter writes down what is open when a session ends", () => {
  const { tracer, ended } = fakeTracer();
  const { observer, request } = meter(tracer);
  const { engines, router } = timedRouting(1);
  router.observe(observer);
  const session = router.openSession({ send: () => {} });
  session.handleRequest(frame(1, "t", Kind.TABLE_SIZE));
  session.handleRequest(frame(2, "t", Kind.TABLE_SCHEMA));
  session.close();
  engines[0]!.run();
  assertEquals(request.of(), [
    "table_size session_closed",
    "table_schema session_closed",
  ]);
  assertEquals(ended.length, 2);
});

Deno.test("RequestMeter names no table in a span that is sampled out", () => {
  const { tracer, ended } = fakeTracer(false);
  const { observer, request } = meter(tracer);
  const { engines, router } = timedRouting(1);
  router.observe(observer);
  const session = router.openSession({ send: () => {} });
  session.handleRequest(frame(1, "t", Kind.TABLE_SIZE));
  engines[0]!.run();
  assertEquals([request.of(), ended], [["table_size"], []]);
});

Deno.test("Server.observe() follows sessions that were open before, until it is disposed of", async () => {
  const { observer, request } = meter();
  await using server = new Server({ engine: ENGINES["3"] });
  await server.ready;
  const session = server.newSession(() => {});
  {
    using _ = server.observe(observer);
    session.handleRequest(frame(1, "", Kind.GET_FEATURES));
  }
  session.handleRequest(frame(2, "", Kind.GET_FEATURES));
  assertEquals(request.of(), ["get_features"]);
});
