import { assertEquals } from "@std/assert";
import { noBrowser, openPage } from "./browser.ts";
import { serveStreaming } from "./streaming.ts";

Deno.test({
  name: `The dashboards of streaming.ts show the feed as it comes${noBrowser}`,
  ignore: noBrowser !== "",
  async fn() {
    await using example = await serveStreaming(0);
    await using browser = await openPage(example.url);
    const { page } = browser;
    const viewers = page.locator("perspective-viewer");
    assertEquals(await viewers.count(), 3);
    for (let i = 0; i < 3; i++) {
      const body = viewers.nth(i).locator("regular-table tbody");
      await body.locator("td").first().waitFor();
      const before = await body.textContent() ?? "";
      // Another text than that, without a reload.
      const row = body.filter({ hasNotText: before });
      await row.waitFor();
    }
    assertEquals(browser.errors, []);
  },
});
