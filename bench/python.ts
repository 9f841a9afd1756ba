/** The Python programs' packages, in folders that aren't tracked. */
import { path } from "./path.ts";

/** What is measured of each line of the engine. */
export const PYTHON = { 3: "3.8.0", 5: "5.6.1" } as const;

/** Whether something is there, or why it isn't. */
export type Installed =
  | { readonly ok: true }
  | { readonly ok: false; readonly why: string };

/** What the packages are made for. */
const NEEDED = "3.9";

/** Names of the interpreter. */
const INTERPRETERS = ["python3", "python"];

/** Prints whether it is new enough, and its version. */
const VERSION =
  "import platform, sys; print(sys.version_info >= (3, 9), platform.python_version())";

const installs = new Map<string, Promise<Installed>>();

/** Virtual environments, one for each version of `perspective-python`. */
export const python = {
  /** Makes one with what its requirements say, unless that is there already. */
  install(version: string): Promise<Installed> {
    const under = installs.get(version) ?? install(version);
    installs.set(version, under);
    return under;
  },

  /** Its interpreter. */
  program(version: string): string {
    const inside = Deno.build.os === "windows"
      ? "Scripts/python.exe"
      : "bin/python";
    return path(`.venvs/${version}/${inside}`);
  },

  /** The version of the interpreter on this machine, if there is one. */
  async version(): Promise<string | null> {
    return (await interpreter())?.version ?? null;
  },
};

/** What the requirements name, and their versions. */
export async function requirements(
  version: string,
): Promise<Record<string, string>> {
  const text = await Deno.readTextFile(requirementsFile(version));
  return Object.fromEntries(
    text.trim().split("\n").map((line) => line.split("==")),
  );
}

async function install(version: string): Promise<Installed> {
  const wanted = await Deno.readTextFile(requirementsFile(version));
  const stamp = path(`.venvs/${version}/.installed`);
  if (await textOf(stamp) === wanted) return { ok: true };
  const found = await interpreter();
  if (!found) {
    return { ok: false, why: `there is no Python ${NEEDED} or later` };
  }
  console.error(`Installing perspective-python ${version}`);
  const folder = path(`.venvs/${version}`);
  const failure = await failureOf(found.program, [
    "-m",
    "venv",
    "--clear",
    folder,
  ]) ?? await failureOf(python.program(version), [
    ...["-m", "pip", "install", "--quiet", "--disable-pip-version-check"],
    ...["--only-binary", ":all:", "-r", requirementsFile(version)],
  ]);
  if (failure) return { ok: false, why: `cannot be installed: ${failure}` };
  // Pages for Jupyter: nobody opens them, and `deno check` would check them.
  await Deno.remove(`${folder}/share`, { recursive: true });
  await Deno.writeTextFile(stamp, wanted);
  return { ok: true };
}

/** A Python on this machine. */
interface Interpreter {
  readonly program: string;
  readonly version: string;
}

/** The first Python that is new enough. */
async function interpreter(): Promise<Interpreter | undefined> {
  for (const program of INTERPRETERS) {
    const result = await run(program, ["-c", VERSION]);
    const [isNew, version] = result.stdout.trim().split(" ");
    if (isNew === "True") return { program, version: version! };
  }
  return undefined;
}

/** The last line of what a command complains about, if it fails. */
async function failureOf(
  program: string,
  args: string[],
): Promise<string | undefined> {
  const { success, stdout, stderr } = await run(program, args);
  if (success) return undefined;
  const lines = `${stdout}\n${stderr}`.trim().split("\n");
  return lines.findLast((line) => line.startsWith("ERROR")) ?? lines.at(-1);
}

async function run(
  program: string,
  args: string[],
): Promise<{ success: boolean; stdout: string; stderr: string }> {
  try {
    const { success, stdout, stderr } = await new Deno.Command(program, {
      args,
    })
      .output();
    const decoder = new TextDecoder();
    return {
      success,
      stdout: decoder.decode(stdout),
      stderr: decoder.decode(stderr),
    };
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return { success: false, stdout: "", stderr: `cannot find ${program}` };
  }
}

async function textOf(file: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(file);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function requirementsFile(version: string): string {
  return path(`contestants/requirements/${version}.txt`);
}
