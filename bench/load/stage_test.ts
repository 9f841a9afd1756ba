import { assertEquals, assertMatch } from "@std/assert";
import { Buffer } from "node:buffer";
import { fileURLToPath } from "node:url";
import { Child, ready } from "../child.ts";
import { deno } from "../deno.ts";
import type { Measurement, Outcome } from "./types.ts";
import { Kind, msgIdOf, readAnswer, request } from "./wire.mjs";

/** How a server that isn't one of Perspective goes wrong; not at all if empty. */
interface Faults {
  /** Which view can't be made. */
  readonly fails?: number;
  /** Windows never change. */
  readonly stale?: boolean;
  /** Which viewer sees other windows than the rest. */
  readonly differs?: number;
  /** Pushes have no rows. */
  readonly empty?: boolean;
  /** Everything is pushed twice. */
  readonly twice?: boolean;
  /** The table has grown. */
  readonly grows?: boolean;
  /** The socket is closed instead of the nth update's answer. */
  readonly dies?: number;
}

/** As many viewers as the row has. */
const VIEWERS = 20;

const MAIN = fileURLToPath(new URL("main.mjs", import.meta.url));

/** The load generator is a program for Node and what npm installs for it. */
const ignore = !await exists(new URL("../node_modules/ws", import.meta.url));

async function exists(url: URL): Promise<boolean> {
  try {
    await Deno.stat(url);
    return true;
  } catch {
    return false;
  }
}

/** What the load generator says of a server with those faults. */
async function outcomeOf(faults: Faults): Promise<Outcome> {
  await using server = Deno.serve(
    { port: 0, onListen() {} },
    serveWith(faults),
  );
  return await outcomeAt(server.addr.port);
}

/** What the load generator says of the server at that port. */
async function outcomeAt(port: number, ...more: string[]): Promise<Outcome> {
  const { stdout } = await new Deno.Command("node", {
    args: [
      MAIN,
      `--row=dashboard_${VIEWERS}`,
      "--warmup=0.01",
      "--seconds=0.05",
      `--url=ws://127.0.0.1:${port}/`,
      ...more,
    ],
  }).output();
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** What it says of the echo at that port with those frames, in base64. */
async function outcomeOfEcho(
  port: number,
  frames: readonly string[],
): Promise<Outcome> {
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(file, frames.join(","));
    return await outcomeAt(port, `--echo=@${file}`);
  } finally {
    await Deno.remove(file);
  }
}

/** The frames of a round of a server that does all right. */
async function seenFrames(): Promise<readonly string[]> {
  const outcome = await outcomeOf({}) as { measurement: Measurement };
  return outcome.measurement.scene!.frames;
}

/** What follows the `msg_id`. */
function bodyOf(frame: string): string {
  return Buffer.from(frame, "base64").subarray(6).toString("base64");
}

async function errorOf(faults: Faults): Promise<string> {
  const outcome = await outcomeOf(faults);
  return "error" in outcome ? outcome.error : "none";
}

/** Answers as Perspective would, as far as the row asks. */
function serveWith(faults: Faults): Deno.ServeHandler {
  // They connect one by one, the writer first; they subscribe in any order.
  const sockets: WebSocket[] = [];
  const told: { readonly socket: WebSocket; readonly id: number }[] = [];
  let made = 0;
  let updates = 0;
  const reply = (
    socket: WebSocket,
    id: number,
    kind: number,
    field = 0,
    text = "",
  ) =>
    socket.send(
      request(id, "", kind, (writer) => {
        if (field) writer.tag(field, 2).string(text);
      }).frame as Uint8Array<ArrayBuffer>,
    );
  const push = () => {
    for (const { socket, id } of told) {
      for (let left = faults.twice ? 2 : 1; left > 0; left--) {
        reply(socket, id, Kind.onUpdate, 1, faults.empty ? "" : "rows");
      }
    }
  };
  const windowOf = (socket: WebSocket) => {
    const viewer = sockets.indexOf(socket) - 1;
    const value = viewer === faults.differs ? -1 : faults.stale ? 0 : updates;
    const list = new Array(50).fill(value);
    return JSON.stringify({ Sales: list, Quantity: list, Profit: list });
  };
  const answers: Record<number, (socket: WebSocket, id: number) => void> = {
    [Kind.makeView]: (socket, id) => {
      if (++made === faults.fails) reply(socket, id, 50, 1, "std::bad_alloc");
      else reply(socket, id, Kind.makeView);
    },
    [Kind.onUpdate]: (socket, id) => told.push({ socket, id }),
    [Kind.columnsString]: (socket, id) =>
      reply(socket, id, Kind.columnsString, 1, windowOf(socket)),
    [Kind.updateTable]: (socket, id) => {
      if (++updates === faults.dies) return socket.close();
      reply(socket, id, Kind.updateTable);
      push();
    },
    [Kind.tableSize]: (socket, id) =>
      socket.send(
        request(id, "", Kind.tableSize, (writer) => {
          writer.tag(2, 0).uint32(9_994 + (faults.grows ? 1 : 0));
        }).frame as Uint8Array<ArrayBuffer>,
      ),
    [Kind.deleteView]: (socket, id) => reply(socket, id, Kind.deleteView),
  };
  return (request) => {
    const { socket, response } = Deno.upgradeWebSocket(request);
    sockets.push(socket);
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => {
      const frame = new Uint8Array(data);
      answers[readAnswer(frame).kind]!(socket, msgIdOf(frame));
    };
    return response;
  };
}

Deno.test({
  name: "a scene that goes right is measured",
  ignore,
  async fn() {
    const outcome = await outcomeOf({}) as { measurement: Measurement };
    const { measurement } = outcome;
    assertEquals(measurement.requests > 0, true);
    assertEquals(measurement.checked >= measurement.requests * VIEWERS, true);
    const pushes = measurement.pushesPerSecond / measurement.perSecond;
    assertEquals(Math.round(pushes), VIEWERS);
    const kinds = measurement.scene!.frames
      .map((frame) => readAnswer(Buffer.from(frame, "base64")).kind);
    assertEquals(
      kinds,
      [Kind.updateTable, Kind.onUpdate, Kind.columnsString],
    );
  },
});

Deno.test({
  name: "what goes wrong in a scene is told, and how far it had come",
  ignore,
  async fn() {
    assertMatch(
      await errorOf({ fails: 7 }),
      /^Opened \d+ of 20 viewers: Wrong answer to a request of kind 6: server error: std::bad_alloc$/,
    );
    assertMatch(
      await errorOf({ stale: true }),
      /^Round 2: 20 of 20 viewers were done: Nobody sees the update$/,
    );
    assertMatch(
      await errorOf({ differs: 3 }),
      /^Round 1: 20 of 20 .*: Viewer 3 sees something else$/,
    );
    assertMatch(await errorOf({ empty: true }), /Wrong push: no rows$/);
    assertMatch(await errorOf({ twice: true }), /Wrong push: nothing has/);
    assertMatch(
      await errorOf({ grows: true }),
      /^At the end: .* the table has 9995 rows$/,
    );
    assertMatch(await errorOf({ dies: 3 }), /^Round 3: 0 of 20 .* closed with/);
  },
});

Deno.test({
  name: "the echo sends the same bytes, round by round",
  ignore,
  async fn() {
    const frames = await seenFrames();
    await using echo = new Child(deno("contestants/echo.ts"));
    const port = await ready(echo);
    // Without frames requests. What it is taught then takes their place.
    const without = await outcomeAt(port, "--echo=request");
    assertEquals("measurement" in without, true);
    const outcome = await outcomeOfEcho(port, frames);
    const { measurement } = outcome as { measurement: Measurement };
    assertEquals(measurement.requests > 1, true);
    assertEquals(measurement.checked >= measurement.requests * VIEWERS, true);
    assertEquals(measurement.scene!.frames.map(bodyOf), frames.map(bodyOf));
  },
});

Deno.test({
  name: "what is wrong with the echo's frames is told",
  ignore,
  async fn() {
    const [update, push, window] = await seenFrames();
    await using echo = new Child(deno("contestants/echo.ts"));
    const port = await ready(echo);
    assertEquals(
      await outcomeOfEcho(port, [update!, push!, update!]),
      {
        error:
          "Opened 0 of 20 viewers: Wrong answer to a request of kind 24: " +
          "answer to 2415919108 of kind 33, asked 2415919108 of kind 24",
      },
    );
    assertEquals(
      await outcomeOfEcho(port, [update!, window!, window!]),
      { error: "Round 1: 0 of 20 viewers were done: Wrong push: of kind 24" },
    );
  },
});
