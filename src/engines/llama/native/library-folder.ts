/** Where the llama.cpp libraries lie: in npm packages, one per platform, further ones per kind of GPU. */
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { ServiceError } from "../../../errors.ts";
import { PACKAGE_VERSION } from "./layout-3.21.1.ts";

/** Libraries that are installed on request, beside those of the platform. */
export type GpuKind = "cuda" | "vulkan";

/** In the order in which they are tried. */
export const GPU_KINDS: readonly GpuKind[] = ["cuda", "vulkan"];

const PACKAGES: Readonly<Record<string, string>> = {
  "linux-x64": "linux-x64",
  "linux-arm64": "linux-arm64",
  "darwin-arm64": "mac-arm64-metal",
  "darwin-x64": "mac-x64",
  "win32-x64": "win-x64",
  "win32-arm64": "win-arm64",
};

/** Platforms that have packages for CUDA and Vulkan. On Apple silicon the platform package has Metal. */
const GPU_PLATFORMS: Readonly<Record<string, string>> = { "linux-x64": "linux-x64", "win32-x64": "win-x64" };

/** `@node-llama-cpp/linux-x64-cuda` and the like; undefined: this platform has none. */
export function gpuPackage(kind: GpuKind, platform: string = thisPlatform()): string | undefined {
  const name = GPU_PLATFORMS[platform];
  return name === undefined ? undefined : `@node-llama-cpp/${name}-${kind}`;
}

/** The version of every package, as one belongs to the other. */
export const ENGINE_VERSION: string = PACKAGE_VERSION;

/** Folder of the libraries of the installed platform package. Throws `model_unavailable` with what to do. */
export function libraryFolder(expectedVersion: string = PACKAGE_VERSION): string {
  const platform = thisPlatform();
  const name = PACKAGES[platform];
  if (name === undefined) {
    throw unusable(`there are no llama.cpp libraries for ${platform}; supported: ${Object.keys(PACKAGES).join(", ")}`);
  }
  let main: string;
  try {
    main = createRequire(import.meta.url).resolve(`@node-llama-cpp/${name}`);
  } catch (cause) {
    throw unusable(
      `the package @node-llama-cpp/${name} is not installed; run "npm install" with optional dependencies`,
      cause,
    );
  }
  return folderOf(dirname(dirname(main)), `@node-llama-cpp/${name}`, expectedVersion);
}

/**
 * Folder of installed GPU libraries; undefined: not installed. Throws `model_unavailable` for another version.
 *
 * @param directory where `continuo engine add` puts them.
 */
export function gpuLibraryFolder(kind: GpuKind, directory: string): string | undefined {
  const name = gpuPackage(kind);
  if (name === undefined) return undefined;
  const root = join(directory, "node_modules", name);
  return existsSync(join(root, "package.json")) ? folderOf(root, name, PACKAGE_VERSION) : undefined;
}

function folderOf(root: string, name: string, expectedVersion: string): string {
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
  if (version !== expectedVersion) {
    throw unusable(`${name}: found ${version}, expected ${expectedVersion}; reinstall the dependencies`);
  }
  return join(root, "bins", name.slice(name.indexOf("/") + 1));
}

function thisPlatform(): string {
  return `${process.platform}-${process.arch}`;
}

export function unusable(reason: string, cause?: unknown): ServiceError {
  return new ServiceError("model_unavailable", `the embedded engine cannot run: ${reason}`, { cause });
}
