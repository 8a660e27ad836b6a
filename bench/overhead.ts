/**
 * Overhead per token: what a token takes over HTTP beyond the evaluation of its row.
 *
 * Measured on one layer under Qwen's whole vocabulary of 152k tokens, where a row takes about a millisecond: beside the
 * forty of a real model, noise would be larger than what is looked for. Sampling, scheduling, the engine process, HTTP and
 * the event stream all count; the bare loop below only evaluates.
 */
import { bindApi } from "../src/engines/llama/native/api.ts";
import { NativeContext } from "../src/engines/llama/native/context.ts";
import { loadLibraries } from "../src/engines/llama/native/library.ts";
import { NativeModel } from "../src/engines/llama/native/model.ts";
import { cycleTokens } from "./copying-model.ts";
import type { Measure } from "./measures.ts";
import type { Peer } from "./peers.ts";
import { ask } from "./stream.ts";

const TOKENS = 256;
const PROMPT_TOKENS = 32;

/** Opens the model (`cachedSmallCopyingModel`) in this process, too. @param threads as those of the servers. */
export async function overheadMeasure(model: string, threads: number): Promise<Measure & { close(): void }> {
  const evaluator = await openEvaluator(model, threads);
  const run = async (peer: Peer): Promise<number> => {
    const { tokenMs } = await ask(peer, { prompt: cycleTokens(0, PROMPT_TOKENS), maxTokens: TOKENS, answer: "free" });
    const [first = Number.NaN] = tokenMs;
    const overHttp = ((tokenMs.at(-1) ?? Number.NaN) - first) / (tokenMs.length - 1);
    return overHttp - (await evaluator.msPerToken());
  };
  return {
    ...{ name: "overhead per token", unit: "ms", target: { atMost: 0.4, of: "itself" }, run },
    close: evaluator.close,
  };
}

async function openEvaluator(path: string, threads: number) {
  const api = bindApi(loadLibraries());
  api.logSet(api.isQuantizedSymbol, null);
  const model = await NativeModel.load(api, path, () => "");
  const context = new NativeContext(api, model, {
    ...{ slots: 1, slotTokens: 1_024, threads, batchTokens: 64, microBatchTokens: 64 },
  });
  /** Rows evaluated one by one at the places of an answer's tokens. */
  const msPerToken = async (): Promise<number> => {
    context.truncate(0, 0);
    const row = (token: number, position: number) => ({ token, position, sequence: 0, output: true });
    await context.decode(cycleTokens(0, PROMPT_TOKENS).map(row));
    const started = performance.now();
    for (let count = 0; count < TOKENS; count += 1) await context.decode([row(1_000 + count, PROMPT_TOKENS + count)]);
    const each = (performance.now() - started) / TOKENS;
    context.pause();
    return each;
  };
  const close = (): void => {
    context.free();
    model.free();
  };
  return { msPerToken, close };
}
