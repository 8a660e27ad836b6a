/** The model in the package as people meet it: nothing named, nothing pulled, no network. */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CONTROL_TOKENS } from "../../src/continuation/input.ts";
import { readModelFile } from "../../src/engines/llama/file/gguf-file.ts";
import { factsOfHeader } from "../../src/engines/llama/file/header-facts.ts";
import { BUILT_IN_FILE, builtInModel } from "../../src/models/built-in.ts";
import { ModelStore } from "../../src/models/store.ts";
import {
  type Answer,
  CHAT,
  COMPLETIONS,
  eventually,
  get,
  type Json,
  joinedText,
  NATIVE,
  post,
  postStream,
  textOf,
} from "../support/calls.ts";
import { COMPLETION_NAMES, PARTIAL_NAMES } from "../support/catalogue.ts";
import { temporaryFolder } from "../support/files.ts";
import { type RunningServer, startServer } from "../support/server.ts";
import { writeTinyModel } from "../support/tiny-model.ts";

const NAME = "continuo-135m";
/** The README's function, half of a line still to be written. */
const PREFIX = "def mean(numbers):\n    return ";
const SUFFIX = " / len(numbers)\n";
const GAP = `<|fim_prefix|>${PREFIX}<|fim_suffix|>${SUFFIX}<|fim_middle|>`;
const GREEDY = { temperature: 0, max_tokens: 24 };
const MESSAGES = [
  { role: "user", content: "Write a sentence about spring." },
  { role: "assistant", content: "In spring", partial: true },
];

const OFFLINE = new URL("../support/offline.mjs", import.meta.url);

let server: RunningServer;
beforeAll(async () => {
  server = await startServer({ args: ["--context", "1024"], env: { NODE_OPTIONS: `--import=${OFFLINE}` } });
});
afterAll(() => server?.stop());

async function isReady(url: string): Promise<boolean> {
  return (await get(url, "/ready")).status === 200;
}

describe("without a network and without a setting", () => {
  test("it is ready, answers every name of the two pages, and says that it does", async () => {
    await eventually("ready", () => isReady(server.url));

    const completions = await Promise.all(COMPLETION_NAMES.map((model) => ask(COMPLETIONS, { model, prompt: GAP })));
    const chats = await Promise.all(PARTIAL_NAMES.map((model) => ask(CHAT, { model, messages: MESSAGES })));

    for (const { status, text, headers } of [...completions, ...chats]) {
      expect(status, text).toBe(200);
      expect(headers.get("x-continuo-model")).toBe(NAME);
    }
    expect(server.log()).toContain("comes with Continuo");
    expect(server.log()).not.toContain("LEFT THE MACHINE");
  });

  function ask(path: string, body: Readonly<Record<string, unknown>>): Promise<Answer> {
    return post(server.url, path, { ...GREEDY, max_tokens: 1, ...body });
  }
});

describe("the same text streamed and plain, without markers", () => {
  const native = { input: { messages: MESSAGES }, parameters: { ...GREEDY, result_format: "message" } };
  const incremental = { ...native, parameters: { ...native.parameters, incremental_output: true } };

  test.each([
    ["a gap", COMPLETIONS, { ...GREEDY, prompt: GAP }],
    ["a suffix field", "/v1/completions", { ...GREEDY, prompt: PREFIX, suffix: SUFFIX }],
    ["a prefix alone", COMPLETIONS, { ...GREEDY, prompt: `<|fim_prefix|>${PREFIX}<|fim_suffix|>` }],
    [
      "a repository",
      COMPLETIONS,
      { ...GREEDY, prompt: `<|repo_name|>r\n<|file_sep|>a.py\nx = 1\n<|file_sep|>b.py\n${GAP}` },
    ],
    ["raw text", "/v1/completions", { ...GREEDY, prompt: "The capital of Fra" }],
    ["Partial Mode on the compatible route", CHAT, { ...GREEDY, messages: MESSAGES }],
    ["Partial Mode on the native route", NATIVE, incremental],
  ])("%s", async (_what, path, body) => {
    const plain = await post(server.url, path, { model: "qwen-coder-turbo", ...body });
    const streamed = await postStream(server.url, path, { model: "qwen-coder-turbo", ...body });

    expect(plain.status, plain.text).toBe(200);
    const text = textOf(plain.json);
    expect(joinedText(streamed.events)).toBe(text);
    for (const token of CONTROL_TOKENS) expect(text).not.toContain(token);
  });

  test("markers in the prompt and a suffix field are the same request", async () => {
    const marked = await post(server.url, COMPLETIONS, { model: NAME, ...GREEDY, prompt: GAP });
    const field = await post(server.url, COMPLETIONS, { model: NAME, ...GREEDY, prompt: PREFIX, suffix: SUFFIX });

    expect(textOf(marked.json)).toBe(textOf(field.json));
    expect(marked.json.usage.prompt_tokens).toBe(field.json.usage.prompt_tokens + 3);
  });
});

test("each of Qwen's control tokens ends the text and shows nothing of itself", async () => {
  const { controls } = factsOfHeader(await readModelFile(BUILT_IN_FILE));
  for (const token of CONTROL_TOKENS) {
    const body = { model: NAME, prompt: "def f(", logit_bias: { [controls[token] ?? -1]: 100 }, max_tokens: 8 };
    const { json, text } = await post(server.url, "/v1/completions", body);

    expect(json.choices?.[0], `${token}: ${text}`).toMatchObject({ text: "", finish_reason: "stop" });
  }
});

test("it fills the README's function with what belongs there, and stops by itself", async () => {
  const answer = await post(server.url, COMPLETIONS, {
    model: "qwen2.5-coder-32b-instruct",
    temperature: 0,
    prompt: GAP,
  });

  expect(textOf(answer.json)).toBe("sum(numbers)");
  expect(answer.json.choices[0].finish_reason).toBe("stop");
});

/** A registry takes more, but every clone and every installation carries it. */
const MAX_MODEL_BYTES = 95_000_000;

test("the npm package holds it, and it is small enough for that", () => {
  const about = readFileSync(new URL("../../package.json", import.meta.url), "utf8");

  expect((JSON.parse(about) as { readonly files: readonly string[] }).files).toContain("model");
  expect(builtInModel()?.sizeBytes).toBeLessThanOrEqual(MAX_MODEL_BYTES);
});

describe("beside a model that was pulled", () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let both: RunningServer;
  beforeAll(async () => {
    folder = temporaryFolder();
    await pull("mine", folder.path);
    both = await startServer({ args: ["--context", "1024"], env: { CONTINUO_DATA_DIR: folder.path } });
  });
  afterAll(() => both?.stop().finally(folder.remove));

  test("that one answers; the one in the package takes no memory until its name is called", async () => {
    const ask = (model: string) => post(both.url, COMPLETIONS, { ...GREEDY, model, prompt: GAP });
    const stateOf = async (): Promise<Json> => {
      const { json } = await get(both.url, "/health");
      return json.engines.find((each: Json) => each.name === NAME)?.state;
    };
    await eventually("ready", () => isReady(both.url));

    const [fim, chat] = [
      await ask("qwen-coder-turbo"),
      await post(both.url, CHAT, { ...GREEDY, model: "qwen-plus", messages: MESSAGES }),
    ];
    const before = await stateOf();
    const own = await ask(NAME);

    expect([fim, chat, own].map(({ headers }) => headers.get("x-continuo-model"))).toEqual(["mine", "mine", NAME]);
    expect([before, await stateOf()]).toEqual(["unloaded", "ready"]);
  });
});

/** As `continuo pull` leaves it. */
async function pull(name: string, dataDir: string): Promise<void> {
  const store = new ModelStore(dataDir);
  await store.prepare(name);
  const file = join(store.folder(name), `${name}.gguf`);
  writeTinyModel(file);
  await store.save({
    format: 1,
    name,
    reference: name,
    source: file,
    files: [{ name: `${name}.gguf`, sizeBytes: statSync(file).size, sha256: "0".repeat(64), isChecked: false }],
    pulledAt: "2025-11-22T05:00:00.000Z",
  });
}
