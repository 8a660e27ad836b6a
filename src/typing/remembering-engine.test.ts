import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { NEVER, request } from "../../test/support/pooling.ts";
import { ScriptedEngine, type Step, startPart, usagePart } from "../../test/support/scripted-engine.ts";
import { collect, type Result } from "../continuation/output.ts";
import type { ContinuationRequest, Limits, Sampling } from "../continuation/request.ts";
import { ServiceError } from "../errors.ts";
import { AnswerMemory } from "./answer-memory.ts";
import { rememberingEngine } from "./remembering-engine.ts";

interface Weights {
  /** Of the text that they know by heart, behind the prefix. */
  readonly tokens: readonly string[];
}

/** Where its text begins to be a gap. */
const PREFIX = "def f():\n";
const GREEDY: Sampling = { temperature: 0 };

/**
 * Weights that know a text by heart, and heal: they go on with the token in which the cursor stands, of which they show what
 * is not there yet. Behind another beginning they say `?`.
 */
function weights({ tokens }: Weights): ScriptedEngine {
  return new ScriptedEngine(({ input, limits }): readonly Step[] => {
    if (input.kind !== "infill") return [new Error("a gap was expected")];
    const before = (input.prefix + input.middle).slice(PREFIX.length);
    if (!tokens.join("").startsWith(before)) return [...said([{ text: "?", id: 999 }], true, 1)];
    const rest = restBehind(tokens, before.length);
    const most = limits.maxTokens ?? Number.POSITIVE_INFINITY;
    return said(rest.slice(0, most), rest.length < most, before.length);
  });
}

function restBehind(tokens: readonly string[], units: number): { text: string; id: number }[] {
  const rest: { text: string; id: number }[] = [];
  let end = 0;
  for (const [id, token] of tokens.entries()) {
    end += token.length;
    if (end > units) rest.push({ text: token.slice(Math.max(0, token.length - (end - units))), id });
  }
  return rest;
}

function said(rest: readonly { text: string; id: number }[], isWhole: boolean, promptTokens: number): Step[] {
  return [
    startPart({ promptTokens }),
    ...rest.map(({ text, id }): Step => ({ type: "delta", choice: 0, text, tokens: [id] })),
    { type: "finish", choice: 0, reason: isWhole ? "stop" : "length" },
    usagePart(rest.length, { promptTokens, cachedPromptTokens: 0 }),
  ];
}

function typing(engine: ScriptedEngine, { saysRests = true, owner = "key", memory = emptyMemory() } = {}) {
  const remembering = rememberingEngine(engine, { memory, owner, saysRests });
  return (asked: ContinuationRequest): Promise<Result> => collect(remembering.generate(asked, NEVER));
}

function emptyMemory(): AnswerMemory {
  return new AnswerMemory({ bytes: 1 << 20, ageMs: 1000, now: () => 0 });
}

function gap(
  typed: string,
  limits: Partial<Limits> = {},
  over: Partial<ContinuationRequest> = {},
): ContinuationRequest {
  const input = {
    kind: "infill",
    context: [],
    prefix: PREFIX + typed,
    suffix: "}",
    middle: "",
    writtenMarkers: 0,
  } as const;
  const { limits: usual } = request();
  return request({ input, sampling: GREEDY, limits: { ...usual, ...limits }, ...over });
}

const LINE = ["ret", "urn", " a", " +", " b"];

/** What callers get of an answer. */
function shown({ choices: [choice], usage }: Result) {
  return { text: choice?.text, tokens: choice?.tokens, reason: choice?.reason, completion: usage.completionTokens };
}

test("who types along an answer gets its rest, and the engine is not asked", async () => {
  const engine = weights({ tokens: LINE });
  const type = typing(engine);
  await type(gap(""));

  const rest = await type(gap("retu"));

  expect(shown(rest)).toEqual({ text: "rn a + b", tokens: [1, 2, 3, 4], reason: "stop", completion: 4 });
  expect(rest.start.remembered).toBe("whole");
  expect(rest.usage).toEqual({ promptTokens: 1, cachedPromptTokens: 1, completionTokens: 4, source: "estimate" });
  expect(engine.calls).toHaveLength(1);
});

test("who comes back to a place gets the same answer, with the engine's own count", async () => {
  const engine = weights({ tokens: LINE });
  const type = typing(engine);
  const first = await type(gap("ret"));
  await type(gap("retu"));

  const again = await type(gap("ret"));

  expect(shown(again)).toEqual(shown(first));
  expect(again.usage).toEqual({ ...first.usage, cachedPromptTokens: first.usage.promptTokens });
  expect(engine.calls).toHaveLength(1);
});

test("an answer that its bound had ended goes on behind what is known of it", async () => {
  const engine = weights({ tokens: LINE });
  const type = typing(engine);
  await type(gap("", { maxTokens: 3 }));

  const rest = await type(gap("return", { maxTokens: 3 }));

  expect(shown(rest)).toEqual({ text: " a + b", tokens: [2, 3, 4], reason: "length", completion: 3 });
  expect(rest.start.remembered).toBe("beginning");
  expect(engine.calls[1]?.request).toMatchObject({ input: { prefix: PREFIX, middle: "" }, limits: { maxTokens: 5 } });
  expect(shown(await type(gap("", { maxTokens: 9 })))).toMatchObject({ text: "return a + b", reason: "stop" });
});

test("an answer that ends where its bound had cut it is whole from then on", async () => {
  const engine = weights({ tokens: ["ret", "urn"] });
  const type = typing(engine);
  await type(gap("", { maxTokens: 2 }));
  await type(gap("r", { maxTokens: 9 }));

  expect((await type(gap("re", { maxTokens: 9 }))).start.remembered).toBe("whole");
  expect(engine.calls).toHaveLength(2);
});

test("an engine that says something else the second time is told no further", async () => {
  let calls = 0;
  const engine = new ScriptedEngine(() => {
    calls += 1;
    return said([{ text: calls === 1 ? "return" : "raise Error", id: calls }], false, 1);
  });
  const type = typing(engine);
  await type(gap("", { maxTokens: 1 }));

  const rest = await type(gap("re", { maxTokens: 9 }));

  expect(shown(rest)).toMatchObject({ text: "turn", reason: "length" });
});

test("an answer that was left early goes on too", async () => {
  const engine = weights({ tokens: LINE });
  const memory = emptyMemory();
  const remembering = rememberingEngine(engine, { memory, owner: "key", saysRests: true });
  for await (const part of remembering.generate(gap(""), NEVER)) if (part.type === "delta") break;

  const rest = await collect(remembering.generate(gap("r"), NEVER));

  expect(shown(rest)).toEqual({ text: "eturn a + b", tokens: [0, 1, 2, 3, 4], reason: "stop", completion: 5 });
  expect(rest.start.remembered).toBe("beginning");
});

const piece = fc.stringMatching(/^[ab]{1,3}$/);
const move = fc.record({
  cursor: fc.nat(24),
  maxTokens: fc.option(fc.integer({ min: 1, max: 6 }), { nil: undefined }),
});

test("whatever is typed, deleted or jumped to, answers are those of an engine that heals and remembers nothing", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(piece, { minLength: 1, maxLength: 8 }),
      fc.array(move, { maxLength: 12 }),
      async (tokens, moves) => {
        const type = typing(weights({ tokens }));
        const afresh = weights({ tokens });
        const text = tokens.join("");
        for (const { cursor, maxTokens } of moves) {
          const { maxTokens: _, ...limits } = gap("").limits;
          const asked = gap(
            text.slice(0, cursor),
            {},
            { limits: maxTokens === undefined ? limits : { ...limits, maxTokens } },
          );

          expect(shown(await type(asked))).toEqual(shown(await collect(afresh.generate(asked, NEVER))));
        }
      },
    ),
  );
});

describe("an engine is asked again", () => {
  const asksAgain = async (
    first: ContinuationRequest,
    second: ContinuationRequest,
    saysRests = true,
  ): Promise<boolean> => {
    const engine = weights({ tokens: LINE });
    const type = typing(engine, { saysRests });
    await type(first);
    const { start } = await type(second);
    return engine.calls.length === 2 && start.remembered === undefined;
  };
  const seeded: Partial<ContinuationRequest> = { sampling: { temperature: 1, seed: 7 } };

  test.each([
    ["when something else was typed", gap(""), gap("if")],
    ["when all of the answer was typed", gap(""), gap("return a + b")],
    ["with other stops", gap(""), gap("ret", { stopStrings: ["\n"] })],
    ["with other sampling", gap(""), gap("ret", {}, { sampling: { ...GREEDY, repetitionPenalty: 1.1 } })],
    ["for another model", gap(""), gap("ret", {}, { model: "n" })],
    ["for log probabilities", gap(""), gap("", {}, { logprobs: 0 })],
    ["for a shape", gap(""), gap("", {}, { shape: { gbnf: "root ::= [a-z]*" } })],
    ["for several choices", gap(""), gap("", {}, { choices: 2 })],
    ["for a least length", gap("", { minTokens: 2 }), gap("", { minTokens: 2 })],
    [
      "where penalties count what was generated",
      ...twice(gap("", {}, { sampling: { ...GREEDY, presencePenalty: 1 } })),
    ],
    ["where chance decides", ...twice(gap("", {}, { sampling: { temperature: 1 } }))],
    ["where nobody chose", ...twice(gap("", {}, { sampling: {} }))],
    ["where a seed was drawn from at another place", gap("", {}, seeded), gap("ret", {}, seeded)],
    [
      "when the prompt has grown beyond its bound",
      gap("ret", { maxInputTokens: 3 }),
      gap("return", { maxInputTokens: 3 }),
    ],
  ])("%s", async (_case, first, second) => {
    expect(await asksAgain(first, second)).toBe(true);
  });

  test("for the rest of an answer where every text must be computed, and not for the same one", async () => {
    expect(await asksAgain(gap(""), gap("ret"), false)).toBe(true);
    expect(await asksAgain(gap(""), gap(""), false)).toBe(false);
  });

  test("not for the same seed at the same place", async () => {
    expect(await asksAgain(...twice(gap("", {}, seeded)))).toBe(false);
  });

  test("by another caller", async () => {
    const [engine, memory] = [weights({ tokens: LINE }), emptyMemory()];
    await typing(engine, { memory, owner: "one" })(gap(""));
    await typing(engine, { memory, owner: "other" })(gap(""));

    expect(engine.calls).toHaveLength(2);
  });

  test("after its weights were loaded again", async () => {
    const engine = weights({ tokens: LINE });
    const type = typing(engine);
    await type(gap(""));
    engine.setStats({ loads: 2 });

    expect((await type(gap("ret"))).start.remembered).toBeUndefined();
  });
});

function twice(asked: ContinuationRequest): [ContinuationRequest, ContinuationRequest] {
  return [asked, asked];
}

test("a prompt that was cut is not remembered", async () => {
  const engine = new ScriptedEngine(() => [
    startPart({ truncatedTokens: 2 }),
    ...said([{ text: "x", id: 1 }], true, 3).slice(1),
  ]);
  const type = typing(engine);
  await type(gap(""));
  await type(gap(""));

  expect(engine.calls).toHaveLength(2);
});

test("an engine that is away leaves the known part to who types along it", async () => {
  let calls = 0;
  const engine = new ScriptedEngine(() => {
    calls += 1;
    return calls === 1 ? said([{ text: "ret", id: 0 }], false, 1) : [new ServiceError("queue_full", "no room")];
  });
  const type = typing(engine);
  await type(gap("", { maxTokens: 1 }));

  const rest = await type(gap("r"));

  expect(shown(rest)).toEqual({ text: "et", tokens: [0], reason: "length", completion: 1 });
  expect(engine.calls).toHaveLength(2);
});
