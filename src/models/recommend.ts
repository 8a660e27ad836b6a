/** Which models suit a machine: rules of thumb for people who do not know yet what to pull. Nothing is measured. */
import { sizeText } from "./bytes.ts";

export interface Machine {
  readonly memoryBytes: number;
  /** Physical ones. */
  readonly cores: number;
  /** Memory of GPUs that the engine will use; absent: none. */
  readonly gpuBytes?: number;
}

export interface Recommendation {
  readonly purpose: "filling in" | "chat";
  /** As `continuo pull` takes it, with its quantisation. Absent: nothing larger than the model of the package fits. */
  readonly model?: string;
  readonly sizeBytes?: number;
  readonly why: string;
}

interface Step {
  /** Parameters, as the names of the family spell them. */
  readonly size: string;
  /** Bytes of the files in the official repositories. */
  readonly q4: number;
  readonly q8: number;
  /** Without a GPU: physical cores from which answers come fast enough to wait for, while typing and in a chat. */
  readonly typingCores: number;
  readonly chatCores: number;
}

const GB = 1e9;
const NEVER = Number.POSITIVE_INFINITY;

/** Qwen2.5 and Qwen2.5-Coder have the same sizes. 3B and 72B are left out: their licences are not Apache 2.0. */
const STEPS: readonly Step[] = [
  { size: "32b", q4: 19.9 * GB, q8: 34.8 * GB, typingCores: NEVER, chatCores: NEVER },
  { size: "14b", q4: 8.99 * GB, q8: 15.7 * GB, typingCores: NEVER, chatCores: 12 },
  { size: "7b", q4: 4.68 * GB, q8: 8.1 * GB, typingCores: 12, chatCores: 3 },
  { size: "1.5b", q4: 1.12 * GB, q8: 1.89 * GB, typingCores: 3, chatCores: 1 },
  { size: "0.5b", q4: 0.491 * GB, q8: 0.676 * GB, typingCores: 1, chatCores: 1 },
];

/** Parts of the memory that weights may take, at q4_k_m and at q8_0. A machine is there for other programs too, a GPU is not. */
const MACHINE_PARTS = { q4: 1 / 2, q8: 1 / 8 };
const GPU_PARTS = { q4: 0.7, q8: 1 / 2 };

const PURPOSES = [
  { purpose: "filling in", family: "qwen2.5-coder", cores: "typingCores" },
  { purpose: "chat", family: "qwen2.5", cores: "chatCores" },
] as const;

/** One model for every purpose. */
export function recommend(machine: Machine): readonly Recommendation[] {
  return PURPOSES.map(({ purpose, family, cores }) => ({ purpose, ...best(machine, family, cores) }));
}

function best(machine: Machine, family: string, cores: "typingCores" | "chatCores"): Omit<Recommendation, "purpose"> {
  const { memoryBytes, gpuBytes } = machine;
  const [memory, parts] = gpuBytes === undefined ? [memoryBytes, MACHINE_PARTS] : [gpuBytes, GPU_PARTS];
  const fitting = STEPS.filter(({ q4 }) => q4 <= memory * parts.q4);
  const chosen = fitting.find((step) => gpuBytes !== undefined || machine.cores >= step[cores]);
  if (chosen === undefined) return { why: `nothing larger fits well into ${sizeText(memory)}` };
  const isFull = chosen.q8 <= memory * parts.q8;
  const where = `${sizeText(memory)} of ${gpuBytes === undefined ? "memory" : "GPU memory"}`;
  const isSlow = fitting[0] !== chosen;
  return {
    model: `${family}-${chosen.size}-instruct:${isFull ? "q8_0" : "q4_k_m"}`,
    sizeBytes: isFull ? chosen.q8 : chosen.q4,
    why: isSlow
      ? `larger ones fit into ${where}, but are slow on ${machine.cores} cores`
      : `the largest that fits well into ${where}`,
  };
}
