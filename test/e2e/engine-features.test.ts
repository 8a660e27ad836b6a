import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CHAT, get, type Json, joinedText, NATIVE, post, postStream, textOf } from "../support/calls.ts";
import { startTinyServer, type TinyServer } from "../support/tiny-server.ts";

let server: TinyServer;
beforeAll(async () => {
  server = await startTinyServer();
});
afterAll(() => server?.stop());

const GREEDY = { model: "tiny", temperature: 0, max_tokens: 24 };
const ROUTES = [
  ["/v1/completions", { ...GREEDY, prompt: "The first peop" }],
  ["/compatible-mode/v1/completions", { ...GREEDY, model: "qwen-coder-turbo", prompt: "The first peop" }],
  ["/v1/chat/completions", { ...GREEDY, messages: partial("The first peop") }],
  [CHAT, { ...GREEDY, model: "qwen-plus", messages: partial("The first peop") }],
] as const;

function partial(prefix: string) {
  return [
    { role: "user", content: "Write about people, as json." },
    { role: "assistant", content: prefix, partial: true },
  ];
}

describe("token healing", () => {
  test.each(ROUTES)("is on for %s, streamed and plain, and counts nothing twice", async (path, body) => {
    const healed = await post(server.url, path, body);
    const streamed = await postStream(server.url, path, body);
    const plain = await post(server.url, path, { ...body, token_healing: false });

    expect(joinedText(streamed.events)).toBe(textOf(healed.json));
    expect(textOf(plain.json)).not.toBe(textOf(healed.json));
    expect(healed.json.usage.prompt_tokens).toBe(plain.json.usage.prompt_tokens);
    expect([healed, plain].map(({ headers }) => headers.get("x-continuo-ignored") ?? "")).not.toContain(
      "token_healing",
    );
  });

  test("is a parameter of the native route too", async () => {
    const ask = async (parameters: Record<string, unknown>): Promise<string> => {
      const { model, ...rest } = GREEDY;
      const all = { ...rest, result_format: "message", ...parameters };
      const { json } = await post(server.url, NATIVE, {
        model,
        input: { messages: partial("The first peop") },
        parameters: all,
      });
      return textOf(json);
    };

    expect(await ask({ token_healing: false })).not.toBe(await ask({}));
  });
});

describe("drafts", () => {
  const prompt = "water and light, ".repeat(8);
  const copying = { ...GREEDY, prompt, repetition_penalty: 0.7, max_tokens: 60 };

  test("do not change the text, and show in the usage, in the stream's too", async () => {
    const drafted = await post(server.url, "/v1/completions", copying);
    const plain = await post(server.url, "/v1/completions", { ...copying, speculation: false });
    const streamed = await postStream(server.url, "/v1/completions", {
      ...copying,
      stream_options: { include_usage: true },
    });
    const { accepted_prediction_tokens: accepted, rejected_prediction_tokens: rejected } =
      drafted.json.usage.completion_tokens_details;

    expect(textOf(drafted.json)).toBe(textOf(plain.json));
    expect(joinedText(streamed.events)).toBe(textOf(plain.json));
    expect(accepted).toBeGreaterThan(10);
    expect(rejected).toBeGreaterThanOrEqual(0);
    expect(streamed.events.at(-1)?.usage.completion_tokens_details).toEqual(
      drafted.json.usage.completion_tokens_details,
    );
    expect(plain.json.usage.completion_tokens_details?.accepted_prediction_tokens).toBeUndefined();
  });

  test("are counted in the metrics", async () => {
    const { text } = await get(server.url, "/metrics");

    expect(text).toMatch(/^continuo_engine_drafted_tokens_total\{[^}]*\} [1-9]/m);
    expect(text).toMatch(/^continuo_engine_accepted_draft_tokens_total\{[^}]*\} [1-9]/m);
  });
});

describe("a response format", () => {
  const schema = {
    type: "object",
    properties: {
      name: { type: "string", maxLength: 8 },
      age: { type: "integer", minimum: 0, maximum: 120 },
      tags: { type: "array", items: { enum: ["red", "green"] }, minItems: 1, maxItems: 3 },
    },
    required: ["name", "age", "tags"],
    additionalProperties: false,
  };
  const format = { type: "json_schema", json_schema: { name: "person", schema, strict: true } };
  const messages = [{ role: "user", content: "A person as json." }];

  function expectPerson(person: Json): void {
    expect(Object.keys(person)).toEqual(["name", "age", "tags"]);
    expect([...person.name].length).toBeLessThanOrEqual(8);
    expect(person.age).toBeGreaterThanOrEqual(0);
    expect(person.age).toBeLessThanOrEqual(120);
    expect(person.tags.length).toBeGreaterThanOrEqual(1);
    for (const tag of person.tags) expect(["red", "green"]).toContain(tag);
  }

  test.each(["/v1/chat/completions", CHAT])(
    "by schema is kept on %s, drawn, streamed or several at once",
    async (path) => {
      const body = { model: "qwen-plus", messages, response_format: format, temperature: 1, max_tokens: 400, n: 2 };
      const plain = await post(server.url, path, { ...body, seed: 5 });
      const streamed = await postStream(server.url, path, { ...body, n: 1, seed: 6 });

      for (const choice of plain.json.choices) {
        expect(choice.finish_reason).toBe("stop");
        expectPerson(JSON.parse(choice.message.content));
      }
      expectPerson(JSON.parse(joinedText(streamed.events)));
    },
  );

  test("goes on behind an assistant prefix", async () => {
    const prefix = '{"name": "peop';
    const body = { model: "tiny", messages: partial(prefix), response_format: format, temperature: 0, max_tokens: 400 };
    const { json } = await post(server.url, "/v1/chat/completions", body);

    expectPerson(JSON.parse(prefix + textOf(json)));
    expect(JSON.parse(prefix + textOf(json)).name).toMatch(/^peop/);
  });

  test("refuses an assistant prefix that contradicts it", async () => {
    const body = { model: "tiny", messages: partial("Sure:"), response_format: format };
    const { status, json } = await post(server.url, "/v1/chat/completions", body);

    expect(status).toBe(400);
    expect(json.error.message).toMatch(/assistant prefix/);
  });

  test("as any json object parses", async () => {
    const body = { model: "tiny", messages, response_format: { type: "json_object" }, temperature: 0, max_tokens: 700 };
    const { json } = await post(server.url, "/v1/chat/completions", body);

    if (json.choices[0].finish_reason === "stop") expect(JSON.parse(textOf(json))).toBeTypeOf("object");
    expect(textOf(json)).toMatch(/^\{/);
  });
});

describe("a grammar", () => {
  test.each(["/v1/completions", "/v1/chat/completions"])("shapes what %s answers", async (path) => {
    const grammar = 'root ::= "yes" | "no" | "maybe"';
    const body = { ...GREEDY, grammar, prompt: "Is it?", messages: [{ role: "user", content: "Is it?" }] };
    const { prompt, messages, ...rest } = body;
    const { json } = await post(
      server.url,
      path,
      path === "/v1/completions" ? { ...rest, prompt } : { ...rest, messages },
    );

    expect(["yes", "no", "maybe"]).toContain(textOf(json));
  });

  test("that is none is refused by name, and the server goes on", async () => {
    const { status, json } = await post(server.url, "/v1/completions", {
      ...GREEDY,
      prompt: "x",
      grammar: "root ::= nothing",
    });

    expect(status).toBe(400);
    expect(json.error).toMatchObject({ param: "grammar" });
    expect((await post(server.url, "/v1/completions", { ...GREEDY, prompt: "x" })).status).toBe(200);
  });
});

test("what was asked for and cannot have an effect is reported", async () => {
  const ids = { ...GREEDY, prompt: [10, 11, 12], token_healing: true };

  expect((await post(server.url, "/v1/completions", ids)).headers.get("x-continuo-ignored")).toBe("token_healing");
});
