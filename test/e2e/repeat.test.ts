/** The same request with the same seed on an idle server of default settings: one text, on every path, warm or cold. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { CHAT, COMPLETIONS, joinedText, NATIVE, post, postStream, textOf } from "../support/calls.ts";
import { type RunningServer, startServer } from "../support/server.ts";

let server: RunningServer;
beforeAll(async () => {
  server = await startServer({ args: ["--context", "1024"] });
});
afterAll(() => server?.stop());

const MESSAGES = [
  { role: "user", content: "请写一首关于春天的诗，再用 Python 写一个快速排序。" },
  { role: "assistant", content: "春天来了，", partial: true },
];
const SEED = { seed: 7, max_tokens: 80 };
const CHAT_REQUEST = { model: "qwen-plus", messages: MESSAGES, ...SEED };

const plain = async (body: object = CHAT_REQUEST, path = CHAT) => textOf((await post(server.url, path, body)).json);
const streamed = async (body: object = CHAT_REQUEST, path = CHAT) =>
  joinedText((await postStream(server.url, path, { ...body, stream: true })).events);

async function native(stream: boolean): Promise<string> {
  const parameters = { ...SEED, result_format: "message", incremental_output: true };
  const body = { model: "qwen-plus", input: { messages: MESSAGES }, parameters };
  if (!stream) return textOf((await post(server.url, NATIVE, body)).json);
  return joinedText((await postStream(server.url, NATIVE, body, { "x-dashscope-sse": "enable" })).events);
}

/** Prompts that share a beginning with the one in question, or nothing. */
async function others(): Promise<void> {
  await plain({ ...CHAT_REQUEST, messages: [{ role: "user", content: "请写一首关于春天的诗。" }], max_tokens: 9 });
  await plain({ ...CHAT_REQUEST, max_tokens: 5 });
  await plain({ model: "qwen-coder-turbo", prompt: CODE.slice(0, 300), max_tokens: 12 }, COMPLETIONS);
}

const CODE = "import os\n\ndef walk(path, depth=0):\n    for entry in os.scandir(path):\n        yi".repeat(5);

test("Partial Mode, six times in a row, then streamed, on the native path, and after others", async () => {
  const texts: string[] = [];
  for (let time = 0; time < 6; time += 1) texts.push(await plain());
  texts.push(await streamed(), await native(false), await native(true));
  await others();
  texts.push(await native(true), await plain());

  expect(new Set(texts).size).toBe(1);
  expect(texts[0]?.length).toBeGreaterThan(10);
});

test.each([
  ["drawn, with healing and drafts", { temperature: 0.9, seed: 3, token_healing: true, speculation: true }],
  ["greedy, with drafts", { temperature: 0, speculation: true }],
])("a gap: %s", async (_, sampling) => {
  const suffix = "\n\nfor file in walk('.'):\n    print(file)\n";
  const request = { model: "qwen-coder-turbo", prompt: CODE, suffix, max_tokens: 48, ...sampling };
  const texts = [await plain(request, COMPLETIONS), await plain(request, COMPLETIONS)];
  await plain({ ...request, prompt: CODE.slice(0, -30) }, COMPLETIONS);
  texts.push(await streamed(request, COMPLETIONS));
  await others();
  texts.push(await plain(request, COMPLETIONS));

  expect(new Set(texts).size).toBe(1);
});
