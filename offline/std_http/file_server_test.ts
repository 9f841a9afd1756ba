import {
  assertEquals,
  assertMatch,
  assertStrictEquals,
  assertStringIncludes,
} from "@std/assert";
import { serveDir, serveFile } from "@std/http/file-server";
import { join } from "node:path";

/** Ten bytes, and enough of them that a file is more than one chunk. */
const TEXT = "0123456789".repeat(20_000);

/** A directory with files in and beside it, deleted at the end. */
async function setup() {
  const root = await Deno.makeTempDir();
  const dir = join(root, "public");
  await Deno.mkdir(join(dir, "sub dir"), { recursive: true });
  await Deno.writeTextFile(join(root, "secret.txt"), "secret");
  await Deno.writeTextFile(join(dir, ".hidden"), "hidden");
  await Deno.writeTextFile(join(dir, "a.txt"), TEXT);
  // One name on most systems, but on Windows a way down (or up, with dots).
  await Deno.writeTextFile(join(dir, "sub dir\\back.txt"), "");
  await Deno.writeTextFile(join(dir, "empty.txt"), "");
  await Deno.writeTextFile(join(dir, "sub dir", "ü.js"), "1;");
  return {
    dir,
    file: join(dir, "a.txt"),
    [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }),
  };
}

function request(init?: RequestInit, path = "/a.txt"): Request {
  return new Request(`http://localhost${path}`, init);
}

function withHeader(name: string, value: string): Request {
  return request({ headers: { [name]: value } });
}

Deno.test("serveFile() sends the file and describes it", async () => {
  await using at = await setup();
  const response = await serveFile(request(), at.file);
  assertEquals(response.status, 200);
  assertEquals(response.headers.get("content-length"), `${TEXT.length}`);
  assertEquals(
    response.headers.get("content-type"),
    "text/plain; charset=UTF-8",
  );
  assertEquals(response.headers.get("accept-ranges"), "bytes");
  assertMatch(response.headers.get("etag")!, /^W\/"[^"]+"$/);
  assertMatch(response.headers.get("last-modified")!, / GMT$/);
  assertStrictEquals(await response.text(), TEXT);
});

Deno.test("serveFile() sends an empty file", async () => {
  await using at = await setup();
  const response = await serveFile(request(), join(at.dir, "empty.txt"));
  assertEquals(response.status, 200);
  assertEquals(response.headers.get("content-length"), "0");
  assertEquals(await response.text(), "");
});

Deno.test("serveFile() knows the content types that browsers insist on", async () => {
  await using at = await setup();
  for (
    const [name, type] of [
      ["x.wasm", "application/wasm"],
      ["x.arrow", "application/vnd.apache.arrow.file"],
      ["x.js", "text/javascript; charset=UTF-8"],
      ["x.CSS", "text/css; charset=UTF-8"],
      ["x.unknown", null],
    ] as const
  ) {
    const path = join(at.dir, name);
    await Deno.writeTextFile(path, "");
    const response = await serveFile(request({ method: "HEAD" }), path);
    assertEquals(response.headers.get("content-type"), type);
  }
});

Deno.test("serveFile() answers HEAD without a body", async () => {
  await using at = await setup();
  const response = await serveFile(request({ method: "HEAD" }), at.file);
  assertEquals(response.status, 200);
  assertEquals(response.headers.get("content-length"), `${TEXT.length}`);
  assertEquals(response.body, null);
});

Deno.test("serveFile() refuses other methods with 405", async () => {
  await using at = await setup();
  const response = await serveFile(
    request({ method: "POST", body: "x" }),
    at.file,
  );
  assertEquals(response.status, 405);
  assertEquals(response.headers.get("allow"), "GET, HEAD");
});

Deno.test("serveFile() answers 404 for what isn't a file", async () => {
  await using at = await setup();
  for (const name of ["none.txt", "sub dir", "a.txt/b.txt"]) {
    const response = await serveFile(request(), join(at.dir, name));
    assertEquals(response.status, 404, name);
  }
});

Deno.test("serveFile() answers 304 for a known ETag", async () => {
  await using at = await setup();
  const { headers } = await serveFile(request({ method: "HEAD" }), at.file);
  const etag = headers.get("etag")!;
  const status = async (value: string) => {
    const response = await serveFile(
      withHeader("if-none-match", value),
      at.file,
    );
    await response.body?.cancel();
    return response.status;
  };
  assertEquals(await status(etag), 304);
  assertEquals(await status(`"other", ${etag.replace("W/", "")}`), 304);
  assertEquals(await status("*"), 304);
  assertEquals(await status('"other"'), 200);

  const later = new Date("2001-01-01T00:00:00Z");
  await Deno.utime(at.file, later, later);
  assertEquals(await status(etag), 200, "after a change");
});

Deno.test("serveFile() answers 304 for a file not modified since", async () => {
  await using at = await setup();
  const modified = new Date("2001-01-01T00:00:00.500Z");
  await Deno.utime(at.file, modified, modified);
  const status = async (headers: HeadersInit) => {
    const response = await serveFile(request({ headers }), at.file);
    await response.body?.cancel();
    return response.status;
  };
  const date = "Mon, 01 Jan 2001 00:00:00 GMT";
  assertEquals(await status({ "if-modified-since": date }), 304);
  assertEquals(
    await status({ "if-modified-since": "Sun, 31 Dec 2000 00:00:00 GMT" }),
    200,
  );
  assertEquals(await status({ "if-modified-since": "no date" }), 200);
  assertEquals(
    await status({ "if-modified-since": date, "if-none-match": '"other"' }),
    200,
    "the ETag is asked first",
  );
});

Deno.test("serveFile() sends the range that is asked for", async () => {
  await using at = await setup();
  for (
    const [range, start, end] of [
      ["bytes=0-0", 0, 0],
      ["bytes=5-14", 5, 14],
      ["bytes=70000-140000", 70_000, 140_000],
      ["bytes=199990-", 199_990, 199_999],
      ["bytes=-7", 199_993, 199_999],
      ["bytes=199998-999999", 199_998, 199_999],
      ["bytes=-999999", 0, 199_999],
    ] as const
  ) {
    const response = await serveFile(withHeader("range", range), at.file);
    assertEquals(response.status, 206, range);
    assertEquals(
      response.headers.get("content-range"),
      `bytes ${start}-${end}/200000`,
    );
    assertEquals(response.headers.get("content-length"), `${end - start + 1}`);
    assertStrictEquals(await response.text(), TEXT.slice(start, end + 1));
  }
});

Deno.test("serveFile() answers 416 for a range outside of the file", async () => {
  await using at = await setup();
  for (const range of ["bytes=200000-", "bytes=-0"]) {
    const response = await serveFile(withHeader("range", range), at.file);
    assertEquals(response.status, 416, range);
    assertEquals(response.headers.get("content-range"), "bytes */200000");
  }
});

Deno.test("serveFile() sends the whole file for a range it doesn't read", async () => {
  await using at = await setup();
  for (
    const range of ["bytes=5-1", "bytes=-", "bytes=0-1,4-5", "lines=1-2", "x"]
  ) {
    const response = await serveFile(withHeader("range", range), at.file);
    assertEquals(response.status, 200, range);
    await response.body?.cancel();
  }
  const headers = { range: "bytes=0-1", "if-range": '"old"' };
  const response = await serveFile(request({ headers }), at.file);
  assertEquals(response.status, 200);
  await response.body?.cancel();
});

Deno.test("serveFile() closes the file when the reader goes away", async () => {
  // The leak sanitizer fails this test if it stays open.
  await using at = await setup();
  for (const headers of [{}, { range: "bytes=10-150000" }]) {
    const response = await serveFile(request({ headers }), at.file);
    const reader = response.body!.getReader();
    await reader.read();
    await reader.cancel();
  }
});

Deno.test("serveDir() finds files by the path of the URL", async () => {
  await using at = await setup();
  const options = { fsRoot: at.dir, quiet: true };
  const response = await serveDir(
    request({}, "/sub%20dir/%C3%BC.js?x=1"),
    options,
  );
  assertEquals(response.status, 200);
  assertEquals(await response.text(), "1;");
});

Deno.test("serveDir() leaves out urlRoot and needs it", async () => {
  await using at = await setup();
  const options = { fsRoot: at.dir, urlRoot: "static/v1", quiet: true };
  const status = async (path: string) => {
    const response = await serveDir(request({}, path), options);
    await response.body?.cancel();
    return response.status;
  };
  assertEquals(await status("/static/v1/a.txt"), 200);
  assertEquals(await status("/a.txt"), 404);
  assertEquals(await status("/static/v11/a.txt"), 404);
  assertEquals(await status("/static/v2/a.txt"), 404);
});

Deno.test("serveDir() stays in its directory and away from dotfiles", async () => {
  await using at = await setup();
  const options = { fsRoot: at.dir, quiet: true };
  for (
    const path of [
      "/../secret.txt",
      "/%2e%2e/secret.txt",
      "/..%2fsecret.txt",
      "/sub%20dir/..%2f..%2fsecret.txt",
      "/..%5csecret.txt",
      "/%2e%2e%2fsecret.txt",
      "/sub%20dir%2f..%2f..%2fsecret.txt",
      "/sub%20dir%5cback.txt",
      "/.hidden",
      "/a.txt%00.js",
      "//a.txt",
      "/",
      "/sub%20dir",
      "/sub%20dir/",
    ]
  ) {
    const response = await serveDir(request({}, path), options);
    assertEquals(response.status, 404, path);
    assertEquals(await response.text(), "Not Found");
  }
  const response = await serveDir(request({}, "/%FF"), options);
  assertEquals(response.status, 400);
});

Deno.test("serveDir() adds headers to every response", async () => {
  await using at = await setup();
  const options = {
    fsRoot: at.dir,
    quiet: true,
    headers: ["cache-control: no-cache", "x-url: http://localhost"],
  };
  for (const path of ["/a.txt", "/none"]) {
    const response = await serveDir(request({}, path), options);
    assertEquals(response.headers.get("cache-control"), "no-cache");
    assertEquals(response.headers.get("x-url"), "http://localhost");
    await response.body?.cancel();
  }
});

Deno.test("serveDir() logs a request unless quiet", async () => {
  await using at = await setup();
  const lines: string[] = [];
  const { debug } = console;
  console.debug = (line: string) => lines.push(line);
  try {
    await serveDir(request({ method: "HEAD" }), { fsRoot: at.dir });
    await serveDir(request(), { fsRoot: "none", quiet: true });
  } finally {
    console.debug = debug;
  }
  assertEquals(lines.length, 1);
  assertStringIncludes(lines[0]!, "[HEAD] /a.txt 200");
});

Deno.test("serveFile() works behind Deno.serve", async () => {
  await using at = await setup();
  await using server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    (request) => serveFile(request, at.file),
  );
  const url = `http://127.0.0.1:${server.addr.port}/`;
  const whole = await fetch(url);
  assertStrictEquals(await whole.text(), TEXT);
  const head = await fetch(url, { method: "HEAD" });
  assertEquals(head.headers.get("content-length"), `${TEXT.length}`);
  const part = await fetch(url, { headers: { range: "bytes=3-6" } });
  assertEquals([part.status, await part.text()], [206, "3456"]);
  const cached = await fetch(url, {
    headers: { "if-none-match": whole.headers.get("etag")! },
  });
  assertEquals([cached.status, await cached.text()], [304, ""]);
});
