/** The npm packages of the Node programs, in a folder that isn't tracked. */
import { path } from "./path.ts";
import { PYTHON, requirements } from "./python.ts";

const FOLDER = path("./");
const LOCK = path("package-lock.json");
const STAMP = path("node_modules/.installed");

/** Installs what the lockfile says, unless that is there already. */
export async function install(): Promise<void> {
  const wanted = await Deno.readTextFile(LOCK);
  if (await installed() === wanted) return;
  console.error("Installing the npm packages of the benchmark");
  const { success, stderr } = await new Deno.Command("npm", {
    args: ["ci", "--no-audit", "--no-fund"],
    cwd: FOLDER,
  }).output();
  if (!success) throw new Error(`npm ci: ${new TextDecoder().decode(stderr)}`);
  await Deno.writeTextFile(STAMP, wanted);
}

/** The packages that the benchmark names, and their versions. */
export async function packages(): Promise<Record<string, string>> {
  const npm = JSON.parse(await Deno.readTextFile(path("package.json")))
    .dependencies as Record<string, string>;
  const versions = Object.values(PYTHON);
  const { tornado } = await requirements(versions[0]!);
  return {
    ...npm,
    "perspective-python": versions.join(", "),
    tornado: tornado!,
  };
}

async function installed(): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(STAMP);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
