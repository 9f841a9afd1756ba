/** What the program can see of a recovery. */
import type { ServerStats } from "../../mod.ts";
import type { Recovery, State } from "./types.ts";

/** From one look to the next. */
const EVERY_MS = 2;

/** How long a recovery may take. */
const PATIENCE_MS = 120_000;

/** How an error begins that says that an engine is lost. */
const LOST = /^Engine \d+ is lost/;

/** Looks at the engines of a server, as closely as there are no events for it. */
export class Watch {
  readonly #stats: () => Pick<ServerStats, "replicas" | "recovery">;
  readonly #complaints: string[] = [];
  #lost: number[] = [];
  #expected = 0;
  #started: number | null = null;
  #full = 0;
  #timer: ReturnType<typeof setInterval> | undefined;
  #states: readonly string[] = [];

  constructor(stats: () => Pick<ServerStats, "replicas" | "recovery">) {
    this.#stats = stats;
  }

  /** Takes what the server tells the program. */
  report({ message }: Error): void {
    if (LOST.test(message)) this.#lost.push(now());
    else this.#complaints.push(message);
  }

  /** How the engines are. */
  state(): Omit<State, "primary"> {
    const { replicas, recovery } = this.#stats();
    return {
      views: replicas.map(({ views }) => views),
      deaths: replicas.map(({ deaths }) => deaths),
      removedViews: recovery.removedViews,
      complaints: this.#complaints,
    };
  }

  /** Looks on from here, at so many engines' deaths at least. */
  begin(deaths: number): void {
    clearInterval(this.#timer);
    this.#expected = deaths;
    this.#lost = [];
    this.#started = null;
    this.#full = now();
    this.#look();
    this.#timer = setInterval(() => this.#look(), EVERY_MS);
  }

  /** Looks on until all engines take requests. */
  async end(): Promise<Recovery> {
    const until = now() + PATIENCE_MS;
    this.#look();
    // That a process has ended is known a while after it was killed.
    while (this.#lost.length < this.#expected || !this.#isFull) {
      if (now() > until) throw new Error(`Engines are ${this.#states}`);
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
      this.#look();
    }
    clearInterval(this.#timer);
    return { lost: this.#lost, started: this.#started, full: this.#full };
  }

  get #isFull(): boolean {
    return this.#states.every((it) => it === "up");
  }

  #look(): void {
    const before = this.#states;
    const wasFull = this.#isFull;
    this.#states = this.#stats().replicas.map(({ state }) => state);
    const isFilling = this.#states.includes("filling");
    if (isFilling && !before.includes("filling")) this.#started = now();
    if (this.#isFull && !wasFull) this.#full = now();
  }
}

function now(): number {
  return performance.timeOrigin + performance.now();
}
