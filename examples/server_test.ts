import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { frame, makeView, parts } from "../src/testing/frames.ts";
import { noBrowser, openPage } from "./browser.ts";
import { serveExample } from "./server.ts";

const PROGRAM = fileURLToPath(import.meta.resolve("./server.ts"));
const ENGINES = ["3.8.0", "5.5.1"] as const;

// -- The command line --

/** The example as a child process. */
function command(args: string[]): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", PROGRAM, ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  });
}

/** Kills a process that doesn't end; without that, a test wouldn't either. */
function watch(child: Deno.ChildProcess): Disposable {
  const timer = setTimeout(() => child.kill("SIGKILL"), 20_000);
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}

/** Runs the example to its end. */
async function run(...args: string[]) {
  const child = command(args).spawn();
  using _ = watch(child);
  const { code, stdout, stderr } = await child.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** Asserts that the example ends with one line that says why. */
async function assertRefused(args: string[], line: RegExp): Promise<void> {
  const { code, stdout, stderr } = await run(...args);
  assertMatch(stderr, line);
  assertEquals(stderr.split("\n").length, 1, stderr);
  assertEquals([code, stdout], [1, ""]);
}

Deno.test("server.ts --help names every option", async () => {
  const { code, stdout, stderr } = await run("--help");
  assertEquals([code, stderr], [0, ""]);
  const names = ["port", "hostname", "engine", "workers", "isolation", "file"];
  for (const name of [...names, "help"]) {
    assertStringIncludes(stdout, `--${name}`);
  }
});

Deno.test("server.ts refuses an option that it doesn't know", async () => {
  await assertRefused(["--prot", "80"], /^Unknown option '--prot'.*--help/);
  await assertRefused(["8080"], /^Unexpected argument '8080'.*--help/);
});

Deno.test("server.ts refuses a value that it doesn't know", async () => {
  await assertRefused(["--port", "65536"], /--port .*"65536" \(see --help\)$/);
  await assertRefused(["--port=-1"], /--port .*"-1" \(see --help\)$/);
  await assertRefused(
    ["--engine", "4"],
    /3\.8\.0 or 5\.5\.1, received "4" \(see --help\)$/,
  );
  await assertRefused(
    ["--workers", "many"],
    /--workers .*"many" \(see --help\)$/,
  );
  await assertRefused(
    ["--isolation", "thread"],
    /--isolation must be worker or process, received "thread" \(see --help\)$/,
  );
  await assertRefused(
    ["--isolation", "process", "--workers", "0"],
    /--isolation process needs --workers 1 or more, received "0"/,
  );
});

Deno.test("server.ts refuses a file that isn't there", async () => {
  await assertRefused(
    ["--file", "none.csv"],
    /^Cannot serve "none.csv": there is no such file$/,
  );
});

Deno.test("server.ts refuses a port that is in use", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  await assertRefused(
    ["--port", `${port}`],
    new RegExp(`^Cannot listen on 127.0.0.1:${port}: the port is in use$`),
  );
});

// -- Stopping --

/** Starts the example in a process; resolves when it has told its address. */
async function start(...args: string[]) {
  const child = command(["--port", "0", ...args]).spawn();
  const watched = watch(child);
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const stderr = new Response(child.stderr).text();
  /** Resolves when it has ended; its output must be at its end, too. */
  const ended = async () => {
    while (!(await reader.read()).done);
    return { ...await child.status, stderr: await stderr };
  };
  let stdout = "";
  let url: string | undefined;
  while (!url) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`No address: ${stdout}${await stderr}`);
    stdout += value;
    url = /http:\/\/\S+\/(?=\s)/.exec(stdout)?.[0];
  }
  return {
    child,
    url,
    ended,
    /** Leaves no process behind when a test fails. */
    async [Symbol.asyncDispose]() {
      watched[Symbol.dispose]();
      try {
        child.kill("SIGKILL");
      } catch {
        return; // It has ended.
      }
      await ended();
    },
  };
}

/** Tests that the example, with `args`, ends as it should. */
function testGoodbye(signal: "SIGINT" | "SIGTERM", ...args: string[]): void {
  Deno.test({
    name: `server.ts ${args.join(" ")} says goodbye at ${signal}`,
    ignore: Deno.build.os === "windows",
    async fn() {
      await using program = await start(...args);
      const { child, url, ended } = program;
      const socket = new WebSocket(`${url.replace("http", "ws")}websocket`);
      // If it can't be opened, that ends in a close event, too.
      const closed = new Promise<CloseEvent>((resolve) => {
        socket.onclose = resolve;
      });
      socket.onopen = () => child.kill(signal);
      const { code: closeCode, reason } = await closed;
      // The reason, too: Deno.serve has a 1001 of its own, with another one.
      assertEquals([closeCode, reason], [1001, "server is shutting down"]);
      const { code, stderr } = await ended();
      assertEquals([code, stderr], [0, ""]);
    },
  });
}

for (const engine of ENGINES) {
  testGoodbye("SIGINT", "--engine", engine, "--workers", "0");
  // Workers end, too.
  testGoodbye("SIGTERM", "--engine", engine, "--workers", "3");
}
testGoodbye("SIGINT", "--isolation", "process", "--workers", "2");

Deno.test({
  name: "server.ts answers what is under way at SIGTERM, and says so",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using program = await start("--workers", "1");
    const { child, url, ended } = program;
    const health = await fetch(`${url}healthz`);
    assertEquals([health.status, (await health.json()).status], [200, "ok"]);
    const socket = new WebSocket(`${url.replace("http", "ws")}websocket`);
    socket.binaryType = "arraybuffer";
    const kinds: number[] = [];
    const closed = new Promise<CloseEvent>((resolve) => {
      socket.onclose = resolve;
    });
    socket.onmessage = ({ data }) => {
      // The others are under way.
      if (kinds.push(parts(new Uint8Array(data)).kind) === 2) {
        child.kill("SIGTERM");
      }
    };
    socket.onopen = () => {
      const table = "data_source_one";
      socket.send(frame(1, table, 8));
      socket.send(frame(2, table, 6, makeView("v")));
      for (let i = 3; i < 8; i++) socket.send(frame(i, "v", 24));
    };
    assertEquals((await closed).code, 1001);
    assertEquals(kinds, [8, 6, 24, 24, 24, 24, 24]);
    const { code, stderr } = await ended();
    assertEquals([code, stderr], [0, ""]);
  },
});

Deno.test({
  name: "server.ts ends at once at the second Ctrl-C",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using program = await start();
    const { child, url, ended } = program;
    // A peer that never answers the close frame holds up the first Ctrl-C.
    const { hostname, port } = new URL(url);
    using peer = await Deno.connect({ hostname, port: Number(port) });
    const handshake = [
      "GET /websocket HTTP/1.1",
      `Host: ${hostname}:${port}`,
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ].join("\r\n");
    await peer.write(new TextEncoder().encode(`${handshake}\r\n\r\n`));
    const buffer = new Uint8Array(1024);
    const read = async () => buffer.subarray(0, await peer.read(buffer) ?? 0);
    assertMatch(new TextDecoder().decode(await read()), /^HTTP\/1.1 101 /);

    child.kill("SIGINT");
    const frame = await read();
    assertEquals([...frame.subarray(0, 1), ...frame.subarray(2, 4)], [
      0x88, // a close frame
      ...[0x03, 0xe9], // 1001
    ]);
    child.kill("SIGINT");
    assertEquals((await ended()).code, 130);
  },
});

// -- Data --

/** A file with a text, deleted at the end. */
async function fileWith(name: string, text: string) {
  const dir = await Deno.makeTempDir();
  const path = join(dir, name);
  await Deno.writeTextFile(path, text);
  return {
    path,
    [Symbol.asyncDispose]: () => Deno.remove(dir, { recursive: true }),
  };
}

Deno.test("serveExample() serves the superstore data set", async () => {
  await using example = await serveExample({ port: 0 });
  assertEquals(await example.table.get_name(), "data_source_one");
  assertEquals(await example.table.size(), 9994);
  assertEquals((await example.table.columns()).length, 21);
  assertEquals(example.url, `http://127.0.0.1:${example.http.addr.port}/`);
});

for (
  const [name, text] of [
    ["data.csv", "a,b\n1,x\n2,y\n"],
    ["data.json", '[{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]'],
    ["columns.JSON", '{"a": [1, 2], "b": ["x", "y"]}'],
    ["data.ndjson", '{"a": 1, "b": "x"}\n{"a": 2, "b": "y"}\n'],
  ] as const
) {
  Deno.test(`serveExample() serves a file like ${name}`, async () => {
    await using file = await fileWith(name, text);
    await using example = await serveExample({ port: 0, file: file.path });
    assertEquals(await example.table.get_name(), "data_source_one");
    const view = await example.table.view();
    assertEquals(await view.to_json(), [{ a: 1, b: "x" }, { a: 2, b: "y" }]);
    await view.delete();
  });
}

Deno.test("serveExample() refuses a file that holds something else", async () => {
  for (
    const [name, text, reason] of [
      ["data.txt", "a\n1\n", "must end in one of .arrow, .csv, .json, .ndjson"],
      ["data.json", "{nonsense", "JSON"],
      ["data.ndjson", "nonsense", "must have a column"],
      ["data.arrow", "nonsense", "Invalid"],
      ["data.csv", "", "Empty CSV"],
    ] as const
  ) {
    await using file = await fileWith(name, text);
    const error = await assertRejects(
      () => serveExample({ port: 0, file: file.path }),
      Error,
      reason,
    );
    assertStringIncludes(error.message, name);
  }
});

// -- Engines that are lost --

/** The processes with an engine, of this program. Linux only. */
function engineProcesses(): number[] {
  const parent = new RegExp(`^PPid:\\s${Deno.pid}$`, "m");
  return [...Deno.readDirSync("/proc")].filter(({ name }) => {
    try {
      return parent.test(Deno.readTextFileSync(`/proc/${name}/status`)) &&
        Deno.readTextFileSync(`/proc/${name}/cmdline`).includes("worker.ts");
    } catch {
      return false; // It is no process, or has ended.
    }
  }).map(({ name }) => Number(name));
}

/** Calls `ask` until it says yes. */
async function until(ask: () => boolean): Promise<void> {
  const end = performance.now() + 20_000;
  while (!ask()) {
    assert(performance.now() < end, "It takes too long");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

Deno.test({
  name: "serveExample() goes on, or loads again, when its processes are killed",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const isolation = "process";
    await using example = await serveExample({
      port: 0,
      isolation,
      workers: 2,
    });
    const { server, table } = example;
    const [first] = engineProcesses();
    Deno.kill(first!, "SIGKILL");
    await table.update([{ "Row ID": 10_000 }]);
    assertEquals(await table.size(), 9995);
    await until(() => server.stats().recovery.replaced === 1);
    assertEquals(await table.size(), 9995);

    for (const pid of engineProcesses()) Deno.kill(pid, "SIGKILL");
    await until(() => example.table !== table && server.lost === undefined);
    assertEquals(await example.table.size(), 9994);
    assertEquals(engineProcesses().length, 2);
  },
});

// -- In the browser --

for (
  const [engine, workers] of [["3.8.0", 0], ["3.8.0", 3], ["5.5.1", 0]] as const
) {
  const how = `${engine}${workers === 0 ? "" : `, ${workers} workers`}`;
  Deno.test({
    name: `The page shows the table on ${how}${noBrowser}`,
    ignore: noBrowser !== "",
    async fn(t) {
      await using example = await serveExample({ port: 0, engine, workers });
      await using browser = await openPage(example.url);
      const { page, restore } = browser;
      const cells = page.locator("regular-table tbody tr").first();

      await t.step("rows in the datagrid", async () => {
        const row = (await cells.locator("td").allInnerTexts()).slice(0, 9);
        assertEquals(row, [
          ...["1", "CA-2016-152156", "11/8/16", "11/11/16", "Second Class"],
          ...["CG-12520", "Claire Gute", "Consumer", "United States"],
        ]);
      });

      await t.step("an update of the table, without a reload", async () => {
        await restore({ sort: [["Row ID", "desc"]] });
        await cells.getByText("9,994", { exact: true }).waitFor();
        await example.table.update([{
          "Row ID": 10_000,
          "Customer Name": "Ada Lovelace",
        }]);
        await cells.getByText("10,000", { exact: true }).waitFor();
        await cells.getByText("Ada Lovelace").waitFor();
      });

      await t.step("the style of a number column", async () => {
        // It asks the server for the column's greatest value.
        await restore({
          columns: ["Sales", "Profit"],
          columns_config: { Sales: { number_bg_mode: "gradient" } },
        });
        await page.locator("#psp-column-edit-buttons th").first().click();
        await page.waitForFunction(`
          document.querySelector("perspective-viewer").shadowRoot
            .querySelector("#style-tab .row:has(#max-value-label) input")
            ?.value === "22638.48"
        `);
      });

      await t.step("a chart", async () => {
        await restore({
          plugin: "Y Bar",
          group_by: ["Category"],
          columns: ["Sales"],
          sort: [],
          filter: [["Category", "is not null", null]],
        });
        const chart = page.locator("perspective-viewer-d3fc-ybar");
        await chart.locator("g.bar").nth(2).waitFor();
        assertEquals(
          await chart.locator(".x-axis .tick text").allTextContents(),
          ["Furniture", "Office Supplies", "Technology"],
        );
        const heights = await chart.locator("g.bar").evaluateAll((bars) =>
          bars.map((bar) => bar.getBoundingClientRect().height)
        );
        assert(heights.every((height) => height > 100), `${heights}`);
      });

      await t.step("no error, and nothing from elsewhere", () => {
        assertEquals(browser.errors, []);
        assertEquals([...browser.origins], [new URL(example.url).origin]);
      });
    },
  });
}

Deno.test({
  name: `The page comes back as it was after a restart${noBrowser}`,
  ignore: noBrowser !== "",
  async fn() {
    const first = await serveExample({ port: 0 });
    const { port } = first.http.addr;
    await using browser = await openPage(first.url);
    const { page, restore } = browser;
    await restore({ group_by: ["Category"], columns: ["Quantity"] });
    await page.getByText("Office Supplies").waitFor();

    await first.shutdown();
    await page.getByText("connection lost").waitFor();
    await page.getByRole("link", { name: "reload" }).waitFor();

    await using second = await serveExample({ port });
    await page.getByText("connected", { exact: true }).waitFor();
    await second.table.update([{ Category: "Zithers", Quantity: 7 }]);
    await page.getByText("Zithers").waitFor();
    assertEquals(await page.getByRole("alert").isVisible(), false);
  },
});

Deno.test({
  name: `The page goes on when engines are killed${noBrowser}`,
  ignore: noBrowser !== "" || Deno.build.os !== "linux",
  async fn() {
    const isolation = "process";
    await using example = await serveExample({
      port: 0,
      isolation,
      workers: 2,
    });
    const { server, table } = example;
    await using browser = await openPage(example.url);
    const { page, restore } = browser;
    await restore({ group_by: ["Category"], columns: ["Quantity"] });
    // One after the other, the one with the page's view among them.
    for (const [i, pid] of engineProcesses().entries()) {
      Deno.kill(pid, "SIGKILL");
      await table.update([{ Category: `Zithers ${i}`, Quantity: 7 }]);
      await page.getByText(`Zithers ${i}`).waitFor();
      await until(() => server.stats().recovery.replaced > i);
    }
    assertEquals(browser.errors, []);
  },
});

Deno.test({
  name: `Tabs that show the same share a view, also after a reload${noBrowser}`,
  ignore: noBrowser !== "",
  async fn() {
    await using example = await serveExample({ port: 0, workers: 3 });
    const { server, table } = example;
    await using browser = await openPage(example.url);
    await using other = await openPage(example.url);
    const pages = [browser.page, other.page];
    for (const { restore } of [browser, other]) {
      await restore({ group_by: ["Category"], columns: ["Quantity"] });
    }
    for (const page of pages) await page.getByText("Technology").waitFor();
    const { views } = server.stats();
    assertEquals(views, 2);
    await table.update([{ Category: "Zithers", Quantity: 7 }]);
    for (const page of pages) await page.getByText("Zithers").waitFor();
    const { engineViews, lingeringViews, reads, pushes } = server.stats();
    // What they showed at first lingers.
    assertEquals([engineViews, lingeringViews], [2, 1]);
    assert(reads.remembered > 0 && pushes.sent > pushes.computed);

    await other.page.reload();
    await other.page.getByText("Row ID").first().waitFor();
    const after = server.stats();
    assertEquals([after.engineViews, after.lingeringViews], [2, 0]);
  },
});

Deno.test({
  name: `The page says what it can't load${noBrowser}`,
  ignore: noBrowser !== "",
  async fn() {
    await using example = await serveExample({ port: 0 });
    await using browser = await openPage(example.url);
    const { page } = browser;
    await page.route("**/perspective-viewer-d3fc.js", (route) => route.abort());
    await page.reload();
    await page.getByRole("alert").getByText("Cannot load").waitFor();
    await page.getByText("not loaded").waitFor();
    await page.getByRole("button", { name: "dismiss" }).click();
    assertEquals(await page.getByRole("alert").isVisible(), false);
  },
});
