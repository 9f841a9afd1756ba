/**
 * A Perspective server: an engine with the router in front of it.
 *
 * @module
 */

import type { Engine, Executor } from "../engine/engine.ts";
import { LocalEngine } from "../engine/local_engine.ts";
import { DEFAULT_ENGINE, loadPackage } from "../engine/package.ts";
import { type ForeignServer, SessionEngine } from "../engine/session_engine.ts";
import {
  EngineLoadError,
  type OnError,
  safeOnError,
  type ServerLostError,
  toError,
} from "../errors.ts";
import { Guard } from "../guards/guard.ts";
import { type PayloadLimits, payloadLimits } from "../guards/payload.ts";
import { type ViewLimits, viewLimits } from "../guards/view_config.ts";
import { isKindName, kindInfo, type Line } from "../protocol/kinds.ts";
import type { RequestObserver } from "../router/observer.ts";
import { noRefusals } from "../router/refusal.ts";
import { Router, type RouterStats } from "../router/router.ts";
import type { SendFrame } from "../router/session_host.ts";
import { EarlySession } from "./early_session.ts";
import { type LocalClient, newLocalClient } from "./local_client.ts";
import { Reload } from "./reload.ts";
import type { NewSessionOptions, ServerSession } from "./server_session.ts";

/**
 * How much may be in what a session sends whose {@linkcode Access} doesn't trust
 * it.
 *
 * @example Less than by default
 * ```ts
 * import { Server } from "@perspective-deno/handler";
 *
 * await using server = new Server({
 *   guards: {
 *     data: { maxRows: 100_000 },
 *     views: { maxGroups: 10_000, expression: { maxLength: 500 } },
 *   },
 * });
 * ```
 */
export interface GuardOptions {
  /** Data of tables: see {@linkcode PayloadLimits} for what is left out. */
  readonly data?: Partial<PayloadLimits>;
  /** Views and expressions: see {@linkcode ViewLimits} for what is left out. */
  readonly views?: Partial<ViewLimits>;
}

/** How a {@linkcode Server} is set up. */
export interface ServerOptions {
  /**
   * Module specifier of the engine's package. `npm:@perspective-dev/client@5.5.1`,
   * the successor of the default, works as well; it is loaded only if named.
   *
   * @default {"npm:@finos/perspective@3.8.0"}
   */
  readonly engine?: string;
  /**
   * Runs the engine somewhere else; by default it runs on this thread, where one
   * that is lost can't be replaced (see {@linkcode ServerOptions.onLost}).
   */
  readonly executor?: Executor;
  /**
   * Requests that one session may have in flight, asked and not answered,
   * before the next is refused with a `server_error`. `0` takes one at a time,
   * `Infinity` any number.
   *
   * @default {10000}
   */
  readonly maxInFlight?: number;
  /**
   * Bytes of requests that one session may have in flight, before the next is
   * refused with a `server_error`. A request that finds nothing in flight is
   * taken whatever its size, so `0` takes one at a time. `Infinity` is no limit.
   *
   * @default {268435456}
   */
  readonly maxInFlightSize?: number;
  /**
   * Views that one session may have at a time; one more is refused with a
   * `server_error`. `0` lets it have none, `Infinity` any number. This and the
   * next three don't count for the program's own sessions: local clients, and
   * those that are given no {@linkcode Access}.
   *
   * @default {1000}
   */
  readonly maxViews?: number;
  /**
   * Subscriptions that one session may have at a time; one more is refused with
   * a `server_error`. `0` lets it have none, `Infinity` any number.
   *
   * @default {10000}
   */
  readonly maxSubscriptions?: number;
  /**
   * Tables that one session may have made and that are still there; one more is
   * refused with a `server_error`. `0` lets it make none, `Infinity` any number.
   *
   * @default {1000}
   */
  readonly maxTables?: number;
  /**
   * Bytes that one answer may have; instead of a larger one comes a
   * `server_error`. `0` and `Infinity` set no limit.
   *
   * @default {268435456}
   */
  readonly maxResultSize?: number;
  /**
   * How much may be in what sessions send whose {@linkcode Access} doesn't trust
   * them. It is looked at before an engine gets it, since engines don't survive
   * everything; what is too much, or would do harm, is refused with a
   * `server_error`. `false` looks at nothing, whoever sends it.
   *
   * @default {{}} the defaults of all limits
   */
  readonly guards?: GuardOptions | false;
  /**
   * Milliseconds in the engine up to which a request counts as short. What a
   * request takes is learnt from those before it. `0` makes all long,
   * `Infinity` none.
   *
   * @default {25}
   */
  readonly shortRequest?: number;
  /**
   * Whether the first of three engines or more takes only short requests, and
   * views that are quickly made, so that these never wait for a long one.
   *
   * @default {true}
   */
  readonly fastLane?: boolean;
  /**
   * Whether what several clients ask alike is computed once: reads with the
   * same parameters and nothing changed in between. Nobody can tell, but by
   * the time it takes.
   *
   * @default {true}
   */
  readonly sharing?: boolean;
  /**
   * Bytes of answers that are remembered until what they were read from
   * changes; the least recently used go first. `0` remembers none; `Infinity`
   * sets no limit.
   *
   * @default {67108864}
   */
  readonly cacheSize?: number;
  /**
   * Milliseconds that a view stays in the engine when nobody has it any more,
   * so that a reload, a second tab or going back to the last pivot finds it.
   * Nobody can tell, but by the time it takes. It goes earlier if there are more
   * than 64, if those on one engine took more than 3 s to make, if a change of
   * its table would take 20 ms longer for them, or if its table is deleted. `0`
   * lets none stay; `Infinity` sets no time. Without `sharing` none stays.
   *
   * @default {10000}
   */
  readonly viewLinger?: number;
  /**
   * Milliseconds that an engine may take for one request; then it counts as
   * lost, and is replaced. A number for all, or one for each kind of request by
   * its name in the protocol, such as `table_make_view`, and `default` for the
   * others. What the server itself asks to replace an engine, such as the copy
   * of a table, may take 30 s at least. `0` or `Infinity` sets no limit. It
   * can't be watched without an executor: then the engine's thread is the one
   * that would have to.
   *
   * @default {30000}
   */
  readonly requestTimeout?: number | Readonly<Record<string, number>>;
  /**
   * Bytes of an engine's heap above which another engine takes its place. The
   * heap never shrinks, and an engine whose heap is full loses data (ENGINE 6.5,
   * 9.22). `0` or `Infinity` sets no limit. Only with an executor that has
   * several engines.
   *
   * @default 1.5 GiB for `@finos/perspective`, whose heap can't pass 2 GiB; for
   * `@perspective-dev/client`, an engine's share of half the machine's memory,
   * which is taken to be 8 GiB without `--allow-sys=systemMemoryInfo`
   */
  readonly maxHeapSize?: number;
  /**
   * How many requests of one session engines may be lost at, before the session
   * is ended. `0` ends it at the first, `Infinity` never.
   *
   * @default {3}
   */
  readonly maxStrikes?: number;
  /**
   * Called when all engines are lost, and the tables with them. It gets a client
   * of a server with new, empty engines; when it has made the tables again, and
   * the promise that it returns is resolved, that server takes the place of the
   * lost one. Until then, and for ever without this callback, sessions can't be
   * opened. If it throws, or the new engines are lost meanwhile, the server stays
   * lost.
   *
   * Without an `executor` it isn't called: the engine was on this very thread,
   * and there can't be another one of that package there, in this server or any
   * other, since all engines of a thread share one WebAssembly memory. The
   * program itself goes on, and is told ({@linkcode ServerOptions.onError}); it
   * has to be started again, or to go on with a server that has an executor. A
   * request that doesn't come back keeps the whole thread, and with it the
   * program: then nothing is called any more.
   */
  readonly onLost?: (client: LocalClient) => void | Promise<void>;
  /**
   * Takes over polling, which passes changes on to the subscribers of views.
   * By default the server polls after each change. With this callback it
   * doesn't: it calls it once when there is something to poll for, and the
   * program calls {@linkcode Server.poll} when it likes, say every 50 ms, so
   * that many updates become one notification. A read still sees every change
   * before it, since the server polls first. Changes that share a poll are
   * applied as one, which may give other results than one by one: an update
   * before a clear is lost with it, for instance.
   */
  readonly onPollRequest?: (server: Server) => void | Promise<void>;
  /**
   * Told of what no client can be told of: a lost engine, a fault, an error
   * in a callback.
   *
   * @default {console.error}
   */
  readonly onError?: OnError;
}

/** What a {@linkcode Server} holds and has done, in numbers. */
export interface ServerStats extends RouterStats {
  /** Line of the engine; `undefined` while it is loading. */
  readonly line: Line | undefined;
}

/** How a {@linkcode Server} is. */
export interface ServerHealth {
  /**
   * - `"ok"`: all engines are there
   * - `"starting"`: they are being loaded
   * - `"degraded"`: some are lost, and being replaced
   * - `"lost"`: there is none, and so no table: they couldn't be loaded, are all
   *   lost, or the server is closed
   */
  readonly status: "ok" | "starting" | "degraded" | "lost";
  /** Engines that work. */
  readonly engines: number;
  /** Engines that there should be. */
  readonly size: number;
}

const DEFAULT_TIMEOUT = 30_000;

/** Bytes that a machine is taken to have if it mayn't be asked (`--allow-sys`). */
const UNKNOWN_MEMORY = 8 * 1024 ** 3;

/** Bytes of heap that an engine of line 3 may have. */
const MOST_HEAP = 1.5 * 1024 ** 3;

const NOTHING: RouterStats = {
  replicas: [],
  predictions: [],
  sessions: 0,
  views: 0,
  engineViews: 0,
  lingeringViews: 0,
  subscriptions: 0,
  pending: 0,
  waitingDeletes: 0,
  changes: 0,
  joinedChanges: 0,
  collectedChanges: 0,
  unpolledChanges: 0,
  fullBatches: 0,
  requests: 0,
  reads: { asked: 0, computed: 0, joined: 0, remembered: 0, cacheSize: 0 },
  pushes: { computed: 0, sent: 0 },
  recovery: {
    lost: 0,
    replaced: 0,
    poisonous: 0,
    removedViews: 0,
    abandoned: 0,
  },
  refused: 0,
  refusals: noRefusals(),
  failed: 0,
  dropped: 0,
};

/**
 * Holds tables, and serves them to sessions: sockets, by way of
 * {@linkcode PerspectiveHandler}, local clients, or whatever calls
 * {@linkcode Server.newSession}.
 *
 * @example A table, and a client that reads it
 * ```ts
 * import { Server } from "@perspective-deno/handler";
 * import { assertEquals } from "@std/assert";
 *
 * await using server = new Server();
 * const client = server.newLocalClient();
 * await client.table({ price: [1.5, 2.5] }, { name: "trades" });
 * const table = await client.open_table("trades");
 * assertEquals(await table.size(), 2);
 * ```
 */
export class Server implements AsyncDisposable {
  /**
   * Resolves when the engine is there. It needn't be awaited: whatever is
   * asked before waits for it.
   *
   * Rejects with {@linkcode EngineLoadError} if the engine can't be loaded.
   */
  readonly ready: Promise<void>;
  readonly #onError: OnError;
  #opening: Promise<Router>;
  readonly #engine: string;
  /** Starts engines, and a router in front of them. */
  readonly #open: () => Promise<Router>;
  readonly #onLost: ServerOptions["onLost"];
  readonly #guard = new Guard();
  #reloading: Reload | undefined;
  #router: Router | undefined;
  #observer: RequestObserver | undefined;
  readonly #size: number;
  #failed = false;
  #closed: Promise<void> | undefined;

  /**
   * Starts the engine.
   *
   * @throws {TypeError} If an option has the wrong type.
   * @throws {RangeError} If a number is negative, or `guards.data.maxDepth` above
   * 64.
   */
  constructor(options: ServerOptions = {}) {
    const { engine = DEFAULT_ENGINE, executor, onPollRequest } = options;
    const { shortRequest = 25, fastLane = true, sharing = true } = options;
    if (typeof engine !== "string") {
      throw new TypeError(
        `Cannot create server: "engine" must be a module specifier, received ` +
          typeof engine,
      );
    }
    if (executor !== undefined && typeof executor.start !== "function") {
      throw new TypeError(
        `Cannot create server: "executor" must have start(), received ` +
          typeof executor,
      );
    }
    const { maxInFlight = 10_000, maxInFlightSize = 1 << 28 } = options;
    const { cacheSize = 1 << 26, viewLinger = 10_000 } = options;
    const { maxStrikes = 3, maxHeapSize } = options;
    const { maxViews = 1_000, maxSubscriptions = 10_000 } = options;
    const { maxTables = 1_000, maxResultSize = 1 << 28 } = options;
    const numbers = {
      maxViews,
      maxSubscriptions,
      maxTables,
      maxResultSize,
      maxInFlight,
      maxInFlightSize,
      shortRequest,
      cacheSize,
      viewLinger,
      maxStrikes,
    };
    for (
      const [name, value] of Object.entries({
        ...numbers,
        ...maxHeapSize !== undefined && { maxHeapSize },
      })
    ) {
      if (!(value >= 0)) {
        throw new RangeError(
          `Cannot create server: "${name}" must be >= 0, received ${value}`,
        );
      }
    }
    this.#onError = safeOnError(options.onError);
    this.#engine = engine;
    this.#size = executor?.size ?? 1;
    const timeout = timeouts(options.requestTimeout);
    // On this thread there won't be another engine (ENGINE 6.1).
    this.#onLost = executor && options.onLost;
    const { guards = {} } = options;
    const limits = payloadLimits(guards === false ? {} : guards.data);
    const views = viewLimits(guards === false ? {} : guards.views);
    const newRouter = (engines: readonly Engine[]): Router => {
      const { line } = engines[0]!;
      const router: Router = new Router(engines, {
        inspector: guards === false ? undefined : {
          views,
          data: (kind, content) =>
            this.#guard.check(kind, content, { line, limits }),
        },
        onError: this.#onError,
        ...numbers,
        maxResultSize: maxResultSize || Infinity,
        maxHeapSize: maxHeapSize === undefined
          ? heapLimit(engines[0]!.line, engines.length)
          : maxHeapSize || Infinity,
        fastLane,
        sharing,
        later,
        now: () => performance.now(),
        timeout,
        spawn: executor && (() => executor.start({ engine })),
        onLost: () => this.#onRouterLost(router),
        onPollRequest: onPollRequest && (() => this.#askToPoll(onPollRequest)),
      });
      return router;
    };
    this.#open = () => startAll(executor ?? INLINE, engine).then(newRouter);
    // The router is there as soon as the engines are.
    this.#opening = startAll(executor ?? INLINE, engine)
      .then((engines) => this.#use(newRouter(engines)));
    this.ready = this.#opening.then(() => {});
    this.ready.catch((reason) => {
      this.#failed = true;
      this.#onError(toError(reason), { stage: "engine" });
    });
  }

  /**
   * A server in front of a foreign one, with which it shares the tables: a
   * `PerspectiveServer` of Perspective's packages, or anything else that makes
   * sessions. Called again with the same object, it returns the same server.
   *
   * @throws {TypeError} If `foreign` has no `make_session`.
   */
  static from(
    foreign: ForeignServer,
    options: Pick<ServerOptions, "onError"> = {},
  ): Server {
    if (typeof foreign?.make_session !== "function") {
      throw new TypeError(
        "Cannot create server: it must have make_session(), received " +
          (foreign === null ? "null" : typeof foreign),
      );
    }
    return frontOf(foreign, options, {
      start: () => SessionEngine.open(foreign),
    });
  }

  /**
   * The server in front of the global one of `npm:@finos/perspective@3.8.0`,
   * whose tables `perspective.table()` makes.
   */
  static global(options: Pick<ServerOptions, "onError"> = {}): Server {
    return frontOf(GLOBAL, options, {
      start: async ({ engine }) =>
        SessionEngine.open((await loadPackage(engine)).global),
    });
  }

  /**
   * A Perspective client in this process, of the engine's own package. It can
   * be used at once, and it doesn't have to be closed: `client.terminate()`
   * ends it early.
   *
   * @param options With an `access` that isn't trusted, `new Access()` for
   * instance, what the client sends is looked at, as that of a socket is; for a
   * program that hands on what others wrote. By default it may do everything.
   * @throws {Error} If the server is closed.
   */
  newLocalClient(
    options: Pick<NewSessionOptions, "access"> = {},
  ): LocalClient {
    this.#assertOpen();
    return newLocalClient(
      loadPackage(this.#engine).then((it) => it.newClient),
      (send) => this.newSession(send, options),
      this.#onError,
    );
  }

  /**
   * Opens a session for whatever has frames to exchange: a socket of another
   * kind, a message port, a test.
   *
   * @param sendResponse Takes answers and pushes, in order. If it throws or
   * rejects, the session is closed and nobody else sees anything of it.
   * @throws {Error} If the server is closed.
   * @throws {ServerLostError} If its engine is lost.
   */
  newSession(
    sendResponse: SendFrame,
    options: NewSessionOptions = {},
  ): ServerSession {
    this.#assertOpen();
    const open = (router: Router) =>
      router.openSession({
        send: sendResponse,
        takesLent: options.takesLent,
        line: options.clients,
        onEnd: options.onEnd,
        access: options.access,
      });
    return this.#router === undefined
      ? new EarlySession(
        this.#opening.then(open),
        async (frame) => {
          try {
            await sendResponse(frame, "answer");
          } catch (reason) {
            this.#onError(toError(reason), { stage: "write" });
          }
        },
      )
      : open(this.#router);
  }

  /**
   * Passes the changes since the last poll on to the subscribers of views.
   * Only of use with `onPollRequest`, or in front of a foreign server that
   * polls on request.
   */
  poll(): void {
    this.#router?.poll();
  }

  /** What the engine died of, if it did. Then nothing can be served any more. */
  get lost(): ServerLostError | undefined {
    return this.#router?.lost;
  }

  /** How it is, for a readiness probe: see `health()` of the handler. */
  health(): ServerHealth {
    const size = this.#size;
    const router = this.#router;
    if (this.#closed !== undefined || this.#failed || router?.lost) {
      return { status: "lost", engines: 0, size };
    }
    if (router === undefined) return { status: "starting", engines: 0, size };
    const engines = router.replicas.filter((it) => it.state === "up").length;
    return { status: engines < size ? "degraded" : "ok", engines, size };
  }

  /** What the server holds and has done, in numbers. */
  stats(): ServerStats {
    return {
      line: this.#router?.line,
      ...(this.#router?.stats() ?? NOTHING),
    };
  }

  /**
   * Has `observer` told what becomes of each request from now on. That is what
   * {@linkcode instrument} does, which most will want to call instead.
   *
   * @returns What ends it.
   * @throws {Error} If it has an observer already.
   */
  observe(observer: RequestObserver): Disposable {
    if (this.#observer !== undefined) {
      throw new Error("Cannot observe server: it is observed already");
    }
    this.#observer = observer;
    this.#router?.observe(observer);
    return {
      [Symbol.dispose]: () => {
        if (this.#observer !== observer) return;
        this.#observer = undefined;
        this.#router?.observe(undefined);
      },
    };
  }

  /**
   * Ends all sessions, answers their open requests with an error, and gives
   * the tables' memory back. Tables of a foreign server stay where they are.
   * What `onLost` is at fails, and isn't reported. Safe to call twice.
   */
  close(): Promise<void> {
    return this.#closed ??= this.#close();
  }

  async #close(): Promise<void> {
    this.#guard.close();
    await Promise.all([
      this.#reloading?.callOff(),
      this.#opening.then(
        (router) => router.close(),
        () => {}, // It never opened, which `ready` tells.
      ),
    ]);
  }

  /** Calls {@linkcode Server.close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #use(router: Router): Router {
    if (this.#observer !== undefined) router.observe(this.#observer);
    return this.#router = router;
  }

  /** One that is lost before it is in use isn't replaced: its reload fails. */
  #onRouterLost(router: Router): void {
    const isInUse = this.#router === router;
    if (this.#onLost !== undefined && isInUse) this.#reload(this.#onLost);
  }

  /** Has the program make its tables again, on new engines. */
  async #reload(onLost: NonNullable<ServerOptions["onLost"]>): Promise<void> {
    if (this.#closed !== undefined) return;
    const reload = this.#reloading = new Reload(
      this.#open(),
      (router) => onLost(this.#newClientOf(router)),
    );
    try {
      const router = await reload.done;
      if (router === undefined) return;
      this.#use(router);
      this.#opening = Promise.resolve(router);
    } catch (reason) {
      if (this.#closed !== undefined) return;
      this.#onError(toError(reason), { stage: "hook" });
    } finally {
      this.#reloading = undefined;
    }
  }

  /** A client of engines that aren't in use yet. */
  #newClientOf(router: Router): LocalClient {
    return newLocalClient(
      loadPackage(this.#engine).then((it) => it.newClient),
      (send) => {
        this.#assertOpen();
        return router.openSession({ send });
      },
      this.#onError,
    );
  }

  #assertOpen(): void {
    if (this.#closed !== undefined) {
      throw new Error("Cannot open session: the server is closed");
    }
  }

  async #askToPoll(
    onPollRequest: (server: Server) => void | Promise<void>,
  ): Promise<void> {
    try {
      await onPollRequest(this);
    } catch (reason) {
      this.#onError(toError(reason), { stage: "hook" });
    }
  }
}

/** The clock that views linger by. It doesn't keep the process from ending. */
function later(ms: number, callback: () => void): () => void {
  const timer = setTimeout(callback, ms) as unknown as number;
  Deno.unrefTimer(timer);
  return () => clearTimeout(timer);
}

/** The engine on this thread. */
const INLINE: Executor = {
  async start({ engine }) {
    const { newServer, line } = await loadPackage(engine);
    try {
      return new LocalEngine(newServer(), line);
    } catch (reason) {
      throw new EngineLoadError(
        engine,
        `Cannot start an engine on this thread: ${toError(reason).message}. ` +
          `Start the program again, or use an executor`,
        reason,
      );
    }
  },
};

/** Starts as many engines as `executor` has; all, or none. */
async function startAll(
  executor: Executor,
  specifier: string,
): Promise<Engine[]> {
  const { size = 1 } = executor;
  const starting = Array.from(
    { length: size },
    () => executor.start({ engine: specifier }),
  );
  const started = await Promise.allSettled(starting);
  const engines = started.flatMap((it) =>
    it.status === "fulfilled" ? [it.value] : []
  );
  const failure = started.find((it) => it.status === "rejected");
  if (failure === undefined) return engines;
  await Promise.all(engines.map((engine) => engine.close()));
  throw failure.reason;
}

/** What {@linkcode ServerOptions.requestTimeout} says of each kind. */
function timeouts(
  option: ServerOptions["requestTimeout"] = DEFAULT_TIMEOUT,
): (kind: number) => number {
  const byName = typeof option === "number" ? { default: option } : option;
  for (const [name, value] of Object.entries(byName)) {
    if (!(value >= 0)) {
      throw new RangeError(
        `Cannot create server: "requestTimeout" must be >= 0, received ` +
          `${value} for ${name}`,
      );
    }
    if (name !== "default" && !isKindName(name)) {
      throw new TypeError(
        `Cannot create server: "requestTimeout" names "${name}", which is no ` +
          `kind of request; kinds are, for instance, "table_make_view" and ` +
          `"view_to_arrow"`,
      );
    }
  }
  const { default: others = DEFAULT_TIMEOUT } = byName;
  return (kind) => (byName[kindInfo(kind)?.name ?? ""] ?? others) || Infinity;
}

/** The heap above which an engine of `line`, one of `size`, is replaced. */
function heapLimit(line: Line, size: number): number {
  if (line === "3") return MOST_HEAP;
  const { state } = Deno.permissions.querySync({
    name: "sys",
    kind: "systemMemoryInfo",
  });
  const memory = state === "granted"
    ? Deno.systemMemoryInfo().total
    : UNKNOWN_MEMORY;
  return memory / 2 / size;
}

/** Stands for the global server, which can only be had by loading its package. */
const GLOBAL = {};

/** Several handlers may name the same foreign server. */
const fronts = new WeakMap<object, Server>();

function frontOf(
  foreign: object,
  { onError }: Pick<ServerOptions, "onError">,
  executor: Executor,
): Server {
  let server = fronts.get(foreign);
  if (server === undefined) {
    server = new Server({ executor, ...onError && { onError } });
    fronts.set(foreign, server);
  }
  return server;
}
