/** Names that the operator adds to the catalogue, over the real server. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { CHAT, COMPLETIONS, get, type Json, NATIVE, post, postStream, textOf } from "../support/calls.ts";
import { temporaryFolder } from "../support/files.ts";
import { startTinyServer, type TinyServer } from "../support/tiny-server.ts";

const CONFIG = `
catalogue:
  our-coder: { aliases: [our-coder-2026], sampling: { temperature: 0 } }
  our-chat: { like: qwen-plus, context: 400, max_input_tokens: 300, max_output_tokens: 7 }
`;

const folder = temporaryFolder();
const file = join(folder.path, "continuo.yaml");
let server: TinyServer;
beforeAll(async () => {
  writeFileSync(file, CONFIG);
  server = await startTinyServer({ tiny: {} }, { args: ["--config", file, "--deterministic"] });
});
afterAll(async () => {
  await server?.stop();
  folder.remove();
});

const MESSAGES = [
  { role: "user", content: "Continue." },
  { role: "assistant", content: "In spring", partial: true },
];

test.each(["our-coder", "our-coder-2026"])("%s is answered on every route", async (model) => {
  const prompt = "<|fim_prefix|>def add(a, b):\n<|fim_suffix|>\nprint(1)<|fim_middle|>";
  const answers = await Promise.all([
    post(server.url, COMPLETIONS, { model, prompt, max_tokens: 4 }),
    post(server.url, CHAT, { model, messages: MESSAGES, max_tokens: 4 }),
    post(server.url, NATIVE, { model, input: { messages: MESSAGES }, parameters: { max_tokens: 4 } }),
    post(server.url, "/v1/completions", { model, prompt: "def add", suffix: "return", max_tokens: 4 }),
    post(server.url, "/v1/chat/completions", { model, messages: MESSAGES, max_tokens: 4 }),
  ]);
  const stream = await postStream(server.url, COMPLETIONS, { model, prompt, max_tokens: 4 });

  for (const { status, text, json } of answers) {
    expect(status, text).toBe(200);
    expect(textOf(json)).not.toBe("");
  }
  expect(answers[0]?.json.model).toBe(model);
  expect(answers[0]?.headers.get("x-continuo-model")).toBe("tiny");
  expect(stream.status).toBe(200);
});

test("an entry's sampling is the default: the same greedy text twice", async () => {
  const body = { model: "our-coder", prompt: "春天", max_tokens: 12 };
  const texts = [await post(server.url, COMPLETIONS, body), await post(server.url, COMPLETIONS, body)];

  expect(textOf(texts[0]?.json)).toBe(textOf(texts[1]?.json));
});

test("routes and limits of an entry bind as those of the built-in names do", async () => {
  const refused = await post(server.url, COMPLETIONS, { model: "our-chat", prompt: "a" });
  const tooMany = await post(server.url, CHAT, { model: "our-chat", messages: MESSAGES, max_tokens: 8 });
  const { json } = await get(server.url, "/compatible-mode/v1/models");
  const listed = json.data.find((entry: Json) => entry.id === "our-chat").continuo;

  expect(refused.status).toBe(404);
  expect(refused.json.error.code).toBe("model_not_supported");
  expect(tooMany.json.error.message).toContain("Range of max_tokens should be [1, 7]");
  expect(listed).toMatchObject({ context_length: 400, max_input_tokens: 300, max_output_tokens: 7 });
  expect(listed.capabilities).toMatchObject({ completions: false, partial: true });
});

test("names of pages of 2026 are answered for Partial Mode", async () => {
  for (const model of [
    "qwen3-max",
    "qwen3.5-plus",
    "qwen3.6-flash",
    "qwen3.7-max",
    "qwen3-coder-plus",
    "qwen3-vl-plus",
  ]) {
    const answer = await post(server.url, CHAT, { model, messages: MESSAGES, max_tokens: 4 });

    expect(answer.status, answer.text).toBe(200);
    expect(answer.json.model).toBe(model);
  }
});
