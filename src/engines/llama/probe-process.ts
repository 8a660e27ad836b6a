/**
 * Loads llama.cpp's libraries, tells what they find on this machine, and leaves. A process of its own, because a process
 * can hold one build of them only, and because a broken driver may end it.
 */
import { whyNoGpu } from "./native/gpu.ts";
import { LLAMA_VERSION } from "./native/layout-3.21.1.ts";
import { loadLibraries } from "./native/library.ts";
import { libraryFolder } from "./native/library-folder.ts";
import type { LibraryReport } from "./probe/probe.ts";

function report(folder: string): LibraryReport {
  const libraries = loadLibraries(folder);
  const why = whyNoGpu(libraries);
  return {
    folder,
    llamaVersion: LLAMA_VERSION,
    cpuVariant: libraries.cpuVariant.replace(/^(lib)?ggml-|\.\w+$/g, ""),
    features: (libraries.llama.func("llama_print_system_info", "str", []) as () => string)().trim(),
    devices: libraries.devices,
    ...(why !== undefined && { whyNoGpu: why }),
  };
}

function answer(): LibraryReport | { readonly error: string } {
  try {
    return report(process.argv[2] ?? libraryFolder());
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

process.send?.(answer(), () => process.exit(0));
