/**
 * The two Model Studio pages' own samples, sent by the SDKs they use, changed in address and key only; then Partial Mode
 * in English on real weights, and the samples once more on the model in the package. Needs Python 3, pip and curl; the first run installs into `.cache/clients`.
 *
 *     npm run build && npx tsx test/clients/run.ts
 */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type Json, textOf } from "../support/calls.ts";
import { pythonPackages } from "../support/python-packages.ts";
import { cachedQwenVocabularyModel } from "../support/qwen-model.ts";
import { type RunningServer, startServer } from "../support/server.ts";
import { expectThat, print, Tally } from "../support/tally.ts";
import { checkEnglish } from "./english.ts";

const KEY = "sk-0123456789abcdef0123456789abcdef";
/** Milliseconds one sample may take; the pages set no `max_tokens`, so an answer may fill the context. */
const SAMPLE_TIMEOUT_MS = 300_000;

const CHINESE_PREFIX = "春天来了,大地";

/** What must not come back at the start of an answer, by program. */
const SAMPLES: readonly { readonly program: string; readonly prefix: string }[] = [
  { program: "python/completions_prefix.py", prefix: "寫一個python" },
  { program: "python/completions_infill.py", prefix: "def reverse_words" },
  { program: "python/partial_compatible.py", prefix: CHINESE_PREFIX },
  { program: "python/partial_native.py", prefix: CHINESE_PREFIX },
  { program: "python/partial_native_stream.py", prefix: "The capital of France is" },
  { program: "python/openai_stream.py", prefix: "The capital of France is" },
  { program: "python/langchain_completion.py", prefix: "def quick_sort" },
  { program: "node/completions-prefix.mjs", prefix: "寫一個python" },
  { program: "node/completions-infill.mjs", prefix: "def reverse_words" },
  { program: "node/partial-compatible.mjs", prefix: CHINESE_PREFIX },
  { program: "curl/completions-prefix.sh", prefix: "寫一個python" },
  { program: "curl/completions-infill.sh", prefix: "def reverse_words" },
  { program: "curl/partial-compatible.sh", prefix: CHINESE_PREFIX },
  { program: "curl/partial-native.sh", prefix: CHINESE_PREFIX },
];

const packages = pythonPackages();
const tally = new Tally();
const ARGS = ["--context", "512", "--slots", "2", "--deterministic"];

await withServer(
  // Infill samples are answered by the second model: SmolLM2 has no layout for it.
  [`smollm2-135m-instruct=${packages.smolLm2}`, `qwen-vocabulary=${cachedQwenVocabularyModel()}`],
  async (server) => {
    for (const { program, prefix } of SAMPLES) {
      await tally.check(program, async () => {
        const text = await answerOf(program, server.url);
        expectThat(text !== "", "the continuation is empty");
        expectThat(!text.startsWith(prefix), `the continuation repeats the prefix: ${shown(text)}`);
        return shown(text);
      });
    }
    await checkEnglish(tally, server.url, KEY);
  },
);
await withServer([], async (server) => {
  for (const { program } of SAMPLES) {
    await tally.check(`${program}, the model in the package`, async () => {
      const text = await answerOf(program, server.url);
      expectThat(!/<\|\w+\|>/.test(text), `a control token shows: ${text}`);
      return JSON.stringify(text);
    });
  }
});
tally.finish();

/** @param models none: those that a server has without being told. */
async function withServer(models: readonly string[], use: (server: RunningServer) => Promise<void>): Promise<void> {
  const failedBefore = tally.failed;
  const server = await startServer({ models, args: ARGS, env: { CONTINUO_API_KEY: KEY } });
  try {
    await use(server);
  } finally {
    await server.stop();
  }
  if (tally.failed > failedBefore) print(server.log().split("\n").slice(-20).join("\n"));
}

/** Runs a sample and reads the continuation off its output; curl prints the whole body. */
async function answerOf(program: string, url: string): Promise<string> {
  const path = fileURLToPath(new URL(program, import.meta.url));
  const interpreter = program.startsWith("python/") ? packages.python : process.execPath;
  const [file, args] = program.startsWith("curl/") ? ["sh", [path]] : [interpreter, [path]];
  const { stdout } = await promisify(execFile)(file, args, {
    env: { ...process.env, CONTINUO_TEST_URL: url, DASHSCOPE_API_KEY: KEY, PYTHONIOENCODING: "utf-8" },
    timeout: SAMPLE_TIMEOUT_MS,
    maxBuffer: 1 << 24,
  });
  return program.startsWith("curl/") ? textOf(JSON.parse(stdout) as Json) : stdout;
}

function shown(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
