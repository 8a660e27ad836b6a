import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import type { Device } from "../engines/llama/native/devices.ts";
import {
  ENGINE_VERSION,
  GPU_KINDS,
  type GpuKind,
  gpuLibraryFolder,
  gpuPackage,
} from "../engines/llama/native/library-folder.ts";
import { type LibraryReport, probeLibraries } from "../engines/llama/probe/probe.ts";
import { type Finding, inBytes, ok, problem, reasonOf, warning } from "./finding.ts";

/** Loads libraries in a process of its own, of a folder or of the platform package; see `probeLibraries`. */
export type Probe = (folder?: string) => Promise<LibraryReport>;

/**
 * The platform's libraries, and those of every kind of GPU that are installed. Never rejects.
 *
 * @param gpuDirectory where `continuo engine add` puts GPU libraries.
 */
export async function examineLibraries(
  gpuDirectory: string,
  probe: Probe = probeLibraries,
): Promise<readonly Finding[]> {
  const [platform, gpus] = await Promise.all([
    platformFindings(probe),
    Promise.all(GPU_KINDS.map((kind) => gpuFindings(kind, gpuDirectory, probe))),
  ]);
  const found = gpus.flat();
  return [koffiFinding(), ...platform, ...(found.length > 0 ? found : withoutGpuLibraries())];
}

const REINSTALL = "run `npm install` again, without omitting optional dependencies";

function koffiFinding(): Finding {
  try {
    createRequire(import.meta.url).resolve("koffi");
    return ok("koffi", "installed");
  } catch {
    return problem("koffi", "the package that calls native libraries is not installed", REINSTALL);
  }
}

async function platformFindings(probe: Probe): Promise<readonly Finding[]> {
  try {
    const { llamaVersion, cpuVariant, features, devices } = await probe();
    const gpus = devices.filter(({ kind }) => kind === "gpu");
    return [
      ok("libraries", `llama.cpp ${llamaVersion} of package version ${ENGINE_VERSION}`),
      ok("processor library", `${cpuVariant} (${switchedOn(features).join(", ")})`),
      ...(gpus.length > 0 ? [ok("gpu", described(gpus))] : []),
    ];
  } catch (error) {
    return [problem("libraries", reasonOf(error), REINSTALL)];
  }
}

/** From llama.cpp's `CPU : SSE3 = 1 | AVX = 0 | …`. */
function switchedOn(features: string): readonly string[] {
  return Array.from(features.matchAll(/(\w+) = 1\b/g), ([, name = ""]) => name);
}

async function gpuFindings(kind: GpuKind, directory: string, probe: Probe): Promise<readonly Finding[]> {
  try {
    const folder = gpuLibraryFolder(kind, directory);
    if (folder === undefined) return [];
    const { devices, whyNoGpu } = await probe(folder);
    if (whyNoGpu === undefined) return [ok(kind, described(devices.filter((device) => device.kind === "gpu")))];
    return [problem(kind, `its libraries are installed, but the processor does the work: ${whyNoGpu}`, remedy(kind))];
  } catch (error) {
    return [problem(kind, reasonOf(error), remedy(kind))];
  }
}

function remedy(kind: GpuKind): string {
  return `mend the driver, or install the libraries anew with \`continuo engine add ${kind}\`; until then models run on the processor`;
}

/** Only Linux tells cheaply that there is a GPU which nobody uses. */
const NVIDIA_DRIVER = "/proc/driver/nvidia/version";

function withoutGpuLibraries(): readonly Finding[] {
  if (!existsSync(NVIDIA_DRIVER) || gpuPackage("cuda") === undefined) return [];
  const found = "an NVIDIA driver is here, but no libraries that use it";
  return [warning("gpu", found, "`continuo engine add cuda` installs them")];
}

function described(gpus: readonly Device[]): string {
  return gpus
    .map(({ name, description, freeBytes, totalBytes }) => {
      const memory = totalBytes > 0 ? `, ${inBytes(freeBytes)} of ${inBytes(totalBytes)} free` : "";
      return `${name} (${description}${memory})`;
    })
    .join(", ");
}
