/** Greedy token ids of our engine against those of a llama-server, same file, same prompt. */
import { FIM_LAYOUTS } from "../../src/continuation/fim.ts";
import { CONTROL_TOKENS, type Continuation } from "../../src/continuation/input.ts";
import { type ChoiceResult, collect, type Result } from "../../src/continuation/output.ts";
import { LlamaEngine } from "../../src/engines/llama/host/engine.ts";
import { type LlamaServerOptions, startLlamaServer } from "./llama-server.ts";
import { expectThat, print, type Tally } from "./tally.ts";

/** The engine process as built: it runs under plain Node. */
const SCRIPT = new URL("../../dist/engines/llama/process.js", import.meta.url);

export interface ComparedPrompt {
  readonly name: string;
  /** What our engine is given. */
  readonly input: Continuation;
  /** The same, rendered by hand; control tokens spelt out. */
  readonly rendered: string;
}

export interface Comparison {
  /** Begins the names of the checks. */
  readonly name: string;
  readonly model: string;
  readonly prompts: readonly ComparedPrompt[];
  readonly peer: Pick<LlamaServerOptions, "program" | "libraries">;
  /** Tokens compared per prompt. */
  readonly tokens: number;
  /** How close the two likeliest tokens must be for the other build's rounding to swap them, natural log. */
  readonly tieNats: number;
}

/** One check per prompt, and one that the texts differ among themselves. */
export async function compareWithStock(comparison: Comparison, tally: Tally): Promise<void> {
  const { name, model, prompts, peer } = comparison;
  const llama = await startLlamaServer({ ...peer, model, args: ["-c", "2048", "-np", "1", "-t", "1", "--no-webui"] });
  const engine = new LlamaEngine({
    name,
    path: model,
    script: SCRIPT,
    engine: { slots: 2, slotTokens: 2048, threads: 1, deterministic: false, queueLimit: 16 },
    fimLayouts: FIM_LAYOUTS,
    report: print,
  });
  try {
    const texts = new Set<string>();
    const ends = await endIds(llama.url);
    for (const prompt of prompts) {
      await tally.check(`${name}: ${JSON.stringify(prompt.name)}`, async () => {
        const ids = await tokenize(llama.url, prompt.rendered);
        const theirs = upToEnd(await completeIds(llama.url, ids, comparison.tokens), ends);
        const ours = await complete(engine, prompt.input, comparison.tokens);
        texts.add(ours.choices[0]?.text ?? "");
        expectThat(
          ours.start.promptTokens === ids.length,
          `${ours.start.promptTokens} prompt tokens, not ${ids.length}`,
        );
        return difference(ours.choices[0], theirs, comparison.tieNats);
      });
    }
    await tally.check(`${name}: what is compared is not always the same text`, async () => {
      // A small model may say the same thing twice.
      expectThat(texts.size > prompts.length / 2, `${texts.size} texts for ${prompts.length} prompts`);
      return `${texts.size} texts`;
    });
  } finally {
    await engine[Symbol.asyncDispose]();
    await llama.stop();
  }
}

/** What to print of two equal answers. Throws when they differ, unless another build of llama.cpp broke a tie its own way. */
function difference(ours: ChoiceResult | undefined, theirs: readonly number[], tieNats: number): string {
  const tokens = ours?.tokens ?? [];
  const length = Math.max(tokens.length, theirs.length);
  const at = Array.from({ length }, (_, index) => index).find((index) => tokens[index] !== theirs[index]);
  if (at === undefined) return `${length} equal ids`;
  const [first, second] = ours?.logprobs[at]?.top ?? [];
  const gap = (first?.logprob ?? 0) - (second?.logprob ?? Number.NEGATIVE_INFINITY);
  const both = `ours ${tokens.join(" ")}\n      theirs ${theirs.join(" ")}`;
  expectThat(gap < tieNats, `token ${at} differs by ${gap.toFixed(4)} nats: ${both}`);
  return `${at} equal ids, then a tie within ${gap.toFixed(4)} nats`;
}

function complete(engine: LlamaEngine, input: Continuation, maxTokens: number): Promise<Result> {
  const limits = { maxTokens, stopStrings: [], stopSequences: [], maxInputTokens: 2000, truncate: false };
  const sampling = { temperature: 0, repetitionPenalty: 1 };
  const asked = { model: "any", input, sampling, limits, choices: 1, logprobs: 2, promptLogprobs: false };
  const request = { ...asked, tokenHealing: false, gapEnd: false }; // the other server knows neither
  return collect(engine.generate(request, new AbortController().signal));
}

async function tokenize(url: string, content: string): Promise<readonly number[]> {
  const body = { content, add_special: true, parse_special: true };
  return ((await postJson(url, "/tokenize", body)) as { tokens: number[] }).tokens;
}

/** Control tokens at which our engine ends every text; the other server knows only some of them as ends. */
async function endIds(url: string): Promise<ReadonlySet<number>> {
  const spelt = await Promise.all(CONTROL_TOKENS.map((spelling) => tokenize(url, spelling)));
  return new Set(spelt.flatMap((ids) => (ids.length === 1 ? ids : [])));
}

function upToEnd(ids: readonly number[], ends: ReadonlySet<number>): readonly number[] {
  const end = ids.findIndex((id) => ends.has(id));
  return end < 0 ? ids : ids.slice(0, end);
}

/** Greedy ids, without an end token. A text that ends within a character is an error there: then more is asked for. */
async function completeIds(url: string, prompt: readonly number[], length: number): Promise<readonly number[]> {
  for (const more of [0, 1, 2, 3]) {
    const sampling = { temperature: 0, repeat_penalty: 1 }; // the file may recommend another penalty
    const body = { prompt, n_predict: length + more, ...sampling, return_tokens: true, cache_prompt: false };
    const answer = (await postJson(url, "/completion", body).catch(() => undefined)) as LlamaAnswer | undefined;
    if (answer === undefined) continue;
    const tokens = answer.stop_type === "eos" ? answer.tokens.slice(0, -1) : answer.tokens;
    return tokens.slice(0, length);
  }
  throw new Error("llama-server refused the prompt");
}

interface LlamaAnswer {
  readonly tokens: readonly number[];
  readonly stop_type: string;
}

async function postJson(url: string, path: string, body: unknown): Promise<unknown> {
  const headers = { "content-type": "application/json" };
  const response = await fetch(`${url}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
  if (response.status !== 200) throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
  return response.json();
}
