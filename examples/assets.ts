/**
 * The pages and what they load, straight from Deno's own npm cache: no bundler,
 * no CDN, no node_modules.
 *
 * @module
 */
// Deno resolves a file of a package only if the package is in the module graph.
// Importing the small package.json puts it there.
import perspective from "@finos/perspective/package.json" with { type: "json" };
import viewer from "@finos/perspective-viewer/package.json" with {
  type: "json",
};
import datagrid from "@finos/perspective-viewer-datagrid/package.json" with {
  type: "json",
};
import d3fc from "@finos/perspective-viewer-d3fc/package.json" with {
  type: "json",
};
import { serveDir, serveFile } from "@std/http/file-server";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Where each package lies on disk, by its name. */
const PACKAGES = new Map(
  [perspective, viewer, datagrid, d3fc].map(({ name }) => [
    name,
    dirname(pathOf(`${name}/package.json`)),
  ]),
);

const PAGES = dirname(pathOf("./page/index.html"));

/**
 * A package's name and the folder of it, as they stand in a URL. The rest of a
 * package (sources, tests) is not for a browser. `dist/` stays in the URL since
 * the scripts ask for their WebAssembly as `../wasm/x.wasm`.
 */
const ASSET = /^\/npm\/(@finos\/[a-z0-9-]+)\/(dist\/(?:cdn|css|esm|wasm))\//;

/** What the pages share. */
const SHARED = /^\/page\/([a-z]+\.(?:css|js|svg))$/;

/** `no-cache` is "ask whether it's still good": with the ETag, mostly a 304. */
const HEADERS = ["cache-control: no-cache", "x-content-type-options: nosniff"];

/**
 * Answers with a page at `/`, with what pages share below `/page/`, with a
 * package's file below `/npm/`, else with a 404.
 *
 * @param page The page's file in `examples/page/`.
 */
export async function serveAsset(
  request: Request,
  page = "index.html",
): Promise<Response> {
  const { pathname } = new URL(request.url);
  const file = pathname === "/" ? page : SHARED.exec(pathname)?.[1];
  if (file !== undefined) return await servePage(request, file);
  const [, name = "", folder = ""] = ASSET.exec(pathname) ?? [];
  const root = PACKAGES.get(name);
  if (!root) return new Response("Not Found", { status: 404 });
  return serveDir(request, {
    fsRoot: join(root, folder),
    urlRoot: `npm/${name}/${folder}`,
    headers: HEADERS,
    quiet: true,
  });
}

/** Answers with a file of `examples/page/`, whatever the URL. */
export async function servePage(
  request: Request,
  file: string,
): Promise<Response> {
  const response = await serveFile(request, join(PAGES, file));
  response.headers.set("cache-control", "no-cache");
  return response;
}

function pathOf(specifier: string): string {
  return fileURLToPath(import.meta.resolve(specifier));
}
