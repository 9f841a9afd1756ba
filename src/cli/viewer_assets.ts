/**
 * What pages load of Perspective's packages, straight from Deno's own npm
 * cache: no bundler, no CDN, no node_modules.
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
import { dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * A package's name and a file of it, as they stand in a URL. The rest of a
 * package (sources, tests) is not for a browser, nor is what begins with a dot.
 */
const ASSET =
  /^\/npm\/(@finos\/[a-z0-9-]+)\/(dist\/(?:cdn|css|esm|wasm)(?:\/\w[\w.-]*)+)$/;

/** The types that browsers insist on. */
const TYPES: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=UTF-8",
  ".js": "text/javascript; charset=UTF-8",
  ".json": "application/json; charset=UTF-8",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
};

/** Where each package lies on disk, by its name, once that is asked. */
let packages: Map<string, string> | undefined;

/** Answers with a package's file below `/npm/`, else a 404. */
export async function serveViewerAsset(request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  const [, name = "", file = ""] = ASSET.exec(pathname) ?? [];
  packages ??= new Map(
    [perspective, viewer, datagrid, d3fc].map((it) => [it.name, folderOf(it)]),
  );
  const folder = packages.get(name);
  const path = folder && join(folder, file);
  const info = path && await Deno.stat(path).catch(() => undefined);
  if (!info || !info.isFile) return new Response("Not Found", { status: 404 });
  if (request.method !== "GET" && request.method !== "HEAD") {
    return new Response("Method Not Allowed", {
      status: 405,
      headers: { allow: "GET, HEAD" },
    });
  }
  return await serve(request, path!, info);
}

async function serve(
  request: Request,
  path: string,
  { size, mtime }: Deno.FileInfo,
): Promise<Response> {
  const etag = `W/"${size.toString(36)}-${
    (mtime?.getTime() ?? 0).toString(36)
  }"`;
  const headers = {
    // "Ask whether it's still good": with the ETag, mostly a 304.
    "cache-control": "no-cache",
    etag,
    "x-content-type-options": "nosniff",
  };
  if (request.headers.get("if-none-match") === etag) {
    return new Response(null, { status: 304, headers });
  }
  const body = request.method === "HEAD"
    ? null
    : (await Deno.open(path)).readable;
  return new Response(body, {
    headers: {
      ...headers,
      "content-length": `${size}`,
      "content-type": TYPES[extname(path)] ?? "application/octet-stream",
    },
  });
}

/** With its version, which is understood wherever this module was loaded from. */
function folderOf(
  { name, version }: { name: string; version: string },
): string {
  const specifier = `npm:${name}@${version}/package.json`;
  return dirname(fileURLToPath(import.meta.resolve(specifier)));
}
