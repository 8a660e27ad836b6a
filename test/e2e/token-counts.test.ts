/** docs/wire.md, appendix B, through the real engine's tokenizer, with the exact Qwen vocabulary. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CHAT, COMPLETIONS, NATIVE, post } from "../support/calls.ts";
import { cachedQwenVocabularyModel } from "../support/qwen-model.ts";
import { type RunningServer, startServer } from "../support/server.ts";

let server: RunningServer;
beforeAll(async () => {
  server = await startServer({ models: [`qwen=${cachedQwenVocabularyModel()}`], args: ["--slots", "1"] });
}, 180_000);
afterAll(() => server?.stop());

async function promptTokens(path: string, body: Record<string, unknown>): Promise<number> {
  const answer = await post(server.url, path, { max_tokens: 1, ...body });
  expect(answer.status, answer.text).toBe(200);
  return answer.json.usage.prompt_tokens;
}

const completion = (prompt: unknown) => promptTokens(COMPLETIONS, { model: "qwen-coder-turbo", prompt });
const chat = (messages: readonly unknown[]) => promptTokens(CHAT, { model: "qwen-plus", messages });

describe("completions", () => {
  test.each([
    ["def add(a, b):\n", 6],
    ["<|fim_prefix|>def add(a, b):\n<|fim_suffix|>", 8],
    ["<|fim_prefix|>def add(a, b):\n<|fim_suffix|>\nprint(add(1, 2))<|fim_middle|>", 18],
    ["    return a + b\n", 6],
    [", the meadow wakes.", 6],
    ["<|fim_prefix|>写一个python的快速排序函数，def quick_sort(arr):<|fim_suffix|>", 15],
    ["<|fim_prefix|>寫一個python的快速排序函數，def quick_sort(arr):<|fim_suffix|>", 16],
  ])("%j is %i tokens", async (prompt, tokens) => {
    expect(await completion(prompt)).toBe(tokens);
  });

  test.each([
    ["def add(a, b):\n", [750, 912, 2877, 11, 293, 982]],
    ["    return a + b\n", [262, 470, 264, 488, 293, 198]],
    [", the meadow wakes.", [11, 279, 752, 5843, 61567, 13]],
    [
      "<|fim_prefix|>def add(a, b):\n<|fim_suffix|>\nprint(add(1, 2))<|fim_middle|>",
      [151659, 750, 912, 2877, 11, 293, 982, 151661, 198, 1350, 25906, 7, 16, 11, 220, 17, 593, 151660],
    ],
  ])("%j is the ids of the appendix: both are continued alike", async (prompt, ids) => {
    const greedy = { model: "qwen", temperature: 0, max_tokens: 6, logprobs: 0, token_healing: false };
    const fromText = await post(server.url, "/v1/completions", { ...greedy, prompt });
    const fromIds = await post(server.url, "/v1/completions", { ...greedy, prompt: ids });

    expect(fromIds.json.usage.prompt_tokens).toBe(ids.length);
    expect(fromText.json.choices[0].logprobs.tokens).toEqual(fromIds.json.choices[0].logprobs.tokens);
  });
});

describe("messages", () => {
  const spring = {
    role: "user",
    content: "请对“春天来了，大地”这句话进行续写，来表达春天的美好和作者的喜悦之情",
  };
  const prefix = { role: "assistant", content: "春天来了，大地", partial: true };

  test("one user turn and an open assistant header are 10 tokens", async () => {
    expect(await chat([{ role: "user", content: "Continue." }])).toBe(10);
  });

  test("user and partial prefix are 16 tokens", async () => {
    const user = { role: "user", content: "Write a sentence about spring." };
    expect(await chat([user, { role: "assistant", content: "In spring", partial: true }])).toBe(16);
  });

  test("Page B's sample is 34 tokens, on CHAT and on NATIVE", async () => {
    const native = await post(server.url, NATIVE, {
      model: "qwen-plus",
      input: { messages: [spring, prefix] },
      parameters: { result_format: "message", max_tokens: 1 },
    });

    expect(await chat([spring, prefix])).toBe(34);
    expect(native.json.usage.input_tokens).toBe(34);
  });

  test("it is 30 without the prefix and 45 with a system message", async () => {
    const system = { role: "system", content: "You are a helpful assistant." };

    expect(await chat([spring])).toBe(30);
    expect(await chat([system, spring, prefix])).toBe(45);
  });
});
