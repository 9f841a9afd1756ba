import { assertEquals } from "@std/assert";
import { noBrowser, openPage } from "./browser.ts";
import { serveReplicated } from "./replicated.ts";

Deno.test({
  name:
    `The browser of replicated.ts computes for itself, on what the server sends${noBrowser}`,
  ignore: noBrowser !== "",
  async fn() {
    const first = await serveReplicated(0);
    const { port } = first.http.addr;
    await using browser = await openPage(first.url);
    const { page, restore } = browser;
    await restore({ group_by: ["floor"], columns: ["celsius"] });
    const rows = page.locator("regular-table tbody tr");
    await rows.getByText("ground").waitFor();
    // The replica's view, and no other: grouping is the browser's own matter.
    assertEquals(first.server.stats().views, 1);

    const update = [{ sensor: "roof", floor: "top", celsius: 3 }];
    await first.table.update(update);
    await rows.getByText("top").waitFor();
    assertEquals(browser.errors, []);

    // After a restart it has what the server has, with its layout.
    await first.shutdown();
    await page.getByText("connection lost").waitFor();
    await using second = await serveReplicated(port);
    await page.getByText("connected", { exact: true }).waitFor();
    await rows.getByText("ground").waitFor();
    assertEquals(await rows.getByText("top").count(), 0);
    await second.table.update(update);
    await rows.getByText("top").waitFor();
    assertEquals(second.server.stats().views, 1);
  },
});
