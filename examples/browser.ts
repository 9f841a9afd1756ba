/**
 * A headless Chromium for the tests and the screenshot.
 *
 * @module
 */
import { chromium, type Page } from "playwright-core";

/** The browser that is used; the environment variable `CHROMIUM` says another. */
export const CHROMIUM = Deno.env.get("CHROMIUM") ?? "/usr/bin/chromium";

/** Without a graphics card, and without calling home. */
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** A configuration of a `<perspective-viewer>`, or a part of one. */
export type ViewerConfig = Record<string, unknown>;

/** A page of the example with what went wrong on it. */
export interface OpenPage extends AsyncDisposable {
  /** The page. */
  readonly page: Page;
  /** What the page threw or logged as an error. */
  readonly errors: string[];
  /** The origins from which it asked for something. */
  readonly origins: Set<string>;
  /** Changes what the viewer shows; resolves when it shows that. */
  restore(config: ViewerConfig): Promise<void>;
}

/** Whether there is a browser at {@linkcode CHROMIUM}. */
export function hasChromium(): boolean {
  try {
    return Deno.statSync(CHROMIUM).isFile;
  } catch {
    return false;
  }
}

/** Why tests in the browser are ignored, for their names; empty if they aren't. */
export const noBrowser = hasChromium()
  ? ""
  : ` (ignored: no browser at ${CHROMIUM}, the variable CHROMIUM names another)`;

/**
 * Starts a browser with a profile of its own and opens a page in it; resolves
 * when a table is on the screen.
 *
 * @param before Done on the page before that, such as a login.
 */
export async function openPage(
  url: string,
  before?: (page: Page) => Promise<void>,
): Promise<OpenPage> {
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    headless: true,
    args: FLAGS,
  });
  try {
    // A context by its name, in which there can be more tabs.
    const context = await browser.newContext({
      viewport: { width: 1280, height: 800 },
    });
    const page = await context.newPage();
    page.setDefaultTimeout(10_000);
    const errors: string[] = [];
    const origins = new Set<string>();
    page.on("pageerror", (error) => errors.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error") errors.push(message.text());
    });
    page.on("request", (request) => {
      const { protocol, origin } = new URL(request.url());
      if (protocol !== "data:") origins.add(origin);
    });
    await page.goto(url);
    await before?.(page);
    await page.locator("#state[data-state=connected]").waitFor();
    await page.locator("regular-table td").first().waitFor();
    return {
      page,
      errors,
      origins,
      restore: async (config) => {
        // As text, since this side of the program has no types for the DOM.
        // Not evaluate(), which waits for ever if the server doesn't answer.
        await page.waitForFunction(
          `document.querySelector("perspective-viewer")
            .restore(${JSON.stringify(config)}).then(() => true)`,
        );
      },
      [Symbol.asyncDispose]: () => browser.close(),
    };
  } catch (error) {
    await browser.close();
    throw error;
  }
}
