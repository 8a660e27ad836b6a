import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { temporaryFolder } from "../../../../test/support/files.ts";
import { whyNoGpu } from "../native/gpu.ts";
import { ENGINE_VERSION, type GpuKind, gpuPackage } from "../native/library-folder.ts";
import { chooseLibraries } from "./engine-choice.ts";
import type { LibraryReport } from "./probe.ts";

const CARD = { name: "Vulkan0", description: "A Card", kind: "gpu", freeBytes: 10, totalBytes: 20 } as const;
const CPU = { name: "CPU", description: "A Processor", kind: "cpu", freeBytes: 0, totalBytes: 0 } as const;

/** A folder in which packages of these kinds and versions lie. */
function installed(...packages: readonly (readonly [GpuKind, string])[]): string {
  const folder = temporaryFolder();
  onTestFinished(folder.remove);
  for (const [kind, version] of packages) {
    const root = join(folder.path, "node_modules", gpuPackage(kind) ?? "");
    mkdirSync(root, { recursive: true });
    writeFileSync(join(root, "package.json"), JSON.stringify({ version }));
  }
  return folder.path;
}

/** Finds a card with the libraries of these kinds. */
const finding =
  (...kinds: readonly string[]) =>
  async (folder: string): Promise<LibraryReport> => {
    const found = kinds.some((kind) => folder.endsWith(kind));
    const report = { folder, llamaVersion: "0", cpuVariant: "cpu", features: "" };
    return found ? { ...report, devices: [CPU, CARD] } : { ...report, devices: [CPU], whyNoGpu: "no card" };
  };

// The packages exist for these platforms only.
const hasPackages = gpuPackage("cuda") !== undefined;

test("without installed packages the platform's own libraries are used, and nothing is wrong", async () => {
  expect(await chooseLibraries("auto", installed(), finding("cuda"))).toMatchObject({ gpus: [], fellBack: false });
});

test.runIf(hasPackages)("auto takes the first installed libraries that find a GPU", async () => {
  const folder = installed(["cuda", ENGINE_VERSION], ["vulkan", ENGINE_VERSION]);
  const choice = await chooseLibraries("auto", folder, finding("vulkan"));

  expect(choice).toMatchObject({ gpus: [CARD], note: "Vulkan0 (A Card)", fellBack: false });
  expect(choice.folder).toContain("vulkan");
});

test.runIf(hasPackages)("libraries that find no GPU are not used, and that is said with the reason", async () => {
  const choice = await chooseLibraries("auto", installed(["vulkan", ENGINE_VERSION]), finding());

  expect(choice.folder).toBeUndefined();
  expect(choice).toMatchObject({ fellBack: true, note: expect.stringMatching(/no GPU is used.*vulkan: no card/) });
});

test.runIf(hasPackages)("libraries asked for by name that are not installed say how to install them", async () => {
  const folder = installed(["vulkan", ENGINE_VERSION]);

  expect(await chooseLibraries("cuda", folder, finding("vulkan"))).toMatchObject({
    fellBack: true,
    note: expect.stringContaining('cuda: not installed; run "continuo engine add cuda"'),
  });
});

test.runIf(hasPackages)("libraries of another version, or that end their process, are not used", async () => {
  const other = await chooseLibraries("auto", installed(["cuda", "3.0.0"]), finding("cuda"));
  const dying = await chooseLibraries("auto", installed(["cuda", ENGINE_VERSION]), () =>
    Promise.reject(new Error("SIGSEGV")),
  );

  expect(other).toMatchObject({ fellBack: true, note: expect.stringContaining("found 3.0.0") });
  expect(dying).toMatchObject({ fellBack: true, note: expect.stringContaining("SIGSEGV") });
});

test("cpu asks no libraries at all", async () => {
  expect(await chooseLibraries("cpu", installed(["cuda", ENGINE_VERSION]), finding("cuda"))).toMatchObject({
    gpus: [],
  });
});

test("why no GPU is used: no back end, one that cannot be loaded, or one that finds nothing", () => {
  expect(whyNoGpu({ devices: [CPU, CARD], missing: [], backends: ["libggml-vulkan.so"] })).toBeUndefined();
  expect(whyNoGpu({ devices: [CPU], missing: ["libggml-cuda.so"], backends: [] })).toContain(
    "libggml-cuda.so could not be loaded",
  );
  expect(whyNoGpu({ devices: [CPU], missing: [], backends: ["libggml-vulkan.so"] })).toContain("found no GPU");
  expect(whyNoGpu({ devices: [CPU], missing: [], backends: [] })).toContain("no GPU back end");
});
