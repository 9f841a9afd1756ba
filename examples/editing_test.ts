import { assertEquals } from "@std/assert";
import { noBrowser, openPage } from "./browser.ts";
import { serveEditing } from "./editing.ts";

Deno.test({
  name:
    `Two browsers edit the table of editing.ts, and see each other's edits${noBrowser}`,
  ignore: noBrowser !== "",
  async fn() {
    await using example = await serveEditing(0);
    await using ada = await openPage(example.url);
    await using alan = await openPage(example.url);
    const cell = ({ page }: typeof ada, row: number, column: number) =>
      page.locator("regular-table tbody tr").nth(row).locator("td").nth(column);
    /** Types into a cell, as a user does. */
    const type = async (browser: typeof ada, row: number, text: string) => {
      await cell(browser, row, 1).click();
      await browser.page.keyboard.press("Control+A");
      await browser.page.keyboard.type(text);
      await browser.page.keyboard.press("Enter");
    };
    await type(ada, 0, "Book two rooms");
    await cell(alan, 0, 1).getByText("Book two rooms").waitFor();
    await type(alan, 2, "Invite all");
    await cell(ada, 2, 1).getByText("Invite all").waitFor();
    // The other columns of these rows are as they were.
    const row = ada.page.locator("regular-table tbody tr").first();
    assertEquals(await row.locator("td").allInnerTexts(), [
      ...["1", "Book two rooms", "Ada", "1"],
    ]);
    assertEquals([ada.errors, alan.errors], [[], []]);
  },
});
