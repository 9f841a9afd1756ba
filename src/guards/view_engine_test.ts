import { assertEquals } from "@std/assert";

/**
 * So long for each engine. Longer where it is asked for:
 * `PERSPECTIVE_FUZZ_SECONDS=600 deno test -A src/guards/view_engine_test.ts`.
 */
const SECONDS = Number(Deno.env.get("PERSPECTIVE_FUZZ_SECONDS") ?? 2);

/** An engine that takes so much longer hangs. */
const GRACE_SECONDS = 60;

const SCRIPT = new URL("../testing/guards/accepted.ts", import.meta.url);

for (const line of ["3", "5"]) {
  Deno.test(`line ${line} survives what the guards let through`, async () => {
    const seed = Deno.env.get("PERSPECTIVE_SEED") ??
      String(crypto.getRandomValues(new Uint32Array(1))[0]);
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", SCRIPT.pathname, line, seed, String(SECONDS)],
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const timer = setTimeout(
      () => child.kill("SIGKILL"),
      (SECONDS + GRACE_SECONDS) * 1000,
    );
    const { code, signal, stdout } = await child.output();
    clearTimeout(timer);
    const said = new TextDecoder().decode(stdout);
    const hint = `\n${said}\nRepeat it with PERSPECTIVE_SEED=${seed}`;
    assertEquals({ code, signal }, { code: 0, signal: null }, hint);
  });
}
