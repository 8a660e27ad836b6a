/**
 * What a model says about given tokens in our engine, without a server: for checks of files that have just been made.
 *
 *     npx tsx test/support/engine-scores.ts logits|scores|speed MODEL [THREADS] < SEQUENCES
 *
 * A line of the input is a JSON array of token ids, its context the line alone. The output is for
 * - `logits`: all logits, [line][token][vocabulary id] as little-endian 32-bit floats;
 * - `scores`: a line per line, a JSON array of the natural log probabilities of the tokens but the first;
 * - `speed`: one line, tokens per second, `{"prefill": …, "decode": …}`; the input is not read.
 */
import { once } from "node:events";
import { createInterface } from "node:readline";
import { bindApi } from "../../src/engines/llama/native/api.ts";
import { NativeContext } from "../../src/engines/llama/native/context.ts";
import { defaultThreads } from "../../src/engines/llama/native/cores.ts";
import { loadLibraries } from "../../src/engines/llama/native/library.ts";
import { NativeModel } from "../../src/engines/llama/native/model.ts";
import { scored } from "../../src/engines/llama/pick/sampler.ts";

/** Longest line, tokens. */
const CONTEXT_TOKENS = 4096;
/** Rows of one decode; each holds its logits. */
const BATCH_TOKENS = 256;
/** Tokens of a measurement of speed, and how often it is repeated: the best one counts. */
const PREFILL_TOKENS = 512;
const DECODE_TOKENS = 64;
const REPEATS = 3;

const [mode, path, threads] = process.argv.slice(2);
if (path === undefined || !["logits", "scores", "speed"].includes(mode ?? "")) {
  process.stderr.write("usage: engine-scores.ts logits|scores|speed MODEL [THREADS]\n");
  process.exit(2);
}
const api = bindApi(loadLibraries());
api.logSet(api.isQuantizedSymbol, null); // a C function that ignores what it is given: loading says much
const model = await NativeModel.load(api, path, () => "");
const context = new NativeContext(api, model, {
  slots: 1,
  slotTokens: CONTEXT_TOKENS,
  threads: threads === undefined ? defaultThreads() : Number(threads),
  batchTokens: Math.max(BATCH_TOKENS, PREFILL_TOKENS),
  microBatchTokens: PREFILL_TOKENS,
});
if (mode === "speed") process.stdout.write(`${JSON.stringify(await speed())}\n`);
else {
  for await (const line of createInterface({ input: process.stdin })) {
    const tokens = JSON.parse(line) as number[];
    if (mode === "logits") await evaluate(tokens, (_position, logits) => write(Buffer.from(logits.slice().buffer)));
    else await write(`${JSON.stringify(await scores(tokens))}\n`);
  }
}
context.free();
model.free();

async function scores(tokens: readonly number[]): Promise<readonly number[]> {
  const found: number[] = [];
  await evaluate(tokens, async (position, logits) => {
    const next = tokens[position + 1];
    if (next !== undefined) found.push(scored(logits, 0).logprob(next));
  });
  return found;
}

/** Hands out the logits behind every token, in order; they are valid until the promise of `take` is fulfilled. */
async function evaluate(
  tokens: readonly number[],
  take: (position: number, logits: Float32Array) => Promise<void>,
): Promise<void> {
  context.truncate(0, 0);
  for (let start = 0; start < tokens.length; start += BATCH_TOKENS) {
    const slice = tokens.slice(start, start + BATCH_TOKENS);
    await decode(slice, start, true);
    for (const row of slice.keys()) await take(start + row, context.logits(row));
  }
}

async function decode(tokens: readonly number[], start: number, output: boolean): Promise<void> {
  const rows = tokens.map((token, index) => {
    const isLast = index === tokens.length - 1;
    return { token, position: start + index, sequence: 0, output: output || isLast };
  });
  const result = await context.decode(rows);
  if (result !== "done") throw new Error(`a decode of ${rows.length} rows from ${start} on was ${result}`);
}

async function speed(): Promise<{ readonly prefill: number; readonly decode: number }> {
  const prompt = Array.from({ length: PREFILL_TOKENS }, (_, index) => 1000 + ((index * 7919) % 40_000));
  const best = { prefill: 0, decode: 0 };
  for (let repeat = 0; repeat < REPEATS; repeat += 1) {
    context.truncate(0, 0);
    const startedMs = performance.now();
    await decode(prompt, 0, false);
    const decodedMs = performance.now();
    for (let token = 0; token < DECODE_TOKENS; token += 1) {
      await decode([1000 + token], PREFILL_TOKENS + token, true);
    }
    const endedMs = performance.now();
    best.prefill = Math.max(best.prefill, (1000 * PREFILL_TOKENS) / (decodedMs - startedMs));
    best.decode = Math.max(best.decode, (1000 * DECODE_TOKENS) / (endedMs - decodedMs));
  }
  return best;
}

async function write(data: string | Buffer): Promise<void> {
  if (!process.stdout.write(data)) await once(process.stdout, "drain");
}
