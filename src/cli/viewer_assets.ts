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
import { serveDir } from "@std/http/file-server";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * A package's name and the folder of it, as they stand in a URL. The rest of a
 * package (sources, tests) is not for a browser. `dist/` stays in the URL since
 * the scripts ask for their WebAssembly as `../wasm/x.wasm`.
 */
const ASSET = /^\/npm\/(@finos\/[a-z0-9-]+)\/(dist\/(?:cdn|css|esm|wasm))\//;

/** `no-cache` is "ask whether it's still good": with the ETag, mostly a 304. */
const HEADERS = ["cache-control: no-cache", "x-content-type-options: nosniff"];

/** Where each package lies on disk, by its name, once that is asked. */
let packages: Map<string, string> | undefined;

/** Answers with a package's file below `/npm/`, else a 404. */
export function serveViewerAsset(request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  const [, name = "", folder = ""] = ASSET.exec(pathname) ?? [];
  packages ??= new Map(
    [perspective, viewer, datagrid, d3fc].map((it) => [it.name, folderOf(it)]),
  );
  const root = packages.get(name);
  if (root === undefined) {
    return Promise.resolve(new Response("Not Found", { status: 404 }));
  }
  return serveDir(request, {
    fsRoot: join(root, folder),
    urlRoot: `npm/${name}/${folder}`,
    headers: HEADERS,
    quiet: true,
  });
}

/** With its version, which is understood wherever this module was loaded from. */
function folderOf(
  { name, version }: { name: string; version: string },
): string {
  const specifier = `npm:${name}@${version}/package.json`;
  return dirname(fileURLToPath(import.meta.resolve(specifier)));
}
