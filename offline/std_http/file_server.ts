/**
 * A stand-in for `jsr:@std/http/file-server`, for places from which JSR can't
 * be reached.
 *
 * It has the names and signatures of the real module, and only what this
 * project calls. Take its line out of `links` in `deno.json` to use the real
 * one. Unlike that one, it never lists a directory and never looks for an
 * `index.html`.
 *
 * ```ts
 * import { serveDir, serveFile } from "@std/http/file-server";
 *
 * const handler = (request: Request) =>
 *   new URL(request.url).pathname === "/"
 *     ? serveFile(request, "page/index.html")
 *     : serveDir(request, { fsRoot: "page" });
 *
 * await handler(new Request("http://localhost/"));
 * ```
 *
 * @module
 */
import { extname, join } from "node:path";

/** Options of {@linkcode serveFile}. */
export interface ServeFileOptions {
  /** What `Deno.stat` said of the file, to save asking again. */
  fileInfo?: Deno.FileInfo;
}

/** Options of {@linkcode serveDir}. */
export interface ServeDirOptions {
  /**
   * The directory that is served.
   *
   * @default {"."}
   */
  fsRoot?: string;
  /** The beginning of the URL's path that is left out, without slashes around. */
  urlRoot?: string;
  /**
   * Don't log requests.
   *
   * @default {false}
   */
  quiet?: boolean;
  /** Headers to add to each response, as `"name: value"`. */
  headers?: string[];
}

/** The content type by the file's extension; a browser insists on some. */
const CONTENT_TYPES: Record<string, string> = {
  ".arrow": "application/vnd.apache.arrow.file",
  ".css": "text/css; charset=UTF-8",
  ".csv": "text/csv; charset=UTF-8",
  ".html": "text/html; charset=UTF-8",
  ".ico": "image/vnd.microsoft.icon",
  ".jpg": "image/jpeg",
  ".js": "text/javascript; charset=UTF-8",
  ".json": "application/json; charset=UTF-8",
  ".map": "application/json; charset=UTF-8",
  ".md": "text/markdown; charset=UTF-8",
  ".mjs": "text/javascript; charset=UTF-8",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".ttf": "font/ttf",
  ".txt": "text/plain; charset=UTF-8",
  ".wasm": "application/wasm",
  ".woff": "font/woff",
  ".woff2": "font/woff2",
  ".xml": "text/xml; charset=UTF-8",
};

/** A part of a file, both ends included. */
interface ByteRange {
  start: number;
  end: number;
}

/**
 * Answers with a file, streamed.
 *
 * Knows `GET` and `HEAD`, `If-None-Match` and `If-Modified-Since`, and a single
 * `Range`. A file that isn't there, or is a directory, is a 404.
 *
 * @example A page
 * ```ts
 * import { serveFile } from "@std/http/file-server";
 *
 * const handler = (request: Request) => serveFile(request, "page/index.html");
 *
 * await handler(new Request("http://localhost/"));
 * ```
 *
 * @param req The request.
 * @param filePath The file.
 * @param options Options.
 * @returns The response.
 * @throws If the file can't be read for another reason than that it isn't there.
 */
export async function serveFile(
  req: Request,
  filePath: string,
  options: ServeFileOptions = {},
): Promise<Response> {
  if (req.method !== "GET" && req.method !== "HEAD") {
    return plain(405, "Method Not Allowed", { allow: "GET, HEAD" });
  }
  const info = options.fileInfo ?? await statOrNull(filePath);
  if (!info?.isFile) return plain(404, "Not Found");

  const headers = describe(filePath, info);
  if (isUnchanged(req.headers, info, headers.get("etag")!)) {
    return new Response(null, { status: 304, headers });
  }
  const range = requestedRange(req.headers, info.size);
  if (range === "unsatisfiable") {
    return plain(416, "Range Not Satisfiable", {
      "content-range": `bytes */${info.size}`,
    });
  }
  const { start, end } = range ?? { start: 0, end: info.size - 1 };
  headers.set("content-length", `${end - start + 1}`);
  if (range) headers.set("content-range", `bytes ${start}-${end}/${info.size}`);

  const body = req.method === "HEAD" ? null : await read(filePath, range);
  return new Response(body, { status: range ? 206 : 200, headers });
}

/**
 * Answers with the file of a directory that the URL's path names.
 *
 * Names that begin with a dot and paths that lead out of the directory are a
 * 404.
 *
 * @example The files of `page` below `/static/`
 * ```ts
 * import { serveDir } from "@std/http/file-server";
 *
 * const handler = (request: Request) =>
 *   serveDir(request, { fsRoot: "page", urlRoot: "static", quiet: true });
 *
 * await handler(new Request("http://localhost/static/index.html"));
 * ```
 *
 * @param req The request.
 * @param opts Options.
 * @returns The response. It is never rejected: an error is a logged 500.
 */
export async function serveDir(
  req: Request,
  opts: ServeDirOptions = {},
): Promise<Response> {
  const { fsRoot = ".", urlRoot = "", quiet = false, headers = [] } = opts;
  const { pathname } = new URL(req.url);
  let response: Response;
  try {
    const path = relativePath(pathname, urlRoot);
    response = path === null
      ? plain(404, "Not Found")
      : await serveFile(req, join(fsRoot, path));
  } catch (error) {
    if (error instanceof URIError) {
      response = plain(400, "Bad Request");
    } else {
      console.error(error);
      response = plain(500, "Internal Server Error");
    }
  }
  for (const header of headers) {
    const colon = header.indexOf(":");
    response.headers.append(header.slice(0, colon), header.slice(colon + 1));
  }
  if (!quiet) {
    console.debug(`[${req.method}] ${pathname} ${response.status}`);
  }
  return response;
}

function plain(
  status: number,
  statusText: string,
  headers: HeadersInit = {},
): Response {
  return new Response(statusText, { status, statusText, headers });
}

async function statOrNull(filePath: string): Promise<Deno.FileInfo | null> {
  try {
    return await Deno.stat(filePath);
  } catch (error) {
    if (
      error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.NotADirectory
    ) return null;
    throw error;
  }
}

/** The headers that a file has whatever is asked about it. */
function describe(filePath: string, info: Deno.FileInfo): Headers {
  const headers = new Headers({
    "accept-ranges": "bytes",
    // Weak, since time and size are not the content.
    "etag": `W/"${info.size.toString(16)}-${mtimeMs(info).toString(16)}"`,
  });
  const type = CONTENT_TYPES[extname(filePath).toLowerCase()];
  if (type) headers.set("content-type", type);
  if (info.mtime) headers.set("last-modified", info.mtime.toUTCString());
  return headers;
}

function mtimeMs(info: Deno.FileInfo): number {
  return info.mtime?.getTime() ?? 0;
}

/** Whether the client's copy is good (RFC 9110, 13.1.2 and 13.1.3). */
function isUnchanged(
  headers: Headers,
  info: Deno.FileInfo,
  etag: string,
): boolean {
  const ifNoneMatch = headers.get("if-none-match");
  if (ifNoneMatch !== null) {
    const opaque = (tag: string) => tag.trim().replace(/^W\//, "");
    return ifNoneMatch.trim() === "*" ||
      ifNoneMatch.split(",").some((tag) => opaque(tag) === opaque(etag));
  }
  const ifModifiedSince = headers.get("if-modified-since");
  if (ifModifiedSince === null || !info.mtime) return false;
  // HTTP dates have whole seconds. A date that isn't one is NaN, thus false.
  const seconds = Math.floor(mtimeMs(info) / 1000);
  return seconds * 1000 <= Date.parse(ifModifiedSince);
}

/** The one range asked for; null for the whole file (RFC 9110, 14.1.2). */
function requestedRange(
  headers: Headers,
  size: number,
): ByteRange | "unsatisfiable" | null {
  const match = /^bytes=(\d*)-(\d*)$/.exec(headers.get("range") ?? "");
  // A weak ETag never fulfils If-Range, so with one there is no range.
  if (!match || headers.has("if-range")) return null;
  const [, first, last] = match;
  if (!first && !last) return null;
  const start = first ? Number(first) : Math.max(0, size - Number(last));
  const end = first && last ? Math.min(Number(last), size - 1) : size - 1;
  if (first && last && Number(last) < Number(first)) return null;
  return start > end ? "unsatisfiable" : { start, end };
}

/** The file, or a part of it. It is closed at its end or when cancelled. */
async function read(
  filePath: string,
  range: ByteRange | null,
): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  const file = await Deno.open(filePath);
  if (!range) return file.readable;
  try {
    await file.seek(range.start, Deno.SeekMode.Start);
  } catch (error) {
    file.close();
    throw error;
  }
  return file.readable.pipeThrough(first(range.end - range.start + 1));
}

/** Lets the first bytes through and ends. */
function first(
  bytes: number,
): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  let left = bytes;
  return new TransformStream({
    transform(chunk, controller) {
      controller.enqueue(chunk.subarray(0, left));
      left -= chunk.length;
      if (left <= 0) controller.terminate();
    },
  });
}

/**
 * The path below `urlRoot`, decoded; null if there can't be such a file.
 *
 * It is decoded piece by piece: `..%2f` is one name with a slash in it, and no
 * file has that.
 */
function relativePath(pathname: string, urlRoot: string): string | null {
  const prefix = urlRoot === "" ? "/" : `/${urlRoot}/`;
  if (!pathname.startsWith(prefix)) return null;
  const names = pathname.slice(prefix.length).split("/").map(
    decodeURIComponent,
  );
  const bad = names.some((name) => /^$|^\.|[/\\\0]/.test(name));
  return bad ? null : join(...names);
}
