/** The model of the speed comparison: Qwen2.5-Coder-0.5B's exact shape and vocabulary in Q8_0, random weights. */
import { cachedFile } from "../test/support/files.ts";
import { CODER_05B_SHAPE, writeQwenVocabularyModel } from "../test/support/qwen-model.ts";

/** Written once, 531 MB, and kept with the other test models. Speed does not depend on the values. */
export function cachedBenchModel(): string {
  const sources = [new URL("../test/support/qwen-model.ts", import.meta.url)];
  return cachedFile("bench.gguf", sources, (path) => writeQwenVocabularyModel(path, CODER_05B_SHAPE));
}
