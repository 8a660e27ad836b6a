import { afterAll, beforeAll, expect, test } from "vitest";
import { startTinyServer, type TinyServer } from "../../test/support/tiny-server.ts";
import type { LeftOut, Sides } from "./around-cursor.ts";
import { Refusal, type Service } from "./client.ts";
import { leftOutText, streamFitting } from "./fitting-request.ts";

let server: TinyServer;
beforeAll(async () => {
  server = await startTinyServer({ tiny: {} }, { args: ["--context", "512"] });
});
afterAll(() => server.stop());

const never = new AbortController().signal;

/** What is sent in the end, and what is said of it. */
async function sent(sides: Sides, contextTokens?: number, service: Service = server) {
  const bodies: Sides[] = [];
  const cuts: string[] = [];
  const requestOf = ({ prefix, suffix }: Sides) => {
    bodies.push({ prefix, suffix });
    return { path: "/v1/completions", body: { model: "tiny", prompt: prefix, suffix, max_tokens: 32 } } as const;
  };
  const onCut = (leftOut: LeftOut, tokens: number | undefined) => void cuts.push(leftOutText(leftOut, tokens));
  let finish: string | undefined;
  for await (const piece of streamFitting(service, sides, { contextTokens, maxTokens: 32, requestOf, onCut }, never)) {
    if ("finish" in piece) finish = piece.finish;
  }
  return { bodies, cuts, finish };
}

const lines = (count: number, what: string) => `${what} = ${what} + 1\n`.repeat(count);

test("a text that fits is sent as it is, and nothing is said", async () => {
  const sides = { prefix: lines(5, "a"), suffix: lines(5, "b") };

  const { bodies, cuts, finish } = await sent(sides, 512);

  expect([bodies, cuts]).toEqual([[sides], []]);
  expect(finish).toBeDefined();
});

test.each([
  ["is known", 512, 512],
  // The server says it when it refuses: the longest prompt, which is one token less.
  ["is not", undefined, 511],
])(
  "of a text that is too long the nearest whole lines are sent, where the context %s",
  async (_name, contextTokens, told) => {
    const sides = { prefix: lines(2_000, "before"), suffix: lines(1_000, "after") };

    const { bodies, cuts, finish } = await sent(sides, contextTokens);

    const last = bodies.at(-1) ?? sides;
    expect(finish).toBeDefined();
    expect(sides.prefix.endsWith(last.prefix)).toBe(true);
    expect(last.prefix.startsWith("before = before + 1\n")).toBe(true);
    expect(last.suffix).toMatch(/^(after = after \+ 1\n)+$/);
    const kept = [last.prefix, last.suffix].map((text) => text.split("\n").length - 1);
    const [before = 0, after = 0] = kept;
    expect(before).toBeGreaterThan(after);
    expect(cuts).toEqual([
      `left out the first ${2_000 - before} lines and the last ${1_000 - after} lines: the context has ${told} tokens`,
    ]);
  },
);

test("a single line that is too long is cut inside, and that is said", async () => {
  const { bodies, cuts } = await sent({ prefix: "x = 1; ".repeat(2_000), suffix: "" }, 512);

  expect(bodies.at(-1)?.prefix.length).toBeGreaterThan(100);
  expect(cuts).toEqual(["left out parts of the line at the cursor: the context has 512 tokens"]);
});

test("another refusal is told as it is, at once", async () => {
  const requestOf = () => ({ path: "/v1/completions", body: { model: "nobody", prompt: "a" } }) as const;
  const options = { contextTokens: 512, maxTokens: 32, requestOf, onCut: () => undefined };

  const answer = streamFitting(server, { prefix: "a", suffix: "" }, options, never).next();

  await expect(answer).rejects.toBeInstanceOf(Refusal);
  await expect(answer).rejects.toMatchObject({ status: 404 });
});
