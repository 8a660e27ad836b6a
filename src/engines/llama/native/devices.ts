import type { LibraryHandle } from "koffi";

/** Something that computes. */
export interface Device {
  /** As ggml calls it: `CPU`, `CUDA0`, `Vulkan0`. */
  readonly name: string;
  /** The product's name. */
  readonly description: string;
  readonly kind: "cpu" | "gpu" | "accelerator";
  /** Bytes; 0 where the device has no memory of its own. */
  readonly freeBytes: number;
  readonly totalBytes: number;
}

/** ggml_backend_dev_type: cpu, gpu, integrated gpu, accelerator, meta. */
const KINDS: readonly Device["kind"][] = ["cpu", "gpu", "gpu", "accelerator", "accelerator"];

/** Every device of the back ends that are loaded. */
export function devicesOf(ggml: LibraryHandle, base: LibraryHandle): Device[] {
  const count = ggml.func("ggml_backend_dev_count", "size_t", []) as () => number;
  const get = ggml.func("ggml_backend_dev_get", "void *", ["size_t"]) as (index: number) => bigint;
  const name = base.func("ggml_backend_dev_name", "str", ["void *"]) as (device: bigint) => string;
  const description = base.func("ggml_backend_dev_description", "str", ["void *"]) as (device: bigint) => string;
  const type = base.func("ggml_backend_dev_type", "int", ["void *"]) as (device: bigint) => number;
  const memory = base.func("ggml_backend_dev_memory", "void", ["void *", "void *", "void *"]) as (
    device: bigint,
    free: BigUint64Array,
    total: BigUint64Array,
  ) => void;
  return Array.from({ length: Number(count()) }, (_, index) => {
    const device = get(index);
    const [free, total] = [new BigUint64Array(1), new BigUint64Array(1)];
    memory(device, free, total);
    return {
      name: name(device),
      description: description(device),
      kind: KINDS[type(device)] ?? "accelerator",
      freeBytes: Number(free[0] ?? 0n),
      totalBytes: Number(total[0] ?? 0n),
    };
  });
}
