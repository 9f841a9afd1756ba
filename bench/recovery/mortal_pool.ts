/** A pool whose engines can be let die, by their place. */
import type { Engine, EngineOptions, Executor } from "../../mod.ts";
import { ProcessEngine } from "../../src/engine/process_engine.ts";
import { WorkerEngine } from "../../src/engine/worker_engine.ts";
import { Kind } from "../../src/protocol/kinds.ts";

/** What tells who the primary is: only there it is answered. */
const CHANGES: ReadonlySet<number> = new Set([
  Kind.MAKE_TABLE,
  Kind.TABLE_UPDATE,
]);

/** Starts engines as `pool` does, and knows which is where. */
export class MortalPool implements Executor {
  readonly size: number;
  readonly #pool: Executor;
  readonly #lost: () => number;
  readonly #engines: Engine[] = [];
  #asked = 0;
  #primary: Engine | undefined;

  /** `lost` says in which place an engine is missing. */
  constructor(pool: Executor, lost: () => number) {
    this.#pool = pool;
    this.#lost = lost;
    this.size = pool.size ?? 1;
  }

  /** The place of the engine that executes changes first. */
  get primary(): number {
    return this.#engines.indexOf(this.#primary!);
  }

  /** Starts an engine; later ones take the places of those that are lost. */
  async start(options: EngineOptions): Promise<Engine> {
    const nth = this.#asked++;
    const place = nth < this.size ? nth : this.#lost();
    const engine = await this.#pool.start(options);
    const send = engine.send.bind(engine);
    engine.send = (frame, kind, poll) => {
      if (CHANGES.has(kind) && frame.msgId !== 0) this.#primary = engine;
      send(frame, kind, poll);
    };
    this.#engines[place] = engine;
    return engine;
  }

  /** Lets the engine in that place die, whatever it is at. */
  kill(place: number): void {
    const engine = this.#engines[place];
    if (engine instanceof WorkerEngine) engine.crash("terminate");
    else if (engine instanceof ProcessEngine) Deno.kill(engine.pid, "SIGKILL");
    else throw new Error(`Cannot kill engine ${place}`);
  }
}
