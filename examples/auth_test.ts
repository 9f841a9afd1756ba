import { assertEquals, assertMatch } from "@std/assert";
import { serveAuth } from "./auth.ts";
import { noBrowser, openPage } from "./browser.ts";

/** Sends a form as a page of `url` does, or as one of `origin`. */
async function post(
  url: string,
  path: string,
  form: Record<string, string>,
  { cookie = "", origin = new URL(url).origin } = {},
) {
  const response = await fetch(new URL(path, url), {
    method: "POST",
    redirect: "manual",
    headers: { origin, cookie },
    body: new URLSearchParams(form),
  });
  await response.body?.cancel();
  const { status, headers } = response;
  return {
    status,
    location: headers.get("location"),
    cookie: headers.get("set-cookie") ?? "",
  };
}

/** The cookie of somebody who logs in. */
async function logIn(url: string, user: string): Promise<string> {
  const { cookie } = await post(url, "/login", credentials(user));
  return cookie.split(";", 1)[0]!;
}

function credentials(user: string) {
  return { user, password: `${user}-pass` };
}

/** Opens a WebSocket with a cookie; resolves when it has closed. */
function connect(url: string, cookie: string) {
  const socket = new WebSocket(`${url.replace("http", "ws")}websocket`, {
    headers: { cookie },
  });
  const opened = Promise.withResolvers<boolean>();
  const closed = new Promise<CloseEvent>((resolve) => {
    socket.onclose = (event) => {
      opened.resolve(false);
      resolve(event);
    };
  });
  socket.onopen = () => opened.resolve(true);
  return { opened: opened.promise, closed };
}

Deno.test("auth.ts lets in who has the password, with a cookie for pages only", async () => {
  await using example = await serveAuth(0);
  const { url } = example;
  const wrong = { status: 303, location: "/login#wrong", cookie: "" };
  for (
    const form of [
      { user: "vera", password: "edgar-pass" },
      { user: "nobody", password: "nobody-pass" },
      { user: "vera" },
    ]
  ) assertEquals(await post(url, "/login", form as never), wrong);
  const { status, location, cookie } = await post(
    url,
    "/login",
    credentials("vera"),
  );
  assertEquals([status, location], [303, "/"]);
  assertMatch(
    cookie,
    /^session=[\w-]{43}; HttpOnly; SameSite=Strict; Path=\/; /,
  );
  assertEquals(await connect(url, "").opened, false);
  assertEquals(await connect(url, "session=none").opened, false);
  const [value] = cookie.split(";", 1);
  const socket = connect(url, value!);
  assertEquals(await socket.opened, true);
  await post(url, "/logout", {}, { cookie: value! });
  assertEquals((await socket.closed).reason, "logged out");
  assertEquals(await connect(url, value!).opened, false);
});

Deno.test("auth.ts changes roles for editors only, and closes what is open", async () => {
  await using example = await serveAuth(0);
  const { url, handler } = example;
  const vera = await logIn(url, "vera");
  const edgar = await logIn(url, "edgar");
  const form = { user: "vera", role: "editor" };
  const change = async (cookie: string, origin?: string) =>
    (await post(url, "/role", form, { cookie, ...origin && { origin } }))
      .status;
  assertEquals(await change(vera), 403);
  assertEquals(await change(""), 403);
  assertEquals(await change(edgar, "http://elsewhere.example"), 403);

  const socket = connect(url, vera);
  await socket.opened;
  const [connection] = handler.sessions();
  assertEquals(connection!.access.may("update", "inventory"), false);
  assertEquals(await change(edgar), 303);
  // At once: what it had asked when it was closed is judged by that, too.
  assertEquals(connection!.access.may("update", "inventory"), true);
  const { code, reason } = await socket.closed;
  assertEquals([code, reason], [4001, "your role has changed"]);
});

Deno.test({
  name:
    `The page of auth.ts shows who is logged in, and goes by the role${noBrowser}`,
  ignore: noBrowser !== "",
  async fn(t) {
    await using example = await serveAuth(0);
    await using browser = await openPage(example.url, async (page) => {
      await page.getByLabel("name").fill("vera");
      await page.getByLabel("password").fill("wrong");
      await page.getByRole("button").click();
      await page.getByText("not the password").waitFor();
      await page.getByLabel("name").fill("vera");
      await page.getByLabel("password").fill("vera-pass");
      await page.getByRole("button").click();
    });
    const { page, restore } = browser;
    const table = await example.server.newLocalClient()
      .open_table("inventory");
    const view = await table.view({ columns: ["stock"] });
    const stock = page.locator("regular-table tbody tr").first().locator("td")
      .last();
    /** What the page can do through its own connection. */
    const update = (value: number) =>
      page.evaluate(`(async () => {
        const table = await document.querySelector("perspective-viewer").getTable();
        return await table.update([{ id: 1, stock: ${value} }])
          .then(() => "done", (error) => error.message ?? String(error));
      })()`);

    await t.step("a viewer can't change anything", async () => {
      await page.getByText("vera, viewer").waitFor();
      assertMatch(`${await update(99)}`, /Access denied/);
      assertEquals(await view.to_columns(), { stock: [12, 4, 31] });
    });

    await t.step(
      "an editor can, with the layout that the page had",
      async () => {
        await restore({ columns: ["item", "stock"] });
        example.setRole("vera", "editor");
        await page.getByText("vera, editor").waitFor();
        await page.locator("#state[data-state=connected]").waitFor();
        await stock.getByText("12", { exact: true }).waitFor();
        assertEquals(await page.locator("thead th:visible").count(), 2);
        assertEquals(await update(13), "done");
        await stock.getByText("13", { exact: true }).waitFor();
        assertEquals(browser.errors, []);
      },
    );

    await t.step("who logs out sees the login, in all tabs", async () => {
      const tab = await page.context().newPage();
      await tab.goto(example.url);
      await tab.getByText("vera, editor").waitFor();
      await page.getByRole("button", { name: "log out" }).click();
      await page.getByLabel("password").waitFor();
      await tab.getByLabel("password").waitFor();
    });
    await view.delete();
  },
});
