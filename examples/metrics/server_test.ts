import { assert, assertEquals } from "@std/assert";
import { PerspectiveHandler, Server } from "../../mod.ts";
import { CHROMIUM, hasChromium, openPage } from "../browser.ts";
import { rowOf, TABLE } from "./feed.ts";
import { serveDashboard } from "./server.ts";

Deno.test("rowOf() says what has happened between two samples, by the second", async () => {
  await using server = new Server();
  await using handler = new PerspectiveHandler({ server });
  const client = server.newLocalClient();
  const table = await client.table({ x: [1] }, { name: "t" });
  const sample = (time: number) => ({
    time,
    server: server.stats(),
    handler: handler.stats(),
  });
  const before = sample(10_000);
  for (let i = 0; i < 4; i++) await table.update({ x: [i] });
  for (let i = 0; i < 6; i++) await table.size();
  const row = rowOf(before, sample(12_000));
  assertEquals(row.time, 12_000);
  assertEquals(row["changes/s"], 2);
  assertEquals([row["computed/s"], row["remembered/s"]], [
    0.5,
    2.5,
  ]);
  assertEquals(row["requests/s"], 5);
  assertEquals([row.connections, row.views, row.lag], [0, 0, 0]);
  assert(row["heaps MB"] > 1, `${row["heaps MB"]}`);
});

Deno.test("The dashboard's table gets a row at each interval", async () => {
  await using dashboard = await serveDashboard({ port: 0, intervalMs: 10 });
  const client = dashboard.server.newLocalClient();
  const table = await client.open_table(TABLE);
  const view = await table.view({ columns: ["time", "requests/s"] });
  await new Promise<void>((resolve) => {
    let updates = 0;
    view.on_update(() => ++updates === 3 && resolve());
  });
  const rows = await view.to_json() as Array<Record<string, number>>;
  assert(rows.length >= 3, `${rows.length} rows`);
  for (const [i, row] of rows.entries()) {
    assert(i === 0 || row["time"]! > rows[i - 1]!["time"]!);
  }
  await view.delete();
});

const noBrowser = hasChromium()
  ? ""
  : ` (ignored: no browser at ${CHROMIUM}, the variable CHROMIUM names another)`;

Deno.test({
  name: `The dashboard shows itself in a browser${noBrowser}`,
  ignore: noBrowser !== "",
  fn: async () => {
    await using dashboard = await serveDashboard({ port: 0, intervalMs: 100 });
    await using browser = await openPage(dashboard.url);
    const { page, errors, origins } = browser;
    await page.locator("#rates path.line").first().waitFor();
    await page.locator("#reads path.area").first().waitFor();
    assertEquals(errors, []);
    assertEquals([...origins], [new URL(dashboard.url).origin]);
    const { server } = dashboard;
    assertEquals(server.stats().sessions, 2);
    assert(server.stats().views >= 3);
  },
});
