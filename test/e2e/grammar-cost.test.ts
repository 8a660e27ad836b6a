/** Grammars that take a model down where every way to read a text is followed by itself: answered or refused, and soon. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { get, type Json, post, postStream, textOf } from "../support/calls.ts";
import { startTinyServer, type TinyServer } from "../support/tiny-server.ts";

let server: TinyServer;
beforeAll(async () => {
  server = await startTinyServer();
  await post(server.url, "/v1/completions", { model: "tiny", prompt: "a", max_tokens: 1 });
});
afterAll(() => server?.stop());

const ask = (fields: object) =>
  post(server.url, "/v1/completions", { model: "tiny", prompt: "a", max_tokens: 12, seed: 1, ...fields });
const askChat = (fields: object) =>
  post(server.url, "/v1/chat/completions", {
    ...{ model: "tiny", max_tokens: 12, seed: 1, messages: [{ role: "user", content: "A word." }] },
    ...fields,
  });
const inPattern = (pattern: string): object => ({
  response_format: { type: "json_schema", json_schema: { name: "word", schema: { type: "string", pattern } } },
});
const optional = (count: number): string => `root ::= ${"[a-z]? ".repeat(count)}`;
const pattern = (count: number): string => `^${"[a-z]?".repeat(count)}$`;

/** A wait that only an engine at work on something else for long would reach. */
const SOON_MS = 10_000;

describe.each([50, 1_000])("%d optional letters", (count) => {
  test.each<[string, () => Promise<{ status: number; json: Json }>, RegExp]>([
    ["in a grammar", () => ask({ grammar: optional(count) }), /^[a-z]*$/],
    ["in a grammar, drawn", () => ask({ grammar: optional(count), temperature: 1.8 }), /^[a-z]*$/],
    ["in a pattern", () => askChat(inPattern(pattern(count))), /^"[a-z]*"?$/],
    ["in a pattern, drawn", () => askChat({ ...inPattern(pattern(count)), temperature: 1.8 }), /^"[a-z]*"?$/],
  ])(
    "%s are answered while others are",
    async (_name, act, text) => {
      const other = postStream(server.url, "/v1/completions", { model: "tiny", prompt: "The ", max_tokens: 60 });
      const { status, json } = await act();

      expect(status, JSON.stringify(json)).toBe(200);
      expect(textOf(json)).toMatch(text);
      expect((await other).done).toBe(true);
    },
    SOON_MS,
  );
});

test(
  "a grammar that would cost too much for one token ends its request, and no other",
  async () => {
    const other = postStream(server.url, "/v1/completions", { model: "tiny", prompt: "The ", max_tokens: 60 });
    const grammar = `root ::= "a" letters\nletters ::= ([a-z]? [b-z]? .?){4000}`;
    const { status, json } = await ask({ grammar, temperature: 1.8 });

    expect(status).toBe(400);
    expect(json.error.param).toBe("grammar");
    expect(json.error.message).toMatch(/can be read in too many ways by the rule "letters" of the grammar/);
    expect((await other).done).toBe(true);
    expect((await get(server.url, "/health")).status).toBe(200);
    expect((await ask({})).status).toBe(200);
  },
  SOON_MS,
);

test.each([
  ["root ::= \0", /line 1, column 10: .* found U\+0000/],
  ["root ::= (a", /line 1, column 10: this "\(" has no "\)"/],
  ['root ::= "a"{99999} b{99999}\nb ::= "b"', /at most 131072 places/],
])("%j is refused with what is wrong and where", async (grammar, message) => {
  const { status, json } = await ask({ grammar });

  expect(status).toBe(400);
  expect(json.error.message).toMatch(message);
});
