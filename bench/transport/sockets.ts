/** A server of sockets that passes each frame to a way, and its load. */
import { fileURLToPath } from "node:url";
import type { Turn } from "./loads.ts";
import { start } from "./start.ts";
import type { AnyWayKind, Way } from "./way.ts";
import { ANSWER_BYTES } from "./work.ts";

/** What the load generator prints. */
interface Result {
  readonly rate: number;
  readonly p50: number;
  readonly p99: number;
}

/** Where a request goes. */
interface Route {
  readonly way: Way;
  /** Who waits for an answer: a worker answers in order. */
  readonly waiting: WebSocket[];
}

/** The server. Sockets take turns in being given to a worker. */
export class Sockets implements AsyncDisposable {
  /** How many answers were sent. */
  answers = 0;
  readonly #routes: readonly Route[];
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  #opened = 0;

  private constructor(routes: readonly Route[]) {
    this.#routes = routes;
    this.#server = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen() {} },
      (request) => this.#accept(request),
    );
  }

  /** Starts it. Without a way it echoes. */
  static async serve(
    kind: AnyWayKind | undefined,
    spin: number,
    workers: number,
  ): Promise<Sockets> {
    const routes: Route[] = [];
    for (let nth = 0; kind && nth < workers; nth++) {
      const waiting: WebSocket[] = [];
      const way = await start(kind, spin, (frame) => {
        this_.answers++;
        const socket = waiting.shift()!;
        if (socket.readyState === WebSocket.OPEN) socket.send(plain(frame));
      });
      routes.push({ way, waiting });
    }
    const this_: Sockets = new Sockets(routes);
    return this_;
  }

  /** Runs the load generator, a process of its own. */
  async load(sockets: number, { seconds, warmup }: Turn): Promise<Result> {
    const program = fileURLToPath(new URL("./sockets.mjs", import.meta.url));
    const url = `ws://127.0.0.1:${this.#server.addr.port}`;
    const { success, stdout } = await new Deno.Command("node", {
      args: [program, url, sockets, seconds, warmup].map(String),
      stderr: "inherit",
    }).output();
    if (!success) throw new Error("The load generator failed");
    return JSON.parse(new TextDecoder().decode(stdout));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { way } of this.#routes) way.close();
    await this.#server.shutdown();
  }

  #accept(request: Request): Response {
    const { socket, response } = Deno.upgradeWebSocket(request);
    socket.binaryType = "arraybuffer";
    const route = this.#routes[this.#opened++ % this.#routes.length];
    const echoed = new Uint8Array(ANSWER_BYTES);
    socket.onmessage = ({ data }) => {
      if (route) {
        route.waiting.push(socket);
        route.way.send(new Uint8Array(data));
        return;
      }
      this.answers++;
      echoed[ANSWER_BYTES - 1] = new Uint8Array(data).at(-1)!;
      socket.send(echoed);
    };
    return response;
  }
}

/** Sockets take no shared memory, and no way hands it on. */
function plain(frame: Uint8Array): Uint8Array<ArrayBuffer> {
  return frame as Uint8Array<ArrayBuffer>;
}
