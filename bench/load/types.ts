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
  /** Whether it has no answer but pushes, whenever the server has one. */
  readonly subscribes?: boolean;
  /** Whether a server may answer that it doesn't know such a request. */
  readonly optional?: boolean;
  /**
   * Looks into the answer's message of that kind.
   *
   * @returns what is wrong with it, or nothing
   */
  readonly check?: (body: Uint8Array) => string | undefined;
}

/** What a view shows, as far as the rows need it. */
export interface ViewConfig {
  readonly groupBy?: readonly string[];
  readonly splitBy?: readonly string[];
  /** All if absent. */
  readonly columns?: readonly string[];
  /** A filter: rows in which that column has at least that value. */
  readonly atLeast?: { readonly column: string; readonly value: number };
  /** The column by which to sort, descending. */
  readonly sort?: string;
  /** How each column's values become one. */
  readonly aggregates?: Readonly<Record<string, string>>;
}

/** One that names its columns. */
export interface NamedColumns extends ViewConfig {
  readonly columns: readonly string[];
}

/** What one connection does: all of `open`, `loop` again and again, `close`. */
export interface Script {
  /** Sent one by one before the clock starts. */
  readonly open: readonly Request[];
  /** The timed requests; none for a connection that only listens. */
  readonly loop: readonly Request[];
  /** Where in `loop` this connection begins. */
  readonly first: number;
  /** How many requests after one another count as one; 1 if absent. */
  readonly cycle?: number;
  /** How many requests are under way at a time; 1 if absent. */
  readonly inFlight?: number;
  /** Milliseconds from an answer to the next cycle; 0 if absent. */
  readonly pause?: number;
  /** Whether every answer is looked at, if only for its kind. */
  readonly strict?: boolean;
  /** Sent one by one after the clock has stopped. */
  readonly close: readonly Request[];
  /** `false` for a connection that makes others busy; it is counted apart. */
  readonly counted: boolean;
}

/** Requests that are sent at once; the next ones when these are answered. */
export type Step = readonly Request[];

/** What somebody who looks at a view does. */
export interface Part {
  /** Sent before the clock starts; one of them is the subscription. */
  readonly open: readonly Step[];
  /**
   * Sent after a push. After the next push the next of these, so that answers
   * of two rounds can be told apart. The last answer is what is then seen.
   */
  readonly repaints: readonly (readonly Step[])[];
  /** Sent at once after the clock has stopped. */
  readonly close: Step;
}

/**
 * Viewers and a writer, who take turns. A round is an update, a push to every
 * viewer, and every viewer's requests after that; then comes the next update.
 */
export interface Scene {
  readonly viewers: readonly Part[];
  /** Whether they open one after the other, not all at once. */
  readonly oneByOne: boolean;
  /** The writer's, one after the other, again and again. */
  readonly updates: readonly Request[];
  /** What the writer asks after the last round. */
  readonly close: Step;
  /** How many rounds are counted, if the time is over before. */
  readonly leastRounds: number;
  /** Looks into the message of a push and says what is wrong with it. */
  readonly checkPush: (body: Uint8Array) => string | undefined;
}

/** What the frames of a scene have to be. */
export interface Terms {
  /** Says what is wrong with an answer. */
  judge(asked: Request, frame: Uint8Array): string | undefined;
  /** The same without looking into the message. */
  glance(asked: Request, frame: Uint8Array): string | undefined;
  /** Says what is wrong with a push. */
  judgePush(frame: Uint8Array): string | undefined;
  /** What all viewers must get alike in a round; `null` if nothing is. */
  common(frame: Uint8Array): Uint8Array | null;
  /** Whether they must see something else than in the round before. */
  readonly changes: boolean;
}

/** A figure of a contestant in a row. */
export type Measure =
  /** What the counted connections do per second; more is better. */
  | "rate"
  /** What the others do per second; more is better. */
  | "beside"
  /** Latencies of the counted ones; less is better. */
  | "p50"
  | "p99";

/** What a figure is compared with, and what is wanted of that ratio. */
export interface Goal {
  readonly measure: Measure;
  /**
   * The best of Perspective's own servers; the one for Node of the same line
   * of the engine; the bare engine of that line.
   */
  readonly against: "peers" | "node" | "bare";
  /**
   * At least that, or at most if less is better; for each line of the engine.
   * `null` if the ratio is only of interest.
   */
  readonly wanted: Readonly<Record<3 | 5, number>> | null;
}

/** What the runner knows of a workload. */
export interface RowInfo {
  /** Its name on the command line and in the results. */
  readonly name: string;
  /** One line for the report. */
  readonly about: string;
  /** How many connections it opens. */
  readonly connections: number;
  /** What is counted, in the plural. */
  readonly unit: string;
  /** What those do that aren't counted, in the plural, if there are any. */
  readonly beside: string | null;
  /** Whether a connection listens to pushes. */
  readonly pushes: boolean;
  /**
   * What the echo server sends back to be comparable: each request as it came,
   * a frame as long as this row's mean answer, or for each request and update
   * the answer and the pushes of another server. `null` if nothing would be.
   */
  readonly echo: "request" | "answer" | "each" | null;
  /** Whether the bare engine is a limit here. */
  readonly bare: boolean;
  /** Which table is served. */
  readonly data: "superstore" | "superstore_indexed" | "million";
  /**
   * Whether each turn has a server of its own, and no other one runs: for what
   * takes much memory and leaves much behind.
   */
  readonly apart: boolean;
  /** Whether it is measured when no row is named. */
  readonly byDefault: boolean;
  /** How long it is measured if nothing else is said. */
  readonly seconds: number;
  /** How long it runs before that if nothing else is said. */
  readonly warmup: number;
  /** How many seconds all may take until the connections are ready. */
  readonly patience: number;
  readonly goals: readonly Goal[];
}

/** A workload in which each connection goes on by itself. */
export interface Row extends RowInfo {
  /** Makes one script per connection. `run` makes names of views unique. */
  scripts(run: string): Script[];
}

/** A workload in which viewers and a writer take turns. */
export interface SceneRow extends RowInfo {
  /** Makes it. `run` makes names of views unique. */
  scene(run: string): Scene;
}

/** A response, taken apart just far enough to be checked. */
export interface Answer {
  readonly msgId: number;
  readonly kind: number;
  /** The message of that kind. */
  readonly body: Uint8Array;
}

/** How often latencies fell into which bucket, see `histogram.mjs`. */
export type Histogram = readonly (readonly [bucket: number, count: number])[];

/** Latencies in milliseconds. */
export interface Latency {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** What a process and its children hold of the memory, in bytes. */
export interface Memory {
  readonly now: number;
  /** The most that each has held so far. */
  readonly peak: number;
}

/** What is measured of a scene beside its rounds. */
export interface SceneFigures {
  /** From the first viewer's first request to the last one's last answer. */
  readonly openSeconds: number;
  /** What the server held then; `null` where it can't be read. */
  readonly openBytes: number | null;
  /** The most that it held. */
  readonly peakBytes: number | null;
  /**
   * The frames of the last round, in base64: the writer's answer, and what the
   * first viewer got, the push and each answer.
   */
  readonly frames: readonly string[];
}

/** What one contestant did in one row in one round. */
export interface Measurement {
  /** Counted requests or cycles. */
  readonly requests: number;
  /** The time in which they were answered, in seconds. */
  readonly seconds: number;
  readonly perSecond: number;
  /** What the uncounted connections did, per second. */
  readonly besidePerSecond: number;
  readonly pushesPerSecond: number;
  readonly latency: Latency;
  /** The same, to be put together with other rounds. */
  readonly histogram: Histogram;
  /** Mean length of a request or of a cycle's, in bytes. */
  readonly requestBytes: number;
  /** Mean length of an answer or of a cycle's, in bytes. */
  readonly answerBytes: number;
  /** How many answers were taken apart and checked. */
  readonly checked: number;
  /** Busy cores of the server in that time; `null` where it can't be read. */
  readonly serverCores: number | null;
  /** Busy cores of the load generator; `null` if there is none. */
  readonly loadCores: number | null;
  /** If the row is a scene. */
  readonly scene: SceneFigures | null;
}

/** What a load generator prints: one line, one of these. */
export type Outcome =
  | { readonly measurement: Measurement }
  | { readonly error: string };
