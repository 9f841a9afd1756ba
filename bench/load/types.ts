/**
 * The shapes that the rows, the load generator and the runner share. Types
 * only: the Node programs name them in comments and never load this file.
 */

/** One request frame, built once, and what its answer must be. */
export interface Request {
  /** The bytes to send. */
  readonly frame: Uint8Array;
  /** The `msg_id` in the frame, which the answer must repeat. */
  readonly msgId: number;
  /** The number of the request in the protocol; the answer has the same. */
  readonly kind: number;
  /**
   * Looks into the answer's message of that kind.
   *
   * @returns what is wrong with it, or nothing
   */
  readonly check?: (body: Uint8Array) => string | undefined;
}

/** What one connection does: all of `open`, `loop` again and again, `close`. */
export interface Script {
  /** Sent one by one before the clock starts. */
  readonly open: readonly Request[];
  /** The timed requests. */
  readonly loop: readonly Request[];
  /** Where in `loop` this connection begins. */
  readonly first: number;
  /** Sent one by one after the clock has stopped. */
  readonly close: readonly Request[];
  /** `false` for a connection that only makes others busy. */
  readonly counted: boolean;
}

/** What the runner knows of a workload. */
export interface RowInfo {
  /** Its name on the command line and in the results. */
  readonly name: string;
  /** One line for the report. */
  readonly about: string;
  /** How many connections it opens, each with one request in flight. */
  readonly connections: number;
  /**
   * What the echo server sends back to be comparable: each request as it came,
   * or a frame as long as this row's mean answer.
   */
  readonly echo: "request" | "answer";
}

/** A workload. */
export interface Row extends RowInfo {
  /** Makes one script per connection. `run` makes names of views unique. */
  scripts(run: string): Script[];
}

/** A response, taken apart just far enough to be checked. */
export interface Answer {
  readonly msgId: number;
  readonly kind: number;
  /** The message of that kind. */
  readonly body: Uint8Array;
}

/** Latencies in milliseconds. */
export interface Latency {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** What one contestant did in one row in one round. */
export interface Measurement {
  /** Counted requests. */
  readonly requests: number;
  /** The time in which they were answered, in seconds. */
  readonly seconds: number;
  readonly perSecond: number;
  readonly latency: Latency;
  /** Mean length of a request, in bytes. */
  readonly requestBytes: number;
  /** Mean length of an answer, in bytes. */
  readonly answerBytes: number;
  /** How many answers were taken apart and checked. */
  readonly checked: number;
  /** Busy cores of the server in that time; `null` where it can't be read. */
  readonly serverCores: number | null;
  /** Busy cores of the load generator; `null` if there is none. */
  readonly loadCores: number | null;
}

/** What a load generator prints: one line, one of these. */
export type Outcome =
  | { readonly measurement: Measurement }
  | { readonly error: string };
