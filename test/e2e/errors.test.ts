import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CHAT, COMPLETIONS, get, NATIVE, post, postStream } from "../support/calls.ts";
import { codeOf, everywhere, MESSAGES, messageOf } from "../support/error-answers.ts";
import { startTinyServer, type TinyServer } from "../support/tiny-server.ts";

let server: TinyServer;
beforeAll(async () => {
  server = await startTinyServer();
});
afterAll(() => server?.stop());

describe("parameters (docs/wire.md 6.5)", () => {
  test.each([
    [{ temperature: 2 }, "Temperature should be in [0.0, 2.0)"],
    [{ temperature: "hot" }, "'temperature' must be Float"],
    [{ top_p: 0 }, "Range of top_p should be (0.0, 1.0]"],
    [{ top_p: "all" }, "'top_p' must be Float"],
    [{ top_k: -1 }, "Parameter top_k be greater than or equal to 0"],
    [{ repetition_penalty: 0 }, "Repetition_penalty should be greater than 0.0"],
    [{ presence_penalty: 2.5 }, "Presence_penalty should be in [-2.0, 2.0]"],
    [{ stop: [1, "a"] }, 'The "stop" parameter must be of type "str", "list[str]", "list[int]"'],
  ])("%j is refused everywhere", async (fields, message) => {
    const answers = await everywhere(server.url, fields);

    expect(answers.map(({ status }) => status)).toEqual([400, 400, 400]);
    expect(answers.map(codeOf)).toEqual(["invalid_parameter_error", "invalid_parameter_error", "InvalidParameter"]);
    for (const answer of answers) {
      expect(messageOf(answer)).toContain(`<400> InternalError.Algo.InvalidParameter: ${message}`);
    }
    expect(answers[0].json.id).toBe(`cmpl-${answers[0].json.request_id}`);
    expect(answers[1].json.id).toBe(`chatcmpl-${answers[1].json.request_id}`);
  });

  test("max_tokens names this server's own bound", async () => {
    for (const answer of await everywhere(server.url, { max_tokens: 0 })) {
      expect(messageOf(answer)).toMatch(/Range of max_tokens should be \[1, \d+\]/);
    }
  });

  test("the seed has a code of its own where OpenAI's shape is spoken", async () => {
    const answers = await everywhere(server.url, { seed: -1 });

    expect(answers.map(codeOf)).toEqual(["invalid_value", "invalid_value", "InvalidParameter"]);
    expect(messageOf(answers[0])).toContain("-1 is lesser than the minimum of 0 - 'seed'");
    expect(messageOf(answers[2])).toContain("Range of seed should be [0, 9223372036854775807]");
  });

  test("numbers that mean the same are accepted", async () => {
    for (const answer of await everywhere(server.url, { max_tokens: 2.0, temperature: 1, top_p: 1, seed: null })) {
      expect(answer.status, answer.text).toBe(200);
    }
  });

  test("an error found before the first byte of a stream is plain JSON", async () => {
    const input = { messages: MESSAGES };
    const answer = await postStream(server.url, COMPLETIONS, { model: "qwen-coder-turbo", prompt: "" });
    const native = await post(
      server.url,
      NATIVE,
      { model: "qwen-plus", input, parameters: { top_p: 7 } },
      { "x-dashscope-sse": "enable" },
    );

    expect(answer.status).toBe(400);
    expect(answer.headers.get("content-type")).toBe("application/json");
    expect(native.status).toBe(400);
    expect(native.headers.get("content-type")).toBe("application/json");
  });

  test("an input longer than the context is refused, or cut when the caller allows it", async () => {
    const prompt = "春天来了".repeat(4000);
    const refused = await post(server.url, COMPLETIONS, { model: "qwen-coder-turbo", prompt, max_tokens: 1 });
    const body = { model: "qwen-coder-turbo", prompt, max_tokens: 1, truncate_prompt: true };
    const cut = await post(server.url, COMPLETIONS, body);

    expect(refused.status).toBe(400);
    expect(messageOf(refused)).toMatch(/Range of input length should be \[1, \d+\]/);
    expect(cut.status, cut.text).toBe(200);
    expect(Number(cut.headers.get("x-continuo-truncated"))).toBeGreaterThan(0);
  });
});

describe("the body and the model", () => {
  test("a body that is no JSON object", async () => {
    for (const path of [COMPLETIONS, CHAT, NATIVE]) {
      for (const body of ["{", "[]", '"text"', "null", "1"]) {
        const answer = await post(server.url, path, body);
        expect(answer.status).toBe(400);
        expect(messageOf(answer)).toBe("Required body invalid, please check the request body format.");
      }
    }
  });

  test("no model", async () => {
    const compatible = await post(server.url, COMPLETIONS, { prompt: "a" });
    const native = await post(server.url, NATIVE, { input: { messages: MESSAGES } });

    expect(compatible.status).toBe(400);
    expect(messageOf(compatible)).toContain("you must provide a model parameter.");
    expect(native.json).toMatchObject({
      code: "BadRequest.EmptyModel",
      message: 'Required parameter "model" missing from request.',
    });
  });

  test("an unknown model", async () => {
    const [completion, chat, native] = await everywhere(server.url, { model: "nope" });

    for (const answer of [completion, chat]) {
      expect(answer.status).toBe(404);
      expect(answer.json.id).toBeUndefined();
      expect(answer.json.error).toEqual({
        message: "The model `nope` does not exist or you do not have access to it.",
        type: "invalid_request_error",
        param: null,
        code: "model_not_found",
      });
    }
    expect(native.status).toBe(404);
    expect(native.json).toMatchObject({ code: "ModelNotFound", message: "Model can not be found." });
  });

  test("no prompt, no input", async () => {
    const completion = await post(server.url, COMPLETIONS, { model: "qwen-coder-turbo" });
    const native = await post(server.url, NATIVE, { model: "qwen-plus" });
    const empty = await post(server.url, NATIVE, { model: "qwen-plus", input: {} });

    expect(messageOf(completion)).toContain("Required parameter(prompt) missing or invalid");
    expect(codeOf(native)).toBe("BadRequest.EmptyInput");
    expect(messageOf(empty)).toContain('Either "prompt" or "messages" must exist and cannot both be none');
  });

  test("the model is looked up before its parameters are", async () => {
    const answers = await everywhere(server.url, { model: "nope", temperature: 99 });

    expect(answers.map(({ status }) => status)).toEqual([404, 404, 404]);
  });

  test("unknown paths and wrong methods", async () => {
    const unknown = await post(server.url, "/compatible-mode/v1/nothing", {});
    const native = await post(server.url, "/api/v1/services/nothing", {});
    const method = await get(server.url, COMPLETIONS);
    const nativeMethod = await get(server.url, NATIVE);

    expect(unknown.status).toBe(404);
    expect(codeOf(unknown)).toBe("not_found");
    expect(native.status).toBe(404);
    expect(codeOf(native)).toBe("NotFound");
    expect(method.status).toBe(405);
    expect(messageOf(method)).toContain("Request method 'GET' is not supported.");
    expect([nativeMethod.status, nativeMethod.headers.get("allow")]).toEqual([405, "POST, OPTIONS"]);
    expect(nativeMethod.json.message).toBe("Request method 'GET' is not supported.");
  });

  test("asynchronous calls and encrypted bodies are refused", async () => {
    const input = { messages: MESSAGES };
    const asynchronous = await post(
      server.url,
      NATIVE,
      { model: "qwen-plus", input },
      { "x-dashscope-async": "enable" },
    );
    const key = { "x-dashscope-encryptionkey": "{}" };
    const encrypted = await post(server.url, NATIVE, { model: "qwen-plus", input }, key);

    expect(asynchronous.status).toBe(403);
    expect(asynchronous.json.message).toBe("Current user api does not support asynchronous calls.");
    expect(encrypted.status).toBe(400);
  });
});
