/**
 * Viewers that show tables of the server, and go on doing so when the
 * connection was lost: with the layout that they had.
 *
 * @module
 */

/**
 * In this order: the viewer brings the WebAssembly that the others use. Of the
 * engine's package it's the "esm" file, since "cdn" would fetch the engine too,
 * and the engine is on the server.
 */
const MODULES = [
  "/npm/@finos/perspective-viewer/dist/cdn/perspective-viewer.js",
  "/npm/@finos/perspective-viewer-datagrid/dist/cdn/perspective-viewer-datagrid.js",
  "/npm/@finos/perspective-viewer-d3fc/dist/cdn/perspective-viewer-d3fc.js",
  "/npm/@finos/perspective/dist/esm/perspective.js",
];

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 10_000;

const dark = matchMedia("(prefers-color-scheme: dark)");

function theme() {
  return dark.matches ? "Pro Dark" : "Pro Light";
}

/**
 * Shows what the server has, for as long as the page is open.
 *
 * @param pairs Each viewer of the page with what it shows at first.
 * @param open Gets a table for each viewer from a client, in the order of
 * `pairs`; beside the client it gets Perspective itself.
 * @param before Called before each attempt to connect. With the configurations
 * it gets it can change what the viewers are restored to.
 */
export async function live(pairs, open, before = () => {}) {
  const perspective = await load();
  const viewers = pairs.map(([viewer]) => viewer);
  let configs = pairs.map(([, config]) => ({ theme: theme(), ...config }));
  dark.addEventListener("change", () => {
    for (const viewer of viewers) viewer.restore({ theme: theme() });
  });
  let retryMs = FIRST_RETRY_MS;
  for (;;) {
    try {
      await before(configs);
      const lost = await show(perspective, viewers, configs, open);
      retryMs = FIRST_RETRY_MS;
      await lost.promise;
      configs = await Promise.all(viewers.map((viewer) => viewer.save()));
    } catch (error) {
      // The client throws a string when it can't connect; then the state says
      // enough.
      if (typeof error !== "string") showError(error);
    }
    showState("lost", "connection lost");
    await new Promise((resolve) => setTimeout(resolve, retryMs));
    retryMs = Math.min(retryMs * 2, LAST_RETRY_MS);
  }
}

/** Loads Perspective; says so, and never resolves, if it can't. */
async function load() {
  // All at once, though they are evaluated one after the other.
  for (const href of MODULES) {
    const link = document.createElement("link");
    document.head.append(Object.assign(link, { rel: "modulepreload", href }));
  }
  let module;
  for (const path of MODULES) {
    try {
      module = await import(path);
    } catch (error) {
      console.error(error);
      showState("lost", "not loaded");
      showError(`Cannot load ${path}`);
      await new Promise(() => {});
    }
  }
  return module.default;
}

/** Shows the tables; the promise in what it returns is for the connection's end. */
async function show(perspective, viewers, configs, open) {
  const url = new URL("/websocket", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  const client = await perspective.websocket(url);
  const lost = new Promise((resolve) => client.on_error(resolve));
  const tables = await open(client, perspective);
  // With the old connection its views are gone, so all is loaded anew and then
  // put back to how it was.
  // One viewer after the other.
  for (const [i, viewer] of viewers.entries()) {
    await viewer.load(tables[i]);
    await viewer.restore(configs[i]);
  }
  hideError();
  showState("connected", "connected");
  // Not the promise itself: whoever awaits this would wait for that.
  return { promise: lost };
}
