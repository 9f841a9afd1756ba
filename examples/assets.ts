/**
 * The pages and what they load: no bundler, no CDN, no node_modules.
 *
 * @module
 */
import { serveFile } from "@std/http/file-server";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { serveViewerAsset } from "../src/cli/viewer_assets.ts";

const PAGES = dirname(
  fileURLToPath(import.meta.resolve("./page/index.html")),
);

/** What the pages share. */
const SHARED = /^\/page\/([a-z]+\.(?:css|js|svg))$/;

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
  return file === undefined
    ? await serveViewerAsset(request)
    : await servePage(request, file);
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
