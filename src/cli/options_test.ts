import {
  assert,
  assertEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { UsageError } from "./errors.ts";
import { type CliOptions, HELP, parseOptions } from "./options.ts";

function parse(...args: string[]): CliOptions {
  const options = parseOptions(args);
  assert(typeof options === "object");
  return options;
}

Deno.test("parseOptions() has defaults for all but the files", () => {
  assertEquals(parse("a.csv", "-"), {
    files: ["a.csv", "-"],
    engine: "npm:@finos/perspective@3.8.0",
    workers: undefined,
    host: "127.0.0.1",
    port: 8080,
    index: [],
    limit: undefined,
    watch: false,
    isEditable: false,
    token: undefined,
    open: false,
  });
});

Deno.test("parseOptions() takes a token with a value or without", () => {
  assertEquals(parse("a.csv", "--token").token, "");
  assertEquals(parse("--token", "--watch", "a.csv").token, "");
  assertEquals(parse("a.csv", "--token", "-").token, "");
  assertEquals(parse("--token", "x", "a.csv").token, "x");
  assertEquals(parse("--token=--x", "a.csv").token, "--x");
  // Behind "--" there are only files.
  assertEquals(parse("--", "--token").files, ["--token"]);
});

Deno.test("parseOptions() refuses what makes no sense", () => {
  for (
    const [args, reason] of [
      [[], "a file is needed"],
      [["--prot", "1", "a"], "'--prot'"],
      [
        ["a", "--port", "65536"],
        '--port must be from 0 to 65535, received "65536"',
      ],
      [["a", "--port=-1"], '"-1"'],
      [["a", "--limit", "0"], "--limit must be from 1"],
      [
        ["a", "--workers", "many"],
        '--workers must be from 0 to 64, received "many"',
      ],
      [["a", "--engine", "4"], '3.8.0 or 5.5.1, received "4"'],
      [["a", "--limit", "1", "--index", "x"], "exclude each other"],
      [["a", "--editable", "--read-only"], "exclude each other"],
      [["-", "-"], "only once"],
    ] as const
  ) {
    const error = assertThrows(
      () => parseOptions([...args]),
      UsageError,
      reason,
    );
    assert(error.message.endsWith("(see --help)"), error.message);
  }
});

Deno.test("parseOptions() knows every option that the help tells of", () => {
  assertEquals(parseOptions(["-h"]), "help");
  assertEquals(parseOptions(["--version"]), "version");
  const told = HELP.matchAll(/^ {2}(?:-h, )?--([a-z-]+)(.*)$/gm);
  const names = [...told].map(([, name]) => name!);
  assertEquals(names.length, 13);
  for (const name of names) {
    const error = (() => {
      try {
        parseOptions(["a", `--${name}`]);
      } catch (error) {
        return String(error);
      }
      return "";
    })();
    assert(!error.includes("Unknown option"), error);
  }
  assertStringIncludes(HELP, "--allow-net");
});
