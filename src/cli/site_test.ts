import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import type { BinaryWriter } from "@bufbuild/protobuf/wire";
import { Kind } from "../protocol/kinds.ts";
import { Server } from "../server/server.ts";
import { frame, parts } from "../testing/frames.ts";
import { UsageError } from "./errors.ts";
import { Site, type SiteOptions } from "./site.ts";

/** A site with the tables `t`, and one that isn't for it. */
async function setup(options: Partial<SiteOptions> = {}) {
  const server = new Server();
  const client = server.newLocalClient();
  const table = await client.table("a\n1\n", { name: "t" });
  await client.table("a\n1\n", { name: "scratch" });
  const site = new Site({
    server,
    tables: ["t"],
    isEditable: false,
    token: undefined,
    host: "127.0.0.1",
    port: 0,
    ...options,
  });
  return {
    site,
    table,
    async [Symbol.asyncDispose]() {
      await site.close();
      await server.close();
    },
  };
}

/** Asks something over a socket: the answer, or null if it can't be opened. */
async function ask(
  site: Site,
  query: string,
  request: Uint8Array,
  protocols: string[] = [],
): Promise<Uint8Array | null> {
  const url = `${site.url.replace("http", "ws")}websocket${query}`;
  const socket = new WebSocket(url, protocols);
  socket.binaryType = "arraybuffer";
  const answer = Promise.withResolvers<Uint8Array | null>();
  const closed = new Promise((resolve) => {
    socket.onclose = () => {
      answer.resolve(null);
      resolve(null);
    };
  });
  socket.onopen = () => socket.send(request.slice());
  socket.onmessage = ({ data }) => answer.resolve(new Uint8Array(data));
  try {
    return await answer.promise;
  } finally {
    socket.close();
    await closed;
  }
}

const csv = (text: string) => (it: BinaryWriter) =>
  it.tag(1, 2).fork().tag(2, 2).string(text).join();
const update = frame(1, "t", Kind.TABLE_UPDATE, csv("a\n2\n"));
const size = (table: string) => frame(1, table, Kind.TABLE_SIZE);

Deno.test("Site serves the page, the list and what the page loads", async () => {
  await using it = await setup();
  const { url } = it.site;
  const get = async (path: string, init?: RequestInit) => {
    const response = await fetch(`${url}${path}`, init);
    return { status: response.status, text: await response.text() };
  };
  const page = await get("");
  assertStringIncludes(page.text, "<perspective-viewer>");
  const paths = page.text.match(/(?<="\/)npm\/[^"]+/g) ?? [];
  assertEquals(paths.length, 5);
  for (const path of paths) {
    assertEquals((await get(path, { method: "HEAD" })).status, 200, path);
  }
  assertEquals(await get("tables.json"), {
    status: 200,
    text: '{"tables":["t"],"isEditable":false}',
  });
  assertEquals((await get("healthz")).status, 200);
  assertEquals((await get("cli.ts")).status, 404);
  assertEquals((await get("", { method: "POST", body: "x" })).status, 405);
});

Deno.test("Site lets read, and change only if it is editable", async () => {
  for (const isEditable of [false, true]) {
    await using it = await setup({ isEditable });
    const read = await ask(it.site, "", size("t"));
    assertEquals(parts(read!).kind, Kind.TABLE_SIZE);
    const answer = await ask(it.site, "", update);
    assertEquals(parts(answer!).kind, isEditable ? Kind.TABLE_UPDATE : 50);
    assertEquals(await it.table.size(), isEditable ? 2 : 1);
    // Whatever else there is.
    const none = await ask(it.site, "", size("scratch"));
    assertEquals(parts(none!).kind, 50);
    const made = frame(1, "n", Kind.MAKE_TABLE, csv("a\n1\n"));
    assertEquals(parts((await ask(it.site, "", made))!).kind, 50);
  }
});

Deno.test("Site with a token lets in only who has it", async () => {
  await using it = await setup({ token: "s3cret" });
  const { site } = it;
  assertEquals(site.pageUrl, `${site.url}?token=s3cret`);
  const status = async (path: string, headers: HeadersInit = {}) => {
    const response = await fetch(`${site.url}${path}`, { headers });
    await response.body?.cancel();
    return response.status;
  };
  assertEquals(await status("tables.json"), 401);
  assertEquals(await status("tables.json?token=other"), 401);
  assertEquals(await status("tables.json?token=s3cret"), 200);
  assertEquals(
    await status("tables.json", { authorization: "Bearer s3cret" }),
    200,
  );
  assertEquals(await ask(site, "", size("t")), null);
  assertEquals(await ask(site, "?token=other", size("t")), null);
  for (
    const answer of [
      await ask(site, "?token=s3cret", size("t")),
      await ask(site, "", size("t"), ["bearer", "s3cret"]),
    ]
  ) assertEquals(parts(answer!).kind, Kind.TABLE_SIZE);
});

Deno.test("Site has nobody connected while a table is exchanged", async () => {
  await using it = await setup();
  const { site } = it;
  const socket = new WebSocket(`${site.url.replace("http", "ws")}websocket`);
  const closed = new Promise<CloseEvent>((resolve) => {
    socket.onclose = resolve;
  });
  await new Promise((resolve) => socket.onopen = resolve);
  await site.swap(async () => {
    assertEquals((await closed).code, 1012);
    const response = await fetch(`${site.url}websocket`);
    assertEquals([response.status, await response.text()], [
      503,
      "A table is being loaded",
    ]);
  });
  assertEquals(parts((await ask(site, "", size("t")))!).kind, Kind.TABLE_SIZE);
});

Deno.test("Site says that a port is in use", async () => {
  await using it = await setup();
  const port = Number(new URL(it.site.url).port);
  await using server = new Server();
  assertThrows(
    () =>
      new Site({
        server,
        tables: [],
        isEditable: false,
        token: undefined,
        host: "127.0.0.1",
        port,
      }),
    UsageError,
    `Cannot listen on 127.0.0.1:${port}: the port is in use`,
  );
});
