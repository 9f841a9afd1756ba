/**
 * What is served: the page, the list of tables, and the tables.
 *
 * @module
 */

import { Access } from "../policy/access.ts";
import type { Server } from "../server/server.ts";
import { Close } from "../socket/close_codes.ts";
import { PerspectiveHandler } from "../socket/handler.ts";
import { reasonOf, UsageError } from "./errors.ts";
import { brings } from "./token.ts";
import { serveViewerAsset } from "./viewer_assets.ts";
import page from "./page/index.html" with { type: "text" };

/** How a {@linkcode Site} is set up. */
export interface SiteOptions {
  /** The database. */
  readonly server: Server;
  /** The names of the tables, in their order; there may be no table yet. */
  readonly tables: readonly string[];
  /** Whether browsers may change rows. */
  readonly isEditable: boolean;
  /** What clients have to bring. */
  readonly token: string | undefined;
  /** The address to listen on. */
  readonly host: string;
  /** The port to listen on. */
  readonly port: number;
}

/** What the page is told of the tables. */
export interface TableList {
  /** Their names. */
  readonly tables: readonly string[];
  /** Whether rows may be changed. */
  readonly isEditable: boolean;
}

/** Serves the page and the tables. */
export class Site {
  /** Where the page is, without a token. */
  readonly url: string;
  readonly #options: SiteOptions;
  readonly #handler: PerspectiveHandler;
  readonly #http: Deno.HttpServer<Deno.NetAddr>;
  /** How many tables are being exchanged. */
  #swaps = 0;
  #closed: Promise<void> | undefined;

  /**
   * Listens.
   *
   * @throws {UsageError} If the address can't be listened on.
   */
  constructor(options: SiteOptions) {
    this.#options = options;
    const { server, tables, isEditable, token, host, port } = options;
    // Others are there while a file is looked at again.
    const access = new Access({ see: tables, update: isEditable });
    this.#handler = new PerspectiveHandler({
      server,
      // That of the page's viewer, whatever the engine.
      clients: "3",
      authorize: (request) =>
        token === undefined || brings(request, token) ? access : needsToken(),
    });
    try {
      this.#http = Deno.serve(
        { hostname: host, port, onListen() {} },
        (request, info) => this.#answer(request, info),
      );
    } catch (error) {
      throw new UsageError(
        `Cannot listen on ${host}:${port}: ${reasonOf(error)}`,
      );
    }
    this.url = urlOf(this.#http.addr);
  }

  /** The same with the token that it takes. */
  get pageUrl(): string {
    const { token } = this.#options;
    return token === undefined
      ? this.url
      : `${this.url}?token=${encodeURIComponent(token)}`;
  }

  /** Calls `change` while nobody is connected. Pages come back by themselves. */
  async swap(change: () => Promise<void>): Promise<void> {
    this.#swaps++;
    try {
      for (const connection of this.#handler.sessions()) {
        connection.close(1012, "A table has other columns now");
      }
      await change();
    } finally {
      this.#swaps--;
    }
  }

  /** Answers what is under way, says goodbye and stops. Safe to call twice. */
  close(): Promise<void> {
    return this.#closed ??= this.#close();
  }

  async #close(): Promise<void> {
    await this.#handler.close(Close.SHUTTING_DOWN);
    await this.#http.shutdown();
  }

  #answer(
    request: Request,
    info: Deno.ServeHandlerInfo<Deno.NetAddr>,
  ): Response | Promise<Response> {
    switch (new URL(request.url).pathname) {
      case "/":
        return isRead(request) ? pageResponse(request) : notAllowed();
      case "/tables.json":
        return isRead(request) ? this.#list(request) : notAllowed();
      case "/websocket":
        return this.#swaps > 0
          ? new Response("A table is being loaded", { status: 503 })
          : this.#handler.fetch(request, info);
      case "/healthz":
        return this.#health();
      default:
        return serveViewerAsset(request);
    }
  }

  #list(request: Request): Response {
    const { tables, isEditable, token } = this.#options;
    if (token !== undefined && !brings(request, token)) return needsToken();
    const list: TableList = { tables, isEditable };
    return Response.json(list, { headers: { "cache-control": "no-store" } });
  }

  #health(): Response {
    const health = this.#handler.health();
    const isReady = health.status === "ok" || health.status === "degraded";
    return Response.json(health, { status: isReady ? 200 : 503 });
  }
}

function isRead({ method }: Request): boolean {
  return method === "GET" || method === "HEAD";
}

function notAllowed(): Response {
  return new Response("Method Not Allowed", {
    status: 405,
    headers: { allow: "GET, HEAD" },
  });
}

function pageResponse(request: Request): Response {
  return new Response(request.method === "HEAD" ? null : page, {
    headers: {
      "content-type": "text/html; charset=UTF-8",
      "cache-control": "no-cache",
      // A token in the URL is nobody else's business.
      "referrer-policy": "no-referrer",
      "x-content-type-options": "nosniff",
    },
  });
}

function needsToken(): Response {
  return new Response("A token is needed: open the page with ?token=", {
    status: 401,
  });
}

/** The address as one types it into a browser. */
function urlOf({ hostname, port }: Deno.NetAddr): string {
  if (hostname === "0.0.0.0" || hostname === "::") hostname = "localhost";
  return `http://${
    hostname.includes(":") ? `[${hostname}]` : hostname
  }:${port}/`;
}
