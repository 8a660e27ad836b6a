import { availableParallelism, cpus, totalmem } from "node:os";
import { defaultThreads } from "../engines/llama/native/cores.ts";
import { freeModelMemory } from "../engines/llama/probe/free-memory.ts";
import { type Finding, inBytes, ok, problem, warning } from "./finding.ts";

/** What of this process is looked at; tests hand in their own. */
export interface Machine {
  readonly platform: string;
  readonly arch: string;
  /** Without the `v`. */
  readonly nodeVersion: string;
  /** Bytes that programs here may use: the machine's, or what a container was given. */
  readonly memoryBytes: number;
  readonly availableBytes: number;
  readonly processor: string;
  readonly hardwareThreads: number;
  readonly engineThreads: number;
}

/** The oldest Node that `package.json` allows. */
const NODE_AT_LEAST: readonly [major: number, minor: number] = [20, 19];
/** Less available memory than this holds no useful model: the smallest ones of the catalogue need about half of it. */
const USEFUL_BYTES = 1 << 30;

export function thisMachine(): Machine {
  const limit = process.constrainedMemory();
  const all = totalmem();
  return {
    platform: process.platform,
    arch: process.arch,
    nodeVersion: process.versions.node,
    memoryBytes: limit > 0 && limit < all ? limit : all,
    availableBytes: freeModelMemory([]).machine,
    processor: cpus()[0]?.model.trim() ?? "unknown processor",
    hardwareThreads: availableParallelism(),
    engineThreads: defaultThreads(),
  };
}

export function examineMachine(machine: Machine): readonly Finding[] {
  return [nodeFinding(machine), processorFinding(machine), memoryFinding(machine)];
}

function nodeFinding({ nodeVersion, platform, arch }: Machine): Finding {
  const [major = 0, minor = 0] = nodeVersion.split(".").map(Number);
  const [leastMajor, leastMinor] = NODE_AT_LEAST;
  const found = `Node ${nodeVersion} on ${platform}-${arch}`;
  if (major > leastMajor || (major === leastMajor && minor >= leastMinor)) return ok("platform", found);
  return problem("platform", found, `install Node ${leastMajor}.${leastMinor} or newer`);
}

function processorFinding({ processor, hardwareThreads, engineThreads }: Machine): Finding {
  const threads = engineThreads === 1 ? "1 thread" : `${engineThreads} threads`;
  const found = `${processor}, ${hardwareThreads} hardware threads; a model computes with ${threads}`;
  return ok("processor", found);
}

function memoryFinding({ memoryBytes, availableBytes }: Machine): Finding {
  const found = `${inBytes(availableBytes)} of ${inBytes(memoryBytes)} available`;
  if (availableBytes >= USEFUL_BYTES) return ok("memory", found);
  return warning("memory", found, "close other programs, or give the container more; hardly any model fits");
}
