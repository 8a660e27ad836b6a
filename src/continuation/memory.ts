/** Bytes in each memory that models may lie in. A machine without a GPU, or with one that shares its memory, has one. */
export interface MemoryBytes {
  readonly machine: number;
  readonly gpu: number;
}

export const NO_BYTES: MemoryBytes = { machine: 0, gpu: 0 };

export function plus(a: MemoryBytes, b: MemoryBytes): MemoryBytes {
  return { machine: a.machine + b.machine, gpu: a.gpu + b.gpu };
}

export function minus(a: MemoryBytes, b: MemoryBytes): MemoryBytes {
  return { machine: a.machine - b.machine, gpu: a.gpu - b.gpu };
}

/** In every memory. */
export function fitsInto(bytes: MemoryBytes, budget: MemoryBytes): boolean {
  return bytes.machine <= budget.machine && bytes.gpu <= budget.gpu;
}

export function totalOf({ machine, gpu }: MemoryBytes): number {
  return machine + gpu;
}
