import { expect, test } from "vitest";
import { loadConfig } from "../config/load.ts";
import type { Flags } from "../config/settings.ts";
import type { RunningModel } from "../server.ts";
import { banner } from "./banner.ts";

const URL = "http://127.0.0.1:8100";

function configWith(flags: Flags, env: Record<string, string> = {}) {
  const files = { readFile: () => "", isFile: () => true, pulledModels: () => new Map() };
  return loadConfig(flags, { env, cwd: "/", home: "/", platform: "linux", ...files });
}

const TINY: RunningModel = {
  name: "tiny",
  slots: 4,
  model: { id: "tiny", contextTokens: 8192, fim: "qwen", chat: true, vocabularySize: 300, defaults: {} },
};

test("says who answers, how much fits, and a request to paste", () => {
  const lines = banner(configWith({ model: ["tiny.gguf"] }), [TINY], URL).join("\n");

  expect(lines).toContain("tiny\n  4 slots of 8192 tokens\n  fill-in-the-middle (qwen), chat and Partial Mode");
  expect(lines).toContain("stands in for every catalogue name");
  expect(lines).toContain(`Listening on ${URL}. Ctrl-C stops.`);
  expect(lines).toContain(`curl ${URL}/compatible-mode/v1/completions \\\n  -H "Content-Type: application/json"`);
});

test("the request's body is JSON that a shell takes between single quotes", () => {
  const last = banner(configWith({ model: ["tiny.gguf"] }), [TINY], URL).at(-2) ?? "";
  const body = /^ {2}-d '([^']*)'$/.exec(last)?.[1] ?? "";

  expect(JSON.parse(body)).toEqual({
    model: "qwen2.5-coder-32b-instruct",
    prompt: "<|fim_prefix|>def quick_sort(arr):<|fim_suffix|>",
    max_tokens: 64,
  });
});

test("strict: no stand-in, and the sample calls the model by its own name", () => {
  const lines = banner(configWith({ model: ["tiny.gguf"], strict: true }), [TINY], URL).join("\n");

  expect(lines).not.toContain("stands in");
  expect(lines).toContain('{"model":"tiny"');
});

test("with keys the sample carries one from the environment, never the key itself", () => {
  const lines = banner(configWith({ model: ["tiny.gguf"] }, { CONTINUO_API_KEY: "sk-secret" }), [TINY], URL).join("\n");

  expect(lines).toContain('-H "Authorization: Bearer $CONTINUO_API_KEY"');
  expect(lines).not.toContain("sk-secret");
});

test("without a model it says how to get one and what requests get", () => {
  const lines = banner(configWith({}), [], URL).join("\n");

  expect(lines).toContain("requests are answered with 503");
  expect(lines).toContain("npm start -- --model FILE");
});

test("a model that could not be loaded is named", () => {
  const lines = banner(configWith({ model: ["tiny.gguf", "broken.gguf"] }), [TINY], URL).join("\n");

  expect(lines).toContain("broken\n  cannot be served; the log says why");
});
