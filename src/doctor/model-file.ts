import type { FileModel } from "../config/config.ts";
import { readModelFile } from "../engines/llama/file/gguf-file.ts";
import { factsOfHeader } from "../engines/llama/file/header-facts.ts";
import { fittingSlotTokens, footprint } from "../engines/llama/host/memory.ts";
import { type Finding, inBytes, ok, problem, reasonOf, warning } from "./finding.ts";
import type { Machine } from "./machine.ts";

/** Whether the file is there and whole as far as its header tells, and whether it fits into memory. */
export async function examineModel(
  config: Pick<FileModel, "name" | "file" | "slots" | "contextTokens" | "deterministic">,
  defaultSlots: number,
  { memoryBytes, availableBytes }: Pick<Machine, "memoryBytes" | "availableBytes">,
): Promise<Finding> {
  const { name, file, slots = defaultSlots, contextTokens, deterministic } = config;
  const what = `model ${name}`;
  try {
    const facts = factsOfHeader(await readModelFile(file));
    const options = {
      slots,
      deterministic,
      queueLimit: 0,
      ...(contextTokens !== undefined && { slotTokens: contextTokens }),
    };
    const slotTokens = fittingSlotTokens(facts, options, { machine: memoryBytes, gpu: 0 });
    const { total, weights } = footprint(facts, { slots, slotTokens, deterministic });
    const size = `${file}: weights ${inBytes(weights)}, with ${slots} slots of ${slotTokens} tokens about ${inBytes(total)}`;
    if (total > memoryBytes) {
      const advice = "set fewer or smaller slots, or choose a smaller quantisation";
      return problem(what, `${size}, more than the ${inBytes(memoryBytes)} of this machine`, advice);
    }
    if (total <= availableBytes) return ok(what, size);
    return warning(what, `${size}; only ${inBytes(availableBytes)} are available now`, "close other programs first");
  } catch (error) {
    return problem(what, reasonOf(error), "fetch the file again, or name another one");
  }
}
