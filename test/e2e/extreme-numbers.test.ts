/** Numbers at the ends of their ranges, through to the real engine: its own types are narrower than JSON's. */
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { CHAT, COMPLETIONS, get, NATIVE, post } from "../support/calls.ts";
import { startTinyServer, type TinyServer } from "../support/tiny-server.ts";

let server: TinyServer;
beforeAll(async () => {
  server = await startTinyServer();
});
afterAll(() => server?.stop());

const extreme = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(5e-324, 1e-320, 1e-45, 1e-38, 1e-7, 1e38, 3.5e38, 1e300, Number.MAX_VALUE),
  fc.constantFrom(0, 1, 2, -1, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 53, 2 ** 63, -(2 ** 63), 1.9999999999999998),
);
const FIELDS = [
  ...["temperature", "top_p", "top_k", "min_p", "seed", "presence_penalty", "frequency_penalty", "repetition_penalty"],
  ...["max_tokens", "n", "best_of", "logprobs", "top_logprobs"],
];
const fields = fc.dictionary(fc.constantFrom(...FIELDS), extreme, { maxKeys: 4 });

function bodyFor(path: string, set: Readonly<Record<string, number>>): unknown {
  const options = { max_tokens: 2, ...set };
  const messages = [{ role: "user", content: "json" }];
  if (path === NATIVE) return { model: "tiny", input: { messages }, parameters: options };
  return { model: "tiny", ...(path.includes("chat") ? { messages } : { prompt: "def add(a, b):" }), ...options };
}

async function engineProcess(): Promise<unknown> {
  return (await get(server.url, "/health")).json.engines[0];
}

test.each([COMPLETIONS, CHAT, NATIVE, "/v1/completions", "/v1/chat/completions"])(
  "%s answers or refuses any numbers, and its engine lives on",
  async (path) => {
    const before = await engineProcess();
    await fc.assert(
      fc.asyncProperty(fields, async (set) => {
        // What is allowed here would take long, and ends no sooner for it.
        const asked = { ...set, max_tokens: Math.min(set["max_tokens"] ?? 2, 4) };
        const { status, json } = await post(server.url, path, bodyFor(path, asked));

        expect([200, 400], JSON.stringify(json)).toContain(status);
      }),
      { numRuns: 60 },
    );
    expect(await engineProcess()).toEqual(before);
  },
);
