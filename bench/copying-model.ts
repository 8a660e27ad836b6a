/**
 * Models whose greedy answer is known: Qwen's vocabulary, every layer computed as ever but adding nothing, and an output
 * matrix that answers each token of a cycle with the next one.
 */
import { cachedFile } from "../test/support/files.ts";
import { CODER_05B_SHAPE, QWEN_VOCABULARY_SHAPE, writeQwenVocabularyModel } from "../test/support/qwen-model.ts";
import { qwenVocabulary } from "../test/support/qwen-vocabulary.ts";
import type { Shape } from "../test/support/tiny-model.ts";

const CYCLE_TOKENS = 40_000;

let words: readonly number[] | undefined;

/** Ids of ordinary English-looking tokens, all different: the cycle first, then some that are not in it. */
function wordTokens(): readonly number[] {
  words ??= qwenVocabulary().tokens.flatMap((token, id) => (/^\u0120?[a-z]{2,}$/i.test(token) ? [id] : []));
  return words;
}

/** A stretch of the cycle, from a place that differs with every `index`. */
export function cycleTokens(index: number, length: number): readonly number[] {
  const start = (index * length) % (CYCLE_TOKENS - length);
  return wordTokens().slice(start, start + length);
}

/** A token that no answer has. */
export function foreignToken(index: number): number {
  const foreign = wordTokens().slice(CYCLE_TOKENS);
  return foreign[index % foreign.length] ?? 0;
}

/** Written once, about 680 MB, and kept with the other test models. */
export function cachedCopyingModel(): string {
  return cachedCycleModel("copying", CODER_05B_SHAPE);
}

/** One layer under the same vocabulary: a row takes about a millisecond. 22 MB. */
export function cachedSmallCopyingModel(): string {
  return cachedCycleModel("copying-small", QWEN_VOCABULARY_SHAPE);
}

function cachedCycleModel(name: string, shape: Shape): string {
  const sources = ["../test/support/qwen-model.ts", "copying-model.ts"].map((file) => new URL(file, import.meta.url));
  return cachedFile(`${name}.gguf`, sources, (path) => {
    const cycle = wordTokens().slice(0, CYCLE_TOKENS);
    const successors = new Map(cycle.map((token, index) => [token, cycle[(index + 1) % CYCLE_TOKENS] ?? token]));
    writeQwenVocabularyModel(path, shape, successors);
  });
}
