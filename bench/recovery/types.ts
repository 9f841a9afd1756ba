/**
 * What the load generator, the server and the runner tell each other. Times are
 * in milliseconds; a moment is one since 1970, by which processes of one machine
 * understand each other.
 */

/** What an engine was lost by; by nothing, for comparison. */
export type Cause = "nothing" | "other" | "primary" | "update" | "view";

/** What the server says of its engines. */
export interface State {
  /** Which engine executes changes first. */
  readonly primary: number;
  /** How many views each has. */
  readonly views: readonly number[];
  /** How many engines have been lost in each place. */
  readonly deaths: readonly number[];
  /** Views that were taken away from clients. */
  readonly removedViews: number;
  /** What it has told the program, but for engines that were lost. */
  readonly complaints: readonly string[];
}

/** What the server has seen of a recovery. */
export interface Recovery {
  /** When engines were lost. */
  readonly lost: readonly number[];
  /** When the last new engine was there, still empty; `null` if none was seen. */
  readonly started: number | null;
  /** When all engines took requests again. */
  readonly full: number;
}

/** The longest that each client had to wait around a death. */
export interface Longest {
  /** Who asks for the size of the table. */
  readonly light: number;
  readonly writer: number;
  /** Whose view lives on an engine that wasn't lost. */
  readonly otherReaders: number | null;
  /** Whose view lived on a lost one. */
  readonly reader: number | null;
  /** From one push to the next, of a view on a lost one. */
  readonly subscriber: number | null;
}

/** One death, and what came of it. */
export interface Death {
  readonly cause: Cause;
  /** How many engines were lost. */
  readonly lost: number;
  /** From the death until a new engine was there, still empty. */
  readonly startedMs: number | null;
  /** From the death until a reader on that engine got its next answer. */
  readonly readMs: number | null;
  /** From the death until all engines took requests. */
  readonly fullMs: number | null;
  readonly longest: Longest;
}

/** What one server went through. */
export interface Round {
  readonly deaths: readonly Death[];
  /** How often each client asked, and was answered or told. */
  readonly counts: Readonly<Record<string, number>>;
  /** What should not have been. */
  readonly problems: readonly string[];
}

/** What became of a server that got a fatal frame. */
export interface Bystanders {
  /** Sockets that were closed, of how many. */
  readonly closed: number;
  readonly sockets: number;
  /** From the frame to the first of them; `null` if none was. */
  readonly closedMs: number | null;
  readonly requestBytes: number;
}
