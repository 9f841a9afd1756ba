// What every page has above its viewers: how its connection is, and what went
// wrong. Not a module: it must be there already when a module can't be loaded.
{
  document.querySelector("header").insertAdjacentHTML(
    "beforeend",
    `<span id="state" role="status">connecting</span>
    <a id="reload" href="" hidden>reload</a>`,
  );
  document.querySelector("header").insertAdjacentHTML(
    "afterend",
    `<div id="error" role="alert" hidden>
      <p></p>
      <button type="button">dismiss</button>
    </div>`,
  );
}

const errorBox = document.querySelector("#error");
const state = document.querySelector("#state");
const reload = document.querySelector("#reload");

/** Says how the connection is: "connecting", "connected" or "lost". */
globalThis.showState = (name, text) => {
  state.dataset.state = name;
  state.textContent = text;
  reload.hidden = name !== "lost";
};

/** Says what went wrong, until it is dismissed. */
globalThis.showError = (error) => {
  errorBox.querySelector("p").textContent = error?.message ?? String(error);
  errorBox.hidden = false;
};

/** What went wrong doesn't matter any more. */
globalThis.hideError = () => {
  errorBox.hidden = true;
};

errorBox.querySelector("button").addEventListener("click", hideError);
addEventListener("unhandledrejection", ({ reason }) => showError(reason));
// Captured, since the error event of a script or link doesn't bubble.
addEventListener("error", ({ error, message, target }) => {
  if (target !== globalThis.window) {
    // An inline module names no file when one of its imports fails.
    const url = target.src || target.href || "the modules of this page";
    showState("lost", "not loaded");
    showError(`Cannot load ${url}`);
    return;
  }
  // A browser's note that a layout takes one more frame. Nothing is wrong.
  if (message.startsWith("ResizeObserver loop")) return;
  showError(error ?? message);
}, true);
