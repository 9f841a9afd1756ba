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
import { complaint, makeTable, quickComplaint } from "../load/wire.mjs";
import { BareEngine } from "./engine.ts";

/** Lets each client do a cycle in turn, for a while. */
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

  /** Whether it asks for anything, or only listens. */
  get asks(): boolean {
    return this.#script.loop.length > 0;
  }

  open(): void {
    for (const asked of this.#script.open) {
      ask(this.#engine, this.#session, asked);
    }
  }

  /** Does the next cycle; takes the time before it, returns that after. */
  next(before: number): number {
    const { cycle = 1, counted } = this.#script;
    let requestBytes = 0;
    let answerBytes = 0;
    for (let left = cycle; left > 0; left--) {
      const asked = this.#script.loop[this.#index]!;
      this.#index = (this.#index + 1) % this.#script.loop.length;
      requestBytes += asked.frame.length;
      answerBytes += this.#request(asked);
    }
    const after = performance.now();
    if (counted) this.#meter.add(after - before, requestBytes, answerBytes);
    else this.#meter.addBeside();
    return after;
  }

  /** Sends a request and returns how long the answer is. */
  #request(asked: Request): number {
    const checked = this.#meter.samples(this.#answers++);
    let bytes = 0;
    let wrong: string | undefined;
    this.#engine.request(this.#session, asked.frame, (answer, session) => {
      if (session !== this.#session) return this.#meter.addPush();
      bytes = answer.length;
      if (checked) wrong = complaint(asked, answer);
      else if (this.#script.strict) wrong = quickComplaint(asked, answer);
    });
    if (bytes === 0) wrong = "none";
    if (wrong) throw new Error(`Wrong answer: ${wrong}`);
    return bytes;
  }

  close(): void {
    for (const asked of this.#script.close) {
      ask(this.#engine, this.#session, asked);
    }
  }
}

/** Sends one request and checks its answer. */
function ask(engine: BareEngine, session: number, asked: Request): void {
  let wrong: string | undefined = asked.subscribes ? undefined : "none";
  engine.request(session, asked.frame, (answer) => {
    wrong = complaint(asked, answer);
  });
  if (wrong) throw new Error(`Wrong answer: ${wrong}`);
}

await main(async (options) => {
  const engine = await BareEngine.load(options.engine);
  const arrow = await Deno.readFile(options.data);
  ask(engine, engine.newSession(), makeTable(1, TABLE, arrow, options.index));

  const meter = new Meter(Deno.pid, undefined);
  const row = rowNamed(options.row);
  if (!("scripts" in row)) throw new TypeError("It plays no scenes");
  const clients = row.scripts("bare")
    .map((script) => new LoopClient(engine, script, meter));
  clients.forEach((client) => client.open());
  const asking = clients.filter((client) => client.asks);
  takeTurns(asking, options.warmup);
  meter.start();
  takeTurns(asking, options.seconds);
  meter.stop();
  clients.forEach((client) => client.close());
  return meter.result();
});
