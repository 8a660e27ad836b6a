import type { Device } from "../native/devices.ts";
import { GPU_KINDS, type GpuKind, gpuLibraryFolder, gpuPackage } from "../native/library-folder.ts";
import { type LibraryReport, probeLibraries } from "./probe.ts";

/** Libraries to compute with, and what people should know about the choice. */
export interface LibraryChoice {
  /** Absent: those of the platform package. */
  readonly folder?: string;
  /** GPUs that will be used. */
  readonly gpus: readonly Device[];
  /** One line for logs and banners: what computes, or why no GPU does. */
  readonly note: string;
  /** A GPU was to be used, and the processor does the work. */
  readonly fellBack: boolean;
}

/** Metal is part of the platform's libraries on Apple silicon. */
const isAppleSilicon = process.platform === "darwin" && process.arch === "arm64";
const PLATFORM: LibraryChoice = { gpus: [], note: isAppleSilicon ? "Metal" : "the processor", fellBack: false };

/**
 * `auto` takes installed GPU libraries that find a GPU, `cuda` and `vulkan` those and no others, `cpu` none.
 * Never rejects: where GPU libraries cannot be used the platform's own are, and `note` says why.
 *
 * @param directory where `continuo engine add` puts them.
 */
export async function chooseLibraries(
  engine: "auto" | "cpu" | GpuKind,
  directory: string,
  probe: (folder: string) => Promise<LibraryReport> = probeLibraries,
): Promise<LibraryChoice> {
  if (engine === "cpu") return PLATFORM;
  const failures: string[] = [];
  for (const kind of engine === "auto" ? GPU_KINDS : [engine]) {
    const outcome = await tryKind(kind, directory, probe);
    if (typeof outcome !== "string") return outcome;
    if (outcome !== NOT_INSTALLED) failures.push(`${kind}: ${outcome}`);
    else if (engine !== "auto") failures.push(`${kind}: ${howToInstall(kind)}`);
  }
  if (failures.length === 0) return PLATFORM;
  return { gpus: [], note: `no GPU is used, the processor does the work (${failures.join("; ")})`, fellBack: true };
}

const NOT_INSTALLED = "not installed";

/** The choice, or why it cannot be. */
async function tryKind(
  kind: GpuKind,
  directory: string,
  probe: (folder: string) => Promise<LibraryReport>,
): Promise<LibraryChoice | string> {
  try {
    const folder = gpuLibraryFolder(kind, directory);
    if (folder === undefined) return NOT_INSTALLED;
    const { devices, whyNoGpu } = await probe(folder);
    if (whyNoGpu !== undefined) return whyNoGpu;
    const gpus = devices.filter((device) => device.kind === "gpu");
    return {
      folder,
      gpus,
      note: gpus.map(({ name, description }) => `${name} (${description})`).join(", "),
      fellBack: false,
    };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function howToInstall(kind: GpuKind): string {
  if (gpuPackage(kind) === undefined) return `there are no such libraries for ${process.platform} on ${process.arch}`;
  return `not installed; run "continuo engine add ${kind}"`;
}
