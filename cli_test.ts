/**
 * The command as somebody uses it: in a process of its own, with the page in a
 * browser.
 */
import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import type { BinaryWriter } from "@bufbuild/protobuf/wire";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import config from "./deno.json" with { type: "json" };
import { CHROMIUM, hasChromium, openPage } from "./examples/browser.ts";
import { Kind } from "./src/protocol/kinds.ts";
import { arrowOf, Folder, parquetOf } from "./src/testing/files.ts";
import { frame, parts } from "./src/testing/frames.ts";

const PROGRAM = fileURLToPath(import.meta.resolve("./cli.ts"));

const noBrowser = hasChromium()
  ? ""
  : ` (ignored: no browser at ${CHROMIUM}, the variable CHROMIUM names another)`;

/** The command in a process. */
class Program implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;
  readonly #stdout: Stream;
  readonly #stderr: Stream;
  /** Without it, a process that doesn't end would keep the test. */
  readonly #timer: ReturnType<typeof setTimeout>;

  constructor(...args: string[]) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "-A", PROGRAM, ...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      env: { NO_COLOR: "1" },
    }).spawn();
    this.#stdin = this.#child.stdin.getWriter();
    this.#stdout = new Stream(this.#child.stdout);
    this.#stderr = new Stream(this.#child.stderr);
    this.#timer = setTimeout(() => this.#kill("SIGKILL"), 60_000);
  }

  /** The address of the page, when it is told. */
  async url(): Promise<string> {
    const [url] = await this.#stdout.match(/http:\S+(?= \()/) ?? [];
    if (url === undefined) throw new Error(await this.#stderr.all());
    return url;
  }

  /** Waits until it says something on stderr. */
  async said(pattern: RegExp): Promise<void> {
    assert(await this.#stderr.match(pattern), `It never said ${pattern}`);
  }

  /** Writes to its standard input. */
  write(text: string): Promise<void> {
    return this.#stdin.write(new TextEncoder().encode(text));
  }

  /** Sends a signal. */
  stop(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** Waits for its end. */
  async ended() {
    const [stdout, stderr] = await Promise.all([
      this.#stdout.all(),
      this.#stderr.all(),
    ]);
    const { code } = await this.#child.status;
    clearTimeout(this.#timer);
    return { code, stdout: stdout.trim(), stderr: stderr.trim() };
  }

  /** Leaves no process behind when a test fails. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#kill("SIGKILL");
    await this.ended();
    await this.#stdin.close().catch(() => {});
  }

  #kill(signal: Deno.Signal): void {
    try {
      this.#child.kill(signal);
    } catch {
      // It has ended.
    }
  }
}

/** What a process writes, so far. */
class Stream {
  #text = "";
  readonly #reader: ReadableStreamDefaultReader<string>;

  constructor(stream: ReadableStream<Uint8Array<ArrayBuffer>>) {
    this.#reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Reads on until it matches, or to the end. */
  async match(pattern: RegExp): Promise<RegExpExecArray | null> {
    for (;;) {
      const match = pattern.exec(this.#text);
      if (match) return match;
      const { value, done } = await this.#reader.read();
      if (done) return null;
      this.#text += value;
    }
  }

  async all(): Promise<string> {
    await this.match(/(?!)/);
    return this.#text;
  }
}

async function runToEnd(...args: string[]) {
  await using program = new Program(...args);
  return await program.ended();
}

/** Asks the tables of a page something. */
async function ask(page: string, request: Uint8Array): Promise<Uint8Array> {
  const url = new URL("websocket", page);
  url.search = new URL(page).search;
  const socket = new WebSocket(url.href.replace("http", "ws"));
  socket.binaryType = "arraybuffer";
  const closed = new Promise((resolve) => socket.onclose = resolve);
  const answer = new Promise<Uint8Array>((resolve, reject) => {
    socket.onmessage = ({ data }) => resolve(new Uint8Array(data));
    socket.onerror = () => reject(new Error("It can't be opened"));
  });
  socket.onopen = () => socket.send(request.slice());
  try {
    return await answer;
  } finally {
    socket.close();
    await closed;
  }
}

// -- The command line --

Deno.test("cli.ts --help and --version", async () => {
  const help = await runToEnd("--help");
  assertEquals([help.code, help.stderr], [0, ""]);
  assertStringIncludes(help.stdout, "--allow-net");
  const version = await runToEnd("--version");
  assertEquals(version, { code: 0, stdout: config.version, stderr: "" });
});

Deno.test("cli.ts ends with 2 for a mistake on the command line", async () => {
  for (
    const [args, line] of [
      [["--prot", "80", "a.csv"], /^Unknown option '--prot'.*\(see --help\)$/],
      [["none.csv"], /^none.csv: there is no such file$/],
    ] as const
  ) {
    const { code, stdout, stderr } = await runToEnd(...args);
    assertMatch(stderr, line);
    assertEquals([code, stdout], [2, ""]);
  }
});

Deno.test("cli.ts ends with 1 if no file can be served", async () => {
  await using folder = new Folder();
  const paths = [
    folder.write("a.csv", "a,b\n1,2\n1,2,3\n"),
    folder.write("b.ndjson", '{"a": 1}\n{"a":\n'),
  ];
  const { code, stdout, stderr } = await runToEnd("--workers", "0", ...paths);
  assertEquals([code, stdout], [1, ""]);
  const [first, second, ...more] = stderr.split("\n");
  assertEquals(
    first,
    `${paths[0]}: row 2: it has 3 cells, the header 2, at byte 8`,
  );
  assertMatch(second!, /b\.ndjson: line 2: .* at byte \d+$/);
  assertEquals(more, []);
});

// -- Files on the screen --

Deno.test({
  name: `cli.ts shows files of every format${noBrowser}`,
  ignore: noBrowser !== "",
  async fn(t) {
    await using folder = new Folder();
    const columns = (name: string) => ({
      a: new Float64Array([1, 2]),
      b: [name, "other"],
    });
    const bad = folder.write("bad.csv", "a,b\n1\n");
    await using program = new Program(
      ...["--port", "0", "--token", "--workers", "2"],
      folder.write("sales.csv", "a,b\n1,of CSV\n2,other\n"),
      folder.write("trades.arrow", arrowOf(columns("of Arrow"), "stream")),
      folder.write("file.arrow", arrowOf(columns("of a file"), "file")),
      folder.write("rows.json", '[{"a": 1, "b": "of rows"}, {"a": 2}]'),
      folder.write("columns.json", '{"a": [1, 2], "b": ["of columns", ""]}'),
      folder.write("events.ndjson", '{"a": 1, "b": "of NDJSON"}\n{"a": 2}\n'),
      folder.write(
        "positions.parquet",
        parquetOf([
          { name: "a", data: [1, 2], type: "INT32" },
          { name: "b", data: ["of Parquet", null], type: "STRING" },
        ]),
      ),
      bad,
    );
    const url = await program.url();
    assertMatch(url, /^http:\/\/127\.0\.0\.1:\d+\/\?token=[\w-]{32}$/);
    await using browser = await openPage(url);
    const { page, restore } = browser;
    const shows = (text: string) =>
      page.locator("regular-table td").getByText(text, { exact: true })
        .first().waitFor();

    await t.step("each by its name", async () => {
      await shows("of CSV");
      for (
        const [name, text] of [
          ["trades", "of Arrow"],
          ["file", "of a file"],
          ["rows", "of rows"],
          ["columns", "of columns"],
          ["events", "of NDJSON"],
          ["positions", "of Parquet"],
        ] as const
      ) {
        await page.getByRole("link", { name, exact: true }).click();
        await shows(text);
      }
      assertEquals(await page.locator("#tables a").count(), 7);
      const folderOfPictures = Deno.env.get("PERSPECTIVE_SCREENSHOTS");
      const path = join(folderOfPictures ?? folder.path, "cli.png");
      await page.screenshot({ path });
      assert(Deno.statSync(path).size > 0);
    });

    await t.step("with a layout that a reload keeps", async () => {
      await restore({ group_by: ["b"], columns: ["a"] });
      await page.waitForURL(/table=positions.*group_by/);
      await page.reload();
      await page.locator("regular-table th").getByText("of Parquet").waitFor();
      await page.locator("#state[data-state=connected]").waitFor();
      const saved = await page.evaluate(
        `document.querySelector("perspective-viewer").save()`,
      ) as { group_by: string[]; columns: string[] };
      assertEquals([saved.group_by, saved.columns], [["b"], ["a"]]);
    });

    await t.step("and the way back", async () => {
      await page.getByRole("link", { name: "sales" }).click();
      await shows("of CSV");
      await page.goBack();
      await page.locator("regular-table th").getByText("of Parquet").waitFor();
    });

    await t.step("for reading only", async () => {
      const change = frame(
        1,
        "sales",
        Kind.TABLE_UPDATE,
        (it: BinaryWriter) =>
          it.tag(1, 2).fork().tag(2, 2).string("a,b\n3,new\n").join(),
      );
      assertEquals(parts(await ask(url, change)).kind, 50);
    });

    await t.step("without an error, and says what is bad", async () => {
      assertEquals(browser.errors, []);
      assertEquals([...browser.origins], [new URL(url).origin]);
      program.stop("SIGTERM");
      const { code, stderr } = await program.ended();
      assertEquals([code, stderr], [
        0,
        `${bad}: row 1: it has 1 cells, the header 2, at byte 4`,
      ]);
      await page.getByText("connection lost").waitFor();
    });
  },
});

Deno.test({
  name: `cli.ts --watch --editable shows what changes${noBrowser}`,
  ignore: noBrowser !== "",
  async fn(t) {
    await using folder = new Folder();
    const path = folder.write("log.csv", "a,b\n1,first\n");
    await using program = new Program(
      ...["--port", "0", "--workers", "0", "--watch", "--editable", path],
    );
    const url = await program.url();
    await using browser = await openPage(url);
    const { page } = browser;

    await t.step("a row that is appended", async () => {
      folder.append("log.csv", "2,second\n");
      await page.getByText("second").waitFor();
    });

    await t.step("a row that a client sends", async () => {
      const change = frame(
        1,
        "log",
        Kind.TABLE_UPDATE,
        (it: BinaryWriter) =>
          it.tag(1, 2).fork().tag(2, 2).string("a,b\n3,sent\n").join(),
      );
      assertEquals(parts(await ask(url, change)).kind, Kind.TABLE_UPDATE);
      await page.getByText("sent").waitFor();
    });

    await t.step("other rows", async () => {
      folder.write("log.csv", "a,b\n4,other\n");
      await page.getByText("other", { exact: true }).waitFor();
      assertEquals(await page.getByText("second").count(), 0);
    });

    await t.step("nothing of a file that is bad", async () => {
      folder.write("log.csv", "a,b\n4\n");
      await program.said(/row 1: it has 1 cells/);
      await page.getByText("other", { exact: true }).waitFor();
    });

    await t.step("other columns, by connecting again", async () => {
      folder.write("log.csv", "c,d\nwords,0.5\n");
      await page.getByText("words").waitFor();
      await page.locator("#state[data-state=connected]").waitFor();
    });
  },
});

Deno.test({
  name: `cli.ts - shows standard input as it comes${noBrowser}`,
  ignore: noBrowser !== "",
  async fn() {
    await using program = new Program("--port", "0", "--workers", "0", "-");
    const url = await program.url();
    await program.write('{"a": 1, "b": "first"}\n');
    await using browser = await openPage(url);
    const { page } = browser;
    await page.getByText("first", { exact: true }).waitFor();
    await program.write('{"a": 2.5, "b": "second"}\n{"a":');
    await page.getByText("second").waitFor();
    await program.write(' 3, "b": "third"}\n');
    await page.getByText("third").waitFor();
    program.stop("SIGINT");
    const { code, stderr } = await program.ended();
    assertEquals([code, stderr], [0, ""]);
  },
});
