/**
 * Measuring requests, and tracing them.
 *
 * @module
 */

import {
  type Attributes,
  type Histogram,
  type Span,
  SpanKind,
  type SpanOptions,
  SpanStatusCode,
  type Tracer,
} from "@opentelemetry/api";
import {
  entityOf,
  type Header,
  newHeader,
  readHeader,
} from "../protocol/header.ts";
import { kindInfo, SERVER_ERROR } from "../protocol/kinds.ts";
import type { RequestObserver, SessionObserver } from "../router/observer.ts";
import type { RefusalReason } from "../router/refusal.ts";

/** What requests are measured with. */
export interface RequestInstruments {
  /** Seconds from a request to its answer. */
  readonly request: Histogram;
  /** Seconds that something had to wait for an engine. */
  readonly wait: Histogram;
  /** Seconds that it took there. */
  readonly engine: Histogram;
}

/**
 * What became of a request, as `error.type` says it: nothing if it was answered
 * as it should, otherwise why it was refused, or that the engine or the router
 * answered with a `server_error`, or that the session ended before the answer.
 */
export type Outcome =
  | undefined
  | RefusalReason
  | "server_error"
  | "session_closed";

/** So many characters of a table's name stand in a span, which a client chose. */
const LONGEST_NAME = 128;

/** Stands for all kinds that don't exist. It is no request's. */
const UNKNOWN = SERVER_ERROR;

/** So many records of requests that are answered are kept for the next. */
const MOST_FREE = 1_024;

/** A request that isn't answered yet. */
interface Asked {
  kind: number;
  /** When it came. */
  since: number;
  span: Span | undefined;
}

/** What is said of all requests of one kind, made once. */
class KindAttributes {
  /** Of those in general, for engines. */
  readonly plain: Attributes;
  /** What a span of one starts with. */
  readonly span: SpanOptions;
  readonly name: string;
  readonly #byOutcome = new Map<Outcome, Attributes>();

  constructor(name: string, common: Attributes) {
    this.name = name;
    this.plain = { ...common, "perspective.request.kind": name };
    // What came in on a socket before has nothing to do with it.
    this.span = { kind: SpanKind.SERVER, root: true, attributes: this.plain };
    this.#byOutcome.set(undefined, this.plain);
  }

  of(outcome: Outcome): Attributes {
    let attributes = this.#byOutcome.get(outcome);
    if (attributes === undefined) {
      attributes = { ...this.plain, "error.type": outcome };
      this.#byOutcome.set(outcome, attributes);
    }
    return attributes;
  }
}

/**
 * Measures requests with histograms, and makes a span of each.
 *
 * With the attributes made once for each kind, and records used again, a
 * request allocates no more than what the histograms and the tracer need.
 */
export class RequestMeter implements RequestObserver {
  readonly instruments: RequestInstruments | undefined;
  readonly tracer: Tracer | undefined;
  readonly #common: Attributes;
  readonly #kinds: KindAttributes[] = [];
  /** Records to use again. */
  readonly #free: Asked[] = [];
  readonly #header = newHeader();

  /**
   * Measures with `instruments`, and traces with `tracer`, as far as there is
   * one. All get the attributes `common`.
   */
  constructor(
    instruments: RequestInstruments | undefined,
    tracer: Tracer | undefined,
    common: Attributes = {},
  ) {
    this.instruments = instruments;
    this.tracer = tracer;
    this.#common = common;
  }

  now(): number {
    return performance.now();
  }

  opened(tableOf: (view: string) => string | undefined): SessionObserver {
    return new SessionMeter(this, tableOf);
  }

  executed(kind: number, waited: number, took: number): void {
    if (this.instruments === undefined) return;
    const { wait, engine } = this.instruments;
    const { plain } = this.ofKind(kind);
    wait.record(waited / 1000, plain);
    engine.record(took / 1000, plain);
  }

  /** What is said of requests of `kind`; of kinds that don't exist, the same. */
  ofKind(kind: number): KindAttributes {
    const info = kindInfo(kind);
    const known = info === undefined && kind !== 0 ? UNKNOWN : kind;
    return this.#kinds[known] ??= new KindAttributes(
      info?.name ?? (kind === 0 ? "poll" : "unknown"),
      this.#common,
    );
  }

  /** The header of `frame`, until the next is read. */
  read(frame: Uint8Array): Header {
    readHeader(frame, this.#header);
    return this.#header;
  }

  /** A record of a request that came now. */
  begin(kind: number, span: Span | undefined): Asked {
    const asked = this.#free.pop() ?? { kind, since: 0, span };
    asked.kind = kind;
    asked.since = performance.now();
    asked.span = span;
    return asked;
  }

  /** Writes down what became of a request. The record is used again. */
  end(asked: Asked, outcome: Outcome): void {
    const { kind, since, span } = asked;
    const seconds = (performance.now() - since) / 1000;
    this.instruments?.request.record(seconds, this.ofKind(kind).of(outcome));
    if (span !== undefined) {
      if (outcome !== undefined) {
        span.setAttribute("error.type", outcome);
        span.setStatus({ code: SpanStatusCode.ERROR });
      }
      span.end();
      asked.span = undefined;
    }
    if (this.#free.length < MOST_FREE) this.#free.push(asked);
  }
}

/** Measures what one session asks. */
class SessionMeter implements SessionObserver {
  readonly #meter: RequestMeter;
  readonly #tableOf: (view: string) => string | undefined;
  /** What isn't answered yet, by the client's `msg_id`. */
  readonly #asked = new Map<number, Asked>();

  constructor(
    meter: RequestMeter,
    tableOf: (view: string) => string | undefined,
  ) {
    this.#meter = meter;
    this.#tableOf = tableOf;
  }

  asked(frame: Uint8Array): void {
    const meter = this.#meter;
    const header = meter.read(frame);
    const { msgId, kind } = header;
    const span = meter.tracer && this.#span(meter.tracer, frame, header);
    // Of two with one msg_id, the answers can't be told apart.
    const before = this.#asked.get(msgId);
    this.#asked.set(msgId, meter.begin(kind || UNKNOWN, span));
    if (before !== undefined) meter.end(before, undefined);
  }

  subscribed(msgId: number): void {
    this.#end(msgId, undefined);
  }

  answered(frame: Uint8Array, refusal: RefusalReason | undefined): void {
    const { msgId, kind } = this.#meter.read(frame);
    const isError = kind === SERVER_ERROR;
    this.#end(msgId, isError ? refusal ?? "server_error" : undefined);
  }

  ended(): void {
    for (const asked of this.#asked.values()) {
      this.#meter.end(asked, "session_closed");
    }
    this.#asked.clear();
  }

  #end(msgId: number, outcome: Outcome): void {
    const asked = this.#asked.get(msgId);
    if (asked === undefined) return;
    this.#asked.delete(msgId);
    this.#meter.end(asked, outcome);
  }

  /** A span for a request, if it is wanted. */
  #span(tracer: Tracer, frame: Uint8Array, header: Header): Span | undefined {
    const { name, span: options } = this.#meter.ofKind(
      header.kind || UNKNOWN,
    );
    const span = tracer.startSpan(name, options);
    if (!span.isRecording()) return undefined;
    const table = this.#table(frame, header);
    if (table === undefined) return span;
    const short = table.slice(0, LONGEST_NAME);
    span.updateName(`${name} ${short}`);
    span.setAttribute("perspective.table", short);
    return span;
  }

  /** The table that a request is about, if it can be read, and is about one. */
  #table(frame: Uint8Array, header: Header): string | undefined {
    const entity = kindInfo(header.kind)?.entity;
    if (entity === undefined || entity === "server") return undefined;
    try {
      const name = entityOf(frame, header);
      return entity === "table" ? name : this.#tableOf(name);
    } catch {
      return undefined; // it isn't UTF-8, and will be refused
    }
  }
}
