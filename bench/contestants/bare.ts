/**
 * Contestant: an engine in a loop, without a socket, the limit of what any
 * server around it can do on one thread. It is its own load generator and
 * takes the same options and prints the same line as `load/main.mjs`.
 */
import { TABLE } from "../load/data.mjs";
import { Meter } from "../load/meter.mjs";
import { main } from "../load/options.mjs";
import { rowNamed } from "../load/rows.mjs";
import type { Request, Script } from "../load/types.ts";
import { complaint, makeTable } from "../load/wire.mjs";
import { BareEngine } from "./engine.ts";

/** Lets each client ask in turn, for a while. */
function takeTurns(clients: LoopClient[], seconds: number): void {
  const end = performance.now() + seconds * 1000;
  let now = performance.now();
  while (now < end) {
    for (const client of clients) now = client.next(now);
  }
}

/** One session of the engine, driven by a script. */
class LoopClient {
  readonly #engine: BareEngine;
  readonly #session: number;
  readonly #script: Script;
  readonly #meter: Meter;
  #index: number;
  #answers = 0;

  constructor(engine: BareEngine, script: Script, meter: Meter) {
    this.#engine = engine;
    this.#session = engine.newSession();
    this.#script = script;
    this.#meter = meter;
    this.#index = script.first;
  }

  open(): void {
    for (const asked of this.#script.open) {
      ask(this.#engine, this.#session, asked);
    }
  }

  /** Sends the next request; takes the time before it, returns that after. */
  next(before: number): number {
    const asked = this.#script.loop[this.#index++ % this.#script.loop.length]!;
    const checked = this.#meter.samples(this.#answers++);
    let after = before;
    let bytes = 0;
    let wrong: string | undefined;
    this.#engine.request(this.#session, asked.frame, (answer) => {
      after = performance.now();
      bytes = answer.length;
      if (checked) wrong = complaint(asked, answer);
    });
    if (bytes === 0) wrong = "none";
    if (wrong) throw new Error(`Wrong answer: ${wrong}`);
    if (this.#script.counted) {
      this.#meter.add(after - before, asked.frame.length, bytes);
    }
    return after;
  }

  close(): void {
    for (const asked of this.#script.close) {
      ask(this.#engine, this.#session, asked);
    }
  }
}

/** Sends one request and checks its answer. */
function ask(engine: BareEngine, session: number, asked: Request): void {
  let wrong: string | undefined = "none";
  engine.request(session, asked.frame, (answer) => {
    wrong = complaint(asked, answer);
  });
  if (wrong) throw new Error(`Wrong answer: ${wrong}`);
}

await main(async (options) => {
  const engine = await BareEngine.load(options.engine);
  const arrow = await Deno.readFile(options.data);
  ask(engine, engine.newSession(), makeTable(1, TABLE, arrow));

  const meter = new Meter(Deno.pid, undefined);
  const clients = rowNamed(options.row).scripts("bare")
    .map((script) => new LoopClient(engine, script, meter));
  clients.forEach((client) => client.open());
  takeTurns(clients, options.warmup);
  meter.start();
  takeTurns(clients, options.seconds);
  meter.stop();
  clients.forEach((client) => client.close());
  return meter.result();
});
