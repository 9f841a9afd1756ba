import { assertEquals } from "@std/assert";
import { contestants, ENGINES } from "./contestants.ts";
import { PYTHON, requirements } from "./python.ts";

interface Manifest {
  readonly dependencies: Record<string, string>;
}

interface DenoManifest {
  readonly imports: Record<string, string>;
}

async function readJson(relative: string): Promise<unknown> {
  return JSON.parse(
    await Deno.readTextFile(new URL(relative, import.meta.url)),
  );
}

Deno.test("Node's server and this package run the same engines", async () => {
  const { dependencies } = await readJson("package.json") as Manifest;
  const { imports } = await readJson("../deno.json") as DenoManifest;
  for (const { name, version } of Object.values(ENGINES)) {
    assertEquals(dependencies[name], version);
    assertEquals(imports[name], `npm:${name}@${version}`);
  }
});

Deno.test("contestants have names of their own", () => {
  const names = contestants.map(({ name }) => name);
  assertEquals(new Set(names).size, names.length);
});

Deno.test("Python's requirements are pinned, with one Tornado for all", async () => {
  const pinned = await Promise.all(Object.values(PYTHON).map(requirements));
  const versions = pinned.map((names) => names["perspective-python"]);
  assertEquals(versions, Object.values(PYTHON));
  assertEquals(new Set(pinned.map(({ tornado }) => tornado)).size, 1);
});
