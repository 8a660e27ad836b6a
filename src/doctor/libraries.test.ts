import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { temporaryFolder } from "../../test/support/files.ts";
import { ENGINE_VERSION, gpuPackage } from "../engines/llama/native/library-folder.ts";
import type { LibraryReport } from "../engines/llama/probe/probe.ts";
import type { Finding } from "./finding.ts";
import { examineLibraries } from "./libraries.ts";

const REPORT: LibraryReport = {
  folder: "libraries",
  llamaVersion: "v1",
  cpuVariant: "cpu-fast",
  features: "CPU : AVX = 0 | AVX2 = 1 | FMA = 1 |",
  devices: [],
  whyNoGpu: "no GPU found",
};
const GPU = { name: "CUDA0", description: "A card", kind: "gpu", freeBytes: 2 ** 30, totalBytes: 2 ** 31 } as const;

let folder: ReturnType<typeof temporaryFolder>;

beforeAll(() => {
  folder = temporaryFolder();
});

afterAll(() => folder.remove());

function named(findings: readonly Finding[], what: string): Finding | undefined {
  return findings.find((finding) => finding.what === what);
}

test("libraries that load are described by themselves", async () => {
  const findings = await examineLibraries(folder.path, async () => REPORT);

  expect(named(findings, "libraries")).toMatchObject({ state: "ok" });
  expect(named(findings, "processor library")).toMatchObject({ state: "ok", found: "cpu-fast (AVX2, FMA)" });
});

test("libraries that end their process are a problem with the reason", async () => {
  const findings = await examineLibraries(folder.path, async () => {
    throw new Error("SIGILL");
  });

  expect(named(findings, "libraries")).toMatchObject({ state: "problem", found: "SIGILL" });
});

test("a GPU that the platform's libraries use is named", async () => {
  const { whyNoGpu: _none, ...report } = REPORT;

  const findings = await examineLibraries(folder.path, async () => ({ ...report, devices: [GPU] }));

  expect(named(findings, "gpu")).toMatchObject({ state: "ok", found: "CUDA0 (A card, 1.0 GiB of 2.0 GiB free)" });
});

const cuda = gpuPackage("cuda");

describe.runIf(cuda !== undefined)("with CUDA libraries installed", () => {
  beforeAll(() => {
    const root = join(folder.path, "node_modules", cuda ?? "");
    mkdirSync(root, { recursive: true });
    writeFileSync(join(root, "package.json"), JSON.stringify({ version: ENGINE_VERSION }));
  });

  test("a fall back to the processor is a problem", async () => {
    const findings = await examineLibraries(folder.path, async () => REPORT);

    expect(named(findings, "cuda")).toMatchObject({ state: "problem" });
    expect(named(findings, "cuda")?.found).toContain("no GPU found");
  });

  test("a GPU in use is named", async () => {
    const { whyNoGpu: _none, ...report } = REPORT;

    const findings = await examineLibraries(folder.path, async (path) =>
      path === undefined ? REPORT : { ...report, devices: [GPU] },
    );

    expect(named(findings, "cuda")).toMatchObject({ state: "ok" });
  });
});
