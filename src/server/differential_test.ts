import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Executor } from "../engine/engine.ts";
import { hasKind, Kind, kindName, type Line } from "../protocol/kinds.ts";
import { differential } from "../testing/differential/differential.ts";
import type { Side } from "../testing/differential/options.ts";
import { ENGINES } from "../testing/engines.ts";
import { parts } from "../testing/frames.ts";
import { WorkerPool, type WorkerPoolOptions } from "../engine/worker_pool.ts";
import { Server, type ServerOptions } from "./server.ts";

/** How requests come. */
const MODES = {
  "one by one": { pollsEach: true },
  "in bursts": { pipelined: true },
  // What is pushed is compared, too: no poll is shared.
  "one change at a time": { pipelined: true, pollsEach: true },
  "changes joined": { pipelined: true, joinsChanges: true },
} as const;

type Mode = keyof typeof MODES;

/** Who is compared with the engine on the main thread. */
interface Contender {
  readonly name: string;
  /** Without it, another engine on the main thread. */
  readonly executor?: () => Executor & AsyncDisposable;
  /** How it is asked. */
  readonly modes: readonly Mode[];
  /** See {@linkcode ServerOptions.sharing}. */
  readonly sharing: boolean;
}

const POOLED: readonly Mode[] = [
  "one by one",
  "one change at a time",
  "changes joined",
];

/** One line for each way to run engines. */
const CONTENDERS: readonly Contender[] = [
  { name: "inline", modes: ["one by one", "in bursts"], sharing: true },
  pool("a pool of 1", { size: 1 }, true),
  pool("a pool of 2", { size: 2 }, true),
  pool("a pool of 3", { size: 3 }, true),
  pool("the default pool", {}, true),
  {
    name: "inline, nothing shared,",
    modes: ["one by one", "in bursts"],
    sharing: false,
  },
  pool("a pool of 3, nothing shared,", { size: 3 }, false),
];

function pool(
  name: string,
  options: WorkerPoolOptions,
  sharing: boolean,
): Contender {
  const executor = () => new WorkerPool(options);
  return { name, executor, modes: POOLED, sharing };
}

/** What a failure tells of is repeated with its seed and number of steps. */
const SEED = Number(Deno.env.get("PERSPECTIVE_SEED") ?? 16);
const STEPS = Number(Deno.env.get("PERSPECTIVE_STEPS") ?? 500);

/** So many steps at most with the same two servers; the next seed goes on. */
const ROUND = 500;

/** A server whose errors are kept. */
function start(options: ServerOptions, errors: string[]): Server {
  return new Server({
    ...options,
    onError: (error, { stage }) =>
      errors.push(
        `${
          options.executor ? "executor" : "inline"
        }: ${stage}: ${error.message}`,
      ),
  });
}

/** Compares one pair of servers, and returns the kinds that were asked. */
async function round(
  contender: Contender,
  line: Line,
  seed: number,
  steps: number,
  mode: Mode,
): Promise<Iterable<number>> {
  const engine = ENGINES[line];
  const errors: string[] = [];
  const { sharing } = contender;
  await using executor = contender.executor?.();
  await using left = start({ engine, sharing: false }, errors);
  const options = { engine, sharing, ...executor && { executor } };
  await using right = start(options, errors);
  const report = await differential(left, right, {
    line,
    seed,
    steps,
    sharesViews: sharing,
    ...MODES[mode],
  });
  assertEquals(errors, []);
  // All sessions have closed.
  assertEquals(right.stats().sessions, 0);
  assertEquals(right.stats().views, 0);
  return report.kinds.keys();
}

for (const [line, engine] of Object.entries(ENGINES) as [Line, string][]) {
  for (const contender of CONTENDERS) {
    Deno.test(`${contender.name} is as inline (${engine})`, async () => {
      const asked = new Set<number>();
      for (const mode of contender.modes) {
        for (let done = 0, seed = SEED; done < STEPS; done += ROUND, seed++) {
          const steps = Math.min(ROUND, STEPS - done);
          const kinds = await round(contender, line, seed, steps, mode);
          for (const kind of kinds) asked.add(kind);
        }
      }
      // It is known of the default steps only that they ask everything.
      if (Deno.env.has("PERSPECTIVE_STEPS")) return;
      if (Deno.env.has("PERSPECTIVE_SEED")) return;
      const unasked = Object.values(Kind).filter((kind) =>
        hasKind(line, kind) && !asked.has(kind)
      );
      assertEquals(unasked.map(kindName), []);
    });
  }
}

// -- That a difference is found -----------------------------------------------

/** Sends a client something else than the frame that the server has for it. */
type Sabotage = (frame: Uint8Array, send: (frame: Uint8Array) => void) => void;

/** A server, between which and its clients `sabotage` stands. */
function sabotaged(server: Server, sabotage: Sabotage): Side {
  return {
    ready: server.ready,
    newSession: (send, options) =>
      server.newSession((frame) => sabotage(frame, send), options),
  };
}

/** Does `wrong` to the third frame of `kind`. */
function once(kind: number, wrong: Sabotage): Sabotage {
  let number = 0;
  return (frame, send) => {
    if (parts(frame).kind !== kind || ++number !== 3) send(frame);
    else wrong(frame, send);
  };
}

const SABOTAGES: readonly {
  name: string;
  sabotage: Sabotage;
  message: string;
}[] = [
  {
    name: "a lost push",
    sabotage: once(Kind.VIEW_ON_UPDATE, () => {}),
    message: "still has to send 1 frames",
  },
  {
    name: "a doubled push",
    sabotage: once(Kind.VIEW_ON_UPDATE, (frame, send) => {
      send(frame);
      send(frame);
    }),
    message: "what the left one didn't",
  },
  {
    name: "pushes before the answer",
    sabotage: (frame, send) => {
      if (parts(frame).kind !== Kind.TABLE_UPDATE) send(frame);
      else queueMicrotask(() => send(frame));
    },
    message: "before the answer to the request that caused it",
  },
  {
    name: "a lost answer",
    sabotage: once(Kind.MAKE_TABLE, () => {}),
    message: "still has to send",
  },
  {
    name: "another byte",
    sabotage: once(Kind.VIEW_TO_CSV, (frame, send) => {
      send(frame.with(-1, frame.at(-1)! ^ 1));
    }),
    message: "something else than the left one",
  },
];

for (const { name, sabotage, message } of SABOTAGES) {
  Deno.test(`The comparison finds ${name}`, async () => {
    const errors: string[] = [];
    await using left = start({}, errors);
    await using right = start({}, errors);
    const error = await assertRejects(
      () =>
        differential(left, sabotaged(right, sabotage), {
          line: "3",
          seed: 4,
          steps: 300,
          timeout: 100,
        }),
      Error,
      message,
    );
    assert(error.message.includes("PERSPECTIVE_SEED=4"));
    assertEquals(errors, []);
  });
}
