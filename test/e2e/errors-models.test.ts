import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Answer, CHAT, COMPLETIONS, get, type Json, post } from "../support/calls.ts";
import { codeOf, everywhere, MESSAGES, messageOf } from "../support/error-answers.ts";
import { temporaryFolder } from "../support/files.ts";
import { type RunningServer, startServer } from "../support/server.ts";
import { startTinyServer, type TinyServer } from "../support/tiny-server.ts";

describe("without a model", () => {
  let empty: RunningServer;
  beforeAll(async () => {
    const file = fileURLToPath(new URL("../support/no-model.yaml", import.meta.url));
    empty = await startServer({ args: ["--config", file] });
  });
  afterAll(() => empty?.stop());

  test("the server is up, not ready, and says what to do", async () => {
    const answers = await everywhere(empty.url, {});
    const ready = await get(empty.url, "/ready");

    expect((await get(empty.url, "/health")).status).toBe(200);
    expect(ready.status).toBe(503);
    expect(answers.map(({ status }) => status)).toEqual([503, 503, 503]);
    expect(new Set(answers.map(codeOf))).toEqual(new Set(["ModelUnavailable"]));
    for (const answer of answers) expect(messageOf(answer)).toContain("--model");
  });

  test("what comes before the model in the order of checks still comes first", async () => {
    const [unknown] = await everywhere(empty.url, { model: "nope" });
    const [bad] = await everywhere(empty.url, { temperature: 99 });

    expect(unknown.status).toBe(404);
    expect(bad.status).toBe(503);
  });
});

describe("strict", () => {
  let strict: TinyServer;
  beforeAll(async () => {
    strict = await startTinyServer({ tiny: {} }, { args: ["--strict"] });
  });
  afterAll(() => strict?.stop());

  test("turns stand-ins off: only mapped names answer", async () => {
    const catalogue = await everywhere(strict.url, {});
    const own = await post(strict.url, "/v1/completions", { model: "tiny", prompt: "a", max_tokens: 1 });

    expect(catalogue.map(({ status }) => status)).toEqual([503, 503, 503]);
    expect(new Set(catalogue.map(codeOf))).toEqual(new Set(["ModelUnavailable"]));
    expect(own.status).toBe(200);
  });
});

describe("weights without a fill-in-the-middle layout", () => {
  let plain: TinyServer;
  beforeAll(async () => {
    plain = await startTinyServer({ chatty: { fim: false }, coder: {} });
  });
  afterAll(() => plain?.stop());

  const complete = (fields: Record<string, unknown>): Promise<Answer> =>
    post(plain.url, "/v1/completions", { model: "chatty", max_tokens: 4, temperature: 0, ...fields });

  test("continue form 1 as raw text and refuse a suffix, naming who can", async () => {
    const form1 = await complete({ prompt: "<|fim_prefix|>abc<|fim_suffix|>" });
    const raw = await complete({ prompt: "abc" });
    const suffix = await complete({ prompt: "<|fim_prefix|>abc<|fim_suffix|>def<|fim_middle|>" });

    expect(form1.json.choices[0].text).toBe(raw.json.choices[0].text);
    expect(suffix.status).toBe(400);
    expect((suffix.json as Json).error.message).toContain("coder");
  });

  test("leave catalogue names to the model that has one", async () => {
    const prompt = "<|fim_prefix|>abc<|fim_suffix|>def<|fim_middle|>";
    const infill = await post(plain.url, COMPLETIONS, { model: "qwen-coder-turbo", prompt, max_tokens: 1 });
    const chat = await post(plain.url, CHAT, { model: "qwen-plus", messages: MESSAGES, max_tokens: 1 });

    expect(infill.headers.get("x-continuo-model")).toBe("coder");
    expect(chat.headers.get("x-continuo-model")).toBe("chatty");
  });
});

test("a file that is no model fails with a message, the server stays up", async () => {
  const folder = temporaryFolder();
  try {
    const child = await startServer({ args: ["--model", `broken=${folder.path}/absent.gguf`] }).catch(
      (error: unknown) => error,
    );
    if (child instanceof Error) {
      expect(child.message).toContain("absent.gguf");
      return;
    }
    const broken = child as RunningServer;
    try {
      const [answer] = await everywhere(broken.url, { model: "broken" });
      expect(answer.status).toBe(503);
      expect(messageOf(answer)).toContain("absent.gguf");
    } finally {
      await broken.stop();
    }
  } finally {
    folder.remove();
  }
});
