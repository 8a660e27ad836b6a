import type { NativeLibraries } from "./library.ts";

/** What keeps libraries that know GPUs from using one; undefined: nothing does. */
export function whyNoGpu({
  devices,
  missing,
  backends,
}: Pick<NativeLibraries, "devices" | "missing" | "backends">): string | undefined {
  if (devices.some(({ kind }) => kind === "gpu")) return undefined;
  const [lacking] = missing;
  if (lacking !== undefined) {
    return `${lacking} could not be loaded, a library that it needs is not there; install the GPU's driver and run time`;
  }
  return backends.length > 0
    ? `${backends.join(", ")} found no GPU; check the driver`
    : "the libraries have no GPU back end";
}
