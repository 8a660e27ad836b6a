import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Answer, CHAT, COMPLETIONS, get, type Json, NATIVE, post, postStream } from "../support/calls.ts";
import { temporaryFolder } from "../support/files.ts";
import { type RunningServer, startServer } from "../support/server.ts";
import { startTinyServer, type TinyServer } from "../support/tiny-server.ts";

const MESSAGES = [{ role: "user", content: "hello" }];
const KEY = "sk-0123456789abcdef0123456789abcdef";

let server: TinyServer;
beforeAll(async () => {
  server = await startTinyServer();
});
afterAll(() => server?.stop());

/** The three surfaces with a valid body each, changed by `fields` at the top (NATIVE: in `parameters`). */
function everywhere(url: string, fields: Record<string, unknown>, headers: Record<string, string> = {}) {
  const { model = "qwen-coder-turbo", ...rest } = fields;
  const input = { messages: MESSAGES };
  return Promise.all([
    post(url, COMPLETIONS, { model, prompt: "a", max_tokens: 1, ...rest }, headers),
    post(url, CHAT, { model, messages: MESSAGES, max_tokens: 1, ...rest }, headers),
    post(url, NATIVE, { model, input, parameters: { max_tokens: 1, ...rest } }, headers),
  ]);
}

/** What every error answer must have (contract 6.2), and the message. */
function messageOf(answer: Answer): string {
  const { json, headers } = answer;
  expect(headers.get("content-type")).toBe("application/json");
  expect(json.request_id).toBe(headers.get("x-request-id"));
  expect(json.request_id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/);
  if (json.error === undefined) {
    expect(Object.keys(json).sort()).toEqual(["code", "message", "request_id"]);
    return json.message;
  }
  expect(Object.keys(json.error).sort()).toEqual(["code", "message", "param", "type"]);
  return json.error.message;
}

const codeOf = ({ json }: Answer): string => json.error?.code ?? json.code;

describe("parameters (contract 6.5)", () => {
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
    expect(nativeMethod.status).toBe(400);
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

describe("with a key", () => {
  let closed: TinyServer;
  beforeAll(async () => {
    closed = await startTinyServer({ tiny: {} }, { env: { CONTINUO_API_KEY: KEY } });
  });
  afterAll(() => closed?.stop());

  test("the right key is let in, whatever the scheme's case", async () => {
    for (const scheme of ["Bearer", "bearer"]) {
      const answers = await everywhere(closed.url, {}, { authorization: `${scheme} ${KEY}` });
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    }
  });

  test.each([
    [{}, "You didn't provide an API key. You need to provide your API key in an Authorization header", "No API-key"],
    [{ authorization: "Bearer sk-wrong" }, "Incorrect API key provided.", "Invalid API-key provided."],
    [{ authorization: KEY }, "Incorrect API key provided.", "Invalid API-key provided."],
    [{ "x-api-key": KEY }, "You didn't provide an API key.", "No API-key provided."],
  ])("%j is 401 in each shape", async (headers: Record<string, string>, openai, dashscope) => {
    const answers = await everywhere(closed.url, {}, headers);

    expect(answers.map(({ status }) => status)).toEqual([401, 401, 401]);
    expect(answers.map(codeOf)).toEqual(["invalid_api_key", "invalid_api_key", "InvalidApiKey"]);
    expect(messageOf(answers[0])).toContain(openai);
    expect(messageOf(answers[2])).toContain(dashscope);
    expect(answers[0].json.id).toBeUndefined();
  });

  test("the key is checked before the body, the model and the stream", async () => {
    const broken = await post(closed.url, COMPLETIONS, "{");
    const [unknown] = await everywhere(closed.url, { model: "nope", stream: true });

    expect(broken.status).toBe(401);
    expect(unknown.status).toBe(401);
    expect(unknown.headers.get("content-type")).toBe("application/json");
  });

  test("another workspace is refused, the default one is not", async () => {
    const authorization = `Bearer ${KEY}`;
    const other = await everywhere(closed.url, {}, { authorization, "x-dashscope-workspace": "ws_other" });
    const own = await everywhere(closed.url, {}, { authorization, "x-dashscope-workspace": "default" });
    const empty = await everywhere(closed.url, {}, { authorization, "x-dashscope-workspace": "" });

    expect(other.map(({ status }) => status)).toEqual([403, 403, 403]);
    expect(new Set(other.map(codeOf))).toEqual(new Set(["Workspace.AccessDenied"]));
    expect([...own, ...empty].every(({ status }) => status === 200)).toBe(true);
  });

  test("the probes need no key", async () => {
    expect((await get(closed.url, "/health")).status).toBe(200);
    expect((await get(closed.url, "/ready")).status).toBe(200);
    expect((await get(closed.url, "/metrics")).status).toBe(401);
  });
});

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
