import { readdirSync } from "node:fs";
import { join } from "node:path";
import koffi, { type LibraryHandle, type TypeObject } from "koffi";
import type { ServiceError } from "../../../errors.ts";
import { type Device, devicesOf } from "./devices.ts";
import {
  BATCH,
  CONTEXT_PARAMS,
  LLAMA_VERSION,
  MODEL_PARAMS,
  PACKAGE_VERSION,
  type StructLayout,
  THREADPOOL_PARAMS,
} from "./layout-3.21.1.ts";
import { libraryFolder, unusable } from "./library-folder.ts";

/** The native libraries of this machine, loaded and found to be what the layout table describes. */
export interface NativeLibraries {
  readonly llama: LibraryHandle;
  readonly ggml: LibraryHandle;
  readonly base: LibraryHandle;
  /** The CPU variant that scored best here; thread pools come from it. */
  readonly cpu: LibraryHandle;
  readonly cpuVariant: string;
  /** GPU and other back ends that were loaded beside the CPU. */
  readonly backends: readonly string[];
  /** Back ends that are there and could not be loaded, for want of a driver or another library. */
  readonly missing: readonly string[];
  /** What can compute here, the processor included. */
  readonly devices: readonly Device[];
  readonly types: NativeTypes;
}

export interface NativeTypes {
  readonly modelParams: TypeObject;
  readonly contextParams: TypeObject;
  readonly batch: TypeObject;
  readonly threadpoolParams: TypeObject;
}

/** What the installed libraries have to be. */
export interface ExpectedLibraries {
  /** As `llama_version` begins. */
  readonly llamaVersion: string;
  readonly modelParams: StructLayout;
  readonly contextParams: StructLayout;
  readonly batch: StructLayout;
  readonly threadpoolParams: StructLayout;
}

/** The one version that the layout table describes. */
export const PINNED_LIBRARIES: ExpectedLibraries = {
  llamaVersion: LLAMA_VERSION,
  modelParams: MODEL_PARAMS,
  contextParams: CONTEXT_PARAMS,
  batch: BATCH,
  threadpoolParams: THREADPOOL_PARAMS,
};

/**
 * Loads the libraries of a folder. Once per process: two builds of llama.cpp would mix. Throws `model_unavailable` with
 * what to do, before any of their functions could run on a wrong layout.
 *
 * @param folder absent: that of the installed platform package.
 */
export function loadLibraries(
  folder: string = libraryFolder(),
  expected: ExpectedLibraries = PINNED_LIBRARIES,
): NativeLibraries {
  const files = readdirSync(folder);
  const open = (pattern: RegExp): LibraryHandle => koffi.load(join(folder, one(files, pattern, folder)));
  // Windows looks for dependencies among what is loaded already, so the order matters there.
  const base = open(/^(lib)?ggml-base\.(so|dylib|dll)$/);
  const ggml = open(/^(lib)?ggml(\.[a-z]+)?\.v[\d.]+\.(so|dylib|dll)$/);
  const llama = open(/^(lib)?llama(\.[a-z]+)?\.v[\d.]+\.(so|dylib|dll)$/);
  const types = defineTypes(expected);
  verifyDefaults(llama, base, types, expected);
  // A C function that ignores what it is given: the library reports every step of loading, and nobody asked.
  base.func("ggml_log_set", "void", ["void *", "void *"])(base.symbol("ggml_is_quantized"), null);
  llama.func("llama_backend_init", "void", [])();
  const load = ggml.func("ggml_backend_load", "void *", ["str"]) as (path: string) => bigint | null;
  const cpuVariant = bestVariant(folder, files);
  if (load(join(folder, cpuVariant)) === null) throw unusable(`the library ${cpuVariant} could not be loaded`);
  const others = files.filter((file) => /^(lib)?ggml-(metal|blas|cuda|vulkan)\.(so|dll)$/.test(file));
  const backends = others.filter((file) => load(join(folder, file)) !== null);
  return {
    llama,
    ggml,
    base,
    cpu: koffi.load(join(folder, cpuVariant)),
    cpuVariant,
    backends,
    missing: others.filter((file) => !backends.includes(file)),
    devices: devicesOf(ggml, base),
    types,
  };
}

function one(files: readonly string[], pattern: RegExp, folder: string): string {
  const [match, second] = files.filter((file) => pattern.test(file));
  if (match !== undefined && second === undefined) return match;
  throw unusable(
    `expected exactly one file matching ${pattern} in ${folder}, found ${match === undefined ? "none" : "several"}`,
  );
}

/** Every variant file can say how well it suits this processor; 0 means it cannot run here. */
function bestVariant(folder: string, files: readonly string[]): string {
  const variants = files.filter((file) => /^(lib)?ggml-cpu(-[\w.]+)?\.(so|dll)$/.test(file));
  if (variants.length === 1 && variants[0] !== undefined) return variants[0];
  let best = { file: "", score: 0 };
  for (const file of variants) {
    const library = koffi.load(join(folder, file));
    const score = (library.func("ggml_backend_score", "int", []) as () => number)();
    library.unload();
    if (score > best.score) best = { file, score };
  }
  if (best.file === "") throw unusable("none of the CPU libraries suits this processor");
  return best.file;
}

function defineTypes(expected: ExpectedLibraries): NativeTypes {
  const define = (name: string, layout: StructLayout): TypeObject => {
    const fields = Object.entries(layout.fields);
    const typeOf = (kind: string) => (kind === "cpumask" ? koffi.array("uint8", 512, "Typed") : kind);
    const type = koffi.struct(Object.fromEntries(fields.map(([field, [kind]]) => [field, typeOf(kind)])));
    if (koffi.sizeof(type) !== layout.size)
      throw mismatch(`struct ${name}`, `${koffi.sizeof(type)} bytes`, `${layout.size} bytes`);
    for (const [field, [, offset]] of fields) {
      const found = koffi.offsetof(type, field);
      if (found !== offset) throw mismatch(`${name}.${field}`, `offset ${found}`, `offset ${offset}`);
    }
    return type;
  };
  return {
    modelParams: define("llama_model_params", expected.modelParams),
    contextParams: define("llama_context_params", expected.contextParams),
    batch: define("llama_batch", expected.batch),
    threadpoolParams: define("ggml_threadpool_params", expected.threadpoolParams),
  };
}

/** A library whose own defaults do not come out right through our layout is not the library the layout is of. */
function verifyDefaults(
  llama: LibraryHandle,
  base: LibraryHandle,
  types: NativeTypes,
  expected: ExpectedLibraries,
): void {
  const version = (llama.func("llama_version", "str", []) as () => string)();
  if (!version.startsWith(expected.llamaVersion)) throw mismatch("llama.cpp", version, expected.llamaVersion);
  const check = (name: string, values: Record<string, unknown>, layout: StructLayout): void => {
    for (const [field, wanted] of Object.entries(layout.defaults)) {
      if (values[field] !== wanted)
        throw mismatch(`default of ${name}.${field}`, String(values[field]), String(wanted));
    }
  };
  const { modelParams, contextParams, threadpoolParams } = types;
  check("llama_model_params", llama.func("llama_model_default_params", modelParams, [])(), expected.modelParams);
  check(
    "llama_context_params",
    llama.func("llama_context_default_params", contextParams, [])(),
    expected.contextParams,
  );
  check(
    "ggml_threadpool_params",
    base.func("ggml_threadpool_params_default", threadpoolParams, ["int"])(2),
    expected.threadpoolParams,
  );
}

function mismatch(what: string, found: string, expected: string): ServiceError {
  return unusable(
    `${what}: found ${found}, expected ${expected} (layouts of package version ${PACKAGE_VERSION}); reinstall the dependencies`,
  );
}
