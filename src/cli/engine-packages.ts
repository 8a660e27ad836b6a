/**
 * GPU libraries on disk: npm packages in a folder of their own, so that the program's own packages stay as they are.
 */
import { spawn } from "node:child_process";
import { readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { ENGINE_VERSION, type GpuKind, gpuLibraryFolder, gpuPackage } from "../engines/llama/native/library-folder.ts";
import { makeFolder } from "../folder.ts";
import { CommandFailure } from "./failure.ts";

/** Runs npm with these arguments; resolves with its standard output. Rejects with a `CommandFailure`. */
export type Npm = (args: readonly string[]) => Promise<string>;

/** Folder of the GPU libraries below the data directory. */
export function enginesFolder(dataDir: string): string {
  return join(dataDir, "engines");
}

/** `@node-llama-cpp/linux-x64-cuda@3.21.1`. Throws `CommandFailure` where there is none. */
export function packageFor(kind: GpuKind): string {
  const name = gpuPackage(kind);
  if (name === undefined) {
    const here = `${process.platform} on ${process.arch}`;
    const advice = process.platform === "darwin" ? "; on Apple silicon Metal is part of the installation" : "";
    throw new CommandFailure(`there are no ${kind} libraries for ${here}${advice}`);
  }
  return `${name}@${ENGINE_VERSION}`;
}

/** Bytes on disk once installed, as the registry says; undefined when it does not. */
export async function unpackedBytes(kind: GpuKind, npm: Npm = runNpm): Promise<number | undefined> {
  const bytes = Number((await npm(["view", packageFor(kind), "dist.unpackedSize"])).trim() || Number.NaN);
  return Number.isFinite(bytes) ? bytes : undefined;
}

/** Installs, or installs anew. Scripts of packages do not run. Returns the folder of the libraries. */
export async function installPackage(kind: GpuKind, folder: string, npm: Npm = runNpm): Promise<string> {
  const wanted = packageFor(kind);
  await makeFolder(folder);
  // Without a manifest of its own npm would look for one in the folders above.
  await writeFile(join(folder, "package.json"), '{ "private": true }\n', { flag: "wx" }).catch(unlessThere);
  await npm(["install", "--prefix", folder, "--ignore-scripts", "--no-audit", "--no-fund", "--save-exact", wanted]);
  const installed = gpuLibraryFolder(kind, folder);
  if (installed === undefined) throw new CommandFailure(`npm ended well, but ${wanted} is not in ${folder}; try again`);
  return installed;
}

/** False: it was not installed. */
export async function removePackage(kind: GpuKind, folder: string, npm: Npm = runNpm): Promise<boolean> {
  const name = gpuPackage(kind);
  if (name === undefined || !(await isThere(join(folder, "node_modules", name)))) return false;
  await npm(["uninstall", "--prefix", folder, "--ignore-scripts", "--no-audit", "--no-fund", name]);
  return true;
}

/** Bytes of all files below a folder. */
export async function folderBytes(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const sizes = entries
    .filter((entry) => entry.isFile())
    .map(async (entry) => (await stat(join(entry.parentPath, entry.name))).size);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

/** What npm says to people is kept for when it fails: meanwhile the terminal's line is ours. */
async function runNpm(args: readonly string[]): Promise<string> {
  // On Windows npm is a batch file, which only a shell starts. None of the arguments has a character that shells mind but
  // the folder, which is quoted there.
  const isWindows = process.platform === "win32";
  const quoted = isWindows ? args.map((arg) => (/\s/.test(arg) ? `"${arg}"` : arg)) : args;
  const child = spawn("npm", quoted, { stdio: ["ignore", "pipe", "pipe"], shell: isWindows });
  const [output, said] = [textOf(child.stdout), textOf(child.stderr)];
  return new Promise((resolve, reject) => {
    child.once("error", (error) => {
      reject(
        new CommandFailure(
          `npm cannot be started (${error.message}); it installs the libraries, so put it on the PATH`,
        ),
      );
    });
    child.once("close", (code) => {
      if (code === 0) resolve(output());
      else reject(new CommandFailure(`npm ${args[0]} failed with exit code ${code}:\n${said().trimEnd()}`));
    });
  });
}

/** What has been read by now. */
function textOf(stream: Readable): () => string {
  let text = "";
  stream.setEncoding("utf8").on("data", (piece: string) => {
    text += piece;
  });
  return () => text;
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

function unlessThere(error: NodeJS.ErrnoException): void {
  if (error.code !== "EEXIST") throw error;
}
