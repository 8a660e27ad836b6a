/**
 * The environment of the processes that load native libraries. They read files and talk to nobody, so they get what Node,
 * the loader and the libraries need, by name: API keys, database passwords and tokens of the server stay with the server.
 */

type Environment = Readonly<Record<string, string | undefined>>;

/** Compared without regard to case, as Windows does. */
const NAMES: ReadonlySet<string> = new Set([
  // Where programs, libraries and users' files are.
  ...["PATH", "PATHEXT", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TEMP", "TMP"],
  ...["LD_LIBRARY_PATH", "LD_PRELOAD"],
  ...["SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "PROGRAMDATA"],
  ...["PROGRAMFILES", "PROGRAMFILES(X86)", "COMMONPROGRAMFILES", "COMMONPROGRAMFILES(X86)", "PROCESSOR_ARCHITECTURE"],
  ...["NUMBER_OF_PROCESSORS", "OS"],
  // Language and time, for messages of the system.
  ...["LANG", "LANGUAGE", "TZ"],
  // Drivers look for their files and sockets below these.
  ...["XDG_RUNTIME_DIR", "XDG_CACHE_HOME", "XDG_DATA_DIRS", "DISPLAY", "WAYLAND_DISPLAY"],
  // Node's own; NODE_OPTIONS would load the server's code into the engine process.
  ...["UV_THREADPOOL_SIZE", "NODE_DISABLE_COLORS", "NO_COLOR", "MALLOC_ARENA_MAX"],
]);

/** Of the libraries, their back ends and the drivers behind those. */
const PREFIXES: readonly string[] = [
  ...["GGML_", "LLAMA_", "CUDA_", "NVIDIA_", "NCCL_", "HIP_", "HSA_", "ROCR_", "ROCM_", "AMD_", "GPU_", "VK_", "MESA_"],
  ...["RADV_", "ANV_", "INTEL_", "ONEAPI_", "SYCL_", "ZE_", "MTL_", "METAL_", "DYLD_", "LC_", "OMP_", "KMP_", "MKL_"],
  ...["OPENBLAS_", "GOMP_", "BLIS_"],
];

/** A name of the lists above that ends like this holds no setting of a library. */
const SECRET = /(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$/;

export function engineEnvironment(environment: Environment): Record<string, string> {
  const passed: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) {
    if (value !== undefined && isPassed(name.toUpperCase())) passed[name] = value;
  }
  return passed;
}

function isPassed(name: string): boolean {
  if (SECRET.test(name)) return false;
  return NAMES.has(name) || PREFIXES.some((prefix) => name.startsWith(prefix));
}
