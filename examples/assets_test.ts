import { assertEquals, assertStringIncludes } from "@std/assert";
import { serveAsset } from "./assets.ts";

const VIEWER = "/npm/@finos/perspective-viewer/dist";

async function get(path: string, init?: RequestInit) {
  const response = await serveAsset(
    new Request(`http://localhost${path}`, init),
  );
  return {
    status: response.status,
    type: response.headers.get("content-type")?.split(";")[0],
    headers: response.headers,
    text: await response.text(),
  };
}

Deno.test("serveAsset() answers with the page at the root", async () => {
  const { status, type, headers, text } = await get("/");
  assertEquals([status, type], [200, "text/html"]);
  assertEquals(headers.get("cache-control"), "no-cache");
  assertStringIncludes(text, "<perspective-viewer>");
});

Deno.test("serveAsset() has every file that the page names", async () => {
  const { text } = await get("/");
  const shared = text.match(/\/page\/[^"]+/g) ?? [];
  assertEquals(shared.length, 4);
  const texts = await Promise.all(
    shared.map(async (path) => (await get(path)).text),
  );
  const paths = [text, ...texts].join().match(/\/npm\/[^"]+/g) ?? [];
  assertEquals(paths.length, 5);
  for (const path of [...shared, ...paths]) {
    const { status } = await get(path, { method: "HEAD" });
    assertEquals(status, 200, path);
  }
});

Deno.test("serveAsset() names the types that a browser insists on", async () => {
  for (
    const [path, type] of [
      ["cdn/perspective-viewer.js", "text/javascript"],
      ["css/themes.css", "text/css"],
      ["wasm/perspective-viewer.wasm", "application/wasm"],
    ] as const
  ) {
    const response = await get(`${VIEWER}/${path}`, { method: "HEAD" });
    assertEquals([response.status, response.type], [200, type]);
  }
});

Deno.test("serveAsset() lets a browser keep what hasn't changed", async () => {
  const path = `${VIEWER}/cdn/perspective-viewer.js`;
  const { headers } = await get(path, { method: "HEAD" });
  assertEquals(headers.get("cache-control"), "no-cache");
  const again = await get(path, {
    headers: { "if-none-match": headers.get("etag")! },
  });
  assertEquals([again.status, again.text], [304, ""]);
  assertEquals(again.headers.get("cache-control"), "no-cache");
});

Deno.test("serveAsset() shows nothing else of the packages or the disk", async () => {
  for (
    const path of [
      "/server.ts",
      "/page/index.html",
      "/page/none.js",
      "/page/..%2fserver.ts",
      "/npm/",
      "/npm/@finos/perspective-viewer/package.json",
      "/npm/@finos/perspective-viewer/src/ts/perspective-viewer.ts",
      "/npm/@finos/perspective-viewer/tsconfig.json",
      "/npm/@finos/perspective-jupyterlab/dist/esm/index.js",
      "/npm/playwright-core/dist/esm/index.js",
      `${VIEWER}/cdn/`,
      `${VIEWER}/cdn/none.js`,
      `${VIEWER}/css/..%2f..%2fpackage.json`,
      `${VIEWER}/css/%2e%2e/%2e%2e/package.json`,
      `${VIEWER}/css/..%5c..%5cpackage.json`,
    ]
  ) {
    assertEquals((await get(path)).status, 404, path);
  }
});

Deno.test("serveAsset() refuses to be written to", async () => {
  for (const path of ["/", `${VIEWER}/css/themes.css`]) {
    const { status } = await get(path, { method: "POST", body: "x" });
    assertEquals(status, 405, path);
  }
});
