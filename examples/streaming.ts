/**
 * A market feed of a thousand trades a second, and three dashboards of it on
 * one page.
 *
 * ```sh
 * deno run -A examples/streaming.ts
 * ```
 *
 * `trades` keeps the last ones (`limit`), `prices` one row for each symbol
 * (`index`), so neither grows.
 *
 * @module
 */
import type { Table } from "@finos/perspective";
import { PerspectiveHandler, readOnly, Server } from "../mod.ts";
import { run, runMain, type Running } from "./run.ts";

const ROWS_PER_SECOND = 1_000;

/** Rows come in lots: a view looks at each lot, however small, as a whole. */
const LOTS_PER_SECOND = 20;

const SYMBOLS = ["ABC", "DEF", "GHI", "JKL", "MNO", "PQR", "STU", "VWX"];

/** Trades that are kept. */
const LIMIT = 10_000;

/** A trade, as a row of a table. */
type Trade = {
  time: number;
  symbol: string;
  side: "buy" | "sell";
  price: number;
  size: number;
};

/** Prices that wander, and trades at them. */
class Market {
  readonly #prices = new Map(SYMBOLS.map((it, i) => [it, 40 + 20 * i]));

  /** The next trades. */
  trades(count: number): Trade[] {
    return Array.from({ length: count }, () => this.#trade());
  }

  #trade(): Trade {
    const symbol = SYMBOLS[Math.floor(SYMBOLS.length * Math.random())]!;
    const before = this.#prices.get(symbol)!;
    const price = before * (1 + (Math.random() - 0.5) / 500);
    this.#prices.set(symbol, price);
    return {
      time: Date.now(),
      symbol,
      side: price < before ? "sell" : "buy",
      price: Math.round(price * 100) / 100,
      size: 1 + Math.floor(100 * Math.random()),
    };
  }
}

/** Serves the feed and the dashboards. */
export async function serveStreaming(port = 8080): Promise<Running> {
  const server = new Server();
  const client = server.newLocalClient();
  // The package's types know only of data, though it takes a schema.
  const schema: Record<string, string> = {
    time: "datetime",
    symbol: "string",
    side: "string",
    price: "float",
    size: "integer",
  };
  const trades = await client.table(schema as never, {
    name: "trades",
    limit: LIMIT,
  });
  const prices = await client.table(schema as never, {
    name: "prices",
    index: "symbol",
  });
  const handler = new PerspectiveHandler({
    server,
    authorize: () => readOnly(),
  });
  const feed = startFeed(new Market(), [trades, prices]);
  return run({
    server,
    handler,
    page: "streaming.html",
    port,
    onStop: () => feed.stop(),
  });
}

/**
 * Writes lot after lot. One is awaited before the next, so that a slow engine
 * gets larger lots instead of a queue that grows.
 */
function startFeed(market: Market, tables: Table[]) {
  const stopped = new AbortController();
  const started = performance.now();
  let written = 0;
  const write = async () => {
    while (!stopped.signal.aborted) {
      const seconds = (performance.now() - started) / 1000;
      const due = Math.floor(seconds * ROWS_PER_SECOND) - written;
      // After a pause, such as sleep, it doesn't catch up.
      const rows = market.trades(Math.min(due, ROWS_PER_SECOND));
      written += due;
      if (rows.length > 0) {
        await Promise.all(tables.map((it) => it.update(rows)));
      }
      await sleep(1000 / LOTS_PER_SECOND, stopped.signal);
    }
  };
  const done = write();
  return {
    async stop() {
      stopped.abort();
      await done;
    },
  };
}

/** Resolves after `ms`, or as soon as `signal` says so. */
function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
  });
}

if (import.meta.main) await runMain(serveStreaming);
