/**
 * Takes the picture of the example page that the README shows.
 *
 * ```sh
 * deno run -A examples/screenshot.ts
 * ```
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { openPage } from "./browser.ts";
import { serveExample } from "./server.ts";

const PICTURE = fileURLToPath(
  import.meta.resolve("../docs/images/page.png"),
);

if (import.meta.main) {
  await using example = await serveExample({ port: 0 });
  await using browser = await openPage(example.url);
  await browser.restore({
    plugin: "Y Bar",
    group_by: ["Sub-Category"],
    split_by: ["Region"],
    columns: ["Sales"],
    sort: [["Sales", "desc"]],
  });
  await browser.page.locator("g.bar").first().waitFor();
  await browser.page.screenshot({ path: PICTURE });
  console.log(PICTURE);
}
