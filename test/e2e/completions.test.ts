import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CONTROL_TOKENS } from "../../src/continuation/input.ts";
import { COMPLETIONS, type Json, post, postStream, textOf } from "../support/calls.ts";
import { COMPLETION_NAMES } from "../support/catalogue.ts";
import { startTinyServer, type TinyServer } from "../support/tiny-server.ts";

const P = "def quick_sort(arr):\n";
const S = "return result\n";
const FORM_2 = `<|fim_prefix|>${P}<|fim_suffix|>${S}<|fim_middle|>`;

let server: TinyServer;
beforeAll(async () => {
  server = await startTinyServer();
});
afterAll(() => server?.stop());

/** A greedy completion of 24 tokens. */
async function complete(prompt: string, fields: Record<string, unknown> = {}): Promise<Json> {
  const body = { model: "qwen-coder-turbo", prompt, temperature: 0, max_tokens: 24, ...fields };
  const answer = await post(server.url, COMPLETIONS, body);
  expect(answer.status, answer.text).toBe(200);
  return answer.json;
}

async function promptTokens(prompt: string, fields: Record<string, unknown> = {}): Promise<number> {
  return (await complete(prompt, { max_tokens: 1, ...fields })).usage.prompt_tokens;
}

describe("the prompt forms of docs/wire.md 3.2", () => {
  test.each([
    ["1, prefix only", `<|fim_prefix|>${P}<|fim_suffix|>`],
    ["2, prefix and suffix", FORM_2],
    ["2a, prefix only with the middle marker", `<|fim_prefix|>${P}<|fim_suffix|><|fim_middle|>`],
    ["4, plain text", P],
    ["6, text after the middle marker", `${FORM_2}    pivot = `],
    ["7, the middle marker forgotten", `<|fim_prefix|>${P}<|fim_suffix|>${S}`],
    ["8, a repository", `<|repo_name|>sorting\n<|file_sep|>a.py\nimport os\n<|file_sep|>b.py\n${FORM_2}`],
    ["8, a repository without markers", "<|repo_name|>sorting\n<|file_sep|>a.py\nimport os\n<|file_sep|>b.py\ndef f("],
    ["8, an empty prefix behind other files", "<|file_sep|>a.py\nx\n<|fim_prefix|><|fim_suffix|>return<|fim_middle|>"],
    ["8a, text before the prefix marker", `# other file\n${FORM_2}`],
    ["8b, suffix first", `<|fim_suffix|>${S}<|fim_prefix|>${P}<|fim_middle|>`],
  ])("form %s is answered with text, without markers", async (_form, prompt) => {
    const { choices, usage } = await complete(prompt);

    expect(choices).toHaveLength(1);
    expect(choices[0].text).not.toBe("");
    for (const token of CONTROL_TOKENS) expect(choices[0].text).not.toContain(token);
    expect(usage.total_tokens).toBe(usage.prompt_tokens + usage.completion_tokens);
  });

  test("form 5, the suffix field, is form 2 without counting its markers", async () => {
    const form5 = await complete(P, { suffix: S });
    const form2 = await complete(FORM_2);

    expect(textOf(form5)).toBe(textOf(form2));
    expect(form5.usage.prompt_tokens).toBe(form2.usage.prompt_tokens - 3);
  });

  test("forms 1 and 2a are the same to the model, the written marker counts", async () => {
    const form1 = await complete(`<|fim_prefix|>${P}<|fim_suffix|>`);
    const form2a = await complete(`<|fim_prefix|>${P}<|fim_suffix|><|fim_middle|>`);

    expect(textOf(form1)).toBe(textOf(form2a));
    expect(form2a.usage.prompt_tokens).toBe(form1.usage.prompt_tokens + 1);
  });

  test("forms 7 and 8b are the same to the model as form 2", async () => {
    const form2 = await complete(FORM_2);
    const form7 = await complete(`<|fim_prefix|>${P}<|fim_suffix|>${S}`);
    const form8b = await complete(`<|fim_suffix|>${S}<|fim_prefix|>${P}<|fim_middle|>`);

    expect(textOf(form7)).toBe(textOf(form2));
    expect(form7.usage.prompt_tokens).toBe(form2.usage.prompt_tokens - 1);
    expect(textOf(form8b)).toBe(textOf(form2));
    expect(form8b.usage.prompt_tokens).toBe(form2.usage.prompt_tokens);
  });

  test("prompt tokens are those of the text plus one per written marker", async () => {
    const prefix = await promptTokens(P);
    const suffix = await promptTokens(S);

    expect(await promptTokens(`<|fim_prefix|>${P}<|fim_suffix|>`)).toBe(prefix + 2);
    expect(await promptTokens(FORM_2)).toBe(prefix + suffix + 3);
    expect(await promptTokens(`# other\n${FORM_2}`)).toBe((await promptTokens("# other\n")) + prefix + suffix + 3);
  });

  test.each([
    ["3", "<|fim_prefix|><|fim_suffix|>return x<|fim_middle|>", /suffix only is not supported, the prefix must not/],
    ["3", "<|fim_suffix|>return x<|fim_middle|>", /suffix only is not supported, the prefix must not be empty\./],
    ["9", "<|fim_prefix|>a<|fim_prefix|>b<|fim_suffix|>c<|fim_middle|>", /fim_prefix/],
    ["9", "<|fim_prefix|>a<|fim_suffix|>b<|fim_suffix|>c<|fim_middle|>", /fim_suffix/],
    ["9", "<|fim_prefix|>only a prefix marker", /fim_prefix/],
    ["9", "<|fim_middle|>a<|fim_prefix|>b<|fim_suffix|>c", /fim_middle/],
    ["10", "", /Range of input length should be \[1, \d+\]/],
    ["10", "<|fim_prefix|><|fim_suffix|>", /Range of input length should be \[1, \d+\]/],
  ])("form %s, %j, is refused", async (_form, prompt, message) => {
    const answer = await post(server.url, COMPLETIONS, { model: "qwen-coder-turbo", prompt });

    expect(answer.status).toBe(400);
    expect(answer.json.error.code).toBe("invalid_parameter_error");
    expect(answer.json.error.type).toBe("invalid_request_error");
    expect(answer.json.error.message).toMatch(message);
    expect(answer.json.error.message).toMatch(/^<400> InternalError\.Algo\.InvalidParameter: /);
  });

  test("a suffix field beside markers in the prompt is refused", async () => {
    const answer = await post(server.url, COMPLETIONS, { model: "qwen-coder-turbo", prompt: FORM_2, suffix: "x" });

    expect(answer.status).toBe(400);
  });

  test("control tokens in the suffix field are plain text", async () => {
    const plain = await promptTokens(P, { suffix: "return" });
    const spelt = await promptTokens(P, { suffix: "return<|im_end|>" });

    expect(spelt).toBeGreaterThan(plain + 1);
  });
});

test.each(COMPLETION_NAMES)("%s answers forms 1 and 2, plain and streamed, under its own name", async (model) => {
  for (const prompt of [`<|fim_prefix|>${P}<|fim_suffix|>`, FORM_2]) {
    const plain = await complete(prompt, { model });
    const streamed = await postStream(server.url, COMPLETIONS, { model, prompt, temperature: 0, max_tokens: 24 });

    expect(plain.model).toBe(model);
    expect(textOf(plain)).not.toBe("");
    expect(streamed.status).toBe(200);
    expect(streamed.events.every((event) => event.model === model)).toBe(true);
  }
});

test.each(["qwen-plus", "qwen-coder-plus", "qwen2.5-7b-instruct"])("%s is not a completions model", async (model) => {
  const answer = await post(server.url, COMPLETIONS, { model, prompt: "a" });

  expect(answer.status).toBe(404);
  expect(answer.json.error).toEqual({
    message: `Unsupported model ${model} for OpenAI compatibility mode.`,
    type: "invalid_request_error",
    param: null,
    code: "model_not_supported",
  });
});

describe("the answer of docs/wire.md 2.1.2", () => {
  test("has every documented field", async () => {
    const before = Math.floor(Date.now() / 1000);
    const answer = await post(server.url, COMPLETIONS, {
      model: "qwen-coder-turbo",
      prompt: FORM_2,
      temperature: 0,
      max_tokens: 5,
    });
    const { id, created, choices, usage, ...rest } = answer.json;

    expect(id).toBe(`cmpl-${answer.headers.get("x-request-id")}`);
    expect(id).toMatch(/^cmpl-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/);
    expect(created).toBeGreaterThanOrEqual(before);
    expect(choices).toEqual([{ text: choices[0].text, index: 0, logprobs: null, finish_reason: "length" }]);
    expect(usage.completion_tokens).toBe(5);
    expect(rest).toEqual({ object: "text_completion", model: "qwen-coder-turbo", system_fingerprint: null });
    expect(answer.headers.get("content-type")).toBe("application/json");
    expect(answer.headers.get("x-continuo-model")).toBe("tiny");
  });

  test("a list of prompts gives a choice each, numbered by prompt, with the usage summed", async () => {
    const prompts = ["春天来了", P, "hello"];
    const alone = await Promise.all(prompts.map((prompt) => complete(prompt)));

    const together = await complete("", { prompt: prompts });

    expect(together.choices.map((choice: Json) => choice.index)).toEqual([0, 1, 2]);
    expect(together.choices.map((choice: Json) => choice.text)).toEqual(alone.map(textOf));
    const sum = alone.reduce((total, { usage }) => total + usage.prompt_tokens, 0);
    expect(together.usage.prompt_tokens).toBe(sum);
  });

  test("a prompt of token ids is the text they stand for", async () => {
    const hello = ["h", "e", "l", "l", "o"].map((letter) => server.vocabulary.ids.get(letter));
    const ids = await complete("", { prompt: hello });

    expect(ids.usage.prompt_tokens).toBe(5);
    expect(textOf(ids)).not.toBe("");
    const refused = await post(server.url, COMPLETIONS, { model: "qwen-coder-turbo", prompt: [1_000_000] });
    expect(refused.status).toBe(400);
  });

  test("a repeated prompt reports what was cached", async () => {
    const prompt = `<|fim_prefix|>${"x = 1\n".repeat(60)}<|fim_suffix|>`;
    const first = await complete(prompt);
    const second = await complete(prompt);

    expect(second.usage.prompt_tokens).toBe(first.usage.prompt_tokens);
    expect(second.usage.prompt_tokens_details.cached_tokens).toBeGreaterThan(first.usage.prompt_tokens / 2);
    expect(second.usage.prompt_tokens_details.cached_tokens).toBeLessThan(first.usage.prompt_tokens + 1);
    expect(textOf(second)).toBe(textOf(first));
  });

  test("fields without an effect are named in a header", async () => {
    const body = { model: "qwen-coder-turbo", prompt: "a", max_tokens: 1, colour: "red", user: "me" };
    const answer = await post(server.url, COMPLETIONS, body);

    expect(answer.status).toBe(200);
    expect(answer.headers.get("x-continuo-ignored")?.split(",")).toContain("colour");
  });
});
