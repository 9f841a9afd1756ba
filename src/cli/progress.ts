/**
 * How far loading has come, on a terminal.
 *
 * @module
 */

/** Where it is shown. */
export interface Terminal {
  /** Whether there is anybody to see it. */
  readonly isTerminal: boolean;
  /** Writes as it is, without a line break. */
  write(text: string): void;
}

/** What is shown at most, in milliseconds. */
const PERIOD = 100;

/** Loads shorter than this show nothing, in milliseconds. */
const QUIET = 300;

const WIDTH = 24;

/** A bar for one file after the other; nothing unless there is a terminal. */
export class Progress {
  readonly #terminal: Terminal;
  readonly #now: () => number;
  #name = "";
  #began = 0;
  #shown = 0;
  #isOn = false;

  /** A bar on `terminal`; `now` says the milliseconds. */
  constructor(terminal: Terminal, now: () => number) {
    this.#terminal = terminal;
    this.#now = now;
  }

  /** Goes on with another file. */
  begin(name: string): void {
    this.end();
    this.#name = name;
    this.#began = this.#now();
  }

  /** Shows how far it has come. */
  update(bytes: number, size: number, rows: number): void {
    const now = this.#now();
    if (!this.#terminal.isTerminal || now - this.#began < QUIET) return;
    if (this.#isOn && now - this.#shown < PERIOD) return;
    this.#shown = now;
    this.#isOn = true;
    this.#terminal.write(`\r\x1b[K${line(this.#name, bytes, size, rows)}`);
  }

  /** Takes the bar away. */
  end(): void {
    if (this.#isOn) this.#terminal.write("\r\x1b[K");
    this.#isOn = false;
  }
}

function line(name: string, bytes: number, size: number, rows: number): string {
  const part = size === 0 ? 1 : Math.min(1, bytes / size);
  const full = Math.round(part * WIDTH);
  const bar = "█".repeat(full) + "░".repeat(WIDTH - full);
  return `${name} ${bar} ${megabytes(bytes)} of ${megabytes(size)} MB, ` +
    `${rows.toLocaleString("en")} rows`;
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
