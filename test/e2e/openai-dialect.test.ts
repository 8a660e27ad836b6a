import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Answer, get, type Json, joinedText, post, postStream, textOf } from "../support/calls.ts";
import { startTinyServer, type TinyServer } from "../support/tiny-server.ts";
import { spellBytes } from "../support/tiny-vocabulary.ts";

let server: TinyServer;
beforeAll(async () => {
  server = await startTinyServer({ tiny: {} }, { args: ["--deterministic"] });
});
afterAll(() => server?.stop());

function complete(fields: Record<string, unknown>): Promise<Answer> {
  const body = { model: "tiny", prompt: "hello world", temperature: 0, max_tokens: 8, ...fields };
  return post(server.url, "/v1/completions", body);
}

async function choiceOf(fields: Record<string, unknown>): Promise<Json> {
  const answer = await complete(fields);
  expect(answer.status, answer.text).toBe(200);
  return answer.json.choices[0];
}

describe("logprobs of completions", () => {
  test("have the legacy form, one entry per generated token", async () => {
    const { logprobs, text } = await choiceOf({ logprobs: 3 });

    expect(logprobs.tokens).toHaveLength(8);
    expect(logprobs.token_logprobs).toHaveLength(8);
    expect(logprobs.top_logprobs).toHaveLength(8);
    expect(logprobs.text_offset).toHaveLength(8);
    expect(text).toBe((await choiceOf({})).text);
    for (const [index, logprob] of logprobs.token_logprobs.entries()) {
      expect(logprob).toBeLessThanOrEqual(0);
      const alternatives = Object.values<number>(logprobs.top_logprobs[index]);
      expect(alternatives.length).toBeGreaterThanOrEqual(1);
      // Greedy choice: nothing is likelier than what was chosen.
      expect(Math.max(...alternatives)).toBe(logprob);
      expect(alternatives.reduce((sum, value) => sum + Math.exp(value), 0)).toBeLessThanOrEqual(1.000_01);
    }
  });

  test("are the same streamed", async () => {
    const plain = await choiceOf({ logprobs: 2 });
    const body = { model: "tiny", prompt: "hello world", temperature: 0, max_tokens: 8, logprobs: 2 };
    const { events } = await postStream(server.url, "/v1/completions", body);
    const pieces = events.map((event) => event.choices[0]?.logprobs).filter((piece) => piece !== null);

    expect(pieces.flatMap((piece) => piece.tokens)).toEqual(plain.logprobs.tokens);
    expect(pieces.flatMap((piece) => piece.token_logprobs)).toEqual(plain.logprobs.token_logprobs);
    expect(pieces.flatMap((piece) => piece.text_offset)).toEqual(plain.logprobs.text_offset);
  });
});

describe("echo", () => {
  test("puts the prompt before the text, markers included", async () => {
    const prompt = "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>";
    const { text } = await choiceOf({ prompt });

    expect((await choiceOf({ prompt, echo: true })).text).toBe(prompt + text);
  });

  test("with max_tokens 0 scores the prompt alone", async () => {
    const { text, logprobs } = await choiceOf({ echo: true, max_tokens: 0, logprobs: 1 });

    expect(text).toBe("hello world");
    expect(logprobs.tokens.join("")).toBe("hello world");
    expect(logprobs.token_logprobs[0]).toBeNull();
    expect(logprobs.token_logprobs.slice(1).every((value: number) => value < 0)).toBe(true);
    expect(logprobs.text_offset[0]).toBe(0);
  });

  test("scores of generated tokens are the same when they are part of the prompt", async () => {
    const generated = await choiceOf({ logprobs: 0, max_tokens: 4 });
    const prompt = await choiceOf({ echo: true, max_tokens: 0, logprobs: 0 });
    const ids = idsOf([...prompt.logprobs.tokens, ...generated.logprobs.tokens]);
    const scored = await choiceOf({ prompt: ids, echo: true, max_tokens: 0, logprobs: 0 });
    const last = scored.logprobs.token_logprobs.slice(-4);

    for (const [index, value] of generated.logprobs.token_logprobs.entries()) expect(last[index]).toBeCloseTo(value, 2);
  });

  test.each([[{ max_tokens: 0 }], [{ echo: true, suffix: "b" }]])("%j is refused", async (fields) => {
    expect((await complete(fields)).status).toBe(400);
  });
});

describe("n and best_of", () => {
  test("n choices are numbered, differ, and their tokens are summed", async () => {
    const { json } = await complete({ n: 4, temperature: 1, seed: 3 });

    expect(json.choices.map(({ index }: Json) => index)).toEqual([0, 1, 2, 3]);
    expect(new Set(json.choices.map(({ text }: Json) => text)).size).toBe(4);
    expect(json.usage.completion_tokens).toBe(32);
  });

  test("best_of keeps the likeliest by mean log probability", async () => {
    const sampled = { temperature: 1, seed: 3, logprobs: 0 };
    const all = (await complete({ ...sampled, n: 6 })).json.choices;
    const best = (await complete({ ...sampled, n: 1, best_of: 6 })).json.choices;
    const mean = ({ logprobs }: Json) => logprobs.token_logprobs.reduce((a: number, b: number) => a + b, 0);
    const likeliest = [...all].sort((a, b) => mean(b) - mean(a))[0];

    expect(best).toHaveLength(1);
    expect(best[0].text).toBe(likeliest.text);
  });

  test("streamed choices joined by index are the plain ones", async () => {
    const body = { model: "tiny", prompt: "hello", temperature: 1, seed: 9, max_tokens: 8, n: 3 };
    const plain = await post(server.url, "/v1/completions", body);
    const { events } = await postStream(server.url, "/v1/completions", body);
    const texts = [0, 1, 2].map((index) => joinedText(events.filter((event) => event.choices[0]?.index === index)));

    expect(texts).toEqual(plain.json.choices.map(({ text }: Json) => text));
  });

  test.each([[{ n: 9 }], [{ n: 3, best_of: 2 }], [{ best_of: 2, stream: true }]])("%j is refused", async (fields) => {
    const answer = await complete(fields);

    expect(answer.status).toBe(400);
    expect(answer.json.error.param).toMatch(/^(n|best_of)$/);
  });
});

describe("logit_bias", () => {
  test("100 forces a token, -100 forbids one", async () => {
    const id = server.vocabulary.ids.get("a");
    const { logprobs } = await choiceOf({ logprobs: 0 });
    const forced = await choiceOf({ logit_bias: { [String(id)]: 100 } });
    const [first] = idsOf(logprobs.tokens.slice(0, 1));
    const forbidden = await choiceOf({ logit_bias: { [String(first)]: -100 }, logprobs: 0 });

    expect(forced.text).toBe("aaaaaaaa");
    expect(forbidden.logprobs.tokens).not.toContain(logprobs.tokens[0]);
  });

  test("an end token forced ends the text at once", async () => {
    const end = server.vocabulary.ids.get("<|im_end|>");
    const { json } = await complete({ logit_bias: { [String(end)]: 100 } });

    expect(json.choices[0]).toMatchObject({ text: "", finish_reason: "stop" });
    expect(json.usage.completion_tokens).toBe(0);
  });
});

test("chat logprobs carry bytes and as many alternatives as asked for", async () => {
  const body = { model: "tiny", messages: [{ role: "user", content: "hi" }], temperature: 0, max_tokens: 6 };
  const answer = await post(server.url, "/v1/chat/completions", { ...body, logprobs: true, top_logprobs: 4 });
  const [choice] = answer.json.choices;
  const { content } = choice.logprobs;

  expect(content).toHaveLength(6);
  const bytes = content.flatMap((entry: Json) => entry.bytes);
  expect(Buffer.from(bytes).toString("utf8").startsWith(choice.message.content)).toBe(true);
  for (const entry of content) {
    expect(entry.top_logprobs).toHaveLength(4);
    expect(entry.top_logprobs[0].token).toBe(entry.token);
    expect(entry.top_logprobs[0].logprob).toBeCloseTo(entry.logprob, 5);
  }
});

test("errors name the field and have no DashScope prefix", async () => {
  const answer = await complete({ temperature: 3 });

  expect(answer.status).toBe(400);
  expect(answer.json.error.param).toBe("temperature");
  expect(answer.json.error.message).not.toContain("InternalError");
  expect((await complete({ temperature: 2 })).status).toBe(200);
});

test("suffix with an empty prompt is the top of a file", async () => {
  const answer = await complete({ prompt: "", suffix: "return x" });

  expect(answer.status, answer.text).toBe(200);
  expect(textOf(answer.json)).not.toBe("");
});

test("the catalogue's lists do not gate here", async () => {
  expect((await complete({ model: "qwen-plus" })).status).toBe(200);
});

test("the model list says what each name can do and who answers", async () => {
  const { json } = await get(server.url, "/v1/models");
  const find = (id: string) => json.data.find((entry: Json) => entry.id === id);

  expect(json.data.length).toBeGreaterThanOrEqual(46);
  expect(find("tiny").continuo.capabilities).toMatchObject({ completions: true, fim: true, partial: true });
  expect(find("qwen-plus").continuo.capabilities).toMatchObject({ completions: true, partial: true });
  expect(find("qwen-plus").continuo).toMatchObject({ answered_by: "tiny", stand_in: true });
  expect(find("tiny").continuo.stand_in).toBe(false);
});

/** Ids of tokens by their text; only whole characters can be looked up. */
function idsOf(tokens: readonly string[]): readonly number[] {
  return tokens.map((token) => {
    const id = server.vocabulary.ids.get(spellBytes(Buffer.from(token, "utf8")));
    if (id === undefined) throw new Error(`${token} is no token: choose another prompt`);
    return id;
  });
}

test("a benchmark program that asks for answers of one length gets them", async () => {
  // As vLLM's `bench serve` sends it for completions.
  const body = {
    ...{ model: "tiny", prompt: "hello world", repetition_penalty: 1.0, max_tokens: 90, min_tokens: 90 },
    ...{ logprobs: null, stream: true, stream_options: { include_usage: true }, ignore_eos: true, temperature: 1 },
  };
  const end = server.vocabulary.ids.get("<|im_end|>");

  const { events, headers } = await postStream(server.url, "/v1/completions", {
    ...body,
    logit_bias: { [`${end}`]: 100 },
  });

  expect(events.at(-1).usage.completion_tokens).toBe(90);
  expect(events.at(-2).choices[0].finish_reason).toBe("length");
  expect(headers.get("x-continuo-ignored")).toBeNull();
});
